//! ADQL's geometry in the engine's functions.
//!
//! | ADQL | engine |
//! |---|---|
//! | `CONTAINS(POINT(a, b), CIRCLE(c, d, r))` | `qserv_contains_circle(a, b, c, d, r)`, true or false |
//! | `CONTAINS(POINT(a, b), BOX(c, d, w, h))` | `qserv_contains_box(a, b, c, d, w, h)` |
//! | `CONTAINS(POINT(a, b), POLYGON(..))` | `qserv_contains_polygon(a, b, ..)` |
//! | `CONTAINS(POINT(a, b), shape)` of a column, a MOC, a text | `qserv_contains_shape(a, b, shape)` |
//! | `CONTAINS(shape, shape)`, `INTERSECTS(shape, shape)` | `qserv_contains(..)`, `qserv_intersects(..)` |
//! | `DISTANCE(POINT(a, b), POINT(c, d))` | `qserv_distance(a, b, c, d)` |
//! | `POINT(a, b)` and so on as values | `qserv_point(a, b)` and so on |
//! | `AREA(shape)`, `CENTROID(shape)` | `qserv_area(shape)`, `qserv_centroid(shape)` |
//! | `MOC('text')`, `MOC(order, shape)` | `qserv_moc_of('text')`, `qserv_moc(order, shape)` |
//! | `CAST(text AS POINT)` | `qserv_point_of(text)` |
//! | `qserv_areaspec_circle(c, d, r)` in WHERE | `scisql_s2ptincircle(lon, lat, c, d, r) = 1` of each table, see `areaspec` |
//!
//! `INTERSECTS` with a point on either side is `CONTAINS`. All angles are degrees. A text that the query itself holds
//! (`REGION('CIRCLE 1 2 3')`) is read here and treated like the constructor of that name.
//!
//! # Coordinate systems
//! A geometry stays in the frame that its constructor names. Where two of different frames meet, the constant one is
//! turned into the frame of the other: what is left for the rows is a plain test of their columns, and the optimizer
//! folds the rest. Without a frame a geometry is in ICRS, but as a part of another one it is in that one's frame; so are
//! columns, and whatever comes out of CASE, COALESCE and user-defined functions.

mod frame;
mod literal;
mod shape;

use sqlparser::ast::Expr as SqlExpr;
use sqlparser::tokenizer::Span;

use self::frame::Frame;
use self::shape::{Form, Shape};
use super::value::Value;
use super::{Translator, sql};
use crate::ast::{Call, Expr, ExprKind};
use crate::functions::Function;
use crate::names::TypeClass;
use crate::report::Problem;

/// The finest order of a MOC.
const FINEST_ORDER: f64 = 29.0;

