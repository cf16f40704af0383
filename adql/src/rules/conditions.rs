//! Where conditions stand and where values stand, which ADQL keeps apart, and the walk through both.

use super::{Context, Rules};
use crate::ast::{Expr, ExprKind, Operator};
use crate::report::Problem;

impl Rules<'_, '_, '_> {
    /// A search condition: WHERE, HAVING, ON and CASE WHEN.
    pub(super) fn condition(&mut self, expr: &Expr, context: Context) {
        match &expr.kind {
            ExprKind::And(terms) | ExprKind::Or(terms) => terms.iter().for_each(|term| self.condition(term, context)),
            ExprKind::Not(inner) | ExprKind::Nested(inner) => self.condition(inner, context),
            ExprKind::Boolean(_) => {}
            _ if is_predicate(expr) => self.inside(expr, context),
            _ => {
                if self.is_strict() {
                    let problem = Problem::new(expr.span, "a condition must stand here, and this is a value");
                    self.fault(problem.expecting(["a comparison, for example with `= 1`"]));
                }
                self.inside(expr, context);
            }
        }
    }

    /// A value: everywhere else.
    pub(super) fn value(&mut self, expr: &Expr, context: Context) {
        if self.is_strict() && is_condition(expr) {
            self.report.fault(expr.span, "a value must stand here, and this is a condition");
        }
        self.inside(expr, context);
    }

    /// Goes on below an expression, whichever of both it is.
    fn inside(&mut self, expr: &Expr, context: Context) {
        match &expr.kind {
            ExprKind::Null | ExprKind::Boolean(_) | ExprKind::Number(_) | ExprKind::Text(_) => {}
            ExprKind::Parameter(_) => {}
            ExprKind::Column(path) => path.iter().for_each(|name| self.name(name)),
            ExprKind::Sign { operand, .. } | ExprKind::BitNot(operand) => {
                self.number_form(operand);
                self.value(operand, context);
            }
            ExprKind::Cast { operand, .. } => self.value(operand, context),
            ExprKind::Nested(inner) => self.inside(inner, context),
            ExprKind::Not(inner) => self.condition(inner, context),
            ExprKind::And(terms) | ExprKind::Or(terms) => terms.iter().for_each(|term| self.condition(term, context)),
            ExprKind::Binary { left, operator, right } => {
                for operand in [left, right] {
                    if *operator == Operator::Concatenate {
                        self.text_form(operand);
                    } else {
                        self.number_form(operand);
                    }
                    self.value(operand, context);
                }
            }
            ExprKind::Compare { left, right, .. } => {
                self.one_or_zero(left, right);
                self.value(left, context);
                self.value(right, context);
            }
            ExprKind::Distinct { left, right, .. } => {
                self.value(left, context);
                self.value(right, context);
            }
            ExprKind::Between { value, low, high, .. } => {
                self.value(value, context);
                self.value(low, context);
                self.value(high, context);
            }
            ExprKind::InList { value, list, .. } => {
                self.value(value, context);
                self.values(list, context);
            }
            ExprKind::InQuery { value, query, .. } => {
                self.value(value, context);
                self.query(query, false);
            }
            ExprKind::Like { value, pattern, escape, .. } => {
                self.pattern_form(value);
                self.pattern_form(pattern);
                self.value(value, context);
                self.value(pattern, context);
                if escape.is_some() {
                    self.report.lenient(expr.span, "LIKE has no ESCAPE in ADQL");
                }
            }
            ExprKind::IsNull { value, .. } => self.value(value, context),
            ExprKind::IsTruth { value, .. } => self.inside(value, context),
            ExprKind::Exists(query) | ExprKind::Scalar(query) => self.query(query, false),
            ExprKind::Case { operand, branches, otherwise } => {
                operand.iter().for_each(|operand| self.value(operand, context));
                for (when, then) in branches {
                    if operand.is_some() {
                        self.value(when, context)
                    } else {
                        self.condition(when, context)
                    }
                    self.value(then, context);
                }
                otherwise.iter().for_each(|otherwise| self.value(otherwise, context));
            }
            ExprKind::Call(call) => self.call(call, expr.span, context),
        }
    }
}

/// Whether the expression is true or false by its form.
fn is_condition(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::And(_) | ExprKind::Or(_) | ExprKind::Not(_) => true,
        ExprKind::Nested(inner) => is_condition(inner),
        _ => is_predicate(expr),
    }
}

fn is_predicate(expr: &Expr) -> bool {
    matches!(
        expr.kind,
        ExprKind::Compare { .. }
            | ExprKind::Distinct { .. }
            | ExprKind::Between { .. }
            | ExprKind::InList { .. }
            | ExprKind::InQuery { .. }
            | ExprKind::Like { .. }
            | ExprKind::IsNull { .. }
            | ExprKind::IsTruth { .. }
            | ExprKind::Exists(_)
    )
}
