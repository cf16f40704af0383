//! Declarations: databases, tables, columns, foreign keys.

use std::collections::HashMap;

use sqlx::AnyConnection;

use super::bulk::{Cells, InsertError, Values, damaged, insert_all};
use super::connection::{failed, is_taken};
use super::examples::{insert_examples, read_examples};
use super::segments::{Which, read_segments};
use super::{
    Catalog, Column, ColumnType, Database, DatabaseId, ForeignKey, MatchSide, Segment, Table, TableId, TableKind,
};
use crate::error::{Error, Result};
use crate::partition::PixelizationKind;
use crate::schema::check;

impl Catalog {
    /// Stores a declared database; returns it with its numbers filled in. Visible at once, empty.
    ///
    /// # Errors
    /// `Conflict` if the name is taken (letter case makes no difference), `Invalid` if the declaration breaks a rule of
    /// [`crate::schema::check`](crate::schema::check()).
    pub async fn create_database(&self, database: &Database) -> Result<Database> {
        check(database)?;
        let mut database = database.clone();
        let mut write = self.write().await?;
        let snapshot = write.take_numbers("snapshot", 1).await?;
        database.id = DatabaseId(write.take_numbers("database", 1).await?);
        let first_table = write.take_numbers("table", database.tables.len()).await?;
        for (table, id) in database.tables.iter_mut().zip(first_table..) {
            table.id = TableId(id);
        }
        let first_key = write.take_numbers("foreign_key", database.foreign_keys.len()).await?;
        let sql = write.sql();
        insert_database(sql, &database, snapshot).await?;
        insert_tables(sql, &database).await?;
        insert_foreign_keys(sql, &database, first_key).await?;
        insert_examples(sql, database.id, &database.examples).await?;
        write.commit().await?;
        tracing::info!(database = database.name, tables = database.tables.len(), "created a database");
        Ok(database)
    }

    /// Drops a database with everything loaded into it, open transactions included; returns the segments whose files
    /// are garbage now. They stand in [`Catalog::garbage`] too.
    ///
    /// # Errors
    /// `NotFound` if there is no such database.
    pub async fn drop_database(&self, name: &str) -> Result<Vec<Segment>> {
        let now = self.now();
        let mut write = self.write().await?;
        write.take_numbers("snapshot", 1).await?;
        let id = lock_database(write.sql(), name).await?;
        let sql = write.sql();
        // Whoever is adding to an open transaction ends first, and can add no more after.
        let close = "UPDATE transactions SET state = 'aborted' WHERE database_id = $1 AND state = 'open'";
        sqlx::query(close).bind(id.0).execute(&mut *sql).await.map_err(failed("drop a database"))?;
        let segments = read_segments(sql, Which::All(id)).await?.into_iter().map(|(_, segment)| segment).collect();
        let keep = "INSERT INTO garbage (worker_id, path, since_unix_ms) \
                    SELECT r.worker_id, s.path, $2 FROM segments s JOIN segment_replicas r ON r.segment_id = s.id \
                    JOIN tables t ON t.id = s.table_id WHERE t.database_id = $1 ON CONFLICT DO NOTHING";
        sqlx::query(keep).bind(id.0).bind(now).execute(&mut *sql).await.map_err(failed("drop a database"))?;
        let delete = "DELETE FROM databases WHERE id = $1";
        sqlx::query(delete).bind(id.0).execute(&mut *sql).await.map_err(failed("drop a database"))?;
        write.commit().await?;
        tracing::info!(database = name, "dropped a database");
        Ok(segments)
    }
}

/// Locks a database's row until the SQL transaction ends.
pub(super) async fn lock_database(sql: &mut AnyConnection, name: &str) -> Result<DatabaseId> {
    let lock = "UPDATE databases SET changed_snapshot = changed_snapshot WHERE name_folded = $1 RETURNING id";
    let row = sqlx::query(lock).bind(fold(name)).fetch_optional(sql).await.map_err(failed("find a database"))?;
    match row {
        Some(row) => Ok(DatabaseId(Cells::of(&row).get()?)),
        None => Err(Error::not_found(format!("there is no database \"{name}\""))),
    }
}

/// The form in which names are compared.
pub(super) fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

