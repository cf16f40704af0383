//! `qserv_coord2`: ADQL's `COORD2`.

use crate::definition::{Audience, Body, Definition, Form, Returns, point};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_coord2",
    known_as: "COORD2",
    audience: Audience::Translation,
    summary: "The latitude of a point, in degrees.",
    missing: "NULL for a NULL, and for a value without a latitude.",
    example: "SELECT qserv_coord2(qserv_point(ra, decl)) AS coordinate FROM Object",
    forms: &[Form::fixed(&[point("point", "a point")])],
    returns: Returns::Double,
    unit: Some("deg"),
    ucd: None,
    body: Body::Coordinate(1),
};
