//! All values of a group, for medians and percentiles: exact, whatever the order of the rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, ListArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type};
use qserv_core::{Error, Result};

use super::groups::{State, ends};

/// How many values a group may have: sciSQL's own bound, 1 GiB of them.
const MOST_VALUES: usize = 1 << 27;

/// What the functions of this state make of NULL and NaN; each has the same rules.
macro_rules! missing_in_values {
    ($more:literal) => {
        concat!(
            "Values that are NULL or NaN are left out; NULL if there are no others. All values of a group are held in \
             memory: a group of more than 2^27 (134,217,728) values is an error",
            $more,
            "."
        )
    };
}
pub(super) use missing_in_values;

/// The values of one group that are numbers.
#[derive(Debug, Default)]
pub(super) struct Values {
    values: Vec<f64>,
    rank: Rank,
}

/// The rank that the rows of a group ask for.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Rank {
    /// There were no rows yet.
    #[default]
    Unknown,
    Of(f64),
    /// Some row asks for a rank that cannot be: the group's value is NULL.
    Impossible,
}

/// Which values are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranks {
    /// The rank of the largest value; that of the smallest is 0.
    pub(super) highest: f64,
    /// The rank; `None` if each row says it. NaN gives NULL.
    pub(super) rank: Option<f64>,
    /// Whether equal values count once.
    pub(super) is_distinct: bool,
}

/// The arguments of a batch.
pub(super) struct Columns {
    values: Float64Array,
    ranks: Option<Float64Array>,
}

/// The states of a batch.
pub(super) struct States {
    values: ListArray,
    ranks: Float64Array,
}

fn numbers(column: &ArrayRef) -> Result<Float64Array> {
    match column.as_primitive_opt::<Float64Type>() {
        Some(numbers) => Ok(numbers.clone()),
        None => {
            let numbers =
                cast(column, &DataType::Float64).map_err(|_| Error::internal("values that are no numbers"))?;
            Ok(numbers.as_primitive::<Float64Type>().clone())
        }
    }
}

impl State for Values {
    type Settings = Ranks;
    type Columns = Columns;
    type States = States;

    fn fields() -> Vec<Field> {
        let values = DataType::List(Field::new_list_field(DataType::Float64, true).into());
        vec![Field::new("values", values, true), Field::new("rank", DataType::Float64, true)]
    }

    fn columns(arguments: &[ArrayRef]) -> Result<Columns> {
        let Some(values) = arguments.first() else { return Err(Error::internal("an aggregate of no argument")) };
        Ok(Columns { values: numbers(values)?, ranks: arguments.get(1).map(numbers).transpose()? })
    }

    fn states(columns: &[ArrayRef]) -> Result<States> {
        let [values, ranks] = columns else { return Err(Error::internal("a state of other columns")) };
        let values = values.as_list_opt::<i32>().filter(|values| values.value_type() == DataType::Float64);
        match (values, ranks.as_primitive_opt::<Float64Type>()) {
            (Some(values), Some(ranks)) => Ok(States { values: values.clone(), ranks: ranks.clone() }),
            _ => Err(Error::internal("a state of other types")),
        }
    }

    fn add(&mut self, settings: &Ranks, columns: &Columns, row: usize) -> Result<()> {
        if settings.rank.is_none() {
            let asked = columns.ranks.as_ref().filter(|ranks| ranks.is_valid(row)).map(|ranks| ranks.value(row));
            let rank = asked.filter(|rank| (0.0..=settings.highest).contains(rank));
            self.take_rank(rank.map_or(Rank::Impossible, Rank::Of))?;
        }
        let value = columns.values.value(row);
        if columns.values.is_valid(row) && !value.is_nan() {
            self.has_room_for(1)?;
            self.values.push(value);
        }
        Ok(())
    }

    fn remove(&mut self, _: &Ranks, columns: &Columns, row: usize) -> Result<()> {
        let value = columns.values.value(row);
        if columns.values.is_valid(row)
            && let Some(place) = self.values.iter().position(|held| held.to_bits() == value.to_bits())
        {
            self.values.swap_remove(place);
        }
        Ok(())
    }

