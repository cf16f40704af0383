//! Example queries, as an operator writes them beside a database.
//!
//! ```toml
//! [[examples]]
//! title = "The brightest stars of a cluster"
//! description = "Those brighter than 18 mag come first."    # may be left out
//! query = """
//! SELECT TOP 10 * FROM dp1.Object ORDER BY g_psfFlux DESC"""
//! ```

use std::collections::HashSet;

use serde::Deserialize;

use super::MAX_TEXT_BYTES;
use crate::catalog::Example;
use crate::error::{Error, Result};

/// Most examples of a database: they stand on one page.
pub const MAX_EXAMPLES: usize = 200;

/// Longest title, which is a line of that page.
const MAX_TITLE_CHARS: usize = 200;

/// Longest description or query.
const MAX_EXAMPLE_BYTES: usize = 64 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    examples: Vec<Example>,
}

/// Reads a file of examples. `file_name` is what faults call the file.
///
/// # Errors
/// `Invalid` with the line for what is no such file, and as [`check_examples`]; `Limit` beyond
/// [`MAX_TEXT_BYTES`](super::MAX_TEXT_BYTES).
pub fn read_examples(text: &str, file_name: &str) -> Result<Vec<Example>> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Error::limit(format!("{file_name} is larger than {MAX_TEXT_BYTES} bytes")));
    }
    let file: File = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Error::invalid(format!("{file_name}:{line}: {}; write [[examples]] with title and query", error.message()))
    })?;
    let examples: Vec<Example> = file.examples.into_iter().map(trimmed).collect();
    check_examples(&examples).map_err(|error| Error::invalid(format!("{file_name}: {error}")))?;
    Ok(examples)
}

fn trimmed(example: Example) -> Example {
    let trim = |text: String| text.trim().to_owned();
    Example {
        title: trim(example.title),
        description: example.description.map(trim).filter(|text| !text.is_empty()),
        query: trim(example.query),
    }
}

/// Checks the examples of one database.
///
/// # Errors
/// `Invalid` if there are too many, one is too long or has no title or no query, or two have one title.
pub fn check_examples(examples: &[Example]) -> Result<()> {
    if examples.len() > MAX_EXAMPLES {
        return Err(Error::invalid(format!("a database can have {MAX_EXAMPLES} examples, not {}", examples.len())));
    }
    let mut titles = HashSet::new();
    for (number, example) in (1..).zip(examples) {
        let title = example.title.trim();
        let is_long = |text: &str| text.len() > MAX_EXAMPLE_BYTES;
        let fault = if title.is_empty() {
            "has no title; say in a few words what it asks".to_owned()
        } else if title.chars().count() > MAX_TITLE_CHARS || title.chars().any(char::is_control) {
            format!("has a title that is no line of at most {MAX_TITLE_CHARS} characters")
        } else if example.query.trim().is_empty() {
            "has no query".to_owned()
        } else if is_long(&example.query) || example.description.as_deref().is_some_and(is_long) {
            format!("is longer than {MAX_EXAMPLE_BYTES} bytes")
        } else if !titles.insert(title.to_lowercase()) {
            format!("has the title \"{title}\" of another one; titles must differ")
        } else {
            continue;
        };
        return Err(Error::invalid(format!("example {number} {fault}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(title: &str, query: &str) -> Example {
        Example { title: title.to_owned(), description: None, query: query.to_owned() }
    }

    #[test]
    fn a_file_is_read() {
        let text = "[[examples]]\ntitle = \" A \"\nquery = \"\"\"\nSELECT 1\n\"\"\"\n\n\
                    [[examples]]\ntitle = \"B\"\ndescription = \"why\"\nquery = \"SELECT 2\"\n";
        let described = Example { description: Some("why".to_owned()), ..example("B", "SELECT 2") };
        assert_eq!(read_examples(text, "x.toml").unwrap(), [example("A", "SELECT 1"), described]);
        assert_eq!(read_examples("", "x.toml").unwrap(), []);
    }

    #[test]
    fn faults_name_their_place() {
        for (text, part) in [
            ("[[examples]]\ntitle = \"A\"\n", "x.toml:1: missing field `query`"),
            ("[[examples]]\ntitle = \"A\"\nquery = \"q\"\nfish = 1\n", "x.toml:4: unknown field `fish`"),
            ("[[examples]]\ntitle = A\n", "x.toml:2:"),
            ("[[examples]]\ntitle = \"A\"\nquery = \" \"\n", "example 1 has no query"),
            ("[[examples]]\ntitle = \" \"\nquery = \"q\"\n", "example 1 has no title"),
            ("[[examples]]\ntitle = \"A\\nB\"\nquery = \"q\"\n", "no line"),
            ("[[examples]]\ntitle=\"A\"\nquery=\"q\"\n[[examples]]\ntitle=\"a\"\nquery=\"r\"\n", "titles must differ"),
        ] {
            let error = read_examples(text, "x.toml").unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn there_are_bounds() {
        let many: Vec<_> = (0..=MAX_EXAMPLES).map(|number| example(&number.to_string(), "q")).collect();
        assert!(check_examples(&many).is_err() && check_examples(&many[1..]).is_ok());
        assert!(check_examples(&[example("a", &"q".repeat(MAX_EXAMPLE_BYTES + 1))]).is_err());
        assert!(check_examples(&[example(&"a".repeat(MAX_TITLE_CHARS + 1), "q")]).is_err());
    }
}
