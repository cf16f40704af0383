//! The rows of a pixel, or of a pixel's margin, out of the runs of all parts, in the order of their cells.
//!
//! Of each run that has rows there, one batch is in memory at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::ipc::reader::FileReader;
use qserv_core::{Error, Result};

use super::staging::Runs;

/// Rows that are handed on at once.
const ROWS: usize = 8192;

/// A part's file with what is known of it.
pub(super) struct StagedFile {
    pub(super) path: PathBuf,
    pub(super) runs: Runs,
}

/// The rows with cells in some ranges.
pub(super) struct Merge<'a> {
    ranges: &'a [Range<u64>],
    schema: SchemaRef,
    readers: Vec<FileReader<BufReader<File>>>,
    cursors: Vec<Cursor>,
    /// The next cell of each cursor that has one.
    next: BinaryHeap<Reverse<(u64, usize)>>,
}

/// Where the reading of one run stands.
struct Cursor {
    reader: usize,
    /// The batches that are still to be read, by their places in the file.
    batches: std::vec::IntoIter<usize>,
    /// What is there of rows in the ranges: pieces of the batch that was read last, the last piece first.
    pieces: Vec<RecordBatch>,
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::data("a file of the export cannot be read; remove the folder to export anew").caused_by(error)
}

fn cells(batch: &RecordBatch) -> &[i64] {
    batch
        .columns()
        .first()
        .and_then(|column| column.as_primitive_opt::<Int64Type>())
        .map_or(&[], |cells| cells.values())
}

fn first_cell(batch: &RecordBatch) -> u64 {
    cells(batch).first().map_or(0, |cell| cell.unsigned_abs())
}

/// The first range that ends behind a cell, unless it begins behind the other cell.
fn touches(ranges: &[Range<u64>], (low, high): (u64, u64)) -> bool {
    let first = ranges.partition_point(|range| range.end <= low);
    ranges.get(first).is_some_and(|range| range.start <= high)
}

impl<'a> Merge<'a> {
    /// The ranges are sorted and apart from each other.
    pub(super) fn of(files: &[StagedFile], schema: &SchemaRef, ranges: &'a [Range<u64>]) -> Result<Self> {
        let mut merge = Self {
            ranges,
            schema: Arc::clone(schema),
            readers: Vec::new(),
            cursors: Vec::new(),
            next: BinaryHeap::new(),
        };
        for file in files {
            let mut first = 0;
            let mut opened = false;
            for run in &file.runs.runs {
                let places = run.iter().enumerate().filter(|(_, bounds)| touches(ranges, **bounds));
                let batches: Vec<usize> = places.map(|(place, _)| first + place).collect();
                first += run.len();
                if batches.is_empty() {
                    continue;
                }
                if !opened {
                    let open = File::open(&file.path).map_err(unreadable)?;
                    merge.readers.push(FileReader::try_new(BufReader::new(open), None).map_err(unreadable)?);
                    opened = true;
                }
                let reader = merge.readers.len() - 1;
                merge.cursors.push(Cursor { reader, batches: batches.into_iter(), pieces: Vec::new() });
                merge.advance(merge.cursors.len() - 1)?;
            }
        }
        Ok(merge)
    }

    /// Sees to it that the cursor has a piece, if there is one left, and says where that begins.
    fn advance(&mut self, number: usize) -> Result<()> {
        let Some(cursor) = self.cursors.get_mut(number) else { return Ok(()) };
        while cursor.pieces.is_empty() {
            let (Some(place), Some(reader)) = (cursor.batches.next(), self.readers.get_mut(cursor.reader)) else {
                return Ok(());
            };
            reader.set_index(place).map_err(unreadable)?;
            let Some(batch) = reader.next().transpose().map_err(unreadable)? else { return Ok(()) };
            let cells = cells(&batch);
            let row = |cell: u64| cells.partition_point(|other| other.unsigned_abs() < cell);
            let (Some(low), Some(high)) = (cells.first(), cells.last()) else { continue };
            let first = self.ranges.partition_point(|range| range.end <= low.unsigned_abs());
            let ranges = self.ranges.iter().skip(first).take_while(|range| range.start <= high.unsigned_abs());
            for range in ranges {
                let (start, end) = (row(range.start), row(range.end));
                if start < end {
                    cursor.pieces.push(batch.slice(start, end - start));
                }
            }
            cursor.pieces.reverse();
        }
        if let Some(piece) = cursor.pieces.last() {
            self.next.push(Reverse((first_cell(piece), number)));
        }
        Ok(())
    }

    /// The next rows.
    pub(super) fn rows(&mut self) -> Result<Option<RecordBatch>> {
        let mut found = Vec::new();
        let mut rows = 0;
        while rows < ROWS
            && let Some(Reverse((_, number))) = self.next.pop()
        {
            let Some(piece) = self.cursors.get_mut(number).and_then(|cursor| cursor.pieces.pop()) else { continue };
            // All that comes before the next row of any other run.
            let taken = match self.next.peek() {
                Some(Reverse((other, _))) => cells(&piece).partition_point(|cell| cell.unsigned_abs() <= *other),
                None => piece.num_rows(),
            };
            if taken < piece.num_rows()
                && let Some(cursor) = self.cursors.get_mut(number)
            {
                cursor.pieces.push(piece.slice(taken, piece.num_rows() - taken));
            }
            rows += taken;
            found.push(piece.slice(0, taken));
            self.advance(number)?;
        }
        if found.is_empty() {
            return Ok(None);
        }
        concat_batches(&self.schema, &found).map(Some).map_err(unreadable)
    }
}
