//! Geometries as the translation sees them: constructors with their parts, and values.

use sqlparser::ast::Expr as SqlExpr;
use sqlparser::tokenizer::Span;

use super::frame::{self, Frame};
use super::literal::{self, Kind, Literal, Region};
use crate::ast::{Call, CastTarget, Expr, ExprKind};
use crate::functions::{self, Kind as FunctionKind};
use crate::names::TypeClass;
use crate::report::Problem;
use crate::rules::{system, without_system};
use crate::translate::value::Value;
use crate::translate::{Translator, sql};

/// A geometry.
pub(super) struct Shape {
    pub(super) form: Form,
    /// The frame that it names.
    pub(super) frame: Option<Frame>,
    /// How many nodes of the query it took to translate: what it costs to write it down again.
    pub(super) weight: usize,
}

/// A geometry whose parts are known, or a value.
pub(super) enum Form {
    /// Longitude, latitude.
    Point(Vec<SqlExpr>),
    /// Longitude, latitude, radius.
    Circle(Vec<SqlExpr>),
    /// Longitude, latitude, width, height.
    Box(Vec<SqlExpr>),
    /// Longitude, latitude and so on.
    Polygon(Vec<SqlExpr>),
    /// A value of which only the class is known. Texts are STC-S or MOCs.
    Value(Box<Value>),
}

impl Shape {
    pub(super) fn of_value(value: Value) -> Self {
        Self { form: Form::Value(Box::new(value)), frame: None, weight: 0 }
    }

    /// In the place of what has a fault.
    pub(super) fn null() -> Self {
        Self::of_value(Value::null())
    }

    pub(super) fn frame(&self) -> Frame {
        self.frame.unwrap_or(Frame::Icrs)
    }

    fn class(&self) -> TypeClass {
        match &self.form {
            Form::Point(_) => TypeClass::Point,
            Form::Circle(_) => TypeClass::Circle,
            Form::Box(_) | Form::Polygon(_) => TypeClass::Polygon,
            Form::Value(value) => value.class,
        }
    }

    /// Whether it is a point for certain.
    pub(super) fn is_point(&self) -> bool {
        self.class() == TypeClass::Point
    }

    /// Whether it is a point or a value of unknown class.
    pub(super) fn may_be_point(&self) -> bool {
        matches!(self.class(), TypeClass::Point | TypeClass::Other)
    }

    pub(super) fn is_text(&self) -> bool {
        self.class() == TypeClass::Text
    }

    pub(super) fn value(self) -> Value {
        match self.form {
            Form::Point(position) => Value::new(sql::call("qserv_point", position), TypeClass::Point),
            Form::Circle(circle) => Value::new(sql::call("qserv_circle", circle), TypeClass::Circle),
            Form::Box(sides) => Value::new(sql::call("qserv_box", sides), TypeClass::Polygon),
            Form::Polygon(vertices) => Value::new(sql::call("qserv_polygon", vertices), TypeClass::Polygon),
            Form::Value(value) => *value,
        }
    }
}

impl From<Literal> for Shape {
    fn from(Literal { kind, frame, numbers }: Literal) -> Self {
        let form = match kind {
            Kind::Point => Form::Point(numbers),
            Kind::Circle => Form::Circle(numbers),
            Kind::Box => Form::Box(numbers),
            Kind::Polygon => Form::Polygon(numbers),
        };
        Self { form, frame, weight: 0 }
    }
}

