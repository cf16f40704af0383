//! What an export keeps in its folder: the answer's tickets and a record of each whole file while it runs, the manifest in the end.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::datatypes::Schema;
use qserv_core::query::{describe, field_metadata};
use qserv_core::{Error, ErrorKind, Result};
use qserv_flight::Answer;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::hats;
use crate::arguments::ExportFormat;
use crate::terminal::output_error;

const BEGUN: &str = "export.json";
const MANIFEST: &str = "manifest.json";

/// The folder of one export.
#[derive(Clone)]
pub(super) struct Folder {
    path: PathBuf,
    what: What,
}

/// What is exported.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct What {
    pub(super) query: String,
    pub(super) format: ExportFormat,
    /// What a catalog is to be like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hats: Option<hats::Request>,
}

/// An export that has begun.
#[derive(Serialize, Deserialize)]
pub(super) struct Begun {
    #[serde(flatten)]
    what: What,
    /// The answer, in hexadecimal digits.
    answer: String,
    /// How many rows there must be, if that is known.
    pub(super) counted: Option<u64>,
}

/// A whole file; that of nothing has no rows and no name.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct PartRecord {
    pub(super) file: String,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// What lies where in it, if it is on its way into a catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) runs: Option<hats::Runs>,
}

/// What is in the folder.
#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    #[serde(flatten)]
    what: What,
    pub(super) rows: u64,
    /// Whether the rows were compared with the table's number of rows.
    counted: bool,
    columns: Vec<ColumnRecord>,
    parts: Vec<PartRecord>,
    /// The files of a catalog's margin: rows that stand in the parts too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    margin: Vec<PartRecord>,
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
    pub(super) fn new(what: What, answer: &Answer, counted: Option<u64>) -> Self {
        let answer = answer.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { what, answer, counted }
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
    pub(super) fn open(path: PathBuf, what: What) -> Result<Self> {
        fs::create_dir_all(&path).map_err(|error| output_error(error).with("folder", path.display()))?;
        Ok(Self { path, what })
    }

    /// Where a file of this name lies.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The manifest of an export that is whole.
    pub(super) fn manifest(&self) -> Result<Option<Manifest>> {
        let manifest: Option<Manifest> = self.read(MANIFEST)?;
        if let Some(manifest) = &manifest {
            self.check(&manifest.what)?;
        }
        Ok(manifest)
    }

    /// The export that an earlier run has begun.
    pub(super) fn begun(&self) -> Result<Option<Begun>> {
        let begun: Option<Begun> = self.read(BEGUN)?;
        if let Some(begun) = &begun {
            self.check(&begun.what)?;
        }
        Ok(begun)
    }

    fn check(&self, what: &What) -> Result<()> {
        if *what == self.what {
            return Ok(());
        }
        let error = "the folder holds the export of another query, in another format or with other options";
        let error = Error::new(ErrorKind::Conflict, error);
        Err(error.with("folder", self.path.display()).with("query", &what.query))
    }

    pub(super) fn begin(&self, begun: &Begun) -> Result<()> {
        self.write(BEGUN, begun)
    }

    /// Where a part is written, and where it lies when it is whole.
    pub(super) fn paths(&self, part: usize) -> (PathBuf, PathBuf) {
        let name = format!("part-{part:05}.{}", self.what.format.extension());
        (self.path.join(format!(".{name}.unfinished")), self.path.join(name))
    }

    /// The record of a part, if it is whole and still has its length.
    pub(super) fn record(&self, part: usize) -> Result<Option<PartRecord>> {
        self.kept(&record_name(part))
    }

    pub(super) fn keep(&self, part: usize, record: &PartRecord) -> Result<()> {
        self.keep_as(&record_name(part), record)
    }

    /// The record of this name, if its file is whole and still has its length.
    pub(super) fn kept(&self, name: &str) -> Result<Option<PartRecord>> {
        let record: Option<PartRecord> = self.read(name)?;
        let is_there = |record: &PartRecord| {
            record.rows == 0 && record.file.is_empty()
                || fs::metadata(self.place(&record.file)).is_ok_and(|file| file.len() == record.bytes)
        };
        Ok(record.filter(is_there))
    }

    pub(super) fn keep_as(&self, name: &str, record: &PartRecord) -> Result<()> {
        self.write(name, record)
    }

    /// Writes the manifest and removes what was kept on the way to it.
    pub(super) fn finish(
        &self,
        begun: &Begun,
        schema: &Schema,
        parts: Vec<PartRecord>,
        margin: Vec<PartRecord>,
    ) -> Result<()> {
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
        let manifest = Manifest {
            what: begun.what.clone(),
            rows: parts.iter().map(|part| part.rows).sum(),
            counted: begun.counted.is_some(),
            columns: schema.fields().iter().map(column).collect(),
            parts,
            margin,
        };
        self.write(MANIFEST, &manifest)?;
        self.tidy()
    }

    /// Removes the state of the export, and of a catalog the parts that it was made of.
    fn tidy(&self) -> Result<()> {
        let is_catalog = self.what.format == ExportFormat::Hats;
        for entry in fs::read_dir(&self.path).map_err(output_error)? {
            let name = entry.map_err(output_error)?.file_name().to_string_lossy().into_owned();
            let is_record = [".part-", ".pixel-", ".margin-"].iter().any(|start| name.starts_with(start));
            if name == BEGUN || is_record || is_catalog && name.starts_with("part-") {
                fs::remove_file(self.place(&name)).map_err(output_error)?;
            }
        }
        Ok(())
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
