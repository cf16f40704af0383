//! The scalar functions of the IVOA's Catalogue of ADQL User Defined Functions, Endorsed Note 1.2, with its signatures and
//! meanings. Where the note leaves something open this says what is done, mostly what DaCHS does.

mod dms_to_degrees;
mod epoch_prop;
mod epoch_prop_pos;
mod geom_transform;
mod hashlist_has;
mod hasword;
mod healpix_center;
mod healpix_index;
mod hms_to_degrees;
mod interval_overlaps;
mod julian_date;
mod letters;
mod nocasematch;
mod normal_random;
mod sexagesimal;
mod simbadpoint;
mod space_motion;
mod timestamp;
mod to_jd;
mod to_mjd;
mod words;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array};
use datafusion::logical_expr::ColumnarValue;
use qserv_core::{Error, Result};

use crate::definition::Definition;
use crate::texts::Texts;

/// In the order of the manual, which is the note's.
pub(crate) const DEFINITIONS: &[&Definition] = &[
    &healpix_index::DEFINITION,
    &healpix_center::DEFINITION,
    &epoch_prop_pos::DEFINITION,
    &epoch_prop::DEFINITION,
    &geom_transform::DEFINITION,
    &to_jd::DEFINITION,
    &to_mjd::DEFINITION,
    &nocasematch::DEFINITION,
    &hasword::DEFINITION,
    &hashlist_has::DEFINITION,
    &normal_random::DEFINITION,
    &interval_overlaps::DEFINITION,
    &simbadpoint::DEFINITION,
    &hms_to_degrees::DEFINITION,
    &dms_to_degrees::DEFINITION,
];

/// 1 or 0 for two texts in each row; NULL where one is.
fn test_of_texts(
    arguments: &[ColumnarValue],
    rows: usize,
    mut test: impl FnMut(&str, &str) -> bool,
) -> Result<ArrayRef> {
    let [one, two] = arguments else { return Err(wrong_arguments()) };
    let (one, two) = (Texts::new(one)?, Texts::new(two)?);
    let found = (0..rows).map(|row| match (one.at(row), two.at(row)) {
        (Some(one), Some(two)) => Some(i32::from(test(one, two))),
        _ => None,
    });
    Ok(Arc::new(found.collect::<Int32Array>()))
}

/// The error of a call with another number of arguments. They are checked before anything is evaluated.
fn wrong_arguments() -> Error {
    Error::internal("a function of the IVOA with a wrong number of arguments")
}
