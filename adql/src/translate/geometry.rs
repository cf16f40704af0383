//! ADQL's geometry in the engine's functions.
//!
//! | ADQL | engine |
//! |---|---|
//! | `CONTAINS(POINT(a, b), CIRCLE(c, d, r))` | `qserv_contains_circle(a, b, c, d, r)`, true or false |
//! | `CONTAINS(POINT(a, b), BOX(c, d, w, h))` | `qserv_contains_box(a, b, c, d, w, h)` |
//! | `CONTAINS(POINT(a, b), POLYGON(..))` | `qserv_contains_polygon(a, b, ..)` |
//! | `DISTANCE(POINT(a, b), POINT(c, d))` | `qserv_distance(a, b, c, d)` |
//! | `POINT(a, b)` and so on as values | `qserv_point(a, b)` and so on |
//!
//! `INTERSECTS` with a point on either side is `CONTAINS`. All angles are degrees.

use sqlparser::ast::Expr as SqlExpr;
use sqlparser::tokenizer::Span;

use super::value::Value;
use super::{Translator, sql};
use crate::ast::{Call, Expr, ExprKind};
use crate::functions::Function;
use crate::names::TypeClass;
use crate::report::Problem;
use crate::rules::without_system;

/// What REC-STC-S lets stand behind the name of a frame; all of it means the same here.
const REFERENCE_POSITIONS: &[&str] =
    &["GEOCENTER", "BARYCENTER", "HELIOCENTER", "TOPOCENTER", "LSR", "UNKNOWNREFPOS", "SPHERICAL2", "CARTESIAN2"];

/// A geometry whose parts are known.
enum Shape {
    Point([SqlExpr; 2]),
    Circle([SqlExpr; 3]),
    Box([SqlExpr; 4]),
    Polygon(Vec<SqlExpr>),
    /// A value of which only the class is known.
    Value(Value),
}

