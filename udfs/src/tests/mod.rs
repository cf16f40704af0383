//! The functions against plain formulas, and in SQL.

mod aggregates;
mod ivoa;
mod manual;
mod mixes;
mod nulls;
mod number;
mod pixels;
mod reference;
mod scisql;
mod sql;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array};
use arrow::datatypes::{DataType, Field};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};
use datafusion::scalar::ScalarValue;
use qserv_core::ErrorKind;

use crate::{all, definitions, signatures};

/// The function of this name, in any spelling.
fn function(name: &str) -> Arc<ScalarUDF> {
    all().into_iter().find(|function| function.name().eq_ignore_ascii_case(name)).expect(name)
}

/// Calls a function as an executing plan does.
fn call(name: &str, args: Vec<ColumnarValue>, rows: usize) -> Result<ColumnarValue> {
    let function = function(name);
    let arg_fields: Vec<_> = args.iter().map(|arg| Arc::new(Field::new("argument", arg.data_type(), true))).collect();
    let scalar_arguments = vec![None; args.len()];
    let return_field = function
        .return_field_from_args(ReturnFieldArgs { arg_fields: &arg_fields, scalar_arguments: &scalar_arguments })?;
    let config_options = Arc::new(ConfigOptions::default());
    function.invoke_with_args(ScalarFunctionArgs { args, arg_fields, number_rows: rows, return_field, config_options })
}

/// Calls a function of constants and gives its one value.
fn scalar(name: &str, args: &[Option<f64>]) -> Result<ScalarValue> {
    let args = args.iter().map(|arg| ColumnarValue::Scalar(ScalarValue::Float64(*arg))).collect();
    match call(name, args, 7)? {
        ColumnarValue::Scalar(value) => Ok(value),
        ColumnarValue::Array(_) => panic!("constants must give a constant"),
    }
}

/// Calls a function of columns.
fn columns(name: &str, args: &[Vec<Option<f64>>]) -> Result<ArrayRef> {
    let rows = args.first().map_or(0, Vec::len);
    let args = args.iter().map(|arg| column(arg.clone())).collect();
    call(name, args, rows)?.into_array(rows)
}

fn column(values: Vec<Option<f64>>) -> ColumnarValue {
    ColumnarValue::Array(Arc::new(Float64Array::from(values)))
}

/// The error of ours that DataFusion carries.
fn ours(error: &DataFusionError) -> &qserv_core::Error {
    match error.find_root() {
        DataFusionError::External(inner) => inner.downcast_ref().expect("an error of ours"),
        other => panic!("not an error of ours: {other}"),
    }
}

#[test]
fn names_are_lower_case_with_the_usual_spelling_as_alias_and_unique() {
    let mut names: Vec<String> = Vec::new();
    for function in all() {
        assert_eq!(function.name(), function.name().to_ascii_lowercase());
        assert!(function.aliases().iter().all(|alias| alias.eq_ignore_ascii_case(function.name())));
        names.push(function.name().to_owned());
        names.extend(function.aliases().iter().cloned());
    }
    assert_eq!(function("scisql_angSep").aliases(), ["scisql_angSep"]);
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    assert_eq!(all().len(), 33 + 15 + 3 + 16 + 5);
}

#[test]
fn a_wrong_number_of_arguments_is_refused_in_words() {
    let error = |name: &str, count: usize| {
        let error = scalar(name, &vec![Some(1.0); count]).unwrap_err();
        assert_eq!(ours(&error).kind(), ErrorKind::Invalid);
        ours(&error).message().to_owned()
    };
    assert_eq!(error("scisql_angSep", 5), "scisql_angSep takes 4 or 6 arguments, not 5");
    assert_eq!(
        error("scisql_s2PtInCPoly", 6),
        "scisql_s2PtInCPoly takes 2 and then 3 to 20 vertices of two or 3 arguments, not 6"
    );
    assert_eq!(
        error("scisql_s2PtInCPoly", 44),
        "scisql_s2PtInCPoly takes 2 and then 3 to 20 vertices of two or 3 arguments, not 44"
    );
    assert_eq!(
        error("qserv_polygon", 5),
        format!("POLYGON takes 3 to {} vertices of two arguments, not 5", qserv_core::sky::MOST_VERTICES)
    );
    for definition in definitions().filter(|definition| !definition.forms.iter().any(|form| form.accepts(0))) {
        assert_eq!(error(definition.name, 0).rsplit_once(' ').unwrap().1, "0");
    }
}

#[test]
fn a_wrong_type_of_argument_is_refused_in_words() {
    let text = || ColumnarValue::Scalar(ScalarValue::from("12h"));
    let error = call("scisql_nanojanskyToAbMag", vec![text()], 1).unwrap_err();
    assert_eq!(ours(&error).to_string(), "argument 1 of scisql_nanojanskyToAbMag must be a number (it is: text)");
    let error = call("qserv_coord1", vec![text()], 1).unwrap_err();
    assert_eq!(ours(&error).to_string(), "argument 1 of COORD1 must be a point (it is: text)");
}

