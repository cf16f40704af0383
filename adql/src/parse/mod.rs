//! From tokens to the syntax tree: a recursive descent over ADQL's grammar and the declared extensions.
//!
//! sqlparser's own parser is not used, for two reasons. It reads a superset of forty dialects, so that what ADQL refuses
//! would have to be found again in its tree. And it tries alternatives by going back: twenty nested and unclosed `CAST(`
//! took it 1.8 s here, each further one twice as long, which a public service cannot afford. This parser never goes back;
//! its time grows with the length of the text, and its depth is bounded by [`Options::max_depth`].
//!
//! A fault ends the clause in which it stands, not always the whole: where there is no doubt where the next clause of the same
//! SELECT begins, reading goes on there, see `resume`.

mod call;
mod expression;
mod from;
mod predicate;
mod query;
mod resume;
mod spelling;

use std::borrow::Cow;

use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use crate::ast::{Expr, ExprKind, Name, Query};
use crate::functions::FunctionSignature;
use crate::lexical;
use crate::options::Options;
use crate::report::{Problem, Report};
use resume::Parentheses;

/// A parsed piece, or the fault that ends parsing.
type Parsed<T> = Result<T, Box<Problem>>;

/// Most alternatives that one fault lists.
const MAX_EXPECTED: usize = 8;

/// The query in `text`, or `None` with the faults in `report`.
pub(crate) fn parse(text: &str, options: &Options, report: &mut Report<'_>) -> Option<Query> {
    let tokens = lexical::tokens(text, options, report)?;
    let mut parser = Parser::new(&tokens, options);
    let parsed = parser.statement();
    for (span, message) in std::mem::take(&mut parser.liberties) {
        report.lenient(span, message);
    }
    let mut problems = std::mem::take(&mut parser.problems);
    let query = match parsed {
        Ok(query) => Some(query),
        Err(problem) => {
            problems.push(*problem);
            None
        }
    };
    if problems.is_empty() {
        return query;
    }
    parser.parentheses.explain(&mut problems);
    problems.into_iter().for_each(|problem| report.problem(problem));
    None
}

/// Most tables of one query, those of its sub-queries and of WITH included. People join a dozen; the time that the
/// engine's planner takes grows faster than their number.
const MAX_TABLES: usize = 500;

/// How many levels of nesting a query in a query counts for: every pass needs more stack for it than for an expression.
const LEVELS_OF_QUERY: usize = 4;

/// A place in the tokens, and what has been learnt on the way there.
struct Parser<'t> {
    tokens: &'t [TokenWithSpan],
    at: usize,
    depth: usize,
    max_depth: usize,
    max_chain: u32,
    /// What was looked for at the present place without being found.
    expected: Vec<&'static str>,
    /// What the standard refuses and the service takes.
    liberties: Vec<(Span, Cow<'static, str>)>,
    /// Faults behind which reading went on.
    problems: Vec<Problem>,
    parentheses: Parentheses,
    /// The functions that the service declares.
    declared: &'t [FunctionSignature],
    /// How many `?` there were, if the query may have any.
    parameters: Option<usize>,
    tables: usize,
    set_operations: usize,
    /// Height of the tallest expression, and number of expressions, in the query that is being read.
    tallest: u32,
    count: u32,
}

impl<'t> Parser<'t> {
    fn new(tokens: &'t [TokenWithSpan], options: &'t Options) -> Self {
        Self {
            tokens,
            at: 0,
            depth: 0,
            max_depth: options.max_depth,
            max_chain: u32::try_from(options.max_chain).unwrap_or(u32::MAX),
            expected: Vec::new(),
            liberties: Vec::new(),
            problems: Vec::new(),
            parentheses: Parentheses::of(tokens),
            declared: &options.functions,
            parameters: options.parameters.then_some(0),
            tables: 0,
            set_operations: 0,
            tallest: 0,
            count: 0,
        }
    }

