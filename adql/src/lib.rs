//! ADQL 2.1, the SQL of astronomers: text in, a SQL syntax tree for the engine out, or every fault with its place.
//!
//! # The story of one query
//!
//! 1. [`translate()`] gets the text, the [`Names`] that exist and the [`Options`]. The tokens come from sqlparser's tokenizer
//!    under our dialect (`lexical`), which knows what a name, a number and a comment are in ADQL.
//! 2. `parse` makes the syntax tree (`ast`) by recursive descent over ADQL's grammar. It never tries twice, so time grows
//!    with length alone, and depth is bounded. A syntax fault says what stands there and what could, and ends its clause; the next
//!    clause is read on, where there is no doubt where it begins.
//! 3. `rules` walks the tree for all that grammar does not hold: reserved words, functions and their arguments, where
//!    aggregates and conditions may stand, geometry. Every fault is noted.
//! 4. [`check()`] ends here. `translate` goes on and builds sqlparser's tree, the input of the engine's planner: names are
//!    looked up and written as the catalog does; TOP becomes a bound on its own SELECT; `CONTAINS(..) = 1` becomes a
//!    boolean function; a boolean column may be compared with 1 or `'True'`; USING and NATURAL become ON; every output
//!    column gets a name. Faults of names and types join the others.
//! 5. The answer is a [`Translated`] or the list of [`Fault`]s in the order of the text; each fault's `Display` underlines it.
//!
//! [`check_stream`] does steps 1 to 3 for many queries. [`normalize`] and [`format()`] do steps 1 and 2 and write the tree back as
//! text (`print`). [`features()`] and [`standard_functions`] tell what the language has, as data.
//!
//! # Two levels
//!
//! [`Level::Strict`] is the standard with the declared extensions. [`Level::Service`] takes besides what users of observatories
//! write where it can mean one thing only, each with a warning that names the standard's form: other dialects' spellings
//! (`parse::spelling`), reserved words and aliases as names, texts in double quotes, columns beside the key of their table in
//! GROUP BY (`translate::grouping`), numbers in quotes.
//!
//! # What the engine is asked for
//!
//! The statement is plain SQL with these functions of the engine's own: `qserv_finite(x)` (NULL unless x is a finite number) around the
//! standard's functions of DOUBLEs, `qserv_random(seed)`, and the `qserv_` functions of geometry. It counts on an engine in
//! which whole numbers do not wrap around and a division by zero is NULL.
//!
//! # Names of output columns
//!
//! A column keeps the catalog's name in the catalog's letter case; an alias is kept as it was written. A function call is
//! called like the function, in lower case, and like the column that is its first argument (`count`, `avg_ra`); a CAST
//! like the column in it; anything else `col` and its position (`col3`). Such a made-up name gets a number if another
//! column has it already (`count_2`). Columns that the query itself calls the same are allowed: the statement calls the
//! later ones `id_2`, `id_3`, and [`Translated::columns`] tells the name that each is to have in the answer.
//!
//! # Units and other metadata
//!
//! What the catalog tells of a column (unit, UCD, utype, description, xtype: [`Metadata`]) reaches [`Translated::columns`] through
//! derived tables, WITH, joins and set operations. A computed column has the unit that the algebra of [`units`] gives, a UCD where
//! the kind of quantity stays (`phot.flux;stat.mean`) or is known (`stat.stdev;phot.flux`) and its words stand where the vocabulary
//! of UCD1+ lets them, its own text as description, and no utype; what is not certain is left out. `IN_UNIT` becomes a
//! multiplication by a factor that is known before the query runs.
//!
//! # What is absent
//!
//! This crate knows nothing of DataFusion, of Arrow, or of the database around it.

mod ast;
mod check;
mod fault;
mod features;
mod functions;
mod lexical;
mod names;
mod nearest;
mod options;
mod parse;
mod print;
mod report;
mod rules;
mod translate;
mod ucd;
pub mod units;

pub use check::check_stream;
pub use fault::Fault;
pub use features::{Feature, FeatureGroup, StandardFunction, features, standard_functions};
pub use functions::{FunctionSignature, Parameter, SignatureError, scisql, scisql_unit};
pub use names::{Column, Metadata, NameList, Names, TypeClass};
pub use options::{Level, Options};
pub use print::format_stream;
pub use translate::{OutputColumn, TableName, Translated};

use report::Report;

/// Whether `text` is a valid query: grammar and rules, without looking at any table.
///
/// # Errors
/// All faults, in the order of the text. Syntax faults hide those of the rules.
pub fn check(text: &str, options: &Options) -> Result<(), Vec<Fault>> {
    let mut report = Report::new(text, options);
    if let Some(query) = parse::parse(text, options, &mut report) {
        rules::check(&query, options, &mut report);
    }
    report.finish().map(|_warnings| ())
}

/// Translates a query to SQL for the engine.
///
/// # Errors
/// All faults, in the order of the text. Syntax faults hide those of rules and names.
pub fn translate(text: &str, names: &dyn Names, options: &Options) -> Result<Translated, Vec<Fault>> {
    let mut report = Report::new(text, options);
    let translated = parse::parse(text, options, &mut report).map(|query| {
        rules::check(&query, options, &mut report);
        translate::translate(&query, names, options, &mut report)
    });
    let warnings = report.finish()?;
    // Without a tree there is a fault, and the line above has returned it.
    translated.map(|translated| Translated { warnings, ..translated }).ok_or_else(Vec::new)
}

/// The query in one line and in one form: keywords in upper case, `AS` in front of every alias, `<>` for `!=`, no comments, and
/// names as they are written. It parses to the same query, so that [`same_query`] holds of both.
///
/// ```
/// use qserv_adql::{Options, normalize};
///
/// let text = normalize("select a.*, b+1 c from t a -- all\nwhere b!=2", &Options::default()).expect("a query");
/// assert_eq!(text, "SELECT a.*, b + 1 AS c FROM t AS a WHERE b <> 2");
/// ```
///
/// # Errors
/// The faults of the grammar; the rules are not looked at.
pub fn normalize(text: &str, options: &Options) -> Result<String, Vec<Fault>> {
    parsed(text, options).map(|query| print::one_line(&query))
}

/// The query in the form of [`normalize`], with a line for each clause.
///
/// # Errors
/// As [`normalize`].
pub fn format(text: &str, options: &Options) -> Result<String, Vec<Fault>> {
    parsed(text, options).map(|query| print::lines(&query))
}

/// Whether two texts are the same query: the same syntax tree. Blanks, comments, the letter case of keywords and words that say
/// nothing (`INNER`, `ALL` behind SELECT) make no difference; parentheses, names and the order of things do.
///
/// # Errors
/// The faults of the first text that the grammar does not take.
pub fn same_query(one: &str, other: &str, options: &Options) -> Result<bool, Vec<Fault>> {
    let mut queries = (parsed(one, options)?, parsed(other, options)?);
    queries.0.forget_places();
    queries.1.forget_places();
    Ok(queries.0 == queries.1)
}

/// The syntax tree, if the grammar takes the text.
fn parsed(text: &str, options: &Options) -> Result<ast::Query, Vec<Fault>> {
    let mut report = Report::new(text, options);
    let query = parse::parse(text, options, &mut report);
    report.finish()?;
    // Without a tree there is a fault, and the line above has returned it.
    query.ok_or_else(Vec::new)
}

/// The examples of the README, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
