//! Expressions, by the ranks of their operators.

use sqlparser::tokenizer::{Span, Token};

use super::{Parsed, Parser};
use crate::ast::{CastTarget, Expr, ExprKind, Operator, Query};
use crate::lexical;
use crate::report::Problem;

/// The ranks of operators, weakest first; an operator takes operands of a higher rank. Those of bits are MySQL's and
/// MariaDB's: PostgreSQL, whose `^` is a power, has that one in the same place.
pub(super) mod rank {
    pub(crate) const OR: u8 = 1;
    pub(crate) const AND: u8 = 2;
    pub(crate) const NOT: u8 = 3;
    pub(crate) const PREDICATE: u8 = 4;
    pub(crate) const BIT_OR: u8 = 5;
    pub(crate) const BIT_AND: u8 = 6;
    pub(crate) const SHIFT: u8 = 7;
    pub(crate) const SUM: u8 = 8;
    pub(crate) const PRODUCT: u8 = 9;
    pub(crate) const BIT_XOR: u8 = 10;
    pub(crate) const SIGN: u8 = 11;
}

impl Parser<'_> {
    /// Any expression or condition.
    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.ranked(rank::OR)
    }

    /// An expression of operators of at least this rank.
    pub(super) fn ranked(&mut self, lowest: u8) -> Parsed<Expr> {
        let mut left = self.nested(Self::prefixed)?;
        loop {
            if lowest <= rank::PREDICATE
                && let Some(negated) = self.begins_predicate()
            {
                left = self.nested(|parser| parser.predicate(left, negated))?;
                if self.begins_predicate().is_some() {
                    return self.fail(
                        self.span(),
                        "comparisons cannot follow each other; join them with AND or use parentheses",
                    );
                }
            } else if let Some((operator, its_rank)) = self.arithmetic_operator()
                && lowest <= its_rank
            {
                if self.is_word(0, "MOD") {
                    self.liberty(
                        self.span(),
                        "MOD stands in front of its arguments in ADQL: MOD(x, y); or write x % y",
                    );
                }
                self.advance();
                let right = self.ranked(its_rank + 1)?;
                let start = left.span;
                let kind = ExprKind::Binary { left: Box::new(left), operator, right: Box::new(right) };
                left = self.node(kind, start)?;
            } else if lowest <= rank::AND && (self.is_word(0, "AND") || self.peek() == &Token::Overlap) {
                left = self.terms(left, "AND", rank::AND + 1, ExprKind::And)?;
            } else if lowest <= rank::OR && self.is_word(0, "OR") {
                left = self.terms(left, "OR", rank::OR + 1, ExprKind::Or)?;
            } else {
                self.hint_operators(lowest);
                return Ok(left);
            }
        }
    }

    /// All terms of a chain of AND or OR, as one node.
    fn terms(&mut self, first: Expr, word: &'static str, rank: u8, make: fn(Vec<Expr>) -> ExprKind) -> Parsed<Expr> {
        let start = first.span;
        let mut terms = vec![first];
        loop {
            if rank == rank::AND + 1 && self.peek() == &Token::Overlap {
                self.liberty(self.span(), "`&&` is written AND in ADQL");
                self.advance();
            } else if !self.accept(word) {
                break;
            }
            terms.push(self.ranked(rank)?);
        }
        self.node(make(terms), start)
    }

    fn hint_operators(&mut self, lowest: u8) {
        if lowest <= rank::OR {
            self.could_be("an operator");
        }
    }

    fn arithmetic_operator(&self) -> Option<(Operator, u8)> {
        Some(match self.peek() {
            Token::Plus => (Operator::Add, rank::SUM),
            Token::Minus => (Operator::Subtract, rank::SUM),
            Token::StringConcat => (Operator::Concatenate, rank::SUM),
            Token::Mul => (Operator::Multiply, rank::PRODUCT),
            Token::Div => (Operator::Divide, rank::PRODUCT),
            Token::Mod => (Operator::Modulo, rank::PRODUCT),
            Token::Ampersand => (Operator::BitAnd, rank::BIT_AND),
            Token::Pipe => (Operator::BitOr, rank::BIT_OR),
            Token::Caret => (Operator::BitXor, rank::BIT_XOR),
            Token::ShiftLeft => (Operator::ShiftLeft, rank::SHIFT),
            Token::ShiftRight => (Operator::ShiftRight, rank::SHIFT),
            // DIV is no reserved word: it is the operator only where an operand follows, which no alias has behind it.
            Token::Word(_) if self.is_word(0, "DIV") && self.begins_operand(1) => {
                (Operator::IntegerDivide, rank::PRODUCT)
            }
            Token::Word(_) if self.is_word(0, "MOD") && self.begins_operand(1) => (Operator::Modulo, rank::PRODUCT),
            _ => return None,
        })
    }

    fn begins_operand(&self, ahead: usize) -> bool {
        const WORDS: &[&str] = &["CASE", "CAST", "EXISTS", "FALSE", "NOT", "NULL", "TRUE"];
        match self.peek_at(ahead) {
            Token::Number(..) | Token::HexStringLiteral(_) | Token::SingleQuotedString(_) | Token::LParen => true,
            Token::Plus | Token::Minus | Token::Tilde => true,
            Token::Word(word) => {
                word.quote_style.is_some()
                    || !lexical::is_structural(&word.value)
                    || WORDS.iter().any(|other| other.eq_ignore_ascii_case(&word.value))
            }
            _ => false,
        }
    }

    /// A sign, a NOT, or an operand.
    fn prefixed(&mut self) -> Parsed<Expr> {
        let start = self.span();
        if self.is_word(0, "NOT") {
            self.advance();
            if self.is_word(0, "NOT") {
                self.liberty(self.span(), "NOT cannot follow NOT in ADQL; put the second one into parentheses");
            }
            let operand = self.ranked(rank::NOT)?;
            return self.node(ExprKind::Not(Box::new(operand)), start);
        }
        let minus = match self.peek() {
            Token::Plus => false,
            Token::Minus => true,
            Token::Tilde => {
                self.advance();
                let operand = self.ranked(rank::SIGN)?;
                return self.node(ExprKind::BitNot(Box::new(operand)), start);
            }
            _ => return self.converted(),
        };
        self.advance();
        if matches!(self.peek(), Token::Plus | Token::Minus) {
            self.liberty(self.span(), "a sign cannot follow a sign in ADQL; put the second one into parentheses");
        }
        let operand = self.ranked(rank::SIGN)?;
        self.node(ExprKind::Sign { minus, operand: Box::new(operand) }, start)
    }

    /// An operand, and the type that `::` makes of it.
    fn converted(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let mut operand = self.primary()?;
        while self.peek() == &Token::DoubleColon {
            self.liberty(self.span(), "a type is changed with CAST(.. AS ..) in ADQL");
            self.advance();
            let (target, target_span) = self.cast_target()?;
            operand = self.node(ExprKind::Cast { operand: Box::new(operand), target, target_span }, start)?;
        }
        Ok(operand)
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let start = self.span();
        match self.peek() {
            Token::Number(number, _) => {
                self.advance();
                self.node(ExprKind::Number(number.clone()), start)
            }
            Token::SingleQuotedString(text) => {
                self.advance();
                if self.peek() == &Token::Period {
                    return self
                        .fail(start, "a name stands without quotes or in double quotes; single quotes make a text");
                }
                self.node(ExprKind::Text(text.clone()), start)
            }
            Token::NationalStringLiteral(text) => {
                self.liberty(start, "a text has no letter before its quotes in ADQL");
                self.advance();
                self.node(ExprKind::Text(text.clone()), start)
            }
            // `X'1F'` is the same token, and longer.
            Token::HexStringLiteral(digits)
                if start.end.column.saturating_sub(start.start.column) == digits.len() as u64 + 2 =>
            {
                match u64::from_str_radix(digits, 16) {
                    Ok(number) => {
                        self.liberty(start, format!("numerals are decimal in ADQL: {number}"));
                        self.advance();
                        self.node(ExprKind::Number(number.to_string()), start)
                    }
                    Err(_) => self.fail(start, "a hexadecimal numeral has 1 to 16 digits, and ADQL has none at all"),
                }
            }
            Token::Placeholder(mark) if mark == "?" && self.parameters.is_some() => {
                let number = self.parameters.unwrap_or_default();
                self.parameters = Some(number + 1);
                self.advance();
                self.node(ExprKind::Parameter(number), start)
            }
            Token::LParen => self.parenthesised_expression(),
            Token::Word(word) if word.quote_style.is_none() => self.word_expression(&word.value),
            Token::Word(_) => self.column(),
            _ => {
                self.could_be("a value, a column or a function");
                Err(self.unexpected())
            }
        }
    }

    /// An operand that begins with an unquoted word.
    fn word_expression(&mut self, word: &str) -> Parsed<Expr> {
        let start = self.span();
        let constant = match word.to_ascii_uppercase().as_str() {
            "NULL" => Some(ExprKind::Null),
            "TRUE" => Some(ExprKind::Boolean(true)),
            "FALSE" => Some(ExprKind::Boolean(false)),
            _ => None,
        };
        if let Some(constant) = constant {
            self.advance();
            return self.node(constant, start);
        }
        if self.is_word(0, "CASE") {
            return self.case();
        }
        if self.is_word(0, "CAST") {
            return self.cast();
        }
        if self.is_word(0, "EXISTS") {
            self.advance();
            let query = self.subquery()?;
            return self.node(ExprKind::Exists(Box::new(query)), start);
        }
        if self.is_any_word(0, &["LEFT", "RIGHT"]) && self.peek_at(1) == &Token::LParen {
            return self.call();
        }
        if lexical::is_structural(word) {
            self.could_be("a value, a column or a function");
            let mut problem = self.unexpected();
            let frame = self.is_any_word(0, &["FROM", "WHERE", "AND", "OR", "THEN", "ELSE", "END"]);
            if !frame && self.clause_at(self.at).is_none() {
                problem.message = format!("{} is a reserved word and cannot stand here", word.to_ascii_uppercase());
                problem.suggestions = vec![format!("\"{word}\"")];
            }
            return Err(problem);
        }
        if self.peek_at(1) == &Token::LParen {
            return self.call();
        }
        if matches!(self.peek_at(1), Token::SingleQuotedString(_)) {
            return self.typed_text();
        }
        if self.is_word(0, "CURRENT_TIMESTAMP") && self.peek_at(1) != &Token::Period {
            self.advance();
            return self.now(start);
        }
        self.column()
    }

    fn column(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let path = self.path("column name", 4)?;
        if self.peek() == &Token::LParen {
            return self.fail(self.since(start), "the name of a function is one word, without quotes or points");
        }
        self.node(ExprKind::Column(path), start)
    }

    /// `TIMESTAMP '...'`: a CAST in other words.
    fn typed_text(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let target = match self.word_at(0) {
            Some(word) if word.eq_ignore_ascii_case("TIMESTAMP") => CastTarget::Timestamp,
            Some(word) if word.eq_ignore_ascii_case("DATE") => CastTarget::Date,
            _ => {
                return self.fail(start, "a word cannot stand before a text");
            }
        };
        self.liberty(start, "a typed text is no ADQL; write CAST('...' AS TIMESTAMP)");
        self.advance();
        let operand = self.primary()?;
        self.node(ExprKind::Cast { operand: Box::new(operand), target, target_span: start }, start)
    }

    fn parenthesised_expression(&mut self) -> Parsed<Expr> {
        let start = self.span();
        self.expect_token(&Token::LParen, "`(`")?;
        let kind = if self.is_query(0) {
            ExprKind::Scalar(Box::new(self.query()?))
        } else {
            let inside = self.expression()?;
            match self.query_behind(inside)? {
                Ok(query) => ExprKind::Scalar(Box::new(query)),
                Err(inside) => {
                    if self.peek() == &Token::Comma {
                        return self.fail(self.span(), "a list of values in parentheses can only stand behind IN");
                    }
                    ExprKind::Nested(Box::new(inside))
                }
            }
        };
        self.expect_close()?;
        self.node(kind, start)
    }

    /// If `inside` is a query in parentheses and goes on as one (`(SELECT ..) UNION ..`): the whole query.
    pub(super) fn query_behind(&mut self, inside: Expr) -> Parsed<Result<Query, Expr>> {
        if !self.continues_query() {
            return Ok(Err(inside));
        }
        match into_query(inside) {
            Ok(query) => Ok(Ok(self.query_from(query)?)),
            Err(inside) => Ok(Err(inside)),
        }
    }

    fn case(&mut self) -> Parsed<Expr> {
        let start = self.span();
        self.expect("CASE")?;
        let operand = if self.is_word(0, "WHEN") { None } else { Some(Box::new(self.expression()?)) };
        let mut branches = Vec::new();
        while self.accept("WHEN") {
            let condition = self.expression()?;
            self.expect("THEN")?;
            branches.push((condition, self.expression()?));
        }
        if branches.is_empty() {
            return Err(self.unexpected());
        }
        let otherwise = if self.accept("ELSE") { Some(Box::new(self.expression()?)) } else { None };
        self.expect("END")?;
        self.node(ExprKind::Case { operand, branches, otherwise }, start)
    }

    fn cast(&mut self) -> Parsed<Expr> {
        let start = self.span();
        self.expect("CAST")?;
        self.expect_token(&Token::LParen, "`(`")?;
        let operand = Box::new(self.expression()?);
        self.expect("AS")?;
        let (target, target_span) = self.cast_target()?;
        self.expect_close()?;
        self.node(ExprKind::Cast { operand, target, target_span }, start)
    }

    fn cast_target(&mut self) -> Parsed<(CastTarget, Span)> {
        const TYPES: &[&str] = &[
            "SMALLINT",
            "INTEGER",
            "BIGINT",
            "REAL",
            "DOUBLE PRECISION",
            "CHAR(n)",
            "VARCHAR(n)",
            "TIMESTAMP",
            "POINT",
            "CIRCLE",
            "POLYGON",
        ];
        let start = self.span();
        let Some(word) = self.word_at(0) else {
            return Err(Box::new(Problem::new(start, "a type must stand here").expecting(TYPES.iter().copied())));
        };
        self.advance();
        let target = match word.to_ascii_uppercase().as_str() {
            "SMALLINT" => CastTarget::SmallInt,
            "INTEGER" | "INT" => CastTarget::Integer,
            "BIGINT" => CastTarget::BigInt,
            "REAL" => CastTarget::Real,
            "DOUBLE" => {
                if !self.accept("PRECISION") {
                    self.liberty(start, "the type is called DOUBLE PRECISION in ADQL");
                }
                CastTarget::Double
            }
            "FLOAT" => CastTarget::Double,
            "DECIMAL" | "NUMERIC" => CastTarget::Decimal { precision: self.precision()? },
            "CHAR" | "CHARACTER" => {
                let varying = self.is_word(0, "VARYING");
                if varying {
                    self.advance();
                }
                let length = self.length()?;
                if varying { CastTarget::Varchar(length) } else { CastTarget::Char(length) }
            }
            "VARCHAR" => CastTarget::Varchar(self.length()?),
            "TEXT" | "STRING" => CastTarget::Varchar(None),
            "TIMESTAMP" => CastTarget::Timestamp,
            "DATE" => CastTarget::Date,
            "BOOLEAN" => CastTarget::Boolean,
            "POINT" => CastTarget::Point,
            "CIRCLE" => CastTarget::Circle,
            "POLYGON" => CastTarget::Polygon,
            _ => {
                let message = format!("`{word}` is no type that CAST can make");
                return Err(Box::new(Problem::new(start, message).expecting(TYPES.iter().copied())));
            }
        };
        Ok((target, self.since(start)))
    }

    /// `(n)`, if it is there.
    fn length(&mut self) -> Parsed<Option<u64>> {
        if !self.skip(&Token::LParen) {
            return Ok(None);
        }
        let length = self.count("the length of a text")?;
        self.expect_close()?;
        Ok(Some(length))
    }

    /// `(p)` or `(p, s)`, if it is there.
    fn precision(&mut self) -> Parsed<Option<(u64, u64)>> {
        if !self.skip(&Token::LParen) {
            return Ok(None);
        }
        let precision = self.count("the precision")?;
        let scale = if self.accept_token(&Token::Comma, "`,`") { self.count("the scale")? } else { 0 };
        self.expect_close()?;
        Ok(Some((precision, scale)))
    }
}

/// The query, if the expression is one, however many parentheses stand around it.
pub(super) fn into_query(expr: Expr) -> Result<Query, Expr> {
    if !matches!(expr.bare().kind, ExprKind::Scalar(_)) {
        return Err(expr);
    }
    let mut kind = expr.kind;
    loop {
        match kind {
            ExprKind::Nested(inner) => kind = inner.kind,
            ExprKind::Scalar(query) => return Ok(*query),
            kind => return Err(Expr { kind, ..expr }),
        }
    }
}
