//! Rows as Parquet segments: whole tables, or one by one their chunks.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, UInt32Array};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use qserv_core::partition::{ChunkId, SkyPartition};
use qserv_core::{Error, Result};

/// Encoded bytes at which a segment ends: what one upload holds in memory, a few times over.
const SEGMENT_BYTES: usize = 8 << 20;

/// Rows of a row group: a scan decodes a column of one at a time.
const ROW_GROUP_ROWS: usize = 64 << 10;

/// Rows that are sorted by chunk together, in bytes: each piece of a chunk costs memory of its own.
const SORTED_BYTES: usize = 32 << 20;

/// Rows in memory that wait for more of their chunk, in bytes. The fewer wait, the more and smaller segments there are.
const WAITING_BYTES: usize = 128 << 20;

/// Some rows as a Parquet file.
pub(super) struct Encoded {
    pub(super) bytes: Bytes,
    pub(super) rows: u64,
    /// Their chunk, if they are all of one.
    pub(super) chunk: Option<ChunkId>,
}

/// Takes rows and gives segments.
pub(super) enum Encoder {
    Whole(Box<SegmentWriter>),
    ByChunk(Box<ChunkWriter>),
}

impl Encoder {
    /// Adds rows, and gives the segments that are full.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<Vec<Encoded>> {
        match self {
            Self::Whole(writer) => Ok(writer.write(batch)?.into_iter().collect()),
            Self::ByChunk(writer) => writer.write(batch),
        }
    }

    /// The segments that are left.
    pub(super) fn finish(&mut self) -> Result<Vec<Encoded>> {
        match self {
            Self::Whole(writer) => Ok(writer.finish()?.into_iter().collect()),
            Self::ByChunk(writer) => writer.finish(),
        }
    }
}

/// Sorts rows by their chunks.
pub(super) struct ChunkWriter {
    schema: SchemaRef,
    partition: SkyPartition,
    /// The columns of the position.
    position: [usize; 2],
    /// What is not sorted yet.
    unsorted: Vec<RecordBatch>,
    unsorted_bytes: usize,
    waiting: BTreeMap<ChunkId, Waiting>,
    /// Of all that waits.
    bytes: usize,
}

/// Rows of one chunk that are not written yet.
#[derive(Default)]
struct Waiting {
    batches: Vec<RecordBatch>,
    bytes: usize,
}

