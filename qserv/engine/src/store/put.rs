//! Writing one segment so that it appears whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use qserv_core::{Error, Result};

use super::local::{LocalStore, disk_error, sync_directory};
use super::path::SegmentPath;

/// How names of files that are being written begin. No segment's path has a part that begins with a dot, so such a file can
/// neither be asked for nor clash.
pub(super) const PENDING_PREFIX: &str = ".put-";

/// How often a put makes its directory again when a concurrent delete removed it as empty.
const DIRECTORY_ATTEMPTS: usize = 5;

/// Bytes compared at a time when a path is put a second time.
const COMPARE_BYTES: usize = 64 * 1024;

/// A segment that is being written. Dropping it leaves nothing behind; a crash leaves a file that the next start removes.
#[derive(Debug)]
pub struct PendingPut {
    store: LocalStore,
    path: SegmentPath,
    target: PathBuf,
    /// `None` once it is published or removed.
    temporary: Option<PathBuf>,
    file: File,
    written: u64,
}

impl PendingPut {
    pub(super) fn begin(store: LocalStore, path: &SegmentPath) -> Result<Self> {
        let target = path.below(store.root());
        let failed = |error| disk_error(store.root(), "a segment cannot be written", error).with("segment", path);
        let directory = target.parent().unwrap_or(store.root()).to_path_buf();
        let temporary = directory.join(format!("{PENDING_PREFIX}{}-{}", store.next_put(), path.name()));
        let mut attempt = 1;
        let file = loop {
            store.make_durable_directory(&directory).map_err(failed)?;
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Ok(file) => break file,
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempt < DIRECTORY_ATTEMPTS => {
                    store.forget_directory(&directory);
                    attempt += 1;
                }
                Err(error) => return Err(failed(error)),
            }
        };
        Ok(Self { path: path.clone(), target, temporary: Some(temporary), file, written: 0, store })
    }

    /// Appends bytes. Blocks on the disk.
    ///
    /// # Errors
    /// `Limit` if the disk is full, `Unavailable` if it fails.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| self.failed(error))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Bytes written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Syncs what was written and gives it its path: file, rename, directory, in this order. Blocks on the disk.
    ///
    /// # Errors
    /// `Conflict` if other bytes have the path already, `Limit` if the disk is full, `Unavailable` if it fails. After an
    /// error the path is as it was, except that a failure of the very last step leaves a whole segment that may not survive
    /// a crash of the machine.
    pub fn commit(mut self) -> Result<()> {
        self.file.sync_all().map_err(|error| self.failed(error))?;
        let Some(temporary) = self.temporary.clone() else { return Ok(()) };
        {
            let _publishing = self.store.publishing();
            match same_content(&temporary, &self.target) {
                Ok(None) => {
                    fs::rename(&temporary, &self.target).map_err(|error| self.failed(error))?;
                    self.temporary = None;
                }
                // A put that is sent again because its answer was lost. The first may have failed at its last step, so the
                // directory is synced here as well.
                Ok(Some(true)) => {}
                Ok(Some(false)) => {
                    return Err(Error::conflict(
                        "a segment of this path with other content exists: segments never change",
                    )
                    .with("segment", &self.path));
                }
                Err(error) => return Err(self.failed(error)),
            }
        }
        sync_directory(self.target.parent().unwrap_or(self.store.root())).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> Error {
        disk_error(self.store.root(), "a segment cannot be written", error).with("segment", &self.path)
    }
}

impl Drop for PendingPut {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            // One that cannot be removed now is removed at the next start.
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Whether `target` has the same bytes as `written`; `None` if there is no `target`.
fn same_content(written: &Path, target: &Path) -> io::Result<Option<bool>> {
    let mut target = match File::open(target) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut written = File::open(written)?;
    if !target.metadata()?.is_file() || written.metadata()?.len() != target.metadata()?.len() {
        return Ok(Some(false));
    }
    let (mut left, mut right) = (vec![0; COMPARE_BYTES], vec![0; COMPARE_BYTES]);
    loop {
        let read = written.read(&mut left)?;
        if read == 0 {
            return Ok(Some(true));
        }
        let (Some(left), Some(right)) = (left.get(..read), right.get_mut(..read)) else { return Ok(Some(false)) };
        match target.read_exact(right) {
            Ok(()) if left == right => {}
            Ok(()) => return Ok(Some(false)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Some(false)),
            Err(error) => return Err(error),
        }
    }
}
