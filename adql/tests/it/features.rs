//! The page of all features (`docs/src/adql.md`) is what the tables say, and what the tables say is so.

use std::fmt::Write as _;
use std::path::Path;

use qserv_adql::{
    Feature, FeatureGroup, FunctionSignature, NameList, Options, check, features, standard_functions, translate,
};

use crate::world::world;

#[test]
fn every_example_is_what_its_group_says() {
    let names = world();
    for feature in features() {
        let example = feature.example;
        let strict = translate(example, &names, &Options::strict());
        let service = translate(example, &names, &Options::default());
        match feature.group {
            FeatureGroup::Liberty => {
                assert!(strict.is_err(), "no liberty, the strict check takes it too: {example}");
                let service = service.unwrap_or_else(|faults| panic!("{example}\n{}", faults[0]));
                assert!(!service.warnings.is_empty(), "no warning: {example}");
            }
            FeatureGroup::Refused => {
                let faults = service.expect_err("a query that is refused, else it is an extension");
                assert!(faults.iter().all(|fault| !fault.message.is_empty()), "{example}");
            }
            _ => {
                check(example, &Options::strict()).unwrap_or_else(|faults| panic!("{example}\n{}", faults[0]));
                strict.unwrap_or_else(|faults| panic!("{example}\n{}", faults[0]));
            }
        }
    }
}

/// If a form is no expression, `EXAMPLES` in `src/features/functions.rs` needs a call of the function.
#[test]
fn every_function_can_be_called_as_its_example() {
    let mut wrong = String::new();
    for function in standard_functions() {
        let query = match function.kind {
            "restrictor" => format!("SELECT a FROM t WHERE {} = 1", function.example),
            _ => format!("SELECT {} FROM t", function.example),
        };
        let liberty = function.group == FeatureGroup::Liberty;
        let options = if liberty { Options::default() } else { Options::strict() };
        assert!(!liberty || check(&query, &Options::strict()).is_err(), "no liberty: {query}");
        if let Err(faults) = check(&query, &options) {
            writeln!(wrong, "{}", faults[0]).expect("text");
        }
        let starts = function.example.get(..function.name.len());
        assert!(starts.is_some_and(|start| start.eq_ignore_ascii_case(function.name)), "{query}");
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn features_are_in_the_order_of_the_groups_and_called_differently() {
    let order: Vec<FeatureGroup> = features().iter().map(|feature| feature.group).collect();
    assert!(order.is_sorted());
    assert_eq!(FeatureGroup::ALL.iter().filter(|group| !order.contains(group)).count(), 0);
    let mut names: Vec<(FeatureGroup, &str)> = features().iter().map(|feature| (feature.group, feature.name)).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), features().len());
}

/// What the standard lists as optional features, each under its identifier (section 4).
#[test]
fn every_optional_feature_of_the_standard_is_declared() {
    #[rustfmt::skip]
    let optional = [
        ("adqlgeo", vec!["AREA", "BOX", "CENTROID", "CIRCLE", "CONTAINS", "COORD1", "COORD2", "COORDSYS", "DISTANCE", "INTERSECTS", "POINT", "POLYGON", "REGION"]),
        ("adql-string", vec!["LOWER", "UPPER", "ILIKE"]),
        ("adql-common-table", vec!["WITH"]),
        ("adql-sets", vec!["UNION", "EXCEPT", "INTERSECT"]),
        ("adql-type", vec!["CAST"]),
        ("adql-conditional", vec!["COALESCE"]),
        ("adql-unit", vec!["IN_UNIT"]),
        ("adql-offset", vec!["OFFSET"]),
    ];
    for (kind, forms) in optional {
        let ivoid = format!("ivo://ivoa.net/std/tapregext#features-{kind}");
        let declared: Vec<&str> = features()
            .iter()
            .filter(|feature| feature.group.ivoid() == Some(&ivoid))
            .map(|feature| feature.name)
            .collect();
        assert_eq!(declared, forms, "{kind}");
    }
}

#[test]
fn the_page_is_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/adql.md");
    let page = page(&world());
    if std::env::var_os("QSERV_WRITE_PAGES").is_some() {
        std::fs::write(&path, page).expect("the page");
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/src/adql.md is not what the tables say; write it anew with \
         `QSERV_WRITE_PAGES=1 cargo test -p qserv-adql features` and read the difference"
    );
}

fn page(names: &NameList) -> String {
    let mut page = String::from(
        "# ADQL\n\n\
         <!-- Written by `QSERV_WRITE_PAGES=1 cargo test -p qserv-adql features`; edit `adql/src/features` instead. -->\n\n\
         Queries are ADQL 2.1 (IVOA Recommendation of 2023-12-15) with every optional feature, and more. Each example on this page \
         is checked whenever the tests run. `qserv adql check` judges queries strictly; the service also takes the liberties below, \
         each with a warning in the result.\n",
    );
    for group in FeatureGroup::ALL {
        write!(page, "\n## {}\n\nStatus: {}.", group.title(), group.status()).expect("text");
        if let Some(ivoid) = group.ivoid() {
            write!(page, " Declared as `{ivoid}`.").expect("text");
        }
        page.push_str("\n\n");
        let answer =
            if matches!(group, FeatureGroup::Liberty | FeatureGroup::Refused) { " what is said |" } else { "" };
        page.push_str(&format!("| feature | what | example |{answer}\n|---|---|---|"));
        page.push_str(if answer.is_empty() { "\n" } else { "---|\n" });
        for feature in features().iter().filter(|feature| feature.group == group) {
            let Feature { name, description, example, .. } = feature;
            write!(page, "| {} | {} | {} |", code(name), cell(description), code(example)).expect("text");
            if !answer.is_empty() {
                write!(page, " {} |", cell(&said(example, names))).expect("text");
            }
            page.push('\n');
        }
        if group == FeatureGroup::UserFunctions {
            page.push_str("\nFunctions that a service has by default:\n\n");
            for signature in Options::default().functions.iter().map(FunctionSignature::to_string) {
                writeln!(page, "- `{signature}`").expect("text");
            }
        }
    }
    page.push_str(
        "\n## Functions of the language\n\n| form | kind | result | status | example |\n|---|---|---|---|---|\n",
    );
    for function in standard_functions() {
        let alternatives: Vec<String> = function.form.split(" or ").map(code).collect();
        writeln!(
            page,
            "| {} | {} | {} | {} | {} |",
            alternatives.join(" or "),
            function.kind,
            function.result,
            function.group.status(),
            code(&function.example)
        )
        .expect("text");
    }
    page
}

/// The warning or the fault that a query gets, without its place.
fn said(example: &str, names: &NameList) -> String {
    match translate(example, names, &Options::default()) {
        Ok(translated) => {
            let warning = translated.warnings.first().cloned().unwrap_or_default();
            warning.split_once(": ").map_or(warning.clone(), |(_, said)| said.to_owned())
        }
        Err(faults) => faults[0].summary(),
    }
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn code(text: &str) -> String {
    let text = cell(&text.replace('\n', " ⏎ "));
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}
