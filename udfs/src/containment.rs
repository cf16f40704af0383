//! The loop of every containment test, and the two sets of rules for NULL and impossible values.

use arrow::array::{BooleanArray, BooleanBufferBuilder, Int32Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use qserv_core::sky::Region;
use qserv_core::{Error, Result};

use crate::definition::Build;
use crate::numbers::{Numbers, missing};

/// What the loop found, row by row. Rows with a NULL argument hold anything.
struct Found {
    inside: BooleanBuffer,
    /// Rows whose shape can be; `None` if all can.
    possible: Option<BooleanBuffer>,
}

/// The test under [`TestRules::Adql`](crate::definition::TestRules::Adql).
///
/// # Errors
/// What `build` says of a shape of constants.
pub(crate) fn adql(arguments: &[Numbers], rows: usize, build: Build) -> Result<BooleanArray> {
    let missing = missing(arguments, rows);
    if missing.as_ref().is_some_and(|missing| missing.null_count() == rows) {
        return Ok(BooleanArray::new_null(rows));
    }
    let found = test(arguments, missing.as_ref(), rows, build)?;
    let impossible = found.possible.map(NullBuffer::new);
    Ok(BooleanArray::new(found.inside, NullBuffer::union(missing.as_ref(), impossible.as_ref())))
}

/// The test under [`TestRules::SciSql`](crate::definition::TestRules::SciSql).
pub(crate) fn scisql(arguments: &[Numbers], rows: usize, build: Build) -> Int32Array {
    let missing = missing(arguments, rows);
    if missing.as_ref().is_some_and(|missing| missing.null_count() == rows) {
        return Int32Array::from_value(0, rows);
    }
    let is_missing = |row| missing.as_ref().is_some_and(|missing| missing.is_null(row));
    let Ok(found) = test(arguments, missing.as_ref(), rows, build) else {
        // A shape of constants that cannot be.
        let nulls: NullBuffer = (0..rows).map(is_missing).collect();
        return Int32Array::new(vec![0; rows].into(), Some(nulls));
    };
    let [lon, lat, ..] = arguments else { return Int32Array::new_null(rows) };
    let values: Vec<i32> =
        found.inside.iter().enumerate().map(|(row, inside)| i32::from(inside && !is_missing(row))).collect();
    let defined = BooleanBuffer::collect_bool(rows, |row| {
        is_missing(row)
            || (is_position(lon.value(row), lat.value(row))
                && found.possible.as_ref().is_none_or(|possible| possible.value(row)))
    });
    let nulls = NullBuffer::new(defined);
    Int32Array::new(values.into(), (nulls.null_count() > 0).then_some(nulls))
}

/// Whether there is such a position on the sphere: both finite, the latitude not beyond a pole.
pub(crate) fn is_position(lon_deg: f64, lat_deg: f64) -> bool {
    lon_deg.is_finite() && lat_deg.abs() <= 90.0
}

/// Tests every row. The error is that of a shape of constants; a shape of columns that cannot be is noted in its row.
fn test(arguments: &[Numbers], missing: Option<&NullBuffer>, rows: usize, build: Build) -> Result<Found> {
    let [lon, lat, shape @ ..] = arguments else {
        return Err(Error::internal("a containment test without a position"));
    };
    if !shape.iter().all(Numbers::is_constant) {
        return Ok(test_varying(lon, lat, shape, missing, rows, build));
    }
    let shape: Vec<f64> = shape.iter().map(|number| number.value(0)).collect();
    let inside = match build(&shape)? {
        None => BooleanBuffer::new_unset(rows),
        // Columns in both places are the rule: no match on their kind in that loop.
        Some(region) => match (lon, lat) {
            (Numbers::Column(lon), Numbers::Column(lat)) => {
                let (lon, lat) = (lon.values(), lat.values());
                let value = |values: &[f64], row: usize| values.get(row).copied().unwrap_or(f64::NAN);
                BooleanBuffer::collect_bool(rows, |row| region.contains(value(lon, row), value(lat, row)))
            }
            _ => BooleanBuffer::collect_bool(rows, |row| region.contains(lon.value(row), lat.value(row))),
        },
    };
    Ok(Found { inside, possible: None })
}

/// Tests rows that have a shape each. One that is equal to the row's before is not built again: after a join with a
/// table of regions most are.
fn test_varying(
    lon: &Numbers,
    lat: &Numbers,
    shape: &[Numbers],
    missing: Option<&NullBuffer>,
    rows: usize,
    build: Build,
) -> Found {
    let mut inside = BooleanBufferBuilder::new(rows);
    let mut possible = BooleanBufferBuilder::new(rows);
    let mut numbers: Vec<f64> = Vec::with_capacity(shape.len());
    let mut built: Option<Result<Option<Region>>> = None;
    for row in 0..rows {
        if missing.is_some_and(|missing| missing.is_null(row)) {
            inside.append(false);
            possible.append(true);
            continue;
        }
        let unchanged = shape.iter().zip(&numbers).all(|(now, before)| now.value(row).to_bits() == before.to_bits());
        if built.is_none() || !unchanged {
            numbers.clear();
            numbers.extend(shape.iter().map(|number| number.value(row)));
            built = Some(build(&numbers));
        }
        let (is_inside, is_possible) = match &built {
            Some(Ok(Some(region))) => (region.contains(lon.value(row), lat.value(row)), true),
            Some(Ok(None)) => (false, true),
            Some(Err(_)) | None => (false, false),
        };
        inside.append(is_inside);
        possible.append(is_possible);
    }
    Found { inside: inside.finish(), possible: Some(possible.finish()) }
}
