//! The three engines that must agree.

mod certificates;
mod embedded;
mod plain;
mod processes;

use async_trait::async_trait;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType};

pub use embedded::Embedded;
pub use plain::Plain;
pub use processes::{MAX_STREAMS, ProcessCluster, ProcessSettings, Processes};

/// Answers a query as rows of text.
#[async_trait]
pub trait Engine: Send {
    /// Its name in messages.
    fn name(&self) -> &'static str;

    /// The rows of a query, or what the user reads.
    async fn ask(&self, query: &str) -> Result<Vec<Vec<String>>, String>;
}

/// An engine as sqllogictest's runner sees it.
pub struct Scripted<E>(pub E);

/// What the user reads when a query is refused.
#[derive(Debug)]
pub struct Refusal(String);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

#[async_trait]
impl<E: Engine> AsyncDB for Scripted<E> {
    type Error = Refusal;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refusal> {
        let rows = self.0.ask(sql).await.map_err(Refusal)?;
        let columns = rows.first().map_or(0, Vec::len);
        Ok(DBOutput::Rows { types: vec![DefaultColumnType::Any; columns], rows })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        self.0.name()
    }
}
