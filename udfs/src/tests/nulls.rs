//! What every function makes of NULL and NaN, in each place: its own rules are data.

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::datatypes::DataType;
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::ErrorKind;

use super::{call, ours, scalar};
use crate::definition::{ArgumentKind, Body, Definition, Form, Null, Returns, TestRules};
use crate::definitions;

/// How a function is called with one argument missing.
#[derive(Debug, Clone, Copy)]
enum Missing {
    Constant,
    Column,
    NotANumber,
}

/// Arguments that make sense to every function, by their place and kind.
fn value(definition: &Definition, form: &Form, index: usize) -> ScalarValue {
    let name = form.arguments.get(index).map_or("vertex", |argument| argument.name);
    // A small triangle or more around (10, 10), convex.
    let vertex = index.checked_sub(form.arguments.len()).map(|place| {
        let angle = (place / 2) as f64;
        10.0 + if place % 2 == 0 { angle.cos() } else { angle.sin() }
    });
    match form.kind(index) {
        ArgumentKind::Number | ArgumentKind::Numeric => vertex
            .unwrap_or(match name {
                "semi_minor" => 0.5,
                "lat_max" | "latMax" => 30.0,
                _ => 1.0 + index as f64,
            })
            .into(),
        ArgumentKind::Integer => ScalarValue::Int64(Some(match name {
            "cell" if definition.name.starts_with("h3_") => 0x0850_dab6_3fff_ffff,
            "id" => 8,
            _ => 3,
        })),
        ArgumentKind::Binary => {
            scalar("scisql_s2CPolyToBin", &[0.0, 0.0, 9.0, 0.0, 0.0, 9.0].map(Some)).expect("a polygon")
        }
        ArgumentKind::Text => text(definition.name, name).into(),
        ArgumentKind::Time => "2000-01-01T00:00:00".into(),
        ArgumentKind::Point => list(&[10.0, 20.0]),
        ArgumentKind::Shape => list(&[10.0, 20.0, 1.0]),
    }
}

fn text(function: &str, argument: &str) -> &'static str {
    match (function, argument) {
        ("qserv_circle_of", _) => "10 20 1",
        ("qserv_polygon_of", _) => "10 20 11 20 10 21",
        ("qserv_point_of", _) => "10 20",
        ("qserv_moc_of", _) => "0/1",
        ("ivo_hms_to_degrees" | "ivo_dms_to_degrees", _) => "1:00:00",
        (_, "from" | "from_sys") => "ICRS",
        (_, "to" | "to_sys") => "GALACTIC",
        _ => "word",
    }
}

fn list(numbers: &[f64]) -> ScalarValue {
    let numbers: Vec<ScalarValue> = numbers.iter().map(|number| ScalarValue::from(*number)).collect();
    ScalarValue::List(ScalarValue::new_list_nullable(&numbers, &DataType::Float64))
}

fn data_type(kind: ArgumentKind) -> DataType {
    match kind {
        ArgumentKind::Number | ArgumentKind::Numeric => DataType::Float64,
        ArgumentKind::Integer => DataType::Int64,
        ArgumentKind::Text | ArgumentKind::Time => DataType::Utf8,
        ArgumentKind::Point | ArgumentKind::Shape => Returns::Point.data_type(),
        ArgumentKind::Binary => DataType::Binary,
    }
}

const ROWS: usize = 3;

fn called(
    definition: &Definition,
    form: &Form,
    count: usize,
    missing: Option<(usize, Missing)>,
) -> datafusion::error::Result<ArrayRef> {
    let arguments = (0..count).map(|index| {
        let sensible = || value(definition, form, index);
        match missing {
            Some((place, how)) if place == index => match how {
                Missing::Constant => {
                    ColumnarValue::Scalar(ScalarValue::try_new_null(&data_type(form.kind(index))).unwrap())
                }
                Missing::Column => ColumnarValue::Array(new_null_array(&data_type(form.kind(index)), ROWS)),
                Missing::NotANumber => {
                    ColumnarValue::Array(ScalarValue::from(f64::NAN).to_array_of_size(ROWS).unwrap())
                }
            },
            // Columns, so that the sensible ones are no constants and refuse nothing.
            _ => ColumnarValue::Array(sensible().to_array_of_size(ROWS).unwrap()),
        }
    });
    let found = call(definition.name, arguments.collect(), ROWS)?;
    found.into_array(ROWS)
}