impl<'q> Translator<'q, '_, '_, '_> {
    pub(super) fn geometry(&mut self, function: &'static Function, call: &'q Call, span: Span) -> Value {
        let arguments = call.arguments.as_slice();
        match (function.name, arguments) {
            ("CONTAINS", [inner, outer]) => self.contains(inner, outer, span),
            ("INTERSECTS", [one, two]) => self.intersects(one, two, span),
            ("DISTANCE", [one, two]) => {
                let ([lon1, lat1], [lon2, lat2]) = (self.position_of(one), self.position_of(two));
                Value::new(sql::call("qserv_distance", [lon1, lat1, lon2, lat2]), TypeClass::Float)
            }
            ("DISTANCE", numbers) => Value::new(sql::call("qserv_distance", self.numbers(numbers)), TypeClass::Float),
            ("COORD1", [point]) => self.coordinate("qserv_coord1", point),
            ("COORD2", [point]) => self.coordinate("qserv_coord2", point),
            ("COORDSYS", [geometry]) => {
                self.shape(geometry);
                Value::new(sql::text("ICRS"), TypeClass::Text)
            }
            ("POINT" | "CIRCLE" | "BOX" | "POLYGON" | "CENTROID", _) => {
                let shape = self.shape_of_call(call, span);
                shape_value(shape)
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

    fn contains(&mut self, inner: &'q Expr, outer: &'q Expr, span: Span) -> Value {
        let (inner_shape, outer_shape) = (self.shape(inner), self.shape(outer));
        match self.point_in(inner_shape, outer_shape) {
            Ok(value) => value,
            Err(()) => {
                let problem = Problem::new(span, "CONTAINS is answered for a point in a circle, box or polygon only");
                self.report.problem(problem.expecting(["CONTAINS(POINT(lon, lat), CIRCLE(lon, lat, radius))"]));
                Value::null()
            }
        }
    }

    /// A point intersects what contains it.
    fn intersects(&mut self, one: &'q Expr, two: &'q Expr, span: Span) -> Value {
        let (first, second) = (self.shape(one), self.shape(two));
        let (point, shape) = if is_point(&first) { (first, second) } else { (second, first) };
        match self.point_in(point, shape) {
            Ok(value) => value,
            Err(()) => {
                let problem = Problem::new(span, "INTERSECTS is answered where one of both is a point, not for two shapes");
                self.report.problem(problem);
                Value::null()
            }
        }
    }

    /// Whether a point is in a shape; an error if that is not what these are.
    fn point_in(&mut self, inner: Shape, outer: Shape) -> Result<Value, ()> {
        let [lon, lat] = as_position(inner).ok_or(())?;
        let (function, rest): (&str, Vec<SqlExpr>) = match outer {
            Shape::Circle(circle) => ("qserv_contains_circle", circle.into()),
            Shape::Box(sides) => ("qserv_contains_box", sides.into()),
            Shape::Polygon(vertices) => ("qserv_contains_polygon", vertices),
            // A point contains itself: a circle without extent.
            point if is_point(&point) => {
                let [lon, lat] = as_position(point).ok_or(())?;
                ("qserv_contains_circle", vec![lon, lat, sql::integer(0)])
            }
            Shape::Point(_) | Shape::Value(_) => return Err(()),
        };
        Ok(Value::zero_one(sql::call(function, [lon, lat].into_iter().chain(rest))))
    }

    fn coordinate(&mut self, function: &str, point: &'q Expr) -> Value {
        let shape = self.shape(point);
        Value::new(sql::call(function, [shape_value(shape).sql]), TypeClass::Float)
    }

    /// Longitude and latitude of a point.
    fn position_of(&mut self, expr: &'q Expr) -> [SqlExpr; 2] {
        let shape = self.shape(expr);
        as_position(shape).unwrap_or_else(|| {
            let problem = Problem::new(expr.span, "a point must stand here").expecting(["POINT(lon, lat)"]);
            self.report.problem(problem);
            [sql::null(), sql::null()]
        })
    }

    fn shape(&mut self, expr: &'q Expr) -> Shape {
        match &expr.bare().kind {
            ExprKind::Call(call) if is_constructor(&call.name.text) => {
                if !self.may_visit(expr.span) {
                    return Shape::Value(Value::null());
                }
                self.shape_of_call(call, expr.span)
            }
            _ => {
                let value = self.expr(expr);
                if !matches!(value.class, TypeClass::Point | TypeClass::Circle | TypeClass::Polygon | TypeClass::Other) {
                    let message = format!("a geometry must stand here, and this is {}", value.class.noun());
                    self.report.fault(expr.span, message);
                }
                Shape::Value(value)
            }
        }
    }

    fn shape_of_call(&mut self, call: &'q Call, span: Span) -> Shape {
        self.coordinate_system(call);
        let arguments = without_system(&call.arguments);
        let name = call.name.text.to_ascii_uppercase();
        let shape = match (name.as_str(), arguments) {
            ("CENTROID", [geometry]) => self.centroid(geometry, span),
            ("POINT", [lon, lat]) => Some(Shape::Point([self.coordinate_number(lon), self.coordinate_number(lat)])),
            ("CIRCLE", [center, radius]) => {
                let [lon, lat] = self.position_of(center);
                Some(Shape::Circle([lon, lat, self.coordinate_number(radius)]))
            }
            ("CIRCLE", [lon, lat, radius]) => {
                Some(Shape::Circle([lon, lat, radius].map(|number| self.coordinate_number(number))))
            }
            ("BOX", [center, width, height]) => {
                let [lon, lat] = self.position_of(center);
                Some(Shape::Box([lon, lat, self.coordinate_number(width), self.coordinate_number(height)]))
            }
            ("BOX", [lon, lat, width, height]) => {
                Some(Shape::Box([lon, lat, width, height].map(|number| self.coordinate_number(number))))
            }
            ("POLYGON", vertices) => self.polygon(vertices),
            _ => None,
        };
        // The rules have reported what fits no form.
        shape.unwrap_or_else(|| Shape::Value(Value::null()))
    }

    fn polygon(&mut self, vertices: &'q [Expr]) -> Option<Shape> {
        let first = vertices.first()?;
        let class = match &first.bare().kind {
            ExprKind::Call(call) if is_constructor(&call.name.text) => TypeClass::Point,
            ExprKind::Column(_) => self.silent_class(first),
            _ => TypeClass::Float,
        };
        if class == TypeClass::Point {
            return Some(Shape::Polygon(vertices.iter().flat_map(|vertex| self.position_of(vertex)).collect()));
        }
        Some(Shape::Polygon(self.numbers(vertices)))
    }

    /// The class of a column, which is translated again later.
    fn silent_class(&mut self, expr: &'q Expr) -> TypeClass {
        let before = self.ungrouped();
        let class = self.expr(expr).class;
        self.forget_ungrouped(before);
        class
    }

    fn centroid(&mut self, geometry: &'q Expr, span: Span) -> Option<Shape> {
        match self.shape(geometry) {
            Shape::Point(position) => Some(Shape::Point(position)),
            Shape::Circle([lon, lat, _]) | Shape::Box([lon, lat, ..]) => Some(Shape::Point([lon, lat])),
            Shape::Value(value) if value.class == TypeClass::Point => Some(Shape::Value(value)),
            Shape::Polygon(_) | Shape::Value(_) => {
                self.report.fault(span, "CENTROID is answered for points, circles and boxes by this version");
                None
            }
        }
    }

    fn numbers(&mut self, arguments: &'q [Expr]) -> Vec<SqlExpr> {
        arguments.iter().map(|argument| self.coordinate_number(argument)).collect()
    }

    fn coordinate_number(&mut self, argument: &'q Expr) -> SqlExpr {
        self.numeric(argument).sql
    }

    /// Refuses coordinate systems other than ours.
    fn coordinate_system(&mut self, call: &Call) {
        let Some(first) = call.arguments.first() else { return };
        let ExprKind::Text(system) = &first.kind else { return };
        let mut words = system.split_whitespace();
        let frame = words.next().unwrap_or("");
        let known = frame.is_empty() || frame.eq_ignore_ascii_case("ICRS") || frame.eq_ignore_ascii_case("UNKNOWNFRAME");
        let rest = words.all(|word| REFERENCE_POSITIONS.iter().any(|known| known.eq_ignore_ascii_case(word)));
        if !(known && rest) {
            let problem = Problem::new(first.span, format!("positions are in ICRS here; `{system}` is not converted"));
            self.report.problem(problem.expecting(["'ICRS'", "no coordinate system"]));
        }
    }
}

fn is_constructor(name: &str) -> bool {
    ["POINT", "CIRCLE", "BOX", "POLYGON", "CENTROID"].iter().any(|constructor| constructor.eq_ignore_ascii_case(name))
}

/// Whether the shape is a point, as far as is known.
fn is_point(shape: &Shape) -> bool {
    match shape {
        Shape::Point(_) => true,
        Shape::Value(value) => value.class == TypeClass::Point,
        Shape::Circle(_) | Shape::Box(_) | Shape::Polygon(_) => false,
    }
}

/// The coordinates of a point; a value of unknown class is taken for one.
fn as_position(shape: Shape) -> Option<[SqlExpr; 2]> {
    match shape {
        Shape::Point(position) => Some(position),
        Shape::Value(value) if matches!(value.class, TypeClass::Point | TypeClass::Other) => {
            Some([sql::call("qserv_coord1", [value.sql.clone()]), sql::call("qserv_coord2", [value.sql])])
        }
        Shape::Value(_) | Shape::Circle(_) | Shape::Box(_) | Shape::Polygon(_) => None,
    }
}

fn shape_value(shape: Shape) -> Value {
    match shape {
        Shape::Point(position) => Value::new(sql::call("qserv_point", position), TypeClass::Point),
        Shape::Circle(circle) => Value::new(sql::call("qserv_circle", circle), TypeClass::Circle),
        Shape::Box(sides) => Value::new(sql::call("qserv_box", sides), TypeClass::Polygon),
        Shape::Polygon(vertices) => Value::new(sql::call("qserv_polygon", vertices), TypeClass::Polygon),
        Shape::Value(value) => value,
    }
}
