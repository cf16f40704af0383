//! Layout TOML: which tables are directors, children and matches, and how the sky is cut.
//!
//! ```toml
//! [database]
//! name = "pt11"
//! pixelization = "healpix"        # or "h3"
//! chunk_order = 6                 # left out: chosen from the first load's row counts
//! overlap_arcsec = 60.0
//! [tables.Object]
//! kind = "director"
//! key = "objectId"
//! position = ["ra_PS", "decl_PS"]
//! [tables.Source]
//! kind = "child"
//! director = "Object"
//! director_key = "objectId"
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::faults::{Faults, Place, write_instead};
use super::{DEFAULT_OVERLAP_ARCSEC, MAX_OVERLAP_ARCSEC, MAX_TEXT_BYTES};
use crate::catalog::{MatchSide, TableKind};
use crate::error::{Error, Result};
use crate::partition::PixelizationKind;

const LAYOUT_KEYS: &[&str] = &["database", "tables"];
const DATABASE_KEYS: &[&str] = &["name", "description", "pixelization", "chunk_order", "overlap_arcsec"];
const KINDS: &[&str] = &["director", "child", "match", "replicated"];
const DIRECTOR_KEYS: &[&str] = &["kind", "key", "position"];
const CHILD_KEYS: &[&str] = &["kind", "director", "director_key", "position", "director_position"];
const MATCH_KEYS: &[&str] = &["kind", "left", "right"];
const REPLICATED_KEYS: &[&str] = &["kind"];

/// How a database is spread over the sky.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The database's name, if the layout gives one. A caller who has a name sets it here.
    pub name: Option<String>,
    /// Human text, in place of the schema's.
    pub description: Option<String>,
    /// The pixelization.
    pub pixelization: PixelizationKind,
    /// The order of chunks; `None` lets the first load choose.
    pub chunk_order: Option<u8>,
    /// The overlap radius in arc seconds.
    pub overlap_arcsec: f64,
    /// The tables that are not, or not only by default, replicated; in file order.
    pub tables: Vec<LayoutTable>,
    pub(super) file: Arc<str>,
    /// The line of `[database]` and of each key in it.
    pub(super) lines: BTreeMap<&'static str, usize>,
}

/// How one table is spread.
#[derive(Debug, Clone)]
pub struct LayoutTable {
    /// The table, as the layout spells it.
    pub name: String,
    /// The kind; its table and column names as the layout spells them.
    pub kind: TableKind,
    pub(super) line: usize,
    /// The line of each key.
    pub(super) lines: BTreeMap<String, usize>,
}

impl Layout {
    /// The layout that names no table: all are replicated, HEALPix, default overlap.
    #[must_use]
    pub fn replicated() -> Self {
        Self {
            name: None,
            description: None,
            pixelization: PixelizationKind::Healpix,
            chunk_order: None,
            overlap_arcsec: DEFAULT_OVERLAP_ARCSEC,
            tables: Vec::new(),
            file: "layout".into(),
            lines: BTreeMap::new(),
        }
    }

    pub(super) fn place(&self, line: usize) -> Place {
        Place { file: self.file.clone(), line }
    }
}

/// Reads a layout. `file_name` is what faults call the file.
///
/// # Errors
/// `Invalid` with a line `file:line: what is wrong; what to write` for each fault; `Limit` beyond
/// [`MAX_TEXT_BYTES`](super::MAX_TEXT_BYTES).
pub fn read_layout(text: &str, file_name: &str) -> Result<Layout> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Error::limit(format!("{file_name} is larger than {MAX_TEXT_BYTES} bytes")));
    }
    let mut reader = Reader::new(text, file_name);
    let document = match DeTable::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let line = reader.line(error.span().map_or(0, |span| span.start));
            let shown: String = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().chars().take(60).collect();
            let message = format!("this is not TOML: look at brackets, quotes and repeated keys in `{}`", shown.trim());
            reader.fault(line, message);
            let refusal = reader.faults.into_result().err();
            return Err(refusal.unwrap_or_else(|| Error::internal("a fault was lost")).caused_by(error));
        }
    };
    let mut layout = Layout { file: reader.file.clone(), ..Layout::replicated() };
    let document = document.get_ref();
    reader.refuse_unknown(document, "the layout", LAYOUT_KEYS);
    if let Some(database) = reader.table(document, "database") {
        read_database(&mut reader, database, &mut layout);
    }
    if let Some(tables) = reader.table(document, "tables") {
        for (name, value) in tables {
            let line = reader.line(name.span().start);
            let Some(keys) = value.get_ref().as_table() else {
                let message = format!("`{}` is no table; write `[tables.{0}]` and its keys below", name.get_ref());
                reader.fault(line, message);
                continue;
            };
            layout.tables.extend(read_table(&mut reader, name.get_ref(), line, keys));
        }
        layout.tables.sort_by_key(|table| table.line);
    }
    reader.faults.into_result()?;
    Ok(layout)
}

