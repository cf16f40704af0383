//! Which region a containment test tests: for the rules that cut chunks, row groups and pages.

use datafusion::scalar::ScalarValue;
use qserv_core::Result;
use qserv_core::sky::{Cone, Region, Shape};

use crate::definition::Body;
use crate::definitions;

/// The positions for which a containment test with a constant shape is true (or 1).
#[derive(Debug, Clone)]
pub enum TestedRegion {
    /// None: a box whose lower latitude is above the upper, or an ellipse without width.
    Nothing,
    /// Those in this region, exactly.
    Region(Region),
}

/// The region that the function tests when it is called as `function(lon, lat, shape...)`.
///
/// `function` is a name as registered or as spelled by users; `shape` are the arguments after the position, in the
/// function's own units (sciSQL's ellipses are in arc seconds). `None` if there is no such containment test.
///
/// # Errors
/// Invalid for a shape that cannot be. Do not prune then: an ADQL test fails with that error when it is planned, and a
/// sciSQL test is 0 or NULL in every row.
#[must_use]
pub fn tested_region(function: &str, shape: &[f64]) -> Option<Result<TestedRegion>> {
    let definition = definitions().find(|definition| definition.name.eq_ignore_ascii_case(function))?;
    let Body::Test { build, .. } = definition.body else { return None };
    let region = definition.form(shape.len() + 2).and_then(|_| build(shape)).map_err(|error| definition.explain(error));
    Some(region.map(|region| region.map_or(TestedRegion::Nothing, TestedRegion::Region)))
}

/// The region that `qserv_contains_shape(lon, lat, shape)` tests for a constant shape; `None` for NULL.
///
/// # Errors
/// Invalid for what is no shape. The test fails with that error when it is planned.
pub fn tested_shape(shape: &ScalarValue) -> Result<Option<TestedRegion>> {
    let region = match crate::shape::constant(shape)? {
        None => return Ok(None),
        Some(Shape::Region(region)) => region,
        // Only the point itself: a circle without extent.
        Some(Shape::Point(point)) => Region::Cone(Cone::new(point.lon_deg(), point.lat_deg(), 0.0)?),
    };
    Ok(Some(TestedRegion::Region(region)))
}
