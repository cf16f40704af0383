//! What one TAP request asks: its parameters, read.

use qserv_core::query::{Language, QueryRequest};
use qserv_core::upload::Upload;
use qserv_core::{Error, Result};

use crate::formats::Output;
use crate::parameters::Parameters;
use crate::settings::TapSettings;

/// The languages of a query, by the names that LANG may give. All are read by one parser: ADQL 2.0 is part of 2.1 but for words that
/// became reserved.
const LANGUAGES: [&str; 3] = ["ADQL", "ADQL-2.0", "ADQL-2.1"];

/// One query, the form of its answer and the bound on its rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question {
    pub(crate) text: String,
    pub(crate) output: Output,
    /// `Some(0)` asks for metadata only.
    pub(crate) max_rows: Option<u64>,
    /// Asks for the plan instead of rows: our parameter EXPLAIN.
    pub(crate) explain: bool,
    /// When it was asked, and how to cite the answer: what documents tell of their origin.
    pub(crate) asked_unix_ms: i64,
    pub(crate) citation: Option<String>,
}

impl Question {
    /// Reads LANG, QUERY, RESPONSEFORMAT (or FORMAT), MAXREC and EXPLAIN; parameters that TAP does not know are ignored.
    ///
    /// # Errors
    /// [`Invalid`](qserv_core::ErrorKind::Invalid) if one is missing or makes no sense.
    pub(crate) fn read(parameters: &Parameters, settings: &TapSettings, asked_unix_ms: i64) -> Result<Self> {
        if let Some(request) = parameters.one("REQUEST")?
            && !request.eq_ignore_ascii_case("doQuery")
        {
            return Err(Error::invalid(format!("no REQUEST \"{request}\"; it can be doQuery or getCapabilities")));
        }
        if let Some(language) = parameters.one("LANG")?
            && !LANGUAGES.iter().any(|known| known.eq_ignore_ascii_case(language))
        {
            return Err(Error::invalid(format!("no language \"{language}\"; LANG can be {}", LANGUAGES.join(", "))));
        }
        if parameters.all("QUERY").nth(1).is_some() {
            return Err(Error::invalid("the parameter QUERY is given twice"));
        }
        let text = parameters.one("QUERY")?.ok_or_else(|| Error::invalid("the parameter QUERY is missing"))?;
        Ok(Self {
            text: text.to_owned(),
            output: parameters.format().map_or(Ok(Output::DEFAULT), Output::parse)?,
            max_rows: max_rows(parameters.one("MAXREC")?, settings)?,
            explain: matches!(parameters.one("EXPLAIN")?, Some("1" | "true" | "TRUE")),
            asked_unix_ms,
            citation: settings.citation.clone(),
        })
    }

    /// The request for the query service, with the tables that it brings along.
    pub(crate) fn request(&self, uploads: Vec<Upload>) -> QueryRequest {
        QueryRequest {
            text: self.text.clone(),
            language: Language::Adql,
            max_rows: self.max_rows,
            explain: self.explain,
            uploads,
            ..QueryRequest::default()
        }
    }
}

fn max_rows(text: Option<&str>, settings: &TapSettings) -> Result<Option<u64>> {
    let asked = match text {
        None => settings.default_max_rows,
        Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            // A number too large for the type is no bound at all.
            Some(text.parse().unwrap_or(u64::MAX))
        }
        Some(text) => return Err(Error::invalid(format!("MAXREC must be a number of rows, not \"{text}\""))),
    };
    Ok(match (asked, settings.hard_max_rows) {
        (Some(asked), Some(hard)) => Some(asked.min(hard)),
        (asked, hard) => asked.or(hard),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Question> {
        read_with(pairs, &TapSettings::default())
    }

    fn read_with(pairs: &[(&str, &str)], settings: &TapSettings) -> Result<Question> {
        Question::read(&Parameters::from_pairs(pairs), settings, 0)
    }

    #[test]
    fn reads_any_letter_case_and_ignores_what_it_does_not_know() {
        let question =
            read(&[("query", "SELECT 1"), ("Lang", "adql-2.1"), ("FORMAT", "csv"), ("maxrec", "5"), ("DUMMY", "x")])
                .unwrap();
        assert_eq!(question.text, "SELECT 1");
        assert_eq!(question.output, Output::parse("csv").unwrap());
        assert_eq!(question.max_rows, Some(5));
        assert!(!question.explain);
        for (pairs, format) in [
            ([("FORMAT", "csv"), ("format", "votable")], "csv"),
            ([("FORMAT", "csv"), ("RESPONSEFORMAT", "tsv")], "tsv"),
        ] {
            let mut all = vec![("QUERY", "q")];
            all.extend(pairs);
            assert_eq!(read(&all).unwrap().output, Output::parse(format).unwrap());
        }
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        for (pairs, word) in [
            (vec![], "QUERY"),
            (vec![("QUERY", "  ")], "QUERY"),
            (vec![("QUERY", "q"), ("LANG", "PQL")], "PQL"),
            (vec![("QUERY", "q"), ("MAXREC", "-1")], "MAXREC"),
            (vec![("QUERY", "q"), ("MAXREC", "many")], "MAXREC"),
            (vec![("QUERY", "q"), ("REQUEST", "getFish")], "getFish"),
            (vec![("QUERY", "q"), ("QUERY", "r")], "QUERY"),
            (vec![("QUERY", "q"), ("QUERY", "q")], "QUERY"),
            (vec![("QUERY", "q"), ("RESPONSEFORMAT", "gif")], "gif"),
        ] {
            let error = read(&pairs).unwrap_err();
            assert_eq!(error.kind(), qserv_core::ErrorKind::Invalid);
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn bounds_rows() {
        let settings = TapSettings { default_max_rows: Some(10), hard_max_rows: Some(100), ..TapSettings::default() };
        let rows = |pairs: &[(&str, &str)], settings: &TapSettings| {
            let mut pairs = pairs.to_vec();
            pairs.push(("QUERY", "q"));
            read_with(&pairs, settings).unwrap().max_rows
        };
        assert_eq!(rows(&[], &settings), Some(10));
        assert_eq!(rows(&[("MAXREC", "0")], &settings), Some(0));
        assert_eq!(rows(&[("MAXREC", "99999999999999999999999")], &settings), Some(100));
        assert_eq!(rows(&[], &TapSettings::default()), None);
        assert_eq!(rows(&[], &TapSettings { hard_max_rows: Some(7), ..TapSettings::default() }), Some(7));
    }
}
