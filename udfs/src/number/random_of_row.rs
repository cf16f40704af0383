//! `qserv_random_of_row`: ADQL's `RAND` with a seed, where it is known which row it is called for.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::plan_datafusion_err;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::error::external;
use crate::integers::Integers;
use crate::sequence::{key_of, mixed, uniform};

/// `qserv_random_of_row(seed, values...)`: a number at least 0 and below 1 that follows from the seed and from values that tell the row
/// from others, wherever and in whatever order rows are read. Of rows next to each other with the same values each gets a number of its
/// own, as far as they are read together.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct RandomOfRow {
    signature: Signature,
}

impl Default for RandomOfRow {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Volatile) }
    }
}

impl ScalarUDFImpl for RandomOfRow {
    fn name(&self) -> &str {
        "qserv_random_of_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let mut types = types.to_vec();
        match types.first_mut() {
            Some(seed) => *seed = DataType::Int64,
            None => return Err(plan_datafusion_err!("qserv_random_of_row takes a seed")),
        }
        Ok(types)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some((seeds, values)) = args.args.split_first() else {
            return Err(plan_datafusion_err!("qserv_random_of_row takes a seed"));
        };
        let rows = args.number_rows;
        let seeds = Integers::new(seeds).map_err(external)?;
        let mut hashes = vec![0_u64; rows];
        for value in values {
            add_hashes(&value.to_array(rows)?, &mut hashes)?;
        }
        let (mut before, mut place) = (None, 0);
        let numbers = hashes.into_iter().enumerate().map(|(row, hash)| {
            place = if before == Some(hash) { place + 1 } else { 0 };
            before = Some(hash);
            seeds.at(row).map(|seed| uniform(mixed(key_of(seed) ^ hash), place))
        });
        Ok(ColumnarValue::Array(Arc::new(numbers.collect::<Float64Array>())))
    }
}

/// Mixes the values of a column into hashes of rows. They are the same on every machine, and for a value whatever the width of its type.
fn add_hashes(values: &ArrayRef, hashes: &mut [u64]) -> Result<()> {
    /// What stands for NULL.
    const NULL: u64 = 0x3c6e_f372_fe94_f82b;
    let mut add = |row: usize, value: Option<u64>| {
        if let Some(hash) = hashes.get_mut(row) {
            *hash = mixed(hash.rotate_left(1) ^ value.map_or(NULL, mixed));
        }
    };
    match values.data_type() {
        kind if kind.is_signed_integer() || kind.is_temporal() || *kind == DataType::Boolean => {
            let numbers = cast(values, &DataType::Int64)?;
            for (row, number) in numbers.as_primitive::<Int64Type>().iter().enumerate() {
                add(row, number.map(i64::cast_unsigned));
            }
        }
        kind if kind.is_floating() => {
            let numbers = cast(values, &DataType::Float64)?;
            for (row, number) in numbers.as_primitive::<Float64Type>().iter().enumerate() {
                // Both zeros are the same number.
                add(row, number.map(|number| if number == 0.0 { 0 } else { number.to_bits() }));
            }
        }
        DataType::Utf8 => {
            for (row, text) in values.as_string::<i32>().iter().enumerate() {
                add(row, text.map(|text| hash_of(text.as_bytes())));
            }
        }
        _ => {
            let options = FormatOptions::default();
            let texts = ArrayFormatter::try_new(values.as_ref(), &options)?;
            for row in 0..values.len() {
                let text = values.is_valid(row).then(|| texts.value(row).to_string());
                add(row, text.map(|text| hash_of(text.as_bytes())));
            }
        }
    }
    Ok(())
}

fn hash_of(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(bytes.len() as u64, |hash, chunk| {
        let mut word = [0_u8; 8];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        mixed(hash.rotate_left(5) ^ u64::from_le_bytes(word))
    })
}
