//! Transactions: groups of loads that become visible together.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

use super::bulk::{Cells, damaged};
use super::connection::failed;
use super::databases::{fold, lock_database, pixelization};
use super::segments::{Which, insert_segments, read_segments};
use super::{Catalog, DatabaseId, NewSegment, SnapshotId, TableId, Transaction, TransactionId, TransactionState};
use crate::error::{Error, Result};
use crate::partition::SkyPartition;

/// One file or stream that a transaction loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// Its number.
    pub id: i64,
    /// The transaction.
    pub transaction: TransactionId,
    /// The table.
    pub table: TableId,
    /// Where the rows came from, as the loader called it.
    pub source: String,
    /// Rows loaded.
    pub rows: u64,
    /// Rows skipped because they could not be read.
    pub bad_rows: u64,
    /// Rows loaded whose director was not found.
    pub orphans: u64,
    /// When, Unix milliseconds.
    pub added_unix_ms: i64,
}

macro_rules! select_transactions {
    ($condition:literal) => {
        concat!("SELECT id, database_id, state, began_unix_ms FROM transactions ", $condition)
    };
}

impl Catalog {
    /// Opens a transaction on a database. Several may be open at once.
    ///
    /// # Errors
    /// `NotFound` if there is no such database.
    pub async fn begin(&self, database: &str) -> Result<Transaction> {
        let now = self.now();
        let mut write = self.write().await?;
        // Locked, so that the database is not dropped under it.
        let database = lock_database(write.sql(), database).await?;
        let id = TransactionId(write.take_numbers("transaction", 1).await?);
        let insert = "INSERT INTO transactions (id, database_id, state, began_unix_ms, touched_unix_ms) \
                      VALUES ($1, $2, 'open', $3, $3)";
        let query = sqlx::query(insert).bind(id.0).bind(database.0).bind(now);
        query.execute(write.sql()).await.map_err(failed("begin a transaction"))?;
        write.commit().await?;
        Ok(Transaction { id, database, state: TransactionState::Open, began_unix_ms: now })
    }

    /// Fixes the order of the database's chunks, if nothing has yet; returns the order in force, which the caller must use.
    /// The order is visible at once. It is taken back if the transaction is aborted while the database has no other
    /// transaction that is open or committed.
    ///
    /// # Errors
    /// `Invalid` if the pixelization has no such order, `Conflict` if the transaction is not open.
    pub async fn set_chunk_order(&self, transaction: TransactionId, order: u8) -> Result<u8> {
        let mut write = self.write().await?;
        write.lock_snapshots().await?;
        let database = database_of(write.sql(), transaction).await?;
        let lock = "UPDATE databases SET changed_snapshot = changed_snapshot WHERE id = $1 \
                    RETURNING chunk_order, pixelization, overlap_arcsec";
        let row = sqlx::query(lock).bind(database.0).fetch_one(write.sql()).await.map_err(failed("find a database"))?;
        touch(write.sql(), transaction, self.now()).await?;
        let mut cells = Cells::of(&row);
        if let Some(in_force) = cells.narrow::<u8>()? {
            write.commit().await?;
            return Ok(in_force);
        }
        SkyPartition::new(pixelization(&cells.get::<String>()?)?, order, cells.get()?)?;
        let snapshot = write.take_numbers("snapshot", 1).await?;
        let set =
            "UPDATE databases SET chunk_order = $2, chunk_order_is_chosen = 1, changed_snapshot = $3 WHERE id = $1";
        let query = sqlx::query(set).bind(database.0).bind(i64::from(order)).bind(snapshot);
        query.execute(write.sql()).await.map_err(failed("set the chunk order"))?;
        write.commit().await?;
        Ok(order)
    }

    /// Notes what a transaction loaded into a table, and from where.
    ///
    /// # Errors
    /// `Conflict` if the transaction is not open, `Invalid` if the table is not of its database.
    pub async fn add_contribution(
        &self,
        transaction: TransactionId,
        table: TableId,
        source: &str,
        rows: u64,
        bad_rows: u64,
        orphans: u64,
    ) -> Result<()> {
        let now = self.now();
        let mut write = self.write().await?;
        let database = touch(write.sql(), transaction, now).await?;
        require_tables(write.sql(), database, &HashSet::from([table])).await?;
        let id = write.take_numbers("contribution", 1).await?;
        let insert = "INSERT INTO contributions (id, transaction_id, table_id, source, row_count, bad_rows, orphans, \
                      added_unix_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let query = sqlx::query(insert).bind(id).bind(transaction.0).bind(table.0).bind(source);
        let query = query.bind(count(rows)?).bind(count(bad_rows)?).bind(count(orphans)?).bind(now);
        query.execute(write.sql()).await.map_err(failed("note a contribution"))?;
        write.commit().await
    }

