//! How sqlparser's tokenizer is to read ADQL.

use sqlparser::dialect::Dialect;

/// ADQL's lexical rules: names are Latin letters, digits and underscores, or anything between double quotes; a text has
/// no escape but the doubled quote. Names between backticks are no ADQL and are let through with a remark.
#[derive(Debug)]
pub(crate) struct AdqlDialect;

impl Dialect for AdqlDialect {
    fn is_identifier_start(&self, character: char) -> bool {
        character.is_ascii_alphabetic() || character == '_'
    }

    fn is_identifier_part(&self, character: char) -> bool {
        character.is_ascii_alphanumeric() || character == '_'
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        matches!(character, '"' | '`')
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }
}