    /// The whole text: one query and nothing behind it.
    fn statement(&mut self) -> Parsed<Query> {
        self.refuse_other_statements()?;
        let query = self.query()?;
        let semicolon = self.span();
        if self.skip(&Token::SemiColon) {
            if !matches!(self.peek(), Token::EOF) {
                return self.fail(self.span(), "only one query at a time is accepted");
            }
            self.liberty(semicolon, "a query does not end with a semicolon in ADQL");
        }
        if matches!(self.peek(), Token::EOF) { Ok(query) } else { Err(self.unexpected()) }
    }

    fn refuse_other_statements(&self) -> Parsed<()> {
        const OTHERS: &[&str] = &[
            "ALTER", "ANALYZE", "ATTACH", "BEGIN", "CALL", "COMMIT", "COPY", "CREATE", "DECLARE", "DELETE", "DESC",
            "DESCRIBE", "DROP", "EXEC", "EXECUTE", "EXPLAIN", "GRANT", "INSERT", "LOAD", "LOCK", "MERGE", "PREPARE",
            "RENAME", "REPLACE", "REVOKE", "ROLLBACK", "SET", "SHOW", "START", "TRUNCATE", "UPDATE", "UPSERT", "USE",
            "VACUUM", "VALUES",
        ];
        if matches!(self.peek(), Token::EOF) {
            return Err(Box::new(Problem::new(self.span(), "the query is empty").expecting(["SELECT"])));
        }
        match self.word_at(0) {
            Some(word) if OTHERS.iter().any(|other| other.eq_ignore_ascii_case(word)) => {
                let message =
                    format!("only queries are accepted here, not {}: ADQL reads tables", word.to_ascii_uppercase());
                Err(Box::new(Problem::new(self.span(), message).expecting(["SELECT"])))
            }
            _ => Ok(()),
        }
    }

    // The cursor.

    fn peek(&self) -> &'t Token {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &'t Token {
        self.tokens.get(self.at + ahead).map_or(&Token::EOF, |token| &token.token)
    }

    /// Where the present token is; the end of the text if there is none left.
    fn span(&self) -> Span {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(Span::empty(), |token| token.span)
    }

    /// Where the token before the present one is.
    fn previous_span(&self) -> Span {
        self.at.checked_sub(1).and_then(|index| self.tokens.get(index)).map_or(Span::empty(), |token| token.span)
    }

    /// From `start` to the token before the present one.
    fn since(&self, start: Span) -> Span {
        start.union(&self.previous_span())
    }

    fn advance(&mut self) {
        if self.at < self.tokens.len() {
            self.at += 1;
        }
        self.expected.clear();
    }

