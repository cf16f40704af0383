//! FROM: tables, derived tables and joins.

use sqlparser::tokenizer::{Span, Token};

use super::{LEVELS_OF_QUERY, Parsed, Parser};
use crate::ast::{Body, Item, Join, JoinCondition, JoinKind, Joined, Name, Query, Relation, Select};
use crate::lexical;
use crate::report::Problem;

/// What stood between parentheses in FROM.
enum Parenthesised {
    Query(Query),
    Joined(Joined),
}

impl Parser<'_> {
    pub(super) fn tables_of_from(&mut self) -> Parsed<Vec<Joined>> {
        let mut list = vec![self.joined()?];
        while self.accept_token(&Token::Comma, "`,`") {
            list.push(self.joined()?);
        }
        Ok(list)
    }

    fn joined(&mut self) -> Parsed<Joined> {
        let first = self.relation()?;
        self.joins(first)
    }

    fn joins(&mut self, mut first: Relation) -> Parsed<Joined> {
        let mut joins: Vec<Join> = Vec::new();
        while let Some((kind, natural, span)) = self.join_operator()? {
            // Written flat, a join without a condition would take the next one into it.
            let is_open = |join: &Join| join.condition == JoinCondition::None && join.kind != JoinKind::Cross;
            if joins.last().is_some_and(is_open) {
                first = Relation::Nested(Box::new(Joined { first, joins: std::mem::take(&mut joins) }));
            }
            joins.push(self.join(kind, natural, span)?);
        }
        Ok(Joined { first, joins })
    }

    fn join(&mut self, kind: JoinKind, natural: bool, span: Span) -> Parsed<Join> {
        let mut relation = self.relation()?;
        if natural || kind == JoinKind::Cross {
            if self.is_any_word(0, &["ON", "USING"]) {
                let operator = if natural { "NATURAL" } else { "CROSS" };
                return self.fail(self.span(), format!("a {operator} join takes neither ON nor USING"));
            }
            let condition = if natural { JoinCondition::Natural } else { JoinCondition::None };
            return Ok(Join { kind, relation, condition, span });
        }
        // `a JOIN b JOIN c ON .. ON ..`: the inner join is complete before the outer one's condition.
        if let Some((inner, natural, inner_span)) = self.join_operator()? {
            let join = self.nested(|parser| parser.join(inner, natural, inner_span))?;
            relation = Relation::Nested(Box::new(Joined { first: relation, joins: vec![join] }));
        }
        let condition = if self.accept("ON") {
            JoinCondition::On(self.expression()?)
        } else if self.accept("USING") {
            JoinCondition::Using(self.name_list("column name")?)
        } else {
            // The grammar has the condition in brackets: it may be left out.
            JoinCondition::None
        };
        Ok(Join { kind, relation, condition, span })
    }

    /// The words of a join, if they come next.
    fn join_operator(&mut self) -> Parsed<Option<(JoinKind, bool, Span)>> {
        let start = self.span();
        if self.is_word(0, "CROSS") && self.is_word(1, "JOIN") {
            self.advance();
            self.advance();
            return Ok(Some((JoinKind::Cross, false, self.since(start))));
        }
        let natural = self.accept("NATURAL");
        let kind = if self.accept("INNER") {
            Some(JoinKind::Inner)
        } else if self.accept("LEFT") {
            Some(JoinKind::Left)
        } else if self.accept("RIGHT") {
            Some(JoinKind::Right)
        } else if self.accept("FULL") {
            Some(JoinKind::Full)
        } else {
            None
        };
        if matches!(kind, Some(JoinKind::Left | JoinKind::Right | JoinKind::Full)) {
            self.accept("OUTER");
        }
        if natural || kind.is_some() {
            self.expect("JOIN")?;
        } else if !self.accept("JOIN") {
            return Ok(None);
        }
        Ok(Some((kind.unwrap_or(JoinKind::Inner), natural, self.since(start))))
    }

    fn relation(&mut self) -> Parsed<Relation> {
        let start = self.span();
        if self.peek() == &Token::LParen {
            return match self.parenthesised()? {
                Parenthesised::Query(query) => self.derived(query),
                Parenthesised::Joined(joined) => self.nested_join(joined, start),
            };
        }
        if self.is_word(0, "LATERAL") && self.peek_at(1) == &Token::LParen {
            return self.fail(self.span(), "LATERAL is not part of ADQL");
        }
        self.count_table()?;
        self.could_be("`(`");
        let path = self.path("table name", 3)?;
        if self.peek() == &Token::LParen {
            let span = path.first().map_or(self.span(), |name| name.span).union(&self.previous_span());
            return self.fail(span, "functions cannot stand in FROM; only tables and queries in parentheses can");
        }
        // Before the alias, as in DaCHS, or behind it.
        let before = self.sample()?;
        let alias = self.table_alias()?;
        let sample = if before.is_some() { before } else { self.sample()? };
        let table = Relation::Table { path, alias };
        Ok(match sample {
            Some((percent, span)) => Relation::Sampled { table: Box::new(table), percent, span },
            None => table,
        })
    }

    /// `TABLESAMPLE(percent)`, if it comes next; `BERNOULLI` before the parenthesis says what is meant anyway.
    fn sample(&mut self) -> Parsed<Option<(String, Span)>> {
        let has_method = self.is_any_word(1, &["BERNOULLI", "SYSTEM"]) && self.peek_at(2) == &Token::LParen;
        if !self.is_word(0, "TABLESAMPLE") || !(self.peek_at(1) == &Token::LParen || has_method) {
            return Ok(None);
        }
        self.advance();
        if has_method {
            self.advance();
        }
        self.expect_token(&Token::LParen, "`(`")?;
        let span = self.span();
        let Token::Number(percent, _) = self.peek() else {
            self.could_be("a number of per cent");
            return Err(self.unexpected());
        };
        let percent = percent.clone();
        if !percent.parse::<f64>().is_ok_and(|percent| percent <= 100.0) {
            return self.fail(span, "TABLESAMPLE takes 0 to 100 per cent of the rows");
        }
        self.advance();
        self.expect_close()?;
        Ok(Some((percent, span)))
    }

    /// What has been read in parentheses: with an alias it is a derived table, the query of all columns of the join.
    fn nested_join(&mut self, joined: Joined, start: Span) -> Parsed<Relation> {
        if joined.joins.is_empty() && !matches!(joined.first, Relation::Nested(_)) {
            self.liberty(self.since(start), "parentheses in FROM hold a join or a query in ADQL");
            return Ok(Relation::Nested(Box::new(joined)));
        }
        let Some(alias) = self.table_alias()? else { return Ok(Relation::Nested(Box::new(joined))) };
        let query = Box::new(self.query_of_join(joined, start));
        Ok(Relation::Derived { query, alias: Some(alias) })
    }

    /// A join where the grammar has a query: all its columns.
    fn query_of_join(&mut self, joined: Joined, start: Span) -> Query {
        let select = Select {
            distinct: false,
            top: None,
            items: vec![Item::Star(start)],
            from: vec![joined],
            filter: None,
            group_by: Vec::new(),
            having: None,
            span: start,
        };
        Query {
            with: Vec::new(),
            body: Body::Select(Box::new(select)),
            order_by: Vec::new(),
            limit: None,
            offset: None,
            span: self.since(start),
            // The join may be part of a larger query: what has been seen so far is no less than its own.
            height: self.tallest,
            size: self.count,
        }
    }

    /// Whether a join begins here, as it can in a sub-query's parentheses: a table, and behind it the word of a join.
    pub(super) fn is_join(&self) -> bool {
        let is_name = |ahead: usize| match self.peek_at(ahead) {
            Token::Word(word) => word.quote_style.is_some() || !lexical::is_structural(&word.value),
            _ => false,
        };
        let mut ahead = 0;
        while ahead < 4 && is_name(ahead) && self.peek_at(ahead + 1) == &Token::Period {
            ahead += 2;
        }
        if !is_name(ahead) {
            return false;
        }
        ahead += 1;
        if self.is_word(ahead, "AS") {
            ahead += 1;
        }
        if is_name(ahead) {
            ahead += 1;
        }
        self.is_any_word(ahead, &["NATURAL", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "JOIN"])
            && (self.is_word(ahead, "JOIN") || self.peek_at(ahead + 1) != &Token::LParen)
    }

    /// A query in parentheses, or a join, which is the query of all its columns.
    pub(super) fn subquery(&mut self) -> Parsed<Query> {
        let start = self.span();
        // A pair of parentheses more hides which of both it is.
        if self.peek_at(1) == &Token::LParen {
            return match self.parenthesised()? {
                Parenthesised::Query(query) => Ok(query),
                Parenthesised::Joined(joined) if is_join(&joined) => Ok(self.query_of_join(joined, start)),
                Parenthesised::Joined(_) => {
                    Err(Box::new(Problem::new(self.since(start), "a query must stand here").expecting(["SELECT"])))
                }
            };
        }
        self.expect_token(&Token::LParen, "`(`")?;
        let query = if self.is_join() { self.join_as_query()? } else { self.query()? };
        self.expect_close()?;
        Ok(query)
    }

    /// A join in a sub-query's parentheses, up to the closing one.
    pub(super) fn join_as_query(&mut self) -> Parsed<Query> {
        self.nested_by(LEVELS_OF_QUERY, |parser| {
            let start = parser.span();
            let joined = parser.joined()?;
            Ok(parser.query_of_join(joined, start))
        })
    }

    fn table_alias(&mut self) -> Parsed<Option<Name>> {
        let alias = if self.accept("AS") { Some(self.name("table alias")?) } else { self.implicit_alias()? };
        if alias.is_some() && self.peek() == &Token::LParen {
            return Err(Box::new(
                Problem::new(self.span(), "a table alias has no column list in ADQL")
                    .expecting(["aliases in the select list"]),
            ));
        }
        Ok(alias)
    }

    fn derived(&mut self, query: Query) -> Parsed<Relation> {
        let alias = self.table_alias()?;
        if alias.is_none() {
            self.liberty(query.span, "a query in FROM needs an alias in ADQL");
        }
        Ok(Relation::Derived { query: Box::new(query), alias })
    }

    /// A query or a join in parentheses. Which of them it is shows, at the latest, behind its first part.
    fn parenthesised(&mut self) -> Parsed<Parenthesised> {
        self.nested(|parser| {
            parser.expect_token(&Token::LParen, "`(`")?;
            let inside = if parser.is_query(0) {
                Parenthesised::Query(parser.query()?)
            } else if parser.peek() == &Token::LParen {
                let start = parser.span();
                match parser.parenthesised()? {
                    Parenthesised::Query(query) if parser.continues_query() => {
                        Parenthesised::Query(parser.query_from(query)?)
                    }
                    Parenthesised::Query(query) if parser.peek() == &Token::RParen => Parenthesised::Query(query),
                    Parenthesised::Query(query) => {
                        let first = parser.derived(query)?;
                        Parenthesised::Joined(parser.joins(first)?)
                    }
                    Parenthesised::Joined(joined) => {
                        let first = parser.nested_join(joined, start)?;
                        Parenthesised::Joined(parser.joins(first)?)
                    }
                }
            } else {
                Parenthesised::Joined(parser.joined()?)
            };
            parser.expect_close()?;
            Ok(inside)
        })
    }
}

/// Whether there is a join in it, and not just a table in parentheses.
fn is_join(joined: &Joined) -> bool {
    !joined.joins.is_empty() || matches!(&joined.first, Relation::Nested(inner) if is_join(inner))
}
