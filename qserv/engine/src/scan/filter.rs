//! A scan's filter, evaluated piece by piece.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{filter, prep_null_mask_filter, take};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column as ColumnExpr, DynamicFilterTracking, InListExpr, IsNotNullExpr, IsNullExpr, Literal,
    NotExpr,
};
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_expr_common::physical_expr::{snapshot_generation, snapshot_physical_expr};

use super::bounds::{Bounds, Extent, Verdict};
use super::columns::Column;

/// When fewer than one row in so many is left, what is left is copied together for the next condition.
const FEW: usize = 8;

/// From this cost on, a condition is evaluated on the rows that are left and no others.
const COSTLY: usize = 64;

/// The columns of a row group that are there, by their place among the file's.
pub(super) type Columns = [Option<Arc<Column>>];

/// The conditions of a scan's filter over the columns of a file.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    /// Conditions that never change.
    fixed: Vec<Arc<dyn PhysicalExpr>>,
    /// Conditions that operators above make stricter while the scan runs.
    changing: Vec<Arc<dyn PhysicalExpr>>,
    generation: u64,
    schema: SchemaRef,
    /// All of them as of that generation, the cheapest first.
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone)]
struct Condition {
    /// Over `columns` alone.
    expression: Arc<dyn PhysicalExpr>,
    /// The columns it reads, by their place among the file's.
    columns: Vec<usize>,
    schema: SchemaRef,
    bounds: Bounds,
    /// The alternatives of which one has to be true, where it is made of such: the ranges of a region are many, and a piece lies in few.
    alternatives: Vec<(Arc<dyn PhysicalExpr>, Bounds)>,
    cost: usize,
}

/// Which rows of a piece are wanted.
#[derive(Debug, Clone)]
pub(super) enum Selection {
    /// All.
    All,
    /// Those that are marked.
    Marked(BooleanArray),
    /// These, in order.
    Rows(UInt32Array),
}

impl Filter {
    /// The filter of a predicate over a file's columns.
    pub(super) fn new(predicate: &Arc<dyn PhysicalExpr>, schema: &SchemaRef) -> Result<Self> {
        let changes =
            |condition: &Arc<dyn PhysicalExpr>| DynamicFilterTracking::classify(condition).contains_dynamic_filter();
        let (changing, fixed) = split_conjunction(predicate).into_iter().cloned().partition(changes);
        let mut made = Self { fixed, changing, generation: 0, schema: Arc::clone(schema), conditions: Vec::new() };
        made.refresh(true)?;
        Ok(made)
    }

    /// Takes up what has changed. Whether anything has.
    pub(super) fn refresh(&mut self, is_first: bool) -> Result<bool> {
        if self.changing.is_empty() && !is_first {
            return Ok(false);
        }
        // Read before the conditions are, so that a change in between is taken up next time.
        let generation = self.changing.iter().map(snapshot_generation).fold(0, u64::wrapping_add);
        if generation == self.generation && !is_first {
            return Ok(false);
        }
        let mut conditions = Vec::with_capacity(self.fixed.len() + self.changing.len());
        for condition in &self.fixed {
            conditions.push(Condition::new(condition, &self.schema)?);
        }
        for condition in &self.changing {
            let now = snapshot_physical_expr(Arc::clone(condition))?;
            for condition in split_conjunction(&now) {
                conditions.push(Condition::new(condition, &self.schema)?);
            }
        }
        conditions.retain(|condition| condition.bounds != Bounds::Always(true));
        conditions.sort_by_key(|condition| condition.cost);
        (self.conditions, self.generation) = (conditions, generation);
        Ok(true)
    }

    /// The filter, if it never changes.
    pub(super) fn is_fixed(&self) -> bool {
        self.changing.is_empty()
    }

    /// The columns that it reads.
    pub(super) fn columns(&self) -> impl Iterator<Item = usize> {
        self.conditions.iter().flat_map(|condition| condition.columns.iter().copied())
    }

    /// Whether a row group may have rows, as far as is known of what lies in its columns.
    pub(super) fn may_have(&self, extent: &dyn Fn(usize) -> Option<Extent>) -> bool {
        self.conditions.iter().all(|condition| {
            let of_column = |index: usize| condition.columns.get(index).and_then(|column| extent(*column));
            condition.bounds.judge(&of_column) != Verdict::No
        })
    }

