//! `ivo_hms_to_degrees`: degrees of hours, minutes and seconds.

use super::sexagesimal::{Notation, degrees};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, text};

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_hms_to_degrees",
    known_as: "ivo_hms_to_degrees",
    audience: Audience::Users,
    summary: "The degrees of an angle in hours, minutes and seconds: '3:34:45.4', '033445.4' or '3h34m45.4s', also with \
              blanks instead of the colons.",
    missing: "NULL for a NULL and for a text that is no such angle: hours up to 24, minutes and seconds below 60 (60 \
              seconds are taken too), no sign.",
    example: "SELECT ivo_hms_to_degrees('3h34m45.4s') AS ra FROM Object",
    forms: &[Form::fixed(&[text("hms", "the angle")])],
    returns: Returns::Double,
    unit: Some("deg"),
    ucd: None,
    body: Body::Values { check: check_nothing, evaluate: |arguments, rows| degrees(arguments, rows, &NOTATION) },
};

const NOTATION: Notation = Notation { letter: b'h', is_signed: false, most: 24, seconds_per_degree: 240.0 };
