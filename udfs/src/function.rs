//! A [`Definition`] as DataFusion calls it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, ListArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::exec_datafusion_err;
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility, lit,
};
use datafusion::scalar::ScalarValue;
use qserv_core::Error;

use crate::containment;
use crate::definition::{ArgumentKind, Body, Definition, Form, Returns, TestRules, check_latitude};
use crate::error::external;
use crate::manual;
use crate::numbers::{self, Numbers};
use crate::scisql;
use crate::sequence::Sequence;

/// The key of the field metadata that names a geometry value's DALI serialisation.
const XTYPE: &str = "xtype";

/// One function in a session.
pub(crate) struct Function {
    definition: &'static Definition,
    name: String,
    aliases: Vec<String>,
    signature: Signature,
    documentation: Documentation,
    /// Where its random numbers are; nothing to other functions.
    sequence: Sequence,
    /// Whether it is the function of one call in one query, with a sequence of its own.
    is_of_one_call: bool,
}

impl Function {
    /// The function of a definition.
    pub(crate) fn new(definition: &'static Definition) -> Self {
        let name = definition.name.to_ascii_lowercase();
        let aliases = if name == definition.name { Vec::new() } else { vec![definition.name.to_owned()] };
        // Coercion of our own accepts every call and leaves the refusal to `return_field_from_args`: what that says
        // reaches the user whole, while DataFusion turns an error of coercion into text of its own.
        let volatility = if definition.is_volatile() { Volatility::Volatile } else { Volatility::Immutable };
        let takes_nothing = |form: &Form| form.accepts(0);
        let signature = if definition.forms.iter().all(takes_nothing) {
            Signature::nullary(volatility)
        } else if definition.forms.iter().any(takes_nothing) {
            Signature::one_of(vec![TypeSignature::Nullary, TypeSignature::UserDefined], volatility)
        } else {
            Signature::user_defined(volatility)
        };
        let documentation = manual::documentation(definition);
        let sequence = Sequence::default();
        Self { definition, name, aliases, signature, documentation, sequence, is_of_one_call: false }
    }

