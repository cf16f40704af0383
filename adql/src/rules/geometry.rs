//! Rules about ADQL's geometry: what its functions take, as far as that can be seen without knowing any column.

use sqlparser::tokenizer::Span;

use super::Rules;
use crate::ast::{Call, CastTarget, Expr, ExprKind};
use crate::functions::{self, Kind};
use crate::report::Problem;
use crate::units::Unit;

impl Rules<'_, '_, '_> {
    pub(super) fn geometry(&mut self, call: &Call, span: Span) {
        let arguments = call.arguments.as_slice();
        match call.name.text.to_ascii_uppercase().as_str() {
            "POINT" => self.coordinates(call, span, without_system(call), 2),
            "CIRCLE" => self.centred(call, span, 1),
            "BOX" => self.centred(call, span, 2),
            "POLYGON" => self.polygon(span, without_system(call)),
            "CONTAINS" | "INTERSECTS" | "AREA" | "CENTROID" | "COORDSYS" => {
                arguments.iter().for_each(|argument| self.shape(call, argument));
            }
            "COORD1" | "COORD2" => arguments.iter().for_each(|argument| self.point(call, argument)),
            "DISTANCE" => match arguments {
                [one, two] => {
                    self.point(call, one);
                    self.point(call, two);
                }
                [_, lat1, _, lat2] => {
                    arguments.iter().for_each(|argument| self.number(call, argument));
                    self.latitude(lat1);
                    self.latitude(lat2);
                }
                _ => {
                    let form = "DISTANCE(point, point) or DISTANCE(lon1, lat1, lon2, lat2)";
                    self.fault(Problem::new(span, "DISTANCE takes two points or four numbers").expecting([form]));
                }
            },
            "REGION" if arguments.iter().any(|argument| argument.as_text().is_none()) => {
                self.report.fault(span, "REGION takes a text in quotes, and nothing that is to be computed");
            }
            "MOC" => self.moc(call),
            "IN_UNIT" => {
                if let [value, unit] = arguments {
                    self.number(call, value);
                    self.unit(unit);
                    // The translation says the same of all that has no unit.
                    if let (Some(_), Some(unit)) = (value.as_constant(), unit.as_text()) {
                        let unit = unit.trim();
                        let message = format!("this value has no unit, so it cannot be converted to `{unit}`");
                        self.report.fault(value.span, message);
                    }
                }
            }
            _ => {}
        }
    }

    /// `MOC('text')` or `MOC(order, text or geometry)`.
    fn moc(&mut self, call: &Call) {
        match call.arguments.as_slice() {
            [map] if map.as_text().is_none() => self.shape(call, map),
            [order, map] => {
                self.number(call, order);
                if map.as_text().is_none() {
                    self.shape(call, map);
                }
            }
            _ => {}
        }
    }

    /// The unit of IN_UNIT: a text that is a unit, and one that has a meaning.
    fn unit(&mut self, argument: &Expr) {
        let Some(text) = argument.as_text() else {
            self.report.fault(argument.span, "the unit must be a text in quotes");
            return;
        };
        match text.parse::<Unit>() {
            Err(error) => self.report.fault(argument.span, error.to_string()),
            Ok(unit) if unit == Unit::dimensionless() => {
                self.report.fault(argument.span, "a value cannot be converted to one without a unit");
            }
            Ok(unit) => {
                if let Some((name, near)) = unit.unknown_name() {
                    let problem = Problem::new(argument.span, format!("there is no unit `{name}`"));
                    self.report.problem(problem.suggesting(near));
                }
            }
        }
    }

    /// `numbers` numbers, the first two a longitude and a latitude.
    fn coordinates(&mut self, call: &Call, span: Span, arguments: &[Expr], numbers: usize) {
        if arguments.len() != numbers {
            let form = functions::standard(&call.name.text).map(|function| function.form);
            let name = call.name.text.to_ascii_uppercase();
            self.fault(
                Problem::new(span, format!("{name} is called with a wrong number of arguments")).expecting(form),
            );
        }
        arguments.iter().for_each(|argument| self.number(call, argument));
        if let Some(latitude) = arguments.get(1) {
            self.latitude(latitude);
        }
    }

    /// A centre, as two numbers or a point, and `sizes` numbers.
    fn centred(&mut self, call: &Call, span: Span, sizes: usize) {
        let arguments = without_system(call);
        if arguments.len() == sizes + 1
            && let [center, rest @ ..] = arguments
        {
            self.point(call, center);
            rest.iter().for_each(|size| self.number(call, size));
        } else {
            self.coordinates(call, span, arguments, sizes + 2);
        }
        for size in arguments.iter().rev().take(sizes) {
            if size.as_constant().is_some_and(|value| value < 0.0) {
                self.report.fault(size.span, "the size of a shape cannot be negative");
            }
        }
    }

    fn polygon(&mut self, span: Span, vertices: &[Expr]) {
        let points = vertices.iter().filter(|vertex| is_point_call(vertex)).count();
        if points > 0 {
            let numbers = vertices.iter().any(is_number);
            if numbers {
                self.report.fault(span, "the vertices of a POLYGON are all numbers or all points, not a mixture");
            }
        }
        let only_points = vertices.iter().all(may_be_geometry);
        let pairs = vertices.len() >= 6 && vertices.len().is_multiple_of(2);
        if !(pairs || only_points && vertices.len() >= 3) {
            let problem = Problem::new(span, "a POLYGON needs three vertices or more, each a longitude and a latitude");
            self.fault(problem);
        } else if points == 0 && pairs {
            vertices.iter().skip(1).step_by(2).for_each(|latitude| self.latitude(latitude));
        }
    }

    fn shape(&mut self, call: &Call, argument: &Expr) {
        if argument.as_text().is_some() {
            self.report.lenient(argument.span, "a text is a geometry behind REGION, CAST or MOC");
        } else if !may_be_geometry(argument) {
            let message = format!("{} takes geometries, and this is none", call.name.text.to_ascii_uppercase());
            self.fault(
                Problem::new(argument.span, message).expecting(["POINT", "CIRCLE", "BOX", "POLYGON", "a column"]),
            );
        }
    }

    fn point(&mut self, call: &Call, argument: &Expr) {
        let other_shape = argument.as_call().is_some_and(|inner| {
            ["CIRCLE", "BOX", "POLYGON", "MOC"].iter().any(|shape| inner.name.text.eq_ignore_ascii_case(shape))
        });
        if other_shape || !may_be_geometry(argument) {
            let message = format!("{} takes a point here, and this is none", call.name.text.to_ascii_uppercase());
            self.fault(Problem::new(argument.span, message).expecting(["POINT(lon, lat)", "a column"]));
        }
    }

    fn number(&mut self, call: &Call, argument: &Expr) {
        let text = argument.as_text().is_some();
        let geometry = is_point_call(argument)
            || argument.as_call().is_some_and(|inner| {
                functions::standard(&inner.name.text)
                    .is_some_and(|function| function.kind == Kind::Geometry && !is_numeric_geometry(function.name))
            });
        if text || geometry {
            let message = format!("{} takes a number here, and this is none", call.name.text.to_ascii_uppercase());
            self.fault(Problem::new(argument.span, message));
        } else {
            self.number_form(argument);
        }
    }

    fn latitude(&mut self, argument: &Expr) {
        if argument.as_constant().is_some_and(|value| value.abs() > 90.0) {
            self.report.fault(argument.span, "a latitude is between -90 and 90 degrees");
        }
    }
}