/// How many arguments the calls of a form have.
fn count(form: &Form) -> usize {
    form.arguments.len() + form.vertices.map_or(0, |vertices| vertices.at_least * 2)
}

fn is_all_null(found: &ArrayRef) -> bool {
    found.len() == ROWS && found.logical_null_count() == ROWS
}

#[test]
fn sensible_arguments_give_values() {
    for definition in definitions().filter(|definition| !matches!(definition.body, Body::Refused(_))) {
        for form in definition.forms {
            let found = called(definition, form, count(form), None)
                .unwrap_or_else(|error| panic!("{}: {error}", definition.name));
            assert_eq!((found.len(), found.logical_null_count()), (ROWS, 0), "{}", definition.name);
        }
    }
}

#[test]
fn a_null_in_any_place_gives_null_unless_the_function_says_otherwise() {
    for definition in definitions() {
        for (form, place) in definition.forms.iter().flat_map(|form| (0..count(form)).map(move |place| (form, place))) {
            for how in [Missing::Constant, Missing::Column] {
                let name = format!("{} without argument {place}, {how:?}", definition.name);
                let found = called(definition, form, count(form), Some((place, how)));
                match (&definition.body, form.null(place), how) {
                    (Body::Refused(_), ..) | (_, Null::Refused, Missing::Constant) => {
                        assert_eq!(ours(&found.unwrap_err()).kind(), ErrorKind::Invalid, "{name}");
                    }
                    (Body::Test { rules: TestRules::SciSql, .. }, ..) => {
                        let zero = ScalarValue::Int32(Some(0)).to_array_of_size(ROWS).unwrap();
                        assert_eq!(found.unwrap().as_ref(), zero.as_ref(), "{name}");
                    }
                    (_, Null::IsAValue, _) => assert_eq!(found.unwrap().null_count(), 0, "{name}"),
                    _ => assert!(is_all_null(&found.unwrap_or_else(|error| panic!("{name}: {error}"))), "{name}"),
                }
            }
        }
    }
}

#[test]
fn a_nan_in_any_place_gives_null_unless_the_function_says_otherwise() {
    // Values of ADQL's geometry hold what they were made from, and a position that cannot be is in no shape: CONTAINS is 0.
    const KEPT: &[&str] = &["qserv_point", "qserv_circle", "qserv_polygon", "qserv_distance"];
    for definition in definitions().filter(|definition| !KEPT.contains(&definition.name)) {
        for (form, place) in definition.forms.iter().flat_map(|form| (0..count(form)).map(move |place| (form, place))) {
            if !matches!(form.kind(place), ArgumentKind::Number | ArgumentKind::Numeric) {
                continue;
            }
            let name = format!("{} with a NaN as argument {place}", definition.name);
            let found = called(definition, form, count(form), Some((place, Missing::NotANumber))).unwrap();
            let is_a_position = place < 2;
            match (&definition.body, form.null(place)) {
                (Body::Test { rules: TestRules::Adql, .. }, _) if is_a_position => {
                    let outside = ScalarValue::from(false).to_array_of_size(ROWS).unwrap();
                    assert_eq!(found.as_ref(), outside.as_ref(), "{name}");
                }
                (_, Null::IsAValue) => assert_eq!(found.null_count(), 0, "{name}"),
                _ if definition.name == "qserv_contains_shape" => {
                    assert!(!found.as_any().is::<arrow::array::NullArray>(), "{name}");
                }
                _ => assert!(is_all_null(&found), "{name}: {found:?}"),
            }
        }
    }
}

#[test]
fn strict_functions_are_those_whose_nulls_all_spread() {
    for definition in definitions() {
        let function = super::function(definition.name);
        let own_rules = definition.forms.iter().all(|form| form.accepts(0))
            || definition.forms.iter().flat_map(|form| form.arguments).any(|argument| argument.null == Null::IsAValue)
            || matches!(
                definition.body,
                Body::Test { rules: TestRules::SciSql, .. } | Body::Random { .. } | Body::Refused(_)
            );
        assert_eq!(function.inner().is_strict(), !own_rules, "{}", definition.name);
    }
    let strict = |name: &str| super::function(name).inner().is_strict();
    assert!(strict("ivo_healpix_index") && !strict("ivo_epoch_prop"));
}
