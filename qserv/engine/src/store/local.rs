//! The segments in one folder of this machine.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use qserv_core::{Error, Result};

use super::file::OpenFile;
use super::path::SegmentPath;
use super::put::{PENDING_PREFIX, PendingPut};
use super::recent::RecentMap;

/// Directories known to be durable that are remembered; at this many the memory is cleared, and they are synced once more.
const MAX_REMEMBERED_DIRECTORIES: usize = 100_000;

/// The segments in one folder. A cheap handle: clones share the open files.
///
/// A segment appears complete and synced to the disk or not at all, and never changes. Nothing outside the folder can be
/// named, see [`SegmentPath`]. One process only may open a folder: opening it removes what unfinished puts left behind, and
/// those of another process would be among them (a worker's data folder is locked for that).
#[derive(Debug, Clone)]
pub struct LocalStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    /// Open files by path. A file that is deleted while a read opens it may stay here until it is pushed out: harmless, as a
    /// path is never used for other content.
    open: Mutex<RecentMap<Arc<OpenFile>>>,
    /// Directories that are known to survive a crash of the machine, with all their parents up to the root.
    durable: Mutex<HashSet<PathBuf>>,
    /// Held from the look whether a path is taken until the rename, so that two puts of one path cannot both win.
    publish: Mutex<()>,
    next_put: AtomicU64,
}

impl LocalStore {
    /// Opens the store in the folder `root`, which is made if it is not there, and removes what crashed puts left behind. At
    /// most `open_files` segments are kept open. Blocks on the disk.
    ///
    /// # Errors
    /// `Unavailable` if the folder cannot be made or read.
    pub fn open(root: impl Into<PathBuf>, open_files: usize) -> Result<Self> {
        let root = root.into();
        let failed = |error| disk_error(&root, "the folder of segments cannot be opened", error);
        fs::create_dir_all(&root).map_err(failed)?;
        let root = root.canonicalize().map_err(failed)?;
        if let Some(parent) = root.parent() {
            // A root that someone else's folder holds may not be syncable; then its entry is the operator's business.
            let _ = sync_directory(parent);
        }
        remove_pending(&root).map_err(|error| disk_error(&root, "the folder of segments cannot be read", error))?;
        Ok(Self {
            inner: Arc::new(Inner {
                root,
                open: Mutex::new(RecentMap::new(open_files)),
                durable: Mutex::default(),
                publish: Mutex::new(()),
                next_put: AtomicU64::new(0),
            }),
        })
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Bytes that can still be written to the folder's file system.
    ///
    /// # Errors
    /// `Unavailable` if the file system does not tell.
    pub fn free_bytes(&self) -> Result<u64> {
        let status = rustix::fs::statvfs(&self.inner.root)
            .map_err(|error| disk_error(&self.inner.root, "the free space cannot be read", error.into()))?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }

    /// Writes a segment. Returns when it is durable. Putting the same bytes under the same path again is no error.
    ///
    /// # Errors
    /// `Invalid` for a path that no segment may have, `Limit` if the disk is full, `Conflict` if other bytes have the path,
    /// `Unavailable` if the disk fails.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        let store = self.clone();
        let path = path.to_owned();
        blocking(move || {
            let mut pending = store.begin_put(&path)?;
            pending.write(&bytes)?;
            pending.commit()
        })
        .await
    }

    /// Begins to write a segment piece by piece. Blocks on the disk.
    ///
    /// # Errors
    /// As [`LocalStore::put`].
    pub fn begin_put(&self, path: &str) -> Result<PendingPut> {
        PendingPut::begin(self.clone(), &SegmentPath::parse(path)?)
    }

    /// The length of a segment in bytes, `None` if it is not here.
    ///
    /// # Errors
    /// `Invalid` for a path that no segment may have, `Data` if it cannot be opened.
    pub fn length(&self, path: &str) -> Result<Option<u64>> {
        Ok(self.file(&SegmentPath::parse(path)?)?.map(|file| file.length()))
    }

    /// The bytes of a segment, or of a range within it; `None` if it is not here.
    ///
    /// # Errors
    /// `Invalid` for a path that no segment may have or a range that is not within the segment, `Data` if it cannot be read.
    pub async fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<Option<Bytes>> {
        let path = SegmentPath::parse(path)?;
        let Some(file) = self.file(&path)? else { return Ok(None) };
        let range = range.unwrap_or(0..file.length());
        if range.start > range.end || range.end > file.length() {
            return Err(Error::invalid("the range asked for is not within the segment")
                .with("segment", &path)
                .with("range", format!("{}..{}", range.start, range.end))
                .with("length", file.length()));
        }
        self.read(&path, &file, std::slice::from_ref(&range)).await.map(|mut parts| parts.pop())
    }