fn read_database(reader: &mut Reader, database: &DeTable<'_>, layout: &mut Layout) {
    reader.refuse_unknown(database, "[database]", DATABASE_KEYS);
    for key in DATABASE_KEYS.iter().copied() {
        if let Some((_, value)) = entry(database, key) {
            layout.lines.insert(key, reader.line(value.span().start));
        }
    }
    layout.name = reader.text(database, "name");
    layout.description = reader.text(database, "description");
    if let Some(word) = reader.text(database, "pixelization") {
        match [PixelizationKind::Healpix, PixelizationKind::H3].into_iter().find(|kind| kind.to_string() == word) {
            Some(kind) => layout.pixelization = kind,
            None => {
                let remedy = write_instead(&word, &["healpix", "h3"]);
                reader.fault_at(database, "pixelization", format!("unknown pixelization \"{word}\"; {remedy}"));
            }
        }
    }
    if let Some((_, value)) = entry(database, "chunk_order") {
        let order = value.get_ref().as_integer();
        let order = order.and_then(|order| u8::from_str_radix(order.as_str(), order.radix()).ok());
        match order.filter(|order| *order <= 29) {
            Some(order) => layout.chunk_order = Some(order),
            None => {
                let message = "`chunk_order` must be a whole number; write one from 0 to 29, or leave it out";
                reader.fault_at(database, "chunk_order", message);
            }
        }
    }
    if let Some((_, value)) = entry(database, "overlap_arcsec") {
        let number = match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Integer(number) => number.as_str().parse::<f64>().ok().filter(|_| number.radix() == 10),
            _ => None,
        };
        match number.filter(|number| (0.0..=MAX_OVERLAP_ARCSEC).contains(number)) {
            Some(number) => layout.overlap_arcsec = number,
            None => {
                let message = format!(
                    "`overlap_arcsec` must be a number of arc seconds; write one from 0 to {MAX_OVERLAP_ARCSEC}"
                );
                reader.fault_at(database, "overlap_arcsec", message);
            }
        }
    }
}

fn read_table(reader: &mut Reader, name: &str, line: usize, keys: &DeTable<'_>) -> Option<LayoutTable> {
    let what = format!("[tables.{name}]");
    if entry(keys, "kind").is_none() {
        reader.fault(line, format!("{what} has no kind; write `kind = ` and one of {}", KINDS.join(", ")));
        return None;
    }
    let kind_name = reader.text(keys, "kind")?;
    let known = match kind_name.as_str() {
        "director" => DIRECTOR_KEYS,
        "child" => CHILD_KEYS,
        "match" => MATCH_KEYS,
        "replicated" => REPLICATED_KEYS,
        other => {
            let message = format!("{what} has the unknown kind \"{other}\"; {}", write_instead(other, KINDS));
            reader.fault_at(keys, "kind", message);
            return None;
        }
    };
    reader.refuse_unknown(keys, &format!("{what}, a {kind_name} table"), known);
    let kind = match kind_name.as_str() {
        "director" => {
            let key = reader.required(keys, "key", line, &what, "= \"<key column>\"");
            let position = reader.pair(keys, "position");
            if position.is_none() && entry(keys, "position").is_none() {
                let message =
                    format!("{what}, a director, has no position; write position = [\"<longitude>\", \"<latitude>\"]");
                reader.fault(line, message);
            }
            TableKind::Director { key: key?, position: position? }
        }
        "child" => {
            let director = reader.required(keys, "director", line, &what, "= \"<director table>\"");
            let director_key =
                reader.required(keys, "director_key", line, &what, "= \"<column with the director's key>\"");
            let position = reader.pair(keys, "position");
            let director_position = reader.pair(keys, "director_position");
            TableKind::Child { director: director?, director_key: director_key?, position, director_position }
        }
        "match" => {
            let left = reader.side(keys, "left", line, &what);
            let right = reader.side(keys, "right", line, &what);
            TableKind::Match { left: left?, right: right? }
        }
        _ => TableKind::Replicated,
    };
    let lines = keys.iter().map(|(key, value)| (key.get_ref().to_string(), reader.line(value.span().start))).collect();
    Some(LayoutTable { name: name.to_owned(), kind, line, lines })
}

