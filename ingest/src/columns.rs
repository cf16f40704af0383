//! The columns of a batch that placement reads: keys and positions.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::record_batch::RecordBatch;
use qserv_core::{Error, Result};

/// The column of this name.
pub(crate) fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| Error::internal("a batch lacks a declared column").with("column", name))
}

/// An integer column of any width as 64-bit integers.
pub(crate) fn integers(array: &ArrayRef) -> Result<Int64Array> {
    let wide = if array.data_type() == &DataType::Int64 { array.clone() } else { cast_to(array, &DataType::Int64)? };
    wide.as_primitive_opt::<Int64Type>().cloned().ok_or_else(|| Error::internal("a key column holds no integers"))
}

fn cast_to(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    cast(array, data_type).map_err(|error| Error::internal("a column cannot be converted").caused_by(error))
}

/// The value of a row, NULL as `None`.
pub(crate) fn integer(array: &Int64Array, row: usize) -> Option<i64> {
    array.is_valid(row).then(|| array.value(row))
}

/// Longitudes and latitudes of a batch, degrees.
#[derive(Debug, Clone)]
pub(crate) struct Positions {
    lon_deg: Float64Array,
    lat_deg: Float64Array,
}

impl Positions {
    pub(crate) fn of(batch: &RecordBatch, names: &[String; 2]) -> Result<Self> {
        let [lon, lat] = names;
        Ok(Self { lon_deg: doubles(column(batch, lon)?)?, lat_deg: doubles(column(batch, lat)?)? })
    }

    /// The position of a row; `None` unless both are numbers and the latitude is one.
    pub(crate) fn get(&self, row: usize) -> Option<(f64, f64)> {
        let (lon_deg, lat_deg) = self.stored(row);
        let (lon_deg, lat_deg) = (lon_deg?, lat_deg?);
        (lon_deg.is_finite() && (-90.0..=90.0).contains(&lat_deg)).then_some((lon_deg, lat_deg))
    }

    /// What is stored, NULL as `None`.
    pub(crate) fn stored(&self, row: usize) -> (Option<f64>, Option<f64>) {
        let value = |array: &Float64Array| array.is_valid(row).then(|| array.value(row));
        (value(&self.lon_deg), value(&self.lat_deg))
    }

    pub(crate) fn len(&self) -> usize {
        self.lon_deg.len()
    }
}

fn doubles(array: &ArrayRef) -> Result<Float64Array> {
    let wide =
        if array.data_type() == &DataType::Float64 { array.clone() } else { cast_to(array, &DataType::Float64)? };
    wide.as_primitive_opt::<Float64Type>().cloned().ok_or_else(|| Error::internal("a position column holds no numbers"))
}