impl<'q> Translator<'q, '_, '_, '_> {
    /// The geometry that an expression is; a fault if it is none.
    pub(super) fn shape(&mut self, expr: &'q Expr) -> Shape {
        let before = self.nodes;
        let mut shape = match &expr.bare().kind {
            ExprKind::Call(call) if is_constructor(&call.name.text) => {
                if !self.may_visit(expr.span) {
                    return Shape::null();
                }
                self.shape_of_call(call)
            }
            ExprKind::Cast { operand, target, .. } if kind_of(*target).is_some() => {
                if !self.may_visit(expr.span) {
                    return Shape::null();
                }
                self.shape_of_cast(operand, *target)
            }
            _ => self.shape_of_value(expr),
        };
        shape.weight = self.nodes.saturating_sub(before);
        shape
    }

    fn shape_of_value(&mut self, expr: &'q Expr) -> Shape {
        let value = self.expr(expr);
        let is_geometry = match value.class {
            TypeClass::Point | TypeClass::Circle | TypeClass::Polygon | TypeClass::Other | TypeClass::Text => true,
            TypeClass::Boolean | TypeClass::Integer | TypeClass::Float | TypeClass::Timestamp | TypeClass::Binary => {
                false
            }
        };
        if !is_geometry {
            let message = format!("a geometry must stand here, and this is {}", value.class.noun());
            self.report.fault_unless_known(expr.span, message);
            return Shape::null();
        }
        Shape::of_value(value)
    }

    pub(super) fn shape_of_call(&mut self, call: &'q Call) -> Shape {
        let frame = self.coordinate_system(call);
        let arguments = without_system(call);
        let name = call.name.text.to_ascii_uppercase();
        let shape = match (name.as_str(), arguments) {
            ("CENTROID", [geometry]) => Some(self.centroid(geometry)),
            ("REGION", [text]) => self.region(text),
            ("MOC", arguments) => self.moc(arguments),
            ("POINT", numbers @ [_, _]) => Some(Shape { form: Form::Point(self.numbers(numbers)), frame, weight: 0 }),
            ("CIRCLE", [center, sizes @ ..]) if sizes.len() == 1 => {
                Some(self.centred(Form::Circle, center, sizes, frame))
            }
            ("CIRCLE", numbers @ [_, _, _]) => {
                Some(Shape { form: Form::Circle(self.numbers(numbers)), frame, weight: 0 })
            }
            ("BOX", [center, sizes @ ..]) if sizes.len() == 2 => Some(self.centred(Form::Box, center, sizes, frame)),
            ("BOX", numbers @ [_, _, _, _]) => Some(Shape { form: Form::Box(self.numbers(numbers)), frame, weight: 0 }),
            ("POLYGON", vertices) => Some(self.polygon(vertices, frame)),
            _ => None,
        };
        // The rules have reported what fits no form.
        shape.unwrap_or_else(Shape::null)
    }

    /// CAST of a text to a geometry, or of a geometry to its own type.
    pub(in crate::translate) fn cast_to_geometry(&mut self, operand: &'q Expr, target: CastTarget) -> Value {
        self.shape_of_cast(operand, target).value()
    }

    fn shape_of_cast(&mut self, operand: &'q Expr, target: CastTarget) -> Shape {
        let Some((kind, class, function)) = kind_of(target) else { return Shape::null() };
        if let Some(text) = operand.as_text() {
            return match literal::cast(kind, text) {
                Ok(literal) if self.charge(literal.numbers.len(), operand.span) => literal.into(),
                Ok(_) => Shape::null(),
                Err(message) => {
                    self.report.fault(operand.span, message);
                    Shape::null()
                }
            };
        }
        let value = self.expr(operand);
        if value.class == class {
            return Shape::of_value(value);
        }
        if !matches!(value.class, TypeClass::Text | TypeClass::Other) {
            let message = format!("CAST makes geometries of texts, and this is {}", value.class.noun());
            self.report.fault(operand.span, message);
        }
        Shape::of_value(Value::new(sql::call(function, [value.sql]), class))
    }

    fn region(&mut self, text: &'q Expr) -> Option<Shape> {
        // The rules have reported what is no text.
        let stc_s = text.as_text()?;
        match literal::region(stc_s) {
            Ok(Region::Literal(literal)) => self.charge(literal.numbers.len(), text.span).then(|| literal.into()),
            Ok(Region::Text) => Some(Shape::of_value(Value::new(sql::text(stc_s), TypeClass::Text))),
            Err(message) => {
                self.report.fault(text.span, message);
                None
            }
        }
    }

    /// A position and the sizes around it.
    fn centred(
        &mut self,
        form: fn(Vec<SqlExpr>) -> Form,
        center: &'q Expr,
        sizes: &'q [Expr],
        frame: Option<Frame>,
    ) -> Shape {
        let point = self.shape(center);
        let (mut numbers, frame) = self.position_within(point, frame, center.span);
        numbers.extend(self.numbers(sizes));
        Shape { form: form(numbers), frame, weight: 0 }
    }

    fn polygon(&mut self, vertices: &'q [Expr], frame: Option<Frame>) -> Shape {
        if !self.are_points(vertices) {
            return Shape { form: Form::Polygon(self.numbers(vertices)), frame, weight: 0 };
        }
        let mut frame = frame;
        let mut numbers = Vec::with_capacity(2 * vertices.len());
        for vertex in vertices {
            let point = self.shape(vertex);
            let (position, frame_of_all) = self.position_within(point, frame, vertex.span);
            frame = frame_of_all;
            numbers.extend(position);
        }
        Shape { form: Form::Polygon(numbers), frame, weight: 0 }
    }

    /// A point as a part of a shape in this frame, and the frame that the shape has with it.
    fn position_within(&mut self, point: Shape, frame: Option<Frame>, span: Span) -> (Vec<SqlExpr>, Option<Frame>) {
        let frame_of_both = frame.or(point.frame);
        let point = match (point.frame, frame) {
            (Some(_), Some(frame)) => self.turned(point, frame, span),
            _ => point,
        };
        (self.coordinates_of(point, span), frame_of_both)
    }

    /// Whether the vertices are points and not numbers: the first one that tells decides.
    fn are_points(&mut self, vertices: &'q [Expr]) -> bool {
        for vertex in vertices {
            let class = match &vertex.bare().kind {
                ExprKind::Call(call) if is_constructor(&call.name.text) => TypeClass::Point,
                ExprKind::Cast { target: CastTarget::Point, .. } => TypeClass::Point,
                ExprKind::Number(_) | ExprKind::Sign { .. } | ExprKind::Binary { .. } => TypeClass::Float,
                ExprKind::Null => TypeClass::Other,
                _ => self.silent_class(vertex),
            };
            if class != TypeClass::Other {
                return class == TypeClass::Point;
            }
        }
        vertices.len() < 6 || !vertices.len().is_multiple_of(2)
    }

    /// The class of a value that is translated again later.
    fn silent_class(&mut self, expr: &'q Expr) -> TypeClass {
        let before = self.ungrouped();
        let class = self.expr(expr).class;
        self.forget_ungrouped(before);
        class
    }

    fn centroid(&mut self, geometry: &'q Expr) -> Shape {
        let Shape { form, frame, weight } = self.shape(geometry);
        let form = match form {
            Form::Point(position) => Form::Point(position),
            Form::Circle(mut numbers) | Form::Box(mut numbers) => {
                numbers.truncate(2);
                Form::Point(numbers)
            }
            Form::Value(value) if value.class == TypeClass::Point => Form::Value(value),
            other => {
                let shape = Shape { form: other, frame, weight }.value();
                let centroid = Value::new(sql::call("qserv_centroid", [shape.sql]), TypeClass::Point);
                Form::Value(Box::new(centroid))
            }
        };
        Shape { form, frame, weight }
    }

    pub(super) fn numbers(&mut self, arguments: &'q [Expr]) -> Vec<SqlExpr> {
        arguments.iter().map(|argument| self.numeric(argument).sql).collect()
    }

    /// The frame that the coordinate system of a constructor names.
    fn coordinate_system(&mut self, call: &Call) -> Option<Frame> {
        let first = system(call)?;
        let text = first.as_text()?;
        match frame::of_system(text) {
            Ok(frame) => frame,
            Err(()) => {
                let shown: String = text.chars().take(40).collect();
                let message = format!("the coordinate system `{shown}` is not known");
                let known = ["'ICRS'", "'FK5'", "'FK4'", "'GALACTIC'", "'ECLIPTIC'", "no coordinate system"];
                self.report.problem(Problem::new(first.span, message).expecting(known));
                None
            }
        }
    }
}

fn is_constructor(name: &str) -> bool {
    functions::standard(name).is_some_and(|function| {
        function.kind == FunctionKind::Geometry
            && matches!(function.name, "POINT" | "CIRCLE" | "BOX" | "POLYGON" | "CENTROID" | "REGION" | "MOC")
    })
}

/// The geometry that CAST makes, its class, and the function that makes it of a text.
fn kind_of(target: CastTarget) -> Option<(Kind, TypeClass, &'static str)> {
    match target {
        CastTarget::Point => Some((Kind::Point, TypeClass::Point, "qserv_point_of")),
        CastTarget::Circle => Some((Kind::Circle, TypeClass::Circle, "qserv_circle_of")),
        CastTarget::Polygon => Some((Kind::Polygon, TypeClass::Polygon, "qserv_polygon_of")),
        _ => None,
    }
}
