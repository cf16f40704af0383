//! `ivo_epoch_prop_pos`: where a star is at another epoch.

use arrow::array::ArrayRef;
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::Result;
use qserv_core::sky::Position;

use super::space_motion::Star;
use super::wrong_arguments;
use crate::containment::is_position;
use crate::definition::{Argument, Audience, Body, Definition, Form, Null, Returns, check_latitude, number};
use crate::numbers::{Numbers, constant_at, of_argument};
use crate::value::points;

/// The arguments of both functions.
pub(super) const FORMS: &[Form] = &[Form::fixed(&[
    refused("ra", "longitude at ref_epoch, in degrees"),
    refused("dec", "latitude at ref_epoch, in degrees"),
    known_or_not("parallax", "parallax at ref_epoch, in mas; NULL is an infinite distance"),
    known_or_not("pmra", "proper motion along the parallel (with the cosine of the latitude), in mas/yr; NULL is 0"),
    known_or_not("pmdec", "proper motion in latitude, in mas/yr; NULL is 0"),
    known_or_not("radial_velocity", "radial velocity at ref_epoch, in km/s; NULL is 0"),
    refused("ref_epoch", "the epoch of the six arguments before it, in Julian years"),
    refused("out_epoch", "the epoch that is asked for, in Julian years"),
])];

const fn refused(name: &'static str, meaning: &'static str) -> Argument {
    number(name, meaning).where_null(Null::Refused)
}

const fn known_or_not(name: &'static str, meaning: &'static str) -> Argument {
    number(name, meaning).where_null(Null::IsAValue)
}

/// What both functions give for missing and impossible values.
macro_rules! missing_in_a_propagation {
    () => {
        "A constant NULL in ra, dec, ref_epoch or out_epoch and a constant latitude beyond 90 degrees are errors; from \
         columns they give NULL. NULL also where any argument is infinite. NaN is taken for NULL."
    };
}
pub(super) use missing_in_a_propagation;

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_epoch_prop_pos",
    known_as: "ivo_epoch_prop_pos",
    audience: Audience::Users,
    summary: "The position of a star at another epoch if it moves through space uniformly, perspective included (ESA \
              SP-1200, section 1.5.5). Any coordinate system will do, if positions and proper motions are given in it.",
    missing: missing_in_a_propagation!(),
    example: "SELECT objectId, ivo_epoch_prop_pos(ra, decl, 125, 300, -428.8, 52.51, 2016.0, 1992.25) AS place FROM Object",
    forms: FORMS,
    returns: Returns::Point,
    unit: Some("deg"),
    ucd: Some("pos"),
    body: Body::Values { check, evaluate },
};

pub(super) fn check(constants: &[Option<ScalarValue>]) -> Result<()> {
    check_latitude(constant_at(constants, 1))
}

/// The arguments of a call, row by row.
pub(super) struct Stars {
    pub(super) parallax: Numbers,
    pub(super) motion: [Numbers; 2],
    pub(super) radial_velocity: Numbers,
    position: [Numbers; 2],
    epochs: [Numbers; 2],
}

impl Stars {
    pub(super) fn new(arguments: &[ColumnarValue]) -> Result<Self> {
        let numbers = arguments.iter().map(of_argument).collect::<Result<Vec<_>>>()?;
        let numbers: [Numbers; 8] = numbers.try_into().map_err(|_| wrong_arguments())?;
        let [lon, lat, parallax, lon_motion, lat_motion, radial_velocity, from, to] = numbers;
        Ok(Self {
            parallax,
            motion: [lon_motion, lat_motion],
            radial_velocity,
            position: [lon, lat],
            epochs: [from, to],
        })
    }

    /// The star of a row with this proper motion at the epoch that is asked for; `None` if there is none such.
    pub(super) fn propagated(&self, row: usize, motion: [f64; 2]) -> Option<(Star, Position)> {
        let [lon, lat] = &self.position;
        let [from, to] = &self.epochs;
        let (lon_deg, lat_deg) = (lon.known(row)?, lat.known(row)?);
        let [lon_motion_mas_yr, lat_motion_mas_yr] = motion;
        let star = Star {
            lon_deg,
            lat_deg,
            parallax_mas: self.parallax.known(row).unwrap_or(0.0),
            lon_motion_mas_yr,
            lat_motion_mas_yr,
            radial_velocity_km_s: self.radial_velocity.known(row).unwrap_or(0.0),
        };
        let years = to.known(row)? - from.known(row)?;
        let is_possible = is_position(lon_deg, lat_deg) && years.is_finite() && star.is_finite();
        let then = is_possible.then(|| star.after(years)).filter(|then| then.is_finite())?;
        Some((then, Position::new(then.lon_deg, then.lat_deg).ok()?))
    }
}

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let stars = Stars::new(arguments)?;
    let [lon_motion, lat_motion] = &stars.motion;
    Ok(points(rows, |row| {
        let motion = [lon_motion, lat_motion].map(|numbers| numbers.known(row).unwrap_or(0.0));
        stars.propagated(row, motion).map(|(_, position)| position)
    }))
}
