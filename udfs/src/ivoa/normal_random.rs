//! `ivo_normal_random`: random numbers of a normal distribution.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::{Error, Result};

use super::wrong_arguments;
use crate::definition::{Audience, Body, Definition, Form, Returns, number};
use crate::numbers::{constant_at, of_argument};
use crate::sequence::{Sequence, uniform};

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_normal_random",
    known_as: "ivo_normal_random",
    audience: Audience::Users,
    summary: "A random number of the normal distribution with this mean and standard deviation, another one in each row \
              and each time.",
    missing: "NULL if any argument is NULL, NaN or infinite. A constant negative sigma is an error; one from a column \
              gives NULL.",
    example: "SELECT objectId, ivo_normal_random(rFlux, 5) AS noisy FROM Object",
    forms: &[Form::fixed(&[
        number("mu", "mean of the distribution"),
        number("sigma", "standard deviation of the distribution, not negative"),
    ])],
    returns: Returns::Double,
    unit: None,
    ucd: None,
    body: Body::Random { check, evaluate },
};

fn check(constants: &[Option<ScalarValue>]) -> Result<()> {
    match constant_at(constants, 1) {
        Some(sigma) if sigma < 0.0 => {
            Err(Error::invalid(format!("a standard deviation must not be negative, but it is {sigma}")))
        }
        _ => Ok(()),
    }
}

fn evaluate(arguments: &[ColumnarValue], rows: usize, _: &Sequence) -> Result<ArrayRef> {
    let [mu, sigma] = arguments else { return Err(wrong_arguments()) };
    let (mu, sigma) = (of_argument(mu)?, of_argument(sigma)?);
    let mut normals = Normals { key: rand::random(), place: 0, other: None };
    let drawn = (0..rows).map(|row| {
        // Drawn in any case: what a row gets does not hang on others' NULLs.
        let normal = normals.draw();
        let sigma = sigma.known(row).filter(|sigma| *sigma >= 0.0)?;
        Some(mu.known(row)? + sigma * normal).filter(|number| number.is_finite())
    });
    Ok(Arc::new(drawn.collect::<Float64Array>()))
}

/// Numbers of the standard normal distribution, made in pairs (Box and Muller 1958).
struct Normals {
    key: u64,
    place: u64,
    other: Option<f64>,
}

impl Normals {
    fn draw(&mut self) -> f64 {
        if let Some(other) = self.other.take() {
            return other;
        }
        // The first is above 0, so that its logarithm is finite.
        let (first, second) = (1.0 - uniform(self.key, self.place), uniform(self.key, self.place + 1));
        self.place += 2;
        let radius = (-2.0 * first.ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * second).sin_cos();
        self.other = Some(radius * sine);
        radius * cosine
    }
}
