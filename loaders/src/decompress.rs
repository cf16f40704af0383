//! Compressed files, told by their first bytes and not by their names.

use std::io::{Cursor, Read};

use flate2::read::MultiGzDecoder;
use qserv_core::{Error, Result};

use crate::read_error;

/// First bytes of a gzip member (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// First bytes of a Zstandard frame (RFC 8878).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Largest Zstandard window that is accepted, as a power of two: 128 MiB, what `zstd` itself takes without being asked.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Whether a file that begins so is compressed.
#[must_use]
pub fn is_compressed(start: &[u8]) -> bool {
    start.starts_with(&GZIP) || start.starts_with(&ZSTD)
}

/// The plain bytes of `raw`: unpacked if it begins as gzip or Zstandard do (several members or frames in a row are one
/// file), else as they are.
///
/// # Errors
/// As the first read; `name` is the file's name in errors.
pub fn reader<R: Read + Send + 'static>(mut raw: R, name: &str) -> Result<Box<dyn Read + Send>> {
    let mut start = Vec::with_capacity(ZSTD.len());
    raw.by_ref().take(ZSTD.len() as u64).read_to_end(&mut start).map_err(|error| read_error(error, name))?;
    let is_gzip = start.starts_with(&GZIP);
    let is_zstd = start.starts_with(&ZSTD);
    let whole = Cursor::new(start).chain(raw);
    if is_gzip {
        return Ok(Box::new(MultiGzDecoder::new(whole)));
    }
    if is_zstd {
        let unpack = |error| Error::internal("the Zstandard reader cannot start").with("file", name).caused_by(error);
        let mut decoder: zstd::Decoder<'static, _> = zstd::Decoder::new(whole).map_err(unpack)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(unpack)?;
        return Ok(Box::new(decoder));
    }
    Ok(Box::new(whole))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read_all(bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
        let mut out = Vec::new();
        reader(Cursor::new(bytes), "t").unwrap().read_to_end(&mut out)?;
        Ok(out)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn unpacks_what_is_packed_and_leaves_the_rest() {
        for text in [&b""[..], b"a", b"abc\n", b"abcdefgh"] {
            assert_eq!(read_all(text.to_vec()).unwrap(), text);
            assert_eq!(read_all(gzip(text)).unwrap(), text);
            assert_eq!(read_all(zstd::encode_all(text, 1).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn members_in_a_row_are_one_file_and_a_cut_one_is_an_error() {
        let two = [gzip(b"one,"), gzip(b"two")].concat();
        assert_eq!(read_all(two.clone()).unwrap(), b"one,two");
        assert!(read_all(two[..two.len() - 3].to_vec()).is_err());
        let frames = [zstd::encode_all(&b"one,"[..], 1).unwrap(), zstd::encode_all(&b"two"[..], 1).unwrap()].concat();
        assert_eq!(read_all(frames.clone()).unwrap(), b"one,two");
        assert!(read_all(frames[..frames.len() - 3].to_vec()).is_err());
    }
}
