//! Files of uploads, within a bound on their bytes together. A file lives as long as what refers to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use qserv_core::{Error, Result};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::sync::OnceCell;

const FILE_SUFFIX: &str = "upload";

/// Bytes written to the disk at a time.
const WRITE_BYTES: usize = 256 * 1024;

/// A folder of uploads.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    limit_bytes: u64,
    used_bytes: Arc<AtomicU64>,
    prepared: OnceCell<()>,
}

/// A file that somebody sent. It is deleted when this is dropped, unless it is kept for a job.
#[derive(Debug)]
pub(crate) struct SpooledFile {
    is_kept: bool,
    path: PathBuf,
    media_type: Option<String>,
    bytes: u64,
    used_bytes: Arc<AtomicU64>,
}

/// A file being received. Dropped unfinished, it leaves nothing behind.
pub(super) struct Receiving {
    file: BufWriter<File>,
    kept: SpooledFile,
    limit_bytes: u64,
}

impl Spool {
    /// A spool in this folder, which is rid of an earlier run's files now, and made when the first upload arrives.
    pub(super) fn new(folder: PathBuf, limit_bytes: u64) -> Self {
        if let Err(error) = sweep(&folder) {
            tracing::warn!(folder = %folder.display(), %error, "old uploads could not be deleted");
        }
        Self { folder, limit_bytes, used_bytes: Arc::default(), prepared: OnceCell::new() }
    }

    /// A new, empty file.
    ///
    /// # Errors
    /// `Internal` if the folder cannot be written.
    pub(super) async fn receive(&self, media_type: Option<String>) -> Result<Receiving> {
        self.prepared.get_or_try_init(|| tokio::fs::create_dir_all(&self.folder)).await.map_err(cannot_write)?;
        let path = self.folder.join(format!("{}.{FILE_SUFFIX}", uuid::Uuid::new_v4().simple()));
        let file = BufWriter::with_capacity(WRITE_BYTES, File::create_new(&path).await.map_err(cannot_write)?);
        let kept = SpooledFile { is_kept: false, path, media_type, bytes: 0, used_bytes: self.used_bytes.clone() };
        Ok(Receiving { file, kept, limit_bytes: self.limit_bytes })
    }
}

fn sweep(folder: &Path) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|suffix| suffix == FILE_SUFFIX) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn cannot_write(error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Error::unavailable("there is no room for the upload now; try again later")
        }
        _ => Error::internal("the upload cannot be stored"),
    }
    .caused_by(error)
}

impl Receiving {
    /// Appends bytes.
    ///
    /// # Errors
    /// `Unavailable` if all uploads together would take more than they may.
    pub(super) async fn write(&mut self, chunk: &[u8]) -> Result<()> {
        let length = chunk.len() as u64;
        let used = self.kept.used_bytes.fetch_add(length, Ordering::Relaxed);
        self.kept.bytes += length;
        if used + length > self.limit_bytes {
            return Err(Error::unavailable("there is no room for more uploads now; try again later")
                .with("limit_bytes", self.limit_bytes));
        }
        self.file.write_all(chunk).await.map_err(cannot_write)
    }

    /// The whole file.
    ///
    /// # Errors
    /// `Internal` if the last bytes cannot be written.
    pub(super) async fn finish(mut self) -> Result<Arc<SpooledFile>> {
        self.file.flush().await.map_err(cannot_write)?;
        Ok(Arc::new(self.kept))
    }
}

impl SpooledFile {
    /// A file that a job keeps in the store of results.
    pub(crate) fn kept(path: PathBuf, media_type: Option<String>) -> Self {
        Self { is_kept: true, path, media_type, bytes: 0, used_bytes: Arc::default() }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its length.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The media type that its sender gave.
    pub(crate) fn media_type(&self) -> Option<&str> {
        self.media_type.as_deref()
    }
}

impl Drop for SpooledFile {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        self.used_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "an upload could not be deleted");
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
    async fn files_come_and_go_with_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("old.upload"), "x").unwrap();
        let spool = Spool::new(folder.path().to_owned(), 10);
        assert_eq!(files(folder.path()), 0, "the old one is gone");
        let mut first = spool.receive(Some("text/csv".to_owned())).await.unwrap();
        first.write(b"12345").await.unwrap();
        let first = first.finish().await.unwrap();
        assert_eq!((files(folder.path()), first.media_type()), (1, Some("text/csv")));
        assert_eq!(std::fs::read(first.path()).unwrap(), b"12345");

        let mut second = spool.receive(None).await.unwrap();
        let error = second.write(b"123456").await.unwrap_err();
        assert_eq!(error.kind(), qserv_core::ErrorKind::Unavailable);
        drop(second);
        drop(first);
        assert_eq!((files(folder.path()), spool.used_bytes.load(Ordering::Relaxed)), (0, 0));
    }
}
