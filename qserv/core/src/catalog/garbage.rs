//! Files that nothing names any more: of aborted transactions and dropped databases, and those that nothing will name: what a query
//! keeps on workers while it runs.

use super::bulk::Cells;
use super::connection::failed;
use super::{Catalog, WorkerId};
use crate::error::Result;
use crate::store::paths;

/// One copy of a file to delete.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Garbage {
    /// The worker that has it.
    pub worker: WorkerId,
    /// Its path below the worker's store.
    pub path: String,
    /// Since when nothing names it, Unix milliseconds. Queries that began before may still read it.
    pub since_unix_ms: i64,
}

impl Catalog {
    /// At most `limit` copies of files to delete, oldest first. Never one that a segment names again.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn garbage(&self, limit: u32) -> Result<Vec<Garbage>> {
        let query = "SELECT worker_id, path, since_unix_ms FROM garbage \
                     WHERE NOT EXISTS (SELECT 1 FROM segments WHERE segments.path = garbage.path) \
                     ORDER BY since_unix_ms, worker_id, path LIMIT $1";
        let query = sqlx::query(query).bind(i64::from(limit));
        let rows = query.fetch_all(&self.inner.pool).await.map_err(failed("read garbage"))?;
        let read = |row| {
            let mut cells = Cells::of(row);
            Ok(Garbage { worker: WorkerId(cells.get()?), path: cells.get()?, since_unix_ms: cells.get()? })
        };
        rows.iter().map(read).collect()
    }

    /// Notes copies of files that a query is about to write, before it does: whoever wrote them deletes them and says so with
    /// [`Catalog::forget_garbage`]; should it die first, they are garbage from `until_unix_ms` on.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn note_temporary(&self, copies: &[(WorkerId, String)], until_unix_ms: i64) -> Result<()> {
        let mut write = self.write().await?;
        for (worker, path) in copies {
            sqlx::query("INSERT INTO garbage (worker_id, path, since_unix_ms) VALUES ($1, $2, $3)")
                .bind(worker.0.as_str())
                .bind(path.as_str())
                .bind(until_unix_ms)
                .execute(write.sql())
                .await
                .map_err(failed("note temporary files"))?;
        }
        write.commit().await
    }

    /// Makes the files of queries that no longer run garbage now. To be called at start-up by a process that is the only one to
    /// answer queries over this catalog.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn expire_temporary(&self) -> Result<()> {
        let mut write = self.write().await?;
        // LIKE would take the underscore for any character.
        let folder = format!("{}/", paths::TEMPORARY);
        sqlx::query("UPDATE garbage SET since_unix_ms = 0 WHERE substr(path, 1, length($1)) = $1")
            .bind(folder)
            .execute(write.sql())
            .await
            .map_err(failed("find old temporary files"))?;
        write.commit().await
    }

    /// Says that copies are deleted.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn forget_garbage(&self, copies: &[(WorkerId, String)]) -> Result<()> {
        let mut write = self.write().await?;
        for (worker, path) in copies {
            sqlx::query("DELETE FROM garbage WHERE worker_id = $1 AND path = $2")
                .bind(worker.0.as_str())
                .bind(path.as_str())
                .execute(write.sql())
                .await
                .map_err(failed("forget garbage"))?;
        }
        write.commit().await
    }
}
