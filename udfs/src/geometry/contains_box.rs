//! `qserv_contains_box`: ADQL's `CONTAINS(POINT(..), BOX(..))`.

use qserv_core::Result;
use qserv_core::sky::{LonLatBox, Region};

use super::{missing_in_a_test, wrong_shape};
use crate::definition::{
    Audience, Body, CENTER_LAT, CENTER_LON, Definition, Form, LAT, LON, Returns, TestRules, number,
};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_contains_box",
    known_as: "BOX",
    audience: Audience::Translation,
    summary: "Whether a position lies in a box around a centre, whose sides are lines of constant longitude and \
              latitude. Its edge belongs to it; it is cut off at the poles; a width of 360 degrees or more is every \
              longitude.",
    missing: missing_in_a_test!(),
    example: "SELECT objectId FROM Object WHERE qserv_contains_box(ra, decl, 10.0, -5.0, 4.0, 2.0)",
    forms: &[Form::fixed(&[
        LON,
        LAT,
        CENTER_LON,
        CENTER_LAT,
        number("width", "extent in longitude, in degrees of longitude"),
        number("height", "extent in latitude, in degrees"),
    ])],
    returns: Returns::Boolean,
    body: Body::Test { build, rules: TestRules::Adql },
};

fn build(shape: &[f64]) -> Result<Option<Region>> {
    let &[lon, lat, width, height] = shape else { return Err(wrong_shape()) };
    Ok(Some(Region::Box(LonLatBox::from_center(lon, lat, width, height)?)))
}
