//! Function calls.

use sqlparser::ast::{
    BinaryOperator, DataType, DuplicateTreatment, Expr as SqlExpr, FunctionArg, FunctionArgExpr, FunctionArguments,
    WindowFrame, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};
use sqlparser::tokenizer::Span;

use super::expression::alike;
use super::query::order_item;
use super::value::Value;
use super::{Translator, sql};
use crate::ast::{Call, Expr, Frame, FrameBound, FrameUnit, Window};
use crate::functions::{self, Arguments, Callable, Function, Kind, ResultClass, Sql};
use crate::names::TypeClass;

/// The parts of a timestamp that EXTRACT knows.
const FIELDS: &[&str] = &[
    "century",
    "day",
    "decade",
    "dow",
    "doy",
    "epoch",
    "hour",
    "microsecond",
    "millisecond",
    "minute",
    "month",
    "quarter",
    "second",
    "week",
    "year",
];

impl<'q> Translator<'q, '_, '_, '_> {
    pub(super) fn call(&mut self, call: &'q Call, span: Span) -> Value {
        let count = if call.star { 1 } else { call.arguments.len() };
        match functions::find(&call.name.text, count, &self.options.functions) {
            Ok(Callable::Standard(function)) if function.kind == Kind::Geometry => self.geometry(function, call, span),
            Ok(Callable::Standard(function)) => self.standard_call(function, call),
            Ok(Callable::Declared(signature)) => {
                let class = signature.result_class();
                let arguments: Vec<SqlExpr> = self.plain_arguments(&call.arguments);
                Value::new(sql::call(&call.name.text.to_ascii_lowercase(), arguments), class)
            }
            // The rules have reported it. Its arguments may have faults of their own.
            Err(_) => {
                self.plain_arguments(&call.arguments);
                Value::null()
            }
        }
    }

    fn plain_arguments(&mut self, arguments: &'q [Expr]) -> Vec<SqlExpr> {
        arguments.iter().map(|argument| self.expr(argument).plain().sql).collect()
    }

    fn standard_call(&mut self, function: &'static Function, call: &'q Call) -> Value {
        let before = self.ungrouped();
        let (arguments, first) = self.typed_arguments(function, &call.arguments);
        if function.kind == Kind::Aggregate && call.over.is_none() {
            self.forget_ungrouped(before);
        }
        let class = match function.result {
            ResultClass::Is(class) => class,
            ResultClass::First => first,
        };
        match function.sql {
            Sql::Modulo => Value::new(modulo(arguments), class),
            Sql::OfDoubles(name) => Value::new(sql::call(name, arguments.into_iter().map(as_double)), class),
            Sql::Bare(name) => {
                if !call.arguments.is_empty() {
                    self.report.warn(format!("the argument of {} has no effect", function.name));
                }
                Value::new(sql::call(name, []), class)
            }
            Sql::Name(name) => Value::new(self.named_call(name, arguments, call), class),
            Sql::Geometry => Value::null(),
        }
    }

    fn named_call(&mut self, name: &str, arguments: Vec<SqlExpr>, call: &'q Call) -> SqlExpr {
        let mut arguments: Vec<FunctionArg> =
            arguments.into_iter().map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))).collect();
        if call.star {
            arguments = vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)];
        }
        let mut translated = sql::function_of(name, arguments);
        if call.distinct
            && let FunctionArguments::List(list) = &mut translated.args
        {
            list.duplicate_treatment = Some(DuplicateTreatment::Distinct);
        }
        translated.over = call.over.as_ref().map(|window| WindowType::WindowSpec(self.window(window)));
        SqlExpr::Function(translated)
    }

    /// The arguments, each checked against what the function takes, and the class of the first.
    fn typed_arguments(&mut self, function: &Function, arguments: &'q [Expr]) -> (Vec<SqlExpr>, TypeClass) {
        if function.name == "EXTRACT" {
            self.check_field(arguments);
        }
        match function.arguments {
            Arguments::Numbers => {
                let values: Vec<Value> = arguments.iter().map(|argument| self.numeric(argument)).collect();
                let first = values.first().map_or(TypeClass::Other, |value| value.class);
                (values.into_iter().map(|value| value.sql).collect(), first)
            }
            Arguments::Texts => {
                let values = arguments.iter().map(|argument| self.text_argument(function, argument)).collect();
                (values, TypeClass::Text)
            }
            Arguments::Any => {
                let values: Vec<Value> = arguments.iter().map(|argument| self.expr(argument).plain()).collect();
                let first = values.first().map_or(TypeClass::Other, |value| value.class);
                (values.into_iter().map(|value| value.sql).collect(), first)
            }
            Arguments::Alike => {
                let values = arguments.iter().map(|argument| self.expr(argument)).collect();
                alike(values)
            }
        }
    }

    fn text_argument(&mut self, function: &Function, argument: &'q Expr) -> SqlExpr {
        let value = self.expr(argument).plain();
        if !matches!(value.class, TypeClass::Text | TypeClass::Other) {
            let message = format!("{} takes a text, and this is {}", function.name, value.class.noun());
            self.report.fault(argument.span, message);
        }
        value.sql
    }

    fn check_field(&mut self, arguments: &[Expr]) {
        let Some(field) = arguments.first() else { return };
        if !field.as_text().is_some_and(|text| FIELDS.contains(&text)) {
            let problem = crate::report::Problem::new(field.span, "EXTRACT does not know this part of a timestamp");
            self.report.problem(problem.expecting(FIELDS.iter().copied()));
        }
    }

    fn window(&mut self, window: &'q Window) -> WindowSpec {
        let partition_by = self.plain_arguments(&window.partition_by);
        let order_by = window
            .order_by
            .iter()
            .map(|item| {
                let expr = self.expr(&item.expr).plain().sql;
                order_item(item, expr)
            })
            .collect();
        WindowSpec { window_name: None, partition_by, order_by, window_frame: window.frame.as_ref().map(frame) }
    }
}

fn frame(frame: &Frame) -> WindowFrame {
    let units = match frame.unit {
        FrameUnit::Rows => WindowFrameUnits::Rows,
        FrameUnit::Range => WindowFrameUnits::Range,
        FrameUnit::Groups => WindowFrameUnits::Groups,
    };
    WindowFrame { units, start_bound: bound(&frame.start), end_bound: frame.end.as_ref().map(bound) }
}

fn bound(bound: &FrameBound) -> WindowFrameBound {
    let rows = |rows: &Option<u64>| rows.map(|rows| Box::new(sql::integer(rows)));
    match bound {
        FrameBound::CurrentRow => WindowFrameBound::CurrentRow,
        FrameBound::Preceding(count) => WindowFrameBound::Preceding(rows(count)),
        FrameBound::Following(count) => WindowFrameBound::Following(rows(count)),
    }
}

/// `x % y`: the remainder has the sign of `x`, as ADQL wants it.
fn modulo(arguments: Vec<SqlExpr>) -> SqlExpr {
    let operands = arguments.into_iter().map(sql::operand).collect();
    sql::operand(sql::chain(operands, &BinaryOperator::Modulo).unwrap_or_else(sql::null))
}

fn as_double(expr: SqlExpr) -> SqlExpr {
    sql::cast(expr, DataType::DoublePrecision)
}
