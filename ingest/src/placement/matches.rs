//! Match tables: every row twice, once where each of its keys lives.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use qserv_core::Result;
use qserv_core::index::KeyHome;
use qserv_core::partition::SkyPartition;

use super::{Family, Homes, home_of_key};
use crate::columns::{column, integer, integers};

/// The two families of a match table: one, if both sides have the same director.
pub(crate) enum Sides<'f> {
    /// Both keys are of one director.
    Same(&'f mut Family),
    /// Left and right.
    Two(&'f mut Family, &'f mut Family),
}

impl Sides<'_> {
    fn left(&mut self) -> &mut Family {
        match self {
            Self::Same(family) | Self::Two(family, _) => family,
        }
    }

    fn right(&mut self) -> &mut Family {
        match self {
            Self::Same(family) | Self::Two(_, family) => family,
        }
    }
}

/// A block of match rows, placed.
#[derive(Debug, Default)]
pub(crate) struct PlacedMatches {
    /// Where the left key lives.
    pub(crate) by_left: Vec<RecordBatch>,
    /// Where the right key lives.
    pub(crate) by_right: Vec<RecordBatch>,
    /// Rows with a key that its director does not have.
    pub(crate) orphans: u64,
}

/// Places a block of batches. A side whose key is NULL or not known goes where the other side lives; where neither is known, to a
/// home drawn by the key.
pub(crate) fn place(
    batches: &[RecordBatch],
    (left_column, right_column): (&str, &str),
    partition: &SkyPartition,
    mut sides: Sides<'_>,
    placed: &SchemaRef,
) -> Result<PlacedMatches> {
    let keys_of = |name: &str| batches.iter().map(|batch| integers(column(batch, name)?)).collect::<Result<Vec<_>>>();
    let (left_keys, right_keys) = (keys_of(left_column)?, keys_of(right_column)?);
    let known_left = sides.left().known_homes(left_keys.iter().flat_map(|keys| keys.iter().flatten()))?;
    let known_right = sides.right().known_homes(right_keys.iter().flat_map(|keys| keys.iter().flatten()))?;
    let find = |known: &HashMap<i64, KeyHome>, family: &Family, key: Option<i64>| {
        let key = key?;
        known.get(&key).copied().map(|home| (home, true)).or_else(|| family.orphan(key).map(|home| (home, false)))
    };
    let mut result = PlacedMatches::default();
    for (batch, (left_keys, right_keys)) in batches.iter().zip(left_keys.iter().zip(&right_keys)) {
        let mut left_homes = Homes::with_capacity(batch.num_rows());
        let mut right_homes = Homes::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let (left, right) = (integer(left_keys, row), integer(right_keys, row));
            let left_found = find(&known_left, sides.left(), left);
            let right_found = find(&known_right, sides.right(), right);
            let is_orphan = |key: Option<i64>, found: Option<(KeyHome, bool)>| {
                key.is_some() && !found.is_some_and(|(_, is_known)| is_known)
            };
            result.orphans += u64::from(is_orphan(left, left_found) || is_orphan(right, right_found));
            let (left_found, right_found) = (left_found.map(|found| found.0), right_found.map(|found| found.0));
            let fallback = left_found.or(right_found).unwrap_or_else(|| home_of_key(partition, left.or(right)));
            let left_home = left_found.unwrap_or_else(|| match left {
                Some(key) => sides.left().orphan_home(key, || fallback),
                None => fallback,
            });
            let right_home = right_found.unwrap_or_else(|| match right {
                Some(key) => sides.right().orphan_home(key, || fallback),
                None => fallback,
            });
            left_homes.push(left_home.chunk, left_home.healpix_29);
            right_homes.push(right_home.chunk, right_home.healpix_29);
        }
        result.by_left.push(left_homes.place(batch, placed)?);
        result.by_right.push(right_homes.place(batch, placed)?);
    }
    Ok(result)
}
