//! `ivo_nocasematch`: LIKE without letter case.

use arrow::array::ArrayRef;
use datafusion::logical_expr::ColumnarValue;
use qserv_core::Result;

use super::letters::folded;
use super::test_of_texts;
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, text};

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_nocasematch",
    known_as: "ivo_nocasematch",
    audience: Audience::Users,
    summary: "1 if a text matches a pattern of LIKE without regard to letter case, else 0. A backslash is a character \
              like others.",
    missing: "NULL if any argument is NULL.",
    example: "SELECT objectId, ivo_nocasematch('NGC 224', 'ngc%') AS is_ngc FROM Object",
    forms: &[Form::fixed(&[
        text("value", "a text"),
        text("pattern", "the pattern: % stands for any characters or none, _ for any one"),
    ])],
    returns: Returns::Integer,
    unit: None,
    ucd: None,
    body: Body::Values { check: check_nothing, evaluate },
};

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let mut pattern = Pattern::default();
    let mut characters = Vec::new();
    test_of_texts(arguments, rows, |value, text| {
        pattern.read(text);
        if value.is_ascii() {
            let bytes = value.as_bytes();
            return pattern
                .matches(bytes.len(), |index| bytes.get(index).map(|byte| char::from(*byte).to_ascii_lowercase()));
        }
        characters.clear();
        characters.extend(value.chars().map(folded));
        pattern.matches(characters.len(), |index| characters.get(index).copied())
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Many,
    One,
    Letter(char),
}

/// A pattern, read.
#[derive(Debug, Default)]
struct Pattern {
    text: String,
    parts: Vec<Part>,
}

impl Pattern {
    /// Reads a pattern; the same one again costs nothing.
    fn read(&mut self, text: &str) {
        if self.text == text {
            return;
        }
        self.text.clear();
        self.text.push_str(text);
        self.parts.clear();
        self.parts.extend(text.chars().map(|character| match character {
            '%' => Part::Many,
            '_' => Part::One,
            letter => Part::Letter(folded(letter)),
        }));
    }

    /// Whether so many characters match. Only the last % can have to take more: time is at most length times length.
    fn matches(&self, length: usize, character: impl Fn(usize) -> Option<char>) -> bool {
        let (mut index, mut part) = (0, 0);
        // Behind the last %, and where the characters that it does not take begin.
        let mut last: Option<(usize, usize)> = None;
        while index < length {
            match self.parts.get(part) {
                Some(Part::Many) => {
                    part += 1;
                    last = Some((part, index));
                }
                Some(Part::One) => (index, part) = (index + 1, part + 1),
                Some(Part::Letter(letter)) if character(index) == Some(*letter) => {
                    (index, part) = (index + 1, part + 1)
                }
                _ => {
                    let Some((behind, start)) = last else { return false };
                    (index, part) = (start + 1, behind);
                    last = Some((behind, index));
                }
            }
        }
        self.parts.iter().skip(part).all(|part| *part == Part::Many)
    }
}
