//! What the catalog learns about a segment's rows.

use arrow::array::{Array, RecordBatch};
use qserv_core::Result;
use qserv_core::catalog::{CapBounds, SegmentBounds};
use qserv_core::sky::Cap;

use crate::columns::{Positions, column, integers};

/// Exact bounds of these rows, by their own position columns and the key column, where there are such.
pub(crate) fn of_rows(
    batches: &[RecordBatch],
    position: Option<&[String; 2]>,
    key: Option<&str>,
) -> Result<SegmentBounds> {
    let mut bounds = SegmentBounds::default();
    if let Some(names) = position {
        let positions = batches.iter().map(|batch| Positions::of(batch, names)).collect::<Result<Vec<_>>>()?;
        of_positions(&positions, &mut bounds);
    }
    if let Some(name) = key {
        for batch in batches {
            let keys = integers(column(batch, name)?)?;
            bounds.null_keys += keys.null_count() as u64;
            for key in keys.iter().flatten() {
                let [smallest, largest] = bounds.key.unwrap_or([key, key]);
                bounds.key = Some([smallest.min(key), largest.max(key)]);
            }
        }
    }
    Ok(bounds)
}

fn of_positions(positions: &[Positions], bounds: &mut SegmentBounds) {
    let rows = || positions.iter().flat_map(|positions| (0..positions.len()).map(move |row| (positions, row)));
    let mut all_are_positions = true;
    for (positions, row) in rows() {
        let (lon_deg, lat_deg) = positions.stored(row);
        let widen = |range: &mut Option<[f64; 2]>, value: f64| {
            let [smallest, largest] = range.unwrap_or([value, value]);
            *range = Some([smallest.min(value), largest.max(value)]);
        };
        let is_number = |value: &f64| !value.is_nan();
        if let Some(lon_deg) = lon_deg.filter(is_number) {
            widen(&mut bounds.lon_deg, lon_deg);
        }
        if let Some(lat_deg) = lat_deg.filter(is_number) {
            widen(&mut bounds.lat_deg, lat_deg);
        }
        let is_whole = lon_deg.is_some_and(|value| !value.is_nan()) && lat_deg.is_some_and(|value| !value.is_nan());
        // Infinite or impossible coordinates are inside no cap; a function may yet find them somewhere.
        all_are_positions &= !is_whole || positions.get(row).is_some();
    }
    if all_are_positions {
        let positions = rows().filter_map(|(positions, row)| positions.get(row));
        bounds.cap = Cap::around(positions).map(|cap| CapBounds {
            lon_deg: cap.center.lon_deg(),
            lat_deg: cap.center.lat_deg(),
            radius_deg: cap.radius.degrees(),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int16Array};
    use proptest::prelude::*;

    use super::*;

    fn batch(rows: &[(Option<f64>, Option<f64>, Option<i16>)]) -> RecordBatch {
        let lon: Float64Array = rows.iter().map(|row| row.0).collect();
        let lat: Float64Array = rows.iter().map(|row| row.1).collect();
        let key: Int16Array = rows.iter().map(|row| row.2).collect();
        RecordBatch::try_from_iter([
            ("ra", Arc::new(lon) as ArrayRef),
            ("dec", Arc::new(lat) as ArrayRef),
            ("id", Arc::new(key) as ArrayRef),
        ])
        .unwrap()
    }

    fn bounds(rows: &[(Option<f64>, Option<f64>, Option<i16>)]) -> SegmentBounds {
        of_rows(&[batch(rows), batch(&[])], Some(&["ra".into(), "dec".into()]), Some("id")).unwrap()
    }

    #[test]
    fn nulls_and_impossible_values() {
        let found =
            bounds(&[(Some(1.0), None, None), (Some(f64::NAN), Some(2.0), Some(-3)), (Some(5.0), Some(-1.0), Some(4))]);
        assert_eq!(found.lon_deg, Some([1.0, 5.0]));
        assert_eq!(found.lat_deg, Some([-1.0, 2.0]));
        assert_eq!(found.key, Some([-3, 4]));
        assert_eq!(found.null_keys, 1);
        assert!(found.cap.unwrap().radius_deg < 1e-6);
        assert_eq!(bounds(&[(Some(0.0), Some(95.0), None)]).cap, None);
        assert_eq!(bounds(&[]), SegmentBounds::default());
    }

    proptest! {
        #[test]
        fn every_position_is_in_the_cap(rows in proptest::collection::vec((0.0..360.0f64, -90.0..=90.0f64), 1..30)) {
            let rows: Vec<_> = rows.into_iter().map(|(lon, lat)| (Some(lon), Some(lat), None)).collect();
            let cap = bounds(&rows).cap.unwrap();
            for (lon, lat, _) in rows {
                let distance = qserv_core::sky::separation_deg(cap.lon_deg, cap.lat_deg, lon.unwrap(), lat.unwrap());
                prop_assert!(distance <= cap.radius_deg);
            }
        }
    }
}
