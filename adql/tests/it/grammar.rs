//! Every production of ADQL 2.1's grammar (REC-ADQL-2.1, appendix A), as data in `tests/data/grammar`: a line with its name,
//! then queries that hold it (`+`) and queries that break it (`-`), all under the strict check. A line that begins with
//! two blanks continues the query above it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use qserv_adql::{Options, check};

/// The productions that the appendix names.
#[rustfmt::skip]
const PRODUCTIONS: &[&str] = &[
    "ADQL_language_character", "ADQL_reserved_word", "SQL_embedded_language_character", "SQL_reserved_word",
    "SQL_special_character", "ampersand", "approximate numeric type", "approximate_numeric_literal", "area",
    "as_clause", "asterisk", "between_predicate", "boolean_factor", "boolean_primary", "boolean_term", "box",
    "box_center", "case_folding_function", "cast_specification", "cast_target", "catalog_name", "centroid",
    "character_factor", "character_primary", "character_representation", "character_string_literal",
    "character_string_type", "character_value_expression", "circle", "circle_center", "circumflex",
    "coalesce_expression", "colon", "column_name", "column_name_list", "column_reference", "comma", "comment",
    "comment_character", "comment_introducer", "comp_op", "comparison_predicate", "concatenation",
    "concatenation_operator", "contains", "coord1", "coord2", "coord_sys", "coord_value", "coordinate1",
    "coordinate2", "coordinates", "correlation_name", "correlation_specification", "datetime_type",
    "default_function_prefix", "delimited_identifier", "delimited_identifier_body", "delimited_identifier_part",
    "delimiter_token", "derived_column", "derived_table", "digit", "distance_function", "double_period",
    "double_quote", "double_quote_symbol", "equals_operator", "exact_numeric_literal", "exact_numeric_type",
    "exists_predicate", "exponent", "extract_coordsys", "factor", "from_clause", "general_literal",
    "general_set_function", "geometry_type", "geometry_value_expression", "geometry_value_function",
    "greater_than_operator", "greater_than_or_equals_operator", "group_by_clause", "group_by_term",
    "group_by_term_list", "having_clause", "identifier", "in_predicate", "in_predicate_value", "in_unit_function",
    "in_value_list", "intersects", "join_column_list", "join_condition", "join_specification", "join_type",
    "joined_table", "keyword", "left_bracket", "left_paren", "less_than_operator", "less_than_or_equals_operator",
    "like_predicate", "mantissa", "match_value", "math_function", "minus_sign", "named_columns_join", "newline",
    "non_predicate_geometry_function", "nondelimiter_token", "nondoublequote_character", "nonquote_character",
    "not_equals_operator", "not_equals_operator1", "not_equals_operator2", "null_predicate",
    "numeric_geometry_function", "numeric_primary", "numeric_type", "numeric_value_expression",
    "numeric_value_function", "offset_clause", "order_by_clause", "order_by_direction", "order_by_expression",
    "order_by_term", "order_by_term_list", "outer_join_type", "pattern", "percent", "period", "plus_sign", "point",
    "point_value", "polygon", "polygon_vertices", "predicate", "predicate_geometry_function", "qualified_join",
    "qualifier", "query_expression", "query_name", "query_set_expression", "query_set_primary", "query_set_term",
    "query_specification", "question_mark", "quote", "quote_symbol", "radius", "region", "regular_identifier",
    "right_bracket", "right_paren", "schema_name", "search_condition", "select_expression", "select_list",
    "select_query", "select_sublist", "semicolon", "set_function_specification", "set_function_type", "set_limit",
    "set_quantifier", "sign", "signed_integer", "simple_Latin_letter", "simple_Latin_lower_case_letter",
    "simple_Latin_upper_case_letter", "solidus", "space", "string_geometry_function", "string_value_expression",
    "string_value_function", "subquery", "table_name", "table_reference", "table_subquery", "term", "tilde", "token",
    "trig_function", "underscore", "unqualified_schema name", "unsigned_decimal", "unsigned_literal",
    "unsigned_numeric_literal", "unsigned_value_specification", "user_defined_function", "user_defined_function_name",
    "user_defined_function_param", "value_expression", "value_expression_primary", "vertical_bar", "where_clause",
    "with_clause", "with_query",
];

/// The files of cases.
const FILES: [&str; 4] = ["expressions.txt", "functions.txt", "queries.txt", "tokens.txt"];

#[derive(Default)]
struct Cases {
    accepted: Vec<String>,
    refused: Vec<String>,
}

/// All cases, by production.
fn cases() -> BTreeMap<String, Cases> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/grammar");
    let mut cases: BTreeMap<String, Cases> = BTreeMap::new();
    for file in FILES {
        let text = std::fs::read_to_string(folder.join(file)).expect("the file of cases");
        let mut production = String::new();
        let mut accepts = true;
        for line in text.lines() {
            let entry = cases.entry(production.clone()).or_default();
            let list = if accepts { &mut entry.accepted } else { &mut entry.refused };
            if let Some(more) = line.strip_prefix("  ") {
                let query = list.last_mut().expect("a query above the line that continues it");
                write!(query, "\n{more}").expect("text");
            } else if let Some(query) = line.strip_prefix("+ ") {
                accepts = true;
                entry.accepted.push(query.to_owned());
            } else if let Some(query) = line.strip_prefix("- ") {
                accepts = false;
                entry.refused.push(query.to_owned());
            } else {
                production = line.to_owned();
                assert!(PRODUCTIONS.contains(&line), "{file}: the grammar has no production `{line}`");
                assert!(!cases.contains_key(line), "{file}: `{line}` stands twice");
            }
        }
    }
    cases.remove("");
    cases
}

#[test]
fn every_production_accepts_and_refuses() {
    let cases = cases();
    for production in PRODUCTIONS {
        let found = cases.get(*production);
        assert!(found.is_some_and(|cases| !cases.accepted.is_empty()), "`{production}` has no query that is accepted");
        assert!(found.is_some_and(|cases| !cases.refused.is_empty()), "`{production}` has no query that is refused");
    }
}

#[test]
fn the_strict_check_agrees() {
    let mut wrong = String::new();
    for (production, Cases { accepted, refused }) in cases() {
        for query in accepted {
            if let Err(faults) = check(&query, &Options::strict()) {
                writeln!(wrong, "{production}: refused: {query}\n    {}", faults[0].summary()).expect("text");
            }
        }
        for query in refused {
            if check(&query, &Options::strict()).is_ok() {
                writeln!(wrong, "{production}: accepted: {query}").expect("text");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
