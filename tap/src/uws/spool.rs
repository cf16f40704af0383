//! Files for results, within a bound on their bytes together. A file lives as long as what refers to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use qserv_core::{Error, Result};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::sync::OnceCell;

const FILE_SUFFIX: &str = "result";

/// A folder of results.
pub(crate) struct Spool {
    folder: PathBuf,
    limit_bytes: u64,
    used_bytes: Arc<AtomicU64>,
    prepared: OnceCell<()>,
}

impl Spool {
    /// A spool in this folder, which is made, and rid of an earlier run's files, when the first result arrives.
    pub(crate) fn new(folder: PathBuf, limit_bytes: u64) -> Self {
        Self { folder, limit_bytes, used_bytes: Arc::default(), prepared: OnceCell::new() }
    }

    /// A new, empty file.
    ///
    /// # Errors
    /// `Internal` if the folder cannot be written.
    pub(crate) async fn create(&self, id: &str) -> Result<SpoolWriter> {
        self.prepared.get_or_try_init(|| prepare(&self.folder)).await.map_err(cannot_write)?;
        let path = self.folder.join(format!("{id}.{FILE_SUFFIX}"));
        let file = File::create_new(&path).await.map_err(cannot_write)?;
        let kept = SpoolFile { path, bytes: 0, used_bytes: self.used_bytes.clone() };
        Ok(SpoolWriter { file, kept, limit_bytes: self.limit_bytes })
    }
}

async fn prepare(folder: &Path) -> std::io::Result<()> {
    tokio::fs::create_dir_all(folder).await?;
    let mut entries = tokio::fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        if entry.path().extension().is_some_and(|suffix| suffix == FILE_SUFFIX) {
            tokio::fs::remove_file(entry.path()).await?;
        }
    }
    Ok(())
}

fn cannot_write(error: std::io::Error) -> Error {
    Error::internal("the result cannot be stored").caused_by(error)
}

/// A result being written. Dropped unfinished, it leaves nothing behind.
pub(crate) struct SpoolWriter {
    file: File,
    kept: SpoolFile,
    limit_bytes: u64,
}

impl SpoolWriter {
    /// Appends bytes.
    ///
    /// # Errors
    /// `Limit` if all results together would take more than they may.
    pub(crate) async fn write(&mut self, chunk: &Bytes) -> Result<()> {
        let length = chunk.len() as u64;
        let used = self.kept.used_bytes.fetch_add(length, Ordering::Relaxed);
        self.kept.bytes += length;
        if used + length > self.limit_bytes {
            return Err(Error::limit("there is no room for more results; delete jobs that are no longer needed")
                .with("limit_bytes", self.limit_bytes));
        }
        self.file.write_all(chunk).await.map_err(cannot_write)
    }

    /// The whole result.
    ///
    /// # Errors
    /// `Internal` if the last bytes cannot be written.
    pub(crate) async fn finish(mut self, content_type: &'static str) -> Result<SpooledResult> {
        self.file.flush().await.map_err(cannot_write)?;
        Ok(SpooledResult { kept: self.kept, content_type })
    }
}

/// A result to be fetched. Its file is deleted with it.
pub(crate) struct SpooledResult {
    kept: SpoolFile,
    pub(crate) content_type: &'static str,
}

impl SpooledResult {
    /// Its size.
    pub(crate) fn bytes(&self) -> u64 {
        self.kept.bytes
    }

    /// Opens it for reading; a reader keeps its bytes even if the result is deleted meanwhile.
    ///
    /// # Errors
    /// `Internal` if the file is gone.
    pub(crate) async fn open(&self) -> Result<File> {
        File::open(&self.kept.path).await.map_err(|error| Error::internal("the result cannot be read").caused_by(error))
    }
}

/// A file that is deleted when it is dropped, and gives its bytes back.
struct SpoolFile {
    path: PathBuf,
    bytes: u64,
    used_bytes: Arc<AtomicU64>,
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        self.used_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a result could not be deleted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[tokio::test]
    async fn results_come_and_go_with_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("old.result"), "x").unwrap();
        std::fs::write(folder.path().join("other.txt"), "x").unwrap();
        let spool = Spool::new(folder.path().to_owned(), 10);
        let mut writer = spool.create("a").await.unwrap();
        writer.write(&Bytes::from_static(b"12345")).await.unwrap();
        let result = writer.finish("text/csv").await.unwrap();
        assert_eq!(result.bytes(), 5);
        assert_eq!(files(folder.path()), 2, "the other file and the new result");

        let mut second = spool.create("b").await.unwrap();
        let error = second.write(&Bytes::from_static(b"123456")).await.unwrap_err();
        assert_eq!(error.kind(), qserv_core::ErrorKind::Limit);
        drop(second);
        drop(result);
        assert_eq!(files(folder.path()), 1);
        assert_eq!(spool.used_bytes.load(Ordering::Relaxed), 0);
    }
}
