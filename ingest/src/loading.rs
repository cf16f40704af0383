//! Loading, wherever it happens: in this process ([`crate::Ingest`]) or in a server ([`crate::Client`]).

use async_trait::async_trait;
use qserv_core::Result;
use qserv_core::catalog::{Database, Example, TransactionId};
use qserv_core::schema::Description;
use qserv_loaders::{FormatOptions, Input};

use crate::progress::Progress;
use crate::report::{CommitReport, ContributionReport};

/// One file for one table.
#[derive(Debug)]
pub struct LoadFile {
    /// The table.
    pub table: String,
    /// The bytes.
    pub input: Input,
    /// How to read them.
    pub options: FormatOptions,
}

/// Makes databases and fills them. A transaction's rows are visible when it commits, all at once, or never.
#[async_trait]
pub trait Loading: Send + Sync {
    /// Stores a declared database; returns it with its numbers.
    async fn create_database(&self, database: &Database) -> Result<Database>;

    /// All databases with what is loaded, by name.
    async fn databases(&self) -> Result<Vec<Description>>;

    /// One database with what is loaded.
    async fn describe_database(&self, name: &str) -> Result<Description>;

    /// Puts these examples in the place of a database's examples.
    async fn replace_examples(&self, database: &str, examples: &[Example]) -> Result<()>;

    /// Drops a database and everything loaded into it. Files are deleted after a while, when no query reads them any more.
    async fn drop_database(&self, name: &str) -> Result<()>;

    /// Opens a transaction.
    async fn begin(&self, database: &str) -> Result<TransactionId>;

    /// Loads one file into a table. An error ends the transaction: everything of it is deleted.
    ///
    /// Directors should come before the tables that refer to them: a child's row whose key is not there yet is kept, and
    /// found, but counted as an orphan and perhaps far from its director.
    async fn contribute(
        &self,
        transaction: TransactionId,
        file: LoadFile,
        progress: &Progress,
    ) -> Result<ContributionReport>;

    /// Writes what is not yet written, and makes the transaction visible.
    async fn commit(&self, transaction: TransactionId) -> Result<CommitReport>;

    /// Gives a transaction up and deletes its files.
    async fn abort(&self, transaction: TransactionId) -> Result<()>;

    /// One transaction over some files, all or nothing. Directors are loaded before the tables that refer to them, whatever the
    /// order given; the reports come in the order given.
    async fn load(
        &self,
        database: &str,
        files: Vec<LoadFile>,
        progress: &Progress,
    ) -> Result<(Vec<ContributionReport>, CommitReport)> {
        let described = self.describe_database(database).await?;
        let step_of = |file: &LoadFile| {
            let table = described.tables.iter().find(|table| table.name.eq_ignore_ascii_case(&file.table));
            match table.map(|table| table.kind.as_str()) {
                Some("director") => 0,
                Some("child") => 1,
                Some("match") => 2,
                _ => 3,
            }
        };
        let mut files: Vec<(usize, LoadFile)> = files.into_iter().enumerate().collect();
        files.sort_by_key(|(_, file)| step_of(file));
        let transaction = self.begin(database).await?;
        let mut parts = Vec::with_capacity(files.len());
        for (place, file) in files {
            match self.contribute(transaction, file, progress).await {
                Ok(part) => parts.push((place, part)),
                Err(error) => {
                    if let Err(second) = self.abort(transaction).await {
                        tracing::warn!(transaction = transaction.0, error = %second.to_log(), "not aborted yet");
                    }
                    return Err(error);
                }
            }
        }
        parts.sort_by_key(|(place, _)| *place);
        Ok((parts.into_iter().map(|(_, part)| part).collect(), self.commit(transaction).await?))
    }
}
