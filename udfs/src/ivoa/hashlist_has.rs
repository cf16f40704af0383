//! `ivo_hashlist_has`: whether a word is in a list of words.

use arrow::array::ArrayRef;
use datafusion::logical_expr::ColumnarValue;
use qserv_core::Result;

use super::letters::are_equal;
use super::test_of_texts;
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, text};

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_hashlist_has",
    known_as: "ivo_hashlist_has",
    audience: Audience::Users,
    summary: "1 if a word is in a list of words with a hash sign between them, else 0. Letter case does not count; a word \
              with a hash sign is in no list, and an empty list has no word.",
    missing: "NULL if any argument is NULL.",
    example: "SELECT ivo_hashlist_has('optical#infrared', 'optical') AS is_optical FROM Object",
    forms: &[Form::fixed(&[
        text("hashlist", "the words, with # between them"),
        text("item", "the word to look for, without #"),
    ])],
    returns: Returns::Integer,
    unit: None,
    ucd: None,
    body: Body::Values { check: check_nothing, evaluate },
};

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    test_of_texts(arguments, rows, |list, item| {
        // No part of a list has a hash sign: the item with one is equal to none.
        !list.is_empty() && list.split('#').any(|word| are_equal(word, item))
    })
}
