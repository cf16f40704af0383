//! The side of a spatial join that streams by: each batch's rows look for partners in the built side.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use datafusion::arrow::array::{BooleanBufferBuilder, Float64Array, new_null_array};
use datafusion::arrow::compute::{filter_record_batch, take};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{JoinSide, JoinType, Result, internal_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use futures::{Stream, TryStreamExt};

use super::build::{Built, unit_vectors};
use super::condition::SpatialCondition;
use super::metrics::SpatialJoinMetrics;

/// What every batch is joined by.
#[derive(Debug, Clone)]
pub(super) struct Joining {
    pub(super) condition: SpatialCondition,
    pub(super) filter: JoinFilter,
    pub(super) join_type: JoinType,
    /// The output's schema, and where each of its columns comes from.
    pub(super) schema: SchemaRef,
    pub(super) columns: Vec<ColumnIndex>,
    /// How many pairs are decided at once, and rows handed out.
    pub(super) batch_rows: usize,
}

/// Joins one partition of the streaming side.
pub(super) fn joined(
    joining: Joining,
    built: Arc<Built>,
    input: SendableRecordBatchStream,
    metrics: SpatialJoinMetrics,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    let mut visited = BooleanBufferBuilder::new(0);
    if joining.join_type == JoinType::Full {
        visited.append_n(built.batch.num_rows(), false);
    }
    let probe = Probe { joining, built, input, metrics, at_work: None, visited, done: false };
    futures::stream::try_unfold(probe, |mut probe| async move { Ok(probe.next().await?.map(|batch| (batch, probe))) })
}

struct Probe {
    joining: Joining,
    built: Arc<Built>,
    input: SendableRecordBatchStream,
    metrics: SpatialJoinMetrics,
    at_work: Option<AtWork>,
    /// For a full join: the rows of the built side that found a partner.
    visited: BooleanBufferBuilder,
    done: bool,
}

/// A batch whose rows look for partners.
struct AtWork {
    batch: RecordBatch,
    vectors: Vec<Option<[f64; 3]>>,
    own_radii_deg: Option<Float64Array>,
    next_row: usize,
    /// Pairs that wait to be decided: rows of the built side and of the batch.
    candidates: (Vec<u32>, Vec<u32>),
    matched: BooleanBufferBuilder,
}

impl Probe {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.done {
                return Ok(None);
            }
            if self.at_work.is_none() {
                let Some(batch) = self.input.try_next().await? else {
                    self.done = true;
                    let last = self.unvisited()?;
                    return Ok(last.filter(|batch| batch.num_rows() > 0));
                };
                if batch.num_rows() == 0 {
                    continue;
                }
                self.metrics.probe_rows.add(batch.num_rows());
                self.at_work = Some(self.begin(batch)?);
            }
            let timer = self.metrics.baseline.elapsed_compute().clone();
            let _timer = timer.timer();
            if let Some(batch) = self.step()?
                && batch.num_rows() > 0
            {
                self.metrics.baseline.record_output(batch.num_rows());
                return Ok(Some(batch));
            }
            // Deciding many pairs without a match must not keep others from running.
            tokio::task::consume_budget().await;
        }
    }

    fn begin(&self, batch: RecordBatch) -> Result<AtWork> {
        let condition = &self.joining.condition;
        let own_radii_deg = condition.radius.right_deg.as_ref().map(|number| number.values(&batch)).transpose()?;
        let mut matched = BooleanBufferBuilder::new(batch.num_rows());
        matched.append_n(batch.num_rows(), false);
        Ok(AtWork {
            vectors: unit_vectors(&condition.right, &batch)?,
            own_radii_deg,
            next_row: 0,
            candidates: (Vec::new(), Vec::new()),
            matched,
            batch,
        })
    }

    /// Decides some pairs, or hands out what the batch leaves behind when all are decided.
    fn step(&mut self) -> Result<Option<RecordBatch>> {
        let Some(mut at_work) = self.at_work.take() else { return Ok(None) };
        at_work.look_up(&self.built, self.joining.batch_rows);
        if at_work.candidates.0.is_empty() {
            return self.finish(at_work).map(Some);
        }
        let (built_rows, own_rows) = at_work.some_candidates(self.joining.batch_rows);
        self.metrics.candidate_pairs.add(built_rows.len());
        let (built_rows, own_rows) = self.decide(&at_work.batch, built_rows, own_rows)?;
        for row in own_rows.values() {
            at_work.matched.set_bit(*row as usize, true);
        }
        if self.joining.join_type == JoinType::Full {
            for row in built_rows.values() {
                self.visited.set_bit(*row as usize, true);
            }
        }
        let pairs = matches!(self.joining.join_type, JoinType::Inner | JoinType::Right | JoinType::Full);
        let output = if pairs && !built_rows.is_empty() {
            Some(self.output(&at_work.batch, &built_rows, &own_rows)?)
        } else {
            None
        };
        self.at_work = Some(at_work);
        Ok(output)
    }

    /// The pairs that satisfy the filter.
    fn decide(
        &self,
        batch: &RecordBatch,
        built_rows: UInt32Array,
        own_rows: UInt32Array,
    ) -> Result<(UInt32Array, UInt32Array)> {
        let filter = &self.joining.filter;
        let columns = filter.column_indices().iter().map(|column| match column.side {
            JoinSide::Left => Ok(take(self.built.batch.column(column.index), &built_rows, None)?),
            JoinSide::Right => Ok(take(batch.column(column.index), &own_rows, None)?),
            JoinSide::None => internal_err!("a join filter without a side"),
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let pairs = RecordBatch::try_new(Arc::clone(filter.schema()), columns)?;
        let holds = filter.expression().evaluate(&pairs)?.into_array(pairs.num_rows())?;
        let holds = holds.as_boolean();
        let kept = |rows: &UInt32Array| -> UInt32Array {
            rows.values()
                .iter()
                .enumerate()
                .filter(|(pair, _)| holds.is_valid(*pair) && holds.value(*pair))
                .map(|(_, row)| *row)
                .collect::<Vec<_>>()
                .into()
        };
        Ok((kept(&built_rows), kept(&own_rows)))
    }

    /// What is handed out when a batch's pairs are decided: rows without a partner, or just those with one.
    fn finish(&mut self, mut at_work: AtWork) -> Result<RecordBatch> {
        let matched = BooleanArray::new(at_work.matched.finish(), None);
        let batch = &at_work.batch;
        match self.joining.join_type {
            JoinType::Right | JoinType::Full => {
                let alone: UInt32Array =
                    (0_u32..).zip(&matched).filter(|(_, has)| *has == Some(false)).map(|(row, _)| row).collect();
                let nobody = UInt32Array::new_null(alone.len());
                self.output(batch, &nobody, &alone)
            }
            JoinType::RightSemi => self.own(&filter_record_batch(batch, &matched)?, None),
            JoinType::RightAnti => {
                let alone: BooleanArray = matched.iter().map(|has| has.map(|has| !has)).collect();
                self.own(&filter_record_batch(batch, &alone)?, None)
            }
            JoinType::RightMark => self.own(batch, Some(Arc::new(matched))),
            _ => Ok(RecordBatch::new_empty(Arc::clone(&self.joining.schema))),
        }
    }

    /// For a full join: the rows of the built side without a partner.
    fn unvisited(&mut self) -> Result<Option<RecordBatch>> {
        if self.joining.join_type != JoinType::Full {
            return Ok(None);
        }
        let visited = self.visited.finish();
        let alone: UInt32Array = (0_u32..).zip(visited.iter()).filter(|(_, has)| !has).map(|(row, _)| row).collect();
        let columns = self.joining.columns.iter().zip(self.joining.schema.fields()).map(|(column, field)| {
            if column.side == JoinSide::Left {
                Ok(take(self.built.batch.column(column.index), &alone, None)?)
            } else {
                Ok(new_null_array(field.data_type(), alone.len()))
            }
        });
        self.batch(columns.collect::<Result<Vec<_>>>()?, alone.len()).map(Some)
    }

    /// Pairs as output rows; a missing row of the built side is all NULL.
    fn output(&self, batch: &RecordBatch, built_rows: &UInt32Array, own_rows: &UInt32Array) -> Result<RecordBatch> {
        let columns = self.joining.columns.iter().map(|column| match column.side {
            JoinSide::Left if self.built.batch.num_rows() == 0 => {
                Ok(new_null_array(self.built.batch.column(column.index).data_type(), built_rows.len()))
            }
            JoinSide::Left => Ok(take(self.built.batch.column(column.index), built_rows, None)?),
            JoinSide::Right => Ok(take(batch.column(column.index), own_rows, None)?),
            JoinSide::None => internal_err!("a column of pairs without a side"),
        });
        self.batch(columns.collect::<Result<Vec<_>>>()?, own_rows.len())
    }

    /// Rows of the streaming side as output rows, with the mark that some joins add.
    fn own(&self, batch: &RecordBatch, mark: Option<ArrayRef>) -> Result<RecordBatch> {
        let columns = self.joining.columns.iter().map(|column| match (column.side, &mark) {
            (JoinSide::Right, _) => Ok(Arc::clone(batch.column(column.index))),
            (JoinSide::None, Some(mark)) => Ok(Arc::clone(mark)),
            _ => internal_err!("a column of the other side in a semi-join"),
        });
        self.batch(columns.collect::<Result<Vec<_>>>()?, batch.num_rows())
    }

    fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.joining.schema), columns, &options)?)
    }
}

impl AtWork {
    /// Looks for partners of further rows until there are enough pairs to decide.
    fn look_up(&mut self, built: &Built, enough: usize) {
        let (built_rows, own_rows) = &mut self.candidates;
        while built_rows.len() < enough && self.next_row < self.vectors.len() {
            let row = self.next_row;
            self.next_row += 1;
            let Some(vector) = self.vectors.get(row).copied().flatten() else { continue };
            let own_deg = match &self.own_radii_deg {
                None => None,
                Some(radii) if radii.is_null(row) => continue,
                Some(radii) => Some(radii.value(row)),
            };
            built.index.near(vector, built.search_chord(own_deg), built_rows);
            // A batch has fewer rows than fit in 32 bits.
            own_rows.resize(built_rows.len(), u32::try_from(row).unwrap_or(u32::MAX));
        }
    }

    /// Takes up to so many pairs out.
    fn some_candidates(&mut self, most: usize) -> (UInt32Array, UInt32Array) {
        let (built_rows, own_rows) = &mut self.candidates;
        let rest = built_rows.len().saturating_sub(most);
        (built_rows.split_off(rest).into(), own_rows.split_off(rest).into())
    }
}
