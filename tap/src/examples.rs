//! `/tap/examples`: queries to start from (DALI 1.1, section 2.3), as a page that programs read too.
//!
//! Each database brings its own ([`Database::examples`](qserv_core::catalog::Database)); behind them stand those of the settings. The
//! page is XHTML with RDFa: an element of type `example` has the properties `name`, `query`, `capability`, and `table` for each table of
//! the database that the query names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use qserv_core::catalog::tap_schema::query_table_name;
use qserv_core::catalog::{Example, Snapshot};

use crate::Tap;
use crate::error::Failure;
use crate::landing::{STYLE, ask_link};
use crate::settings::TapSettings;
use crate::xml::{Place, escaped};

/// The vocabulary of the properties.
const VOCABULARY: &str = "http://www.ivoa.net/rdf/examples#";

/// The page.
pub(crate) async fn page(State(tap): State<Arc<Tap>>, request: Request) -> Result<Response, Failure> {
    let base_url = tap.base_url(&request);
    let snapshot = tap.service.snapshot().await?;
    let page = document(&snapshot, &tap.settings, &base_url);
    Ok(([(header::CONTENT_TYPE, "application/xhtml+xml")], page).into_response())
}

/// All examples: those of the databases, and behind them those of the settings.
pub(crate) fn all<'a>(snapshot: Option<&'a Snapshot>, settings: &'a TapSettings) -> impl Iterator<Item = &'a Example> {
    let databases = snapshot.into_iter().flat_map(|snapshot| snapshot.databases.values());
    databases.flat_map(|database| &database.database.examples).chain(&settings.examples)
}

fn document(snapshot: &Snapshot, settings: &TapSettings, base_url: &str) -> String {
    let content = |text: &str| escaped(text, Place::Content);
    let tables = Tables::of(snapshot);
    let title = content(&settings.title);
    let mut page = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n\
         <head><title>Examples: {title}</title><style>{STYLE}</style></head>\n\
         <body vocab=\"{VOCABULARY}\">\n<h1>Examples: {title}</h1>\n"
    );
    let mut names = Names::default();
    for example in all(Some(snapshot), settings) {
        let id = names.of(&example.title);
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "<div typeof=\"example\" id=\"{id}\" resource=\"#{id}\">\n<h2 property=\"name\">{}</h2>\n",
            content(&example.title)
        );
        if let Some(description) = &example.description {
            let _ = writeln!(page, "<p>{}</p>", content(description));
        }
        let _ = write!(
            page,
            "<pre property=\"query\">{}</pre>\n<p><a href=\"{}\">ask it</a>",
            content(&example.query),
            escaped(&ask_link(base_url, &example.query), Place::Attribute)
        );
        for table in tables.named_in(&example.query) {
            let _ = write!(page, " · <code property=\"table\">{}</code>", content(table));
        }
        page.push_str(" · <code property=\"capability\">ivo://ivoa.net/std/TAP</code></p>\n</div>\n");
    }
    page.push_str("</body>\n</html>\n");
    page
}

/// The tables that queries can name, by their names in lower case.
struct Tables(BTreeMap<String, String>);

impl Tables {
    fn of(snapshot: &Snapshot) -> Self {
        let databases = snapshot.databases.values().map(|database| &database.database);
        let names = databases.flat_map(|database| {
            database.tables.iter().map(move |table| query_table_name(&database.name, &table.name))
        });
        Self(names.map(|name| (name.to_lowercase(), name)).collect())
    }

    /// The tables whose names stand in a query as one word, as they usually do.
    fn named_in(&self, query: &str) -> BTreeSet<&str> {
        let is_word = |character: char| character.is_alphanumeric() || "_.\"".contains(character);
        let words = query.split(|character: char| !is_word(character)).filter(|word| word.contains('.'));
        words.filter_map(|word| self.0.get(&word.to_lowercase()).map(String::as_str)).collect()
    }
}

/// Names of elements: the titles in letters that addresses can hold.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    /// A name that no element had before.
    fn of(&mut self, title: &str) -> String {
        let words = title.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let plain = format!("example-{}", words.collect::<Vec<_>>().join("-").to_ascii_lowercase());
        let plain = plain.trim_end_matches('-').to_owned();
        let mut name = plain.clone();
        let mut number = 1;
        while !self.0.insert(name.clone()) {
            number += 1;
            name = format!("{plain}-{number}");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_have_names_of_their_own() {
        let mut names = Names::default();
        assert_eq!(names.of("The r < 20 stars!"), "example-the-r-20-stars");
        assert_eq!(names.of("the R 20 stars"), "example-the-r-20-stars-2");
        assert_eq!(names.of("☉"), "example");
        assert_eq!(names.of("♀"), "example-2");
    }

    #[test]
    fn tables_are_found_in_queries() {
        let names = ["demo.Object", "demo.Source", "demo.\"2MASS\""];
        let tables = Tables(names.iter().map(|name| (name.to_lowercase(), (*name).to_owned())).collect());
        let found = tables.named_in("SELECT o.ra FROM DEMO.object AS o, demo.\"2MASS\"(x) WHERE demo.Sources.y = 1.5");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["demo.\"2MASS\"", "demo.Object"]);
    }
}
