//! A scan's filter, evaluated piece by piece.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{filter, prep_null_mask_filter, take};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, exec_err};
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column as ColumnExpr, DynamicFilterTracking, InListExpr, IsNotNullExpr, IsNullExpr, Literal,
    NotExpr,
};
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_expr_common::physical_expr::{snapshot_generation, snapshot_physical_expr};

use super::bounds::{Bounds, Verdict};
use super::columns::Column;

/// When fewer than one row in so many is left, what is left is copied together for the next condition.
const FEW: usize = 8;

/// The columns of a row group that are there, by their place among the file's.
pub(super) type Columns = [Option<Arc<Column>>];

/// The conditions of a scan's filter over the columns of a file.
#[derive(Debug)]
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

#[derive(Debug)]
struct Condition {
    /// Over `columns` alone.
    expression: Arc<dyn PhysicalExpr>,
    /// The columns it reads, by their place among the file's.
    columns: Vec<usize>,
    schema: SchemaRef,
    bounds: Bounds,
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

    /// The columns that it reads.
    pub(super) fn columns(&self) -> impl Iterator<Item = usize> {
        self.conditions.iter().flat_map(|condition| condition.columns.iter().copied())
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
        let cost = cost(&expression, &schema);
        Ok(Self { expression, columns, schema, bounds, cost })
    }

    fn judge(&self, piece: usize, columns: &Columns) -> Verdict {
        if self.bounds == Bounds::Unknown {
            return Verdict::Unknown;
        }
        self.bounds.judge(&|index| {
            let column = columns.get(*self.columns.get(index)?)?.as_ref()?;
            column.piece(piece).ok().map(|piece| piece.extent)
        })
    }

    /// The rows of a selection for which the condition is true; `None` if there are none.
    fn narrow(&self, selection: Selection, piece: usize, rows: usize, columns: &Columns) -> Result<Option<Selection>> {
        // Few rows of many are copied together; of many, those that are out already cost less to look at than to leave out.
        let (looked_at, before) = match selection {
            Selection::Marked(marks) if marks.true_count() * FEW <= rows => {
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
        let truth = self.expression.evaluate(&batch)?.into_array(count)?;
        let Some(truth) = truth.as_boolean_opt() else { return exec_err!("a filter is not a condition") };
        let truth = if truth.null_count() > 0 { prep_null_mask_filter(truth) } else { truth.clone() };
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
            64
        };
        Ok(TreeNodeRecursion::Continue)
    });
    cost
}
