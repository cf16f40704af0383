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
    /// Longitude, latitude.
    Point(Vec<SqlExpr>),
    /// Longitude, latitude, radius.
    Circle(Vec<SqlExpr>),
    /// Longitude, latitude, width, height.
    Box(Vec<SqlExpr>),
    /// Longitude, latitude and so on.
    Polygon(Vec<SqlExpr>),
    /// A value of which only the class is known.
    Value(Box<Value>),
}

impl<'q> Translator<'q, '_, '_, '_> {
    pub(super) fn geometry(&mut self, function: &'static Function, call: &'q Call, span: Span) -> Value {
        let arguments = call.arguments.as_slice();
        match (function.name, arguments) {
            ("CONTAINS", [inner, outer]) => self.contains(inner, outer, span),
            ("INTERSECTS", [one, two]) => self.intersects(one, two, span),
            ("DISTANCE", [one, two]) => {
                let mut positions = self.position_of(one);
                positions.extend(self.position_of(two));
                Value::new(sql::call("qserv_distance", positions), TypeClass::Float)
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
                let problem =
                    Problem::new(span, "INTERSECTS is answered where one of both is a point, not for two shapes");
                self.report.problem(problem);
                Value::null()
            }
        }
    }

    /// Whether a point is in a shape; an error if that is not what these are.
    fn point_in(&mut self, inner: Shape, outer: Shape) -> Result<Value, ()> {
        let mut arguments = as_position(inner).ok_or(())?;
        let (function, rest) = match outer {
            Shape::Circle(circle) => ("qserv_contains_circle", circle),
            Shape::Box(sides) => ("qserv_contains_box", sides),
            Shape::Polygon(vertices) => ("qserv_contains_polygon", vertices),
            // A point contains itself: a circle without extent.
            point if is_point(&point) => {
                let mut circle = as_position(point).ok_or(())?;
                circle.push(sql::integer(0));
                ("qserv_contains_circle", circle)
            }
            Shape::Point(_) | Shape::Value(_) => return Err(()),
        };
        arguments.extend(rest);
        Ok(Value::zero_one(sql::call(function, arguments)))
    }

    fn coordinate(&mut self, function: &str, point: &'q Expr) -> Value {
        let shape = self.shape(point);
        Value::new(sql::call(function, [shape_value(shape).sql]), TypeClass::Float)
    }

    /// Longitude and latitude of a point.
    fn position_of(&mut self, expr: &'q Expr) -> Vec<SqlExpr> {
        let shape = self.shape(expr);
        as_position(shape).unwrap_or_else(|| {
            let problem = Problem::new(expr.span, "a point must stand here").expecting(["POINT(lon, lat)"]);
            self.report.problem(problem);
            vec![sql::null(), sql::null()]
        })
    }

    fn shape(&mut self, expr: &'q Expr) -> Shape {
        match &expr.bare().kind {
            ExprKind::Call(call) if is_constructor(&call.name.text) => {
                if !self.may_visit(expr.span) {
                    return Shape::Value(Box::new(Value::null()));
                }
                self.shape_of_call(call, expr.span)
            }
            _ => {
                let value = self.expr(expr);
                if !matches!(value.class, TypeClass::Point | TypeClass::Circle | TypeClass::Polygon | TypeClass::Other)
                {
                    let message = format!("a geometry must stand here, and this is {}", value.class.noun());
                    self.report.fault(expr.span, message);
                }
                Shape::Value(Box::new(value))
            }
        }
    }

    fn shape_of_call(&mut self, call: &'q Call, span: Span) -> Shape {
        self.coordinate_system(call);
        let arguments = without_system(&call.arguments);
        let name = call.name.text.to_ascii_uppercase();
        let shape = match (name.as_str(), arguments) {
            ("CENTROID", [geometry]) => self.centroid(geometry, span),
            ("POINT", numbers @ [_, _]) => Some(Shape::Point(self.numbers(numbers))),
            ("CIRCLE", [center, sizes @ ..]) if sizes.len() == 1 => Some(Shape::Circle(self.centred(center, sizes))),
            ("CIRCLE", numbers @ [_, _, _]) => Some(Shape::Circle(self.numbers(numbers))),
            ("BOX", [center, sizes @ ..]) if sizes.len() == 2 => Some(Shape::Box(self.centred(center, sizes))),
            ("BOX", numbers @ [_, _, _, _]) => Some(Shape::Box(self.numbers(numbers))),
            ("POLYGON", vertices) => self.polygon(vertices),
            _ => None,
        };
        // The rules have reported what fits no form.
        shape.unwrap_or_else(|| Shape::Value(Box::new(Value::null())))
    }

    /// A position and the sizes around it.
    fn centred(&mut self, center: &'q Expr, sizes: &'q [Expr]) -> Vec<SqlExpr> {
        let mut numbers = self.position_of(center);
        numbers.extend(self.numbers(sizes));
        numbers
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
            Shape::Circle(mut numbers) | Shape::Box(mut numbers) => {
                numbers.truncate(2);
                Some(Shape::Point(numbers))
            }
            Shape::Value(value) if value.class == TypeClass::Point => Some(Shape::Value(value)),
            Shape::Polygon(_) | Shape::Value(_) => {
                self.report.fault(span, "CENTROID is answered for points, circles and boxes by this version");
                None
            }
        }
    }

    fn numbers(&mut self, arguments: &'q [Expr]) -> Vec<SqlExpr> {
        arguments.iter().map(|argument| self.numeric(argument).sql).collect()
    }

    /// Refuses coordinate systems other than ours.
    fn coordinate_system(&mut self, call: &Call) {
        let Some(first) = call.arguments.first() else { return };
        let ExprKind::Text(system) = &first.kind else { return };
        let mut words = system.split_whitespace();
        let frame = words.next().unwrap_or("");
        let known =
            frame.is_empty() || frame.eq_ignore_ascii_case("ICRS") || frame.eq_ignore_ascii_case("UNKNOWNFRAME");
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
fn as_position(shape: Shape) -> Option<Vec<SqlExpr>> {
    match shape {
        Shape::Point(position) => Some(position),
        Shape::Value(value) if matches!(value.class, TypeClass::Point | TypeClass::Other) => {
            Some(vec![sql::call("qserv_coord1", [value.sql.clone()]), sql::call("qserv_coord2", [value.sql])])
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
        Shape::Value(value) => *value,
    }
}
