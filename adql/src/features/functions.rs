//! The functions of the language, for people.

use super::FeatureGroup;
use crate::functions::{Function, Kind, ResultClass, all};
use crate::names::TypeClass;

/// A function that the standard or this crate defines; those that a service declares are not among them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StandardFunction {
    /// Its name, in upper case.
    pub name: &'static str,
    /// The part of the language that it belongs to: mandatory, an optional feature, an extension or a liberty.
    pub group: FeatureGroup,
    /// Where it can stand: `scalar`, `aggregate`, `window`, `geometry`, or `restrictor` for what stands in WHERE only.
    pub kind: &'static str,
    /// How it is called.
    pub form: &'static str,
    /// The type of what it gives.
    pub result: &'static str,
    /// A call of it.
    pub example: String,
}

/// The functions of the standard that every service has (tables 1 and 2, and the set functions).
#[rustfmt::skip]
const MANDATORY: &[&str] = &[
    "ABS", "ACOS", "ASIN", "ATAN", "ATAN2", "AVG", "CEILING", "COS", "COT", "COUNT", "DEGREES", "EXP", "FLOOR", "LOG", "LOG10", "MAX",
    "MIN", "MOD", "PI", "POWER", "RADIANS", "RAND", "ROUND", "SIN", "SQRT", "SUM", "TAN", "TRUNCATE",
];

/// The geometry of the standard.
#[rustfmt::skip]
const GEOMETRY: &[&str] = &[
    "AREA", "BOX", "CENTROID", "CIRCLE", "CONTAINS", "COORD1", "COORD2", "COORDSYS", "DISTANCE", "INTERSECTS", "POINT", "POLYGON",
    "REGION",
];

/// Calls of functions whose forms are no expressions.
const EXAMPLES: &[(&str, &str)] = &[
    ("COORD1", "COORD1(POINT(10, 20))"),
    ("COORD2", "COORD2(POINT(10, 20))"),
    ("DISTANCE", "DISTANCE(POINT(lon, lat), POINT(10, 20))"),
    ("EXTRACT", "EXTRACT(YEAR FROM t)"),
    ("IN_UNIT", "IN_UNIT(x, 'arcsec')"),
    ("LAG", "LAG(x, 1, 0) OVER (ORDER BY t)"),
    ("LEAD", "LEAD(x, 1, 0) OVER (ORDER BY t)"),
    ("MOC", "MOC('5/1-3')"),
    ("NTILE", "NTILE(4) OVER (ORDER BY x)"),
    ("NTH_VALUE", "NTH_VALUE(x, 2) OVER (ORDER BY t)"),
    ("QSERV_AREASPEC_BOX", "qserv_areaspec_box(0, -10, 5, 10)"),
    ("QSERV_AREASPEC_CIRCLE", "qserv_areaspec_circle(10, 20, 0.5)"),
    ("QSERV_AREASPEC_ELLIPSE", "qserv_areaspec_ellipse(10, 20, 60, 30, 45)"),
    ("QSERV_AREASPEC_POLY", "qserv_areaspec_poly(0, 0, 1, 0, 1, 1)"),
    ("REGION", "REGION('CIRCLE ICRS 10 20 1')"),
    ("REPLACE", "REPLACE(text, 'a', 'b')"),
    ("ROUND", "ROUND(x, 2)"),
    ("TRUNCATE", "TRUNCATE(x, 2)"),
];

/// All functions of the language, by name.
#[must_use]
pub fn standard_functions() -> Vec<StandardFunction> {
    let described = |function: &'static Function| StandardFunction {
        name: function.name,
        group: group(function.name),
        kind: match function.kind {
            Kind::Aggregate => "aggregate",
            Kind::Window => "window",
            Kind::Geometry if function.name.starts_with("QSERV_AREASPEC_") => "restrictor",
            Kind::Geometry if function.name != "IN_UNIT" => "geometry",
            _ => "scalar",
        },
        form: function.form,
        result: result(function),
        example: example(function),
    };
    all().iter().map(described).collect()
}

fn group(name: &str) -> FeatureGroup {
    match name {
        "COALESCE" => FeatureGroup::Conditions,
        "IN_UNIT" => FeatureGroup::Units,
        "LOWER" | "UPPER" => FeatureGroup::Text,
        "NOW" => FeatureGroup::Liberty,
        _ if MANDATORY.contains(&name) => FeatureGroup::Core,
        _ if GEOMETRY.contains(&name) => FeatureGroup::Geometry,
        _ => FeatureGroup::Extension,
    }
}

fn result(function: &Function) -> &'static str {
    let ResultClass::Is(class) = function.result else { return "as its argument" };
    match class {
        TypeClass::Boolean => "BOOLEAN",
        TypeClass::Integer => "INTEGER or BIGINT",
        TypeClass::Float => "DOUBLE",
        TypeClass::Text => "VARCHAR",
        TypeClass::Timestamp => "TIMESTAMP",
        TypeClass::Binary => "VARBINARY",
        TypeClass::Point => "POINT",
        TypeClass::Circle => "CIRCLE",
        TypeClass::Polygon => "POLYGON",
        TypeClass::Other => "as its argument",
    }
}

/// The call in the form's own words: its first alternative, without what may follow.
fn example(function: &Function) -> String {
    if let Some((_, example)) = EXAMPLES.iter().find(|(name, _)| *name == function.name) {
        return (*example).to_owned();
    }
    let first = function.form.split(" or ").next().unwrap_or(function.form);
    first.replace(" OVER (...)", " OVER (ORDER BY t)").replace(", ...", "")
}
