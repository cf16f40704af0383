//! Reads "within an angle of each other" out of a join's filter.
//!
//! ```text
//! qserv_distance(a.lon, a.lat, b.lon, b.lat) < r        DISTANCE in both forms, scisql_angSep, also times a constant
//! qserv_contains_circle(a.lon, a.lat, b.lon, b.lat, r)  CONTAINS(POINT, CIRCLE), INTERSECTS of a point and a circle
//! scisql_s2PtInCircle(a.lon, a.lat, b.lon, b.lat, r) = 1
//! qserv_intersects(qserv_circle(a.., r), qserv_circle(b.., s))
//! ```
//!
//! The radius may depend on both sides. What is found only says which pairs to try: the filter itself decides each of them.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Schema};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinSide, Result, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, Literal, NotExpr};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr, split_conjunction};
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use qserv_core::query::field_metadata;

/// Most factors of a distance that are followed: `DISTANCE(..) * 60 * 60 < 5`.
const MAX_FACTORS: usize = 8;

/// How much wider the search is, of its radius, where the filter computes in another order than the search.
const ROUNDING: f64 = 1e-9;

/// A number of each row of one side.
#[derive(Debug, Clone)]
pub(super) enum Number {
    /// An expression over the side's columns.
    Of(Arc<dyn PhysicalExpr>),
    /// One number of a geometry value: of a circle, its longitude, latitude or radius.
    In(Arc<dyn PhysicalExpr>, usize),
}

impl Number {
    /// Its values over a batch; NULL where there is none.
    pub(super) fn values(&self, batch: &RecordBatch) -> Result<Float64Array> {
        match self {
            Self::Of(expr) => {
                let values = expr.evaluate(batch)?.into_array(batch.num_rows())?;
                Ok(cast(&values, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
            }
            Self::In(expr, index) => {
                let values = expr.evaluate(batch)?.into_array(batch.num_rows())?;
                let numbers = DataType::List(Field::new_list_field(DataType::Float64, true).into());
                let lists = cast(&values, &numbers)?;
                let number = |list: Option<ArrayRef>| -> Option<f64> {
                    let list = list?;
                    let list = list.as_primitive_opt::<Float64Type>()?;
                    (*index < list.len() && list.is_valid(*index)).then(|| list.value(*index))
                };
                Ok(lists.as_list::<i32>().iter().map(number).collect())
            }
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Of(expr) => write!(f, "{expr}"),
            Self::In(expr, index) => write!(f, "{expr}[{index}]"),
        }
    }
}

/// Longitude and latitude.
pub(super) type PositionNumbers = [Number; 2];

/// Pairs of rows further apart than a radius do not satisfy a filter.
#[derive(Debug, Clone)]
pub(super) struct SpatialCondition {
    /// The position of a row of the left side.
    pub(super) left: PositionNumbers,
    /// The position of a row of the right side.
    pub(super) right: PositionNumbers,
    /// The radius, the sum of up to three parts.
    pub(super) radius: Radius,
}

/// A radius in degrees: a constant, plus a number of the left row, plus a number of the right row.
#[derive(Debug, Clone, Default)]
pub(super) struct Radius {
    pub(super) constant_deg: f64,
    pub(super) left_deg: Option<Number>,
    pub(super) right_deg: Option<Number>,
    /// What the columns' numbers are divided by: the positive factor of the distance that they are compared with.
    pub(super) divisor: f64,
}

impl Radius {
    /// Whether it is the same for all pairs.
    pub(super) fn is_constant(&self) -> bool {
        self.left_deg.is_none() && self.right_deg.is_none()
    }
}

impl SpatialCondition {
    /// The condition of a filter, if it has one; the first that is found.
    pub(super) fn of(filter: &JoinFilter) -> Option<Self> {
        let sides = Sides(filter.column_indices(), filter.schema());
        split_conjunction(filter.expression()).into_iter().find_map(|part| of_conjunct(part, sides))
    }
}

impl std::fmt::Display for SpatialCondition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [left_lon, left_lat] = &self.left;
        let [right_lon, right_lat] = &self.right;
        write!(f, "({left_lon}, {left_lat}) within ")?;
        let Radius { constant_deg, left_deg, right_deg, .. } = &self.radius;
        let mut parts = Vec::new();
        if *constant_deg != 0.0 || self.radius.is_constant() {
            parts.push(constant_deg.to_string());
        }
        parts.extend([left_deg, right_deg].into_iter().flatten().map(ToString::to_string));
        write!(f, "{} degrees of ({right_lon}, {right_lat})", parts.join(" + "))
    }
}

