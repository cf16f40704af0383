//! `ivo_epoch_prop`: all six astrometric parameters of a star at another epoch.

use arrow::array::{ArrayRef, BooleanBufferBuilder, Float64Builder};
use arrow::buffer::NullBuffer;
use datafusion::logical_expr::ColumnarValue;
use qserv_core::Result;

use super::epoch_prop_pos::{FORMS, Stars, check, missing_in_a_propagation};
use crate::definition::{Audience, Body, Definition, Returns};
use crate::value::lists_of;

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_epoch_prop",
    known_as: "ivo_epoch_prop",
    audience: Audience::Users,
    summary: "The astrometric parameters of a star at another epoch, propagated as by ivo_epoch_prop_pos: longitude and \
              latitude in degrees, parallax in mas, proper motion along the parallel and in latitude in mas/yr, radial \
              velocity in km/s. What is NULL in the arguments is NULL in the result. A proper motion of which one \
              component is NULL counts as unknown: the position stays, and both components are NULL. Without a parallax \
              the radial velocity stays as it is.",
    missing: missing_in_a_propagation!(),
    example: "SELECT objectId, ivo_epoch_prop(ra, decl, 125, 300, -428.8, 52.51, 2016.0, 1992.25) AS star FROM Object",
    forms: FORMS,
    returns: Returns::SixDoubles,
    unit: None,
    ucd: None,
    body: Body::Values { check, evaluate },
};

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let stars = Stars::new(arguments)?;
    let mut values = Float64Builder::with_capacity(rows * 6);
    let mut present = BooleanBufferBuilder::new(rows);
    for row in 0..rows {
        let motion = match stars.motion.each_ref().map(|numbers| numbers.known(row)) {
            [Some(lon), Some(lat)] => Some([lon, lat]),
            _ => None,
        };
        let parallax = stars.parallax.known(row);
        let velocity = stars.radial_velocity.known(row);
        let propagated = stars.propagated(row, motion.unwrap_or_default());
        present.append(propagated.is_some());
        let Some((star, position)) = propagated else {
            values.append_nulls(6);
            continue;
        };
        values.append_value(position.lon_deg());
        values.append_value(position.lat_deg());
        values.append_option(parallax.map(|_| star.parallax_mas));
        values.append_option(motion.map(|_| star.lon_motion_mas_yr));
        values.append_option(motion.map(|_| star.lat_motion_mas_yr));
        values.append_option(velocity.map(|_| star.radial_velocity_km_s));
    }
    Ok(lists_of(6, rows, values.finish(), Some(NullBuffer::new(present.finish()))))
}