async fn insert_database(sql: &mut AnyConnection, database: &Database, snapshot: i64) -> Result<()> {
    let head = "INSERT INTO databases (id, name, name_folded, description, pixelization, chunk_order, \
                chunk_order_is_chosen, overlap_arcsec, changed_snapshot, replaced_snapshot) VALUES";
    let rows = [database];
    let inserted = insert_all(sql, head, 10, &rows, |values, database| {
        values.put(database.id.0);
        values.put(database.name.clone());
        values.put(fold(&database.name));
        values.put(database.description.clone());
        values.put(database.pixelization.to_string());
        values.put(database.chunk_order.map(i64::from));
        values.put(0_i64);
        values.put(database.overlap_arcsec);
        values.put(snapshot);
        values.put(snapshot);
    });
    match inserted.await {
        Err(InsertError::Sql(error)) if is_taken(&error) => {
            Err(Error::conflict(format!("a database \"{}\" is there already; choose another name", database.name))
                .caused_by(error))
        }
        other => Ok(other?),
    }
}

async fn insert_tables(sql: &mut AnyConnection, database: &Database) -> Result<()> {
    let head = "INSERT INTO tables (id, database_id, position, name, name_folded, description, utype, table_index, kind, \
                key_column, lon_column, lat_column, director, director_key, director_lon_column, director_lat_column, \
                left_director, left_column, right_director, right_column) VALUES";
    let tables: Vec<(i64, &Table)> = (0..).zip(&database.tables).collect();
    insert_all(sql, head, 20, &tables, |values, (position, table)| {
        values.put(table.id.0);
        values.put(database.id.0);
        values.put(*position);
        values.put(table.name.clone());
        values.put(fold(&table.name));
        values.put(table.description.clone());
        values.put(table.utype.clone());
        values.put(table.table_index.map(i64::from));
        put_kind(values, &table.kind);
    })
    .await?;
    let columns: Vec<(&Table, i64, &Column)> = tables
        .iter()
        .flat_map(|(_, table)| (0..).zip(&table.columns).map(move |(position, column)| (*table, position, column)))
        .collect();
    let head = "INSERT INTO columns (table_id, position, name, name_folded, datatype, length, nullable, unit, ucd, utype, \
                description, xtype, arraysize, principal, std, column_index, primary_key_position) VALUES";
    insert_all(sql, head, 17, &columns, |values, (table, position, column)| {
        let key_position = table.primary_key.iter().position(|name| *name == column.name);
        values.put(table.id.0);
        values.put(*position);
        values.put(column.name.clone());
        values.put(fold(&column.name));
        values.put(column.datatype.name());
        values.put(column.length.map(i64::from));
        values.put(i64::from(column.nullable));
        for text in [&column.unit, &column.ucd, &column.utype, &column.description, &column.xtype, &column.arraysize] {
            values.put(text.clone());
        }
        values.put(i64::from(column.principal));
        values.put(i64::from(column.std));
        values.put(column.column_index.map(i64::from));
        values.put(key_position.and_then(|position| i64::try_from(position).ok()));
    })
    .await?;
    Ok(())
}

/// `kind` and the eleven columns behind it.
fn put_kind(values: &mut Values, kind: &TableKind) {
    let mut cells: [Option<&String>; 11] = [None; 11];
    match kind {
        TableKind::Director { key, position } => {
            cells[0] = Some(key);
            cells[1] = Some(&position[0]);
            cells[2] = Some(&position[1]);
        }
        TableKind::Child { director, director_key, position, director_position } => {
            cells[1] = position.as_ref().map(|pair| &pair[0]);
            cells[2] = position.as_ref().map(|pair| &pair[1]);
            cells[3] = Some(director);
            cells[4] = Some(director_key);
            cells[5] = director_position.as_ref().map(|pair| &pair[0]);
            cells[6] = director_position.as_ref().map(|pair| &pair[1]);
        }
        TableKind::Match { left, right } => {
            cells[7] = Some(&left.director);
            cells[8] = Some(&left.column);
            cells[9] = Some(&right.director);
            cells[10] = Some(&right.column);
        }
        TableKind::Replicated => {}
    }
    values.put(kind.name());
    for cell in cells {
        values.put(cell.cloned());
    }
}