    /// Adds segments to a transaction, all or none; visible when it commits. Every copy named must be durable before that.
    ///
    /// # Errors
    /// `Conflict` if the transaction is not open or a path is in the catalog already; `Invalid` if a table is not of its
    /// database or a segment has no replica.
    pub async fn add_segments(&self, transaction: TransactionId, segments: &[NewSegment]) -> Result<()> {
        if let Some(segment) = segments.iter().find(|segment| segment.replicas.is_empty() || segment.path.is_empty()) {
            return Err(Error::invalid("a segment needs a path and a worker that holds it").with("path", &segment.path));
        }
        let now = self.now();
        let mut write = self.write().await?;
        let database = touch(write.sql(), transaction, now).await?;
        require_tables(write.sql(), database, &segments.iter().map(|segment| segment.table).collect()).await?;
        let first = write.take_numbers("segment", segments.len()).await?;
        insert_segments(write.sql(), transaction, first, segments).await?;
        write.commit().await
    }

    /// Says that a transaction puts one key of a table into several chunks: when it commits,
    /// [`key_is_chunk_local`](super::TableSnapshot::key_is_chunk_local) becomes false for good.
    ///
    /// # Errors
    /// `Conflict` if the transaction is not open, `Invalid` if the table is not of its database.
    pub async fn clear_key_locality(&self, transaction: TransactionId, table: TableId) -> Result<()> {
        let mut write = self.write().await?;
        let database = touch(write.sql(), transaction, self.now()).await?;
        require_tables(write.sql(), database, &HashSet::from([table])).await?;
        let insert =
            "INSERT INTO cleared_key_localities (transaction_id, table_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let query = sqlx::query(insert).bind(transaction.0).bind(table.0);
        query.execute(write.sql()).await.map_err(failed("note a key's locality"))?;
        write.commit().await
    }

    /// Makes a transaction visible, at once and for good; returns the snapshot that has it. Committing a second time
    /// changes nothing and returns the same, so that a caller who lost the answer can ask again.
    ///
    /// # Errors
    /// `Conflict` if the transaction was aborted, `NotFound` if it is not there.
    pub async fn commit(&self, transaction: TransactionId) -> Result<SnapshotId> {
        let mut write = self.write().await?;
        let snapshot = write.take_numbers("snapshot", 1).await?;
        let sql = write.sql();
        let database = database_of(sql, transaction).await?;
        let mark = "UPDATE databases SET changed_snapshot = $2 WHERE id = $1";
        sqlx::query(mark)
            .bind(database.0)
            .bind(snapshot)
            .execute(&mut *sql)
            .await
            .map_err(failed("commit a transaction"))?;
        let update = "UPDATE transactions SET state = 'committed', snapshot = $2 WHERE id = $1 AND state = 'open'";
        let query = sqlx::query(update).bind(transaction.0).bind(snapshot);
        let done = query.execute(&mut *sql).await.map_err(failed("commit a transaction"))?;
        if done.rows_affected() == 0 {
            // Dropping the SQL transaction takes the number back.
            let made = sqlx::query("SELECT snapshot FROM transactions WHERE id = $1 AND state = 'committed'");
            let row = made.bind(transaction.0).fetch_optional(&mut *sql).await.map_err(failed("find a transaction"))?;
            return match row {
                Some(row) => Ok(SnapshotId(Cells::of(&row).get()?)),
                None => Err(not_open(sql, transaction).await),
            };
        }
        write.commit().await?;
        Ok(SnapshotId(snapshot))
    }

