//! An open file: its footer, its schema, and its statistics as arrays.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, Result, ScalarValue};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};

use super::bounds::Extent;

/// A file that scans share.
#[derive(Debug)]
pub(super) struct Segment {
    /// The number by which its columns are cached.
    pub(super) id: u64,
    pub(super) metadata: ArrowReaderMetadata,
    row_counts: ArrayRef,
    statistics: Vec<OnceLock<Option<Statistics>>>,
    /// How often a column of a row group was wanted and not cached, column by column of the first row group, then of the next.
    asked: Vec<AtomicU8>,
    /// What was found in columns of row groups when they were decoded, in the same order. It is kept when they are not.
    found: Vec<OnceLock<Extent>>,
    bytes: usize,
}

/// One column's statistics by row group.
#[derive(Debug, Clone)]
struct Statistics {
    least: ArrayRef,
    most: ArrayRef,
    nulls: ArrayRef,
}

impl Segment {
    /// Reads a file's footer and page index.
    pub(super) async fn open(id: u64, mut reader: Box<dyn AsyncFileReader>) -> Result<Self> {
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load_async(&mut reader, options).await?;
        let row_groups = metadata.metadata().row_groups();
        let rows = row_groups.iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0));
        let row_counts: ArrayRef = Arc::new(UInt64Array::from_iter_values(rows));
        let columns = metadata.schema().fields().len();
        let statistics = (0..columns).map(|_| OnceLock::new()).collect();
        let asked = (0..columns * row_groups.len()).map(|_| AtomicU8::new(0)).collect();
        // Statistics as arrays take about as much again as in the footer.
        let found: Vec<OnceLock<Extent>> = (0..columns * row_groups.len()).map(|_| OnceLock::new()).collect();
        let bytes =
            2 * metadata.metadata().memory_size() + size_of_val(found.as_slice()) + columns * (row_groups.len() + 64);
        Ok(Self { id, metadata, row_counts, statistics, asked, found, bytes })
    }

    /// Memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Its columns as Arrow's reader makes them.
    pub(super) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// Its footer.
    pub(super) fn footer(&self) -> &Arc<ParquetMetaData> {
        self.metadata.metadata()
    }

    /// Number of row groups.
    pub(super) fn row_groups(&self) -> usize {
        self.footer().num_row_groups()
    }

    /// Notes that columns of a row group are wanted that are not cached. Whether that is so for the first time for any of them.
    pub(super) fn ask(&self, row_group: usize, columns: impl IntoIterator<Item = usize>) -> bool {
        let width = self.statistics.len();
        let mut is_first = false;
        for column in columns {
            if let Some(asked) = self.asked.get(row_group * width + column) {
                is_first |= asked.swap(1, Ordering::Relaxed) == 0;
            }
        }
        is_first
    }

    /// Remembers what lies in a column of a row group.
    pub(super) fn learn(&self, row_group: usize, column: usize, extent: Extent) {
        if let Some(found) = self.found.get(row_group * self.statistics.len() + column) {
            let _ = found.set(extent);
        }
    }

    /// What lies in a column of a row group, if it was ever decoded.
    pub(super) fn extent(&self, row_group: usize, column: usize) -> Option<Extent> {
        self.found.get(row_group * self.statistics.len() + column)?.get().copied()
    }

    /// Bytes that columns of a row group take about when they are decoded.
    pub(super) fn decoded_bytes(&self, row_group: usize, columns: impl IntoIterator<Item = usize>) -> u64 {
        let Some(group) = self.footer().row_groups().get(row_group) else { return 0 };
        let wanted: HashSet<usize> = columns.into_iter().collect();
        let schema = self.metadata.parquet_schema();
        let leaves = group.columns().iter().enumerate();
        let of_wanted = leaves.filter(|(leaf, _)| wanted.contains(&schema.get_column_root_idx(*leaf)));
        // Dictionaries are written out.
        let bytes = of_wanted.map(|(_, leaf)| leaf.uncompressed_size().max(8 * leaf.num_values()));
        u64::try_from(bytes.sum::<i64>()).unwrap_or(0)
    }

    /// Bytes of a column of a row group in the file.
    pub(super) fn stored_bytes(&self, row_group: usize, column: usize) -> usize {
        let Some(group) = self.footer().row_groups().get(row_group) else { return 0 };
        let schema = self.metadata.parquet_schema();
        let leaves = group.columns().iter().enumerate();
        let of_column = leaves.filter(|(leaf, _)| schema.get_column_root_idx(*leaf) == column);
        usize::try_from(of_column.map(|(_, leaf)| leaf.compressed_size()).sum::<i64>()).unwrap_or(0)
    }

    fn statistics(&self, column: &Column) -> Option<&Statistics> {
        let index = self.schema().index_of(column.name()).ok()?;
        if !has_whole_statistics(self.schema().field(index).data_type()) {
            return None;
        }
        self.statistics.get(index)?.get_or_init(|| self.convert(column.name())).as_ref()
    }

    fn convert(&self, column: &str) -> Option<Statistics> {
        let schema = self.schema();
        let converter = StatisticsConverter::try_new(column, schema, self.metadata.parquet_schema()).ok()?;
        let groups = self.footer().row_groups();
        Some(Statistics {
            least: converter.row_group_mins(groups).ok()?,
            most: converter.row_group_maxes(groups).ok()?,
            // A file that does not tell has no count; that is not none.
            nulls: Arc::new(converter.with_missing_null_counts_as_zero(false).row_group_null_counts(groups).ok()?),
        })
    }
}

/// Whether Parquet's least and greatest values bound all values of a type. They leave NaN out, which is greater than all numbers, or
/// less than all with its sign set: a row group may have rows that its statistics deny.
pub(super) fn has_whole_statistics(datatype: &DataType) -> bool {
    !datatype.is_floating() && !datatype.is_nested()
}

impl PruningStatistics for Segment {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.statistics(column).map(|statistics| Arc::clone(&statistics.least))
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.statistics(column).map(|statistics| Arc::clone(&statistics.most))
    }

    fn num_containers(&self) -> usize {
        self.row_counts.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        self.statistics(column).map(|statistics| Arc::clone(&statistics.nulls))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::clone(&self.row_counts))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