fn of_conjunct(conjunct: &Arc<dyn PhysicalExpr>, sides: Sides<'_>) -> Option<SpatialCondition> {
    let conjunct = without_casts(conjunct);
    if let Some(call) = conjunct.downcast_ref::<ScalarFunctionExpr>() {
        return of_test(call, sides);
    }
    if let Some(not) = conjunct.downcast_ref::<NotExpr>() {
        let comparison = without_casts(not.arg()).downcast_ref::<BinaryExpr>()?;
        return of_comparison(comparison.left(), comparison.op().negate()?, comparison.right(), sides);
    }
    let comparison = conjunct.downcast_ref::<BinaryExpr>()?;
    of_comparison(comparison.left(), *comparison.op(), comparison.right(), sides)
}

fn of_comparison(
    left: &Arc<dyn PhysicalExpr>,
    operator: Operator,
    right: &Arc<dyn PhysicalExpr>,
    sides: Sides<'_>,
) -> Option<SpatialCondition> {
    of_ordered(left, operator, right, sides).or_else(|| of_ordered(right, operator.swap()?, left, sides))
}

/// `subject operator bound`: a test that is said to be 1, or a distance that is said to be small.
fn of_ordered(
    subject: &Arc<dyn PhysicalExpr>,
    operator: Operator,
    bound: &Arc<dyn PhysicalExpr>,
    sides: Sides<'_>,
) -> Option<SpatialCondition> {
    if let Some((arguments, factor)) = distance(subject) {
        let is_small = matches!(operator, Operator::Lt | Operator::LtEq | Operator::Eq);
        let [lon1, lat1, lon2, lat2] = arguments else { return None };
        return if is_small { sides.of_numbers([lon1, lat1], [lon2, lat2], bound, factor) } else { None };
    }
    let test = without_casts(subject).downcast_ref::<ScalarFunctionExpr>()?;
    let bound = constant(bound)?;
    // Tests are 0, 1 or NULL. What 0 does not satisfy says that it is 1.
    let is_one = match operator {
        Operator::Eq => bound == 1.0,
        Operator::NotEq => bound == 0.0,
        Operator::Gt => (0.0..1.0).contains(&bound),
        Operator::GtEq => bound > 0.0 && bound <= 1.0,
        _ => false,
    };
    if is_one { of_test(test, sides) } else { None }
}

fn of_test(test: &ScalarFunctionExpr, sides: Sides<'_>) -> Option<SpatialCondition> {
    match (test.name(), test.args()) {
        ("qserv_contains_circle" | "scisql_s2ptincircle", [lon1, lat1, lon2, lat2, radius]) => {
            sides.of_numbers([lon1, lat1], [lon2, lat2], radius, 1.0)
        }
        ("qserv_intersects", [one, two]) => {
            let [one, two] = [sides.circle(one)?, sides.circle(two)?];
            let [one_lon, one_lat, one_radius] = one;
            let [two_lon, two_lat, two_radius] = two;
            sides.condition([one_lon, one_lat], [two_lon, two_lat], &[one_radius, two_radius], 1.0)
        }
        _ => None,
    }
}

/// The arguments of a distance, and the positive number by which it is multiplied.
fn distance(subject: &Arc<dyn PhysicalExpr>) -> Option<(&[Arc<dyn PhysicalExpr>], f64)> {
    let mut expr = without_casts(subject);
    let mut factor = 1.0;
    for _ in 0..MAX_FACTORS {
        if let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() {
            return matches!(call.name(), "qserv_distance" | "scisql_angsep").then(|| (call.args(), factor));
        }
        let product = expr.downcast_ref::<BinaryExpr>()?;
        let (other, by) = match (product.op(), constant(product.left()), constant(product.right())) {
            (Operator::Multiply, None, Some(by)) => (product.left(), by),
            (Operator::Multiply, Some(by), None) => (product.right(), by),
            (Operator::Divide, None, Some(by)) => (product.left(), 1.0 / by),
            _ => return None,
        };
        factor *= by;
        // Neither a negative factor nor one that leaves nothing of the distance says anything here.
        if !(factor.is_normal() && factor > 0.0) {
            return None;
        }
        expr = without_casts(other);
    }
    None
}

/// The expression without casts between numbers, which change no more than the rounding that the search allows for; casts
/// to whole numbers stay, except that of a truth.
fn without_casts(expr: &Arc<dyn PhysicalExpr>) -> &Arc<dyn PhysicalExpr> {
    let mut expr = expr;
    while let Some(cast) = expr.downcast_ref::<CastExpr>() {
        let is_of_test = cast.expr().downcast_ref::<ScalarFunctionExpr>().is_some_and(|call| is_test(call.name()));
        if !(is_of_test || cast.cast_type() == &DataType::Float64) {
            break;
        }
        expr = cast.expr();
    }
    expr
}

fn is_test(name: &str) -> bool {
    matches!(name, "qserv_contains_circle" | "scisql_s2ptincircle" | "qserv_intersects")
}