    /// The unquoted word at this distance.
    fn word_at(&self, ahead: usize) -> Option<&'t str> {
        match self.peek_at(ahead) {
            Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
            _ => None,
        }
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        self.word_at(ahead).is_some_and(|found| found.eq_ignore_ascii_case(word))
    }

    fn is_any_word(&self, ahead: usize, words: &[&str]) -> bool {
        self.word_at(ahead).is_some_and(|found| words.iter().any(|word| found.eq_ignore_ascii_case(word)))
    }

    /// Takes the word if it is there; else remembers that it could have been.
    fn accept(&mut self, word: &'static str) -> bool {
        if self.is_word(0, word) {
            self.advance();
            return true;
        }
        self.could_be(word);
        false
    }

    /// Takes the token if it is there, and remembers nothing.
    fn skip(&mut self, token: &Token) -> bool {
        let found = self.peek() == token;
        if found {
            self.advance();
        }
        found
    }

    fn accept_token(&mut self, token: &Token, shown: &'static str) -> bool {
        if self.skip(token) {
            return true;
        }
        self.could_be(shown);
        false
    }

    fn could_be(&mut self, shown: &'static str) {
        if !self.expected.contains(&shown) {
            self.expected.push(shown);
        }
    }

    fn expect(&mut self, word: &'static str) -> Parsed<()> {
        if self.accept(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn expect_token(&mut self, token: &Token, shown: &'static str) -> Parsed<()> {
        if self.accept_token(token, shown) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn expect_close(&mut self) -> Parsed<()> {
        self.expect_token(&Token::RParen, "`)`")
    }

    /// Notes something that the standard refuses and the service takes.
    fn liberty(&mut self, span: Span, message: impl Into<Cow<'static, str>>) {
        self.liberties.push((span, message.into()));
    }

    // Faults.

    /// The present token does not fit.
    fn unexpected(&self) -> Box<Problem> {
        let found = match self.peek() {
            Token::EOF => "the query ends too early".to_owned(),
            token => match self.word_at(0) {
                Some(word) if lexical::is_structural(word) => {
                    format!("{} cannot stand here", word.to_ascii_uppercase())
                }
                Some(word) => format!("`{}` cannot stand here", clip(word)),
                None => format!("`{}` cannot stand here", clip(&token.to_string())),
            },
        };
        if let Some(hint) = self.habit() {
            return Box::new(Problem::new(self.span(), format!("{found}: {hint}")));
        }
        let expected = self.expected.iter().take(MAX_EXPECTED).copied();
        Box::new(Problem::new(self.span(), found).expecting(expected))
    }

    /// What to write instead of the present token, if it is one of another dialect or language.
    fn habit(&self) -> Option<&'static str> {
        let touching = |first: &Token, second: &Token| {
            let span = |index: usize| self.tokens.get(index).map(|token| token.span);
            let is = |index: usize, token: &Token| self.tokens.get(index).is_some_and(|found| found.token == *token);
            let before = self.at.checked_sub(1);
            let at = |index: usize| {
                is(index, first)
                    && is(index + 1, second)
                    && span(index).map(|span| span.end) == span(index + 1).map(|span| span.start)
            };
            at(self.at) || before.is_some_and(at)
        };
        if touching(&Token::Eq, &Token::Lt) {
            return Some("less or equal is written <=");
        }
        if touching(&Token::Eq, &Token::Gt) || matches!(self.peek(), Token::RArrow) {
            return Some("greater or equal is written >=");
        }
        match self.peek() {
            Token::Assignment => Some("nothing is assigned in a query; a column is named with AS"),
            Token::Placeholder(_) | Token::Colon => Some("a query has no parameters; write the value itself"),
            Token::LBracket | Token::RBracket => {
                Some("names with special characters stand in double quotes, and there are no arrays")
            }
            Token::DoubleEq => Some("equality is written ="),
            Token::Char('\u{2018}' | '\u{2019}' | '\u{00b4}' | '\u{2032}') => {
                Some("a text stands between straight single quotes, '...'")
            }
            Token::Char('\u{201c}' | '\u{201d}' | '\u{201e}') => {
                Some("a name stands between straight double quotes, \"...\"")
            }
            Token::Char('\u{2212}' | '\u{2013}' | '\u{2014}') => Some("the minus sign is -"),
            _ if self.is_any_word(0, &["REGEXP", "RLIKE", "GLOB", "SIMILAR"]) => {
                Some("there are no regular expressions in ADQL; LIKE knows % for any text and _ for any character")
            }
            _ if self.is_word(0, "QUALIFY") => {
                Some("put the query with the window function into FROM and test its column in WHERE outside")
            }
            _ => None,
        }
    }

    fn fail<T>(&self, span: Span, message: impl Into<String>) -> Parsed<T> {
        Err(Box::new(Problem::new(span, message)))
    }

    /// As [`fail`](Self::fail), with nothing read behind it: the query is too large.
    fn give_up<T>(&self, span: Span, message: impl Into<String>) -> Parsed<T> {
        Err(Box::new(Problem { last: true, ..Problem::new(span, message) }))
    }

    /// Runs `parse` one level deeper.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.nested_by(1, parse)
    }

    /// Runs `parse` so many levels deeper.
    fn nested_by<T>(&mut self, levels: usize, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth + levels > self.max_depth {
            let message = format!("the query is nested deeper than {} levels (max_depth)", self.max_depth);
            return self.give_up(self.span(), message);
        }
        self.depth += levels;
        let parsed = parse(self);
        self.depth -= levels;
        parsed
    }

    // Small pieces.

    /// Counts a table.
    fn count_table(&mut self) -> Parsed<()> {
        self.tables += 1;
        if self.tables > MAX_TABLES {
            return self.give_up(self.previous_span(), format!("a query has at most {MAX_TABLES} tables"));
        }
        Ok(())
    }

    /// A new expression that begins at `start` and ends before the present token.
    fn node(&mut self, kind: ExprKind, start: Span) -> Parsed<Expr> {
        let expr = Expr::new(kind, self.since(start));
        if expr.height > self.max_chain.saturating_add(u32::try_from(self.max_depth).unwrap_or(u32::MAX)) {
            return self.give_up(expr.span, "the expression has too many operators in a row (max_chain)");
        }
        self.tallest = self.tallest.max(expr.height);
        self.count = self.count.saturating_add(1);
        Ok(expr)
    }

    /// A name of any kind: a regular identifier or a quoted one. Reserved words that do not end a clause are let through:
    /// the rules say that they must be quoted, together with all other faults.
    fn name(&mut self, what: &'static str) -> Parsed<Name> {
        match self.peek() {
            Token::Word(word) if word.quote_style.is_some() || !lexical::is_structural(&word.value) => self.any_word(),
            Token::Word(word) => {
                let message = format!("{} is a reserved word and no {what}", word.value.to_ascii_uppercase());
                let quoted = format!("\"{}\"", word.value);
                Err(Box::new(Problem::new(self.span(), message).suggesting(vec![quoted])))
            }
            Token::SingleQuotedString(text) => {
                let message = format!("a {what} stands without quotes or in double quotes; single quotes make a text");
                let quoted = if lexical::is_regular_identifier(text) { text.clone() } else { format!("\"{text}\"") };
                Err(Box::new(Problem::new(self.span(), message).suggesting(vec![clip(&quoted)])))
            }
            _ => {
                self.could_be(what);
                Err(self.unexpected())
            }
        }
    }

    /// The word that is here, whichever it is.
    fn any_word(&mut self) -> Parsed<Name> {
        let span = self.span();
        let Token::Word(word) = self.peek() else { return Err(self.unexpected()) };
        let quoted = word.quote_style.is_some();
        if quoted && word.value.is_empty() {
            return self.fail(span, "a quoted name cannot be empty");
        }
        self.advance();
        Ok(Name { text: word.value.clone(), quoted, span })
    }

    /// Names with points between them.
    fn path(&mut self, what: &'static str, longest: usize) -> Parsed<Vec<Name>> {
        let mut path = vec![self.name(what)?];
        while self.skip(&Token::Period) {
            path.push(self.name(what)?);
            if path.len() > longest {
                return self
                    .fail(self.previous_span(), format!("a {what} has at most {longest} names joined by points"));
            }
        }
        Ok(path)
    }

    /// Names with commas between them, in parentheses.
    fn name_list(&mut self, what: &'static str) -> Parsed<Vec<Name>> {
        self.expect_token(&Token::LParen, "`(`")?;
        let mut names = vec![self.name(what)?];
        while self.accept_token(&Token::Comma, "`,`") {
            names.push(self.name(what)?);
        }
        self.expect_close()?;
        Ok(names)
    }

    /// An unsigned integer.
    fn count(&mut self, what: &'static str) -> Parsed<u64> {
        let span = self.span();
        match self.peek() {
            Token::Number(number, _) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.advance();
                // The engine counts rows in signed numbers.
                let rows: Option<i64> = number.parse().ok();
                let rows = rows.map(i64::unsigned_abs);
                rows.map_or_else(|| self.fail(span, format!("{what} is too large a number")), Ok)
            }
            Token::Minus | Token::Number(..) => self.fail(span, format!("{what} must be a whole number, 0 or more")),
            _ => {
                self.could_be("a whole number");
                Err(self.unexpected())
            }
        }
    }
}

/// The beginning of a long piece of user text.
fn clip(text: &str) -> String {
    const LONGEST: usize = 40;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST).chain("...".chars()).collect()
}
