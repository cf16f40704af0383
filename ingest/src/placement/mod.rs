//! Which chunk each row lives in.
//!
//! - A director's row goes by its position ([`director`]).
//! - A child's row goes where its director's key lives ([`child`]), which [`Family`] knows: from the key index of what is committed,
//!   from the index segments that this load has written, and from the orphans it has met.
//! - A match row goes to both of its directors' keys, once in each of the table's two copies ([`matches`]).
//!
//! One rule holds everywhere, and plans without an exchange of rows rest on it: *all rows of one key share one chunk*. So an orphan,
//! a key that no director row has brought, gets a home when it is first met, and the home is written to the key index like a
//! director's; all later rows of that key follow. Where the rule cannot be kept, because a director's row has a position of its own
//! while its key already lives elsewhere, the family's tables lose their locality ([`crate::locality`]).

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use qserv_core::catalog::Table;
use qserv_core::index::KeyHome;
use qserv_core::partition::{ChunkId, SkyPartition};
use qserv_core::{Error, Result};

use crate::replicas::mix;

pub(crate) mod child;
pub(crate) mod director;
pub(crate) mod family;
pub(crate) mod matches;

pub(crate) use family::Family;

/// The column that placement adds behind a segment's columns, and that is not stored: the chunk's number with the same bits.
pub(crate) const CHUNK: &str = "_chunk";

/// A table's segment columns and [`CHUNK`].
pub(crate) fn placed_schema(table: &Table) -> SchemaRef {
    let segment = table.segment_schema();
    let mut fields: Vec<Arc<Field>> = segment.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(CHUNK, DataType::Int64, false)));
    Arc::new(Schema::new(fields))
}

/// Collects a batch's homes, row by row.
#[derive(Debug, Default)]
pub(crate) struct Homes {
    healpix_29: Vec<Option<i64>>,
    chunks: Vec<i64>,
}

impl Homes {
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self { healpix_29: Vec::with_capacity(rows), chunks: Vec::with_capacity(rows) }
    }

    pub(crate) fn push(&mut self, chunk: ChunkId, healpix_29: Option<u64>) {
        self.chunks.push(chunk.0.cast_signed());
        self.healpix_29.push(healpix_29.map(u64::cast_signed));
    }

    /// The batch with the two columns of placement.
    pub(crate) fn place(self, batch: &RecordBatch, placed: &SchemaRef) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        columns.push(Arc::new(Int64Array::from(self.healpix_29)));
        columns.push(Arc::new(Int64Array::from(self.chunks)));
        RecordBatch::try_new(Arc::clone(placed), columns)
            .map_err(|error| Error::internal("rows cannot be placed").caused_by(error))
    }
}

/// The home of a position.
pub(crate) fn home_of_position(partition: &SkyPartition, (lon_deg, lat_deg): (f64, f64)) -> KeyHome {
    KeyHome {
        chunk: partition.chunk(lon_deg, lat_deg),
        healpix_29: Some(qserv_core::partition::healpix_29(lon_deg, lat_deg)),
    }
}

/// The home of a key that has no position at all: a place on the sphere drawn by the key, so that such keys spread, and the same at
/// each load. NULL keys all share one.
pub(crate) fn home_of_key(partition: &SkyPartition, key: Option<i64>) -> KeyHome {
    let draw = |seed: u64| {
        // 53 bits, as many as a double's fraction has.
        let bits = mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)) >> 11;
        bits as f64 / (1_u64 << 53) as f64
    };
    let (lon_deg, lat_deg) = match key {
        None => (0.0, 0.0),
        Some(key) => {
            let seed = mix(key.cast_unsigned());
            (360.0 * draw(seed), (2.0 * draw(seed ^ 1) - 1.0).asin().to_degrees())
        }
    };
    KeyHome { chunk: partition.chunk(lon_deg, lat_deg), healpix_29: None }
}