    /// Gives a transaction up; returns the segments whose files are garbage now. They stand in [`Catalog::garbage`] until
    /// [`Catalog::forget_garbage`]. Aborting a second time changes nothing and returns none.
    ///
    /// # Errors
    /// `Conflict` if the transaction is committed, `NotFound` if it is not there.
    pub async fn abort(&self, transaction: TransactionId) -> Result<Vec<NewSegment>> {
        let now = self.now();
        let mut write = self.write().await?;
        write.lock_snapshots().await?;
        let sql = write.sql();
        let database = database_of(sql, transaction).await?;
        let lock = "UPDATE databases SET changed_snapshot = changed_snapshot WHERE id = $1";
        sqlx::query(lock).bind(database.0).execute(&mut *sql).await.map_err(failed("abort a transaction"))?;
        let update = "UPDATE transactions SET state = 'aborted' WHERE id = $1 AND state = 'open'";
        let done =
            sqlx::query(update).bind(transaction.0).execute(&mut *sql).await.map_err(failed("abort a transaction"))?;
        if done.rows_affected() == 0 {
            return match state_of(sql, transaction).await? {
                Some(TransactionState::Aborted) => Ok(Vec::new()),
                _ => Err(not_open(sql, transaction).await),
            };
        }
        let segments = read_segments(sql, Which::OfTransaction(transaction)).await?;
        let keep = "INSERT INTO garbage (worker_id, path, since_unix_ms) \
                    SELECT r.worker_id, s.path, $2 FROM segments s JOIN segment_replicas r ON r.segment_id = s.id \
                    WHERE s.transaction_id = $1 ON CONFLICT DO NOTHING";
        let query = sqlx::query(keep).bind(transaction.0).bind(now);
        query.execute(&mut *sql).await.map_err(failed("abort a transaction"))?;
        for delete in [
            "DELETE FROM segments WHERE transaction_id = $1",
            "DELETE FROM cleared_key_localities WHERE transaction_id = $1",
        ] {
            let query = sqlx::query(delete).bind(transaction.0);
            query.execute(&mut *sql).await.map_err(failed("abort a transaction"))?;
        }
        let take_back = "UPDATE databases SET chunk_order = NULL, chunk_order_is_chosen = 0 \
                         WHERE id = $1 AND chunk_order_is_chosen = 1 AND NOT EXISTS \
                         (SELECT 1 FROM transactions WHERE database_id = $1 AND state IN ('open', 'committed'))";
        let taken =
            sqlx::query(take_back).bind(database.0).execute(&mut *sql).await.map_err(failed("abort a transaction"))?;
        if taken.rows_affected() > 0 {
            let snapshot = write.take_numbers("snapshot", 1).await?;
            let query = sqlx::query("UPDATE databases SET changed_snapshot = $2 WHERE id = $1");
            let query = query.bind(database.0).bind(snapshot);
            query.execute(write.sql()).await.map_err(failed("abort a transaction"))?;
        }
        write.commit().await?;
        let segments = segments.into_iter().map(|(table, segment)| NewSegment {
            table,
            chunk: segment.chunk,
            role: segment.role,
            path: segment.path,
            rows: segment.rows,
            bytes: segment.bytes,
            bounds: segment.bounds,
            replicas: segment.replicas,
        });
        Ok(segments.collect())
    }

    /// A transaction.
    ///
    /// # Errors
    /// `NotFound` if it is not there.
    pub async fn transaction(&self, id: TransactionId) -> Result<Transaction> {
        let query = select_transactions!("WHERE id = $1");
        let row = sqlx::query(query).bind(id.0).fetch_optional(&self.inner.pool).await;
        match row.map_err(failed("find a transaction"))? {
            Some(row) => read_transaction(Cells::of(&row)),
            None => Err(absent(id)),
        }
    }

    /// All transactions of a database, oldest first.
    ///
    /// # Errors
    /// `NotFound` if there is no such database.
    pub async fn transactions(&self, database: &str) -> Result<Vec<Transaction>> {
        let find = sqlx::query("SELECT id FROM databases WHERE name_folded = $1").bind(fold(database));
        let row = find.fetch_optional(&self.inner.pool).await.map_err(failed("find a database"))?;
        let row = row.ok_or_else(|| Error::not_found(format!("there is no database \"{database}\"")))?;
        let id: i64 = Cells::of(&row).get()?;
        let query = select_transactions!("WHERE database_id = $1 ORDER BY id");
        let rows =
            sqlx::query(query).bind(id).fetch_all(&self.inner.pool).await.map_err(failed("read transactions"))?;
        rows.iter().map(|row| read_transaction(Cells::of(row))).collect()
    }