    /// Deletes a segment; one that is not there is no error. Folders that become empty go too. Blocks on the disk.
    ///
    /// The deletion is not synced: one that a crash of the machine takes back leaves a file that nothing names.
    ///
    /// # Errors
    /// `Invalid` for a path that no segment may have, `Unavailable` if the disk refuses.
    pub fn delete(&self, path: &str) -> Result<()> {
        let path = SegmentPath::parse(path)?;
        let file = path.below(&self.inner.root);
        let removed = match fs::remove_file(&file) {
            Ok(()) => true,
            Err(error) if is_absent(&error) => false,
            Err(error) => {
                return Err(disk_error(&self.inner.root, "a segment cannot be deleted", error).with("segment", &path));
            }
        };
        lock(&self.inner.open).remove(path.as_str());
        if removed {
            self.remove_empty_directories(&file);
        }
        Ok(())
    }

    /// The open file of a segment; `None` if it is not here.
    pub(super) fn file(&self, path: &SegmentPath) -> Result<Option<Arc<OpenFile>>> {
        if let Some(file) = lock(&self.inner.open).get(path.as_str()) {
            return Ok(Some(file));
        }
        match OpenFile::open(&path.below(&self.inner.root)) {
            Ok(file) => {
                let file = Arc::new(file);
                lock(&self.inner.open).insert(path.as_str().to_owned(), Arc::clone(&file));
                Ok(Some(file))
            }
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.unreadable(path, error)),
        }
    }

    /// Ranges of an open file; they must lie within it.
    pub(super) async fn read(
        &self,
        path: &SegmentPath,
        file: &Arc<OpenFile>,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>> {
        file.read_ranges(ranges).await.map_err(|error| self.unreadable(path, error))
    }

    fn unreadable(&self, path: &SegmentPath, error: io::Error) -> Error {
        Error::data("a segment cannot be read from the disk")
            .with("segment", path)
            .with("folder", self.inner.root.display())
            .caused_by(error)
    }

    /// A number for the name of a pending put.
    pub(super) fn next_put(&self) -> u64 {
        self.inner.next_put.fetch_add(1, Ordering::Relaxed)
    }

    /// Held while a put is published.
    pub(super) fn publishing(&self) -> MutexGuard<'_, ()> {
        lock(&self.inner.publish)
    }

    /// Makes a directory below the root, or one that exists, durable: the directory and the entries that lead to it.
    pub(super) fn make_durable_directory(&self, directory: &Path) -> io::Result<()> {
        let mut durable = lock(&self.inner.durable);
        if durable.contains(directory) {
            return Ok(());
        }
        if durable.len() >= MAX_REMEMBERED_DIRECTORIES {
            durable.clear();
        }
        fs::create_dir_all(directory)?;
        // Those that exist may have been made by a process that died before it synced them: sync what is not known to be.
        let unknown: Vec<&Path> = directory
            .ancestors()
            .take_while(|ancestor| *ancestor != self.inner.root && !durable.contains(*ancestor))
            .collect();
        for ancestor in unknown.iter().rev() {
            if let Some(parent) = ancestor.parent() {
                sync_directory(parent)?;
            }
            durable.insert(ancestor.to_path_buf());
        }
        Ok(())
    }

    /// Forgets that a directory is there: it was found missing.
    pub(super) fn forget_directory(&self, directory: &Path) {
        lock(&self.inner.durable).retain(|known| !known.starts_with(directory));
    }

    /// Removes the directories above a deleted file as far as they are empty. The lock keeps a put from finding its directory
    /// gone between making it and opening its file more often than it retries.
    fn remove_empty_directories(&self, file: &Path) {
        let mut durable = lock(&self.inner.durable);
        for directory in file.ancestors().skip(1).take_while(|directory| *directory != self.inner.root) {
            if fs::remove_dir(directory).is_err() {
                break;
            }
            durable.remove(directory);
        }
    }
}

/// Runs what blocks on the disk on the blocking pool.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("a write to the segment store ended unexpectedly").caused_by(error))?
}

pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// An error of the disk, told with the folder it happened in.
pub(super) fn disk_error(folder: &Path, message: &str, error: io::Error) -> Error {
    let error_of_kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::limit("the disk is full"),
        _ => Error::unavailable(message),
    };
    error_of_kind.with("folder", folder.display()).caused_by(error)
}

/// Whether an error says that there is no such file: also when a part of its path is a file.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
}

/// Removes the files of puts that never ended. Does not follow links.
fn remove_pending(root: &Path) -> io::Result<()> {
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && entry.file_name().as_encoded_bytes().starts_with(PENDING_PREFIX.as_bytes()) {
                tracing::info!(file = %entry.path().display(), "removing what an unfinished put left behind");
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

/// Locks a mutex whose data no panic can leave half changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
