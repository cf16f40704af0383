//! `scisql_s2PtInEllipse`: whether a position lies in an ellipse.

use qserv_core::sky::{Ellipse, Region};
use qserv_core::{Error, Result};

use super::missing_in_a_scisql_test;
use crate::definition::{
    Audience, Body, CENTER_LAT, CENTER_LON, Definition, Form, LAT, LON, Returns, TestRules, number,
};
use crate::geometry::wrong_shape;

/// sciSQL's own bound: ten degrees.
const SEMI_MAJOR_MAX_ARCSEC: f64 = 36_000.0;
const ARCSEC_PER_DEGREE: f64 = 3600.0;

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_s2PtInEllipse",
    known_as: "scisql_s2PtInEllipse",
    audience: Audience::Users,
    summary: "1 if a position lies in an ellipse on the sphere or on its edge, else 0. The axes are in arc \
              seconds; without a width there is nothing inside.",
    missing: missing_in_a_scisql_test!(
        "semi_minor is negative or above semi_major, or semi_major is above 36000 arc seconds (10 degrees)"
    ),
    example: "SELECT objectId FROM Object WHERE scisql_s2PtInEllipse(ra, decl, 10.0, -5.0, 1800, 720, 30) = 1",
    forms: &[Form::fixed(&[
        LON,
        LAT,
        CENTER_LON,
        CENTER_LAT,
        number("semi_major", "semi-major axis in arc seconds, at most 36000"),
        number("semi_minor", "semi-minor axis in arc seconds, not above the semi-major axis"),
        number("position_angle", "angle of the major axis from north through east, in degrees"),
    ])],
    returns: Returns::Integer,
    unit: None,
    ucd: None,
    body: Body::Test { build, rules: TestRules::SciSql },
};

fn build(shape: &[f64]) -> Result<Option<Region>> {
    let &[lon, lat, semi_major, semi_minor, position_angle] = shape else { return Err(wrong_shape()) };
    if !(0.0..=SEMI_MAJOR_MAX_ARCSEC).contains(&semi_major) || !(0.0..=semi_major).contains(&semi_minor) {
        return Err(Error::invalid(format!(
            "the axes of an ellipse must be 0 <= semi-minor <= semi-major <= {SEMI_MAJOR_MAX_ARCSEC} arc seconds, not \
             {semi_minor} and {semi_major}"
        )));
    }
    let (major_deg, minor_deg) = (semi_major / ARCSEC_PER_DEGREE, semi_minor / ARCSEC_PER_DEGREE);
    let ellipse = Ellipse::new(lon, lat, major_deg, minor_deg, position_angle)?;
    // sciSQL divides by the axis: without a width not even the centre is inside.
    Ok((semi_minor > 0.0).then_some(Region::Ellipse(ellipse)))
}
