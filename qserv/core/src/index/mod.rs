//! The key index: in which chunk a director's key lives.
//!
//! The story of a look-up: [`KeyIndex`] stands over the index segments of one director table in one snapshot. A segment is
//! Parquet with the columns of [`index_schema`], sorted by key in row groups of [`ROW_GROUP_ROWS`] rows.
//! [`KeyIndex::homes`] skips segments by the key bounds that the catalog knows and row groups by the footer's statistics,
//! decodes what is left, and finds the keys by bisection. Footers and decoded row groups stay in a [`KeyIndexCache`], so that
//! the second look-up nearby touches no file.
//!
//! A key may have several homes: directors keep rows with equal keys, and keys that children brought before any director row
//! have a home of their own until, and after, the director's row arrives.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use crate::catalog::{HEALPIX_29, Segment};
use crate::error::{Error, Result};
use crate::partition::ChunkId;

mod cache;
mod object;
#[cfg(test)]
mod tests;

pub use cache::KeyIndexCache;
use cache::{Footer, RowGroup};
use object::Object;

/// Rows of a row group of an index segment: one look-up decodes a few hundred kilobytes at most, and the footer of an index
/// of a billion keys still has few enough row groups (60,000) to be kept in memory.
pub const ROW_GROUP_ROWS: usize = 16_384;

/// Index segments read at the same time by one look-up.
const SEGMENTS_AT_ONCE: usize = 8;

/// Where the rows of a key live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHome {
    /// The chunk.
    pub chunk: ChunkId,
    /// The order-29 HEALPix cell of the director's row; `None` for the home of a key that has no position.
    pub healpix_29: Option<u64>,
}

/// The schema of index segments: `key`, `chunk`, [`HEALPIX_29`], all Int64. A chunk's number stands there as the signed
/// number with the same bits.
#[must_use]
pub fn index_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("key", DataType::Int64, false),
        Field::new("chunk", DataType::Int64, false),
        Field::new(HEALPIX_29, DataType::Int64, true),
    ]))
}

/// The key index of one director table in one snapshot.
#[derive(Debug, Clone)]
pub struct KeyIndex {
    reader: Arc<dyn ObjectStore>,
    segments: Vec<Arc<Segment>>,
    cache: Arc<KeyIndexCache>,
}

impl KeyIndex {
    /// An index over these segments (role `KeyIndex`), read through `reader`.
    #[must_use]
    pub fn new(reader: Arc<dyn ObjectStore>, segments: Vec<Arc<Segment>>, cache: Arc<KeyIndexCache>) -> Self {
        Self { reader, segments, cache }
    }

    /// All homes of these keys, in no order; a key that the index does not have is absent. Each row group is read once,
    /// however many of the keys are in it.
    ///
    /// # Errors
    /// `Unavailable` if a segment cannot be reached, `Data` if one is damaged.
    pub async fn homes(&self, keys: &[i64]) -> Result<HashMap<i64, Vec<KeyHome>>> {
        let mut sorted = keys.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let mut homes: HashMap<i64, Vec<KeyHome>> = HashMap::new();
        for (index, home) in self.lookup(&sorted).await? {
            if let Some(&key) = sorted.get(index) {
                homes.entry(key).or_default().push(home);
            }
        }
        Ok(homes)
    }

    /// As [`Self::homes`] for many keys: `keys` must ascend without repetition; each home found comes with its key's place in
    /// `keys`, in no order.
    ///
    /// # Errors
    /// As [`Self::homes`].
    pub async fn lookup(&self, keys: &[i64]) -> Result<Vec<(usize, KeyHome)>> {
        debug_assert!(keys.is_sorted_by(|a, b| a < b), "look-up keys must ascend");
        let may_hold = self.segments.iter().filter(|segment| match segment.bounds.key {
            Some([smallest, largest]) => !places(keys, smallest, largest).is_empty(),
            None => segment.rows > 0,
        });
        stream::iter(may_hold.cloned().collect::<Vec<_>>())
            .map(|segment| self.lookup_in(segment, keys))
            .buffer_unordered(SEGMENTS_AT_ONCE)
            .try_concat()
            .await
    }