    /// The type of the result of a call with arguments of these types.
    fn result_type<'a>(&self, types: impl ExactSizeIterator<Item = &'a DataType>) -> DataType {
        match self.definition.returns {
            Returns::Numeric if self.is_whole(types) => DataType::Int64,
            returns => returns.data_type(),
        }
    }

    /// Whether a call's arguments of the kind [`ArgumentKind::Numeric`] are whole numbers.
    fn is_whole<'a>(&self, types: impl ExactSizeIterator<Item = &'a DataType>) -> bool {
        let Ok(form) = self.definition.form(types.len()) else { return false };
        let mut some = false;
        let numeric = types.enumerate().filter(|(index, _)| form.kind(*index) == ArgumentKind::Numeric);
        numeric.into_iter().all(|(_, data_type)| {
            some |= !data_type.is_null();
            is_integer(data_type)
        }) && some
    }

    /// Whether the last of so many arguments is a binary polygon.
    fn takes_binary(&self, count: usize) -> bool {
        let form = self.definition.form(count);
        form.is_ok_and(|form| count > 0 && form.kind(count - 1) == ArgumentKind::Binary)
    }

    /// A test against a constant binary polygon as one against its vertices: those the engine's pruning understands.
    fn with_vertices(&self, args: &[Expr]) -> Option<Expr> {
        let [lon, lat, Expr::Literal(polygon, _)] = args else { return None };
        if !self.takes_binary(args.len()) {
            return None;
        }
        let vertices = scisql::binary_vertices(polygon)?.into_iter().map(lit);
        let args = [lon.clone(), lat.clone()].into_iter().chain(vertices).collect();
        Some(ScalarUDF::new_from_impl(Self::new(self.definition)).call(args))
    }

    fn evaluate(&self, arguments: &[Numbers], rows: usize) -> Result<ArrayRef> {
        if arguments.iter().filter_map(Numbers::rows).any(|length| length != rows) {
            return Err(external(
                Error::internal("arguments of different lengths").with("function", self.definition.name),
            ));
        }
        let constants: Vec<Option<f64>> = arguments.iter().map(Numbers::constant).collect();
        match &self.definition.body {
            Body::Test { build, rules: TestRules::Adql } => {
                let result = check_latitude(constants.get(1).copied().flatten())
                    .and_then(|()| containment::adql(arguments, rows, *build));
                Ok(Arc::new(result.map_err(|error| external(self.definition.explain(error)))?))
            }
            Body::Test { build, rules: TestRules::SciSql } => {
                Ok(Arc::new(containment::scisql(arguments, rows, *build)))
            }
            Body::Numbers { evaluate, .. } => {
                self.definition.check(&constants).map_err(external)?;
                Ok(evaluate(arguments, rows))
            }
            // Their arguments are no numbers: they never come here.
            Body::Coordinate(_) | Body::Values { .. } | Body::Random { .. } | Body::Refused(_) | Body::Aggregate(_) => {
                Err(exec_datafusion_err!("{} takes no numbers", self.name))
            }
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Function").field(&self.definition.name).finish()
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        &self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(self.result_type(types.iter()))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let form = self.definition.forms.iter().find(|form| form.accepts(types.len()));
        let is_whole = self.is_whole(types.iter());
        let coerce = |(index, data_type): (usize, &DataType)| match form.map(|form| form.kind(index)) {
            Some(ArgumentKind::Number) if is_number(data_type) => DataType::Float64,
            Some(ArgumentKind::Integer) if is_integer(data_type) => DataType::Int64,
            Some(ArgumentKind::Numeric) if is_number(data_type) && is_whole => DataType::Int64,
            Some(ArgumentKind::Numeric) if is_number(data_type) => DataType::Float64,
            Some(ArgumentKind::Text | ArgumentKind::Time) if is_text(data_type) => DataType::Utf8,
            Some(ArgumentKind::Binary) if is_binary(data_type) => DataType::Binary,
            Some(ArgumentKind::Shape) if is_text(data_type) => DataType::Utf8,
            Some(ArgumentKind::Shape) if is_list_of_numbers(data_type) => Returns::Point.data_type(),
            Some(ArgumentKind::Point) if is_list_of_numbers(data_type) => Returns::Point.data_type(),
            _ => data_type.clone(),
        };
        Ok(types.iter().enumerate().map(coerce).collect())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let definition = self.definition;
        let form = definition.form(args.arg_fields.len()).map_err(external)?;
        for (index, field) in args.arg_fields.iter().enumerate() {
            let (accepted, expected) = match form.kind(index) {
                ArgumentKind::Number | ArgumentKind::Numeric => (is_number(field.data_type()), "a number"),
                ArgumentKind::Time => {
                    (is_text(field.data_type()) || is_time(field.data_type()), "a time or a text that is one")
                }
                ArgumentKind::Integer => (is_integer(field.data_type()), "a whole number"),
                ArgumentKind::Text => (is_text(field.data_type()), "a text"),
                ArgumentKind::Binary => (is_binary(field.data_type()), "a binary value"),
                ArgumentKind::Shape => {
                    (is_text(field.data_type()) || is_list_of_numbers(field.data_type()), "a geometry")
                }
                ArgumentKind::Point => {
                    let is_other_shape = field.metadata().get(XTYPE).is_some_and(|xtype| xtype != "point");
                    (is_list_of_numbers(field.data_type()) && !is_other_shape, "a point")
                }
            };
            if !accepted {
                let name = definition.name_for_messages();
                let message = format!("argument {} of {name} must be {expected}", index + 1);
                return Err(external(Error::invalid(message).with("it is", type_in_words(field))));
            }
        }
        // Tests, conversions, boxes and functions of values give NULL for impossible values; other geometry values only for
        // a NULL; random numbers never of themselves.
        let own_nulls = definition.is_strict() && definition.returns.xtype().is_none()
            || matches!(definition.body, Body::Test { .. } | Body::Values { .. })
            || definition.is_volatile() && !args.arg_fields.is_empty()
            || definition.returns == Returns::Polygon;
        let nullable = own_nulls || args.arg_fields.iter().any(|field| field.is_nullable());
        let data_type = self.result_type(args.arg_fields.iter().map(|field| field.data_type()));
        let field = Field::new(self.name(), data_type, nullable);
        let xtype = match definition.returns {
            Returns::Shape => {
                let mut fields = args.arg_fields.iter().enumerate();
                let shape = fields.find(|(index, _)| form.kind(*index) == ArgumentKind::Shape);
                shape.and_then(|(_, field)| field.metadata().get(XTYPE)).cloned()
            }
            returns => returns.xtype().map(str::to_owned),
        };
        Ok(Arc::new(match xtype {
            Some(xtype) => field.with_metadata([(XTYPE.to_owned(), xtype)].into()),
            None => field,
        }))
    }

    fn is_strict(&self) -> bool {
        self.definition.is_strict()
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        // Checked here as well as when it runs: over no rows at all a mistake in the query must still be told.
        let nulls: Vec<bool> = args.iter().map(is_null_literal).collect();
        self.definition.check_nulls(&nulls).map_err(external)?;
        let constants: Vec<Option<f64>> = args.iter().map(literal).collect();
        self.definition.check(&constants).map_err(external)?;
        let constants: Vec<Option<ScalarValue>> = args.iter().map(literal_value).collect();
        self.definition.check_values(&constants).map_err(external)?;
        if self.definition.is_volatile() && !self.is_of_one_call {
            let function = Self { is_of_one_call: true, ..Self::new(self.definition) };
            let function = Arc::new(ScalarUDF::new_from_impl(function));
            let call = ScalarFunction::new_udf(function, args);
            return Ok(ExprSimplifyResult::Simplified(Expr::ScalarFunction(call)));
        }
        if let Some(call) = self.with_vertices(&args) {
            return Ok(ExprSimplifyResult::Simplified(call));
        }
        Ok(ExprSimplifyResult::Original(args))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.definition.form(args.args.len()).map_err(external)?;
        let is_null = |argument: &ColumnarValue| matches!(argument, ColumnarValue::Scalar(scalar) if scalar.is_null());
        let nulls: Vec<bool> = args.args.iter().map(is_null).collect();
        self.definition.check_nulls(&nulls).map_err(external)?;
        let constants: Vec<Option<ScalarValue>> = args.args.iter().map(constant_value).collect();
        self.definition.check_values(&constants).map_err(external)?;
        if let Body::Random { evaluate, .. } = &self.definition.body {
            let result = evaluate(&args.args, args.number_rows, &self.sequence);
            return Ok(ColumnarValue::Array(result.map_err(|error| external(self.definition.explain(error)))?));
        }
        let all_constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if all_constant { 1 } else { args.number_rows };
        let result = match (&self.definition.body, args.args.as_slice()) {
            (Body::Test { .. }, arguments) if self.takes_binary(arguments.len()) => {
                scisql::test_binary(arguments, rows).map_err(|error| external(self.definition.explain(error)))?
            }
            (Body::Coordinate(index), [point]) => Arc::new(coordinate(point, *index, rows)?) as ArrayRef,
            (Body::Values { evaluate, .. }, arguments) => {
                evaluate(arguments, rows).map_err(|error| external(self.definition.explain(error)))?
            }
            (_, arguments) => {
                let numbers = arguments.iter().map(Numbers::new).collect::<Result<Vec<_>>>()?;
                self.evaluate(&numbers, rows)?
            }
        };
        if all_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// The number that an expression is, if it is a literal and not NULL.
fn literal(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Literal(scalar, _) if is_number(&scalar.data_type()) => numbers::constant(scalar).ok().flatten(),
        Expr::Cast(cast) => literal(&cast.expr),
        _ => None,
    }
}

/// Whether an expression is a NULL, of whatever type.
fn is_null_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(scalar, _) => scalar.is_null(),
        Expr::Cast(cast) => is_null_literal(&cast.expr),
        _ => false,
    }
}

