//! What must be known of all rows before the first can be written.

use arrow::array::{Array, ArrowPrimitiveType, PrimitiveArray};
use qserv_core::Result;

use crate::columns::{Block, Length, ResultColumn, Values, elements_of};

/// What is known of one column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Whether a value, or an element of an array, is NULL.
    pub(super) has_null: bool,
    /// Bytes of the longest text, or elements of the longest array.
    pub(super) longest: usize,
    /// The same of all rows together.
    pub(super) all: u64,
    /// Which of [`stand_ins`] occur as values, a bit each.
    pub(super) taken: u16,
}

/// Looks at rows as they are put aside.
pub(super) struct Survey {
    pub(super) columns: Vec<Known>,
    pub(super) rows: u64,
}

/// Numbers that may stand for NULL in an integer of so many bits, the usual one first: those that are rarest as values.
pub(super) fn stand_ins(bits: u32) -> impl Iterator<Item = i64> {
    let (least, most) = (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits));
    (0..8).flat_map(move |step| [least + step, most - step])
}

impl Survey {
    pub(super) fn new(columns: usize) -> Self {
        Self { columns: vec![Known::default(); columns], rows: 0 }
    }

    /// Takes some rows into account.
    pub(super) fn look(&mut self, columns: &[ResultColumn], block: &Block) -> Result<()> {
        self.rows += block.rows as u64;
        for ((known, column), values) in self.columns.iter_mut().zip(columns).zip(&block.columns) {
            look_at_elements(known, values);
            if column.length == Length::Any {
                for row in (0..block.rows).filter(|&row| !values.is_null(row)) {
                    let length = length(column, values, row)?;
                    known.longest = known.longest.max(length);
                    known.all += length as u64;
                }
            }
            if let Values::List(_, elements) = values {
                look_at_elements(known, elements);
            }
        }
        Ok(())
    }
}

/// Bytes of a text, elements of an array.
pub(super) fn length(column: &ResultColumn, values: &Values, row: usize) -> Result<usize> {
    match values {
        Values::List(array, _) => Ok(elements_of(column, array, row)?.len()),
        Values::Bytes(array) => Ok(array.value(row).len()),
        _ => Ok(values.text(row).unwrap_or_default().len()),
    }
}

fn look_at_elements(known: &mut Known, values: &Values) {
    known.has_null |= values.nulls().is_some();
    match values {
        Values::Short(array) => look_at_integers(known, array, 16),
        Values::Int(array) => look_at_integers(known, array, 32),
        Values::Long(array) => look_at_integers(known, array, 64),
        _ => {}
    }
}

fn look_at_integers<T: ArrowPrimitiveType>(known: &mut Known, array: &PrimitiveArray<T>, bits: u32)
where
    T::Native: Into<i64>,
{
    let (least, most) = (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits));
    for (row, value) in array.values().iter().enumerate() {
        let value: i64 = (*value).into();
        // Nearly no value is at an end of its range, so this costs little.
        if (value < least + 8 || value > most - 8) && !array.is_null(row) {
            let place = stand_ins(bits).position(|stand_in| stand_in == value).unwrap_or(0);
            known.taken |= 1 << place;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_are_the_ends_of_the_range() {
        assert_eq!(stand_ins(16).take(4).collect::<Vec<_>>(), [-32768, 32767, -32767, 32766]);
        assert_eq!(stand_ins(64).take(2).collect::<Vec<_>>(), [i64::MIN, i64::MAX]);
        assert_eq!(stand_ins(32).count(), 16);
    }
}
