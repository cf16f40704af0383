//! Comparisons, where booleans meet the numbers and texts that ADQL writes for them.

use sqlparser::ast::{BinaryOperator, Expr as SqlExpr, UnaryOperator, Value as SqlValue};
use sqlparser::tokenizer::Span;

use super::value::Value;
use super::{Translator, sql};
use crate::ast::{Comparison, Expr, ExprKind};
use crate::names::TypeClass;
use crate::report::Problem;

impl<'q> Translator<'q, '_, '_, '_> {
    pub(super) fn comparison(&mut self, left: &'q Expr, operator: Comparison, right: &'q Expr, span: Span) -> Value {
        let left_value = self.expr(left);
        let right_value = self.expr_beside(left_value.class, right);
        let equality = matches!(operator, Comparison::Equal | Comparison::NotEqual);
        let (left_value, right_value) = self.literals_beside(left_value, left, right_value, right, equality);
        self.null_is_unknown(left, right);
        let compared = match (left_value.is_truth(), right_value.is_truth()) {
            (true, false) => self.truth_with(left_value, operator, right_value, right),
            (false, true) => self.truth_with(right_value, mirrored(operator), left_value, left),
            (true, true) if !matches!(operator, Comparison::Equal | Comparison::NotEqual) => {
                compare(left_value.number().sql, operator, right_value.number().sql)
            }
            _ => {
                self.comparable(&left_value, &right_value, span);
                return Value::boolean(compare_texts(left_value, left, operator, right_value, right));
            }
        };
        Value::boolean(compared)
    }

    /// A boolean compared with something else.
    fn truth_with(&mut self, truth: Value, operator: Comparison, other: Value, other_expr: &Expr) -> SqlExpr {
        if let Some(constant) = self.constant_beside(&other, other_expr) {
            // What the comparison gives for false and for true; NULL stays NULL in both forms.
            return match (holds(0.0, operator, constant), holds(1.0, operator, constant)) {
                (false, true) => truth.sql,
                (true, false) => sql::not(truth.sql),
                _ => compare(truth.number().sql, operator, other_as_number(other, constant)),
            };
        }
        match other.class {
            TypeClass::Integer | TypeClass::Float => compare(truth.number().sql, operator, other.sql),
            _ => compare(truth.sql, operator, other.sql),
        }
    }

    /// The number that a constant beside a boolean stands for: itself, or 1 and 0 for the words of truth.
    fn constant_beside(&mut self, other: &Value, expr: &Expr) -> Option<f64> {
        if let Some(text) = expr.as_text() {
            return match truth_word(text) {
                Some(truth) => Some(f64::from(u8::from(truth))),
                None => {
                    let problem = Problem::new(expr.span, format!("`{text}` is neither true nor false"));
                    self.report.problem(problem.expecting(["'True'", "'False'", "1", "0"]));
                    None
                }
            };
        }
        if !matches!(other.class, TypeClass::Boolean | TypeClass::Integer | TypeClass::Float | TypeClass::Other) {
            self.report.fault(expr.span, format!("a boolean cannot be compared with {}", other.class.noun()));
            return None;
        }
        expr.as_constant()
    }

    /// A value as it is to stand beside another one, in IN and CASE.
    pub(super) fn beside(&mut self, one: &Value, other: Value, other_expr: &Expr) -> Value {
        if !one.is_truth() {
            return if other.is_truth() && matches!(one.class, TypeClass::Integer | TypeClass::Float) {
                other.number()
            } else {
                other
            };
        }
        match self.constant_beside(&other, other_expr) {
            Some(0.0) => Value::boolean(sql::boolean(false)),
            Some(1.0) => Value::boolean(sql::boolean(true)),
            _ => other,
        }
    }

    pub(super) fn in_list(&mut self, value: &'q Expr, list: &'q [Expr], negated: bool) -> Value {
        let value_span = value.span;
        let value = self.expr(value);
        let mut items = Vec::with_capacity(list.len());
        for expr in list {
            let item = self.expr_beside(value.class, expr);
            let item = self.literal_beside(item, expr, value.class, true);
            let item = self.beside(&value, item, expr);
            self.comparable(&value, &item, value_span.union(&expr.span));
            match expr.as_text().and_then(without_blanks) {
                Some(text) if value.class == TypeClass::Text => {
                    items.push(Value::new(sql::text(text), TypeClass::Text));
                    if !value.padded {
                        items.push(item);
                    }
                }
                _ => items.push(unpadded(item)),
            }
        }
        let value = unpadded(value);
        // One item that is neither 0 nor 1 makes numbers of all.
        let booleans = items.iter().all(|item| item.is_truth() || item.class == TypeClass::Other);
        let (expr, list) = if value.is_truth() && !booleans {
            (value.number().sql, items.into_iter().map(|item| item.number().sql).collect())
        } else {
            (value.sql, items.into_iter().map(|item| item.sql).collect())
        };
        Value::boolean(SqlExpr::InList { expr: Box::new(sql::operand(expr)), list, negated })
    }

    pub(super) fn between(&mut self, value: &'q Expr, low: &'q Expr, high: &'q Expr, negated: bool) -> Value {
        let span = value.span;
        let value = unpadded(self.expr(value).number());
        let mut bounds = Vec::new();
        for bound in [low, high] {
            let bound_value = self.expr_beside(value.class, bound).number();
            let bound_value = self.literal_beside(bound_value, bound, value.class, false);
            self.comparable(&value, &bound_value, span.union(&bound.span));
            bounds.push(Box::new(unpadded(bound_value).sql));
        }
        let (Some(high), Some(low)) = (bounds.pop(), bounds.pop()) else { return Value::null() };
        Value::boolean(SqlExpr::Between { expr: Box::new(value.sql), negated, low, high })
    }

    pub(super) fn distinct(&mut self, left: &'q Expr, right: &'q Expr, negated: bool) -> Value {
        let span = left.span.union(&right.span);
        let left = self.expr(left);
        let right_value = self.expr_beside(left.class, right);
        let right_value = self.literal_beside(right_value, right, left.class, true);
        let right = self.beside(&left, right_value, right);
        self.comparable(&left, &right, span);
        let (left, right) =
            if left.is_truth() == right.is_truth() { (left, right) } else { (left.number(), right.number()) };
        let (left, right) = (unpadded(left), unpadded(right));
        let (left, right) = (Box::new(sql::operand(left.sql)), Box::new(sql::operand(right.sql)));
        Value::boolean(if negated {
            SqlExpr::IsNotDistinctFrom(left, right)
        } else {
            SqlExpr::IsDistinctFrom(left, right)
        })
    }

    pub(super) fn is_null(&mut self, value: &'q Expr, negated: bool) -> Value {
        let value = Box::new(sql::operand(self.expr(value).sql));
        Value::boolean(if negated { SqlExpr::IsNotNull(value) } else { SqlExpr::IsNull(value) })
    }

    pub(super) fn is_truth(&mut self, value: &'q Expr, truth: Option<bool>, negated: bool) -> Value {
        let condition = Box::new(sql::operand(self.condition(value)));
        Value::boolean(match (truth, negated) {
            (Some(true), false) => SqlExpr::IsTrue(condition),
            (Some(true), true) => SqlExpr::IsNotTrue(condition),
            (Some(false), false) => SqlExpr::IsFalse(condition),
            (Some(false), true) => SqlExpr::IsNotFalse(condition),
            (None, false) => SqlExpr::IsUnknown(condition),
            (None, true) => SqlExpr::IsNotUnknown(condition),
        })
    }

    pub(super) fn like(&mut self, expr: &'q Expr) -> Value {
        let ExprKind::Like { value, pattern, escape, any_case, negated } = &expr.kind else { return Value::null() };
        let value = self.text(value);
        // The engine takes a backslash for an escape character, which ADQL does not have.
        let pattern = match pattern.as_text() {
            Some(text) => Box::new(sql::text(&escaped_pattern(text, *escape))),
            None => {
                if escape.is_some() {
                    self.report.fault(pattern.span, "with ESCAPE the pattern must be a text in quotes");
                }
                let before = std::mem::replace(&mut self.beside_text, true);
                let pattern = self.text(pattern);
                self.beside_text = before;
                // A pattern in double quotes, which was taken for a text.
                match *pattern {
                    SqlExpr::Value(value) => match value.value {
                        SqlValue::SingleQuotedString(text) => Box::new(sql::text(&escaped_pattern(&text, *escape))),
                        value => Box::new(SqlExpr::Value(value.with_empty_span())),
                    },
                    // A backslash of a pattern that is computed is a backslash too.
                    pattern => Box::new(sql::call("replace", [pattern, sql::text("\\"), sql::text("\\\\")])),
                }
            }
        };
        let (negated, any, escape_char) = (*negated, false, None);
        Value::boolean(if *any_case {
            SqlExpr::ILike { negated, any, expr: value, pattern, escape_char }
        } else {
            SqlExpr::Like { negated, any, expr: value, pattern, escape_char }
        })
    }

    fn text(&mut self, expr: &'q Expr) -> Box<SqlExpr> {
        let value = self.expr(expr);
        if !matches!(value.class, TypeClass::Text | TypeClass::Other) {
            self.report.fault(expr.span, format!("LIKE compares texts, and this is {}", value.class.noun()));
        }
        Box::new(sql::operand(value.sql))
    }

    /// Whether two values can be compared at all.
    pub(super) fn comparable(&mut self, one: &Value, two: &Value, span: Span) {
        let truth = one.is_truth() || two.is_truth();
        if !truth && one.class.clashes_with(two.class) {
            let message = format!("{} and {} cannot be compared", one.class.noun(), two.class.noun());
            let problem = Problem::new(span, message);
            let text = one.class == TypeClass::Text || two.class == TypeClass::Text;
            let remedy = text.then_some("CAST(.. AS ..) around one of them");
            self.report.problem(problem.expecting(remedy));
        }
    }

    // Constants that are written as another type than what they are compared with.

    /// An expression beside a value of this class.
    fn expr_beside(&mut self, class: TypeClass, expr: &'q Expr) -> Value {
        let before = std::mem::replace(&mut self.beside_text, class == TypeClass::Text);
        let value = self.expr(expr);
        self.beside_text = before;
        value
    }

    fn literals_beside(
        &mut self,
        left: Value,
        left_expr: &Expr,
        right: Value,
        right_expr: &Expr,
        equality: bool,
    ) -> (Value, Value) {
        if left.is_truth() || right.is_truth() {
            return (left, right);
        }
        let (left_class, right_class) = (left.class, right.class);
        let left = self.literal_beside(left, left_expr, right_class, equality);
        let right = self.literal_beside(right, right_expr, left_class, equality);
        (left, right)
    }

    /// A constant that is to be compared with a value of this class: a number between quotes beside a number, a number beside
    /// a text where only equality matters, a moment between quotes.
    pub(super) fn literal_beside(&mut self, value: Value, expr: &Expr, class: TypeClass, equality: bool) -> Value {
        match (class, expr.as_text(), expr.as_constant()) {
            (TypeClass::Integer | TypeClass::Float, Some(text), _) if value.class == TypeClass::Text => {
                let number = text.trim();
                let digits = number.trim_start_matches(['-', '+']);
                if number.parse::<f64>().is_ok_and(f64::is_finite) && digits.starts_with(|c: char| c.is_ascii_digit()) {
                    self.report.lenient(expr.span, format!("a number stands without quotes in ADQL: {number}"));
                    let integer = number.bytes().all(|byte| byte.is_ascii_digit());
                    let class = if integer { TypeClass::Integer } else { TypeClass::Float };
                    let unsigned = sql::number(digits);
                    let minus = number.starts_with('-');
                    let sql = if minus { sql::unary(UnaryOperator::Minus, unsigned) } else { unsigned };
                    return Value::new(sql, class);
                }
                let mut problem = Problem::new(expr.span, format!("a number must stand here, and '{text}' is a text"));
                if self.is_column(text) {
                    problem.message += "; the name of a column stands without quotes or in double quotes";
                    problem.suggestions = vec![text.to_owned()];
                }
                self.report.problem(problem);
                Value::null()
            }
            (TypeClass::Text, _, Some(number)) if equality && value.class == TypeClass::Integer => {
                self.report.lenient(expr.span, format!("a text stands between single quotes in ADQL: '{number}'"));
                Value::new(sql::text(&number.to_string()), TypeClass::Text)
            }
            (TypeClass::Timestamp, Some(text), _) if is_moment(text) => Value { class, ..value },
            (TypeClass::Timestamp, Some(text), _) => {
                let problem = Problem::new(expr.span, format!("a timestamp must stand here, and '{text}' is none"));
                self.report.problem(problem.expecting(["'2025-01-31T23:59:59'"]));
                Value::null()
            }
            _ => value,
        }
    }

    /// An operand of arithmetic: a number in quotes is one.
    pub(super) fn written_number(&mut self, value: Value, expr: &Expr) -> Value {
        let number = expr.as_text().is_some_and(|text| text.trim().parse::<f64>().is_ok_and(f64::is_finite));
        if number { self.literal_beside(value, expr, TypeClass::Float, false) } else { value }
    }

    fn is_column(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| {
            let mut columns = scope.visible.iter().filter_map(|visible| scope.column_of(visible));
            columns.any(|(_, column)| column.name.eq_ignore_ascii_case(name))
        })
    }

    /// A comparison with NULL is never true, which is seldom meant.
    fn null_is_unknown(&mut self, left: &Expr, right: &Expr) {
        for expr in [left, right] {
            if matches!(expr.bare().kind, ExprKind::Null) {
                let Span { start, .. } = expr.span;
                self.report.warn(format!(
                    "line {}, column {}: a comparison with NULL is never true; write IS NULL or IS NOT NULL",
                    start.line, start.column
                ));
            }
        }
    }
}

