//! Expressions: operators, predicates, calls.

use super::Printer;
use crate::ast::{Call, CastTarget, Comparison, Expr, ExprKind, Frame, FrameBound, FrameUnit, Operator, Window};

impl Printer {
    pub(super) fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Null => self.push("NULL"),
            ExprKind::Boolean(true) => self.push("TRUE"),
            ExprKind::Boolean(false) => self.push("FALSE"),
            ExprKind::Number(number) => self.push(number),
            ExprKind::Text(text) => self.quoted(text, '\''),
            ExprKind::Parameter(_) => self.push("?"),
            ExprKind::Column(path) => self.path(path),
            ExprKind::Sign { minus, operand } => self.prefixed(if *minus { "-" } else { "+" }, operand),
            ExprKind::BitNot(operand) => self.prefixed("~", operand),
            ExprKind::Binary { left, operator, right } => self.infix(left, word_of(*operator), right),
            ExprKind::Compare { left, operator, right } => self.infix(left, sign_of(*operator), right),
            ExprKind::Distinct { left, right, negated } => {
                self.infix(left, if *negated { "IS NOT DISTINCT FROM" } else { "IS DISTINCT FROM" }, right);
            }
            ExprKind::Not(operand) => {
                self.push("NOT ");
                self.expr(operand);
            }
            ExprKind::And(terms) => self.separated(terms, " AND ", Self::expr),
            ExprKind::Or(terms) => self.separated(terms, " OR ", Self::expr),
            ExprKind::Between { value, low, high, negated } => {
                self.expr(value);
                self.negatable(*negated, "BETWEEN ");
                self.infix(low, "AND", high);
            }
            ExprKind::InList { value, list, negated } => {
                self.expr(value);
                self.negatable(*negated, "IN (");
                self.listed(list, Self::expr);
                self.push(")");
            }
            ExprKind::InQuery { value, query, negated } => {
                self.expr(value);
                self.negatable(*negated, "IN ");
                self.subquery(query);
            }
            ExprKind::Like { value, pattern, escape, any_case, negated } => {
                self.expr(value);
                self.negatable(*negated, if *any_case { "ILIKE " } else { "LIKE " });
                self.expr(pattern);
                if let Some(escape) = escape {
                    self.push(" ESCAPE ");
                    self.quoted(escape.encode_utf8(&mut [0; 4]), '\'');
                }
            }
            ExprKind::IsNull { value, negated } => self.is(value, *negated, "NULL"),
            ExprKind::IsTruth { value, truth, negated } => {
                let word = match truth {
                    Some(true) => "TRUE",
                    Some(false) => "FALSE",
                    None => "UNKNOWN",
                };
                self.is(value, *negated, word);
            }
            ExprKind::Exists(query) => {
                self.push("EXISTS ");
                self.subquery(query);
            }
            ExprKind::Scalar(query) => self.subquery(query),
            ExprKind::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref())
            }
            ExprKind::Cast { operand, target, target_span: _ } if is_now(operand, *target) => {
                self.push("CURRENT_TIMESTAMP");
            }
            ExprKind::Cast { operand, target, target_span: _ } => {
                self.push("CAST(");
                self.expr(operand);
                self.push(" AS ");
                self.cast_target(*target);
                self.push(")");
            }
            ExprKind::Call(call) => self.call(call),
            ExprKind::Nested(inner) => {
                self.push("(");
                self.expr(inner);
                self.push(")");
            }
        }
    }

    /// A sign and its operand. Two signs have a blank between them: `--` begins a comment.
    fn prefixed(&mut self, sign: &str, operand: &Expr) {
        self.push(sign);
        if matches!(operand.kind, ExprKind::Sign { .. } | ExprKind::BitNot(_)) {
            self.push(" ");
        }
        self.expr(operand);
    }

    fn infix(&mut self, left: &Expr, operator: &str, right: &Expr) {
        self.expr(left);
        self.push(" ");
        self.push(operator);
        self.push(" ");
        self.expr(right);
    }

    fn negatable(&mut self, negated: bool, words: &str) {
        self.push(if negated { " NOT " } else { " " });
        self.push(words);
    }

    fn is(&mut self, value: &Expr, negated: bool, word: &str) {
        self.expr(value);
        self.push(if negated { " IS NOT " } else { " IS " });
        self.push(word);
    }

    fn case(&mut self, operand: Option<&Expr>, branches: &[(Expr, Expr)], otherwise: Option<&Expr>) {
        self.push("CASE");
        if let Some(operand) = operand {
            self.push(" ");
            self.expr(operand);
        }
        for (when, then) in branches {
            self.push(" WHEN ");
            self.infix(when, "THEN", then);
        }
        if let Some(otherwise) = otherwise {
            self.push(" ELSE ");
            self.expr(otherwise);
        }
        self.push(" END");
    }

    fn cast_target(&mut self, target: CastTarget) {
        let (word, length) = match target {
            CastTarget::SmallInt => ("SMALLINT", None),
            CastTarget::Integer => ("INTEGER", None),
            CastTarget::BigInt => ("BIGINT", None),
            CastTarget::Real => ("REAL", None),
            CastTarget::Double => ("DOUBLE PRECISION", None),
            CastTarget::Decimal { precision } => {
                self.push("DECIMAL");
                if let Some((precision, scale)) = precision {
                    self.push(&format!("({precision}, {scale})"));
                }
                return;
            }
            CastTarget::Char(length) => ("CHAR", length),
            CastTarget::Varchar(length) => ("VARCHAR", length),
            CastTarget::Timestamp => ("TIMESTAMP", None),
            CastTarget::Date => ("DATE", None),
            CastTarget::Boolean => ("BOOLEAN", None),
            CastTarget::Point => ("POINT", None),
            CastTarget::Circle => ("CIRCLE", None),
            CastTarget::Polygon => ("POLYGON", None),
        };
        self.push(word);
        if let Some(length) = length {
            self.push(&format!("({length})"));
        }
    }

    fn call(&mut self, call: &Call) {
        let Call { name, star, distinct, arguments, over } = call;
        self.name(name);
        self.push("(");
        if *star {
            self.push("*");
        }
        if *distinct {
            self.push("DISTINCT ");
        }
        match (&*name.text.to_ascii_uppercase(), arguments.as_slice()) {
            // The tree has its arguments the other way round.
            ("POSITION", [whole, part]) => self.infix(part, "IN", whole),
            ("EXTRACT", [field, value]) if !distinct && let Some(word) = field_word(field) => {
                self.push(&word);
                self.push(" FROM ");
                self.expr(value);
            }
            _ => self.listed(arguments, Self::expr),
        }
        self.push(")");
        if let Some(window) = over {
            self.window(window);
        }
    }

    fn window(&mut self, window: &Window) {
        let Window { partition_by, order_by, frame, span: _ } = window;
        self.push(" OVER (");
        let mut between = "";
        if !partition_by.is_empty() {
            self.push("PARTITION BY ");
            self.listed(partition_by, Self::expr);
            between = " ";
        }
        if !order_by.is_empty() {
            self.push(between);
            self.push("ORDER BY ");
            self.listed(order_by, Self::order_item);
            between = " ";
        }
        if let Some(frame) = frame {
            self.push(between);
            self.frame(frame);
        }
        self.push(")");
    }

    fn frame(&mut self, frame: &Frame) {
        let Frame { unit, start, end } = frame;
        self.push(match unit {
            FrameUnit::Rows => "ROWS ",
            FrameUnit::Range => "RANGE ",
            FrameUnit::Groups => "GROUPS ",
        });
        if let Some(end) = end {
            self.push("BETWEEN ");
            self.frame_bound(start);
            self.push(" AND ");
            self.frame_bound(end);
        } else {
            self.frame_bound(start);
        }
    }

    fn frame_bound(&mut self, bound: &FrameBound) {
        let (rows, word) = match bound {
            FrameBound::CurrentRow => return self.push("CURRENT ROW"),
            FrameBound::Preceding(rows) => (rows, " PRECEDING"),
            FrameBound::Following(rows) => (rows, " FOLLOWING"),
        };
        match rows {
            Some(rows) => self.number(*rows),
            None => self.push("UNBOUNDED"),
        }
        self.push(word);
    }
}

