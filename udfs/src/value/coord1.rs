//! `qserv_coord1`: ADQL's `COORD1`.

use crate::definition::{Audience, Body, Definition, Form, Returns, point};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_coord1",
    known_as: "COORD1",
    audience: Audience::Translation,
    summary: "The longitude of a point, in degrees.",
    missing: "NULL for a NULL, and for a value without a longitude.",
    example: "SELECT qserv_coord1(qserv_point(ra, decl)) AS coordinate FROM Object",
    forms: &[Form::fixed(&[point("point", "a point")])],
    returns: Returns::Double,
    unit: Some("deg"),
    ucd: None,
    body: Body::Coordinate(0),
};