/// A comparison of values that are no booleans. Blanks at the end of a text do not count if one of both texts is of a fixed
/// length, and for equality with a text that is written out with them.
fn compare_texts(left: Value, left_expr: &Expr, operator: Comparison, right: Value, right_expr: &Expr) -> SqlExpr {
    let padded = left.padded || right.padded;
    let mut sides = [(left, left_expr), (right, right_expr)];
    if padded {
        let [left, right] = sides.map(|(value, expr)| match expr.as_text().and_then(without_blanks) {
            Some(text) => sql::text(text),
            None => unpadded(value).sql,
        });
        return compare(left, operator, right);
    }
    let is_equality = matches!(operator, Comparison::Equal | Comparison::NotEqual);
    let texts = sides.iter().all(|(value, _)| value.class == TypeClass::Text);
    if is_equality && texts {
        if sides[0].1.as_text().is_some() {
            sides.swap(0, 1);
        }
        let [(value, _), (constant, expr)] = &sides;
        if let Some(text) = expr.as_text().and_then(without_blanks) {
            return SqlExpr::InList {
                expr: Box::new(sql::operand(value.sql.clone())),
                list: vec![sql::text(text), constant.sql.clone()],
                negated: operator == Comparison::NotEqual,
            };
        }
    }
    let [(left, _), (right, _)] = sides;
    compare(left.sql, operator, right.sql)
}

