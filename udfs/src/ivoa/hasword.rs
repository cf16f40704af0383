//! `ivo_hasword`: whether a text has all of some words.

use arrow::array::ArrayRef;
use datafusion::logical_expr::ColumnarValue;
use qserv_core::Result;

use super::test_of_texts;
use super::words::Needle;
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, text};

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_hasword",
    known_as: "ivo_hasword",
    audience: Audience::Users,
    summary: "1 if all words of a text are in another one, in any order, else 0. Words are runs of letters and digits; \
              letter case and English endings do not count. No words at all are in no text.",
    missing: "NULL if any argument is NULL.",
    example: "SELECT ivo_hasword('Spectra of nearby galaxies', 'galaxy spectra') AS is_wanted FROM Object",
    forms: &[Form::fixed(&[text("haystack", "the text"), text("needle", "the words to look for")])],
    returns: Returns::Integer,
    unit: None,
    ucd: None,
    body: Body::Values { check: check_nothing, evaluate },
};

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let mut needle = Needle::new();
    test_of_texts(arguments, rows, |haystack, words| {
        needle.read(words);
        needle.is_in(haystack)
    })
}
