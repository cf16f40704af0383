//! YAML as ECSV headers use it: a tree of texts. Tags say which Python class a value is of, and are passed over.

use granit_parser::{Event, Parser};
use qserv_core::{Error, Result};

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 32;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    List(Vec<Node>),
    /// Keys that are no text are left out.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The value of a key: of a mapping, or of a list of mappings, which is how YAML writes an ordered one.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Text(_) => None,
            Self::List(list) => list.iter().find_map(|node| match node {
                Self::Map(_) => node.get(key),
                _ => None,
            }),
            Self::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
        }
    }

    /// The text of a key, if it has one that is not blank.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Self::Text(text) if !text.trim().is_empty() => Some(text),
            _ => None,
        }
    }

    /// The members of a list; none of anything else.
    pub(super) fn members(&self) -> &[Self] {
        match self {
            Self::List(list) => list,
            _ => &[],
        }
    }
}

struct Open {
    node: Node,
    key: Option<Option<String>>,
}

/// Reads the first document of a text.
///
/// # Errors
/// `Data` if it is no YAML, or is nested too deep.
pub(super) fn parse(text: &str, file: &str) -> Result<Node> {
    let mut options = granit_parser::options! {};
    options.set_emit_comments(false);
    let mut stack: Vec<Open> = Vec::new();
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, _) = next.map_err(|error| {
            let line = error.marker().line();
            Error::data("the header of the ECSV file is not YAML")
                .with("file", file)
                .with("line", line)
                .caused_by(error)
        })?;
        let finished = match event {
            Event::Scalar(text, ..) => Node::Text(text.into_owned()),
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if stack.len() >= MAX_DEPTH {
                    return Err(Error::data("the header of the ECSV file is nested too deep").with("file", file));
                }
                let is_list = matches!(event, Event::SequenceStart(..));
                let node = if is_list { Node::List(Vec::new()) } else { Node::Map(Vec::new()) };
                stack.push(Open { node, key: None });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(open) => open.node,
                None => continue,
            },
            // What an alias stands for is not followed: a small file could stand for a huge tree.
            Event::Alias(_) | Event::UnresolvedAlias(_) => Node::Text(String::new()),
            Event::DocumentEnd => break,
            _ => continue,
        };
        let Some(open) = stack.last_mut() else { return Ok(finished) };
        match &mut open.node {
            Node::List(list) => list.push(finished),
            Node::Map(entries) => match open.key.take() {
                Some(Some(key)) => entries.push((key, finished)),
                Some(None) => {}
                None => {
                    open.key = Some(match finished {
                        Node::Text(text) => Some(text),
                        _ => None,
                    });
                }
            },
            Node::Text(_) => {}
        }
    }
    Err(Error::data("the ECSV file has no header").with("file", file))
}
