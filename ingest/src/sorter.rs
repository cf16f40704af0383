//! Sorting of more rows than memory holds.
//!
//! Rows are collected; when they are more than the budget they are sorted and written to a temporary file, a run. At the end the
//! runs are merged. The sort is stable: rows with equal keys keep the order in which they came.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use qserv_core::{Error, Result};

use crate::columns::{integer, integers};
use crate::spill::{SpillFile, SpillWriter};

/// Values of the sort columns of one row; NULL is smallest, and unused places are equal.
pub(crate) type SortKey = [i64; 3];

/// Runs of one level that are merged into one of the next, so that a merge never reads too many files at once, and no row is
/// rewritten more than once a level: with runs of 256 MiB two levels are a terabyte.
const RUNS_PER_LEVEL: usize = 64;

/// Bytes of the batches in which sorted rows are handed on; while runs are merged, each run has one such batch in memory.
const PIECE_BYTES: usize = 256 << 10;

/// Most rows of such a batch.
const PIECE_ROWS: usize = 8192;

/// Collects rows and hands them out sorted.
#[derive(Debug)]
pub(crate) struct Sorter {
    schema: SchemaRef,
    sort_columns: Vec<usize>,
    folder: PathBuf,
    max_bytes: usize,
    batches: Vec<RecordBatch>,
    bytes: usize,
    runs: Vec<Run>,
    rows: u64,
    total_bytes: u64,
}

/// A sorted temporary file. Levels fall from older to newer runs.
#[derive(Debug)]
struct Run {
    level: usize,
    file: SpillFile,
}

impl Sorter {
    /// Sorts by at most three integer columns, and keeps at most `max_bytes` of rows in memory while collecting.
    pub(crate) fn new(schema: SchemaRef, sort_columns: &[usize], folder: &Path, max_bytes: usize) -> Self {
        Self {
            schema,
            sort_columns: sort_columns.to_vec(),
            folder: folder.to_owned(),
            max_bytes,
            batches: Vec::new(),
            bytes: 0,
            runs: Vec::new(),
            rows: 0,
            total_bytes: 0,
        }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let bytes = batch.get_array_memory_size();
        self.rows += batch.num_rows() as u64;
        self.total_bytes += bytes as u64;
        self.bytes += bytes;
        self.batches.push(batch);
        if self.bytes > self.max_bytes { self.spill() } else { Ok(()) }
    }

    /// Writes what is in memory to disk.
    pub(crate) fn spill(&mut self) -> Result<()> {
        if self.batches.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let batches = std::mem::take(&mut self.batches);
        let sorted = self.sort(batches)?;
        self.write_run(0, sorted)?;
        let mut level = 0;
        while self.runs.iter().filter(|run| run.level == level).count() >= RUNS_PER_LEVEL {
            let first = self.runs.iter().position(|run| run.level == level).unwrap_or(0);
            let merged = self.runs.drain(first..).map(|run| run.file.read()).collect::<Result<Vec<_>>>()?;
            let merged = self.merge(merged.into_iter().map(|rows| Box::new(rows) as Rows).collect())?;
            level += 1;
            self.write_run(level, merged)?;
        }
        Ok(())
    }

    /// The rows in order.
    pub(crate) fn finish(mut self) -> Result<Sorted> {
        let batches = std::mem::take(&mut self.batches);
        if self.runs.is_empty() {
            return self.sort(batches);
        }
        let mut sources = Vec::with_capacity(self.runs.len() + 1);
        for run in std::mem::take(&mut self.runs) {
            sources.push(Box::new(run.file.read()?) as Rows);
        }
        if !batches.is_empty() {
            sources.push(Box::new(self.sort(batches)?));
        }
        self.merge(sources)
    }

    fn write_run(&mut self, level: usize, rows: Sorted) -> Result<()> {
        let mut writer = SpillWriter::create(&self.folder, &self.schema)?;
        for batch in rows {
            writer.write(&batch?)?;
        }
        self.runs.push(Run { level, file: writer.finish()? });
        Ok(())
    }

    fn sort(&self, batches: Vec<RecordBatch>) -> Result<Sorted> {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let mut order: Vec<(SortKey, u32, u32)> = Vec::with_capacity(rows);
        for (number, batch) in (0..).zip(&batches) {
            order.extend((0..).zip(sort_keys(batch, &self.sort_columns)?).map(|(row, key)| (key, number, row)));
        }
        order.sort_unstable();
        Ok(Sorted::Memory { batches, order: order.into_iter(), piece_rows: self.piece_rows() })
    }

    fn merge(&self, sources: Vec<Rows>) -> Result<Sorted> {
        let mut merge = Merge {
            cursors: Vec::with_capacity(sources.len()),
            next: BinaryHeap::with_capacity(sources.len()),
            sort_columns: self.sort_columns.clone(),
            piece_rows: self.piece_rows(),
        };
        for source in sources {
            let mut cursor = Cursor { source, batch: None, keys: Vec::new(), row: 0 };
            if cursor.refill(&merge.sort_columns)? {
                merge.next.extend(cursor.key().map(|key| Reverse((key, merge.cursors.len()))));
            }
            merge.cursors.push(cursor);
        }
        Ok(Sorted::Merge(merge))
    }

    fn piece_rows(&self) -> usize {
        let row_bytes = usize::try_from(self.total_bytes / self.rows.max(1)).unwrap_or(usize::MAX).max(1);
        (PIECE_BYTES / row_bytes).clamp(1, PIECE_ROWS)
    }
}

