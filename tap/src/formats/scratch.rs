//! Room on disk for results that can only be written once their last row is known: files without a name, which end with whoever holds
//! them, whatever ends him.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use qserv_core::{Error, Result};

/// A folder for such files, within a bound on their bytes together. Cheap to clone; clones share the bound.
#[derive(Debug, Clone)]
pub(crate) struct Scratch {
    folder: Arc<PathBuf>,
    limit_bytes: u64,
    used_bytes: Arc<AtomicU64>,
}

impl Scratch {
    /// Files in this folder, which is made when the first one is needed.
    pub(crate) fn new(folder: PathBuf, limit_bytes: u64) -> Self {
        Self { folder: Arc::new(folder), limit_bytes, used_bytes: Arc::default() }
    }

    /// A new, empty file.
    ///
    /// # Errors
    /// [`Internal`](qserv_core::ErrorKind::Internal) if the folder cannot be written.
    pub(crate) fn file(&self) -> Result<ScratchFile> {
        let made = std::fs::create_dir_all(self.folder.as_path()).and_then(|()| tempfile::tempfile_in(&*self.folder));
        let file = made.map_err(|error| Error::internal("the result cannot be put aside").caused_by(error))?;
        Ok(ScratchFile(Arc::new(Kept { file, bytes: AtomicU64::new(0), scratch: self.clone() })))
    }

    /// What an error of such a file means for the user.
    pub(crate) fn explain(&self, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::QuotaExceeded {
            return Error::limit(
                "there is no room to put the rows aside, as this format needs; ask for fewer, or for another format",
            )
            .with("limit_bytes", self.limit_bytes);
        }
        Error::internal("the rows cannot be put aside").caused_by(error)
    }
}

/// A file that is written once, then read. Clones are the same file at the same place in it; with the last one it is gone.
#[derive(Clone)]
pub(crate) struct ScratchFile(Arc<Kept>);

struct Kept {
    file: File,
    bytes: AtomicU64,
    scratch: Scratch,
}

impl Write for ScratchFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Kept { file, bytes: kept, scratch } = &*self.0;
        let length = bytes.len() as u64;
        let used = scratch.used_bytes.fetch_add(length, Ordering::Relaxed);
        kept.fetch_add(length, Ordering::Relaxed);
        if used + length > scratch.limit_bytes {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        // The bytes are counted, so all of them must be written.
        (&mut &*file).write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        (&self.0.file).flush()
    }
}

impl Read for ScratchFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0.file).read(buffer)
    }
}

impl Seek for ScratchFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        (&self.0.file).seek(position)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.scratch.used_bytes.fetch_sub(self.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_no_name_and_a_bound_together() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(folder.path().join("made"), 10);
        let mut first = scratch.file().unwrap();
        first.write_all(b"123456").unwrap();
        first.rewind().unwrap();
        let mut read = String::new();
        first.read_to_string(&mut read).unwrap();
        assert_eq!(read, "123456");
        let mut second = scratch.file().unwrap();
        let error = scratch.explain(second.write_all(b"12345").unwrap_err());
        assert_eq!(error.kind(), qserv_core::ErrorKind::Limit);
        drop((first, second));
        assert_eq!(scratch.used_bytes.load(Ordering::Relaxed), 0);
        assert_eq!(std::fs::read_dir(folder.path().join("made")).unwrap().count(), 0);
    }
}
