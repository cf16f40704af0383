//! Predicates: what makes a condition of values.

use sqlparser::tokenizer::Token;

use super::expression::{into_query, rank};
use super::{Parsed, Parser};
use crate::ast::{Comparison, Expr, ExprKind};
use crate::report::Problem;

impl Parser<'_> {
    /// Whether a predicate goes on from here, and whether a NOT stands before its word.
    pub(super) fn begins_predicate(&self) -> Option<bool> {
        const WORDS: &[&str] = &["BETWEEN", "IN", "LIKE", "ILIKE"];
        if self.comparison().is_some() || matches!(self.peek(), Token::Spaceship) {
            return Some(false);
        }
        if self.is_any_word(0, WORDS) || self.is_word(0, "IS") {
            return Some(false);
        }
        (self.is_word(0, "NOT") && self.is_any_word(1, WORDS)).then_some(true)
    }

    fn comparison(&self) -> Option<Comparison> {
        Some(match self.peek() {
            Token::Eq | Token::DoubleEq => Comparison::Equal,
            Token::Neq => Comparison::NotEqual,
            Token::Lt => Comparison::Less,
            Token::LtEq => Comparison::LessOrEqual,
            Token::Gt => Comparison::Greater,
            Token::GtEq => Comparison::GreaterOrEqual,
            // `!<` and `!>`: not less is greater or equal, NULL included.
            Token::ExclamationMark if self.peek_at(1) == &Token::Lt => Comparison::GreaterOrEqual,
            Token::ExclamationMark if self.peek_at(1) == &Token::Gt => Comparison::LessOrEqual,
            _ => return None,
        })
    }

    pub(super) fn predicate(&mut self, left: Expr, negated: bool) -> Parsed<Expr> {
        let start = left.span;
        let left = Box::new(left);
        if let Some(operator) = self.comparison() {
            if self.peek() == &Token::DoubleEq {
                self.liberty(self.span(), "equality is written = in ADQL");
            }
            if self.peek() == &Token::ExclamationMark {
                self.liberty(self.span(), "`!<` is written >= and `!>` is written <= in ADQL");
                self.advance();
            }
            self.advance();
            if self.is_any_word(0, &["ANY", "SOME", "ALL"]) && self.peek_at(1) == &Token::LParen {
                return self
                    .fail(self.span(), "comparisons with ANY, SOME or ALL are not part of ADQL; use IN or EXISTS");
            }
            let right = Box::new(self.ranked(rank::PREDICATE + 1)?);
            return self.node(ExprKind::Compare { left, operator, right }, start);
        }
        if self.skip(&Token::Spaceship) {
            let right = Box::new(self.ranked(rank::PREDICATE + 1)?);
            return self.node(ExprKind::Distinct { left, right, negated: true }, start);
        }
        if negated {
            self.advance();
        }
        if self.accept("IS") {
            return self.is_predicate(left);
        }
        if self.accept("BETWEEN") {
            let low = Box::new(self.ranked(rank::PREDICATE + 1)?);
            self.expect("AND")?;
            let high = Box::new(self.ranked(rank::PREDICATE + 1)?);
            return self.node(ExprKind::Between { value: left, low, high, negated }, start);
        }
        if self.accept("IN") {
            return self.in_predicate(left, negated);
        }
        let any_case = self.is_word(0, "ILIKE");
        self.advance();
        let pattern = Box::new(self.ranked(rank::PREDICATE + 1)?);
        let escape = self.escape()?;
        self.node(ExprKind::Like { value: left, pattern, escape, any_case, negated }, start)
    }

    fn escape(&mut self) -> Parsed<Option<char>> {
        if !self.is_word(0, "ESCAPE") {
            return Ok(None);
        }
        self.advance();
        let Token::SingleQuotedString(text) = self.peek() else {
            self.could_be("a text of one character");
            return Err(self.unexpected());
        };
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(escape), None) => {
                self.advance();
                Ok(Some(escape))
            }
            _ => Err(self.unexpected_escape()),
        }
    }

    fn unexpected_escape(&self) -> Box<Problem> {
        Box::new(Problem::new(self.span(), "ESCAPE takes a text of exactly one character"))
    }

    fn is_predicate(&mut self, left: Box<Expr>) -> Parsed<Expr> {
        let start = left.span;
        let negated = self.accept("NOT");
        if self.accept("NULL") {
            return self.node(ExprKind::IsNull { value: left, negated }, start);
        }
        if self.is_word(0, "DISTINCT") && self.is_word(1, "FROM") {
            self.advance();
            self.advance();
            let right = Box::new(self.ranked(rank::PREDICATE + 1)?);
            return self.node(ExprKind::Distinct { left, right, negated }, start);
        }
        let truth = if self.accept("TRUE") {
            Some(true)
        } else if self.accept("FALSE") {
            Some(false)
        } else if self.accept("UNKNOWN") {
            None
        } else {
            return Err(self.unexpected());
        };
        self.node(ExprKind::IsTruth { value: left, truth, negated }, start)
    }

    fn in_predicate(&mut self, value: Box<Expr>, negated: bool) -> Parsed<Expr> {
        let start = value.span;
        self.expect_token(&Token::LParen, "`(`")?;
        if self.is_query(0) || self.is_join() {
            let query = Box::new(if self.is_query(0) { self.query()? } else { self.join_as_query()? });
            self.expect_close()?;
            return self.node(ExprKind::InQuery { value, query, negated }, start);
        }
        let first = self.expression()?;
        let first = match self.query_behind(first)? {
            Ok(query) => {
                self.expect_close()?;
                return self.node(ExprKind::InQuery { value, query: Box::new(query), negated }, start);
            }
            Err(first) => first,
        };
        let mut list = vec![first];
        while self.accept_token(&Token::Comma, "`,`") {
            list.push(self.expression()?);
        }
        self.expect_close()?;
        // `IN ((SELECT ..))` is the query, not a list with one scalar query.
        if list.len() == 1
            && let Some(only) = list.pop()
        {
            match into_query(only) {
                Ok(query) => {
                    return self.node(ExprKind::InQuery { value, query: Box::new(query), negated }, start);
                }
                Err(only) => list.push(only),
            }
        }
        self.node(ExprKind::InList { value, list, negated }, start)
    }
}
