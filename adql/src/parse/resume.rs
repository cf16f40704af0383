//! Reading on behind a syntax fault, and what unbalanced parentheses mean.
//!
//! A fault ends its clause. The next clause of the same SELECT begins at the first word behind the fault that begins a later
//! clause and is in as many parentheses as the SELECT itself; a sub-query may end there instead. What stands in front of that
//! word has no influence on how the clause is read, so that its faults are the same whether or not the one before is put
//! right. Where that cannot be relied upon, the fault ends the whole: if parentheses do not match, if the next clause word is
//! one that belongs before the fault, or if FROM is missing.

use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use super::{Parsed, Parser};
use crate::report::Problem;

/// The clauses of a query in the order in which they must stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Clause {
    Select,
    From,
    Where,
    GroupBy,
    Having,
    SetOperation,
    OrderBy,
    /// OFFSET and LIMIT.
    Bounds,
}

impl Clause {
    const fn words(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::From => "FROM",
            Self::Where => "WHERE",
            Self::GroupBy => "GROUP BY",
            Self::Having => "HAVING",
            Self::SetOperation => "a set operation",
            Self::OrderBy => "ORDER BY",
            Self::Bounds => "OFFSET",
        }
    }

    /// The words that may stand behind the clause.
    const fn followers(self) -> &'static [&'static str] {
        const ALL: &[&str] =
            &["FROM", "WHERE", "GROUP", "HAVING", "INTERSECT", "UNION", "EXCEPT", "ORDER", "OFFSET", "LIMIT"];
        let first = match self {
            // FROM may be left out where the query ends: that is a liberty, and not one to propose.
            Self::Select => return &["FROM"],
            Self::From => 1,
            Self::Where => 2,
            Self::GroupBy => 3,
            Self::Having => 4,
            Self::SetOperation | Self::OrderBy | Self::Bounds => 8,
        };
        ALL.split_at(first).1
    }
}

impl Parser<'_> {
    /// Reads a clause. After a fault in it, reading goes on at the next one if there is no doubt which that is.
    pub(super) fn clause<T: Default>(
        &mut self,
        clause: Clause,
        parse: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        let start = self.at;
        let parsed = match parse(self) {
            Ok(parsed) if self.is_behind(clause) => return Ok(parsed),
            Ok(_) => self.no_follower(clause),
            Err(problem) => problem,
        };
        let resumed = if parsed.last { None } else { self.next_clause(start, clause) };
        let Some(next) = resumed else { return Err(parsed) };
        self.problems.push(*parsed);
        self.at = next;
        self.expected.clear();
        Ok(T::default())
    }

    /// Whether what is here can follow the clause.
    fn is_behind(&self, clause: Clause) -> bool {
        if matches!(self.peek(), Token::EOF | Token::RParen | Token::SemiColon) {
            return !self.parentheses.closes_nothing(self.span());
        }
        if clause == Clause::Select && self.is_any_word(0, &["FROM", "INTO"]) {
            return true;
        }
        if clause >= Clause::OrderBy {
            return self.is_any_word(0, &["OFFSET", "LIMIT", "FETCH"]);
        }
        self.continues_query() || clause != Clause::Select && self.is_any_word(0, clause.followers())
    }

    /// What is here follows no clause, or not this one.
    fn no_follower(&mut self, clause: Clause) -> Box<Problem> {
        for word in clause.followers() {
            self.could_be(word);
        }
        let mut problem = self.unexpected();
        if let Some(before) = self.clause_at(self.at)
            && before <= clause
            && before != Clause::Select
        {
            problem.message = if before == clause {
                format!("{} stands twice", before.words())
            } else {
                format!("{} cannot stand here: it belongs before {}", before.words(), clause.words())
            };
            problem.expected.clear();
        }
        problem
    }

    /// The clause that the token with this number begins.
    pub(super) fn clause_at(&self, index: usize) -> Option<Clause> {
        let word = |index: usize| match self.tokens.get(index).map(|token| &token.token) {
            Some(Token::Word(word)) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
            _ => None,
        };
        let follows = |words: &[&str]| word(index + 1).is_some_and(|next| words.contains(&next.as_str()));
        let number = matches!(self.tokens.get(index + 1).map(|token| &token.token), Some(Token::Number(..)));
        let opens = matches!(self.tokens.get(index + 1).map(|token| &token.token), Some(Token::LParen));
        match word(index)?.as_str() {
            "FROM" if index.checked_sub(1).and_then(word).as_deref() != Some("DISTINCT") => Some(Clause::From),
            "WHERE" => Some(Clause::Where),
            "GROUP" if follows(&["BY"]) => Some(Clause::GroupBy),
            "HAVING" => Some(Clause::Having),
            "ORDER" if follows(&["BY"]) => Some(Clause::OrderBy),
            "UNION" | "EXCEPT" | "INTERSECT" if opens || follows(&["ALL", "DISTINCT", "SELECT"]) => {
                Some(Clause::SetOperation)
            }
            "OFFSET" | "LIMIT" if number => Some(Clause::Bounds),
            _ => None,
        }
    }

    /// The token at which the next clause begins, behind a fault in one that began at `start`.
    fn next_clause(&self, start: usize, clause: Clause) -> Option<usize> {
        if !self.parentheses.match_each_other() {
            return None;
        }
        let mut depth = 0_usize;
        for (index, token) in self.tokens.iter().enumerate().skip(start) {
            let is_behind = index >= self.at && depth == 0;
            match &token.token {
                Token::LParen => depth += 1,
                Token::RParen if depth == 0 => return (index >= self.at).then_some(index),
                Token::RParen => depth -= 1,
                // The end needs no reading on; there is nothing more to tell.
                Token::EOF | Token::SemiColon => return None,
                _ if is_behind => match self.clause_at(index) {
                    Some(Clause::From) if clause == Clause::Select => return Some(index),
                    Some(next) if next > clause && clause != Clause::Select => return Some(index),
                    Some(_) => return None,
                    None => {}
                },
                _ => {}
            }
        }
        None
    }
}

/// The parentheses of a query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Parentheses {
    /// Those that are never closed, in order.
    unclosed: Vec<Span>,
    /// The first that closes nothing.
    unopened: Option<Span>,
}

impl Parentheses {
    pub(super) fn of(tokens: &[TokenWithSpan]) -> Self {
        let mut open = Vec::new();
        let mut unopened = None;
        for token in tokens {
            match token.token {
                Token::LParen => open.push(token.span),
                Token::RParen if open.pop().is_none() => unopened = unopened.or(Some(token.span)),
                _ => {}
            }
        }
        Self { unclosed: open, unopened }
    }

    fn match_each_other(&self) -> bool {
        self.unclosed.is_empty() && self.unopened.is_none()
    }

    fn closes_nothing(&self, span: Span) -> bool {
        self.unopened == Some(span)
    }

    /// Says where the parenthesis was opened that is missed at a fault, or that the one at the fault closes nothing.
    pub(super) fn explain(&self, problems: &mut [Problem]) {
        for problem in problems {
            if self.closes_nothing(problem.span) {
                "this parenthesis closes nothing".clone_into(&mut problem.message);
                problem.expected.clear();
            } else if let Some(open) = self.unclosed.iter().rfind(|open| problem.span.start >= open.end) {
                let (line, column) = (open.start.line, open.start.column);
                problem.message += &format!("; the parenthesis opened at line {line}, column {column} is not closed");
            }
        }
    }
}