fn constant(expr: &Arc<dyn PhysicalExpr>) -> Option<f64> {
    let value = without_casts(expr).downcast_ref::<Literal>()?.value();
    match value {
        ScalarValue::Boolean(Some(truth)) => Some(f64::from(u8::from(*truth))),
        value if value.is_null() => None,
        value => match value.cast_to(&DataType::Float64).ok()? {
            ScalarValue::Float64(number) => number,
            _ => None,
        },
    }
}

/// Which side each column of a filter comes from, and the filter's own columns.
#[derive(Debug, Clone, Copy)]
struct Sides<'a>(&'a [ColumnIndex], &'a Schema);

impl Sides<'_> {
    fn of_numbers(
        self,
        [lon1, lat1]: [&Arc<dyn PhysicalExpr>; 2],
        [lon2, lat2]: [&Arc<dyn PhysicalExpr>; 2],
        radius: &Arc<dyn PhysicalExpr>,
        factor: f64,
    ) -> Option<SpatialCondition> {
        let number = |expr: &Arc<dyn PhysicalExpr>| Number::Of(Arc::clone(expr));
        let (one, two) = ([number(lon1), number(lat1)], [number(lon2), number(lat2)]);
        self.condition(one, two, &[number(radius)], factor)
    }

    /// Longitude, latitude and radius of a circle: of a call that makes one, or of a value that is known to be one.
    fn circle(self, expr: &Arc<dyn PhysicalExpr>) -> Option<[Number; 3]> {
        if let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>()
            && let ("qserv_circle", [lon, lat, radius]) = (call.name(), call.args())
        {
            return Some([lon, lat, radius].map(|number| Number::Of(Arc::clone(number))));
        }
        let field = expr.return_field(self.1).ok()?;
        let is_circle = field.metadata().get(field_metadata::XTYPE).is_some_and(|xtype| xtype == "circle");
        is_circle.then(|| [0, 1, 2].map(|index| Number::In(Arc::clone(expr), index)))
    }

    /// A condition on two positions, one of each side, that lie within the sum of some radii, divided by a factor.
    fn condition(
        self,
        one: PositionNumbers,
        two: PositionNumbers,
        radii: &[Number],
        factor: f64,
    ) -> Option<SpatialCondition> {
        let (left, right) = match (self.position(&one)?, self.position(&two)?) {
            (JoinSide::Left, JoinSide::Right) => (one, two),
            (JoinSide::Right, JoinSide::Left) => (two, one),
            _ => return None,
        };
        let mut radius = Radius { divisor: factor, ..Radius::default() };
        for part in radii {
            if let Number::Of(expr) = part
                && let Some(number) = constant(expr)
            {
                radius.constant_deg += number / factor;
                continue;
            }
            let place = match self.side(part)? {
                JoinSide::Left => &mut radius.left_deg,
                JoinSide::Right => &mut radius.right_deg,
                JoinSide::None => return None,
            };
            if place.replace(self.own(part).ok()?).is_some() {
                return None;
            }
        }
        radius.constant_deg += radius.constant_deg.abs() * ROUNDING;
        let own = |[lon, lat]: PositionNumbers| Some([self.own(&lon).ok()?, self.own(&lat).ok()?]);
        Some(SpatialCondition { left: own(left)?, right: own(right)?, radius })
    }

    fn position(self, [lon, lat]: &PositionNumbers) -> Option<JoinSide> {
        match (self.side(lon)?, self.side(lat)?) {
            (JoinSide::None, side) | (side, JoinSide::None) => Some(side),
            (one, two) => (one == two).then_some(one),
        }
    }

    /// The side of all of a number's columns; `None` if they come from both, and [`JoinSide::None`] without columns.
    fn side(self, number: &Number) -> Option<JoinSide> {
        let (Number::Of(expr) | Number::In(expr, _)) = number;
        let mut side = JoinSide::None;
        for column in collect_columns(expr) {
            let own = self.0.get(column.index())?.side;
            if side != JoinSide::None && own != side {
                return None;
            }
            side = own;
        }
        Some(side)
    }

    /// The number over its own side's columns.
    fn own(self, number: &Number) -> Result<Number> {
        let own = |expr: &Arc<dyn PhysicalExpr>| {
            let to_own_column = |expr: Arc<dyn PhysicalExpr>| {
                let Some(column) = expr.downcast_ref::<Column>() else { return Ok(Transformed::no(expr)) };
                let Some(index) = self.0.get(column.index()) else { return Ok(Transformed::no(expr)) };
                Ok(Transformed::yes(Arc::new(Column::new(column.name(), index.index)) as Arc<dyn PhysicalExpr>))
            };
            Arc::clone(expr).transform_up(to_own_column).data()
        };
        Ok(match number {
            Number::Of(expr) => Number::Of(own(expr)?),
            Number::In(expr, index) => Number::In(own(expr)?, *index),
        })
    }
}
