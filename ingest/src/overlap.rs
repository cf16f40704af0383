//! Rows that a chunk keeps of its neighbours.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use qserv_core::partition::{ChunkId, SkyPartition};
use qserv_core::{Error, Result};

use crate::columns::Positions;

/// Those of the placed rows that belong to the overlap of other chunks, once for each, with the chunk column telling which. A chunk
/// gets its overlap whether it has rows or not, so that rows which come later find it.
pub(crate) fn rows_for_neighbours(
    placed: &RecordBatch,
    position: &[String; 2],
    partition: &SkyPartition,
) -> Result<Option<RecordBatch>> {
    let positions = Positions::of(placed, position)?;
    let mut neighbours: Vec<ChunkId> = Vec::new();
    let (mut rows, mut chunks) = (Vec::new(), Vec::new());
    for row in 0..placed.num_rows() {
        let Some((lon_deg, lat_deg)) = positions.get(row) else { continue };
        partition.overlap_chunks(lon_deg, lat_deg, &mut neighbours);
        let row = u32::try_from(row).map_err(|_| Error::internal("a batch has too many rows"))?;
        rows.extend(neighbours.iter().map(|_| row));
        chunks.extend(neighbours.iter().map(|chunk| chunk.0.cast_signed()));
    }
    if rows.is_empty() {
        return Ok(None);
    }
    let failed =
        |error: arrow::error::ArrowError| Error::internal("overlap rows cannot be put together").caused_by(error);
    let taken = take_record_batch(placed, &UInt32Array::from(rows)).map_err(failed)?;
    let mut columns: Vec<ArrayRef> = taken.columns().to_vec();
    if let Some(chunk) = columns.last_mut() {
        *chunk = Arc::new(Int64Array::from(chunks));
    }
    RecordBatch::try_new(taken.schema(), columns).map(Some).map_err(failed)
}
