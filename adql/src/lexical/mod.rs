//! From text to tokens: sqlparser's tokenizer under our dialect, minus blanks and comments.

mod dialect;
mod signs;
mod words;

use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, Whitespace};

pub(crate) use dialect::AdqlDialect;
pub(crate) use words::{is_regular_identifier, is_reserved, is_structural};

use crate::options::Options;
use crate::report::{Problem, Report};

/// The tokens of `text`, an end-of-file token last. `None`: the text is no sequence of tokens; the fault is in `report`.
pub(crate) fn tokens(text: &str, options: &Options, report: &mut Report<'_>) -> Option<Vec<TokenWithSpan>> {
    if text.len() > options.max_text_bytes {
        let message = format!(
            "the query has {} bytes; at most {} are accepted (max_text_bytes)",
            text.len(),
            options.max_text_bytes
        );
        report.fault(at(Location::new(1, 1)), message);
        return None;
    }
    let text = &*signs::plain(text, report);
    let all = match Tokenizer::new(&AdqlDialect, text).tokenize_with_location() {
        Ok(all) => all,
        Err(error) => {
            report.problem(broken_token(text, error.location));
            return None;
        }
    };
    let end = all.last().map_or(Location::new(1, 1), |token| token.span.end);
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(all.len() / 2 + 1);
    let mut previous_end = Location::new(0, 0);
    for token in all {
        let touches = token.span.start == previous_end;
        match &token.token {
            Token::Whitespace(Whitespace::MultiLineComment(_)) => {
                report.lenient(token.span, "ADQL has no /* */ comments; start a comment with -- instead");
                continue;
            }
            Token::Whitespace(_) => continue,
            Token::Word(word) if word.quote_style == Some('`') => {
                report.lenient(token.span, "names stand in double quotes in ADQL, not between backticks");
            }
            Token::Number(_, true) => report.fault(token.span, "a number has no suffix in ADQL"),
            Token::Number(..) | Token::Word(_) if touches => check_gap(&token, kept.last(), report),
            _ => {}
        }
        previous_end = token.span.end;
        kept.push(token);
    }
    if report.has_faults() {
        return None;
    }
    if kept.len() > options.max_nodes.saturating_mul(2) {
        let message = format!(
            "the query has {} words and signs; at most {} are accepted",
            kept.len(),
            options.max_nodes.saturating_mul(2)
        );
        report.fault(at(Location::new(1, 1)), format!("{message} (max_nodes)"));
        return None;
    }
    kept.push(TokenWithSpan::new(Token::EOF, at(end)));
    Some(kept)
}

/// Two numbers or words that touch (`12abc`) were meant as something else than two tokens.
fn check_gap(token: &TokenWithSpan, previous: Option<&TokenWithSpan>, report: &mut Report<'_>) {
    if let Some(TokenWithSpan { token: Token::Number(number, _), span }) = previous {
        let whole = span.union(&token.span);
        report.fault(whole, format!("`{number}{}` is neither a number nor a name", token.token));
    }
}

/// Says in our words which token has no end or no meaning, from the character with which it starts.
fn broken_token(text: &str, location: Location) -> Problem {
    let line = usize::try_from(location.line.max(1) - 1).unwrap_or(usize::MAX);
    let column = usize::try_from(location.column.max(1) - 1).unwrap_or(usize::MAX);
    let rest: String = text.split('\n').nth(line).unwrap_or("").chars().skip(column).take(3).collect();
    let span = at(location);
    match rest.chars().next() {
        Some('\'') => Problem::new(span, "the text that starts here has no closing quote").expecting(["'"]),
        Some('"') => Problem::new(span, "the quoted name that starts here has no closing quote").expecting(["\""]),
        Some('`') => Problem::new(span, "the quoted name that starts here has no closing backtick").expecting(["`"]),
        Some('/') => Problem::new(span, "the comment that starts here has no end").expecting(["*/"]),
        None => Problem::new(span, "the query ends inside a quoted text, a quoted name or a comment"),
        Some(character) => Problem::new(span, format!("`{character}` cannot stand here")),
    }
}

/// A span of one character.
pub(crate) fn at(location: Location) -> Span {
    Span::new(location, Location::new(location.line, location.column + 1))
}