    /// The rows of a piece for which all conditions are true; `None` if there are none. Counts pieces that needed no look.
    pub(super) fn select(
        &self,
        piece: usize,
        rows: usize,
        columns: &Columns,
        judged: &mut usize,
    ) -> Result<Option<Selection>> {
        let mut verdicts = Vec::with_capacity(self.conditions.len());
        for condition in &self.conditions {
            let verdict = condition.judge(piece, columns);
            if verdict == Verdict::No {
                *judged += 1;
                return Ok(None);
            }
            verdicts.push(verdict);
        }
        let mut selection = Selection::All;
        for (condition, verdict) in self.conditions.iter().zip(verdicts) {
            if verdict == Verdict::Yes {
                continue;
            }
            let Some(left) = condition.narrow(selection, piece, rows, columns)? else { return Ok(None) };
            selection = left;
        }
        Ok(Some(selection))
    }
}

impl Condition {
    fn new(condition: &Arc<dyn PhysicalExpr>, file: &SchemaRef) -> Result<Self> {
        let mut columns: Vec<usize> = collect_columns(condition).iter().map(ColumnExpr::index).collect();
        columns.sort_unstable();
        columns.dedup();
        let schema = Arc::new(file.project(&columns)?);
        let expression = reassign_expr_columns(Arc::clone(condition), &schema)?;
        let types = |index: usize| schema.fields().get(index).map(|field| field.data_type().clone());
        let bounds = Bounds::of(expression.as_ref(), &types);
        let mut alternatives = Vec::new();
        split_alternatives(&expression, &mut alternatives);
        let alternatives: Vec<_> = alternatives
            .into_iter()
            .map(|alternative| {
                let bounds = Bounds::of(alternative.as_ref(), &types);
                (alternative, bounds)
            })
            .collect();
        let cost = cost(&expression, &schema);
        Ok(Self { expression, columns, schema, bounds, alternatives, cost })
    }

    fn judge(&self, piece: usize, columns: &Columns) -> Verdict {
        self.judge_by(&self.bounds, piece, columns)
    }

    fn judge_by(&self, bounds: &Bounds, piece: usize, columns: &Columns) -> Verdict {
        if *bounds == Bounds::Unknown {
            return Verdict::Unknown;
        }
        bounds.judge(&|index| {
            let column = columns.get(*self.columns.get(index)?)?.as_ref()?;
            column.piece(piece).ok().map(|piece| piece.extent)
        })
    }

    /// For which rows of a batch, which is of a piece, the condition is true.
    fn truth(&self, batch: &RecordBatch, piece: usize, columns: &Columns) -> Result<BooleanArray> {
        if let Bounds::Compare { column, operator, value } = &self.bounds {
            return Ok(without_nulls(value.compare(batch.column(*column), *operator)?));
        }
        if self.alternatives.len() < 2 {
            return truth(&self.expression, batch);
        }
        let mut any: Option<BooleanArray> = None;
        for (alternative, bounds) in &self.alternatives {
            match self.judge_by(bounds, piece, columns) {
                Verdict::No => {}
                Verdict::Yes => return Ok(BooleanArray::new(BooleanBuffer::new_set(batch.num_rows()), None)),
                Verdict::Unknown => {
                    let truth = truth(alternative, batch)?;
                    any = Some(match any {
                        Some(others) => BooleanArray::new(others.values() | truth.values(), None),
                        None => truth,
                    });
                }
            }
        }
        Ok(any.unwrap_or_else(|| BooleanArray::new(BooleanBuffer::new_unset(batch.num_rows()), None)))
    }

    /// The rows of a selection for which the condition is true; `None` if there are none.
    fn narrow(&self, selection: Selection, piece: usize, rows: usize, columns: &Columns) -> Result<Option<Selection>> {
        // Few rows of many are copied together; of many, those that are out already cost less to look at than to leave out, unless a look
        // is costly.
        let (looked_at, before) = match selection {
            Selection::Marked(marks) if marks.true_count() * if self.cost < COSTLY { FEW } else { 1 } <= rows => {
                (Selection::Rows(marked_rows(&marks)), None)
            }
            Selection::Marked(marks) => (Selection::All, Some(marks)),
            other => (other, None),
        };
        let count = looked_at.count(rows);
        let arrays = self.columns.iter().map(|column| looked_at.of(&piece_of(columns, *column, piece)?));
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch =
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays.collect::<Result<_>>()?, &options)?;
        let truth = self.truth(&batch, piece, columns)?;
        let left = match (looked_at, before) {
            (Selection::Rows(rows), _) => {
                let rows = filter(&rows, &truth)?;
                Selection::Rows(rows.as_primitive().clone())
            }
            (_, Some(before)) => {
                let both: BooleanBuffer = before.values() & truth.values();
                Selection::Marked(BooleanArray::new(both, None))
            }
            _ => Selection::Marked(truth),
        };
        let count = left.count(rows);
        Ok(match left {
            _ if count == 0 => None,
            Selection::Marked(_) if count == rows => Some(Selection::All),
            left => Some(left),
        })
    }
}

