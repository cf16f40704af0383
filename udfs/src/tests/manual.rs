//! The page of the manual is what the definitions say.

use crate::{aggregates, all, manual};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/functions.md");

#[test]
fn the_page_of_the_manual_is_as_written() {
    let manual = manual();
    if std::env::var_os("QSERV_WRITE_MANUAL").is_some() {
        std::fs::write(PAGE, &manual).unwrap();
    }
    let page = std::fs::read_to_string(PAGE).unwrap();
    assert!(
        page == manual,
        "docs/src/functions.md is not what the definitions say: run QSERV_WRITE_MANUAL=1 cargo test -p qserv-udfs manual"
    );
}

#[test]
fn the_manual_documents_every_function() {
    let manual = manual();
    let lower = manual.to_ascii_lowercase();
    for function in all() {
        let documentation = function.documentation().unwrap();
        assert!(!documentation.description.is_empty() && documentation.sql_example.is_some());
        assert!(lower.contains(&format!("### `{}`", function.name())));
    }
    for function in aggregates() {
        assert_eq!(function.documentation().unwrap().doc_section.label, "Aggregates");
        assert!(lower.contains(&format!("### `{}`", function.name())));
    }
    assert!(manual.contains("scisql_s2PtInCPoly(lon, lat, v1_lon, v1_lat, v2_lon, v2_lat, v3_lon, v3_lat, ...)"));
    assert!(manual.ends_with('\n') && !manual.contains("\n\n\n"));
}