type Rows = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Sorted rows in batches; an iterator.
pub(crate) enum Sorted {
    /// From memory.
    Memory { batches: Vec<RecordBatch>, order: std::vec::IntoIter<(SortKey, u32, u32)>, piece_rows: usize },
    /// From several sorted sources.
    Merge(Merge),
}

impl Iterator for Sorted {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Memory { batches, order, piece_rows } => {
                let picks: Vec<(usize, usize)> =
                    order.take(*piece_rows).map(|(_, batch, row)| (batch as usize, row as usize)).collect();
                if picks.is_empty() {
                    return None;
                }
                Some(interleave(&batches.iter().collect::<Vec<_>>(), &picks))
            }
            Self::Merge(merge) => merge.next_piece().transpose(),
        }
    }
}

pub(crate) struct Merge {
    cursors: Vec<Cursor>,
    next: BinaryHeap<Reverse<(SortKey, usize)>>,
    sort_columns: Vec<usize>,
    piece_rows: usize,
}

/// A sorted source and the place in it.
struct Cursor {
    source: Rows,
    batch: Option<RecordBatch>,
    keys: Vec<SortKey>,
    row: usize,
}

impl Cursor {
    fn key(&self) -> Option<SortKey> {
        self.keys.get(self.row).copied()
    }

    /// Takes the next batch that has rows; false at the end.
    fn refill(&mut self, sort_columns: &[usize]) -> Result<bool> {
        self.row = 0;
        self.keys.clear();
        self.batch = None;
        for batch in self.source.by_ref() {
            let batch = batch?;
            if batch.num_rows() > 0 {
                self.keys = sort_keys(&batch, sort_columns)?;
                self.batch = Some(batch);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Merge {
    fn next_piece(&mut self) -> Result<Option<RecordBatch>> {
        // The batches that the piece takes rows from, and for each cursor the place of its present one among them.
        let mut batches: Vec<RecordBatch> = Vec::new();
        let mut places: Vec<Option<usize>> = vec![None; self.cursors.len()];
        let mut picks = Vec::with_capacity(self.piece_rows);
        while picks.len() < self.piece_rows {
            let Some(Reverse((_, number))) = self.next.pop() else { break };
            let (Some(cursor), Some(place)) = (self.cursors.get_mut(number), places.get_mut(number)) else { break };
            let batch_place = match *place {
                Some(known) => known,
                None => {
                    batches.extend(cursor.batch.clone());
                    *place.insert(batches.len() - 1)
                }
            };
            picks.push((batch_place, cursor.row));
            cursor.row += 1;
            if cursor.row >= cursor.keys.len() {
                *place = None;
                if !cursor.refill(&self.sort_columns)? {
                    continue;
                }
            }
            self.next.extend(cursor.key().map(|key| Reverse((key, number))));
        }
        if picks.is_empty() {
            return Ok(None);
        }
        interleave(&batches.iter().collect::<Vec<_>>(), &picks).map(Some)
    }
}

fn interleave(batches: &[&RecordBatch], picks: &[(usize, usize)]) -> Result<RecordBatch> {
    interleave_record_batch(batches, picks).map_err(|error| Error::internal("rows cannot be sorted").caused_by(error))
}

fn sort_keys(batch: &RecordBatch, sort_columns: &[usize]) -> Result<Vec<SortKey>> {
    let mut keys = vec![[0; 3]; batch.num_rows()];
    for (place, &column) in sort_columns.iter().enumerate() {
        let array = batch.columns().get(column).ok_or_else(|| Error::internal("a sort column is missing"))?;
        let values = integers(array)?;
        for (row, key) in keys.iter_mut().enumerate() {
            if let Some(value) = key.get_mut(place) {
                *value = integer(&values, row).unwrap_or(i64::MIN);
            }
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use proptest::prelude::*;

    use super::*;

    type Row = (Option<i64>, i64, String);

    fn batch(schema: &SchemaRef, rows: &[Row]) -> RecordBatch {
        RecordBatch::try_new(
            Arc::clone(schema),
            vec![
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.2))),
                Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
                Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))),
            ],
        )
        .unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn sorts_stably_in_any_memory(
            keys in proptest::collection::vec(
                proptest::collection::vec((proptest::option::of(-3..3i64), -3..3i64), 0..30), 0..90),
            max_bytes in prop_oneof![Just(0usize), Just(5_000), Just(1 << 30)],
        ) {
            let schema = Arc::new(Schema::new(vec![
                Field::new("t", DataType::Utf8, false),
                Field::new("a", DataType::Int64, true),
                Field::new("b", DataType::Int64, false),
            ]));
            let folder = tempfile::tempdir().unwrap();
            let mut sorter = Sorter::new(Arc::clone(&schema) as SchemaRef, &[1, 2], folder.path(), max_bytes);
            let mut expected: Vec<Row> = Vec::new();
            for (number, keys) in keys.iter().enumerate() {
                let rows: Vec<Row> = keys.iter().enumerate()
                    .map(|(row, &(a, b))| (a, b, format!("{number}/{row}"))).collect();
                sorter.push(batch(&schema, &rows)).unwrap();
                expected.extend(rows);
            }
            expected.sort_by_key(|row| (row.0, row.1));
            prop_assert_eq!(sorter.rows(), expected.len() as u64);
            let mut found: Vec<Row> = Vec::new();
            for batch in sorter.finish().unwrap() {
                let batch = batch.unwrap();
                for row in 0..batch.num_rows() {
                    found.push((
                        integer(batch.column(1).as_primitive::<Int64Type>(), row),
                        batch.column(2).as_primitive::<Int64Type>().value(row),
                        batch.column(0).as_string::<i32>().value(row).to_owned(),
                    ));
                }
            }
            prop_assert_eq!(found, expected);
            // Temporary files have no names.
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
