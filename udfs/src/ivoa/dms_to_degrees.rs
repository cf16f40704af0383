//! `ivo_dms_to_degrees`: degrees of degrees, minutes and seconds of arc.

use super::sexagesimal::{Notation, degrees};
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, text};

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_dms_to_degrees",
    known_as: "ivo_dms_to_degrees",
    audience: Audience::Users,
    summary: "The degrees of an angle in degrees, minutes and seconds of arc: '-42:9:6.768', '-420906.768' or \
              '-42d9m6.768s', also with blanks instead of the colons. A sign before it counts for all of it.",
    missing: "NULL for a NULL and for a text that is no such angle: degrees up to 360, minutes and seconds below 60 (60 \
              seconds are taken too).",
    example: "SELECT ivo_dms_to_degrees('-0d15m0s') AS decl FROM Object",
    forms: &[Form::fixed(&[text("dms", "the angle")])],
    returns: Returns::Double,
    unit: Some("deg"),
    ucd: None,
    body: Body::Values { check: check_nothing, evaluate: |arguments, rows| degrees(arguments, rows, &NOTATION) },
};

const NOTATION: Notation = Notation { letter: b'd', is_signed: true, most: 360, seconds_per_degree: 3600.0 };
