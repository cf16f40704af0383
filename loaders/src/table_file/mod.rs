//! Files that nobody declared: what they hold is found out from themselves.
//!
//! [`TableFiles`] finds a file's format by its first bytes, unpacks it if it is gzip or Zstandard, and gives it to the reader of that
//! format:
//!
//! - `votable`: VOTable 1.1 to 1.5, TABLEDATA, BINARY and BINARY2;
//! - `fits`: the first binary table of a FITS file;
//! - `ecsv`: astropy's CSV with a YAML header;
//! - `parquet`: Parquet, VOParquet's descriptions included;
//! - `csv`: CSV with a line of names, its types guessed so that nothing is lost.
//!
//! Each gives batches of bounded size, with units, UCDs and the like in the fields' metadata, and names that are all different. A fault
//! is told with its row, its column and the value.

mod columns;
mod csv;
mod ecsv;
mod fits;
mod latin1;
mod names;
mod parquet;
#[cfg(test)]
mod tests;
mod votable;
mod yaml;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use qserv_core::upload::{TableReader, TableRows, UploadFile};
use qserv_core::{Error, ErrorKind, Result};

use self::csv::Csv;
use self::ecsv::Ecsv;
use self::fits::Fits;
use self::parquet::Parquet;
use self::votable::Votable;
use crate::{BytesRead, Input, decompress, open_file, read_error};

/// Bytes by which formats are told apart.
const SNIFFED_BYTES: usize = 1024;

/// Bytes that a compressed file may unpack to.
const MAX_UNPACKED_BYTES: u64 = 16 << 30;

/// Reads table files of every format that this crate knows.
#[derive(Debug, Clone, Copy, Default)]
pub struct TableFiles;

impl TableReader for TableFiles {
    fn open(&self, file: UploadFile<'_>) -> Result<TableRows> {
        let rows = open(file).map_err(of_the_sender)?;
        if rows.schema.fields().is_empty() {
            return Err(Error::invalid("the table has no columns").with("file", file.name));
        }
        Ok(TableRows { schema: rows.schema, batches: Box::new(rows.batches.map(|batch| batch.map_err(of_the_sender))) })
    }
}

/// A file that does not fit is its sender's fault, not damage of ours.
fn of_the_sender(error: Error) -> Error {
    if error.kind() != ErrorKind::Data {
        return error;
    }
    let told = error
        .context()
        .iter()
        .fold(Error::invalid(error.message()), |told, (key, value)| told.with(key.clone(), value));
    told.caused_by(error)
}

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Votable,
    Fits,
    Ecsv,
    Parquet,
    Csv { delimiter: char },
}

fn open(file: UploadFile<'_>) -> Result<TableRows> {
    let name = file.name;
    let mut stored = open_file(file.path).map_err(|error| error.with("name", name))?;
    let mut start = Vec::with_capacity(SNIFFED_BYTES);
    plain(&stored, name)?
        .take(SNIFFED_BYTES as u64)
        .read_to_end(&mut start)
        .map_err(|error| read_error(error, name))?;
    rewind(&mut stored, name)?;
    let rows = match format_of(&start, file.media_type, name)? {
        Format::Votable => {
            let votable = Votable::open(latin1::as_utf8(plain(&stored, name)?, &start, name)?, name)?;
            rows(votable.schema(), votable)
        }
        Format::Fits => {
            let fits = Fits::open(seekable(stored, file.path, name)?, name)?;
            rows(fits.schema(), fits)
        }
        Format::Ecsv => {
            let ecsv = Ecsv::open(plain(&stored, name)?, name)?;
            rows(ecsv.schema(), ecsv)
        }
        Format::Parquet => {
            let parquet = Parquet::open(seekable(stored, file.path, name)?, name)?;
            rows(parquet.schema(), parquet)
        }
        Format::Csv { delimiter } => {
            let again = || {
                let mut again = stored.try_clone().map_err(|error| read_error(error, name))?;
                rewind(&mut again, name)?;
                plain(&again, name)
            };
            let csv = Csv::open(again, delimiter, name)?;
            rows(csv.schema(), csv)
        }
    };
    Ok(rows)
}

fn rows(schema: SchemaRef, batches: impl Iterator<Item = Result<RecordBatch>> + Send + 'static) -> TableRows {
    TableRows { schema, batches: Box::new(batches) }
}

fn rewind(file: &mut File, name: &str) -> Result<()> {
    file.seek(SeekFrom::Start(0)).map(drop).map_err(|error| read_error(error, name))
}

/// The file's bytes, unpacked, from where it stands.
fn plain(file: &File, name: &str) -> Result<Box<dyn Read + Send>> {
    let again = file.try_clone().map_err(|error| read_error(error, name))?;
    let unpacked = decompress::reader(again, name)?;
    Ok(Box::new(Bounded { inner: unpacked, left: MAX_UNPACKED_BYTES }))
}

/// Fails behind so many bytes.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            let error = Error::limit("the file unpacks to more than is read of one");
            std::io::Error::other(error.with("allowed bytes", MAX_UNPACKED_BYTES))
        })?;
        Ok(count)
    }
}

/// The file as one that can be read at any place: itself, or what it unpacks to.
fn seekable(mut stored: File, path: &Path, name: &str) -> Result<File> {
    let mut first = [0; 4];
    let count = stored.read(&mut first).map_err(|error| read_error(error, name))?;
    rewind(&mut stored, name)?;
    if !decompress::is_compressed(first.get(..count).unwrap_or_default()) {
        return Ok(stored);
    }
    let bytes = plain(&stored, name)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let input = Input::Stream { name: name.to_owned(), reader: bytes };
    crate::parquet::seekable(input, folder, &BytesRead::default())
}

/// The format of a file by its first bytes; what they do not tell, its sender may have told.
fn format_of(start: &[u8], media_type: Option<&str>, name: &str) -> Result<Format> {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    if start.starts_with(b"PAR1") {
        return Ok(Format::Parquet);
    }
    if start.starts_with(b"SIMPLE  =") {
        return Ok(Format::Fits);
    }
    if text.starts_with(b"# %ECSV") {
        return Ok(Format::Ecsv);
    }
    if text.starts_with(b"<") {
        return Ok(Format::Votable);
    }
    let refuse = |message: &str| Err(Error::data(message.to_owned()).with("file", name));
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return refuse("the file is UTF-16, which is not read; write it as UTF-8");
    }
    let media_type = media_type.map(|media_type| media_type.to_ascii_lowercase()).unwrap_or_default();
    let promised = ["votable", "fits", "parquet"].into_iter().find(|promised| media_type.contains(promised));
    if let Some(promised) = promised {
        return refuse(&format!("the file was sent as {promised}, but does not begin as such a file does"));
    }
    if start.is_empty() {
        return refuse("the file is empty");
    }
    if start.contains(&0) {
        return refuse("the file is of no format that is read: VOTable, FITS, Parquet, ECSV or CSV");
    }
    Ok(Format::Csv { delimiter: if media_type.contains("tab-separated") { '\t' } else { ',' } })
}
