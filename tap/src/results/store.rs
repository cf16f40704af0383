//! The files of jobs in an object store, within a bound on their bytes together.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use qserv_core::{Error, Result};
use tokio::io::AsyncWriteExt;
use url::Url;

use crate::settings::TapSettings;

/// Bytes of a file that are written in one piece, and of one part of a larger one.
const PART_BYTES: usize = 4 * 1024 * 1024;

/// Parts of one file that may be on their way at once.
const PARTS_AT_ONCE: usize = 2;

/// The store of results.
pub(crate) struct Store {
    objects: Arc<dyn ObjectStore>,
    /// The folder behind it. Files that a killed process left half written show there and not among the objects.
    folder: PathBuf,
    limit_bytes: u64,
    /// What is in the store and not being written by this process, as of the last look into the catalog.
    kept_bytes: AtomicU64,
    writing_bytes: Arc<AtomicU64>,
}

impl Store {
    /// The store that the settings name. A folder is made if it is not there.
    ///
    /// # Errors
    /// `Invalid` for an address that is none, `Unavailable` if the folder cannot be made.
    pub(crate) fn open(settings: &TapSettings) -> Result<Self> {
        let folder = match &settings.results_url {
            None => settings.results_dir.clone(),
            Some(address) => Url::parse(address)
                .ok()
                .filter(|url| url.scheme() == "file")
                .and_then(|url| url.to_file_path().ok())
                .ok_or_else(|| {
                    Error::invalid("the address of the store of results is not understood; write file:///FOLDER")
                        .with("tap.results_url", address)
                })?,
        };
        let made = std::fs::create_dir_all(&folder).map_err(|error| error.to_string());
        let objects = made.and_then(|()| LocalFileSystem::new_with_prefix(&folder).map_err(|error| error.to_string()));
        let objects = objects.map_err(|error| {
            Error::unavailable("the folder of results cannot be used").with("folder", folder.display()).caused_by(error)
        })?;
        Ok(Self {
            objects: Arc::new(objects),
            folder,
            limit_bytes: settings.max_spool_bytes,
            kept_bytes: AtomicU64::new(0),
            writing_bytes: Arc::default(),
        })
    }

    /// Says what all jobs but those that this process runs hold in the store.
    pub(crate) fn set_kept_bytes(&self, bytes: u64) {
        self.kept_bytes.store(bytes, Ordering::Relaxed);
    }

    /// A new, empty file. Dropped unfinished, it leaves nothing behind.
    pub(crate) fn create(&self, path: &str) -> StoreWriter {
        let file = BufWriter::with_capacity(Arc::clone(&self.objects), Path::from(path), PART_BYTES)
            .with_max_concurrency(PARTS_AT_ONCE);
        StoreWriter { file, room: Room { bytes: 0, writing_bytes: Arc::clone(&self.writing_bytes) } }
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// `Limit` if all results together would take more than they may, `Unavailable` if the store does not take them.
    pub(crate) async fn write(&self, file: &mut StoreWriter, bytes: Bytes) -> Result<()> {
        file.room.grow(bytes.len() as u64);
        let used = self.kept_bytes.load(Ordering::Relaxed) + self.writing_bytes.load(Ordering::Relaxed);
        if used > self.limit_bytes {
            return Err(self.full());
        }
        file.file.put(bytes).await.map_err(cannot_write)
    }

    /// Makes a file appear. Its bytes count as being written until the caller lets go of the room they take.
    ///
    /// # Errors
    /// `Unavailable` if the store does not take the last bytes.
    pub(crate) async fn finish(&self, mut file: StoreWriter) -> Result<Room> {
        file.file
            .shutdown()
            .await
            .map_err(|error| Error::unavailable("the result cannot be stored").caused_by(error))?;
        Ok(file.room)
    }

    /// Puts a copy of a file of this machine into the store.
    ///
    /// # Errors
    /// `Limit` if there is no room for it, `Unavailable` if the store does not take it.
    pub(crate) async fn adopt(&self, file: &std::path::Path, bytes: u64, path: &str) -> Result<()> {
        let used = self.kept_bytes.load(Ordering::Relaxed) + self.writing_bytes.load(Ordering::Relaxed);
        if used.saturating_add(bytes) > self.limit_bytes {
            return Err(self.full());
        }
        let target = self.file(path);
        let copied = async {
            if let Some(folder) = target.parent() {
                tokio::fs::create_dir_all(folder).await?;
            }
            // On one disk both are one file, which is there until both names are gone.
            match tokio::fs::hard_link(file, &target).await {
                Ok(()) => Ok(()),
                Err(_) => tokio::fs::copy(file, &target).await.map(|_| ()),
            }
        };
        copied.await.map_err(|error| Error::unavailable("the upload cannot be stored").caused_by(error))
    }

    /// Where a file is on this machine.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    fn full(&self) -> Error {
        Error::limit("there is no room for more results; delete jobs that are no longer needed")
            .with("limit_bytes", self.limit_bytes)
    }

    /// The length of a file; `None` if there is none.
    ///
    /// # Errors
    /// `Unavailable` if the store does not answer.
    pub(crate) async fn length(&self, path: &str) -> Result<Option<u64>> {
        match self.objects.head(&Path::from(path)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(cannot_read(error)),
        }
    }

