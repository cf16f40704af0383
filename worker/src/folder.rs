//! A worker's folder: whose it is, and that one process only uses it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use qserv_core::catalog::WorkerId;
use qserv_core::{Error, Result};
use qserv_engine::cluster::check_worker_id;
use serde::{Deserialize, Serialize};

/// The file that holds the folder's identity.
const IDENTITY_FILE: &str = "worker.json";

/// The file that is locked while a process uses the folder.
const LOCK_FILE: &str = "worker.lock";

/// The folder of segments.
const SEGMENTS_FOLDER: &str = "segments";

/// Longest identity file in bytes.
const MAX_IDENTITY_BYTES: u64 = 64 * 1024;

/// The layout of a worker's folder. A program refuses a folder with another number than its own.
const FORMAT: u32 = 1;

/// A worker's folder, held by this process until this is dropped.
#[derive(Debug)]
pub struct DataFolder {
    id: WorkerId,
    path: PathBuf,
    /// The lock ends with the process however it ends, so a crash leaves no lock behind.
    _lock: File,
}

#[derive(Debug, Serialize, Deserialize)]
struct Identity {
    format: u32,
    id: WorkerId,
}

impl DataFolder {
    /// Takes hold of a worker's folder, which is made if it is not there. A new folder gets the name `id`, or a made-up one; the
    /// name of one that has been used stays. Blocks on the disk.
    ///
    /// # Errors
    /// `Conflict` if another process holds the folder or it belongs to a worker of another name, `Invalid` for a name that no
    /// worker may have, `Data` if the folder's identity cannot be understood, `Unavailable` if the disk refuses.
    pub fn claim(path: &Path, id: Option<&str>) -> Result<Self> {
        let failed = |error: io::Error| {
            Error::unavailable("a worker's data folder cannot be used").with("folder", path.display()).caused_by(error)
        };
        let wanted = id.map(|id| WorkerId(id.to_owned()));
        if let Some(wanted) = &wanted {
            check_worker_id(wanted)?;
        }
        fs::create_dir_all(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(path.join(LOCK_FILE)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::conflict("another process uses this data folder").with("folder", path.display()));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let id = match read_identity(&path)? {
            Some(id) if wanted.as_ref().is_some_and(|wanted| *wanted != id) => {
                return Err(Error::conflict(
                    "this data folder belongs to a worker of another name; use that name or another folder",
                )
                .with("name", id)
                .with("folder", path.display()));
            }
            Some(id) => id,
            None => {
                let id = wanted.unwrap_or_else(|| WorkerId(format!("w-{}", uuid::Uuid::new_v4().simple())));
                write_identity(&path, &id).map_err(failed)?;
                id
            }
        };
        Ok(Self { id, path, _lock: lock })
    }

    /// The worker's name.
    #[must_use]
    pub fn id(&self) -> &WorkerId {
        &self.id
    }

    /// The folder of its segments.
    #[must_use]
    pub fn segments(&self) -> PathBuf {
        self.path.join(SEGMENTS_FOLDER)
    }
}

fn read_identity(folder: &Path) -> Result<Option<WorkerId>> {
    let file = folder.join(IDENTITY_FILE);
    let damaged =
        || Error::data("the identity of a worker's data folder cannot be understood").with("file", file.display());
    let text = match fs::metadata(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(damaged().caused_by(error)),
        Ok(metadata) if metadata.len() > MAX_IDENTITY_BYTES => return Err(damaged()),
        Ok(_) => fs::read_to_string(&file).map_err(|error| damaged().caused_by(error))?,
    };
    let identity: Identity = serde_json::from_str(&text).map_err(|error| damaged().caused_by(error))?;
    if identity.format != FORMAT {
        return Err(Error::data("a worker's data folder was written by another version of this program")
            .with("format", identity.format)
            .with("file", file.display()));
    }
    check_worker_id(&identity.id).map_err(|error| damaged().caused_by(error))?;
    Ok(Some(identity.id))
}

/// Writes the identity so that it is there whole or not at all.
fn write_identity(folder: &Path, id: &WorkerId) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(&Identity { format: FORMAT, id: id.clone() })?;
    let temporary = folder.join(format!("{IDENTITY_FILE}.new"));
    let mut file = File::create(&temporary)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(IDENTITY_FILE))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use qserv_core::ErrorKind;

    use super::*;

    #[test]
    fn a_folder_keeps_its_name_and_serves_one_process() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("w");
        let folder = DataFolder::claim(&path, Some("w1")).unwrap();
        assert_eq!(DataFolder::claim(&path, Some("w1")).unwrap_err().kind(), ErrorKind::Conflict);
        drop(folder);
        assert_eq!(DataFolder::claim(&path, Some("w2")).unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(DataFolder::claim(&path, None).unwrap().id().0, "w1");
    }

    #[test]
    fn a_made_up_name_stays() {
        let parent = tempfile::tempdir().unwrap();
        let id = DataFolder::claim(parent.path(), None).unwrap().id().clone();
        assert_eq!(*DataFolder::claim(parent.path(), None).unwrap().id(), id);
    }

    #[test]
    fn strange_names_and_damaged_folders_are_refused() {
        let parent = tempfile::tempdir().unwrap();
        assert_eq!(DataFolder::claim(parent.path(), Some("a/b")).unwrap_err().kind(), ErrorKind::Invalid);
        for text in ["", "{", r#"{"format":9,"id":"w1"}"#, r#"{"format":1,"id":"../w1"}"#] {
            fs::write(parent.path().join(IDENTITY_FILE), text).unwrap();
            assert_eq!(DataFolder::claim(parent.path(), None).unwrap_err().kind(), ErrorKind::Data, "{text}");
        }
    }
}
