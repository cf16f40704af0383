//! `IN_UNIT(value, 'unit')`: a factor between two units that are known before the query runs.

use sqlparser::ast::{BinaryOperator, DataType, Expr as SqlExpr};

use super::meaning::Quantity;
use super::value::Value;
use super::{Translator, sql};
use crate::ast::{Expr, ExprKind};
use crate::names::TypeClass;
use crate::units::Unit;

impl<'q> Translator<'q, '_, '_, '_> {
    /// The value times the factor, as a DOUBLE; the value as it is where the factor is 1.
    pub(super) fn in_unit(&mut self, value: &'q Expr, unit: &'q Expr) -> Value {
        let translated = self.numeric(value);
        // The rules have reported what is no unit, and the translation what is no value.
        let Some((name, target)) = unit.as_text().and_then(|text| Some((text, text.parse::<Unit>().ok()?))) else {
            return translated;
        };
        let missing = translated.sql == sql::null() && !matches!(value.bare().kind, ExprKind::Null);
        if missing || target.unknown_name().is_some() || target == Unit::dimensionless() {
            return translated;
        }
        let factor = match self.meaning(value, true).quantity {
            Quantity::In(_, Some(own)) if own.factor_to(&target).is_some() => own.factor_to(&target),
            Quantity::In(own, Some(_)) => {
                let message = format!("`{own}` cannot be converted to `{}`: they do not measure the same", name.trim());
                self.report.fault(value.span, message);
                None
            }
            Quantity::In(own, None) => {
                self.report
                    .fault(value.span, format!("the unit of this value, `{own}`, is none that can be converted"));
                None
            }
            Quantity::Unknown | Quantity::Constant | Quantity::Number => {
                let message = format!("this value has no unit, so it cannot be converted to `{}`", name.trim());
                self.report.fault(value.span, message);
                None
            }
        };
        match factor {
            None => translated,
            Some(1.0) => translated,
            Some(factor) => Value::new(multiplied(translated.sql, factor), TypeClass::Float),
        }
    }
}

fn multiplied(value: SqlExpr, factor: f64) -> SqlExpr {
    let value = sql::cast(value, DataType::DoublePrecision);
    sql::operand(sql::binary(value, BinaryOperator::Multiply, sql::number(&format!("{factor:e}"))))
}
