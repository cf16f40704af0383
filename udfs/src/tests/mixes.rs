//! Whatever mix of constants and columns, sliced or not, a row's result is that of its values alone.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, new_empty_array};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use proptest::prelude::*;

use super::{call, column, scalar};
use crate::definition::{ArgumentKind, Body, TestRules};
use crate::definitions;

/// An argument of a batch.
#[derive(Debug, Clone)]
enum Argument {
    Constant(Option<f64>),
    Column(Vec<Option<f64>>),
}

const ROWS: usize = 9;
/// Rows before and after the slice that is tested.
const OUTSIDE: usize = 3;

fn value() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        40 => (-90.0..90.0).prop_map(Some),
        20 => (0.0..2.0).prop_map(Some),
        10 => (-400.0..800.0).prop_map(Some),
        10 => prop::sample::select(vec![0.0, -0.0, 90.0, -90.0, 180.0, 360.0, 1e-300, 1e300]).prop_map(Some),
        3 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]).prop_map(Some),
        5 => Just(None),
    ]
}

fn argument() -> impl Strategy<Value = Argument> {
    prop_oneof![
        value().prop_map(Argument::Constant),
        prop::collection::vec(value(), ROWS + 2 * OUTSIDE).prop_map(Argument::Column),
        // A shape's column that seldom changes.
        (value(), value(), 0..ROWS).prop_map(|(first, second, change)| {
            Argument::Column((0..ROWS + 2 * OUTSIDE).map(|row| if row < change { first } else { second }).collect())
        }),
    ]
}

fn functions() -> Vec<(&'static str, usize)> {
    let numeric =
        definitions().filter(|definition| matches!(definition.body, Body::Test { .. } | Body::Numbers { .. }));
    numeric
        .flat_map(|definition| {
            // Only lists of numbers: the argument of a binary polygon is none.
            let takes = |count: usize| {
                definition.form(count).is_ok_and(|form| (0..count).all(|n| form.kind(n) == ArgumentKind::Number))
            };
            (0..13).filter(move |count| takes(*count)).map(|count| (definition.name, count))
        })
        .collect()
}

fn bits(value: &ScalarValue) -> String {
    // NaN equals NaN here, and 0.0 differs from -0.0.
    format!("{value:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_row_is_what_its_values_are(
        (name, count) in prop::sample::select(functions()),
        arguments in prop::collection::vec(argument(), 12),
    ) {
        let arguments = &arguments[..count];
        let sliced = |argument: &Argument| match argument {
            Argument::Constant(value) => ColumnarValue::Scalar(ScalarValue::Float64(*value)),
            Argument::Column(values) => {
                ColumnarValue::Array(Arc::new(Float64Array::from(values.clone()).slice(OUTSIDE, ROWS)))
            }
        };
        let whole = |argument: &Argument| match argument {
            Argument::Constant(value) => ColumnarValue::Scalar(ScalarValue::Float64(*value)),
            Argument::Column(values) => column(values[OUTSIDE..OUTSIDE + ROWS].to_vec()),
        };
        let result = call(name, arguments.iter().map(sliced).collect(), ROWS);
        let again = call(name, arguments.iter().map(whole).collect(), ROWS);
        prop_assert_eq!(result.is_ok(), again.is_ok());
        let Ok(result) = result else {
            // An impossible constant: then there are some, and no sciSQL function minds them.
            prop_assert!(!name.starts_with("scisql"));
            prop_assert!(arguments.iter().any(|argument| matches!(argument, Argument::Constant(Some(_)))));
            return Ok(());
        };
        let result = result.into_array(ROWS).unwrap();
        let again = again.unwrap().into_array(ROWS).unwrap();
        for row in 0..ROWS {
            let values: Vec<Option<f64>> = arguments
                .iter()
                .map(|argument| match argument {
                    Argument::Constant(value) => *value,
                    Argument::Column(values) => values[OUTSIDE + row],
                })
                .collect();
            let found = ScalarValue::try_from_array(&result, row).unwrap();
            prop_assert_eq!(bits(&found), bits(&ScalarValue::try_from_array(&again, row).unwrap()));
            match scalar(name, &values) {
                Ok(expected) => prop_assert_eq!(bits(&found), bits(&expected), "{}({:?})", name, values),
                // Impossible as constants: NULL, or for functions of numbers whatever the formula says.
                Err(_) => {
                    let definition = definitions().find(|definition| definition.name == name).unwrap();
                    if matches!(definition.body, Body::Test { rules: TestRules::Adql, .. })
                        && !values.get(1).copied().flatten().is_some_and(|lat| lat.abs() > 90.0) {
                        prop_assert!(found.is_null(), "{}({:?}) = {}", name, values, found);
                    }
                }
            }
        }
    }
}

#[test]
fn no_rows_give_no_rows() {
    for definition in definitions().filter(|definition| !matches!(definition.body, Body::Refused(_))) {
        let data_type = definition.returns.data_type();
        for form in definition.forms {
            let count = (0..20).find(|count| form.accepts(*count)).unwrap();
            let empty: Vec<ColumnarValue> = (0..count)
                .map(|index| match form.kind(index) {
                    ArgumentKind::Number | ArgumentKind::Numeric => column(Vec::new()),
                    ArgumentKind::Point | ArgumentKind::Shape => {
                        ColumnarValue::Array(new_empty_array(&crate::definition::Returns::Point.data_type()))
                    }
                    ArgumentKind::Integer => ColumnarValue::Array(new_empty_array(&DataType::Int64)),
                    ArgumentKind::Text | ArgumentKind::Time => ColumnarValue::Array(new_empty_array(&DataType::Utf8)),
                    ArgumentKind::Binary => ColumnarValue::Array(new_empty_array(&DataType::Binary)),
                })
                .collect();
            let found: ArrayRef = call(definition.name, empty, 0).unwrap().into_array(0).unwrap();
            assert_eq!((found.len(), found.data_type()), (0, &data_type), "{}", definition.name);
        }
    }
}

#[test]
fn columns_of_different_lengths_are_an_error_and_no_panic() {
    let short = column(vec![Some(1.0)]);
    let long = column(vec![Some(1.0); 3]);
    assert!(call("qserv_point", vec![short, long], 3).is_err());
}
