//! YAML text as a tree in which every value and key knows its line.
//!
//! Aliases and tags are refused: no Felis file uses them, and an alias can make a small file a huge tree.

use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle};

use super::MAX_TEXT_BYTES;
use super::faults::{Faults, Place};
use crate::error::{Error, Result};

/// Deepest nesting of lists and mappings that is read. Felis files need eight.
const MAX_DEPTH: usize = 32;

/// A value.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// The line it starts in, from 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// A single value as it is written. `plain` is false for quoted and block text, which is never null or a number.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    /// Keys and values in the file's order; keys may repeat.
    Map(Vec<(Key, Node)>),
}

/// The key of one entry of a mapping.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) line: usize,
}

impl Node {
    /// Whether it is null: nothing, `~` or `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// What it is, for people.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// A list or mapping that is not ended yet.
struct Open {
    node: Node,
    /// The key whose value comes next, in a mapping.
    key: Option<Key>,
}

/// Reads the one document of a text.
///
/// # Errors
/// `Invalid` with file and line; `Limit` if the text is longer than [`MAX_TEXT_BYTES`].
pub(super) fn parse(text: &str, file: &Arc<str>) -> Result<Node> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Error::limit(format!(
            "{file} is larger than {MAX_TEXT_BYTES} bytes: split it into smaller schemas"
        )));
    }
    let refuse = |line: usize, message: String| -> Error {
        let mut faults = Faults::default();
        faults.add(&Place { file: file.clone(), line }, message);
        faults.into_result().err().unwrap_or_else(|| Error::internal("a fault was lost"))
    };
    let mut stack: Vec<Open> = Vec::new();
    let mut root: Option<Node> = None;
    let mut documents = 0;
    let mut options = granit_parser::options! {};
    options.set_emit_comments(false);
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| {
            let line = error.marker().line();
            let shown = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
            refuse(
                line,
                format!("this is not YAML: look at indentation, quotes and colons at or before `{}`", shorten(shown)),
            )
            .caused_by(error)
        })?;
        let line = span.start.line();
        if event.tag().is_some() {
            return Err(refuse(line, "tags (`!name`) have no meaning here: leave the tag out".to_owned()));
        }
        let finished = match event {
            Event::DocumentStart(..) => {
                documents += 1;
                if documents > 1 {
                    return Err(refuse(line, "a second document starts here: keep one schema in a file".to_owned()));
                }
                continue;
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                return Err(refuse(line, "aliases (`*name`) are not read: write the value out".to_owned()));
            }
            Event::Scalar(text, style, ..) => {
                Node { line, value: Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain } }
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if stack.len() >= MAX_DEPTH {
                    return Err(refuse(line, format!("nested deeper than {MAX_DEPTH} levels: write it flatter")));
                }
                let value = match event {
                    Event::SequenceStart(..) => Value::List(Vec::new()),
                    _ => Value::Map(Vec::new()),
                };
                stack.push(Open { node: Node { line, value }, key: None });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(open) => open.node,
                None => continue,
            },
            _ => continue,
        };
        let Some(open) = stack.last_mut() else {
            root = Some(finished);
            continue;
        };
        match &mut open.node.value {
            Value::List(list) => list.push(finished),
            Value::Map(entries) => match (open.key.take(), finished) {
                (Some(key), value) => entries.push((key, value)),
                (None, Node { line, value: Value::Scalar { text, .. } }) => open.key = Some(Key { name: text, line }),
                (None, node) => {
                    return Err(refuse(node.line, format!("{} cannot be a key: write a word", node.kind())));
                }
            },
            Value::Scalar { .. } => {}
        }
    }
    root.ok_or_else(|| refuse(1, "the file is empty: write `name:` and `tables:`".to_owned()))
}

/// At most 60 characters of a line.
fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node> {
        parse(text, &"a.yaml".into())
    }

    #[test]
    fn knows_lines_and_keeps_text_as_written() {
        let node = read("---\nname: 'null'\nunit:\nversion: 1.10\nlist:\n- a\n- {b: c}\n").unwrap();
        let Value::Map(entries) = node.value else { panic!("a mapping") };
        let lines: Vec<(&str, usize)> = entries.iter().map(|(key, _)| (key.name.as_str(), key.line)).collect();
        assert_eq!(lines, [("name", 2), ("unit", 3), ("version", 4), ("list", 5)]);
        assert!(!entries[0].1.is_null());
        assert!(entries[1].1.is_null());
        assert!(matches!(&entries[2].1.value, Value::Scalar { text, plain: true } if text == "1.10"));
    }

    #[test]
    fn refuses_what_it_cannot_bound_or_read() {
        for (text, said) in [
            ("a: &x 1\nb: *x\n", "a.yaml:2: aliases"),
            ("a: !thing 1\n", "a.yaml:1: tags"),
            ("a: 1\n---\nb: 1\n", "a.yaml:2: a second document"),
            ("a: [1\nb: 2\n", "this is not YAML"),
            ("", "the file is empty"),
            ("? [a]\n: b\n", "cannot be a key"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        }
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert!(read(&deep).unwrap_err().to_string().contains("nested deeper than 32"));
        let deepest = "[".repeat(100_000);
        assert!(read(&deepest).is_err());
    }
}
