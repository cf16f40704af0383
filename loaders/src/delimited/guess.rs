//! The columns of a file that nobody declared: names from its first record, types from all its values.
//!
//! A column is of integers, of numbers or of truth values if every value that it has is one in a form that reads back as it was
//! written; else it is text. So `007` and an integer of 30 digits are text: as numbers they would come back as others.

use std::io::Read;

use qserv_core::catalog::{Column, ColumnType, Table, TableId, TableKind};
use qserv_core::{Error, Result};

use super::tokenizer::{self, Quoting, Tokenizer};
use super::{read_header, values};
use crate::format::{FormatOptions, limits};

/// What the values of a column so far can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guess {
    /// There was no value yet.
    Anything,
    Boolean,
    Integer,
    Number,
    Text,
}

impl Guess {
    fn with(self, value: &[u8]) -> Self {
        let found = match self {
            Self::Text => return self,
            Self::Boolean if is_boolean(value) => return self,
            Self::Integer if is_integer(value) => return self,
            _ if is_boolean(value) => Self::Boolean,
            _ if is_integer(value) => Self::Integer,
            _ if is_number(value) => Self::Number,
            _ => Self::Text,
        };
        match (self, found) {
            (Self::Anything, found) => found,
            (Self::Integer | Self::Number, Self::Integer | Self::Number) => Self::Number,
            _ => Self::Text,
        }
    }

    fn datatype(self) -> ColumnType {
        match self {
            Self::Boolean => ColumnType::Boolean,
            Self::Integer => ColumnType::Long,
            Self::Number => ColumnType::Double,
            Self::Anything | Self::Text => ColumnType::Unicode,
        }
    }
}

fn is_boolean(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"true") || value.eq_ignore_ascii_case(b"false")
}

fn is_integer(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let is_canonical = digits == b"0" || !digits.starts_with(b"0");
    is_canonical && value != b"-0" && digits.iter().all(u8::is_ascii_digit) && values::integer(value).is_ok()
}

/// Digits that name no number (`007`, more than 64 bits hold) are none here.
fn is_number(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let is_plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    !(is_plain && value != b"-0") && values::float::<f64>(value, "").is_ok()
}

/// Reads a whole file with a header, and declares a table that it fits.
///
/// # Errors
/// `Data` if there is no header or the file is damaged, `Limit` beyond the bounds.
pub(crate) fn guess(reader: impl Read, file: &str, options: &FormatOptions) -> Result<Table> {
    let mut tokenizer = Tokenizer::new(
        reader,
        file.to_owned(),
        (options.delimiter_byte()?, Quoting::Quotes),
        tokenizer::BUFFER_BYTES,
        options.max_record_bytes,
        limits::HEADER_COLUMNS,
    );
    tokenizer.skip_byte_order_mark()?;
    let names = read_header(&mut tokenizer, file)?
        .ok_or_else(|| Error::data("the file is empty; its first line must name the columns").with("file", file))?;
    let mut guesses = vec![Guess::Anything; names.len()];
    while tokenizer.next_record()?.is_some() {
        for (&field, guess) in tokenizer.fields().iter().zip(&mut guesses) {
            let value = tokenizer.raw(field);
            if *guess == Guess::Text || (value.is_empty() && !Tokenizer::<&[u8]>::is_quoted(field)) {
                continue;
            }
            *guess = guess.with(&tokenizer.value(field));
        }
    }
    let columns = names.into_iter().zip(guesses).map(|(name, guess)| Column {
        name: name.trim().to_owned(),
        datatype: guess.datatype(),
        length: None,
        nullable: true,
        unit: None,
        ucd: None,
        utype: None,
        description: None,
        xtype: None,
        arraysize: None,
        principal: false,
        std: false,
        column_index: None,
    });
    Ok(Table {
        id: TableId(0),
        name: file.to_owned(),
        kind: TableKind::Replicated,
        description: None,
        utype: None,
        table_index: None,
        primary_key: Vec::new(),
        columns: columns.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_that_lose_nothing() {
        let text = "i,n,t,b,e,z,big,q,mix\n1,1.5,a,true,,007,123456789012345678901,\"1\",1\n-2,3,\"\",False,,1,1,2,x\n\
                    ,1e3,7,,,2,2,,\n";
        let table = guess(text.as_bytes(), "t", &FormatOptions::default()).unwrap();
        let types: Vec<_> = table.columns.iter().map(|column| (column.name.as_str(), column.datatype)).collect();
        let (long, double, text, boolean) =
            (ColumnType::Long, ColumnType::Double, ColumnType::Unicode, ColumnType::Boolean);
        assert_eq!(
            types,
            [
                ("i", long),
                ("n", double),
                ("t", text),
                ("b", boolean),
                ("e", text),
                ("z", text),
                ("big", text),
                ("q", long),
                ("mix", text)
            ]
        );
        assert!(guess(&b""[..], "t", &FormatOptions::default()).is_err());
    }
}