#[test]
fn other_numeric_types_are_taken_too() {
    let whole = ColumnarValue::Array(Arc::new(arrow::array::Int32Array::from(vec![Some(0), None])));
    let found = call("qserv_distance", vec![whole.clone(), whole.clone(), whole.clone(), whole], 2).unwrap();
    let found = found.into_array(2).unwrap();
    assert_eq!(found.as_ref(), &Float64Array::from(vec![Some(0.0), None]) as &dyn Array);
    let types = [DataType::Decimal128(9, 4), DataType::Float32, DataType::UInt64, DataType::Null];
    assert_eq!(function("scisql_angSep").inner().coerce_types(&types).unwrap(), vec![DataType::Float64; 4]);
}

#[test]
fn signatures_are_those_of_the_functions_that_users_call() {
    let signatures = signatures();
    let prefixes = ["scisql_", "ivo_", "h3_", "healpix_"];
    assert!(signatures.iter().all(|signature| prefixes.iter().any(|prefix| signature.name.starts_with(prefix))));
    let forms = |name: &str| -> Vec<String> {
        signatures.iter().filter(|signature| signature.name == name).map(|signature| signature.form.clone()).collect()
    };
    assert_eq!(
        forms("scisql_angSep"),
        [
            "scisql_angSep(lon1 DOUBLE, lat1 DOUBLE, lon2 DOUBLE, lat2 DOUBLE) -> DOUBLE",
            "scisql_angSep(x1 DOUBLE, y1 DOUBLE, z1 DOUBLE, x2 DOUBLE, y2 DOUBLE, z2 DOUBLE) -> DOUBLE",
        ]
    );
    let polygons = forms("scisql_s2PtInCPoly");
    assert_eq!(polygons.len(), 19);
    assert_eq!(polygons[18], "scisql_s2PtInCPoly(lon DOUBLE, lat DOUBLE, polygon VARBINARY) -> INTEGER");
    assert_eq!(
        polygons[0],
        "scisql_s2PtInCPoly(lon DOUBLE, lat DOUBLE, v1_lon DOUBLE, v1_lat DOUBLE, v2_lon DOUBLE, v2_lat DOUBLE, \
         v3_lon DOUBLE, v3_lat DOUBLE) -> INTEGER"
    );
    assert!(polygons[17].contains("v20_lat"));
    assert_eq!(
        forms("ivo_healpix_index"),
        [
            "ivo_healpix_index(hpxOrder BIGINT, long DOUBLE, lat DOUBLE) -> BIGINT",
            "ivo_healpix_index(hpxOrder BIGINT, point POINT) -> BIGINT",
        ]
    );
    assert_eq!(forms("ivo_to_jd"), ["ivo_to_jd(d TIMESTAMP) -> DOUBLE"]);
    let propagated: Vec<String> = forms("ivo_epoch_prop");
    assert!(propagated[0].ends_with("ref_epoch DOUBLE, out_epoch DOUBLE) -> DOUBLE[6]"), "{propagated:?}");
    assert_eq!(
        forms("ivo_histogram"),
        ["ivo_histogram(val DOUBLE, lower DOUBLE, upper DOUBLE, nbins BIGINT) -> BIGINT[]"]
    );
    assert_eq!(forms("scisql_getVersion"), ["scisql_getVersion() -> VARCHAR"]);
    assert_eq!(forms("h3_center"), ["h3_center(cell BIGINT) -> POINT"]);
    let aggregates = signatures.iter().filter(|signature| signature.aggregate).map(|signature| signature.name);
    assert_eq!(
        aggregates.collect::<Vec<_>>(),
        ["scisql_median", "scisql_percentile", "ivo_string_agg", "ivo_histogram"]
    );
    assert_eq!(signatures.len(), 27 + 1 + 18 + 3 + 12 + 5 + 4 + 15 + 1);
}

#[test]
fn results_have_units_and_ucds_where_they_always_hold() {
    let of = |name: &str| {
        let signatures = signatures();
        let signature = signatures.iter().find(|signature| signature.name == name).expect(name);
        (signature.unit, signature.ucd)
    };
    assert_eq!(of("scisql_angSep"), (Some("deg"), Some("pos.angDistance")));
    assert_eq!(of("scisql_nanojanskyToAbMagSigma"), (Some("mag"), Some("stat.error;phot.mag")));
    assert_eq!(of("scisql_s2PtInCircle"), (None, None));
    assert_eq!(of("ivo_healpix_index"), (None, Some("pos.healpix")));
    assert_eq!(of("ivo_to_mjd"), (Some("d"), Some("time.epoch")));
    assert_eq!(of("ivo_hms_to_degrees"), (Some("deg"), None));
    assert!(crate::manual().contains("Returns DOUBLE in deg. "));
}