/// A text without the blanks at its end, if it has any.
fn without_blanks(text: &str) -> Option<&str> {
    text.ends_with(' ').then(|| text.trim_end_matches(' '))
}

/// A text of a fixed length without the blanks that fill it up.
fn unpadded(value: Value) -> Value {
    if value.padded { Value::new(sql::call("rtrim", [value.sql]), value.class) } else { value }
}

fn other_as_number(other: Value, constant: f64) -> SqlExpr {
    match other.class {
        TypeClass::Text => sql::integer(constant),
        _ => other.number().sql,
    }
}

fn compare(left: SqlExpr, operator: Comparison, right: SqlExpr) -> SqlExpr {
    let op = match operator {
        Comparison::Equal => BinaryOperator::Eq,
        Comparison::NotEqual => BinaryOperator::NotEq,
        Comparison::Less => BinaryOperator::Lt,
        Comparison::LessOrEqual => BinaryOperator::LtEq,
        Comparison::Greater => BinaryOperator::Gt,
        Comparison::GreaterOrEqual => BinaryOperator::GtEq,
    };
    sql::binary(side(left), op, side(right))
}

/// One side of a comparison: arithmetic binds tighter and needs no parentheses, all else that is open does.
fn side(expr: SqlExpr) -> SqlExpr {
    use BinaryOperator::{Divide, Minus, Modulo, Multiply, Plus};
    match &expr {
        SqlExpr::BinaryOp { op: Plus | Minus | Multiply | Divide | Modulo, .. } => expr,
        SqlExpr::UnaryOp { op: UnaryOperator::Minus, .. } => expr,
        _ => sql::operand(expr),
    }
}

