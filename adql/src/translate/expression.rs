//! Expressions, one small function a kind: the frames of a deep expression must fit a small stack.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{BinaryOperator, CaseWhen, DataType, Expr as SqlExpr, UnaryOperator, Value as SqlValue};
use sqlparser::tokenizer::Span;

use super::query::common_class;
use super::truth::is_moment as moment;
use super::value::Value;
use super::{Translator, sql};
use crate::ast::{Expr, ExprKind, Operator, Query};
use crate::names::TypeClass;
use crate::report::Problem;

impl<'q> Translator<'q, '_, '_, '_> {
    /// An expression. What is part of a key of GROUP BY counts as grouped.
    pub(super) fn expr(&mut self, expr: &'q Expr) -> Value {
        if !self.may_visit(expr.span) {
            return Value::null();
        }
        let before = self.ungrouped();
        let value = self.any_kind(expr);
        self.forget_if_key(&value, before);
        value
    }

    /// If the value is a key of GROUP BY: the columns in it, read since `before`, are grouped.
    fn forget_if_key(&mut self, value: &Value, before: usize) {
        if let Some(grouping) = self.scopes.last_mut().and_then(|scope| scope.grouping.as_mut())
            && grouping.ungrouped.len() > before
            && grouping.keys.contains(sql::bare(&value.sql))
        {
            grouping.ungrouped.truncate(before);
        }
    }

    /// How many columns of the present SELECT were read so far that are in no key.
    pub(super) fn ungrouped(&self) -> usize {
        self.scopes.last().and_then(|scope| scope.grouping.as_ref()).map_or(0, |grouping| grouping.ungrouped.len())
    }

    /// Forgets the columns that were read since then: an aggregate may read any.
    pub(super) fn forget_ungrouped(&mut self, before: usize) {
        if let Some(grouping) = self.scopes.last_mut().and_then(|scope| scope.grouping.as_mut()) {
            grouping.ungrouped.truncate(before);
        }
    }

    fn any_kind(&mut self, expr: &'q Expr) -> Value {
        match &expr.kind {
            ExprKind::Null => Value::null(),
            ExprKind::Boolean(value) => Value::boolean(sql::boolean(*value)),
            ExprKind::Number(number) => self.number(number, expr.span),
            ExprKind::Text(text) => Value::new(sql::text(text), TypeClass::Text),
            ExprKind::Parameter(number) => Value::new(sql::parameter(*number), TypeClass::Other),
            ExprKind::Column(path) => self.column(path, expr.span),
            ExprKind::Sign { minus, operand } => self.sign(*minus, operand),
            ExprKind::BitNot(operand) => self.bit_not(operand),
            ExprKind::Binary { .. } => self.arithmetic(expr),
            ExprKind::Nested(inner) => self.nested(inner),
            ExprKind::Compare { left, operator, right } => self.comparison(left, *operator, right, expr.span),
            ExprKind::Not(operand) => Value::boolean(sql::not(self.condition(operand))),
            ExprKind::And(terms) => self.terms(terms, &BinaryOperator::And),
            ExprKind::Or(terms) => self.terms(terms, &BinaryOperator::Or),
            ExprKind::Distinct { left, right, negated } => self.distinct(left, right, *negated),
            ExprKind::Between { value, low, high, negated } => self.between(value, low, high, *negated),
            ExprKind::InList { value, list, negated } => self.in_list(value, list, *negated),
            ExprKind::InQuery { value, query, negated } => self.in_query(value, query, *negated),
            ExprKind::Like { .. } => self.like(expr),
            ExprKind::IsNull { value, negated } => self.is_null(value, *negated),
            ExprKind::IsTruth { value, truth, negated } => self.is_truth(value, *truth, *negated),
            ExprKind::Exists(query) => self.exists(query),
            ExprKind::Scalar(query) => self.scalar(query, expr.span),
            ExprKind::Case { .. } => self.case(expr),
            ExprKind::Cast { operand, target, target_span } => self.cast(operand, *target, *target_span),
            ExprKind::Call(call) => self.call(call, expr.span),
        }
    }

    fn number(&mut self, number: &str, span: Span) -> Value {
        if number.parse::<f64>().is_ok_and(f64::is_infinite) {
            self.report.fault(span, "the number is larger than the largest DOUBLE PRECISION, about 1.8e308");
        }
        number_literal(number)
    }

    /// An expression as a condition.
    pub(super) fn condition(&mut self, expr: &'q Expr) -> SqlExpr {
        let value = self.expr(expr);
        self.as_condition(value, expr.span)
    }

    /// A number counts as a condition that holds unless it is 0, as in the dialects that users come from.
    pub(super) fn as_condition(&mut self, value: Value, span: Span) -> SqlExpr {
        if value.is_truth() {
            return value.sql;
        }
        match value.class {
            TypeClass::Integer | TypeClass::Float => {
                sql::binary(sql::operand(value.sql), BinaryOperator::NotEq, sql::integer(0))
            }
            TypeClass::Other | TypeClass::Boolean => value.sql,
            class => {
                let problem = Problem::new(span, format!("a condition must stand here, and this is {}", class.noun()));
                self.report.problem(problem.expecting(["a comparison"]));
                value.sql
            }
        }
    }

    fn terms(&mut self, terms: &'q [Expr], operator: &BinaryOperator) -> Value {
        let terms = terms.iter().map(|term| self.condition(term)).collect();
        Value::boolean(sql::chain(terms, operator).unwrap_or_else(sql::null))
    }

    fn nested(&mut self, inner: &'q Expr) -> Value {
        let value = self.expr(inner);
        Value { sql: sql::operand(value.sql), ..value }
    }

    fn sign(&mut self, minus: bool, operand: &'q Expr) -> Value {
        let value = self.numeric(operand);
        if !minus {
            return value;
        }
        Value { sql: sql::unary(UnaryOperator::Minus, value.sql), ..value }
    }

    /// The engine has no `~`; in two's complement it is the number taken from -1, which no number overflows.
    fn bit_not(&mut self, operand: &'q Expr) -> Value {
        let mut value = self.numeric(operand);
        if value.class == TypeClass::Float {
            // As the other operators of bits take it.
            value = Value::new(sql::cast(value.sql, DataType::BigInt(None)), TypeClass::Integer);
        }
        let all_bits = sql::unary(UnaryOperator::Minus, sql::integer(1));
        let inverted = sql::binary(all_bits, BinaryOperator::Minus, sql::operand(value.sql));
        Value { sql: sql::operand(inverted), ..value }
    }

    /// A number, or a fault if it cannot be one.
    pub(super) fn numeric(&mut self, expr: &'q Expr) -> Value {
        let value = self.expr(expr).number();
        if !value.class.may_be_number() {
            self.report.fault(expr.span, format!("a number must stand here, and this is {}", value.class.noun()));
        }
        value
    }

    /// A chain of operators; those on the left are followed in a loop, for they can be many.
    fn arithmetic(&mut self, expr: &'q Expr) -> Value {
        let mut links = Vec::new();
        let mut first = expr;
        while let ExprKind::Binary { left, operator, right } = &first.kind {
            links.push((first, *operator, &**right));
            first = left;
        }
        let before = self.ungrouped();
        let mut value = self.expr(first);
        let mut span = first.span;
        if links.last().is_some_and(|(_, operator, _)| *operator != Operator::Concatenate) {
            value = self.written_number(value, first);
        }
        for (whole, operator, right) in links.into_iter().rev() {
            let mut right_value = self.expr(right);
            if operator != Operator::Concatenate {
                right_value = self.written_number(right_value, right);
            }
            value = self.operate(value, span, operator, right_value, right.span);
            span = whole.span;
            self.forget_if_key(&value, before);
        }
        value
    }

    fn operate(&mut self, left: Value, left_span: Span, operator: Operator, right: Value, right_span: Span) -> Value {
        if operator == Operator::Concatenate {
            let (left, right) = (as_text(left), as_text(right));
            return Value::new(sql::binary(left, BinaryOperator::StringConcat, right), TypeClass::Text);
        }
        for (value, span) in [(&left, left_span), (&right, right_span)] {
            let times = value.class == TypeClass::Timestamp && matches!(operator, Operator::Add | Operator::Subtract);
            if !value.class.may_be_number() && !times {
                self.report.fault(span, format!("a number must stand here, and this is {}", value.class.noun()));
            }
        }
        let (left, right) = (left.number(), right.number());
        let is_number = |class| matches!(class, TypeClass::Integer | TypeClass::Float);
        let times = [left.class, right.class].map(|class| class == TypeClass::Timestamp);
        let mixed = times[0] && is_number(right.class) || is_number(left.class) && times[1];
        if matches!(operator, Operator::Add | Operator::Subtract) && mixed
            || operator == Operator::Add && times == [true; 2]
        {
            let message =
                "with a timestamp, the only sum or difference is that of two timestamps, the time between them";
            self.report.fault(left_span.union(&right_span), message);
        }
        let class = common_class(left.class, right.class);
        let op = match operator {
            Operator::Add => BinaryOperator::Plus,
            Operator::Subtract => BinaryOperator::Minus,
            Operator::Multiply => BinaryOperator::Multiply,
            Operator::Divide | Operator::IntegerDivide => BinaryOperator::Divide,
            Operator::Modulo => BinaryOperator::Modulo,
            Operator::BitAnd => BinaryOperator::BitwiseAnd,
            Operator::BitOr => BinaryOperator::BitwiseOr,
            Operator::BitXor => BinaryOperator::BitwiseXor,
            Operator::ShiftLeft => BinaryOperator::PGBitwiseShiftLeft,
            Operator::ShiftRight => BinaryOperator::PGBitwiseShiftRight,
            Operator::Concatenate => BinaryOperator::StringConcat,
        };
        let quotient = sql::binary(left.sql, op, right.sql);
        if operator == Operator::IntegerDivide && class != TypeClass::Integer {
            let whole = sql::cast(sql::call("trunc", [quotient]), DataType::BigInt(None));
            return Value::new(whole, TypeClass::Integer);
        }
        Value::new(quotient, class)
    }

    // Sub-queries.

    fn exists(&mut self, query: &'q Query) -> Value {
        let (subquery, _) = self.query(query);
        Value::boolean(SqlExpr::Exists { subquery: Box::new(subquery), negated: false })
    }

    fn scalar(&mut self, query: &'q Query, span: Span) -> Value {
        let (subquery, outputs) = self.query(query);
        if outputs.len() > 1 {
            self.report.fault(span, format!("a query that stands for a value has one column, not {}", outputs.len()));
        }
        let class = outputs.first().map_or(TypeClass::Other, |output| output.class);
        if let Some(output) = outputs.into_iter().next() {
            self.scalars.insert(std::ptr::from_ref(query) as usize, output.metadata);
        }
        Value::new(SqlExpr::Subquery(Box::new(subquery)), class)
    }

    fn in_query(&mut self, value: &'q Expr, query: &'q Query, negated: bool) -> Value {
        let value_span = value.span;
        let value = self.expr(value);
        let (subquery, outputs) = self.query(query);
        if outputs.len() > 1 {
            let message = format!("the query behind IN has one column, not {}", outputs.len());
            self.report.fault(value_span.union(&query.span), message);
        }
        if let Some(output) = outputs.first() {
            let other = Value { class: output.class, ..Value::null() };
            self.comparable(&value, &other, value_span.union(&query.span));
        }
        let both_boolean = outputs.first().is_some_and(|output| output.class == TypeClass::Boolean);
        let expr = if both_boolean { value } else { value.number() };
        Value::boolean(SqlExpr::InSubquery {
            expr: Box::new(sql::operand(expr.sql)),
            subquery: Box::new(subquery),
            negated,
        })
    }

    // CASE.

    fn case(&mut self, expr: &'q Expr) -> Value {
        let ExprKind::Case { operand, branches, otherwise } = &expr.kind else { return Value::null() };
        let operand = operand.as_ref().map(|operand| self.expr(operand));
        let mut whens = Vec::new();
        let mut results = Vec::new();
        for (when, then) in branches {
            whens.push(match &operand {
                None => self.condition(when),
                Some(operand) => {
                    let value = self.expr(when);
                    let value = self.literal_beside(value, when, operand.class, true);
                    let value = self.beside(operand, value, when);
                    self.comparable(operand, &value, when.span);
                    value.sql
                }
            });
            results.push((self.expr(then), then.span));
        }
        results.extend(otherwise.as_ref().map(|otherwise| (self.expr(otherwise), otherwise.span)));
        let (mut results, class) = self.alike(results, "CASE");
        let else_result = if otherwise.is_some() { results.pop().map(Box::new) } else { None };
        let conditions =
            whens.into_iter().zip(results).map(|(condition, result)| CaseWhen { condition, result }).collect();
        let case = SqlExpr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: operand.map(|operand| Box::new(operand.sql)),
            conditions,
            else_result,
        };
        Value::new(case, class)
    }
}