/// For which rows a condition is true; for others it is false, or NULL.
fn truth(condition: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<BooleanArray> {
    let truth = condition.evaluate(batch)?.into_array(batch.num_rows())?;
    let Some(truth) = truth.as_boolean_opt() else { return exec_err!("a filter is not a condition") };
    Ok(without_nulls(truth.clone()))
}

fn without_nulls(truth: BooleanArray) -> BooleanArray {
    if truth.null_count() > 0 { prep_null_mask_filter(&truth) } else { truth }
}

fn split_alternatives(condition: &Arc<dyn PhysicalExpr>, alternatives: &mut Vec<Arc<dyn PhysicalExpr>>) {
    match condition.downcast_ref::<BinaryExpr>() {
        Some(binary) if *binary.op() == Operator::Or => {
            split_alternatives(binary.left(), alternatives);
            split_alternatives(binary.right(), alternatives);
        }
        _ => alternatives.push(Arc::clone(condition)),
    }
}

/// The array of a piece of a column that is there.
pub(super) fn piece_of(columns: &Columns, column: usize, piece: usize) -> Result<ArrayRef> {
    match columns.get(column) {
        Some(Some(column)) => Ok(Arc::clone(&column.piece(piece)?.array)),
        _ => exec_err!("a column of a row group was not read"),
    }
}

impl Selection {
    /// How many rows it has of a piece of `rows`.
    pub(super) fn count(&self, rows: usize) -> usize {
        match self {
            Self::All => rows,
            Self::Marked(marks) => marks.true_count(),
            Self::Rows(rows) => rows.len(),
        }
    }

    /// Its rows of an array.
    pub(super) fn of(&self, array: &ArrayRef) -> Result<ArrayRef> {
        Ok(match self {
            Self::All => Arc::clone(array),
            Self::Marked(marks) => filter(array, marks)?,
            Self::Rows(rows) => take(array, rows, None)?,
        })
    }

    /// Memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::All => 0,
                Self::Marked(marks) => marks.get_array_memory_size(),
                Self::Rows(rows) => rows.get_array_memory_size(),
            }
    }

    /// The same rows in the form that is the cheapest to copy many columns by.
    pub(super) fn for_copies(self, rows: usize) -> Self {
        match self {
            Self::Marked(marks) if marks.true_count() * FEW <= rows => Self::Rows(marked_rows(&marks)),
            other => other,
        }
    }

    /// Its first rows.
    pub(super) fn first(self, count: usize, rows: usize) -> Self {
        if count >= self.count(rows) {
            return self;
        }
        match self {
            Self::All => Self::Rows((0..u32::try_from(count).unwrap_or(u32::MAX)).collect::<Vec<_>>().into()),
            Self::Marked(marks) => Self::Rows(marked_rows(&marks).slice(0, count)),
            Self::Rows(rows) => Self::Rows(rows.slice(0, count)),
        }
    }

    /// The numbers of its rows.
    pub(super) fn numbers(&self, rows: usize) -> Box<dyn Iterator<Item = usize> + '_> {
        match self {
            Self::All => Box::new(0..rows),
            Self::Marked(marks) => Box::new(marks.values().set_indices()),
            Self::Rows(rows) => Box::new(rows.values().iter().map(|row| *row as usize)),
        }
    }
}

fn marked_rows(marks: &BooleanArray) -> UInt32Array {
    // Pieces have far fewer than 2^32 rows.
    marks.values().set_indices().map(|row| row as u32).collect::<Vec<u32>>().into()
}

/// What a condition costs about, in comparisons of numbers.
fn cost(condition: &Arc<dyn PhysicalExpr>, schema: &Schema) -> usize {
    let mut cost = 0;
    let _ = condition.apply(|node| {
        cost += if let Some(column) = node.downcast_ref::<ColumnExpr>() {
            let datatype = schema.fields().get(column.index()).map(|field| field.data_type());
            if datatype.is_some_and(DataType::is_primitive) { 1 } else { 8 }
        } else if node.is::<Literal>() {
            0
        } else if node.is::<BinaryExpr>()
            || node.is::<IsNullExpr>()
            || node.is::<IsNotNullExpr>()
            || node.is::<NotExpr>()
        {
            1
        } else if node.is::<CastExpr>() {
            2
        } else if node.is::<InListExpr>() {
            8
        } else {
            // Functions, above all of angles.
            COSTLY
        };
        Ok(TreeNodeRecursion::Continue)
    });
    cost
}
