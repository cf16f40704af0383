//! Files that nothing names any more: of aborted transactions and dropped databases.

use super::bulk::Cells;
use super::connection::failed;
use super::{Catalog, WorkerId};
use crate::error::Result;

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
