//! HEALPix and H3 against astropy-healpix and the Python package h3.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{Float64Type, Int64Type};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::ErrorKind;
use qserv_core::partition::{H3, Pixelization};

use super::scisql::lines;
use super::sql::run;
use super::{call, column, ours};

fn integers(values: &[Option<i64>]) -> ColumnarValue {
    ColumnarValue::Array(Arc::new(Int64Array::from(values.to_vec())))
}

fn constant(value: i64) -> ColumnarValue {
    ColumnarValue::Scalar(ScalarValue::Int64(Some(value)))
}

/// A function of one row, its arguments as columns.
fn of(name: &str, arguments: Vec<ColumnarValue>) -> ArrayRef {
    call(name, arguments, 1).unwrap().to_array(1).unwrap()
}

fn list(found: &ArrayRef) -> Vec<i64> {
    found.as_list::<i32>().value(0).as_primitive::<Int64Type>().values().to_vec()
}

#[test]
fn h3_agrees_with_its_own_library() {
    let mut checked = 0;
    for line in lines(include_str!("data/h3.txt")) {
        let integer = |place: usize| line[place].parse::<i64>().unwrap();
        let number = |place: usize| Some(line[place].parse::<f64>().unwrap());
        let (order, cell) = (integer(0), integer(3));
        let position = || vec![column(vec![number(1)]), column(vec![number(2)])];
        let found = of("h3_cell", [vec![integers(&[Some(order)])], position()].concat());
        assert_eq!(found.as_primitive::<Int64Type>().value(0), cell, "{line:?}");
        let found = of("h3_cell", [vec![constant(order)], position()].concat());
        assert_eq!(found.as_primitive::<Int64Type>().value(0), cell);
        let center = of("h3_center", vec![integers(&[Some(cell)])]);
        let center = center.as_list::<i32>().value(0);
        let center = center.as_primitive::<Float64Type>().values();
        assert!((center[0] - number(4).unwrap()).abs() < 1e-9 && (center[1] - number(5).unwrap()).abs() < 1e-9);
        let parent = of("h3_parent", vec![integers(&[Some(cell)]), constant(order / 2)]);
        assert_eq!(parent.as_primitive::<Int64Type>().value(0), integer(6));
        let neighbours: Vec<i64> = (7..line.len()).map(integer).collect();
        assert_eq!(list(&of("h3_neighbours", vec![integers(&[Some(cell)])])), neighbours, "{line:?}");
        checked += 1;
    }
    assert_eq!(checked, 39);
}

#[test]
fn chunks_are_parents_of_fine_cells() {
    for n in 0..500 {
        let (lon, lat) = (f64::from(n) * 137.508 % 360.0, f64::from(n % 50) * 3.6 - 88.0);
        let fine = of("h3_cell", vec![constant(12), column(vec![Some(lon)]), column(vec![Some(lat)])]);
        for order in [0, 1, 4] {
            let parent = of("h3_parent", vec![ColumnarValue::Array(Arc::clone(&fine)), constant(order)]);
            let chunk = H3.cell(u8::try_from(order).unwrap(), lon, lat).0;
            assert_eq!(u64::try_from(parent.as_primitive::<Int64Type>().value(0)).unwrap(), chunk);
        }
    }
}

#[test]
fn healpix_neighbours_agree_with_astropy() {
    let mut checked = 0;
    for line in lines(include_str!("data/healpix.txt")) {
        let numbers: Vec<i64> = line.iter().map(|number| number.parse().unwrap()).collect();
        let found = of("healpix_neighbours", vec![constant(numbers[0]), integers(&[Some(numbers[1])])]);
        assert_eq!(list(&found), numbers[2..], "order {} index {}", numbers[0], numbers[1]);
        checked += 1;
    }
    assert_eq!(checked, 74);
}

#[test]
fn columns_that_are_no_pixels_give_null() {
    let found = call(
        "healpix_neighbours",
        vec![
            integers(&[Some(0), None, Some(30), Some(-1), Some(1), Some(29)]),
            integers(&[Some(12), Some(1), Some(1), Some(1), None, Some(-1)]),
        ],
        6,
    );
    assert_eq!(found.unwrap().to_array(6).unwrap().null_count(), 6);
    let not_cells = [None, Some(0), Some(-1), Some(i64::MAX), Some(i64::MIN), Some(0x8928_3082_837f_ffff_u64 as i64)];
    for name in ["h3_center", "h3_neighbours"] {
        let found = call(name, vec![integers(&not_cells)], 6).unwrap().to_array(6).unwrap();
        assert_eq!(found.null_count(), 6, "{name}");
    }
    let found = call("h3_parent", vec![integers(&not_cells), constant(0)], 6).unwrap().to_array(6).unwrap();
    assert_eq!(found.null_count(), 6);
    let cell = H3.cell(5, 10.0, 20.0).0 as i64;
    let found = call("h3_parent", vec![integers(&[Some(cell); 4]), integers(&[Some(6), Some(16), Some(-1), None])], 4);
    assert_eq!(found.unwrap().to_array(4).unwrap().null_count(), 4);
    let lon = column(vec![None, Some(f64::NAN), Some(f64::INFINITY), Some(1.0), Some(1.0)]);
    let lat = column(vec![Some(1.0), Some(1.0), Some(1.0), Some(90.5), Some(1.0)]);
    let order = integers(&[Some(1), Some(1), Some(1), Some(1), Some(16)]);
    let found = call("h3_cell", vec![order, lon, lat], 5).unwrap().to_array(5).unwrap();
    assert_eq!(found.null_count(), 5);
}

#[tokio::test]
async fn constants_that_are_no_pixels_are_mistakes() {
    for (mistake, message) in [
        ("h3_cell(16, ra, decl)", "the order of an H3 cell is 0 to 15"),
        ("h3_cell(1, ra, 91)", "a latitude must be in -90..90 degrees, not 91"),
        ("h3_center(5)", "there is no H3 cell 5"),
        ("h3_neighbours(-5)", "there is no H3 cell -5"),
        ("h3_parent(objectId, 17)", "the order of an H3 cell is 0 to 15"),
        ("h3_parent(579521792675151871, 3)", "the H3 cell 579521792675151871 is coarser than order 3"),
        ("healpix_neighbours(30, objectId)", "the order of a HEALPix cell is 0 to 29"),
        ("healpix_neighbours(1, 48)", "the HEALPix cells of order 1 are 0 to 47"),
        ("healpix_neighbours(1, ra)", "argument 2 of healpix_neighbours must be a whole number"),
    ] {
        let error = run(&format!("SELECT {mistake} FROM Object WHERE objectId < 0")).await.unwrap_err();
        assert_eq!((ours(&error).kind(), ours(&error).message()), (ErrorKind::Invalid, message));
    }
}
