//! The parameter UPLOAD: `name,param:part`, `name,http://...`; several behind one another with `;`, or in several UPLOADs.

use qserv_core::{Error, Result};
use url::Url;

/// Where an uploaded table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A part of the request.
    Part(String),
    /// Elsewhere.
    Address(Url),
}

/// One table of an UPLOAD: its name and where it is.
pub(super) type Named = (String, Source);

/// Reads the values of all UPLOADs.
///
/// # Errors
/// `Invalid` for one that is none.
pub(super) fn read<'a>(values: impl Iterator<Item = &'a str>) -> Result<Vec<Named>> {
    let mut tables = Vec::new();
    for value in values {
        let mut rest = value;
        while !rest.trim().is_empty() {
            let (name, behind) = rest.split_once(',').ok_or_else(|| no_upload(rest))?;
            // A `;` may be part of an address: what follows one is a table of its own if it begins as one.
            let end = behind.match_indices(';').map(|(at, _)| at).find(|&at| begins_table(&behind[at + 1..]));
            let (source, next) = match end {
                Some(at) => (&behind[..at], &behind[at + 1..]),
                None => (behind.trim_end_matches(';'), ""),
            };
            tables.push((name.trim().to_owned(), read_source(source.trim())?));
            rest = next;
        }
    }
    Ok(tables)
}

fn begins_table(text: &str) -> bool {
    let Some((name, source)) = text.split_once(',') else { return text.trim().is_empty() };
    let is_name = name.trim().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let source = source.trim_start();
    is_name && (source.starts_with("param:") || source.contains("://"))
}

fn read_source(source: &str) -> Result<Source> {
    if let Some(part) = source.strip_prefix("param:") {
        return Ok(Source::Part(part.trim().to_owned()));
    }
    let address = Url::parse(source).map_err(|error| no_upload(source).caused_by(error))?;
    match address.scheme() {
        "http" | "https" => Ok(Source::Address(address)),
        scheme => Err(Error::invalid(format!(
            "UPLOAD cannot be fetched by {scheme}; send the table along (name,param:part), or name an http address"
        ))),
    }
}

fn no_upload(text: &str) -> Error {
    let shown: String = text.chars().take(80).flat_map(char::escape_default).collect();
    Error::invalid(format!(
        "UPLOAD is written name,param:part or name,address, several separated by ;, not \"{shown}\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(values: &[&str]) -> Vec<(String, String)> {
        let tables = read(values.iter().copied()).unwrap();
        let shown = tables.into_iter().map(|(name, source)| match source {
            Source::Part(part) => (name, part),
            Source::Address(address) => (name, address.to_string()),
        });
        shown.collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())).collect()
    }

    #[test]
    fn reads_one_and_several() {
        assert_eq!(parts(&["t1,param:file.1"]), pairs(&[("t1", "file.1")]));
        assert_eq!(
            parts(&[" a , param:x ;b,param:y;", "c,http://h/t.xml?a=1;b=2,3"]),
            pairs(&[("a", "x"), ("b", "y"), ("c", "http://h/t.xml?a=1;b=2,3")])
        );
        assert_eq!(parts(&["a,http://h/x;b,https://h/y"]), pairs(&[("a", "http://h/x"), ("b", "https://h/y")]));
        assert!(parts(&[]).is_empty());
    }

    #[test]
    fn refuses_what_is_none() {
        for wrong in ["t1", "t1,file", "t1,ftp://h/x", "t1,file:///etc/passwd", ","] {
            assert!(read([wrong].into_iter()).is_err(), "{wrong}");
        }
    }
}
