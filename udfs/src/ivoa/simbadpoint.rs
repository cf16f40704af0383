//! `ivo_simbadpoint`: the position of an object by its name.

use crate::definition::{Audience, Body, Definition, Form, Returns, text};

pub(crate) const DEFINITION: Definition = Definition {
    name: "ivo_simbadpoint",
    known_as: "ivo_simbadpoint",
    audience: Audience::Users,
    summary: "The position that Simbad, NED or VizieR has for an object.",
    missing: "Always an error: it needs a name resolver, and none is configured.",
    example: "SELECT ivo_simbadpoint('GJ 699') AS place FROM Object",
    forms: &[Form::fixed(&[text("identifier", "the object's name")])],
    returns: Returns::Point,
    unit: Some("deg"),
    ucd: Some("pos"),
    body: Body::Refused("needs a name resolver, and none is configured"),
};
