//! The engine's own SQL, for those who ask in it: read within bounds, and its faults in words of ours.

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, SchemaError};
use datafusion::sql::sqlparser::ast::{Statement, visit_relations};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use qserv_core::{Error, Result};
use qserv_engine::error::from_datafusion;

use crate::schema::{CATALOG, NO_SCHEMA};

/// How many operators and keywords may follow each other between two commas or parentheses: each can make the tree one level deeper,
/// and every pass over it, dropping it included, takes stack for each level.
const MAX_RUN: usize = 300;

/// Most tables and sub-queries of one query: joins of a list make plans as deep as the list is long.
const MAX_TABLES: usize = 100;

/// A query in SQL as its syntax tree: one query and nothing else.
///
/// # Errors
/// `Invalid` for other statements, and for what is none; `Limit` for one that is too deep.
pub(crate) fn read(text: &str) -> Result<Statement> {
    let dialect = GenericDialect {};
    let unreadable =
        |error: ParserError| Error::invalid(format!("the SQL cannot be read: {}", fault(&error))).caused_by(error);
    let tokens = Tokenizer::new(&dialect, text).tokenize().map_err(|error| unreadable(error.into()))?;
    let subqueries = check_depth(&tokens)?;
    let tokens = numbered(tokens);
    let mut statements = Parser::new(&dialect).with_tokens(tokens).parse_statements().map_err(unreadable)?;
    let (Some(statement @ Statement::Query(_)), true) = (statements.pop(), statements.is_empty()) else {
        return Err(Error::invalid("only one query at a time is accepted, and nothing but queries"));
    };
    let mut tables = subqueries;
    let _ = visit_relations(&statement, |_| {
        tables += 1;
        ControlFlow::<()>::Continue(())
    });
    if tables > MAX_TABLES {
        return Err(Error::limit("the query has too many tables and sub-queries")
            .with("tables", tables)
            .with("most", MAX_TABLES));
    }
    Ok(statement)
}

/// Refuses a text whose tree would be too deep, before there is a tree; otherwise the number of its sub-queries.
fn check_depth(tokens: &[Token]) -> Result<usize> {
    let mut around = Vec::new();
    let (mut run, mut subqueries) = (0_usize, 0_usize);
    for token in tokens {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => around.push(std::mem::take(&mut run)),
            // Brackets behind brackets are a chain too.
            Token::RParen | Token::RBracket | Token::RBrace => run = around.pop().unwrap_or_default() + 1,
            Token::Comma => run = 0,
            Token::Word(word) if word.keyword == Keyword::NoKeyword => {}
            Token::Whitespace(_) | Token::Number(..) | Token::SingleQuotedString(_) | Token::Period | Token::EOF => {}
            other => {
                run += 1;
                subqueries += usize::from(begins_table(other));
            }
        }
        if run > MAX_RUN {
            return Err(
                Error::limit("the query has too many operators in a row; use IN, or parentheses").with("most", MAX_RUN)
            );
        }
    }
    Ok(subqueries)
}

/// The tokens with each `?` as `$1`, `$2` in the order of the text.
fn numbered(tokens: Vec<Token>) -> Vec<Token> {
    let mut marks = 0;
    let number = |token| match token {
        Token::Placeholder(mark) if mark == "?" => {
            marks += 1;
            Token::Placeholder(format!("${marks}"))
        }
        other => other,
    };
    tokens.into_iter().map(number).collect()
}

fn begins_table(token: &Token) -> bool {
    let Token::Word(word) = token else { return false };
    matches!(word.keyword, Keyword::SELECT | Keyword::VALUES | Keyword::TABLE | Keyword::UNNEST)
}

/// What the parser says of the user's text, which is about that text alone.
fn fault(error: &ParserError) -> &str {
    match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        ParserError::RecursionLimitExceeded => "it is nested too deep",
    }
}

/// What the planner does not find in a query that was not translated.
pub(crate) fn refused(error: DataFusionError) -> Error {
    let found = match error.find_root() {
        DataFusionError::SchemaError(fault, _) => match &**fault {
            SchemaError::FieldNotFound { field, .. } => Some(format!("there is no column {}", field.flat_name())),
            SchemaError::AmbiguousReference { field } => {
                Some(format!("several tables have a column {}; write the table in front of it", field.flat_name()))
            }
            _ => Some("two columns have the same name; name them with AS".to_owned()),
        },
        DataFusionError::Plan(text) => missing(text),
        _ => None,
    };
    match found {
        Some(message) => Error::invalid(message).caused_by(error),
        None => from_datafusion(error),
    }
}

/// The table or function that the planner misses.
fn missing(text: &str) -> Option<String> {
    if let Some(rest) = text.strip_prefix("Invalid function '") {
        return rest.split_once('\'').map(|(name, _)| format!("there is no function {name}"));
    }
    let (_, rest) = text.split_once("table '")?;
    let (name, rest) = rest.split_once('\'')?;
    // Where the planner looks for a name that is not whole.
    let name = name.strip_prefix(CATALOG).and_then(|name| name.strip_prefix('.')).unwrap_or(name);
    let name = name.strip_prefix(NO_SCHEMA).and_then(|name| name.strip_prefix('.')).unwrap_or(name);
    rest.contains("not found")
        .then(|| format!("there is no table {name}; names have the letter case of their declaration"))
}

#[cfg(test)]
mod tests {
    use qserv_core::ErrorKind;

    use super::*;

    #[test]
    fn one_query_is_read_and_nothing_else() {
        let chain = |operator: &str, count: usize| format!("SELECT {}", vec!["1"; count].join(operator));
        let taken = [
            "SELECT 1".to_owned(),
            "WITH a AS (SELECT 1 AS x) SELECT * FROM a ORDER BY x LIMIT 3;".to_owned(),
            format!("SELECT * FROM t WHERE x IN ({})", vec!["1"; 50_000].join(", ")),
            chain(" + ", 250),
            format!("SELECT * FROM {}", vec!["t"; 99].join(", ")),
        ];
        for text in taken {
            assert!(read(&text).is_ok(), "{text:.80}: {:?}", read(&text).map(drop));
        }
        let refused = [
            ("CREATE TABLE t AS SELECT 1".to_owned(), ErrorKind::Invalid),
            ("SELECT 1; SELECT 2".to_owned(), ErrorKind::Invalid),
            ("SELEC 1".to_owned(), ErrorKind::Invalid),
            (String::new(), ErrorKind::Invalid),
            (format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000)), ErrorKind::Invalid),
            (chain("+", 50_000), ErrorKind::Limit),
            (chain(" OR ", 50_000), ErrorKind::Limit),
            (format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(50_000)), ErrorKind::Limit),
            (format!("SELECT 1{}", "::INT".repeat(50_000)), ErrorKind::Limit),
            (format!("SELECT a{}", "[1]".repeat(50_000)), ErrorKind::Limit),
            (format!("SELECT {} 1", "NOT ".repeat(50_000)), ErrorKind::Limit),
            (format!("SELECT * FROM {}", vec!["t"; 50_000].join(", ")), ErrorKind::Limit),
            (format!("SELECT * FROM {}", vec!["(SELECT 1)"; 50_000].join(", ")), ErrorKind::Limit),
        ];
        for (text, kind) in refused {
            assert_eq!(read(&text).unwrap_err().kind(), kind, "{text:.80}");
        }
    }
}
