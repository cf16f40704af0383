//! One open, immutable file and positioned reads from it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

/// Reads above this size go to the blocking pool even if the pages are in memory: the copy alone takes about a millisecond, and
/// other tasks of this thread should not wait longer.
const LARGE_READ_BYTES: u64 = 4 * 1024 * 1024;

/// Where the system cannot tell whether pages are in memory, reads up to this size are done on the calling thread: a hop to the
/// blocking pool costs more than such a read nearly always takes.
const SMALL_READ_BYTES: u64 = 64 * 1024;

/// An open segment. It never changes, so its length is read once.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    length: u64,
    /// Whether reads that never wait for the disk work here; becomes false when the file system refuses the first.
    nowait: AtomicBool,
}

impl OpenFile {
    /// Opens a regular file.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self { file, length: metadata.len(), nowait: AtomicBool::new(cfg!(target_os = "linux")) })
    }

    /// Length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The bytes of each range, in order. A range must lie within the file.
    ///
    /// Bytes that are in the page cache are copied at once on this thread, which takes a few microseconds for a small range;
    /// only what must come from the disk, or is large, goes to the blocking pool, all of it in one hop.
    pub(super) async fn read_ranges(self: &Arc<Self>, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
        if ranges.iter().any(|range| range.start > range.end || range.end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut parts: Vec<Option<Bytes>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            parts.push(self.read_at_once(range)?);
        }
        let missing: Vec<(usize, Range<u64>)> = parts
            .iter()
            .zip(ranges)
            .enumerate()
            .filter(|(_, (part, _))| part.is_none())
            .map(|(index, (_, range))| (index, range.clone()))
            .collect();
        if !missing.is_empty() {
            let file = Arc::clone(self);
            let read = tokio::task::spawn_blocking(move || {
                missing
                    .into_iter()
                    .map(|(index, range)| Ok((index, file.read_waiting(&range)?)))
                    .collect::<io::Result<Vec<_>>>()
            })
            .await
            .map_err(io::Error::other)??;
            for (index, bytes) in read {
                if let Some(part) = parts.get_mut(index) {
                    *part = Some(bytes);
                }
            }
        }
        Ok(parts.into_iter().flatten().collect())
    }

    /// The bytes of a range if they can be had without waiting for the disk.
    fn read_at_once(&self, range: &Range<u64>) -> io::Result<Option<Bytes>> {
        let length = range.end - range.start;
        if length == 0 {
            return Ok(Some(Bytes::new()));
        }
        if length > LARGE_READ_BYTES {
            return Ok(None);
        }
        if self.nowait.load(Ordering::Relaxed) {
            return self.read_from_page_cache(range);
        }
        if length <= SMALL_READ_BYTES { self.read_waiting(range).map(Some) } else { Ok(None) }
    }

    /// Asks the kernel for pages that are in memory already (`RWF_NOWAIT`).
    #[cfg(target_os = "linux")]
    fn read_from_page_cache(&self, range: &Range<u64>) -> io::Result<Option<Bytes>> {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};

        let mut buffer = zeroed(range)?;
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let offset = range.start + filled as u64;
            match preadv2(&self.file, &mut [io::IoSliceMut::new(rest)], offset, ReadWriteFlags::NOWAIT) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => filled += read,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    self.nowait.store(false, Ordering::Relaxed);
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(buffer.into()))
    }

    #[cfg(not(target_os = "linux"))]
    fn read_from_page_cache(&self, _range: &Range<u64>) -> io::Result<Option<Bytes>> {
        Ok(None)
    }

    fn read_waiting(&self, range: &Range<u64>) -> io::Result<Bytes> {
        let mut buffer = zeroed(range)?;
        self.file.read_exact_at(&mut buffer, range.start)?;
        Ok(buffer.into())
    }
}

fn zeroed(range: &Range<u64>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    Ok(vec![0; length])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_any_ranges_with_and_without_the_page_cache() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let content: Vec<u8> =
            (0..200_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let file = Arc::new(OpenFile::open(&path).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ranges = prop::collection::vec((0_u64..200_000, 0_u64..90_000), 0..8);
        proptest!(ProptestConfig::with_cases(64), |(ranges in ranges, nowait: bool)| {
            file.nowait.store(nowait, Ordering::Relaxed);
            let ranges: Vec<_> = ranges.into_iter().map(|(start, length)| start..(start + length).min(200_000)).collect();
            let parts = runtime.block_on(file.read_ranges(&ranges)).unwrap();
            prop_assert_eq!(parts.len(), ranges.len());
            for (part, range) in parts.iter().zip(&ranges) {
                prop_assert_eq!(part.as_ref(), &content[range.start as usize..range.end as usize]);
            }
        });
        assert!(runtime.block_on(file.read_ranges(&[0..1, 199_999..200_001])).is_err());
        assert!(OpenFile::open(folder.path()).is_err());
    }
}
