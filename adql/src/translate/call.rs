//! Function calls.

use sqlparser::ast::{
    BinaryOperator, DataType, DuplicateTreatment, ExactNumberInfo, Expr as SqlExpr, FunctionArg, FunctionArgExpr,
    FunctionArguments, TimezoneInfo, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};
use sqlparser::tokenizer::Span;

use super::expression::as_text;
use super::query::order_item;
use super::truth::is_moment;
use super::value::Value;
use super::{Translator, sql};
use crate::ast::{Call, Expr, Frame, FrameBound, FrameUnit, Window};
use crate::functions::{self, Arguments, Callable, Function, FunctionSignature, Kind, Parameter, ResultClass, Sql};
use crate::names::TypeClass;

/// NULL for what is no finite number.
const FINITE: &str = "qserv_finite";

/// Functions whose results are DOUBLEs.
const DOUBLES: &[&str] = &[
    FINITE,
    "qserv_sqrt",
    "qserv_power",
    "qserv_round",
    "qserv_truncate",
    "qserv_distance",
    "qserv_coord1",
    "qserv_coord2",
    "qserv_area",
    "qserv_random",
    "random",
    "pi",
    "avg",
];

/// Digits of the engine's widest decimal, which no sum of BIGINTs fills.
const WIDEST_DECIMAL: u64 = 38;

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
            Ok(Callable::Declared(signature)) => self.declared_call(signature, call),
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

    /// A call of a function that the service has declared.
    fn declared_call(&mut self, signature: &FunctionSignature, call: &'q Call) -> Value {
        let before = self.ungrouped();
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for (index, argument) in call.arguments.iter().enumerate() {
            let value = self.expr(argument).plain();
            let parameter = signature.parameters.get(index).or(signature.parameters.last());
            let value = match parameter {
                Some(parameter) => self.fitting(signature, parameter, value, argument.span),
                None => value,
            };
            arguments.push(value.sql);
        }
        if signature.aggregate && call.over.is_none() {
            self.forget_ungrouped(before);
        }
        Value::new(self.named_call(&call.name.text.to_ascii_lowercase(), arguments, call), signature.result_class())
    }

    /// An argument of a declared function, which must be of the declared kind.
    fn fitting(&mut self, signature: &FunctionSignature, parameter: &Parameter, value: Value, span: Span) -> Value {
        use TypeClass::{Boolean, Circle, Float, Integer, Other, Point, Polygon, Text, Timestamp};
        let wanted = parameter.class();
        let fits = match (wanted, value.class) {
            (Other, _) | (_, Other) => true,
            (Integer, Integer | Boolean) | (Float, Integer | Float | Boolean) => true,
            // A text may be written for a truth, a moment or a shape.
            (Boolean | Timestamp | Point | Circle | Polygon, Text) => true,
            (Circle | Polygon, Point | Circle | Polygon) => true,
            (wanted, given) => wanted == given,
        };
        if !fits {
            let noun = if wanted == Integer { "a whole number" } else { wanted.noun() };
            let given = match value.class {
                Float if wanted == Integer => "a number that may have a fraction",
                class => class.noun(),
            };
            let message = format!("`{}` of {} is {noun}, and this is {given}", parameter.name, signature.name);
            self.report.fault(span, message);
        }
        if wanted.may_be_number() && wanted != Boolean && wanted != Other { value.number() } else { value }
    }

    fn standard_call(&mut self, function: &'static Function, call: &'q Call) -> Value {
        let before = self.ungrouped();
        let arguments = self.typed_arguments(function, &call.arguments);
        if function.kind == Kind::Aggregate && call.over.is_none() {
            self.forget_ungrouped(before);
        }
        let first = arguments.first().map_or(TypeClass::Other, |value| value.class);
        let class = match function.result {
            ResultClass::Is(class) => class,
            ResultClass::First => first,
        };
        let sql = match function.sql {
            Sql::Name(name) => {
                let translated = self.named_call(name, arguments.into_iter().map(|value| value.sql).collect(), call);
                // Ranks are unsigned numbers in the engine, and differences of them may be negative.
                if function.kind == Kind::Window && function.result == ResultClass::Is(TypeClass::Integer) {
                    sql::cast(translated, DataType::BigInt(None))
                } else {
                    translated
                }
            }
            Sql::OfDoubles(name) => {
                let is_constant = |value: &Value| matches!(value.sql, SqlExpr::Value(_));
                let of_value = |value| if is_constant(&value) { value.sql } else { as_double(value) };
                self.named_call(name, arguments.into_iter().map(of_value).collect(), call)
            }
            Sql::OfTexts(name) => sql::call(name, arguments.into_iter().map(as_text)),
            Sql::Real(name) => finite(name, arguments.into_iter().map(as_double)),
            Sql::Places(name) => {
                let mut arguments = arguments.into_iter();
                let number = arguments.next().map(as_double);
                finite(name, number.into_iter().chain(arguments.map(|places| places.sql)))
            }
            Sql::Sum if class == TypeClass::Integer => self.whole_sum(arguments, call),
            Sql::Sum => self.named_call("sum", arguments.into_iter().map(|value| value.sql).collect(), call),
            Sql::Modulo => modulo(arguments),
            Sql::Random if arguments.is_empty() => sql::call("random", []),
            Sql::Random => sql::call("qserv_random", arguments.into_iter().map(|seed| seed.sql)),
            Sql::Part => part_of_text(arguments),
            Sql::Extract => part_of_timestamp(arguments, &call.arguments),
            Sql::Geometry => sql::null(),
        };
        Value::new(sql, class)
    }

    /// A sum of whole numbers: in a wider type, for the engine's own sum wraps around.
    fn whole_sum(&mut self, arguments: Vec<Value>, call: &'q Call) -> SqlExpr {
        let decimal = DataType::Decimal(ExactNumberInfo::PrecisionAndScale(WIDEST_DECIMAL, 0));
        let wide = arguments.into_iter().map(|value| sql::cast(value.sql, decimal.clone())).collect();
        sql::cast(self.named_call("sum", wide, call), DataType::BigInt(None))
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

    /// The arguments, each checked against what the function takes.
    fn typed_arguments(&mut self, function: &'static Function, arguments: &'q [Expr]) -> Vec<Value> {
        match (function.sql, function.arguments) {
            (Sql::Extract, _) => self.field_and_timestamp(arguments),
            (Sql::Part, _) => self.text_and_places(function, arguments),
            (Sql::Places(_), _) => {
                let mut values: Vec<Value> = arguments.iter().take(1).map(|number| self.numeric(number)).collect();
                values.extend(arguments.iter().skip(1).map(|places| self.whole(places)));
                values
            }
            (Sql::Random, _) => arguments.iter().map(|seed| self.whole(seed)).collect(),
            (Sql::OfDoubles("qserv_percentile"), _) => self.values_and_fraction(arguments),
            (_, Arguments::Numbers) => arguments.iter().map(|argument| self.numeric(argument)).collect(),
            (_, Arguments::Texts) => arguments.iter().map(|argument| self.text_argument(function, argument)).collect(),
            (_, Arguments::Any) => arguments.iter().map(|argument| self.expr(argument).plain()).collect(),
            (_, Arguments::Alike) => {
                let values = arguments.iter().map(|argument| (self.expr(argument), argument.span)).collect();
                let (values, class) = self.alike(values, function.name);
                values.into_iter().map(|value| Value::new(value, class)).collect()
            }
        }
    }

    /// A whole number, or a fault if it cannot be one.
    fn whole(&mut self, expr: &'q Expr) -> Value {
        let value = self.numeric(expr);
        if value.class == TypeClass::Float {
            self.report.fault(expr.span, "a whole number must stand here, and this one may have a fraction");
        }
        value
    }

    fn text_argument(&mut self, function: &Function, argument: &'q Expr) -> Value {
        let value = self.expr(argument).plain();
        if !matches!(value.class, TypeClass::Text | TypeClass::Other) {
            let message = format!("{} takes a text, and this is {}", function.name, value.class.noun());
            self.report.fault(argument.span, message);
        }
        Value { class: TypeClass::Text, ..value }
    }

    /// The arguments of SUBSTRING: a text, the place of its first character, and a length.
    fn text_and_places(&mut self, function: &Function, arguments: &'q [Expr]) -> Vec<Value> {
        let mut values: Vec<Value> = arguments.iter().take(1).map(|text| self.text_argument(function, text)).collect();
        values.extend(arguments.iter().skip(1).map(|place| self.whole(place)));
        if let Some(length) = arguments.get(2).filter(|length| length.as_constant().is_some_and(|value| value < 0.0)) {
            self.report.fault(length.span, "the length of a text is not negative");
        }
        values
    }

    /// The arguments of PERCENTILE: numbers, and which part of them is to be below the result.
    fn values_and_fraction(&mut self, arguments: &'q [Expr]) -> Vec<Value> {
        if let Some(fraction) = arguments.get(1)
            && !fraction.as_constant().is_some_and(|value| (0.0..=1.0).contains(&value))
        {
            self.report
                .fault(fraction.span, "the fraction of PERCENTILE is a number from 0 to 1, as 0.5 for the median");
        }
        arguments.iter().map(|argument| self.numeric(argument)).collect()
    }

    /// The arguments of EXTRACT. A text that is written out may stand for a timestamp.
    fn field_and_timestamp(&mut self, arguments: &'q [Expr]) -> Vec<Value> {
        self.check_field(arguments);
        let mut values: Vec<Value> = arguments.iter().map(|argument| self.expr(argument).plain()).collect();
        if let (Some(value), Some(argument)) = (values.get_mut(1), arguments.get(1)) {
            if argument.as_text().is_some_and(|text| !is_moment(text)) {
                let problem = crate::report::Problem::new(argument.span, "EXTRACT takes a timestamp, and this is none");
                self.report.problem(problem.expecting(["'2025-01-31T23:59:59'"]));
            } else if value.class == TypeClass::Text {
                let text = std::mem::replace(&mut value.sql, sql::null());
                value.sql = if argument.as_text().is_some() {
                    sql::cast(text, DataType::Timestamp(Some(6), TimezoneInfo::None))
                } else {
                    // What rows hold shows when it is read: the error says what it was read for.
                    sql::call("qserv_cast", [text, sql::text("TIMESTAMP"), sql::text("EXTRACT")])
                };
            } else if !matches!(value.class, TypeClass::Timestamp | TypeClass::Other) {
                let message = format!("EXTRACT takes a timestamp, and this is {}", value.class.noun());
                self.report.fault(argument.span, message);
            }
        }
        values
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

/// The remainder, which has the sign of `x`: of whole numbers exactly, whatever their size.
fn modulo(arguments: Vec<Value>) -> SqlExpr {
    let whole = arguments.iter().all(|value| value.class == TypeClass::Integer);
    let operands: Vec<SqlExpr> =
        arguments.into_iter().map(|value| sql::operand(if whole { value.sql } else { as_double(value) })).collect();
    let remainder = sql::chain(operands, &BinaryOperator::Modulo).unwrap_or_else(sql::null);
    if whole { sql::cast(remainder, DataType::DoublePrecision) } else { sql::call(FINITE, [remainder]) }
}

/// A number as a DOUBLE, whatever it is.
fn as_double(value: Value) -> SqlExpr {
    let is_double = match &value.sql {
        SqlExpr::Cast { data_type, .. } => *data_type == DataType::DoublePrecision,
        SqlExpr::Function(function) => DOUBLES.contains(&function.name.to_string().as_str()),
        SqlExpr::Value(_) => value.class == TypeClass::Float,
        _ => false,
    };
    if is_double { value.sql } else { sql::cast(value.sql, DataType::DoublePrecision) }
}

/// A call whose result is NULL where it is no finite number. Functions of our own see to that themselves.
fn finite(name: &str, arguments: impl IntoIterator<Item = SqlExpr>) -> SqlExpr {
    let call = sql::call(name, arguments);
    if name.starts_with("qserv_") { call } else { sql::call(FINITE, [call]) }
}

/// A part of a text. A length that turns out to be negative is no length.
fn part_of_text(arguments: Vec<Value>) -> SqlExpr {
    let mut arguments = arguments.into_iter().map(|value| value.sql);
    let mut parts: Vec<SqlExpr> = arguments.by_ref().take(2).collect();
    parts.extend(arguments.map(|length| match length {
        SqlExpr::Value(_) => length,
        length => sql::call("greatest", [length, sql::integer(0)]),
    }));
    sql::call("substr", parts)
}

/// A part of a timestamp. Seconds have their fraction, which the engine's do not.
fn part_of_timestamp(values: Vec<Value>, arguments: &[Expr]) -> SqlExpr {
    let field = arguments.first().and_then(Expr::as_text).unwrap_or_default();
    let Some(timestamp) = values.into_iter().nth(1) else { return sql::null() };
    let part = |part: &str| sql::call("date_part", [sql::text(part), timestamp.sql.clone()]);
    let of_microseconds = |unit: u32| {
        let microseconds = sql::cast(part("microsecond"), DataType::DoublePrecision);
        sql::operand(sql::binary(microseconds, BinaryOperator::Divide, sql::integer(unit)))
    };
    let years = |ahead: u32, years: u32| {
        let year = sql::operand(sql::binary(part("year"), BinaryOperator::Plus, sql::integer(ahead)));
        sql::operand(sql::binary(year, BinaryOperator::Divide, sql::integer(years)))
    };
    match field {
        "second" => of_microseconds(1_000_000),
        "millisecond" => of_microseconds(1_000),
        "decade" => years(0, 10),
        "century" => years(99, 100),
        field => part(field),
    }
}
