//! The formats of results: their names, their media types, their writers.

use std::ops::Range;

use qserv_core::{Error, Result};

use crate::columns::{Block, ResultColumn};
use crate::csv::DelimitedWriter;
use crate::votable::{Header, Serialization, VotableWriter};

/// How the stream of a result ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending<'a> {
    /// All rows are there.
    Whole,
    /// MAXREC cut it.
    Overflow,
    /// An error, after some rows.
    Failed(&'a Error),
}

/// Writes one result: once `begin`, then `rows` any number of times, then once `end`. Everything is appended to `out`, which the caller
/// sends and empties between the calls.
pub(crate) trait ResultWriter: Send {
    /// What stands before the rows.
    fn begin(&mut self, out: &mut Vec<u8>);

    /// Some rows of a block.
    ///
    /// # Errors
    /// [`Data`](qserv_core::ErrorKind::Data) if a value has no form in this format. `out` then ends behind the last whole row of
    /// the calls before.
    fn rows(&mut self, block: &Block, rows: Range<usize>, out: &mut Vec<u8>) -> Result<()>;

    /// What stands behind the rows.
    ///
    /// # Errors
    /// If the result failed and the format cannot say so: the caller must break the body off.
    fn end(&mut self, ending: Ending<'_>, out: &mut Vec<u8>) -> Result<()>;
}

/// A format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Votable(Serialization),
    Csv,
    Tsv,
}

/// A format as it was asked for: the media type of the answer is the one that the client named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) format: Format,
    pub(crate) content_type: &'static str,
}

/// One line of the table of formats.
pub(crate) struct Offer {
    pub(crate) output: Output,
    /// The name by which TAPRegExt knows it, if it does.
    pub(crate) ivo_id: Option<&'static str>,
    /// Short names.
    pub(crate) aliases: &'static [&'static str],
}

const fn offer(
    format: Format,
    content_type: &'static str,
    ivo_id: Option<&'static str>,
    aliases: &'static [&'static str],
) -> Offer {
    Offer { output: Output { format, content_type }, ivo_id, aliases }
}

/// All formats, the default first. `votable` and the bare media type are BINARY2: exact, small, and every reader of the last ten years
/// knows it. `text/xml` is for eyes, so it is TABLEDATA.
pub(crate) const OFFERS: &[Offer] = &[
    offer(Format::Votable(Serialization::Binary2), "application/x-votable+xml", None, &["votable"]),
    offer(
        Format::Votable(Serialization::Binary2),
        "application/x-votable+xml;serialization=BINARY2",
        Some("ivo://ivoa.net/std/TAPRegExt#output-votable-binary2"),
        &["votable/b2"],
    ),
    offer(
        Format::Votable(Serialization::Binary),
        "application/x-votable+xml;serialization=BINARY",
        Some("ivo://ivoa.net/std/TAPRegExt#output-votable-binary"),
        &["votable/b"],
    ),
    offer(
        Format::Votable(Serialization::Tabledata),
        "application/x-votable+xml;serialization=TABLEDATA",
        Some("ivo://ivoa.net/std/TAPRegExt#output-votable-td"),
        &["votable/td"],
    ),
    offer(Format::Votable(Serialization::Tabledata), "text/xml", None, &[]),
    offer(Format::Csv, "text/csv;header=present", None, &["csv"]),
    offer(Format::Tsv, "text/tab-separated-values", None, &["tsv"]),
];

impl Output {
    /// The format of requests that name none.
    pub(crate) const DEFAULT: Self =
        Self { format: Format::Votable(Serialization::Binary2), content_type: "application/x-votable+xml" };

    /// The format of this name or media type; letter case, blanks, quotes and a `charset` do not matter.
    ///
    /// # Errors
    /// [`Invalid`](qserv_core::ErrorKind::Invalid) that lists what there is.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        let wanted = normalized(name);
        let found = OFFERS.iter().find(|offer| {
            normalized(offer.output.content_type) == wanted || offer.aliases.iter().any(|alias| *alias == wanted)
        });
        match (found, wanted.as_str()) {
            (Some(offer), _) => Ok(offer.output),
            (None, "text/csv") => Ok(Self { format: Format::Csv, content_type: "text/csv;header=present" }),
            (None, "application/xml") => Ok(Self { content_type: "application/xml", ..Self::parse("text/xml")? }),
            (None, _) => {
                let names: Vec<_> = OFFERS.iter().flat_map(|offer| offer.aliases).copied().collect();
                Err(Error::invalid(format!(
                    "no result format \"{name}\"; there are {} and their media types",
                    names.join(", ")
                )))
            }
        }
    }

    /// A writer of this format.
    pub(crate) fn writer(self, columns: Vec<ResultColumn>, header: Header) -> Box<dyn ResultWriter> {
        match self.format {
            Format::Votable(serialization) => Box::new(VotableWriter::new(serialization, columns, header)),
            Format::Csv => Box::new(DelimitedWriter::csv(columns)),
            Format::Tsv => Box::new(DelimitedWriter::tsv(columns)),
        }
    }
}

fn normalized(name: &str) -> String {
    let parts = name.split(';').map(|part| {
        part.chars()
            .filter(|character| !character.is_whitespace() && *character != '"')
            .collect::<String>()
            .to_ascii_lowercase()
    });
    parts.filter(|part| !part.is_empty() && !part.starts_with("charset=")).collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_names_and_media_types() {
        let votable = Format::Votable;
        for (name, format) in [
            ("votable", votable(Serialization::Binary2)),
            ("VOTable/TD", votable(Serialization::Tabledata)),
            ("application/x-votable+xml", votable(Serialization::Binary2)),
            ("application/x-votable+xml; serialization=\"tabledata\"", votable(Serialization::Tabledata)),
            ("application/x-votable+xml;serialization=binary", votable(Serialization::Binary)),
            ("text/xml", votable(Serialization::Tabledata)),
            ("application/xml", votable(Serialization::Tabledata)),
            ("csv", Format::Csv),
            ("text/csv", Format::Csv),
            ("text/csv; header=present; charset=UTF-8", Format::Csv),
            ("TSV", Format::Tsv),
        ] {
            assert_eq!(Output::parse(name).unwrap().format, format, "{name}");
        }
        let refusal = Output::parse("fits").unwrap_err().to_string();
        assert!(refusal.contains("votable/td") && refusal.contains("fits"), "{refusal}");
    }

    #[test]
    fn the_default_is_offered_first() {
        assert_eq!(OFFERS[0].output, Output::DEFAULT);
    }
}
