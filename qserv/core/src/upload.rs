//! Tables that a query brings along: for that query alone they are in the database [`TAP_UPLOAD`].
//!
//! Through the door of [`query`](crate::query) go tables that can be opened as rows ([`UploadedTable`]), wherever those come from. A
//! protocol that is sent files keeps them on this machine ([`UploadFile`]) and has them read by a [`TableReader`]: it need not know
//! how they look inside.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use crate::error::{Error, Result};

/// The database of uploaded tables, as TAP calls it.
pub const TAP_UPLOAD: &str = "TAP_UPLOAD";

/// Longest name of an uploaded table.
const MAX_NAME_BYTES: usize = 128;

/// A table that someone sent.
pub trait UploadedTable: Debug + Send + Sync {
    /// Its columns and its rows from the first. It may be opened more than once. Blocks on the disk.
    ///
    /// # Errors
    /// `Invalid` if what was sent is no table, `Limit` if it is beyond all bounds.
    fn open(&self) -> Result<TableRows>;
}

/// A table that a query brings along.
#[derive(Debug, Clone)]
pub struct Upload {
    name: String,
    table: Arc<dyn UploadedTable>,
}

impl Upload {
    /// A table by its name without `TAP_UPLOAD`.
    ///
    /// # Errors
    /// `Invalid` for a name that ADQL does not read undelimited, or that is too long.
    pub fn new(name: &str, table: Arc<dyn UploadedTable>) -> Result<Self> {
        let mut characters = name.chars();
        let is_regular = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && characters.all(|character| character.is_ascii_alphanumeric() || character == '_');
        if !is_regular || name.len() > MAX_NAME_BYTES {
            let shown: String = name.chars().take(60).collect();
            return Err(Error::invalid(format!(
                "an uploaded table cannot be called \"{shown}\"; write letters, digits and underscores, a letter first"
            )));
        }
        Ok(Self { name: name.to_owned(), table })
    }

    /// Its name, without `TAP_UPLOAD`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The table itself.
    #[must_use]
    pub fn table(&self) -> &Arc<dyn UploadedTable> {
        &self.table
    }
}

/// Checks the uploads of one query against each other.
///
/// # Errors
/// `Invalid` if two have names that differ in nothing but letter case.
pub fn check_names(uploads: &[Upload]) -> Result<()> {
    for (index, upload) in uploads.iter().enumerate() {
        if uploads.iter().take(index).any(|other| other.name.eq_ignore_ascii_case(&upload.name)) {
            return Err(Error::invalid(format!("two uploaded tables are called \"{}\"", upload.name)));
        }
    }
    Ok(())
}

/// A table as it is read.
pub struct TableRows {
    /// Its columns, their VO descriptions in the fields' metadata under [`field_metadata`](crate::query::field_metadata)'s
    /// keys. No two names are the same.
    pub schema: SchemaRef,
    /// Its rows, in this schema. Getting the next ones blocks on the disk. The first error ends them.
    pub batches: Box<dyn Iterator<Item = Result<RecordBatch>> + Send>,
}

impl Debug for TableRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableRows").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// A file that a user sent.
#[derive(Debug, Clone, Copy)]
pub struct UploadFile<'a> {
    /// Where it is on this machine.
    pub path: &'a Path,
    /// The media type that its sender gave, if any. Senders are often wrong.
    pub media_type: Option<&'a str>,
    /// What errors call it.
    pub name: &'a str,
}

/// Reads files whose columns nobody declared: they describe themselves, or are guessed at.
pub trait TableReader: Debug + Send + Sync + 'static {
    /// Opens the first table of a file. Blocks on the disk. What is read later is read from the same file, also if it is deleted
    /// meanwhile.
    ///
    /// # Errors
    /// `Invalid` for a file that is none of the known formats or does not keep to its own; `Limit` for one beyond all bounds.
    fn open(&self, file: UploadFile<'_>) -> Result<TableRows>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nothing;

    impl UploadedTable for Nothing {
        fn open(&self) -> Result<TableRows> {
            Err(Error::not_found("nothing"))
        }
    }

    #[test]
    fn names_are_such_that_queries_need_not_quote_them() {
        let upload = |name: &str| Upload::new(name, Arc::new(Nothing));
        for name in ["t", "T_1", "_x"] {
            assert_eq!(upload(name).unwrap().name(), name);
        }
        for name in ["", "1t", "a b", "a;b", "ü", "a.b", &"x".repeat(129)] {
            assert!(upload(name).is_err(), "{name}");
        }
        let two = |left, right| check_names(&[upload(left).unwrap(), upload(right).unwrap()]);
        assert!(two("a", "b").is_ok() && two("a", "A").is_err());
    }
}