    /// A part of a file.
    ///
    /// # Errors
    /// `NotFound` if the file is gone, `Unavailable` if the store does not answer.
    pub(crate) async fn read(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        self.objects.get_range(&Path::from(path), range).await.map_err(cannot_read)
    }

    /// Deletes one file; one that is not there is no error.
    pub(crate) async fn delete(&self, path: &str) {
        match self.objects.delete(&Path::from(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => tracing::warn!(path, %error, "a result could not be deleted; the next sweep tries again"),
        }
    }

    /// Deletes all files of a job, those that a killed process left half written too.
    ///
    /// # Errors
    /// `Unavailable` if they cannot be deleted.
    pub(crate) async fn delete_job(&self, job: &str) -> Result<()> {
        match tokio::fs::remove_dir_all(self.folder.join(job)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::unavailable("the files of a job cannot be deleted").caused_by(error))
            }
            _ => Ok(()),
        }
    }

    /// The jobs that have files here.
    ///
    /// # Errors
    /// `Unavailable` if the folder cannot be read.
    pub(crate) async fn jobs(&self) -> Result<Vec<String>> {
        let cannot_list = |error| Error::unavailable("the folder of results cannot be read").caused_by(error);
        let mut jobs = Vec::new();
        let mut entries = tokio::fs::read_dir(&self.folder).await.map_err(cannot_list)?;
        while let Some(entry) = entries.next_entry().await.map_err(cannot_list)? {
            jobs.extend(entry.file_name().into_string());
        }
        Ok(jobs)
    }
}

/// A file being written.
pub(crate) struct StoreWriter {
    file: BufWriter,
    room: Room,
}

impl StoreWriter {
    /// What was written so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.room.bytes
    }
}

/// Bytes that count as being written for as long as this lives.
pub(crate) struct Room {
    bytes: u64,
    writing_bytes: Arc<AtomicU64>,
}

impl Room {
    /// How many.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn grow(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.writing_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.writing_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn cannot_write(error: object_store::Error) -> Error {
    Error::unavailable("the result cannot be stored").caused_by(error)
}

fn cannot_read(error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => Error::not_found("the result is gone; its job may have been deleted"),
        error => Error::unavailable("the result cannot be read").caused_by(error),
    }
}

#[cfg(test)]
mod tests {
    use qserv_core::ErrorKind;

    use super::*;

    fn store(folder: &std::path::Path, limit_bytes: u64) -> Store {
        let settings = TapSettings {
            results_url: Some(Url::from_directory_path(folder).unwrap().into()),
            max_spool_bytes: limit_bytes,
            ..TapSettings::default()
        };
        Store::open(&settings).unwrap()
    }

    async fn put(store: &Store, path: &str, bytes: &'static [u8]) -> Result<Room> {
        let mut file = store.create(path);
        store.write(&mut file, Bytes::from_static(bytes)).await?;
        store.finish(file).await
    }

    #[tokio::test]
    async fn files_come_and_go_with_their_job() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), 1_000);
        put(&store, "a/1.arrow", b"12345").await.unwrap();
        put(&store, "a/1.encoded", b"678").await.unwrap();
        put(&store, "b/1.arrow", b"9").await.unwrap();
        std::fs::write(folder.path().join("a/2.arrow#1"), "half").unwrap();
        assert_eq!(store.length("a/1.arrow").await.unwrap(), Some(5));
        assert_eq!(store.length("a/2.arrow").await.unwrap(), None);
        assert_eq!(store.read("a/1.arrow", 1..3).await.unwrap(), "23");
        let mut jobs = store.jobs().await.unwrap();
        jobs.sort();
        assert_eq!(jobs, ["a", "b"]);
        store.delete_job("a").await.unwrap();
        store.delete_job("none").await.unwrap();
        assert_eq!(store.jobs().await.unwrap(), ["b"], "also what was left half written");
        assert_eq!(store.read("a/1.arrow", 1..3).await.unwrap_err().kind(), ErrorKind::NotFound);
        store.delete("b/1.arrow").await;
        store.delete("b/1.arrow").await;
        assert_eq!(store.length("b/1.arrow").await.unwrap(), None);
    }

    #[tokio::test]
    async fn room_is_bounded_and_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), 10);
        store.set_kept_bytes(4);
        let first = put(&store, "a/1", b"12345").await.unwrap();
        assert_eq!(first.bytes(), 5);
        assert_eq!(put(&store, "b/1", b"67").await.err().unwrap().kind(), ErrorKind::Limit);
        assert_eq!(store.length("b/1").await.unwrap(), None, "a file that was not finished is not there");
        let upload = folder.path().join("upload");
        std::fs::write(&upload, "89").unwrap();
        assert_eq!(store.adopt(&upload, 2, "c/1.upload").await.unwrap_err().kind(), ErrorKind::Limit);
        drop(first);
        put(&store, "b/1", b"67").await.unwrap();
        store.adopt(&upload, 2, "c/1.upload").await.unwrap();
        std::fs::remove_file(&upload).unwrap();
        assert_eq!(std::fs::read(store.file("c/1.upload")).unwrap(), b"89");
    }

    #[test]
    fn refuses_an_address_that_is_none() {
        for address in ["results", "http://example.org/", "s3://bucket/x", "file://host/x"] {
            let settings = TapSettings { results_url: Some(address.to_owned()), ..TapSettings::default() };
            assert_eq!(Store::open(&settings).err().unwrap().kind(), ErrorKind::Invalid, "{address}");
        }
    }
}
