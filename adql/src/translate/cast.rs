//! CAST: to numbers, texts, timestamps and truth; geometries are made in `geometry`.

use sqlparser::ast::{DataType, ExactNumberInfo, Expr as SqlExpr, TimezoneInfo};
use sqlparser::tokenizer::Span;

use super::value::Value;
use super::{Translator, sql};
use crate::ast::{CastTarget, Expr};
use crate::names::TypeClass;

/// Most digits that the engine's decimals have.
const MAX_DECIMAL_DIGITS: u64 = 38;

/// Longest text that CAST fills up with blanks, in characters.
const MAX_CHAR_LENGTH: u64 = 65_535;

/// Digits of seconds in a TIMESTAMP, as the catalog's columns have them.
const TIMESTAMP_DIGITS: u64 = 6;

impl<'q> Translator<'q, '_, '_, '_> {
    pub(super) fn cast(&mut self, operand: &'q Expr, target: CastTarget, span: Span) -> Value {
        if matches!(target, CastTarget::Point | CastTarget::Circle | CastTarget::Polygon) {
            return self.cast_to_geometry(operand, target);
        }
        let value = self.expr(operand).plain();
        self.castable(operand, value.class, target);
        match target {
            CastTarget::SmallInt => Value::new(sql::cast(value.sql, DataType::SmallInt(None)), TypeClass::Integer),
            CastTarget::Integer => Value::new(sql::cast(value.sql, DataType::Integer(None)), TypeClass::Integer),
            CastTarget::BigInt => Value::new(sql::cast(value.sql, DataType::BigInt(None)), TypeClass::Integer),
            CastTarget::Real => Value::new(sql::cast(value.sql, DataType::Real), TypeClass::Float),
            CastTarget::Double => Value::new(sql::cast(value.sql, DataType::DoublePrecision), TypeClass::Float),
            CastTarget::Decimal { precision } => self.decimal(value.number().sql, precision, span),
            CastTarget::Char(length) => self.fixed_text(value.sql, length, span),
            CastTarget::Varchar(length) => self.varying_text(value.sql, length, span),
            CastTarget::Timestamp => {
                let data_type = DataType::Timestamp(Some(TIMESTAMP_DIGITS), TimezoneInfo::None);
                Value::new(sql::cast(value.sql, data_type), TypeClass::Timestamp)
            }
            CastTarget::Date => Value::new(sql::cast(value.sql, DataType::Date), TypeClass::Timestamp),
            CastTarget::Boolean => Value::boolean(sql::cast(value.sql, DataType::Boolean)),
            // Answered above.
            CastTarget::Point | CastTarget::Circle | CastTarget::Polygon => Value::null(),
        }
    }

    /// Reports a cast that no value can go through: of a kind of values that does not become the other, or of a constant.
    fn castable(&mut self, operand: &Expr, class: TypeClass, target: CastTarget) {
        use TypeClass::{Binary, Boolean, Circle, Float, Integer, Other, Point, Polygon, Text, Timestamp};
        let made = made_of(target);
        let fits = match (made, class) {
            (_, Other | Text) => true,
            (_, Point | Circle | Polygon | Binary) => false,
            (Timestamp, _) => class == Timestamp,
            (Integer | Float | Boolean, _) => class != Timestamp,
            _ => true,
        };
        if !fits {
            let message = format!("CAST does not make {} of {}", made.noun(), class.noun());
            self.report.fault(operand.span, message);
            return;
        }
        if let Some(message) = operand.as_text().and_then(|text| not_a_number(text, target)) {
            self.report.fault(operand.span, message);
        } else if let (Some(number), Some((least, greatest))) = (operand.as_constant(), range(target))
            && !(least..=greatest).contains(&number.trunc())
        {
            self.report
                .fault(operand.span, format!("the number does not fit {} ({least} to {greatest})", name(target)));
        }
    }

    /// A text of exactly so many characters.
    fn fixed_text(&mut self, value: SqlExpr, length: Option<u64>, span: Span) -> Value {
        let text = sql::cast(value, DataType::Varchar(None));
        // The standard lets CHAR without a length be as long as the text.
        let Some(length) = length else { return Value::padded(text) };
        if !(1..=MAX_CHAR_LENGTH).contains(&length) {
            self.report.fault(span, format!("a CHAR has 1 to {MAX_CHAR_LENGTH} characters"));
        }
        Value::padded(sql::call("rpad", [text, sql::integer(length)]))
    }

    /// A text of so many characters at most.
    fn varying_text(&mut self, value: SqlExpr, length: Option<u64>, span: Span) -> Value {
        let text = sql::cast(value, DataType::Varchar(None));
        let Some(length) = length else { return Value::new(text, TypeClass::Text) };
        if length == 0 {
            self.report.fault(span, "a VARCHAR has room for 1 character or more");
        }
        // The engine takes no length; what is longer is cut, as the standard allows.
        let length = length.min(i64::MAX.unsigned_abs());
        Value::new(sql::call("left", [text, sql::integer(length)]), TypeClass::Text)
    }

    fn decimal(&mut self, value: SqlExpr, precision: Option<(u64, u64)>, span: Span) -> Value {
        let info = match precision {
            None => ExactNumberInfo::None,
            Some((precision, scale)) => {
                if !(1..=MAX_DECIMAL_DIGITS).contains(&precision) || scale > precision {
                    let message =
                        format!("a decimal has 1 to {MAX_DECIMAL_DIGITS} digits, and no more of them behind the point");
                    self.report.fault(span, message);
                }
                ExactNumberInfo::PrecisionAndScale(precision, i64::try_from(scale).unwrap_or(i64::MAX))
            }
        };
        Value::new(sql::cast(value, DataType::Decimal(info)), TypeClass::Float)
    }
}

