//! Rules about the kind of a value, as far as its form shows it: ADQL's grammar has expressions of numbers and of texts.
//! What only the catalog knows, the types of columns, is looked at in translation.

use super::Rules;
use crate::ast::{Call, Expr, ExprKind, Operator};
use crate::functions::{Arguments, Function, Kind, ResultClass, standard};
use crate::names::TypeClass;

/// What the form of an expression says about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A number alone: the grammar takes it for a text too.
    Numeral,
    /// Computed numbers.
    Number,
    Text,
    Geometry,
    /// A column, a user-defined function, NULL: anything.
    Open,
}

impl Rules<'_, '_, '_> {
    /// An operand of arithmetic, or an argument of a function of numbers.
    pub(super) fn number_form(&mut self, expr: &Expr) {
        match form(expr) {
            Form::Text => {
                match expr.as_text().map(str::trim).filter(|text| text.parse::<f64>().is_ok_and(f64::is_finite)) {
                    // In the words of the translation, which knows what stands beside it.
                    Some(number) => {
                        self.report.lenient(expr.span, format!("a number stands without quotes in ADQL: {number}"));
                    }
                    None => self.report.lenient(expr.span, "a number must stand here, and this is a text"),
                }
            }
            Form::Geometry => self.report.lenient(expr.span, "a number must stand here, and this is a geometry"),
            Form::Number | Form::Numeral | Form::Open => {}
        }
    }

    /// An operand of `||`, or an argument of a function of texts.
    pub(super) fn text_form(&mut self, expr: &Expr) {
        match form(expr) {
            Form::Number => self.report.lenient(expr.span, "a text must stand here, and this is a number"),
            Form::Geometry => self.report.lenient(expr.span, "a text must stand here, and this is a geometry"),
            Form::Text | Form::Numeral | Form::Open => {}
        }
    }

    /// What LIKE compares, and its pattern.
    pub(super) fn pattern_form(&mut self, expr: &Expr) {
        if form(expr) == Form::Numeral {
            self.report.lenient(expr.span, "LIKE compares texts, and this is a number");
        } else {
            self.text_form(expr);
        }
    }

    /// CONTAINS and INTERSECTS are 1 or 0, so that a comparison with another number was meant as something else.
    pub(super) fn one_or_zero(&mut self, left: &Expr, right: &Expr) {
        for (test, number) in [(left, right), (right, left)] {
            let is_test = test.as_call().is_some_and(|call| {
                ["CONTAINS", "INTERSECTS"].iter().any(|name| call.name.text.eq_ignore_ascii_case(name))
            });
            // `as_constant` of a numeral that is written out: 0 and 1 are exact.
            if is_test && number.as_constant().is_some_and(|value| ![0.0, 1.0].contains(&value)) {
                self.report.lenient(number.span, "CONTAINS and INTERSECTS are compared with 1 or 0");
            }
        }
    }

    /// The arguments of a function of the table.
    pub(super) fn argument_forms(&mut self, function: &Function, call: &Call) {
        match (function.name, call.arguments.as_slice()) {
            ("ROUND" | "TRUNCATE", [value, digits]) => {
                self.number_form(value);
                if !is_signed_integer(digits) {
                    let message = format!("the number of decimal places of {} is a whole number", function.name);
                    self.report.lenient(digits.span, message);
                }
            }
            ("RAND", [seed]) if seed.as_position().is_none() => {
                self.report.lenient(seed.span, "the argument of RAND is a whole number");
            }
            (_, arguments) => match function.arguments {
                Arguments::Numbers => arguments.iter().for_each(|argument| self.number_form(argument)),
                Arguments::Texts => arguments.iter().for_each(|argument| self.text_form(argument)),
                Arguments::Any | Arguments::Alike => {}
            },
        }
    }
}

/// `<signed_integer>` of the grammar: digits, perhaps with a sign.
fn is_signed_integer(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Sign { operand, .. } => operand.as_position().is_some(),
        _ => expr.as_position().is_some(),
    }
}

fn form(expr: &Expr) -> Form {
    match &expr.kind {
        ExprKind::Number(_) => Form::Numeral,
        ExprKind::Text(_) => Form::Text,
        // Between parentheses the grammar takes any value.
        ExprKind::Nested(inner) if form(inner) == Form::Geometry => Form::Geometry,
        ExprKind::Nested(_) => Form::Open,
        ExprKind::Binary { operator: Operator::Concatenate, .. } => Form::Text,
        ExprKind::Binary { .. } | ExprKind::Sign { .. } | ExprKind::BitNot(_) => Form::Number,
        ExprKind::Call(call) => form_of_call(call),
        _ => Form::Open,
    }
}

fn form_of_call(call: &Call) -> Form {
    let Some(function) = standard(&call.name.text) else { return Form::Open };
    match (function.kind, function.result) {
        // Aggregates are primaries of the grammar, as columns are: of any kind.
        (Kind::Aggregate | Kind::Window, _) => Form::Open,
        (_, ResultClass::Is(TypeClass::Float | TypeClass::Integer)) => Form::Number,
        (_, ResultClass::Is(TypeClass::Text)) => Form::Text,
        (_, ResultClass::Is(TypeClass::Point | TypeClass::Circle | TypeClass::Polygon)) => Form::Geometry,
        (_, ResultClass::First) if function.arguments == Arguments::Numbers => Form::Number,
        _ => Form::Open,
    }
}
