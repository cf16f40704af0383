//! `ivo_histogram`: how many values of a group are in each of some bins.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, ListArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use qserv_core::{Error, Result};

use super::groups::{State, ends};
use super::{Aggregate, Aggregation, Call};
use crate::definition::{Audience, Body, Definition, Form, Returns, integer, number};

/// How many bins a histogram may have.
const MOST_BINS: usize = 100_000;

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_histogram",
    known_as: "ivo_histogram",
    audience: Audience::Users,
    summary: "A histogram of a group's values: nbins + 2 counts. The first is that of the values below lower, the last \
              that of the values above upper; those between are the counts in bins of equal width, each from its lower \
              limit up to but without its upper one, the last bin with upper itself.",
    missing: "A value that is NULL or NaN counts as one below lower. NULL if there are no rows. Limits that are NULL or \
              not in ascending order are an error, and so is an nbins outside 1 to 100,000; limits and nbins must be \
              constants.",
    example: "SELECT ivo_histogram(rFlux, 0, 2000, 4) AS counts FROM Object",
    forms: &[Form::fixed(&[
        number("val", "the values"),
        number("lower", "lower limit of the first bin, a constant"),
        number("upper", "upper limit of the last bin, a constant"),
        integer("nbins", "number of bins, a constant"),
    ])],
    returns: Returns::BigInts,
    unit: None,
    ucd: Some("meta.number"),
    body: Body::Aggregate(Aggregation::of::<Histogram>()),
};

struct Histogram;

impl Aggregate for Histogram {
    type State = Counts;

    fn settings(call: &Call) -> Result<Bins> {
        let (lower, upper) = (call.number(1, "lower")?, call.number(2, "upper")?);
        if !(lower < upper && lower.is_finite() && upper.is_finite()) {
            return Err(Error::invalid(format!("a histogram cannot reach from {lower} to {upper}")));
        }
        let count = call.constant(3, "nbins")?.and_then(crate::integers::constant);
        let count = count.and_then(|count| usize::try_from(count).ok()).filter(|count| (1..=MOST_BINS).contains(count));
        let count = count.ok_or_else(|| Error::invalid(format!("a histogram has 1 to {MOST_BINS} bins")))?;
        if call.is_distinct {
            return Err(Error::invalid("a histogram counts every value: DISTINCT is not possible"));
        }
        Ok(Bins { lower, upper, count })
    }
}

/// The bins of a call.
#[derive(Debug, Clone, Copy)]
struct Bins {
    lower: f64,
    upper: f64,
    count: usize,
}

impl Bins {
    /// The place of a value among the counts.
    #[inline]
    fn place(&self, value: f64) -> usize {
        if value > self.upper {
            self.count + 1
        } else if value >= self.lower {
            // Half of each, so that the widest of all ranges has a width.
            let part = (value / 2.0 - self.lower / 2.0) / (self.upper / 2.0 - self.lower / 2.0);
            1 + ((part * self.count as f64) as usize).min(self.count - 1)
        } else {
            // Below, or no number.
            0
        }
    }
}

/// The counts of one group; none before its first row.
#[derive(Debug, Default)]
struct Counts(Vec<i64>);

impl State for Counts {
    type Settings = Bins;
    type Columns = Float64Array;
    type States = ListArray;

    fn fields() -> Vec<Field> {
        vec![Field::new("counts", Returns::BigInts.data_type(), true)]
    }

    fn columns(arguments: &[ArrayRef]) -> Result<Float64Array> {
        let Some(values) = arguments.first() else { return Err(Error::internal("a histogram of nothing")) };
        let values = cast(values, &DataType::Float64).map_err(|_| Error::internal("values that are no numbers"))?;
        Ok(values.as_primitive::<Float64Type>().clone())
    }

    fn states(columns: &[ArrayRef]) -> Result<ListArray> {
        let counts = columns.first().and_then(|counts| counts.as_list_opt::<i32>());
        let counts = counts.filter(|counts| counts.value_type() == DataType::Int64);
        counts.cloned().ok_or_else(|| Error::internal("a state of other types"))
    }

    fn add(&mut self, bins: &Bins, values: &Float64Array, row: usize) -> Result<()> {
        self.count(bins, values, row, 1);
        Ok(())
    }

    fn remove(&mut self, bins: &Bins, values: &Float64Array, row: usize) -> Result<()> {
        self.count(bins, values, row, -1);
        if self.0.iter().all(|count| *count == 0) {
            self.0.clear();
        }
        Ok(())
    }

    fn merge(&mut self, bins: &Bins, states: &ListArray, row: usize) -> Result<()> {
        if states.is_null(row) {
            return Ok(());
        }
        self.0.resize(bins.count + 2, 0);
        let counts = states.value(row);
        for (sum, count) in self.0.iter_mut().zip(counts.as_primitive::<Int64Type>().values()) {
            *sum += count;
        }
        Ok(())
    }

    fn to_arrays(groups: &[Self]) -> Result<Vec<ArrayRef>> {
        let counts: Int64Array = groups.iter().flat_map(|group| group.0.iter().copied()).map(Some).collect();
        let present: NullBuffer = groups.iter().map(|group| !group.0.is_empty()).collect();
        let ends = ends(groups.iter().map(|group| group.0.len()))?;
        let item = Field::new_list_field(DataType::Int64, true).into();
        Ok(vec![Arc::new(ListArray::new(item, ends, Arc::new(counts), Some(present)))])
    }

    fn results(_: &Bins, groups: &mut [Self]) -> Result<ArrayRef> {
        Self::to_arrays(groups)?.pop().ok_or_else(|| Error::internal("a histogram without counts"))
    }

    fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<i64>()
    }
}

impl Counts {
    fn count(&mut self, bins: &Bins, values: &Float64Array, row: usize, change: i64) {
        self.0.resize(bins.count + 2, 0);
        let value = if values.is_valid(row) { values.value(row) } else { f64::NAN };
        if let Some(count) = self.0.get_mut(bins.place(value)) {
            *count += change;
        }
    }
}
