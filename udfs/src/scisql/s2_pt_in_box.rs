//! `scisql_s2PtInBox`: whether a position lies in a box of longitudes and latitudes.

use qserv_core::sky::{LonLatBox, Position, Region};
use qserv_core::{Error, Result};

use super::missing_in_a_scisql_test;
use crate::definition::{Audience, Body, Definition, Form, LAT, LON, Returns, TestRules, number};
use crate::geometry::wrong_shape;

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_s2PtInBox",
    known_as: "scisql_s2PtInBox",
    audience: Audience::Users,
    summary: "1 if a position lies in a box of longitudes and latitudes or on its edge, else 0. The box goes east from \
              lon_min to lon_max: with 350 and 10, or with 350 and 370, it is 20 degrees wide. A difference of 360 \
              degrees or more is every longitude. If lat_min is above lat_max nothing is inside. A pole that \
              it reaches is inside at whatever longitude it is written.",
    missing: missing_in_a_scisql_test!("lon_min is above lon_max and one of them is outside 0..360 degrees"),
    example: "SELECT objectId FROM Object WHERE scisql_s2PtInBox(ra, decl, 350.0, -10.0, 10.0, 10.0) = 1",
    forms: &[Form::fixed(&[
        LON,
        LAT,
        number("lon_min", "western longitude in degrees"),
        number("lat_min", "southern latitude in degrees"),
        number("lon_max", "eastern longitude in degrees"),
        number("lat_max", "northern latitude in degrees"),
    ])],
    returns: Returns::Integer,
    unit: None,
    ucd: None,
    body: Body::Test { build, rules: TestRules::SciSql },
};

fn build(shape: &[f64]) -> Result<Option<Region>> {
    let &[lon_min, lat_min, lon_max, lat_max] = shape else { return Err(wrong_shape()) };
    // sciSQL takes impossible corners for impossible even if the latitudes are the wrong way round.
    Position::new(lon_min, lat_min)?;
    Position::new(lon_max, lat_max)?;
    if lon_max < lon_min && (lon_max < 0.0 || lon_min > 360.0) {
        return Err(Error::invalid(format!("a box cannot reach from longitude {lon_min} to {lon_max}")));
    }
    if lat_min > lat_max {
        return Ok(None);
    }
    Ok(Some(Region::Box(LonLatBox::new(lon_min, lat_min, lon_max, lat_max)?)))
}