    /// Every key with its homes, a row group at a time, segment after segment; each row group's keys ascend.
    pub fn entries(&self) -> impl Stream<Item = Result<Vec<(i64, KeyHome)>>> + Send + '_ {
        let groups = stream::iter(&self.segments).then(move |segment| async move {
            let footer = self.footer(segment).await?;
            let groups = (0..footer.key_bounds.len()).map(move |group| Ok((segment, Arc::clone(&footer), group)));
            Ok::<_, Error>(stream::iter(groups))
        });
        groups.try_flatten().and_then(move |(segment, footer, group): (_, Arc<Footer>, usize)| async move {
            let rows = self.row_group(segment, &footer, group).await?;
            let homes = rows.chunks.iter().zip(&rows.healpix_29).map(|(&chunk, &cell)| RowGroup::home(chunk, cell));
            Ok(rows.keys.iter().copied().zip(homes).collect())
        })
    }

    async fn lookup_in(&self, segment: Arc<Segment>, keys: &[i64]) -> Result<Vec<(usize, KeyHome)>> {
        let footer = self.footer(&segment).await?;
        let mut found = Vec::new();
        for (group, &[smallest, largest]) in footer.key_bounds.iter().enumerate() {
            let range = places(keys, smallest, largest);
            if range.is_empty() {
                continue;
            }
            let rows = self.row_group(&segment, &footer, group).await?;
            for place in range {
                let Some(&key) = keys.get(place) else { continue };
                found.extend(rows.homes(key).map(|home| (place, home)));
            }
        }
        Ok(found)
    }

    async fn footer(&self, segment: &Arc<Segment>) -> Result<Arc<Footer>> {
        if let Some(footer) = self.cache.footer(&segment.path) {
            return Ok(footer);
        }
        let mut object = self.object(segment)?;
        let metadata = ArrowReaderMetadata::load_async(&mut object, ArrowReaderOptions::new())
            .await
            .map_err(|error| unreadable(segment, error))?;
        let key_bounds = metadata.metadata().row_groups().iter().map(key_bounds).collect();
        let footer = Arc::new(Footer { metadata, key_bounds });
        self.cache.put_footer(&segment.path, &footer);
        Ok(footer)
    }

    async fn row_group(&self, segment: &Arc<Segment>, footer: &Footer, group: usize) -> Result<Arc<RowGroup>> {
        if let Some(rows) = self.cache.row_group(&segment.path, group) {
            return Ok(rows);
        }
        let stream = ParquetRecordBatchStreamBuilder::new_with_metadata(self.object(segment)?, footer.metadata.clone())
            .with_row_groups(vec![group])
            .with_batch_size(ROW_GROUP_ROWS)
            .build()
            .map_err(|error| unreadable(segment, error))?;
        let batches: Vec<_> = stream.try_collect().await.map_err(|error| unreadable(segment, error))?;
        let mut rows = RowGroup::default();
        for batch in &batches {
            let column = |index: usize| {
                let column = batch.columns().get(index).and_then(|column| column.as_primitive_opt::<Int64Type>());
                column.ok_or_else(|| Error::data("an index segment has other columns").with("segment", &segment.path))
            };
            let (keys, chunks, cells) = (column(0)?, column(1)?, column(2)?);
            rows.keys.extend_from_slice(keys.values());
            rows.chunks.extend_from_slice(chunks.values());
            rows.healpix_29.extend(cells.iter().map(|cell| cell.unwrap_or(RowGroup::NO_CELL)));
        }
        if !rows.keys.is_sorted() {
            return Err(Error::data("an index segment is not sorted by key").with("segment", &segment.path));
        }
        let rows = Arc::new(rows);
        self.cache.put_row_group(&segment.path, group, &rows);
        Ok(rows)
    }

    fn object(&self, segment: &Segment) -> Result<Object> {
        let path = Path::parse(&segment.path).map_err(|error| {
            Error::internal("a segment has an impossible path").with("segment", &segment.path).caused_by(error)
        })?;
        Ok(Object { store: Arc::clone(&self.reader), path, bytes: segment.bytes })
    }
}

impl RowGroup {
    fn homes(&self, key: i64) -> impl Iterator<Item = KeyHome> {
        let first = self.keys.partition_point(|&other| other < key);
        let count = self.keys.iter().skip(first).take_while(|&&other| other == key).count();
        (first..first + count).filter_map(|row| Some(Self::home(*self.chunks.get(row)?, *self.healpix_29.get(row)?)))
    }

    fn home(chunk: i64, cell: i64) -> KeyHome {
        KeyHome { chunk: ChunkId(chunk.cast_unsigned()), healpix_29: u64::try_from(cell).ok() }
    }
}

/// The places of those ascending keys that lie within the bounds, both included.
fn places(keys: &[i64], smallest: i64, largest: i64) -> Range<usize> {
    let start = keys.partition_point(|&key| key < smallest);
    let end = keys.partition_point(|&key| key <= largest);
    start..end.max(start)
}

/// Smallest and largest key of a row group; everything if the file does not tell.
fn key_bounds(group: &RowGroupMetaData) -> [i64; 2] {
    let statistics = group.columns().first().and_then(|column| column.statistics());
    match statistics {
        Some(Statistics::Int64(statistics)) => {
            [*statistics.min_opt().unwrap_or(&i64::MIN), *statistics.max_opt().unwrap_or(&i64::MAX)]
        }
        _ => [i64::MIN, i64::MAX],
    }
}

fn unreadable(segment: &Segment, error: parquet::errors::ParquetError) -> Error {
    use parquet::errors::ParquetError;
    let is_store = matches!(&error, ParquetError::External(inner) if inner.is::<object_store::Error>());
    if is_store {
        Error::unavailable("no replica of a key index segment can be read")
    } else {
        Error::data("a key index segment is damaged")
    }
    .with("segment", &segment.path)
    .caused_by(error)
}