async fn insert_foreign_keys(sql: &mut AnyConnection, database: &Database, first: i64) -> Result<()> {
    let id_of = |name: &String| database.tables.iter().find(|table| table.name == *name).map_or(0, |table| table.id.0);
    let keys: Vec<(i64, &ForeignKey)> = (first..).zip(&database.foreign_keys).collect();
    let head = "INSERT INTO foreign_keys (id, database_id, from_table_id, target_table_id, description) VALUES";
    insert_all(sql, head, 5, &keys, |values, (id, key)| {
        values.put(*id);
        values.put(database.id.0);
        values.put(id_of(&key.from_table));
        values.put(id_of(&key.target_table));
        values.put(key.description.clone());
    })
    .await?;
    let pairs: Vec<(i64, i64, &String, &String)> = keys
        .iter()
        .flat_map(|(id, key)| {
            let pairs = key.from_columns.iter().zip(&key.target_columns);
            (0..).zip(pairs).map(move |(position, (from, target))| (*id, position, from, target))
        })
        .collect();
    let head = "INSERT INTO foreign_key_columns (foreign_key_id, position, from_column, target_column) VALUES";
    insert_all(sql, head, 4, &pairs, |values, (id, position, from, target)| {
        values.put(*id);
        values.put(*position);
        values.put((*from).clone());
        values.put((*target).clone());
    })
    .await?;
    Ok(())
}

/// What of a database's row can change after it was declared.
pub(super) struct DatabaseRow {
    pub(super) id: DatabaseId,
    pub(super) name: String,
    pub(super) changed_snapshot: i64,
    pub(super) replaced_snapshot: i64,
    pub(super) chunk_order: Option<u8>,
    description: Option<String>,
    pixelization: PixelizationKind,
    overlap_arcsec: f64,
}

/// All databases, without their tables.
pub(super) async fn read_databases(sql: &mut AnyConnection) -> Result<Vec<DatabaseRow>> {
    let query = "SELECT id, name, changed_snapshot, replaced_snapshot, chunk_order, description, pixelization, overlap_arcsec \
                 FROM databases ORDER BY id";
    let rows = sqlx::query(query).fetch_all(sql).await.map_err(failed("read databases"))?;
    let read = |row| {
        let mut cells = Cells::of(row);
        Ok(DatabaseRow {
            id: DatabaseId(cells.get()?),
            name: cells.get()?,
            changed_snapshot: cells.get()?,
            replaced_snapshot: cells.get()?,
            chunk_order: cells.narrow()?,
            description: cells.get()?,
            pixelization: pixelization(&cells.get::<String>()?)?,
            overlap_arcsec: cells.get()?,
        })
    };
    rows.iter().map(read).collect()
}

pub(super) fn pixelization(name: &str) -> Result<PixelizationKind> {
    let known = [PixelizationKind::Healpix, PixelizationKind::H3];
    known.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| damaged("an unknown pixelization"))
}

/// The whole declaration of a database.
pub(super) async fn read_declaration(sql: &mut AnyConnection, row: &DatabaseRow) -> Result<Database> {
    let mut tables = read_tables(sql, row.id).await?;
    read_columns(sql, row.id, &mut tables).await?;
    let foreign_keys = read_foreign_keys(sql, row.id, &tables).await?;
    let examples = read_examples(sql, row.id).await?;
    Ok(Database {
        id: row.id,
        name: row.name.clone(),
        description: row.description.clone(),
        pixelization: row.pixelization,
        chunk_order: row.chunk_order,
        overlap_arcsec: row.overlap_arcsec,
        tables,
        foreign_keys,
        examples,
    })
}

async fn read_tables(sql: &mut AnyConnection, database: DatabaseId) -> Result<Vec<Table>> {
    let query = "SELECT id, name, description, utype, table_index, kind, key_column, lon_column, lat_column, director, \
                 director_key, director_lon_column, director_lat_column, left_director, left_column, right_director, \
                 right_column FROM tables WHERE database_id = $1 ORDER BY position";
    let rows = sqlx::query(query).bind(database.0).fetch_all(sql).await.map_err(failed("read tables"))?;
    let read = |row| {
        let mut cells = Cells::of(row);
        Ok(Table {
            id: TableId(cells.get()?),
            name: cells.get()?,
            description: cells.get()?,
            utype: cells.get()?,
            table_index: cells.narrow()?,
            kind: read_kind(&mut cells)?,
            primary_key: Vec::new(),
            columns: Vec::new(),
        })
    };
    rows.iter().map(read).collect()
}

