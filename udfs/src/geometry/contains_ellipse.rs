//! `qserv_contains_ellipse`: an ellipse in degrees. ADQL has none; regions of other languages are translated to it.

use qserv_core::Result;
use qserv_core::sky::{Ellipse, Region};

use super::{missing_in_a_test, wrong_shape};
use crate::definition::{
    Audience, Body, CENTER_LAT, CENTER_LON, Definition, Form, LAT, LON, Returns, TestRules, number,
};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_contains_ellipse",
    known_as: "ELLIPSE",
    audience: Audience::Translation,
    summary: "Whether a position lies in an ellipse around a centre. Its edge belongs to it.",
    missing: missing_in_a_test!(),
    example: "SELECT objectId FROM Object WHERE qserv_contains_ellipse(ra, decl, 10.0, -5.0, 0.5, 0.2, 30.0)",
    forms: &[Form::fixed(&[
        LON,
        LAT,
        CENTER_LON,
        CENTER_LAT,
        number("semi_major", "semi-major axis in degrees"),
        number("semi_minor", "semi-minor axis in degrees, not above the semi-major axis"),
        number("position_angle", "angle of the major axis from north through east, in degrees"),
    ])],
    returns: Returns::Boolean,
    unit: None,
    ucd: None,
    body: Body::Test { build, rules: TestRules::Adql },
};

fn build(shape: &[f64]) -> Result<Option<Region>> {
    let &[lon, lat, semi_major, semi_minor, position_angle] = shape else { return Err(wrong_shape()) };
    Ok(Some(Region::Ellipse(Ellipse::new(lon, lat, semi_major, semi_minor, position_angle)?)))
}
