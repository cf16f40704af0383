//! A `Definition` of an aggregate as DataFusion calls it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::error::Result;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, ColumnarValue, Documentation, Expr, GroupsAccumulator, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use qserv_core::Error;

use super::{Aggregation, Call};
use crate::definition::{ArgumentKind, Body, Definition};
use crate::error::external;
use crate::function::{is_integer, is_number, is_text, type_in_words};
use crate::manual;

/// One aggregate function in a session.
pub(crate) struct Function {
    definition: &'static Definition,
    aggregation: &'static Aggregation,
    name: String,
    aliases: Vec<String>,
    signature: Signature,
    documentation: Documentation,
}

impl Function {
    /// The function of a definition; `None` if that is no aggregate.
    pub(super) fn new(definition: &'static Definition) -> Option<Self> {
        let Body::Aggregate(aggregation) = &definition.body else { return None };
        let name = definition.name.to_ascii_lowercase();
        let aliases = if name == definition.name { Vec::new() } else { vec![definition.name.to_owned()] };
        // As for scalar functions: what `return_field` says of wrong arguments reaches the user whole.
        let signature = Signature::user_defined(Volatility::Immutable);
        let documentation = manual::documentation(definition);
        Some(Self { definition, aggregation, name, aliases, signature, documentation })
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

impl AggregateUDFImpl for Function {
    fn name(&self) -> &str {
        &self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.definition.returns.data_type())
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let form = self.definition.forms.iter().find(|form| form.accepts(types.len()));
        let coerce = |(index, data_type): (usize, &DataType)| match form.map(|form| form.kind(index)) {
            Some(ArgumentKind::Number) if is_number(data_type) => DataType::Float64,
            Some(ArgumentKind::Integer) if is_integer(data_type) => DataType::Int64,
            Some(ArgumentKind::Text) if is_text(data_type) => DataType::Utf8,
            _ => data_type.clone(),
        };
        Ok(types.iter().enumerate().map(coerce).collect())
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        let definition = self.definition;
        let form = definition.form(fields.len()).map_err(external)?;
        for (index, field) in fields.iter().enumerate() {
            let (accepted, expected) = match form.kind(index) {
                ArgumentKind::Integer => (is_integer(field.data_type()), "a whole number"),
                ArgumentKind::Text => (is_text(field.data_type()), "a text"),
                _ => (is_number(field.data_type()), "a number"),
            };
            if !accepted {
                let name = definition.name_for_messages();
                let message = format!("argument {} of {name} must be {expected}", index + 1);
                return Err(external(Error::invalid(message).with("it is", type_in_words(field))));
            }
        }
        Ok(Arc::new(Field::new(self.name(), definition.returns.data_type(), true)))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let accumulator = (self.aggregation.one)(self.definition, &call(&args));
        accumulator.map_err(|error| external(self.definition.explain(error)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let fields = (self.aggregation.state_fields)().into_iter();
        let named = fields.map(|field| {
            let name = format_state_name(args.name, field.name());
            Arc::new(field.with_name(name))
        });
        Ok(named.collect())
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let accumulator = (self.aggregation.many)(self.definition, &call(&args));
        accumulator.map_err(|error| external(self.definition.explain(error)))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        // Only to check: over no rows at all a mistake in the query must still be told.
        let (definition, check) = (self.definition, self.aggregation.check);
        Some(Box::new(move |function: AggregateFunction, _| {
            let constants = function.params.args.iter().map(literal).collect();
            let call = Call { constants, is_distinct: function.params.distinct };
            check(&call).map_err(|error| external(definition.explain(error)))?;
            Ok(Expr::AggregateFunction(function))
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// The value that an expression is, if it is a literal.
fn literal(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(scalar, _) => Some(scalar.clone()),
        Expr::Cast(cast) => literal(&cast.expr)?.cast_to(cast.field.data_type()).ok(),
        _ => None,
    }
}

/// What an executing call is: an expression that has a value without any row is a constant.
fn call(args: &AccumulatorArgs) -> Call {
    let no_rows = RecordBatch::new_empty(Arc::new(Schema::empty()));
    let constants = args.exprs.iter().map(|expr| match expr.evaluate(&no_rows) {
        Ok(ColumnarValue::Scalar(scalar)) => Some(scalar),
        _ => None,
    });
    Call { constants: constants.collect(), is_distinct: args.is_distinct }
}
