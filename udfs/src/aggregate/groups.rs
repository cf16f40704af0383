//! What an aggregate keeps of each group, and how DataFusion fills, moves, merges and reads it.

use std::fmt::{self, Debug};

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::Field;
use datafusion::error::Result;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;
use qserv_core::Error;

use crate::definition::Definition;
use crate::error::external;

/// What an aggregate keeps of one group. Merging is associative and takes states in any order.
pub(crate) trait State: Default + Debug + Send + Sync + 'static {
    /// What a call's constant arguments say.
    type Settings: Debug + Clone + Send + Sync + 'static;
    /// The arguments of a batch of rows.
    type Columns;
    /// The states of a batch of groups, as they travelled.
    type States;

    /// The columns in which states travel.
    fn fields() -> Vec<Field>;

    /// Reads the arguments of a batch of rows.
    fn columns(arguments: &[ArrayRef]) -> qserv_core::Result<Self::Columns>;

    /// Reads states that travelled.
    fn states(columns: &[ArrayRef]) -> qserv_core::Result<Self::States>;

    /// Takes a row.
    fn add(&mut self, settings: &Self::Settings, columns: &Self::Columns, row: usize) -> qserv_core::Result<()>;

    /// Takes back a row that was added: it has left the window.
    fn remove(&mut self, settings: &Self::Settings, columns: &Self::Columns, row: usize) -> qserv_core::Result<()>;

    /// Takes what another state of the same group holds.
    fn merge(&mut self, settings: &Self::Settings, states: &Self::States, row: usize) -> qserv_core::Result<()>;

    /// The states of groups as columns, one row a group.
    fn to_arrays(groups: &[Self]) -> qserv_core::Result<Vec<ArrayRef>>;

    /// The values of groups, one row a group. More rows may be added afterwards.
    fn results(settings: &Self::Settings, groups: &mut [Self]) -> qserv_core::Result<ArrayRef>;

    /// The bytes that it holds apart from its own size.
    fn heap_bytes(&self) -> usize;
}

/// Where the lists of groups end that stand one behind the other.
///
/// Lists are those of 32-bit ends: Arrow Flight (59) declares lists of 64-bit ends as these and makes nonsense of them.
///
/// # Errors
/// Limit if there are too many elements for one batch.
pub(super) fn ends(lengths: impl Iterator<Item = usize> + Clone) -> qserv_core::Result<OffsetBuffer<i32>> {
    let all: usize = lengths.clone().sum();
    if i32::try_from(all).is_err() {
        return Err(Error::limit("the groups together hold too many values for one batch of results"));
    }
    Ok(OffsetBuffer::from_lengths(lengths))
}

/// The states of many groups.
pub(super) struct Many<S: State> {
    definition: &'static Definition,
    settings: S::Settings,
    groups: Vec<S>,
    /// That of all groups together, kept up with each change: there can be millions of them.
    heap_bytes: usize,
}

impl<S: State> Many<S> {
    pub(super) fn new(definition: &'static Definition, settings: S::Settings) -> Self {
        Self { definition, settings, groups: Vec::new(), heap_bytes: 0 }
    }

    fn outward<T>(&self, result: qserv_core::Result<T>) -> Result<T> {
        result.map_err(|error| external(self.definition.explain(error)))
    }

    /// Changes the states of the groups of some rows.
    fn change(
        &mut self,
        groups: impl Iterator<Item = usize>,
        change: impl Fn(&mut S, &S::Settings, usize) -> qserv_core::Result<()>,
    ) -> Result<()> {
        let mut changed = Ok(());
        for (row, group) in groups.enumerate() {
            let Some(state) = self.groups.get_mut(group) else { continue };
            let before = state.heap_bytes();
            changed = change(state, &self.settings, row);
            self.heap_bytes = (self.heap_bytes + state.heap_bytes()).saturating_sub(before);
            if changed.is_err() {
                break;
            }
        }
        self.outward(changed)
    }

    fn emit(&mut self, emit_to: EmitTo) -> Vec<S> {
        let emitted = emit_to.take_needed(&mut self.groups);
        let bytes: usize = emitted.iter().map(S::heap_bytes).sum();
        self.heap_bytes = self.heap_bytes.saturating_sub(bytes);
        emitted
    }
}

/// No group: the row does not count.
const NONE: usize = usize::MAX;

impl<S: State> GroupsAccumulator for Many<S> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.groups.resize_with(total_num_groups, S::default);
        let columns = self.outward(S::columns(values))?;
        let counts = |row: usize| opt_filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
        let groups = group_indices.iter().enumerate().map(|(row, group)| if counts(row) { *group } else { NONE });
        self.change(groups, |state, settings, row| state.add(settings, &columns, row))
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let mut groups = self.emit(emit_to);
        self.outward(S::results(&self.settings, &mut groups))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = self.emit(emit_to);
        self.outward(S::to_arrays(&groups))
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.groups.resize_with(total_num_groups, S::default);
        let states = self.outward(S::states(values))?;
        self.change(group_indices.iter().copied(), |state, settings, row| state.merge(settings, &states, row))
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = values.first().map_or(0, Array::len);
        let mut alone = Self::new(self.definition, self.settings.clone());
        let each: Vec<usize> = (0..rows).collect();
        alone.update_batch(values, &each, opt_filter, rows)?;
        alone.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.groups.capacity() * size_of::<S>() + self.heap_bytes
    }
}

/// The state of one group: of all rows, or of a window.
pub(super) struct One<S: State>(Many<S>);

impl<S: State> One<S> {
    pub(super) fn new(definition: &'static Definition, settings: S::Settings) -> Self {
        let mut group = Many::new(definition, settings);
        group.groups.push(S::default());
        Self(group)
    }
}

impl<S: State> Debug for One<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.0.definition.name).field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

impl<S: State> Accumulator for One<S> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let columns = self.0.outward(S::columns(values))?;
        let rows = values.first().map_or(0, Array::len);
        self.0.change(std::iter::repeat_n(0, rows), |state, settings, row| state.add(settings, &columns, row))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let results = S::results(&self.0.settings, &mut self.0.groups);
        ScalarValue::try_from_array(&self.0.outward(results)?, 0)
    }

    fn size(&self) -> usize {
        GroupsAccumulator::size(&self.0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let columns = self.0.outward(S::to_arrays(&self.0.groups))?;
        columns.iter().map(|column| ScalarValue::try_from_array(column, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states.first().map_or(0, Array::len);
        let states = self.0.outward(S::states(states))?;
        self.0.change(std::iter::repeat_n(0, rows), |state, settings, row| state.merge(settings, &states, row))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let columns = self.0.outward(S::columns(values))?;
        let rows = values.first().map_or(0, Array::len);
        self.0.change(std::iter::repeat_n(0, rows), |state, settings, row| state.remove(settings, &columns, row))
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }
}