/// The coordinate system of a constructor: a text in front of the numbers, deprecated, or NULL where there is one argument
/// more than the shape needs.
pub(crate) fn system(call: &Call) -> Option<&Expr> {
    let (first, rest) = call.arguments.split_first()?;
    let name = call.name.text.to_ascii_uppercase();
    let takes_one = matches!(name.as_str(), "POINT" | "CIRCLE" | "BOX" | "POLYGON");
    let is_system = match &first.kind {
        ExprKind::Text(_) => takes_one,
        ExprKind::Null => match name.as_str() {
            "POINT" => rest.len() == 2,
            "CIRCLE" => rest.len() == 3 || rest.len() == 2 && rest.first().is_some_and(is_point_call),
            "BOX" => rest.len() == 4 || rest.len() == 3 && rest.first().is_some_and(is_point_call),
            "POLYGON" => rest.len() >= 6 && rest.len().is_multiple_of(2) || rest.iter().all(is_point_call),
            _ => false,
        },
        _ => false,
    };
    is_system.then_some(first)
}

/// The arguments of a call behind the coordinate system.
pub(crate) fn without_system(call: &Call) -> &[Expr] {
    match (system(call), call.arguments.as_slice()) {
        (Some(_), [_, rest @ ..]) => rest,
        (_, all) => all,
    }
}

/// The geometry functions that give numbers.
fn is_numeric_geometry(name: &str) -> bool {
    matches!(name, "AREA" | "CONTAINS" | "COORD1" | "COORD2" | "DISTANCE" | "INTERSECTS" | "IN_UNIT")
}

fn is_point_call(expr: &Expr) -> bool {
    expr.as_call()
        .is_some_and(|call| ["POINT", "CENTROID"].iter().any(|name| call.name.text.eq_ignore_ascii_case(name)))
}

fn is_number(expr: &Expr) -> bool {
    matches!(expr.bare().kind, ExprKind::Number(_) | ExprKind::Sign { .. } | ExprKind::Binary { .. })
}

/// Whether the value can be a geometry, judged by its form.
fn may_be_geometry(expr: &Expr) -> bool {
    let expr = expr.bare();
    match &expr.kind {
        ExprKind::Column(_) | ExprKind::Null | ExprKind::Scalar(_) | ExprKind::Case { .. } => true,
        ExprKind::Cast { target, .. } => matches!(target, CastTarget::Point | CastTarget::Circle | CastTarget::Polygon),
        ExprKind::Call(call) => match functions::standard(&call.name.text) {
            Some(function) if function.kind == Kind::Geometry => {
                !is_numeric_geometry(function.name) && function.name != "COORDSYS"
            }
            Some(function) => matches!(
                function.name,
                "COALESCE" | "NULLIF" | "MIN" | "MAX" | "FIRST_VALUE" | "LAST_VALUE" | "LAG" | "LEAD"
            ),
            None => true,
        },
        _ => false,
    }
}
