//! What a file looks like.

use std::fmt;
use std::str::FromStr;

use qserv_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Bounds that keep memory finite, each with its reason.
pub mod limits {
    /// Input bytes after which a batch of rows ends, so that wide rows make small batches: large enough that the cost
    /// of a batch does not show, small enough that a few of them in flight fit any machine.
    pub const BATCH_BYTES: usize = 8 << 20;
    /// Rows after which a batch ends.
    pub const BATCH_ROWS: usize = 8192;
    /// Longest record, all its fields together. Ten times the widest known catalog row with image cut-outs.
    pub const RECORD_BYTES: usize = 64 << 20;
    /// Longest single value.
    pub const FIELD_BYTES: usize = 16 << 20;
    /// Most columns that a header may name: far above any survey table (under 2,000), far below what would hurt.
    pub const HEADER_COLUMNS: usize = 20_000;
}

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated text with the quoting of RFC 4180.
    Csv,
    /// Tab-separated text with backslash escapes, as MySQL's `SELECT ... INTO OUTFILE` writes and `LOAD DATA` reads.
    Tsv,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// `csv`, `tsv` or `parquet`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Parquet => "parquet",
        }
    }

    /// The format that a file's name tells, compression endings aside: `Object.csv.gz` is CSV.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let name = [".gz", ".zst", ".zstd"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "csv" => Some(Self::Csv),
            "tsv" | "tab" | "txt" => Some(Self::Tsv),
            "parquet" | "parq" | "pq" => Some(Self::Parquet),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "csv" => Ok(Self::Csv),
            "tsv" => Ok(Self::Tsv),
            "parquet" => Ok(Self::Parquet),
            _ => Err(Error::invalid("unknown file format; there are csv, tsv and parquet").with("format", text)),
        }
    }
}

/// How text files write binary values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BinaryText {
    /// Pairs of hexadecimal digits, optionally after `0x` or `\x`. The rule of CSV.
    Hexadecimal,
    /// The bytes themselves, escaped where the format needs it. The rule of TSV, as MySQL dumps them.
    Raw,
}

impl FromStr for BinaryText {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "hex" | "hexadecimal" => Ok(Self::Hexadecimal),
            "raw" => Ok(Self::Raw),
            _ => Err(Error::invalid("binary columns are written as hexadecimal or raw").with("binary", text)),
        }
    }
}

/// How to read a file. Options that a format does not have are ignored by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FormatOptions {
    /// The format.
    pub format: Format,
    /// The unquoted text that stands for NULL. Quoted, it is itself.
    pub null: String,
    /// The byte between fields; `None` for the format's own, comma or tab.
    pub delimiter: Option<char>,
    /// Whether the first line names the columns; `None` for the format's custom: CSV has a header, TSV has none.
    pub header: Option<bool>,
    /// The columns of a file without header in file order; `None` for the declared order.
    pub columns: Option<Vec<String>>,
    /// How binary values are written; `None` for the format's own.
    pub binary: Option<BinaryText>,
    /// Leave out columns of the file that the table does not have, instead of refusing the file.
    pub ignore_unknown_columns: bool,
    /// Rows that may be skipped because they do not fit, before the load fails.
    pub max_bad_rows: u64,
    /// Rows after which a batch ends.
    pub batch_rows: usize,
    /// Longest record in bytes; the file is refused at a longer one.
    pub max_record_bytes: usize,
    /// Longest value in bytes; a row with a longer one is bad.
    pub max_field_bytes: usize,
}

impl Default for FormatOptions {
    fn default() -> Self {
        Self {
            format: Format::Csv,
            null: "\\N".to_owned(),
            delimiter: None,
            header: None,
            columns: None,
            binary: None,
            ignore_unknown_columns: false,
            max_bad_rows: 0,
            batch_rows: limits::BATCH_ROWS,
            max_record_bytes: limits::RECORD_BYTES,
            max_field_bytes: limits::FIELD_BYTES,
        }
    }
}

impl FormatOptions {
    /// The customary options of a format.
    #[must_use]
    pub fn of(format: Format) -> Self {
        Self { format, ..Self::default() }
    }

    /// Whether the first line names the columns.
    #[must_use]
    pub fn has_header(&self) -> bool {
        self.header.unwrap_or(self.columns.is_none() && self.format == Format::Csv)
    }

    /// How binary values are written.
    #[must_use]
    pub fn binary_text(&self) -> BinaryText {
        self.binary.unwrap_or(match self.format {
            Format::Tsv => BinaryText::Raw,
            Format::Csv | Format::Parquet => BinaryText::Hexadecimal,
        })
    }

    /// The byte between fields.
    ///
    /// # Errors
    /// `Invalid` if it is not one ASCII character, or one that means something else in the format.
    pub fn delimiter_byte(&self) -> Result<u8> {
        let default = if self.format == Format::Tsv { '\t' } else { ',' };
        let delimiter = self.delimiter.unwrap_or(default);
        let taken = match self.format {
            Format::Tsv => ['\n', '\r', '\\'].contains(&delimiter),
            Format::Csv | Format::Parquet => ['\n', '\r', '"'].contains(&delimiter),
        };
        match u8::try_from(delimiter) {
            Ok(byte) if byte.is_ascii() && !taken => Ok(byte),
            _ => Err(Error::invalid(
                "the delimiter must be one ASCII character that is no line end, quote or escape of the format",
            )
            .with("delimiter", delimiter.escape_default())),
        }
    }

    /// These options with bounds no wider than the usual ones: for options that a client sent.
    #[must_use]
    pub fn within_limits(mut self) -> Self {
        self.batch_rows = self.batch_rows.min(limits::BATCH_ROWS);
        self.max_record_bytes = self.max_record_bytes.min(limits::RECORD_BYTES);
        self.max_field_bytes = self.max_field_bytes.min(limits::FIELD_BYTES);
        self
    }

    /// Checks the options against each other.
    ///
    /// # Errors
    /// `Invalid`, with what to change.
    pub fn check(&self) -> Result<()> {
        let delimiter = self.delimiter_byte()?;
        if self.null.bytes().any(|byte| byte == delimiter || byte == b'\n' || byte == b'"') {
            return Err(Error::invalid("the null pattern may hold neither the delimiter nor a quote nor a line end")
                .with("null", self.null.escape_default()));
        }
        if self.columns.is_some() && self.header == Some(true) {
            return Err(Error::invalid(
                "a file with a header names its own columns: give either the header or the list",
            ));
        }
        if self.batch_rows == 0 || self.max_record_bytes == 0 || self.max_field_bytes == 0 {
            return Err(Error::invalid("the bounds of batches, records and fields must be above zero"));
        }
        Ok(())
    }
}