    /// The open transactions to which nothing was added since a moment: their loaders are gone; abort them.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn abandoned(&self, older_than_unix_ms: i64) -> Result<Vec<Transaction>> {
        let query = select_transactions!("WHERE state = 'open' AND touched_unix_ms < $1 ORDER BY id");
        let query = sqlx::query(query).bind(older_than_unix_ms);
        let rows = query.fetch_all(&self.inner.pool).await.map_err(failed("read transactions"))?;
        rows.iter().map(|row| read_transaction(Cells::of(row))).collect()
    }

    /// Says that a transaction's loader lives, during a long step that adds nothing.
    ///
    /// # Errors
    /// `Conflict` if the transaction is not open.
    pub async fn touch(&self, transaction: TransactionId) -> Result<()> {
        let mut write = self.write().await?;
        touch(write.sql(), transaction, self.now()).await?;
        write.commit().await
    }

    /// What a transaction loaded, in the order added.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn contributions(&self, transaction: TransactionId) -> Result<Vec<Contribution>> {
        let query = "SELECT id, table_id, source, row_count, bad_rows, orphans, added_unix_ms FROM contributions \
                     WHERE transaction_id = $1 ORDER BY id";
        let query = sqlx::query(query).bind(transaction.0);
        let rows = query.fetch_all(&self.inner.pool).await.map_err(failed("read contributions"))?;
        let read = |row| {
            let mut cells = Cells::of(row);
            Ok(Contribution {
                id: cells.get()?,
                transaction,
                table: TableId(cells.get()?),
                source: cells.get()?,
                rows: cells.count()?,
                bad_rows: cells.count()?,
                orphans: cells.count()?,
                added_unix_ms: cells.get()?,
            })
        };
        rows.iter().map(read).collect()
    }
}

/// Locks an open transaction's row until the SQL transaction ends, and notes that its loader lives.
async fn touch(sql: &mut AnyConnection, id: TransactionId, now_unix_ms: i64) -> Result<DatabaseId> {
    let touch = "UPDATE transactions SET touched_unix_ms = $2 WHERE id = $1 AND state = 'open' RETURNING database_id";
    let query = sqlx::query(touch).bind(id.0).bind(now_unix_ms);
    match query.fetch_optional(&mut *sql).await.map_err(failed("find a transaction"))? {
        Some(row) => Ok(DatabaseId(Cells::of(&row).get()?)),
        None => Err(not_open(sql, id).await),
    }
}

/// The database of a transaction in any state.
async fn database_of(sql: &mut AnyConnection, id: TransactionId) -> Result<DatabaseId> {
    let query = sqlx::query("SELECT database_id FROM transactions WHERE id = $1").bind(id.0);
    match query.fetch_optional(sql).await.map_err(failed("find a transaction"))? {
        Some(row) => Ok(DatabaseId(Cells::of(&row).get()?)),
        None => Err(absent(id)),
    }
}

async fn state_of(sql: &mut AnyConnection, id: TransactionId) -> Result<Option<TransactionState>> {
    let query = sqlx::query("SELECT state FROM transactions WHERE id = $1").bind(id.0);
    match query.fetch_optional(sql).await.map_err(failed("find a transaction"))? {
        Some(row) => read_state(&mut Cells::of(&row)).map(Some),
        None => Ok(None),
    }
}

/// Why nothing can be done with a transaction that is not open.
async fn not_open(sql: &mut AnyConnection, id: TransactionId) -> Error {
    match state_of(sql, id).await {
        Ok(Some(state)) => Error::conflict(format!("transaction {id} is {}, not open; begin another", state.as_str())),
        Ok(None) => absent(id),
        Err(error) => error,
    }
}

fn absent(id: TransactionId) -> Error {
    Error::not_found(format!("there is no transaction {id}; its database may have been dropped"))
}

fn read_transaction(mut cells: Cells<'_>) -> Result<Transaction> {
    Ok(Transaction {
        id: TransactionId(cells.get()?),
        database: DatabaseId(cells.get()?),
        state: read_state(&mut cells)?,
        began_unix_ms: cells.get()?,
    })
}

fn read_state(cells: &mut Cells<'_>) -> Result<TransactionState> {
    TransactionState::parse(&cells.get::<String>()?).ok_or_else(|| damaged("a transaction in an unknown state"))
}

/// Refuses tables of other databases.
async fn require_tables(sql: &mut AnyConnection, database: DatabaseId, tables: &HashSet<TableId>) -> Result<()> {
    let query = sqlx::query("SELECT id FROM tables WHERE database_id = $1").bind(database.0);
    let rows = query.fetch_all(sql).await.map_err(failed("read tables"))?;
    let known: HashSet<TableId> = rows.iter().map(|row| Ok(TableId(Cells::of(row).get()?))).collect::<Result<_>>()?;
    match tables.difference(&known).next() {
        None => Ok(()),
        Some(table) => Err(Error::invalid(format!("table {table} is not of the transaction's database"))),
    }
}

/// A count as SQL keeps it.
fn count(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|error| Error::limit("a count is too large for the catalog").caused_by(error))
}
