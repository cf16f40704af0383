//! Decoded columns: one column of one row group, in pieces.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;
use datafusion::common::{DataFusionError, Result, exec_err};
use futures::TryStreamExt;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};

use super::bounds::Extent;

/// Rows of a piece: small enough that a filter's intermediate results stay in the processor's own memory, large enough that what is done
/// once a piece does not count.
pub(super) const PIECE_ROWS: usize = if cfg!(test) { 64 } else { 16 * 1024 };

/// One column of one row group, decoded.
#[derive(Debug)]
pub(super) struct Column {
    pieces: Vec<Piece>,
    bytes: usize,
}

/// [`PIECE_ROWS`] rows of a column; the last piece has the rest.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) array: ArrayRef,
    pub(super) extent: Extent,
}

impl Column {
    /// Reads and decodes a whole column of a row group.
    pub(super) async fn decode(
        reader: Box<dyn AsyncFileReader>,
        metadata: ArrowReaderMetadata,
        row_group: usize,
        column: usize,
    ) -> Result<Self> {
        let mask = ProjectionMask::roots(metadata.parquet_schema(), [column]);
        let rows = rows_of(&metadata, row_group);
        let mut batches = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata)
            .with_row_groups(vec![row_group])
            .with_projection(mask)
            .with_batch_size(PIECE_ROWS)
            .build()?;
        let mut arrays = Vec::with_capacity(rows.div_ceil(PIECE_ROWS));
        while let Some(batch) = batches.try_next().await.map_err(DataFusionError::from)? {
            arrays.push(Arc::clone(batch.column(0)));
        }
        Self::of(arrays, rows)
    }

    /// A column of arrays that follow each other.
    fn of(mut arrays: Vec<ArrayRef>, rows: usize) -> Result<Self> {
        if arrays.iter().map(|array| array.len()).sum::<usize>() != rows {
            return exec_err!("a column of a row group has other than its {rows} rows");
        }
        // All columns of a row group are cut alike.
        let is_cut = |(index, array): (usize, &ArrayRef)| array.len() == piece_rows(rows, index);
        if !arrays.iter().enumerate().all(is_cut) {
            let parts: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
            let whole = concat(&parts)?;
            let pieces = 0..rows.div_ceil(PIECE_ROWS);
            arrays = pieces.map(|index| whole.slice(index * PIECE_ROWS, piece_rows(rows, index))).collect();
        }
        let bytes = arrays.iter().map(|array| array.get_array_memory_size()).sum();
        let pieces = arrays.into_iter().map(|array| Piece { extent: Extent::of(&array), array }).collect();
        Ok(Self { pieces, bytes })
    }

    /// What lies in it; `None` if it has no rows.
    pub(super) fn extent(&self) -> Option<Extent> {
        self.pieces.iter().map(|piece| piece.extent).reduce(Extent::with)
    }

    /// Memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A piece by its number.
    pub(super) fn piece(&self, index: usize) -> Result<&Piece> {
        match self.pieces.get(index) {
            Some(piece) => Ok(piece),
            None => exec_err!("a column of a row group has fewer rows than another"),
        }
    }
}

/// Rows of a row group.
pub(super) fn rows_of(metadata: &ArrowReaderMetadata, row_group: usize) -> usize {
    let row_groups = metadata.metadata().row_groups();
    row_groups.get(row_group).and_then(|group| usize::try_from(group.num_rows()).ok()).unwrap_or(0)
}

/// Rows of a piece of a row group.
pub(super) fn piece_rows(rows: usize, index: usize) -> usize {
    rows.saturating_sub(index * PIECE_ROWS).min(PIECE_ROWS)
}
