//! Rows on their way into a catalog: each part of the answer becomes a file of sorted runs, until all rows are known and with them the
//! pixels.
//!
//! A run is what a part holds in memory, sorted by `_healpix_29` and written in small batches. Whoever needs the rows of a pixel
//! reads the batches that can have some, see [`merge`](super::merge): the record of the part tells of each batch from which cell to which
//! it goes.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options, concat_batches, sort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use qserv_core::catalog::HEALPIX_29;
use qserv_core::partition::healpix_29;
use qserv_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::pixels::COUNTED_ORDER;
use super::position::Position;

/// Bytes of rows that become a run. A part holds them up to three times while it sorts.
const RUN_BYTES: usize = 32 << 20;

/// Bytes of a batch of a run: what a merge holds of each run that it reads.
const BATCH_BYTES: usize = 128 << 10;

/// What is known of a part's file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in super::super) struct Runs {
    /// The runs, one behind the other in the file: the first and last cell of each of their batches.
    pub(super) runs: Vec<Vec<(u64, u64)>>,
    /// How many rows there are in cells of the counted order.
    pub(super) counts: BTreeMap<u64, u64>,
}

/// A file of sorted runs while it is written.
pub(in super::super) struct Staged<W: Write> {
    position: Position,
    schema: SchemaRef,
    waiting: Vec<RecordBatch>,
    waiting_bytes: usize,
    writer: FileWriter<W>,
    runs: Runs,
}

/// The columns of a catalog's files: the cell, and those of the answer.
///
/// # Errors
/// `Invalid` if the answer has a column of the cell's name.
pub(super) fn with_cell(schema: &Schema) -> Result<SchemaRef> {
    if schema.fields().iter().any(|field| field.name() == HEALPIX_29) {
        return Err(Error::invalid("a HATS catalog has this column from its export; leave it out of the query")
            .with("column", HEALPIX_29));
    }
    let cell = Arc::new(Field::new(HEALPIX_29, DataType::Int64, false));
    let fields: Vec<_> = std::iter::once(cell).chain(schema.fields().iter().map(Arc::clone)).collect();
    Ok(Arc::new(Schema::new(fields)))
}

/// Why rows were not taken.
pub(in super::super) enum Untaken {
    /// They cannot stand in a catalog.
    Rows(Error),
    /// The file cannot be written.
    File(ArrowError),
}

impl From<ArrowError> for Untaken {
    fn from(error: ArrowError) -> Self {
        Self::File(error)
    }
}

impl<W: Write> Staged<W> {
    pub(in super::super) fn new(file: W, schema: &Schema, position: Position) -> std::result::Result<Self, Untaken> {
        let schema = with_cell(schema).map_err(Untaken::Rows)?;
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME))?;
        let writer = FileWriter::try_new_with_options(file, &schema, options)?;
        Ok(Self { position, schema, waiting: Vec::new(), waiting_bytes: 0, writer, runs: Runs::default() })
    }

    pub(in super::super) fn write(&mut self, batch: &RecordBatch) -> std::result::Result<(), Untaken> {
        let cells = self.cells(batch).map_err(Untaken::Rows)?;
        for cell in cells.values() {
            let counted = cell.unsigned_abs() >> (2 * (29 - COUNTED_ORDER));
            *self.runs.counts.entry(counted).or_default() += 1;
        }
        let columns = std::iter::once(Arc::new(cells) as _).chain(batch.columns().iter().map(Arc::clone)).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        self.waiting_bytes += batch.get_array_memory_size();
        self.waiting.push(batch);
        if self.waiting_bytes >= RUN_BYTES { self.write_run() } else { Ok(()) }
    }

    /// The cells of the rows' positions.
    fn cells(&self, batch: &RecordBatch) -> Result<Int64Array> {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let mut coordinates = Vec::new();
        for column in self.position.columns {
            let numbers = cast_with_options(batch.column(column), &DataType::Float64, &options)
                .map_err(|error| Error::data("a position cannot be read").caused_by(error))?;
            coordinates.push(numbers.as_primitive::<Float64Type>().clone());
        }
        let [ra, dec] = coordinates.as_slice() else { return Err(Error::internal("a position has two coordinates")) };
        let cells = ra.iter().zip(dec.iter()).map(|coordinates| match coordinates {
            (Some(ra), Some(dec)) if ra.is_finite() && dec.abs() <= 90.0 => i64::try_from(healpix_29(ra, dec))
                .map_err(|error| Error::internal("a cell is too large").caused_by(error)),
            (ra, dec) => {
                let [ra_name, dec_name] = &self.position.names;
                let told = |number: Option<f64>| number.map_or_else(|| "NULL".to_owned(), |number| number.to_string());
                Err(Error::invalid(
                    "a row without a position cannot stand in a HATS catalog; export a query that leaves such rows out",
                )
                .with(ra_name.clone(), told(ra))
                .with(dec_name.clone(), told(dec)))
            }
        });
        cells.collect::<Result<Vec<i64>>>().map(Int64Array::from)
    }

    fn write_run(&mut self) -> std::result::Result<(), Untaken> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let mut rows = concat_batches(&self.schema, &waiting)?;
        drop(waiting);
        if rows.num_rows() == 0 {
            return Ok(());
        }
        if !rows.column(0).as_primitive::<Int64Type>().values().is_sorted() {
            let order = sort_to_indices(rows.column(0), None, None)?;
            rows = take_record_batch(&rows, &order)?;
        }
        let row_bytes = rows.get_array_memory_size() / rows.num_rows();
        let step = (BATCH_BYTES / row_bytes.max(1)).clamp(64, 8192);
        let mut batches = Vec::new();
        let mut start = 0;
        while start < rows.num_rows() {
            let batch = rows.slice(start, step.min(rows.num_rows() - start));
            start += batch.num_rows();
            self.writer.write(&batch)?;
            let cells = batch.column(0).as_primitive::<Int64Type>().values();
            let of = |cell: Option<&i64>| cell.map_or(0, |cell| cell.unsigned_abs());
            batches.push((of(cells.first()), of(cells.last())));
        }
        self.runs.runs.push(batches);
        Ok(())
    }

    /// Ends the file.
    pub(in super::super) fn finish(mut self) -> std::result::Result<(W, Runs), Untaken> {
        self.write_run()?;
        self.writer.finish()?;
        Ok((self.writer.into_inner()?, self.runs))
    }
}
