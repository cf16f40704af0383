//! Workers: who is there, and since when it was silent.

use super::bulk::Cells;
use super::connection::failed;
use super::{Catalog, Worker, WorkerId};
use crate::error::{Error, Result};

impl Catalog {
    /// Makes a worker known, or its new address and heartbeat.
    ///
    /// # Errors
    /// `Invalid` if its name or address is empty.
    pub async fn register_worker(&self, worker: &Worker) -> Result<()> {
        if worker.id.0.trim().is_empty() || worker.url.trim().is_empty() {
            return Err(Error::invalid("a worker needs a name and an address"));
        }
        // Two czars may report the same worker: the later heartbeat stays.
        let upsert = "INSERT INTO workers (id, url, seen_unix_ms) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET \
                      url = CASE WHEN excluded.seen_unix_ms >= workers.seen_unix_ms THEN excluded.url ELSE workers.url END, \
                      seen_unix_ms = CASE WHEN excluded.seen_unix_ms >= workers.seen_unix_ms \
                      THEN excluded.seen_unix_ms ELSE workers.seen_unix_ms END";
        let mut write = self.write().await?;
        let query = sqlx::query(upsert).bind(worker.id.0.as_str()).bind(worker.url.as_str()).bind(worker.seen_unix_ms);
        query.execute(write.sql()).await.map_err(failed("register a worker"))?;
        write.commit().await
    }

    /// Notes that a worker lives at `url`; one that is not known becomes known.
    ///
    /// # Errors
    /// As [`Catalog::register_worker`].
    pub async fn heartbeat(&self, id: &WorkerId, url: &str, now_unix_ms: i64) -> Result<()> {
        let worker = Worker { id: id.clone(), url: url.to_owned(), seen_unix_ms: now_unix_ms };
        self.register_worker(&worker).await
    }

    /// All workers by name, live or not: the caller judges by [`Worker::seen_unix_ms`].
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn workers(&self) -> Result<Vec<Worker>> {
        let query = sqlx::query("SELECT id, url, seen_unix_ms FROM workers ORDER BY id");
        let rows = query.fetch_all(&self.inner.pool).await.map_err(failed("read workers"))?;
        let read = |row| {
            let mut cells = Cells::of(row);
            Ok(Worker { id: WorkerId(cells.get()?), url: cells.get()?, seen_unix_ms: cells.get()? })
        };
        rows.iter().map(read).collect()
    }
}
