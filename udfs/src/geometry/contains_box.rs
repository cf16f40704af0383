//! `qserv_contains_box`: ADQL's `CONTAINS(POINT(..), BOX(..))`.

use qserv_core::Result;
use qserv_core::sky::{Polygon, Region};

use super::{missing_in_a_test, wrong_shape};
use crate::definition::{
    Audience, Body, CENTER_LAT, CENTER_LON, Definition, Form, LAT, LON, Returns, TestRules, number,
};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_contains_box",
    known_as: "BOX",
    audience: Audience::Translation,
    summary: "Whether a position lies in a box as ADQL 2.1 defines it: a cross lies on the centre, its arms along the \
              parallel and the meridian there for half the sizes; the sides are great circles through the ends of the \
              arms, at right angles to them. Its edge belongs to it.",
    missing: missing_in_a_test!(),
    example: "SELECT objectId FROM Object WHERE qserv_contains_box(ra, decl, 10.0, -5.0, 4.0, 2.0)",
    forms: &[Form::fixed(&[
        LON,
        LAT,
        CENTER_LON,
        CENTER_LAT,
        number("width", "length of the arms to the east and to the west together, in degrees: above 0 and below 180"),
        number(
            "height",
            "length of the arms to the north and to the south together, in degrees: above 0 and below 180",
        ),
    ])],
    returns: Returns::Boolean,
    unit: None,
    ucd: None,
    body: Body::Test { build, rules: TestRules::Adql },
};

fn build(shape: &[f64]) -> Result<Option<Region>> {
    let &[lon, lat, width, height] = shape else { return Err(wrong_shape()) };
    Ok(Some(Region::Polygon(Polygon::from_box(lon, lat, width, height)?)))
}
