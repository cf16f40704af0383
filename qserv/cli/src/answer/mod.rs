//! Answers of a server, for eyes and for programs.
//!
//! The server is asked over `/tap/sync`, like by any client. CSV, TSV and VOTable pass through as they arrive. A table for
//! the eye and JSON are made from VOTable in its TABLEDATA form, which carries types, units, warnings and the error of an
//! answer that broke off: [`votable::read`] hands rows to a [`RowSink`] as they arrive.

pub mod json;
pub mod table;
pub mod votable;

use std::io;

/// What a column is, as the VOTable's FIELD says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The VOTable datatype: `long`, `double`, `char` ...
    pub datatype: String,
    /// The VOTable arraysize; absent for a single number.
    pub arraysize: Option<String>,
    /// The unit.
    pub unit: Option<String>,
}

impl Column {
    /// Whether its values are text.
    #[must_use]
    pub fn is_text(&self) -> bool {
        matches!(self.datatype.as_str(), "char" | "unicodeChar")
    }

    /// Whether its values are single numbers.
    #[must_use]
    pub fn is_number(&self) -> bool {
        self.arraysize.is_none()
            && matches!(self.datatype.as_str(), "unsignedByte" | "short" | "int" | "long" | "float" | "double")
    }
}

/// Takes an answer row by row.
pub trait RowSink {
    /// Called once, before the rows.
    ///
    /// # Errors
    /// Those of the output.
    fn start(&mut self, columns: &[Column]) -> io::Result<()>;

    /// Called for each row, with a cell for each column; `None` for NULL.
    ///
    /// # Errors
    /// Those of the output.
    fn row(&mut self, cells: Vec<Option<String>>) -> io::Result<()>;

    /// Called once, after the last row of a whole answer.
    ///
    /// # Errors
    /// Those of the output.
    fn finish(&mut self) -> io::Result<()>;
}

/// What came with the rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Number of rows.
    pub rows: u64,
    /// Whether a bound on rows cut the answer.
    pub overflow: bool,
    /// Sentences for the user.
    pub warnings: Vec<String>,
}
