//! What an export keeps in its folder: the answer's tickets and a record of each whole part while it runs, the manifest in the end.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::datatypes::Schema;
use qserv_core::query::{describe, field_metadata};
use qserv_core::{Error, ErrorKind, Result};
use qserv_flight::Answer;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::arguments::ExportFormat;
use crate::terminal::output_error;

const BEGUN: &str = "export.json";
const MANIFEST: &str = "manifest.json";

/// The folder of one export.
pub(super) struct Folder {
    path: PathBuf,
    query: String,
    format: ExportFormat,
}

/// An export that has begun.
#[derive(Serialize, Deserialize)]
pub(super) struct Begun {
    query: String,
    format: ExportFormat,
    /// The answer, in hexadecimal digits.
    answer: String,
    /// How many rows there must be, if that is known.
    pub(super) counted: Option<u64>,
}

/// A whole part.
#[derive(Serialize, Deserialize)]
pub(super) struct PartRecord {
    pub(super) file: String,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// What is in the folder.
#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    query: String,
    format: ExportFormat,
    pub(super) rows: u64,
    /// Whether the rows were compared with the table's number of rows.
    counted: bool,
    columns: Vec<ColumnRecord>,
    parts: Vec<PartRecord>,
}

#[derive(Serialize, Deserialize)]
struct ColumnRecord {
    name: String,
    #[serde(rename = "type")]
    datatype: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ucd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

impl Begun {
    pub(super) fn new(query: &str, format: ExportFormat, answer: &Answer, counted: Option<u64>) -> Self {
        let answer = answer.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { query: query.to_owned(), format, answer, counted }
    }

    pub(super) fn answer(&self) -> Result<Answer> {
        let digits: Vec<u8> =
            self.answer.bytes().filter_map(|digit| char::from(digit).to_digit(16)?.try_into().ok()).collect();
        let bytes: Vec<u8> =
            digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        Answer::from_bytes(&bytes)
    }
}

impl Folder {
    pub(super) fn open(path: PathBuf, query: &str, format: ExportFormat) -> Result<Self> {
        fs::create_dir_all(&path).map_err(|error| output_error(error).with("folder", path.display()))?;
        Ok(Self { path, query: query.to_owned(), format })
    }

    /// The manifest of an export that is whole.
    pub(super) fn manifest(&self) -> Result<Option<Manifest>> {
        let manifest: Option<Manifest> = self.read(MANIFEST)?;
        if let Some(manifest) = &manifest {
            self.check(&manifest.query, manifest.format)?;
        }
        Ok(manifest)
    }

    /// The export that an earlier run has begun.
    pub(super) fn begun(&self) -> Result<Option<Begun>> {
        let begun: Option<Begun> = self.read(BEGUN)?;
        if let Some(begun) = &begun {
            self.check(&begun.query, begun.format)?;
        }
        Ok(begun)
    }

    fn check(&self, query: &str, format: ExportFormat) -> Result<()> {
        if query == self.query && format == self.format {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Conflict, "the folder holds the export of another query or in another format")
            .with("folder", self.path.display())
            .with("query", query))
    }

    pub(super) fn begin(&self, begun: &Begun) -> Result<()> {
        self.write(BEGUN, begun)
    }

    /// Where a part is written, and where it lies when it is whole.
    pub(super) fn paths(&self, part: usize) -> (PathBuf, PathBuf) {
        let name = format!("part-{part:05}.{}", self.format.extension());
        (self.path.join(format!(".{name}.unfinished")), self.path.join(name))
    }

    /// The record of a part, if it is whole and still has its length.
    pub(super) fn record(&self, part: usize) -> Result<Option<PartRecord>> {
        let record: Option<PartRecord> = self.read(&record_name(part))?;
        let (_, path) = self.paths(part);
        Ok(record.filter(|record| fs::metadata(path).is_ok_and(|file| file.len() == record.bytes)))
    }

    pub(super) fn keep(&self, part: usize, record: &PartRecord) -> Result<()> {
        self.write(&record_name(part), record)
    }

    /// Writes the manifest and removes what was kept on the way to it.
    pub(super) fn finish(&self, begun: &Begun, schema: &Schema, parts: Vec<PartRecord>) -> Result<()> {
        let column = |field: &arrow::datatypes::FieldRef| {
            let said = |key| describe(field, key).map(str::to_owned);
            ColumnRecord {
                name: field.name().clone(),
                datatype: field.data_type().to_string(),
                unit: said(field_metadata::UNIT),
                ucd: said(field_metadata::UCD),
                description: said(field_metadata::DESCRIPTION),
            }
        };
        let count = parts.len();
        let manifest = Manifest {
            query: begun.query.clone(),
            format: begun.format,
            rows: parts.iter().map(|part| part.rows).sum(),
            counted: begun.counted.is_some(),
            columns: schema.fields().iter().map(column).collect(),
            parts,
        };
        self.write(MANIFEST, &manifest)?;
        let kept = (0..count).map(record_name).chain([BEGUN.to_owned()]);
        kept.into_iter().try_for_each(|name| fs::remove_file(self.path.join(name))).map_err(output_error)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let path = self.path.join(name);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&path).caused_by(error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| unreadable(&path).caused_by(error))
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let (temporary, path) = (self.path.join(format!(".{name}.unfinished")), self.path.join(name));
        let text = serde_json::to_vec_pretty(value)
            .map_err(|error| Error::internal("the state of the export cannot be kept").caused_by(error))?;
        fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, &path)).map_err(output_error)
    }
}

fn record_name(part: usize) -> String {
    format!(".part-{part:05}.json")
}

fn unreadable(path: &Path) -> Error {
    Error::data("a file of the export cannot be read; remove the folder to export anew").with("file", path.display())
}