impl<'q> Translator<'q, '_, '_, '_> {
    pub(super) fn geometry(&mut self, function: &'static Function, call: &'q Call, span: Span) -> Value {
        let arguments = call.arguments.as_slice();
        match (function.name, arguments) {
            ("CONTAINS", [inner, outer]) => self.contains(inner, outer),
            ("INTERSECTS", [one, two]) => self.intersects(one, two),
            ("DISTANCE", [one, two]) => self.distance(one, two),
            ("DISTANCE", numbers) => Value::new(sql::call("qserv_distance", self.numbers(numbers)), TypeClass::Float),
            ("COORD1", [point]) => self.coordinate("qserv_coord1", point),
            ("COORD2", [point]) => self.coordinate("qserv_coord2", point),
            (name, _) if name.starts_with("QSERV_AREASPEC_") => self.areaspec(function, call, span),
            ("IN_UNIT", [value, unit]) => self.in_unit(value, unit),
            ("COORDSYS", [geometry]) => {
                let shape = self.shape(geometry);
                Value::new(sql::text(shape.frame().name()), TypeClass::Text)
            }
            ("AREA", [geometry]) => {
                let shape = self.shape(geometry).value();
                Value::new(sql::call("qserv_area", [shape.sql]), TypeClass::Float)
            }
            ("POINT" | "CIRCLE" | "BOX" | "POLYGON" | "CENTROID" | "REGION" | "MOC", _) => {
                self.shape_of_call(call).value()
            }
            (name, arguments) => {
                arguments.iter().for_each(|argument| {
                    self.expr(argument);
                });
                self.report.fault(span, format!("{name} is not answered by this version"));
                Value::null()
            }
        }
    }

    fn contains(&mut self, inner: &'q Expr, outer: &'q Expr) -> Value {
        let (inner_shape, outer_shape) = self.aligned(inner, outer);
        if inner_shape.is_point() {
            return self.point_in(inner_shape, outer_shape, inner.span);
        }
        Value::zero_one(sql::call("qserv_contains", [inner_shape.value().sql, outer_shape.value().sql]))
    }

    /// A point intersects what contains it.
    fn intersects(&mut self, one: &'q Expr, two: &'q Expr) -> Value {
        let (first, second) = self.aligned(one, two);
        if first.is_point() {
            return self.point_in(first, second, one.span);
        }
        if second.is_point() {
            return self.point_in(second, first, two.span);
        }
        Value::zero_one(sql::call("qserv_intersects", [first.value().sql, second.value().sql]))
    }

    /// Whether a point is in a shape.
    fn point_in(&mut self, point: Shape, outer: Shape, span: Span) -> Value {
        let mut arguments = self.coordinates_of(point, span);
        let (function, rest) = match outer.form {
            Form::Circle(circle) => ("qserv_contains_circle", circle),
            Form::Box(sides) => ("qserv_contains_box", sides),
            Form::Polygon(vertices) => ("qserv_contains_polygon", vertices),
            // A point contains itself: a circle without extent.
            _ if outer.is_point() => {
                let mut circle = self.coordinates_of(outer, span);
                circle.push(sql::integer(0));
                ("qserv_contains_circle", circle)
            }
            Form::Point(_) | Form::Value(_) => ("qserv_contains_shape", vec![outer.value().sql]),
        };
        arguments.extend(rest);
        Value::zero_one(sql::call(function, arguments))
    }

    fn distance(&mut self, one: &'q Expr, two: &'q Expr) -> Value {
        let (first, second) = self.aligned(one, two);
        let mut positions = self.coordinates_of(first, one.span);
        positions.extend(self.coordinates_of(second, two.span));
        Value::new(sql::call("qserv_distance", positions), TypeClass::Float)
    }

    fn coordinate(&mut self, function: &str, point: &'q Expr) -> Value {
        let shape = self.shape(point);
        if !shape.may_be_point() {
            self.no_point(point.span);
        }
        Value::new(sql::call(function, [shape.value().sql]), TypeClass::Float)
    }

    fn no_point(&mut self, span: Span) {
        let problem = Problem::new(span, "a point must stand here").expecting(["POINT(lon, lat)"]);
        self.report.problem(problem);
    }

    /// Longitude and latitude of a point. They repeat a value of which only the class is known, which counts as a visit of
    /// all its parts.
    fn coordinates_of(&mut self, shape: Shape, span: Span) -> Vec<SqlExpr> {
        let may_be_point = shape.may_be_point();
        match shape.form {
            Form::Point(position) => position,
            Form::Value(value) if may_be_point => {
                if self.charge(shape.weight, span) {
                    vec![sql::call("qserv_coord1", [value.sql.clone()]), sql::call("qserv_coord2", [value.sql])]
                } else {
                    nowhere()
                }
            }
            Form::Circle(_) | Form::Box(_) | Form::Polygon(_) | Form::Value(_) => {
                self.no_point(span);
                nowhere()
            }
        }
    }

    // Frames.

    /// Both geometries in one frame.
    fn aligned(&mut self, one: &'q Expr, two: &'q Expr) -> (Shape, Shape) {
        let (first, second) = (self.shape(one), self.shape(two));
        let (from, to) = (first.frame(), second.frame());
        if from == to {
            return (first, second);
        }
        // A text says itself which frame it has, and is in ICRS for everybody else.
        if second.is_text() || (is_constant(one) && !is_constant(two) && !first.is_text()) {
            (self.turned(first, to, one.span), second)
        } else {
            (first, self.turned(second, from, two.span))
        }
    }

    /// The geometry in another frame.
    fn turned(&mut self, shape: Shape, to: Frame, span: Span) -> Shape {
        let from = shape.frame();
        if from == to {
            return Shape { frame: Some(to), ..shape };
        }
        // Each coordinate of the result needs both.
        if !self.charge(shape.weight, span) {
            return Shape::null();
        }
        let frames = || [sql::text(from.name()), sql::text(to.name())];
        let turn = |position: &[SqlExpr]| -> Vec<SqlExpr> {
            ["qserv_transform_lon", "qserv_transform_lat"]
                .map(|function| sql::call(function, position.iter().cloned().chain(frames())))
                .into()
        };
        let value = |sql, class| {
            let arguments = [sql].into_iter().chain(frames());
            Form::Value(Box::new(Value::new(sql::call("qserv_transform", arguments), class)))
        };
        let form = match shape.form {
            Form::Point(position) => Form::Point(turn(&position)),
            Form::Circle(mut circle) => {
                let radius = circle.split_off(circle.len().min(2));
                Form::Circle(turn(&circle).into_iter().chain(radius).collect())
            }
            Form::Polygon(vertices) => Form::Polygon(vertices.chunks(2).flat_map(turn).collect()),
            // Its arms are parallel to the axes of its own frame, so that it is a polygon in any other.
            Form::Box(sides) => value(sql::call("qserv_box", sides), TypeClass::Polygon),
            Form::Value(geometry) => value(geometry.sql, geometry.class),
        };
        Shape { form, frame: Some(to), weight: shape.weight.saturating_mul(2) }
    }

    // MOC, the coverage maps.

    /// `MOC('6/1-10')` or `MOC(order, shape)`; the engine has coverage maps as texts.
    fn moc(&mut self, arguments: &'q [Expr]) -> Option<Shape> {
        let map = match arguments {
            [text] => {
                let value = self.expr(text);
                if !matches!(value.class, TypeClass::Text | TypeClass::Other) {
                    let message = format!("MOC takes a text here, and this is {}", value.class.noun());
                    self.report.fault(text.span, message);
                }
                sql::call("qserv_moc_of", [value.sql])
            }
            [order, geometry] => {
                if order
                    .as_constant()
                    .is_some_and(|order| order.fract() != 0.0 || !(0.0..=FINEST_ORDER).contains(&order))
                {
                    self.report.fault(order.span, "the order of a MOC is a whole number from 0 to 29");
                }
                let order = self.numeric(order).sql;
                let shape = if geometry.as_text().is_some() {
                    self.expr(geometry)
                } else {
                    let shape = self.shape(geometry);
                    self.turned(shape, Frame::Icrs, geometry.span).value()
                };
                sql::call("qserv_moc", [order, shape.sql])
            }
            _ => return None,
        };
        Some(Shape::of_value(Value::new(map, TypeClass::Text)))
    }
}

/// The coordinates in the place of those that have a fault.
fn nowhere() -> Vec<SqlExpr> {
    vec![sql::null(), sql::null()]
}

/// Whether the value is the same in all rows.
fn is_constant(expr: &Expr) -> bool {
    !expr.any(&|part| {
        matches!(part.kind, ExprKind::Column(_) | ExprKind::Scalar(_) | ExprKind::InQuery { .. } | ExprKind::Exists(_))
    })
}