/// The value that an expression is, if it is a literal and not NULL.
fn literal_value(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(scalar, _) if !scalar.is_null() => Some(scalar.clone()),
        Expr::Cast(cast) => literal_value(&cast.expr)?.cast_to(cast.field.data_type()).ok(),
        _ => None,
    }
}

/// The value of an argument, if it is a constant and not NULL.
fn constant_value(argument: &ColumnarValue) -> Option<ScalarValue> {
    match argument {
        ColumnarValue::Scalar(scalar) if !scalar.is_null() => Some(scalar.clone()),
        _ => None,
    }
}

/// Signed and unsigned ones of any width.
pub(crate) fn is_integer(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null => true,
        DataType::Dictionary(_, values) => is_integer(values),
        DataType::RunEndEncoded(_, values) => is_integer(values.data_type()),
        other => other.is_integer(),
    }
}

pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Null | DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)
    )
}

pub(crate) fn is_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null => true,
        DataType::Dictionary(_, values) => is_number(values),
        DataType::RunEndEncoded(_, values) => is_number(values.data_type()),
        other => other.is_numeric(),
    }
}

fn is_list_of_numbers(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_number(item.data_type())
        }
        _ => false,
    }
}

/// What an argument is, for a user who does not know Arrow.
pub(crate) fn type_in_words(field: &Field) -> String {
    if let Some(xtype) = field.metadata().get(XTYPE) {
        return format!("a {xtype}");
    }
    let words = match field.data_type() {
        DataType::Boolean => "a boolean",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "binary data",
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => "a time",
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "an array",
        other if other.is_numeric() => "a number",
        _ => "something else",
    };
    words.to_owned()
}

/// One coordinate of each point; NULL where the point is NULL or has no such coordinate.
pub(crate) fn coordinate(points: &ColumnarValue, index: usize, rows: usize) -> Result<Float64Array> {
    let points = cast(&points.to_array(rows)?, &Returns::Point.data_type())?;
    let points: &ListArray = points.as_list::<i32>();
    let values = points.values().as_primitive::<Float64Type>();
    let pick = |row: usize| -> Option<f64> {
        let place = usize::try_from(*points.value_offsets().get(row)?).ok()? + index;
        let end = usize::try_from(*points.value_offsets().get(row + 1)?).ok()?;
        (points.is_valid(row) && place < end && values.is_valid(place)).then(|| values.value(place))
    };
    let picked: Vec<f64> = (0..points.len()).map(|row| pick(row).unwrap_or(f64::NAN)).collect();
    let present = (0..points.len()).map(|row| pick(row).is_some()).collect::<NullBuffer>();
    Ok(Float64Array::new(picked.into(), (present.null_count() > 0).then_some(present)))
}
