//! Children: each row where its director's key lives.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use qserv_core::Result;
use qserv_core::index::KeyHome;
use qserv_core::partition::{SkyPartition, healpix_29};

use super::{Family, Homes, home_of_key, home_of_position};
use crate::columns::{Positions, column, integer, integers};

/// The columns of a child table that placement reads.
#[derive(Debug, Clone)]
pub(crate) struct ChildColumns {
    pub(crate) director_key: String,
    pub(crate) position: Option<[String; 2]>,
    pub(crate) director_position: Option<[String; 2]>,
}

/// What placement found beside the homes.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Rows whose key the director does not have.
    pub(crate) orphans: u64,
}

/// Places a block of batches: one look-up in the key index serves all of them.
///
/// A key that is not found gets a home: the director's position where the row carries it, else the row's own, else one drawn by the
/// key. Rows with a NULL key go by the same rule, each by itself. The sort column is the row's own position, else its home's.
pub(crate) fn place(
    batches: &[RecordBatch],
    columns: &ChildColumns,
    partition: &SkyPartition,
    family: &mut Family,
    placed: &SchemaRef,
) -> Result<(Vec<RecordBatch>, Found)> {
    let keys =
        batches.iter().map(|batch| integers(column(batch, &columns.director_key)?)).collect::<Result<Vec<_>>>()?;
    let known = family.known_homes(keys.iter().flat_map(|keys| keys.iter().flatten()))?;
    let mut found = Found::default();
    let mut placed_batches = Vec::with_capacity(batches.len());
    for (batch, keys) in batches.iter().zip(&keys) {
        let positions =
            |names: &Option<[String; 2]>| names.as_ref().map(|names| Positions::of(batch, names)).transpose();
        let own = positions(&columns.position)?;
        let director = positions(&columns.director_position)?;
        let mut homes = Homes::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let key = integer(keys, row);
            let own = own.as_ref().and_then(|positions| positions.get(row));
            let without_director = || -> KeyHome {
                let director = director.as_ref().and_then(|positions| positions.get(row));
                match director.or(own) {
                    Some(position) => home_of_position(partition, position),
                    None => home_of_key(partition, key),
                }
            };
            let home = match key {
                None => without_director(),
                Some(key) => match known.get(&key) {
                    Some(&home) => home,
                    None => {
                        found.orphans += 1;
                        family.orphan_home(key, without_director)
                    }
                },
            };
            let cell = own.map(|(lon_deg, lat_deg)| healpix_29(lon_deg, lat_deg)).or(home.healpix_29);
            homes.push(home.chunk, cell);
        }
        placed_batches.push(homes.place(batch, placed)?);
    }
    Ok((placed_batches, found))
}
