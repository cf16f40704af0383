//! Typed reading of one mapping's entries: unknown and repeated keys and wrong types become faults.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::schema::faults::{Faults, Place, nearest, write_instead};
use crate::schema::yaml::{Key, Node, Value};

/// Most characters of a value that a fault shows.
const SHOWN_CHARACTERS: usize = 60;

/// Reads one file, collecting its faults.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) file: Arc<str>,
    pub(super) faults: Faults,
}

/// The entries of one mapping.
#[derive(Debug)]
pub(super) struct Entries<'n> {
    entries: &'n [(Key, Node)],
}

impl<'n> Entries<'n> {
    /// The value under a key.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(name, _)| name.name == key).map(|(_, value)| value)
    }
}

impl Reader {
    pub(super) fn place(&self, line: usize) -> Place {
        Place { file: self.file.clone(), line }
    }

    pub(super) fn fault(&mut self, line: usize, message: impl Into<String>) {
        let place = self.place(line);
        self.faults.add(&place, message);
    }

    /// A name that is not there: tells the nearest that is, or `otherwise`.
    pub(super) fn unknown(&mut self, line: usize, message: String, name: &str, known: &[&str], otherwise: &str) {
        let remedy = match nearest(name, known.iter().copied()) {
            Some(word) => format!("write \"{word}\""),
            None => otherwise.to_owned(),
        };
        self.fault(line, format!("{message}; {remedy}"));
    }

    /// The entries of a mapping whose keys are all known.
    pub(super) fn entries<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<Entries<'n>> {
        let entries = self.any_entries(node, what)?;
        for (key, _) in entries {
            if !known.contains(&key.name.as_str()) {
                let message =
                    format!("unknown key \"{}\" in {what}; {}", shown(&key.name), write_instead(&key.name, known));
                self.fault(key.line, message);
            }
        }
        Some(Entries { entries })
    }

    /// The entries of a mapping whose keys are names.
    pub(super) fn any_entries<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [(Key, Node)]> {
        let Value::Map(entries) = &node.value else {
            self.fault(node.line, format!("{what} is {} here; write a mapping, a line `key: value` each", node.kind()));
            return None;
        };
        let mut seen = std::collections::HashMap::new();
        for (key, _) in entries {
            if let Some(first) = seen.insert(key.name.as_str(), key.line) {
                let message = format!("key \"{}\" stands in line {first} already; remove one", shown(&key.name));
                self.fault(key.line, message);
            }
        }
        Some(entries)
    }

    pub(super) fn list<'n>(&mut self, node: &'n Node, key: &str) -> &'n [Node] {
        match &node.value {
            Value::List(list) => list,
            _ if node.is_null() => &[],
            _ => {
                self.fault(node.line, format!("`{key}` is {} here; write a list, a line `- ...` each", node.kind()));
                &[]
            }
        }
    }

    /// A single text or a list of texts, with their lines.
    pub(super) fn texts(&mut self, node: &Node, key: &str) -> Vec<(String, usize)> {
        let nodes = match &node.value {
            Value::List(list) => list.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut texts = Vec::with_capacity(nodes.len());
        for node in nodes {
            match &node.value {
                Value::Scalar { text, .. } if !node.is_null() && !text.trim().is_empty() => {
                    texts.push((text.trim().to_owned(), node.line));
                }
                _ => self
                    .fault(node.line, format!("`{key}` needs a name here, not {}; write a name", empty_or_kind(node))),
            }
        }
        texts
    }

    /// The text under a key; `None` if the key is absent, null or empty.
    pub(super) fn text(&mut self, entries: &Entries<'_>, key: &str) -> Option<String> {
        let node = entries.get(key)?;
        match &node.value {
            Value::Scalar { text, .. } => {
                let text = text.trim();
                (!node.is_null() && !text.is_empty()).then(|| text.to_owned())
            }
            _ => {
                self.fault(node.line, format!("`{key}` is {} here; write a text", node.kind()));
                None
            }
        }
    }

    pub(super) fn required_text(
        &mut self,
        entries: &Entries<'_>,
        key: &str,
        line: usize,
        what: &str,
    ) -> Option<String> {
        let is_wrong_type = entries.get(key).is_some_and(|node| !matches!(node.value, Value::Scalar { .. }));
        let text = self.text(entries, key);
        if text.is_none() && !is_wrong_type {
            let line = entries.get(key).map_or(line, |node| node.line);
            self.fault(line, format!("{what} has no `{key}`; write `{key}: ...`"));
        }
        text
    }

    /// The entry `name`.
    pub(super) fn required_name(&mut self, entries: &Entries<'_>, line: usize) -> Option<String> {
        self.required_text(entries, "name", line, "this")
    }

    pub(super) fn boolean(&mut self, entries: &Entries<'_>, key: &str) -> Option<bool> {
        let node = entries.get(key).filter(|node| !node.is_null())?;
        if let Value::Scalar { text, plain: true } = &node.value {
            match text.as_str() {
                "true" | "True" | "TRUE" | "1" => return Some(true),
                "false" | "False" | "FALSE" | "0" => return Some(false),
                _ => {}
            }
        }
        self.fault(node.line, format!("`{key}` is {}; write true or false", described(node)));
        None
    }

    pub(super) fn integer<T: TryFrom<i64>>(
        &mut self,
        entries: &Entries<'_>,
        key: &str,
        range: RangeInclusive<i64>,
    ) -> Option<T> {
        let node = entries.get(key).filter(|node| !node.is_null())?;
        if let Value::Scalar { text, plain: true } = &node.value {
            let number = text.parse::<i64>().ok().filter(|number| range.contains(number));
            if let Some(number) = number.and_then(|number| T::try_from(number).ok()) {
                return Some(number);
            }
        }
        let (low, high) = (range.start(), range.end());
        self.fault(node.line, format!("`{key}` is {}; write a whole number from {low} to {high}", described(node)));
        None
    }
}

/// The value for a fault: its text in quotes, or what it is.
pub(super) fn described(node: &Node) -> String {
    match &node.value {
        Value::Scalar { text, .. } => format!("\"{}\"", shown(text)),
        _ => node.kind().to_owned(),
    }
}

fn empty_or_kind(node: &Node) -> &'static str {
    match &node.value {
        Value::Scalar { .. } => "nothing",
        _ => node.kind(),
    }
}

/// The beginning of a long text.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS).collect()
}