fn read_kind(cells: &mut Cells<'_>) -> Result<TableKind> {
    let kind: String = cells.get()?;
    let key: Option<String> = cells.get()?;
    let position: Option<[String; 2]> = cells.pair()?;
    let director: Option<[String; 2]> = cells.pair()?;
    let director_position: Option<[String; 2]> = cells.pair()?;
    let left: Option<[String; 2]> = cells.pair()?;
    let right: Option<[String; 2]> = cells.pair()?;
    let side = |[director, column]: [String; 2]| MatchSide { director, column };
    match (kind.as_str(), key, position, director, left, right) {
        ("director", Some(key), Some(position), ..) => Ok(TableKind::Director { key, position }),
        ("child", _, position, Some([director, director_key]), ..) => {
            Ok(TableKind::Child { director, director_key, position, director_position })
        }
        ("match", _, _, _, Some(left), Some(right)) => Ok(TableKind::Match { left: side(left), right: side(right) }),
        ("replicated", ..) => Ok(TableKind::Replicated),
        _ => Err(damaged("a table of an unknown kind")),
    }
}

/// Puts the columns, and the primary keys made of them, into their tables.
async fn read_columns(sql: &mut AnyConnection, database: DatabaseId, tables: &mut [Table]) -> Result<()> {
    let query = "SELECT c.table_id, c.name, c.datatype, c.length, c.nullable, c.unit, c.ucd, c.utype, c.description, \
                 c.xtype, c.arraysize, c.principal, c.std, c.column_index, c.primary_key_position \
                 FROM columns c JOIN tables t ON t.id = c.table_id WHERE t.database_id = $1 \
                 ORDER BY c.table_id, c.position";
    let rows = sqlx::query(query).bind(database.0).fetch_all(sql).await.map_err(failed("read columns"))?;
    let places: HashMap<TableId, usize> = tables.iter().enumerate().map(|(place, table)| (table.id, place)).collect();
    let mut keys: Vec<Vec<(i64, String)>> = vec![Vec::new(); tables.len()];
    for row in &rows {
        let mut cells = Cells::of(row);
        let table = TableId(cells.get()?);
        let column = Column {
            name: cells.get()?,
            datatype: ColumnType::parse(&cells.get::<String>()?).ok_or_else(|| damaged("an unknown type"))?,
            length: cells.narrow()?,
            nullable: cells.flag()?,
            unit: cells.get()?,
            ucd: cells.get()?,
            utype: cells.get()?,
            description: cells.get()?,
            xtype: cells.get()?,
            arraysize: cells.get()?,
            principal: cells.flag()?,
            std: cells.flag()?,
            column_index: cells.narrow()?,
        };
        let key_position: Option<i64> = cells.get()?;
        let Some(place) = places.get(&table) else { return Err(damaged("a column of no table")) };
        if let Some(position) = key_position {
            keys[*place].push((position, column.name.clone()));
        }
        tables[*place].columns.push(column);
    }
    for (table, mut key) in tables.iter_mut().zip(keys) {
        key.sort();
        table.primary_key = key.into_iter().map(|(_, name)| name).collect();
    }
    Ok(())
}

async fn read_foreign_keys(sql: &mut AnyConnection, database: DatabaseId, tables: &[Table]) -> Result<Vec<ForeignKey>> {
    let query = "SELECT k.id, k.from_table_id, k.target_table_id, k.description, c.from_column, c.target_column \
                 FROM foreign_keys k JOIN foreign_key_columns c ON c.foreign_key_id = k.id \
                 WHERE k.database_id = $1 ORDER BY k.id, c.position";
    let rows = sqlx::query(query).bind(database.0).fetch_all(sql).await.map_err(failed("read foreign keys"))?;
    let name =
        |id: i64| tables.iter().find(|table| table.id.0 == id).map(|table| table.name.clone()).unwrap_or_default();
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    for row in &rows {
        let mut cells = Cells::of(row);
        let id: i64 = cells.get()?;
        let (from_table, target_table) = (name(cells.get()?), name(cells.get()?));
        let (description, from, target) = (cells.get()?, cells.get()?, cells.get()?);
        if keys.last().is_none_or(|(last, _)| *last != id) {
            let (from_columns, target_columns) = (Vec::new(), Vec::new());
            keys.push((id, ForeignKey { from_table, from_columns, target_table, target_columns, description }));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.from_columns.push(from);
            key.target_columns.push(target);
        }
    }
    Ok(keys.into_iter().map(|(_, key)| key).collect())
}
