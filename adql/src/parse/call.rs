//! Function calls, with windows, and the functions that have words between their arguments.

use sqlparser::tokenizer::{Span, Token};

use super::{Parsed, Parser};
use crate::ast::{Call, Expr, ExprKind, Frame, FrameBound, FrameUnit, Name, Window};

impl Parser<'_> {
    pub(super) fn call(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let name = self.any_word()?;
        self.expect_token(&Token::LParen, "`(`")?;
        let special = match name.text.to_ascii_uppercase().as_str() {
            "EXTRACT" => self.extract()?,
            "TRIM" => self.trim(&name)?,
            "SUBSTRING" => self.substring()?,
            "POSITION" => self.position()?,
            _ => None,
        };
        let mut call = Call { name, star: false, distinct: false, arguments: Vec::new(), over: None };
        if let Some((name, arguments)) = special {
            call.name.text = name.unwrap_or(call.name.text);
            call.arguments = arguments;
        } else if self.skip(&Token::Mul) {
            call.star = true;
        } else if self.peek() != &Token::RParen {
            call.distinct = self.is_word(0, "DISTINCT");
            if self.is_any_word(0, &["DISTINCT", "ALL"]) {
                self.advance();
            }
            call.arguments = if self.is_query(0) { vec![self.bare_subquery()?] } else { self.expressions()? };
        }
        self.could_be("`,`");
        self.expect_close()?;
        if self.is_word(0, "WITHIN") && self.is_word(1, "GROUP") {
            return self.fail(self.span(), "WITHIN GROUP is not answered by this version");
        }
        if self.is_word(0, "FILTER") && self.peek_at(1) == &Token::LParen {
            return self.fail(self.span(), "FILTER is not part of ADQL; use CASE inside the aggregate");
        }
        call.over = self.window()?;
        if call.over.is_some() {
            return self.node(ExprKind::Call(Box::new(call)), start);
        }
        self.in_adql(call, start)
    }

    /// `f(SELECT ..)`: a scalar query whose own parentheses were left out.
    fn bare_subquery(&mut self) -> Parsed<Expr> {
        let start = self.span();
        self.liberty(start, "a query as an argument needs parentheses of its own");
        let query = self.query()?;
        self.node(ExprKind::Scalar(Box::new(query)), start)
    }

    /// `field FROM value`; becomes the arguments `'field', value`.
    fn extract(&mut self) -> Parsed<Option<(Option<String>, Vec<Expr>)>> {
        let start = self.span();
        let Some(field) = self.word_at(0) else { return Ok(None) };
        if !self.is_word(1, "FROM") {
            return Ok(None);
        }
        self.advance();
        let field = self.node(ExprKind::Text(field.to_ascii_lowercase()), start)?;
        self.expect("FROM")?;
        let value = self.expression()?;
        Ok(Some((None, vec![field, value])))
    }

    /// `[LEADING | TRAILING | BOTH] [text] FROM value`, or plain arguments.
    fn trim(&mut self, name: &Name) -> Parsed<Option<(Option<String>, Vec<Expr>)>> {
        let side = match self.word_at(0).map(str::to_ascii_uppercase).as_deref() {
            Some("LEADING") => Some("LTRIM"),
            Some("TRAILING") => Some("RTRIM"),
            Some("BOTH") => Some("TRIM"),
            _ => None,
        };
        if side.is_some() {
            self.advance();
        }
        let function = side.map_or_else(|| name.text.clone(), str::to_owned);
        if side.is_some() && self.accept("FROM") {
            return Ok(Some((Some(function), vec![self.expression()?])));
        }
        let first = self.expression()?;
        if self.accept("FROM") {
            let value = self.expression()?;
            return Ok(Some((Some(function), vec![value, first])));
        }
        let mut arguments = vec![first];
        while side.is_none() && self.accept_token(&Token::Comma, "`,`") {
            arguments.push(self.expression()?);
        }
        Ok(Some((Some(function), arguments)))
    }

    /// `value FROM start [FOR length]`, or plain arguments.
    fn substring(&mut self) -> Parsed<Option<(Option<String>, Vec<Expr>)>> {
        let mut arguments = vec![self.expression()?];
        if self.accept("FROM") {
            arguments.push(self.expression()?);
            if self.accept("FOR") {
                arguments.push(self.expression()?);
            }
        } else {
            while self.accept_token(&Token::Comma, "`,`") {
                arguments.push(self.expression()?);
            }
        }
        Ok(Some((None, arguments)))
    }

    /// `part IN whole`; becomes the arguments `whole, part`.
    fn position(&mut self) -> Parsed<Option<(Option<String>, Vec<Expr>)>> {
        let part = self.ranked(super::expression::rank::PREDICATE + 1)?;
        if self.accept("IN") {
            let whole = self.expression()?;
            return Ok(Some((None, vec![whole, part])));
        }
        self.expect_token(&Token::Comma, "`,`")?;
        let whole = self.expression()?;
        Ok(Some((None, vec![whole, part])))
    }

    fn window(&mut self) -> Parsed<Option<Window>> {
        let start = self.span();
        if !self.is_word(0, "OVER") {
            return Ok(None);
        }
        if self.peek_at(1) != &Token::LParen {
            // `SELECT count(*) over FROM ..`: an alias, unless a window's name follows.
            if matches!(self.peek_at(1), Token::Word(_)) && !self.is_any_word(1, &["FROM"]) {
                return self.fail(start, "named windows are not part of ADQL; write OVER ( .. )");
            }
            return Ok(None);
        }
        self.advance();
        self.advance();
        let mut partition_by = Vec::new();
        if self.is_word(0, "PARTITION") {
            self.advance();
            self.expect("BY")?;
            partition_by = self.expressions()?;
        }
        let mut order_by = Vec::new();
        if self.accept("ORDER") {
            self.expect("BY")?;
            order_by = self.order_items()?;
        }
        let frame = self.frame()?;
        self.expect_close()?;
        Ok(Some(Window { partition_by, order_by, frame, span: self.since(start) }))
    }

    fn frame(&mut self) -> Parsed<Option<Frame>> {
        let unit = match self.word_at(0).map(str::to_ascii_uppercase).as_deref() {
            Some("ROWS") => FrameUnit::Rows,
            Some("RANGE") => FrameUnit::Range,
            Some("GROUPS") => FrameUnit::Groups,
            _ => return Ok(None),
        };
        self.advance();
        if !self.accept("BETWEEN") {
            let start = self.frame_bound()?;
            return Ok(Some(Frame { unit, start, end: None }));
        }
        let start = self.frame_bound()?;
        self.expect("AND")?;
        let end = self.frame_bound()?;
        Ok(Some(Frame { unit, start, end: Some(end) }))
    }

    fn frame_bound(&mut self) -> Parsed<FrameBound> {
        if self.accept("CURRENT") {
            self.expect("ROW")?;
            return Ok(FrameBound::CurrentRow);
        }
        let rows = if self.accept("UNBOUNDED") { None } else { Some(self.count("a window bound")?) };
        if self.accept("PRECEDING") {
            Ok(FrameBound::Preceding(rows))
        } else {
            self.expect("FOLLOWING")?;
            Ok(FrameBound::Following(rows))
        }
    }
}

/// The span of a call's name and arguments, for faults about the call as a whole.
impl Call {
    pub(crate) fn span(&self) -> Span {
        self.name.span
    }
}
