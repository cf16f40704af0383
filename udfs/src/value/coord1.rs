//! `qserv_coord1`: ADQL's `COORD1`.

use crate::definition::{Argument, ArgumentKind, Audience, Body, Definition, Form, Returns};

pub(crate) const DEFINITION: Definition = Definition {
    name: "qserv_coord1",
    known_as: "COORD1",
    audience: Audience::Translation,
    summary: "The longitude of a point, in degrees.",
    missing: "NULL for a NULL, and for a value without a longitude.",
    example: "SELECT qserv_coord1(qserv_point(ra, decl)) AS coordinate FROM Object",
    forms: &[Form::fixed(&[Argument { name: "point", kind: ArgumentKind::Point, meaning: "a point" }])],
    returns: Returns::Double,
    body: Body::Coordinate(0),
};