fn made_of(target: CastTarget) -> TypeClass {
    match target {
        CastTarget::SmallInt | CastTarget::Integer | CastTarget::BigInt => TypeClass::Integer,
        CastTarget::Real | CastTarget::Double | CastTarget::Decimal { .. } => TypeClass::Float,
        CastTarget::Char(_) | CastTarget::Varchar(_) => TypeClass::Text,
        CastTarget::Timestamp | CastTarget::Date => TypeClass::Timestamp,
        CastTarget::Boolean => TypeClass::Boolean,
        CastTarget::Point => TypeClass::Point,
        CastTarget::Circle => TypeClass::Circle,
        CastTarget::Polygon => TypeClass::Polygon,
    }
}

fn name(target: CastTarget) -> &'static str {
    match target {
        CastTarget::SmallInt => "SMALLINT",
        CastTarget::Integer => "INTEGER",
        CastTarget::BigInt => "BIGINT",
        CastTarget::Real => "REAL",
        CastTarget::Double => "DOUBLE PRECISION",
        _ => "the type",
    }
}

/// What a type of whole numbers holds, as far as a double tells.
fn range(target: CastTarget) -> Option<(f64, f64)> {
    Some(match target {
        CastTarget::SmallInt => (f64::from(i16::MIN), f64::from(i16::MAX)),
        CastTarget::Integer => (f64::from(i32::MIN), f64::from(i32::MAX)),
        _ => return None,
    })
}

/// Why a text that is written out is no number of this type.
fn not_a_number(text: &str, target: CastTarget) -> Option<String> {
    let text = text.trim();
    let is_number = match target {
        CastTarget::SmallInt => text.parse::<i16>().is_ok(),
        CastTarget::Integer => text.parse::<i32>().is_ok(),
        CastTarget::BigInt => text.parse::<i64>().is_ok(),
        CastTarget::Real | CastTarget::Double => text.parse::<f64>().is_ok(),
        _ => true,
    };
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (!is_number).then(|| format!("`{text}` {} {}", if is_whole { "does not fit" } else { "is no" }, name(target)))
}