/// The comparison with its sides exchanged.
fn mirrored(operator: Comparison) -> Comparison {
    match operator {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        same => same,
    }
}

fn holds(value: f64, operator: Comparison, constant: f64) -> bool {
    match operator {
        Comparison::Equal => value == constant,
        Comparison::NotEqual => value != constant,
        Comparison::Less => value < constant,
        Comparison::LessOrEqual => value <= constant,
        Comparison::Greater => value > constant,
        Comparison::GreaterOrEqual => value >= constant,
    }
}

/// Whether a text is a date, `2025-01-31`, perhaps with a time, `T23:59:59`, behind it.
pub(super) fn is_moment(text: &str) -> bool {
    let text = text.trim();
    let between = |range: std::ops::Range<usize>, least: u32, most: u32| {
        let digits = text.get(range).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|digits| digits.parse::<u32>().ok()).is_some_and(|value| (least..=most).contains(&value))
    };
    let sign = |index: usize, signs: &[u8]| text.as_bytes().get(index).is_some_and(|byte| signs.contains(byte));
    let date =
        between(0..4, 0, 9999) && sign(4, b"-") && between(5..7, 1, 12) && sign(7, b"-") && between(8..10, 1, 31);
    let time = || sign(10, b"Tt ") && between(11..13, 0, 23) && sign(13, b":") && between(14..16, 0, 59);
    let second = || text.len() == 16 || sign(16, b":") && between(17..19, 0, 60);
    date && (text.len() == 10 || time() && second())
}

