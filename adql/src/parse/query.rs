//! Queries: WITH, SELECT, set operations, ORDER BY, OFFSET.

use sqlparser::tokenizer::{Span, Token};

use super::resume::Clause;
use super::{LEVELS_OF_QUERY, Parsed, Parser};
use crate::ast::{Body, CommonTable, Count, Expr, Item, Name, OrderItem, Query, Select, SetLink, SetOperator};
use crate::lexical;

/// Words that continue a query behind a finished part of it.
const CONTINUATIONS: &[&str] = &["UNION", "EXCEPT", "INTERSECT", "ORDER", "OFFSET", "LIMIT", "FETCH"];

/// Most set operations of one query: each makes the engine's tree and plan one level deeper.
const MAX_SET_OPERATIONS: usize = 100;

fn operations(first: Body, links: Vec<SetLink>) -> Body {
    if links.is_empty() { first } else { Body::Operations { first: Box::new(first), links } }
}

impl Parser<'_> {
    /// Whether a query begins `ahead` tokens from here.
    pub(super) fn is_query(&self, ahead: usize) -> bool {
        self.is_any_word(ahead, &["SELECT", "WITH"])
    }

    /// Whether what comes next goes on with a query in parentheses that has just ended.
    pub(super) fn continues_query(&self) -> bool {
        self.is_any_word(0, CONTINUATIONS) || self.is_minus()
    }

    /// Whether `MINUS SELECT`, EXCEPT as one dialect calls it, comes next.
    fn is_minus(&self) -> bool {
        self.is_word(0, "MINUS") && (self.is_query(1) || self.peek_at(1) == &Token::LParen && self.is_query(2))
    }

    /// A query with all that belongs to it.
    pub(super) fn query(&mut self) -> Parsed<Query> {
        self.nested_by(LEVELS_OF_QUERY, |parser| {
            let start = parser.span();
            let outside = (std::mem::take(&mut parser.tallest), std::mem::take(&mut parser.count));
            let with = parser.common_tables()?;
            let first = parser.set_primary()?;
            parser.rest_of_query(with, first, start, outside)
        })
    }

    /// A query of which the first part, in parentheses, has been read already.
    pub(super) fn query_from(&mut self, first: Query) -> Parsed<Query> {
        let start = first.span;
        let outside = (self.tallest, self.count);
        (self.tallest, self.count) = (first.height, first.size);
        self.rest_of_query(Vec::new(), Body::Query(Box::new(first)), start, outside)
    }

    fn rest_of_query(
        &mut self,
        with: Vec<CommonTable>,
        first: Body,
        start: Span,
        outside: (u32, u32),
    ) -> Parsed<Query> {
        let body = self.set_expression(first)?;
        let order_by = if self.accept("ORDER") {
            let behind = self.at + usize::from(self.is_word(0, "BY"));
            let items = self.clause(Clause::OrderBy, |parser| {
                parser.expect("BY")?;
                parser.order_items()
            })?;
            // Where NULLs stand can be said in a window only, which is an extension as a whole.
            if items.iter().any(|item| item.nulls_first.is_some()) {
                let span = self.tokens.get(behind).map_or(self.previous_span(), |token| token.span);
                self.liberty(self.since(span), "ORDER BY takes no NULLS FIRST or NULLS LAST in ADQL");
            }
            items
        } else {
            Vec::new()
        };
        let (limit, offset) = self.bounds()?;
        let (height, size) = (self.tallest, self.count);
        self.tallest = outside.0.max(height);
        self.count = outside.1.saturating_add(size);
        Ok(Query { with, body, order_by, limit, offset, span: self.since(start), height, size })
    }

    /// OFFSET, and LIMIT as it stands in other dialects, each at most once.
    fn bounds(&mut self) -> Parsed<(Option<Count>, Option<Count>)> {
        let (mut limit, mut offset) = (None, None);
        loop {
            let start = self.span();
            if offset.is_none() && self.accept("OFFSET") {
                let rows = self.count("OFFSET")?;
                offset = Some(Count { rows, span: self.since(start) });
                if self.is_any_word(0, &["ROW", "ROWS"]) {
                    self.liberty(self.span(), "OFFSET takes the number alone in ADQL");
                    self.advance();
                }
            } else if limit.is_none() && self.is_word(0, "LIMIT") {
                self.advance();
                let rows = self.count("LIMIT")?;
                limit = Some(Count { rows, span: self.since(start) });
                if offset.is_none() && self.skip(&Token::Comma) {
                    // `LIMIT skipped, rows`.
                    offset = limit;
                    let rows = self.count("LIMIT")?;
                    limit = Some(Count { rows, span: self.since(start) });
                    self.liberty(self.since(start), "LIMIT takes one number; write LIMIT n OFFSET m");
                }
            } else if limit.is_none() && self.is_word(0, "FETCH") {
                let rows = self.fetch()?;
                limit = Some(Count { rows, span: self.since(start) });
            } else {
                return Ok((limit, offset));
            }
        }
    }

    /// `FETCH FIRST n ROWS ONLY`.
    fn fetch(&mut self) -> Parsed<u64> {
        self.liberty(self.span(), "FETCH is not part of ADQL; write TOP n behind SELECT");
        self.advance();
        if !self.accept("FIRST") {
            self.expect("NEXT")?;
        }
        let rows = if self.is_any_word(0, &["ROW", "ROWS"]) { 1 } else { self.count("FETCH")? };
        if !self.accept("ROW") {
            self.expect("ROWS")?;
        }
        self.expect("ONLY")?;
        Ok(rows)
    }

    fn common_tables(&mut self) -> Parsed<Vec<CommonTable>> {
        let mut tables = Vec::new();
        if !self.accept("WITH") {
            return Ok(tables);
        }
        if self.is_word(0, "RECURSIVE") && !self.is_word(1, "AS") {
            return self.fail(self.span(), "recursive queries are not part of ADQL");
        }
        loop {
            let name = self.name("query name")?;
            let columns = if self.peek() == &Token::LParen {
                self.liberty(self.span(), "a query of WITH lists no columns in ADQL; give aliases in its select list");
                self.name_list("column name")?
            } else {
                Vec::new()
            };
            self.expect("AS")?;
            self.expect_token(&Token::LParen, "`(`")?;
            let query = self.query()?;
            self.expect_close()?;
            self.count_table()?;
            tables.push(CommonTable { name, columns, query });
            if !self.accept_token(&Token::Comma, "`,`") {
                return Ok(tables);
            }
        }
    }

    /// UNION and EXCEPT from left to right; INTERSECT binds tighter.
    fn set_expression(&mut self, first: Body) -> Parsed<Body> {
        let first = self.intersections(first)?;
        let mut links = Vec::new();
        loop {
            let span = self.span();
            let operator = if self.accept("UNION") {
                SetOperator::Union
            } else if self.accept("EXCEPT") {
                SetOperator::Except
            } else if self.is_minus() {
                self.liberty(span, "the difference of two queries is called EXCEPT in ADQL");
                self.advance();
                SetOperator::Except
            } else {
                return Ok(operations(first, links));
            };
            self.count_set_operation(span)?;
            let all = self.set_quantifier();
            let right = self.set_primary()?;
            let right = self.intersections(right)?;
            links.push(SetLink { operator, all, span, right });
        }
    }

    fn intersections(&mut self, first: Body) -> Parsed<Body> {
        let mut links = Vec::new();
        loop {
            let span = self.span();
            if !self.accept("INTERSECT") {
                return Ok(operations(first, links));
            }
            self.count_set_operation(span)?;
            let all = self.set_quantifier();
            let right = self.set_primary()?;
            links.push(SetLink { operator: SetOperator::Intersect, all, span, right });
        }
    }

    fn count_set_operation(&mut self, span: Span) -> Parsed<()> {
        self.set_operations += 1;
        if self.set_operations > MAX_SET_OPERATIONS {
            return self.give_up(span, format!("a query has at most {MAX_SET_OPERATIONS} set operations"));
        }
        Ok(())
    }

    fn set_quantifier(&mut self) -> bool {
        if self.accept("ALL") {
            return true;
        }
        if self.is_word(0, "DISTINCT") {
            self.liberty(self.span(), "UNION, EXCEPT and INTERSECT take no DISTINCT in ADQL: they are distinct");
            self.advance();
        }
        false
    }

    fn set_primary(&mut self) -> Parsed<Body> {
        if self.is_word(0, "SELECT") {
            return Ok(Body::Select(Box::new(self.select()?)));
        }
        if self.is_word(0, "WITH") {
            return self.fail(self.span(), "WITH can only stand in front of the whole query");
        }
        self.could_be("SELECT");
        self.expect_token(&Token::LParen, "`(`")?;
        let query = self.query()?;
        self.expect_close()?;
        Ok(Body::Query(Box::new(query)))
    }

    fn select(&mut self) -> Parsed<Select> {
        let span = self.span();
        self.expect("SELECT")?;
        let (distinct, top, items) = self.clause(Clause::Select, Self::list)?;
        if self.is_word(0, "INTO") {
            return self.fail(self.span(), "SELECT INTO is not accepted: queries do not change tables");
        }
        let from = if self.accept("FROM") {
            self.clause(Clause::From, Self::tables_of_from)?
        } else {
            self.liberty(span, "a query needs FROM in ADQL");
            Vec::new()
        };
        let filter = if self.accept("WHERE") {
            self.clause(Clause::Where, |parser| parser.expression().map(Some))?
        } else {
            None
        };
        let group_by = if self.accept("GROUP") {
            self.clause(Clause::GroupBy, |parser| {
                parser.expect("BY")?;
                parser.expressions()
            })?
        } else {
            Vec::new()
        };
        let having = if self.accept("HAVING") {
            self.clause(Clause::Having, |parser| parser.expression().map(Some))?
        } else {
            None
        };
        Ok(Select { distinct, top, items, from, filter, group_by, having, span })
    }

    /// DISTINCT, TOP and the select list.
    fn list(&mut self) -> Parsed<(bool, Option<Count>, Vec<Item>)> {
        let mut distinct = self.accept("DISTINCT");
        let mut quantified = distinct || self.accept("ALL");
        let top = self.top()?;
        if top.is_some() && !quantified && self.is_any_word(0, &["DISTINCT", "ALL"]) {
            self.liberty(self.span(), "DISTINCT and ALL stand before TOP in ADQL");
            distinct = self.is_word(0, "DISTINCT");
            quantified = true;
            self.advance();
        }
        if distinct && self.is_word(0, "ON") && self.peek_at(1) == &Token::LParen {
            return self.fail(self.span(), "DISTINCT ON is not part of ADQL");
        }
        if quantified && self.is_any_word(0, &["DISTINCT", "ALL"]) {
            return self.fail(self.span(), "DISTINCT or ALL can be given once");
        }
        Ok((distinct, top, self.items()?))
    }

    fn top(&mut self) -> Parsed<Option<Count>> {
        let span = self.span();
        if !self.accept("TOP") {
            return Ok(None);
        }
        let parenthesised = matches!(
            (self.peek(), self.peek_at(1), self.peek_at(2)),
            (Token::LParen, Token::Number(..), Token::RParen)
        );
        if parenthesised {
            self.liberty(self.span(), "TOP takes the number without parentheses in ADQL");
            self.advance();
        }
        let rows = self.count("TOP")?;
        if parenthesised {
            self.expect_close()?;
        }
        Ok(Some(Count { rows, span: self.since(span) }))
    }

    fn items(&mut self) -> Parsed<Vec<Item>> {
        let mut items = vec![self.item()?];
        while self.accept_token(&Token::Comma, "`,`") {
            items.push(self.item()?);
        }
        Ok(items)
    }

    fn item(&mut self) -> Parsed<Item> {
        let start = self.span();
        if self.skip(&Token::Mul) {
            return Ok(Item::Star(start));
        }
        if self.is_table_star() {
            let mut path = vec![self.any_word()?];
            while self.skip(&Token::Period) && !self.skip(&Token::Mul) {
                path.push(self.any_word()?);
            }
            if path.len() > 3 {
                return self.fail(self.since(start), "a table name has at most 3 names joined by points");
            }
            return Ok(Item::TableStar(path, self.since(start)));
        }
        self.could_be("`*`");
        let expr = self.expression()?;
        let alias = if self.accept("AS") {
            // `AS from FROM t` has an alias, `AS FROM t` has none.
            let followed = self.peek_at(1) == &Token::Comma || self.is_word(1, "FROM");
            match self.peek() {
                Token::Word(_) if !followed && self.clause_at(self.at) == Some(Clause::From) => {
                    self.could_be("column name");
                    return Err(self.unexpected());
                }
                Token::Word(_) => Some(self.any_word()?),
                Token::SingleQuotedString(text) if !text.is_empty() => {
                    let span = self.span();
                    self.liberty(span, "an alias stands in double quotes, single quotes make a text");
                    self.advance();
                    Some(Name { text: text.clone(), quoted: true, span })
                }
                _ => Some(self.name("column name")?),
            }
        } else {
            self.implicit_alias()?
        };
        Ok(Item::Expr { expr, alias })
    }

    /// Whether `name.name.*` comes next.
    fn is_table_star(&self) -> bool {
        let mut ahead = 0;
        while matches!(self.peek_at(ahead), Token::Word(_)) && self.peek_at(ahead + 1) == &Token::Period {
            ahead += 2;
        }
        ahead > 0 && self.peek_at(ahead) == &Token::Mul
    }

    /// An alias without AS: any name that neither is reserved nor begins a clause of an extension.
    pub(super) fn implicit_alias(&mut self) -> Parsed<Option<Name>> {
        match self.peek() {
            Token::Word(word) if word.quote_style.is_some() => self.any_word().map(Some),
            Token::Word(word) if lexical::is_reserved(&word.value) => Ok(None),
            Token::Word(_) if self.begins_extension() => Ok(None),
            Token::Word(_) => self.any_word().map(Some),
            _ => Ok(None),
        }
    }

    /// Words that ADQL does not reserve, but that begin a clause in the dialects that users come from.
    fn begins_extension(&self) -> bool {
        if self.is_minus() {
            return true;
        }
        match self.peek_at(1) {
            Token::Number(..) => self.is_word(0, "LIMIT"),
            Token::LParen => self.is_any_word(0, &["TABLESAMPLE", "OVER", "FILTER"]),
            Token::Word(_) if self.is_any_word(1, &["BERNOULLI", "SYSTEM"]) => self.is_word(0, "TABLESAMPLE"),
            _ => false,
        }
    }

    pub(super) fn order_items(&mut self) -> Parsed<Vec<OrderItem>> {
        let mut items = vec![self.order_item()?];
        while self.accept_token(&Token::Comma, "`,`") {
            items.push(self.order_item()?);
        }
        Ok(items)
    }

    fn order_item(&mut self) -> Parsed<OrderItem> {
        let expr = self.expression()?;
        let descending = if self.accept("ASC") {
            Some(false)
        } else if self.accept("DESC") {
            Some(true)
        } else {
            None
        };
        let nulls_first = if self.is_word(0, "NULLS") && self.is_any_word(1, &["FIRST", "LAST"]) {
            let first = self.is_word(1, "FIRST");
            self.advance();
            self.advance();
            Some(first)
        } else {
            None
        };
        Ok(OrderItem { expr, descending, nulls_first })
    }

    pub(super) fn expressions(&mut self) -> Parsed<Vec<Expr>> {
        let mut expressions = vec![self.expression()?];
        while self.accept_token(&Token::Comma, "`,`") {
            expressions.push(self.expression()?);
        }
        Ok(expressions)
    }
}