type Entry<'t, 'i> = (&'t Spanned<toml::de::DeString<'i>>, &'t Spanned<DeValue<'i>>);

fn entry<'t, 'i>(table: &'t DeTable<'i>, key: &str) -> Option<Entry<'t, 'i>> {
    table.iter().find(|(name, _)| name.get_ref() == key)
}

/// Typed reading of a TOML table; wrong types and unknown keys become faults.
struct Reader {
    file: Arc<str>,
    /// Where each line begins.
    line_starts: Vec<usize>,
    faults: Faults,
}

impl Reader {
    fn new(text: &str, file_name: &str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self {
            file: file_name.into(),
            line_starts: std::iter::once(0).chain(newlines).collect(),
            faults: Faults::default(),
        }
    }

    /// The line of a byte offset, from 1.
    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    fn fault(&mut self, line: usize, message: impl Into<String>) {
        let place = Place { file: self.file.clone(), line };
        self.faults.add(&place, message);
    }

    fn fault_at(&mut self, table: &DeTable<'_>, key: &str, message: impl Into<String>) {
        let line = entry(table, key).map_or(1, |(name, _)| self.line(name.span().start));
        self.fault(line, message);
    }

    fn refuse_unknown(&mut self, table: &DeTable<'_>, what: &str, known: &[&str]) {
        for name in table.keys() {
            if !known.contains(&name.get_ref().as_ref()) {
                let shown: String = name.get_ref().chars().take(60).collect();
                let remedy = write_instead(name.get_ref(), known);
                self.fault(self.line(name.span().start), format!("unknown key \"{shown}\" in {what}; {remedy}"));
            }
        }
    }

    fn table<'t, 'i>(&mut self, table: &'t DeTable<'i>, key: &str) -> Option<&'t DeTable<'i>> {
        let (_, value) = entry(table, key)?;
        let found = value.get_ref().as_table();
        if found.is_none() {
            self.fault_at(table, key, format!("`{key}` is no table; write `[{key}]` and its keys below"));
        }
        found
    }

    fn text(&mut self, table: &DeTable<'_>, key: &str) -> Option<String> {
        let (_, value) = entry(table, key)?;
        match value.get_ref().as_str().map(str::trim).filter(|text| !text.is_empty()) {
            Some(text) => Some(text.to_owned()),
            None => {
                self.fault_at(table, key, format!("`{key}` must be a text; write {key} = \"...\""));
                None
            }
        }
    }

    fn required(&mut self, table: &DeTable<'_>, key: &str, line: usize, what: &str, example: &str) -> Option<String> {
        if entry(table, key).is_none() {
            self.fault(line, format!("{what} has no {key}; write {key} {example}"));
            return None;
        }
        self.text(table, key)
    }

    /// Two texts.
    fn pair(&mut self, table: &DeTable<'_>, key: &str) -> Option<[String; 2]> {
        let (_, value) = entry(table, key)?;
        let texts: Option<Vec<String>> = value.get_ref().as_array().and_then(|list| {
            list.iter().map(|value| value.get_ref().as_str().map(|text| text.trim().to_owned())).collect()
        });
        let pair = texts.and_then(|texts| <[String; 2]>::try_from(texts).ok());
        if pair.is_none() {
            self.fault_at(table, key, format!("`{key}` must be two names; write {key} = [\"...\", \"...\"]"));
        }
        pair
    }

    fn side(&mut self, table: &DeTable<'_>, key: &str, line: usize, what: &str) -> Option<MatchSide> {
        if entry(table, key).is_none() {
            let message =
                format!("{what} has no {key}; write {key} = [\"<director table>\", \"<column with its key>\"]");
            self.fault(line, message);
            return None;
        }
        let [director, column] = self.pair(table, key)?;
        Some(MatchSide { director, column })
    }
}