impl Translator<'_, '_, '_, '_> {
    /// Values that become one column, each with its place. They must be of one kind; a text that is written out may stand for
    /// a timestamp.
    pub(super) fn alike(&mut self, values: Vec<(Value, Span)>, what: &str) -> (Vec<SqlExpr>, TypeClass) {
        let of = |class| values.iter().any(|(value, _)| value.class == class);
        let known = values.iter().find(|(value, _)| value.class != TypeClass::Other);
        let class = if of(TypeClass::Timestamp) && of(TypeClass::Text) {
            Some(TypeClass::Timestamp)
        } else {
            known.map(|(value, _)| value.class)
        };
        if let Some(class) = class {
            for (value, span) in &values {
                let fits = class.goes_with(value.class) || class == TypeClass::Timestamp && is_moment(value);
                if !fits {
                    let message = format!(
                        "the values of {what} are of one type, and {} and {} are not",
                        class.noun(),
                        value.class.noun()
                    );
                    self.report.fault(*span, message);
                    break;
                }
            }
        }
        united(values.into_iter().map(|(value, _)| value).collect())
    }
}

/// Whether a value stands for a timestamp among others: one itself, or a text that is written out as one.
fn is_moment(value: &Value) -> bool {
    match &value.sql {
        SqlExpr::Value(written) if value.class == TypeClass::Text => {
            matches!(&written.value, SqlValue::SingleQuotedString(text) if moment(text))
        }
        _ => matches!(value.class, TypeClass::Timestamp | TypeClass::Other),
    }
}

fn number_literal(number: &str) -> Value {
    let integer = number.bytes().all(|byte| byte.is_ascii_digit());
    Value::new(sql::number(number), if integer { TypeClass::Integer } else { TypeClass::Float })
}

/// A value as text, for `||`.
pub(super) fn as_text(value: Value) -> SqlExpr {
    let value = value.plain();
    match value.class {
        TypeClass::Text | TypeClass::Other => value.sql,
        _ => sql::cast(value.sql, DataType::Varchar(None)),
    }
}

/// Values that become one column: booleans among numbers become numbers.
fn united(values: Vec<Value>) -> (Vec<SqlExpr>, TypeClass) {
    let all_truth = values.iter().all(|value| value.is_truth() || value.class == TypeClass::Other);
    let zero_one = values.iter().any(|value| value.zero_one);
    let mut class = TypeClass::Other;
    let expressions = values
        .into_iter()
        .map(|value| {
            let value = if all_truth && !zero_one { value } else { value.number() };
            class = common_class(class, value.class);
            value.sql
        })
        .collect();
    (expressions, class)
}
