//! The formats of results: their names and media types ([`OFFERS`]), and a writer for each.
//!
//! A writer is made of a result's columns and [`Header`] by [`Format::writer`], is given the rows batch by batch, and appends to a buffer
//! that its caller sends and empties. Whatever the length of the result, it holds no more than a batch and a chunk; only Parquet holds a
//! row group, which is bounded too ([`voparquet`]), and FITS, whose first lines name the number of rows, holds them on disk
//! ([`fits`], [`scratch`]).
//!
//! | format | NULL | NaN | cut by MAXREC | failed after its first rows |
//! |---|---|---|---|---|
//! | VOTable BINARY2 | a bit | NaN | INFO behind the table | INFO behind the table |
//! | VOTable TABLEDATA | an empty cell | NaN | INFO | INFO |
//! | VOTable BINARY | a number set aside, NaN, an empty text | NaN | INFO | INFO |
//! | CSV, TSV | an empty cell | NaN | not told | broken off |
//! | FITS | a number set aside, NaN, an empty text | NaN | keyword `QSTATUS` | nothing is sent but the error |
//! | JSON | null | null | `query_status` behind the data | broken off |
//! | Parquet | NULL | NaN | INFO in its VOTable | broken off |
//! | Arrow | NULL | NaN | not told | broken off |
//!
//! A body that is broken off ends without the mark that its encoding (chunked HTTP/1.1, a reset stream in HTTP/2) has for a good end, so
//! that no client takes it for whole.

mod delimited;
mod fits;
mod ipc;
mod json;
mod offers;
mod plain;
mod scratch;
mod voparquet;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use qserv_core::{Error, Result};

use crate::columns::result_columns;
use crate::votable::{Serialization, VotableWriter};

pub(crate) use offers::{OFFERS, Output};
pub(crate) use scratch::Scratch;

/// How the stream of a result ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending<'a> {
    /// All rows are there.
    Whole,
    /// MAXREC cut it.
    Overflow,
    /// An error, after some rows.
    Failed(&'a Error),
}

/// What a document says of its result besides the table, where its format has room for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Header {
    /// The query as the user wrote it.
    pub(crate) query: String,
    /// One sentence each.
    pub(crate) warnings: Vec<String>,
    /// When the query was asked.
    pub(crate) asked_unix_ms: Option<i64>,
    /// How to cite what was asked for.
    pub(crate) citation: Option<String>,
}

/// The program that wrote a result.
pub(crate) const SOFTWARE: &str = concat!("qserv/", env!("CARGO_PKG_VERSION"));

/// Cells that a writer of text takes at once: wide rows must not make a chunk much larger than it should be.
const CELLS_AT_ONCE: usize = 16 * 1024;

/// Writes one result: once `begin`, then `rows` any number of times, then once `end`, then `more` until it says no. Everything is
/// appended to `out`, which the caller sends and empties between the calls.
pub(crate) trait ResultWriter: Send {
    /// What stands before the rows.
    fn begin(&mut self, out: &mut Vec<u8>);

    /// Some rows; no more than [`ResultWriter::cells_at_once`] asks for.
    ///
    /// # Errors
    /// [`Data`](qserv_core::ErrorKind::Data) if a value has no form in this format. What was appended to `out` is then to be taken back.
    fn rows(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()>;

    /// What stands behind the rows.
    ///
    /// # Errors
    /// If the result failed and the format cannot say so: the caller must break the body off.
    fn end(&mut self, ending: Ending<'_>, out: &mut Vec<u8>) -> Result<()>;

    /// A further part of what stands behind `end`, for formats that can only begin to write there; false if there is none.
    ///
    /// # Errors
    /// If what was put aside cannot be read.
    fn more(&mut self, _out: &mut Vec<u8>) -> Result<bool> {
        Ok(false)
    }

    /// Cells that are encoded between two looks at the size of the chunk.
    fn cells_at_once(&self) -> usize {
        CELLS_AT_ONCE
    }
}

/// A format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Votable(Serialization),
    Csv,
    Tsv,
    Fits,
    Json,
    Parquet,
    Arrow,
}

impl Format {
    /// Whether the bytes get fewer when they are compressed on their way. Parquet is compressed in itself.
    pub(crate) fn is_compressible(self) -> bool {
        self != Self::Parquet
    }

    /// A writer of this format for a result of this schema. FITS puts rows aside in `scratch`.
    ///
    /// # Errors
    /// [`Invalid`](qserv_core::ErrorKind::Invalid) if the format cannot hold such columns.
    pub(crate) fn writer(self, schema: &SchemaRef, header: Header, scratch: &Scratch) -> Result<Box<dyn ResultWriter>> {
        let columns = result_columns(schema);
        Ok(match self {
            Self::Votable(serialization) => Box::new(VotableWriter::new(serialization, schema, header)),
            Self::Csv => Box::new(delimited::DelimitedWriter::csv(columns)),
            Self::Tsv => Box::new(delimited::DelimitedWriter::tsv(columns)),
            Self::Fits => Box::new(fits::FitsWriter::new(schema, header, scratch)?),
            Self::Json => Box::new(json::JsonWriter::new(columns)),
            Self::Parquet => Box::new(voparquet::ParquetWriter::new(schema, header)?),
            Self::Arrow => Box::new(ipc::ArrowWriter::new(schema)?),
        })
    }
}
