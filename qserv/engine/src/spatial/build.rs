//! The side of a spatial join that is held in memory: its rows, and where they lie.

use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use futures::TryStreamExt;
use qserv_core::Error;

use super::condition::{PositionNumbers, SpatialCondition};
use super::index::{PositionIndex, chord_of_degrees, unit_vector};
use super::metrics::SpatialJoinMetrics;
use crate::error::into_datafusion;

/// How much wider a search by columns' radii is, of the radius.
const ROUNDING: f64 = 1e-9;

/// Rows and their index.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) batch: RecordBatch,
    pub(super) index: PositionIndex,
    /// What every search's radius has at least, in degrees.
    radius_deg: f64,
    divisor: f64,
    _memory: MemoryReservation,
}

impl Built {
    /// Collects a stream.
    ///
    /// # Errors
    /// The stream's; `Limit` for more rows than an index can number; what the memory pool says.
    pub(super) async fn collect(
        mut stream: SendableRecordBatchStream,
        condition: &SpatialCondition,
        memory: MemoryReservation,
        metrics: &SpatialJoinMetrics,
    ) -> Result<Self> {
        let schema: SchemaRef = stream.schema();
        let mut batches = Vec::new();
        let mut rows = 0_usize;
        while let Some(batch) = stream.try_next().await? {
            rows += batch.num_rows();
            // Twice: the batches, and the one that is made of them.
            memory
                .try_grow(2 * batch.get_array_memory_size() + batch.num_rows() * PositionIndex::BYTES_PER_POSITION)?;
            batches.push(batch);
        }
        let _timer = metrics.build_time.timer();
        if u32::try_from(rows).is_err() {
            return Err(into_datafusion(Error::limit(
                "one side of a join of near neighbours has more than four billion rows in one place; restrict it",
            )));
        }
        let batch = concat_batches(&schema, &batches)?;
        drop(batches);
        metrics.build_rows.add(rows);
        let vectors = unit_vectors(&condition.left, &batch)?;
        let largest_left = match &condition.radius.left_deg {
            None => 0.0,
            Some(number) => {
                let radii = number.values(&batch)?;
                radii.iter().flatten().filter(|radius| *radius >= 0.0).fold(0.0, f64::max)
            }
        };
        let divisor = condition.radius.divisor;
        let radius_deg = condition.radius.constant_deg + largest_left / divisor * (1.0 + ROUNDING);
        let index = PositionIndex::new(vectors.into_iter(), chord_of_degrees(radius_deg.max(0.0)));
        // Of what was reserved the second copy and the index stay.
        memory.resize(batch.get_array_memory_size() + rows * PositionIndex::BYTES_PER_POSITION / 2);
        Ok(Self { batch, index, radius_deg, divisor, _memory: memory })
    }

    /// How far from a row of the other side partners are looked for; `own_deg` is that row's part of the radius.
    pub(super) fn search_chord(&self, own_deg: Option<f64>) -> f64 {
        let own_deg = own_deg.map_or(0.0, |degrees| degrees / self.divisor * (1.0 + ROUNDING));
        chord_of_degrees(self.radius_deg + own_deg)
    }
}

/// The unit vectors of a batch's positions; `None` where there is no position.
pub(super) fn unit_vectors([lon, lat]: &PositionNumbers, batch: &RecordBatch) -> Result<Vec<Option<[f64; 3]>>> {
    let (lon, lat) = (lon.values(batch)?, lat.values(batch)?);
    let position = |row: usize| -> Option<[f64; 3]> {
        if lon.is_null(row) || lat.is_null(row) { None } else { unit_vector(lon.value(row), lat.value(row)) }
    };
    Ok((0..batch.num_rows()).map(position).collect())
}