/// The words that stand for true and false.
fn truth_word(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "1" | "yes" | "y" => Some(true),
        "false" | "f" | "0" | "no" | "n" => Some(false),
        _ => None,
    }
}

/// The pattern with the engine's escape character.
fn escaped_pattern(pattern: &str, escape: Option<char>) -> String {
    let mut escaped = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if Some(letter) == escape {
            escaped.push('\\');
            escaped.extend(letters.next());
        } else if letter == '\\' {
            escaped.push_str("\\\\");
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_keep_their_meaning() {
        assert_eq!(escaped_pattern(r"a\b%", None), r"a\\b%");
        assert_eq!(escaped_pattern("10!%_", Some('!')), r"10\%_");
        assert_eq!(escaped_pattern("10!", Some('!')), "10\\");
    }

    #[test]
    fn moments_begin_with_a_date() {
        for text in ["2025-01-31", "2025-01-31T23:59:59", "2025-01-31 23:59:59.5Z", " 2025-01-31 ", "2025-01-31T23:59"]
        {
            assert!(is_moment(text), "{text}");
        }
        for text in
            ["", "2025", "yesterday", "31-01-2025", "2025/01/31", "2025-01-311", "2025-13-01", "2025-01-01T24:00"]
        {
            assert!(!is_moment(text), "{text}");
        }
    }
}
