//! Directors: each row by its position.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use qserv_core::partition::SkyPartition;
use qserv_core::{Error, Result};
use qserv_loaders::{BadRows, Rows};

use super::{Homes, home_of_position};
use crate::columns::Positions;

/// The rows that have a position; the others are bad rows.
///
/// # Errors
/// As [`BadRows::reject`]; `source` is the name of the file in errors.
pub(crate) fn with_position(rows: Rows, names: &[String; 2], bad_rows: &BadRows, source: &str) -> Result<RecordBatch> {
    let positions = Positions::of(&rows.batch, names)?;
    let is_good: BooleanArray = (0..rows.batch.num_rows()).map(|row| Some(positions.get(row).is_some())).collect();
    if is_good.false_count() == 0 {
        return Ok(rows.batch);
    }
    let [lon, lat] = names;
    for (row, line) in rows.lines.iter().enumerate().filter(|(row, _)| !is_good.value(*row)) {
        let shown = |value: Option<f64>| value.map_or("NULL".to_owned(), |value| value.to_string());
        let (lon_deg, lat_deg) = positions.stored(row);
        let error = Error::data(format!(
            "a row of a director table needs a position: {lon} must be a number and {lat} one from -90 to 90"
        ));
        let error = error.with("file", source).with("line", line).with("column", format!("{lon}, {lat}"));
        bad_rows.reject(error.with("value", format!("{}, {}", shown(lon_deg), shown(lat_deg))))?;
    }
    filter_record_batch(&rows.batch, &is_good)
        .map_err(|error| Error::internal("rows cannot be filtered").caused_by(error))
}

/// Places rows that all have a position.
pub(crate) fn place(
    batch: &RecordBatch,
    names: &[String; 2],
    partition: &SkyPartition,
    placed: &SchemaRef,
) -> Result<RecordBatch> {
    let positions = Positions::of(batch, names)?;
    let mut homes = Homes::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let position = positions.get(row).ok_or_else(|| Error::internal("a director's row lost its position"))?;
        let home = home_of_position(partition, position);
        homes.push(home.chunk, home.healpix_29);
    }
    homes.place(batch, placed)
}