/// Whether this is what the parser makes of CURRENT_TIMESTAMP and its like.
fn is_now(operand: &Expr, target: CastTarget) -> bool {
    match &operand.kind {
        ExprKind::Call(call) => {
            target == CastTarget::Timestamp
                && call.arguments.is_empty()
                && !call.star
                && call.over.is_none()
                && call.name.text.eq_ignore_ascii_case("NOW")
        }
        _ => false,
    }
}

/// The field of EXTRACT as the word in front of FROM, if it is one.
fn field_word(field: &Expr) -> Option<String> {
    let ExprKind::Text(text) = &field.kind else { return None };
    let is_word = text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    is_word.then(|| text.to_ascii_uppercase())
}

fn word_of(operator: Operator) -> &'static str {
    match operator {
        Operator::Add => "+",
        Operator::Subtract => "-",
        Operator::Multiply => "*",
        Operator::Divide => "/",
        Operator::IntegerDivide => "DIV",
        Operator::Modulo => "%",
        Operator::Concatenate => "||",
        Operator::BitAnd => "&",
        Operator::BitOr => "|",
        Operator::BitXor => "^",
        Operator::ShiftLeft => "<<",
        Operator::ShiftRight => ">>",
    }
}

fn sign_of(operator: Comparison) -> &'static str {
    match operator {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}
