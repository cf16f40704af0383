//! The table of formats: by what names they are asked for. The capabilities and the refusals of unknown names are made of it.

use qserv_core::{Error, Result};

use super::Format;
use crate::votable::Serialization;

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
    offer(Format::Fits, "application/fits", None, &["fits"]),
    offer(Format::Json, "application/json", None, &["json"]),
    offer(Format::Parquet, "application/vnd.apache.parquet", None, &["parquet"]),
    offer(Format::Arrow, "application/vnd.apache.arrow.stream", None, &["arrow"]),
];

/// Media types that are not offered, but that people ask for: what of the table is meant, and what the answer is called.
const ALSO_KNOWN: &[(&str, Output)] = &[
    ("text/csv", output(Format::Csv, "text/csv;header=present")),
    ("text/tab-separated-values;header=present", output(Format::Tsv, "text/tab-separated-values")),
    ("application/xml", output(Format::Votable(Serialization::Tabledata), "application/xml")),
    ("text/xml;content=x-votable", output(Format::Votable(Serialization::Tabledata), "text/xml")),
    ("image/fits", output(Format::Fits, "application/fits")),
    ("application/parquet", output(Format::Parquet, "application/vnd.apache.parquet")),
    ("application/x-parquet", output(Format::Parquet, "application/vnd.apache.parquet")),
];

const fn output(format: Format, content_type: &'static str) -> Output {
    Output { format, content_type }
}

/// Parameters of media types that choose nothing here: text is UTF-8 in any case, and readers of VOTable take every version.
const IGNORED_PARAMETERS: [&str; 3] = ["charset=", "version=", "q="];

impl Output {
    /// The format of requests that name none.
    pub(crate) const DEFAULT: Self = output(Format::Votable(Serialization::Binary2), "application/x-votable+xml");

    /// The format of this name or media type; letter case, blanks, quotes and the order of parameters do not matter, nor what parameters
    /// say that choose nothing here.
    ///
    /// # Errors
    /// [`Invalid`](qserv_core::ErrorKind::Invalid) that lists what there is.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        let wanted = normalized(name);
        let is_wanted = |offer: &&Offer| {
            normalized(offer.output.content_type) == wanted || offer.aliases.contains(&wanted.as_str())
        };
        let found = OFFERS.iter().find(is_wanted).map(|offer| offer.output);
        let found = found.or_else(|| Some(ALSO_KNOWN.iter().find(|(known, _)| *known == wanted)?.1));
        found.ok_or_else(|| {
            let names: Vec<_> = OFFERS.iter().flat_map(|offer| offer.aliases).copied().collect();
            Error::invalid(format!("no result format \"{name}\"; there are {} and their media types", names.join(", ")))
        })
    }
}

fn normalized(name: &str) -> String {
    let mut parts = name.split(';').map(|part| {
        part.chars()
            .filter(|character| !character.is_whitespace() && *character != '"')
            .collect::<String>()
            .to_ascii_lowercase()
    });
    let mut normalized = parts.next().unwrap_or_default();
    let is_ignored = |part: &String| part.is_empty() || IGNORED_PARAMETERS.iter().any(|name| part.starts_with(name));
    let mut parameters: Vec<_> = parts.filter(|part| !is_ignored(part)).collect();
    parameters.sort_unstable();
    for parameter in parameters {
        normalized.push(';');
        normalized.push_str(&parameter);
    }
    normalized
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
            ("application/x-votable+xml; version=1.3; serialization=BINARY", votable(Serialization::Binary)),
            ("application/x-votable+xml;serialization=binary", votable(Serialization::Binary)),
            ("text/xml", votable(Serialization::Tabledata)),
            ("text/xml;content=x-votable", votable(Serialization::Tabledata)),
            ("application/xml", votable(Serialization::Tabledata)),
            ("csv", Format::Csv),
            ("text/csv", Format::Csv),
            ("text/csv; charset=UTF-8; header=present", Format::Csv),
            ("TSV", Format::Tsv),
            ("text/tab-separated-values", Format::Tsv),
            ("FITS", Format::Fits),
            ("application/fits", Format::Fits),
            ("json", Format::Json),
            ("application/json;charset=utf-8", Format::Json),
            ("parquet", Format::Parquet),
            ("application/vnd.apache.parquet", Format::Parquet),
            ("arrow", Format::Arrow),
            ("application/vnd.apache.arrow.stream", Format::Arrow),
        ] {
            assert_eq!(Output::parse(name).unwrap().format, format, "{name}");
        }
    }

    #[test]
    fn refuses_what_there_is_not_and_says_what_there_is() {
        for name in ["gif", "text/csv;header=absent", "", "application/x-votable+xml;serialization=fits"] {
            let refusal = Output::parse(name).unwrap_err().to_string();
            assert!(refusal.contains("votable/td, csv, tsv, fits, json, parquet, arrow"), "{refusal}");
        }
    }

    #[test]
    fn each_name_means_one_offer_and_the_default_is_the_first() {
        assert_eq!(OFFERS[0].output, Output::DEFAULT);
        for offer in OFFERS {
            for name in offer.aliases.iter().chain([&offer.output.content_type]) {
                assert_eq!(Output::parse(name).unwrap(), offer.output, "{name}");
            }
        }
    }
}