impl ChunkWriter {
    /// `None` if the columns are not there, or are none of numbers.
    pub(super) fn new(schema: &SchemaRef, partition: SkyPartition, position: &[String; 2]) -> Option<Self> {
        let place = |name: &String| {
            let (place, field) = schema.column_with_name(name)?;
            field.data_type().is_numeric().then_some(place)
        };
        let position = [place(&position[0])?, place(&position[1])?];
        Some(Self {
            schema: Arc::clone(schema),
            partition,
            position,
            unsorted: Vec::new(),
            unsorted_bytes: 0,
            waiting: BTreeMap::new(),
            bytes: 0,
        })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<Vec<Encoded>> {
        self.unsorted_bytes += bytes_of(batch);
        self.unsorted.push(batch.clone());
        if self.unsorted_bytes >= SORTED_BYTES { self.sort() } else { Ok(Vec::new()) }
    }

    /// Sorts what is not sorted, and gives the segments that are full.
    fn sort(&mut self) -> Result<Vec<Encoded>> {
        let cannot_sort = |error: arrow::error::ArrowError| {
            Error::internal("the rows of a chunk cannot be put together").caused_by(error)
        };
        let batch = &concat_batches(&self.schema, &self.unsorted).map_err(cannot_sort)?;
        self.unsorted.clear();
        self.unsorted_bytes = 0;
        let mut rows_of: BTreeMap<ChunkId, Vec<u32>> = BTreeMap::new();
        for (row, chunk) in (0_u32..).zip(self.chunks(batch)?) {
            rows_of.entry(chunk).or_default().push(row);
        }
        let mut full = Vec::new();
        for (chunk, rows) in rows_of {
            let part = take_record_batch(batch, &UInt32Array::from(rows)).map_err(cannot_sort)?;
            let bytes = bytes_of(&part);
            let waiting = self.waiting.entry(chunk).or_default();
            waiting.batches.push(part);
            waiting.bytes += bytes;
            self.bytes += bytes;
            if waiting.bytes >= SEGMENT_BYTES {
                full.extend(self.encode(chunk)?);
            }
        }
        if self.bytes > WAITING_BYTES {
            let mut largest: Vec<(usize, ChunkId)> =
                self.waiting.iter().map(|(chunk, waiting)| (waiting.bytes, *chunk)).collect();
            largest.sort_unstable();
            while self.bytes > WAITING_BYTES / 2
                && let Some((_, chunk)) = largest.pop()
            {
                full.extend(self.encode(chunk)?);
            }
        }
        Ok(full)
    }

    fn finish(&mut self) -> Result<Vec<Encoded>> {
        let mut all = self.sort()?;
        while let Some(chunk) = self.waiting.keys().next().copied() {
            all.extend(self.encode(chunk)?);
        }
        Ok(all)
    }

    /// The chunk of each row. Rows without a position, which are near none, may be in any.
    fn chunks(&self, batch: &RecordBatch) -> Result<Vec<ChunkId>> {
        let column = |place: usize| {
            let numbers = cast(batch.column(place), &DataType::Float64);
            numbers.map_err(|error| Error::internal("a position is no number").caused_by(error))
        };
        let (lon, lat) = (column(self.position[0])?, column(self.position[1])?);
        let (lon, lat) = (lon.as_primitive::<Float64Type>(), lat.as_primitive::<Float64Type>());
        let chunk = |row: usize| {
            let is_known = lon.is_valid(row) && lat.is_valid(row);
            let (lon, lat) = if is_known { (lon.value(row), lat.value(row)) } else { (f64::NAN, f64::NAN) };
            let is_position = lon.is_finite() && (-90.0..=90.0).contains(&lat);
            let (lon, lat) = if is_position { (lon, lat) } else { (0.0, 0.0) };
            self.partition.chunk(lon, lat)
        };
        Ok((0..batch.num_rows()).map(chunk).collect())
    }

    /// The rows of a chunk that wait, as a segment.
    fn encode(&mut self, chunk: ChunkId) -> Result<Option<Encoded>> {
        let Some(waiting) = self.waiting.remove(&chunk) else { return Ok(None) };
        self.bytes -= waiting.bytes;
        let mut writer = SegmentWriter::new(&self.schema);
        for batch in &waiting.batches {
            writer.append(batch)?;
        }
        Ok(writer.finish()?.map(|encoded| Encoded { chunk: Some(chunk), ..encoded }))
    }
}

/// What rows take in memory.
pub(super) fn bytes_of(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}

/// Writes rows in the order in which they come.
pub(super) struct SegmentWriter {
    schema: SchemaRef,
    open: Option<ArrowWriter<Vec<u8>>>,
    rows: u64,
}

impl SegmentWriter {
    pub(super) fn new(schema: &SchemaRef) -> Self {
        Self { schema: Arc::clone(schema), open: None, rows: 0 }
    }

    /// Adds rows, and gives a segment when it is full.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<Option<Encoded>> {
        if self.append(batch)? >= SEGMENT_BYTES { self.finish() } else { Ok(None) }
    }

    /// Adds rows, and tells how large the segment is.
    fn append(&mut self, batch: &RecordBatch) -> Result<usize> {
        if batch.num_rows() == 0 {
            return Ok(0);
        }
        let writer = match &mut self.open {
            Some(writer) => writer,
            None => {
                // It is read once or twice, soon: what counts is the time it takes to write and to read.
                let properties = WriterProperties::builder()
                    .set_compression(Compression::SNAPPY)
                    .set_dictionary_enabled(false)
                    .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
                    .build();
                let writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&self.schema), Some(properties));
                self.open.insert(writer.map_err(cannot_encode)?)
            }
        };
        writer.write(batch).map_err(cannot_encode)?;
        self.rows += batch.num_rows() as u64;
        Ok(writer.bytes_written() + writer.in_progress_size())
    }

    /// The segment that is open, if there is one.
    pub(super) fn finish(&mut self) -> Result<Option<Encoded>> {
        let Some(writer) = self.open.take() else { return Ok(None) };
        let bytes = Bytes::from(writer.into_inner().map_err(cannot_encode)?);
        Ok(Some(Encoded { bytes, rows: std::mem::take(&mut self.rows), chunk: None }))
    }
}

fn cannot_encode(error: datafusion::parquet::errors::ParquetError) -> Error {
    Error::internal("an uploaded table cannot be stored").caused_by(error)
}