    fn merge(&mut self, _: &Ranks, states: &States, row: usize) -> Result<()> {
        if states.ranks.is_valid(row) {
            let rank = states.ranks.value(row);
            self.take_rank(if rank.is_nan() { Rank::Impossible } else { Rank::Of(rank) })?;
        }
        if states.values.is_valid(row) {
            let values = states.values.value(row);
            let values = values.as_primitive::<Float64Type>().values();
            self.has_room_for(values.len())?;
            self.values.extend_from_slice(values);
        }
        Ok(())
    }

    fn to_arrays(groups: &[Self]) -> Result<Vec<ArrayRef>> {
        let ends = ends(groups.iter().map(|group| group.values.len()))?;
        let values: Float64Array = groups.iter().flat_map(|group| group.values.iter().copied()).map(Some).collect();
        let item = Field::new_list_field(DataType::Float64, true).into();
        let ranks: Float64Array = groups.iter().map(|group| group.rank.to_number()).collect();
        Ok(vec![Arc::new(ListArray::new(item, ends, Arc::new(values), None)), Arc::new(ranks)])
    }

    fn results(settings: &Ranks, groups: &mut [Self]) -> Result<ArrayRef> {
        let result = |group: &mut Self| {
            let rank = match (settings.rank, group.rank) {
                (Some(rank), _) | (None, Rank::Of(rank)) => rank,
                (None, Rank::Unknown | Rank::Impossible) => f64::NAN,
            };
            if settings.is_distinct {
                // The values stay: the same state may get more rows.
                let mut values = group.values.clone();
                values.sort_unstable_by(f64::total_cmp);
                values.dedup();
                return at_rank(&mut values, rank, settings.highest);
            }
            at_rank(&mut group.values, rank, settings.highest)
        };
        Ok(Arc::new(groups.iter_mut().map(result).collect::<Float64Array>()))
    }

    fn heap_bytes(&self) -> usize {
        self.values.capacity() * size_of::<f64>()
    }
}

impl Values {
    fn has_room_for(&self, more: usize) -> Result<()> {
        if self.values.len() + more > MOST_VALUES {
            return Err(Error::limit(format!("a group has more than {MOST_VALUES} values")));
        }
        Ok(())
    }

    fn take_rank(&mut self, rank: Rank) -> Result<()> {
        self.rank = match (self.rank, rank) {
            (Rank::Unknown, other) | (other, Rank::Unknown) => other,
            (Rank::Impossible, _) | (_, Rank::Impossible) => Rank::Impossible,
            (Rank::Of(one), Rank::Of(other)) if one == other => Rank::Of(one),
            (Rank::Of(one), Rank::Of(other)) => {
                let message = format!("the rows of a group ask for different percentiles: {one} and {other}");
                return Err(Error::invalid(message));
            }
        };
        Ok(())
    }
}

impl Rank {
    fn to_number(self) -> Option<f64> {
        match self {
            Self::Unknown => None,
            Self::Of(rank) => Some(rank),
            Self::Impossible => Some(f64::NAN),
        }
    }
}

/// The value at a rank, between two values by their distance. The values may change places.
fn at_rank(values: &mut [f64], rank: f64, highest: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let place = last as f64 * rank / highest;
    if !(0.0..=last as f64).contains(&place) {
        return None;
    }
    let (_, low, above) = values.select_nth_unstable_by(place as usize, f64::total_cmp);
    let low = *low;
    let beyond = place.fract();
    let high = above.iter().copied().min_by(f64::total_cmp).filter(|_| beyond > 0.0);
    let Some(high) = high else { return Some(low) };
    let between = low + beyond * (high - low);
    // The difference of two numbers can be too large for one, and that of two infinities is none.
    let between = if between.is_finite() { between } else { low * (1.0 - beyond) + high * beyond };
    (!between.is_nan()).then_some(between)
}
