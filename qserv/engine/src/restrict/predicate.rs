//! What a filter says about the sky and the keys, read from DataFusion's logical expressions.
//!
//! [`Predicate::of`] keeps the parts of a filter that restrict position or key and weakens everything else to
//! [`Predicate::Anything`], so the result is implied by the filter: a segment that cannot satisfy it holds no row of the
//! answer. Negations are weakened, never inverted.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{Between, InList, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use qserv_core::catalog::Segment;
use qserv_core::index::KeyHome;
use qserv_core::partition::ChunkId;
use qserv_core::sky::{Angle, Cap, Cone, Position, Region};
use qserv_udfs::TestedRegion;

use crate::table::Columns;

/// Most ranges of the sort column that a scan tests: more cost more per page than they save.
const MAX_HEALPIX_RANGES: usize = 24;

/// Deepest nesting of AND/OR that is followed; what lies deeper restricts nothing.
const MAX_DEPTH: usize = 64;

/// A condition on the position or the key of a row, implied by a filter.
#[derive(Debug, Clone)]
pub enum Predicate {
    /// Every row may satisfy it.
    Anything,
    /// No row satisfies it.
    Nothing,
    /// All of them.
    All(Vec<Predicate>),
    /// At least one of them.
    Any(Vec<Predicate>),
    /// The position is in the region.
    Region(Arc<Region>),
    /// The longitude as stored is in this closed interval, degrees.
    Longitude([f64; 2]),
    /// The latitude is in this closed interval, degrees.
    Latitude([f64; 2]),
    /// The key is one of these.
    Keys(Vec<i64>),
    /// The key is in this closed interval.
    KeyBetween([i64; 2]),
    /// The key is one of some that the key index was asked for, and these are their homes.
    KeyHomes {
        /// Smallest and largest of the keys.
        span: [i64; 2],
        /// The chunks that hold them.
        chunks: BTreeSet<ChunkId>,
        /// Their directors' cells, if each is known.
        cells: Option<BTreeSet<u64>>,
    },
}

impl Predicate {
    /// What the conjunction of these filters says.
    #[must_use]
    pub fn of(filters: &[Expr], columns: Columns<'_>) -> Self {
        all(filters.iter().map(|filter| read(filter, columns, 0)).collect())
    }

    /// Whether it restricts nothing.
    #[must_use]
    pub fn is_anything(&self) -> bool {
        matches!(self, Self::Anything)
    }

    /// All keys that it names, for one look-up in the key index.
    pub fn keys(&self, keys: &mut Vec<i64>) {
        match self {
            Self::Keys(named) => keys.extend(named),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.keys(keys)),
            _ => {}
        }
    }

    /// Replaces named keys by their homes. `homes` answers for every key that [`Predicate::keys`] gave.
    /// `cells_hold` says whether a row of the key lies in its director's cell exactly.
    #[must_use]
    pub fn resolve(self, homes: &std::collections::HashMap<i64, Vec<KeyHome>>, cells_hold: bool) -> Self {
        match self {
            Self::Keys(keys) => {
                let found: Vec<&KeyHome> = keys.iter().filter_map(|key| homes.get(key)).flatten().collect();
                let (Some(&low), Some(&high)) = (keys.iter().min(), keys.iter().max()) else {
                    return Self::Nothing;
                };
                if found.is_empty() {
                    return Self::Nothing;
                }
                let cells = if cells_hold { found.iter().map(|home| home.healpix_29).collect() } else { None };
                Self::KeyHomes { span: [low, high], chunks: found.iter().map(|home| home.chunk).collect(), cells }
            }
            Self::All(parts) => all(parts.into_iter().map(|part| part.resolve(homes, cells_hold)).collect()),
            Self::Any(parts) => any(parts.into_iter().map(|part| part.resolve(homes, cells_hold)).collect()),
            other => other,
        }
    }

    /// Whether the segment may hold a row that satisfies it. Never false for one that does.
    #[must_use]
    pub fn may_match(&self, segment: &Segment) -> bool {
        let bounds = &segment.bounds;
        match self {
            Self::Anything => true,
            Self::Nothing => false,
            Self::All(parts) => parts.iter().all(|part| part.may_match(segment)),
            Self::Any(parts) => parts.iter().any(|part| part.may_match(segment)),
            Self::Region(region) => bounds.cap.is_none_or(|cap| {
                Position::new(cap.lon_deg, cap.lat_deg).ok().is_none_or(|center| {
                    region.may_intersect(&Cap { center, radius: Angle::from_degrees(cap.radius_deg) })
                })
            }),
            Self::Longitude(interval) => bounds.lon_deg.is_none_or(|stored| overlaps(*interval, stored)),
            Self::Latitude(interval) => bounds.lat_deg.is_none_or(|stored| overlaps(*interval, stored)),
            Self::Keys(keys) => bounds.key.is_none_or(|[low, high]| keys.iter().any(|key| (low..=high).contains(key))),
            Self::KeyBetween(interval) => bounds.key.is_none_or(|stored| overlaps(*interval, stored)),
            Self::KeyHomes { span, chunks, .. } => {
                segment.chunk.is_none_or(|chunk| chunks.contains(&chunk))
                    && bounds.key.is_none_or(|stored| overlaps(*span, stored))
            }
        }
    }

    /// Ranges of order-29 nested HEALPix cells that hold every row which satisfies it, sorted and disjoint; `None` if
    /// that is not known. They hold for the sort column of tables whose rows have a position of their own, and for
    /// [`Predicate::KeyHomes`] with cells.
    #[must_use]
    pub fn healpix_29_ranges(&self) -> Option<Vec<Range<u64>>> {
        match self {
            Self::Region(region) => Some(region.healpix_29_ranges(MAX_HEALPIX_RANGES)),
            Self::KeyHomes { cells: Some(cells), .. } if cells.len() <= MAX_HEALPIX_RANGES => {
                Some(cells.iter().map(|cell| *cell..cell + 1).collect())
            }
            // Any part of a conjunction implies it; the one that covers least is the one to test.
            Self::All(parts) => parts.iter().filter_map(Self::healpix_29_ranges).min_by_key(|ranges| covered(ranges)),
            Self::Any(parts) => {
                let mut ranges = Vec::new();
                for part in parts {
                    ranges.extend(part.healpix_29_ranges()?);
                }
                Some(merge(ranges))
            }
            Self::Nothing => Some(Vec::new()),
            _ => None,
        }
    }
}

fn overlaps<T: PartialOrd>(left: [T; 2], right: [T; 2]) -> bool {
    left[0] <= right[1] && right[0] <= left[1]
}

fn covered(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

fn merge(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    while merged.len() > MAX_HEALPIX_RANGES {
        // Close the narrowest gap: a wider cover is still a cover.
        let narrowest = (1..merged.len()).min_by_key(|&index| merged[index].start - merged[index - 1].end);
        let Some(index) = narrowest else { break };
        let removed = merged.remove(index);
        merged[index - 1].end = removed.end;
    }
    merged
}

fn all(parts: Vec<Predicate>) -> Predicate {
    let mut kept = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Predicate::Anything => {}
            Predicate::Nothing => return Predicate::Nothing,
            Predicate::All(inner) => kept.extend(inner),
            other => kept.push(other),
        }
    }
    match kept.len() {
        0 => Predicate::Anything,
        1 => kept.remove(0),
        _ => Predicate::All(kept),
    }
}

fn any(parts: Vec<Predicate>) -> Predicate {
    let mut kept = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Predicate::Nothing => {}
            Predicate::Anything => return Predicate::Anything,
            Predicate::Any(inner) => kept.extend(inner),
            other => kept.push(other),
        }
    }
    match kept.len() {
        0 => Predicate::Nothing,
        1 => kept.remove(0),
        _ => Predicate::Any(kept),
    }
}

fn read(filter: &Expr, columns: Columns<'_>, depth: usize) -> Predicate {
    if depth > MAX_DEPTH {
        return Predicate::Anything;
    }
    match filter {
        Expr::Alias(alias) => read(&alias.expr, columns, depth + 1),
        Expr::IsTrue(inner) => read(inner, columns, depth + 1),
        Expr::Literal(ScalarValue::Boolean(Some(false)) | ScalarValue::Boolean(None), _) => Predicate::Nothing,
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            all(vec![read(left, columns, depth + 1), read(right, columns, depth + 1)])
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            any(vec![read(left, columns, depth + 1), read(right, columns, depth + 1)])
        }
        Expr::BinaryExpr(comparison) => compare(comparison, columns),
        Expr::Between(Between { expr, negated: false, low, high }) => {
            let low = compare_parts(expr, Operator::GtEq, low, columns);
            let high = compare_parts(expr, Operator::LtEq, high, columns);
            all(vec![low, high])
        }
        Expr::InList(InList { expr, list, negated: false }) if is_key(expr, columns) => {
            list.iter().map(integer).collect::<Option<Vec<i64>>>().map_or(Predicate::Anything, keys)
        }
        Expr::ScalarFunction(function) => region_test(function, columns).unwrap_or(Predicate::Anything),
        _ => Predicate::Anything,
    }
}

fn keys(keys: Vec<i64>) -> Predicate {
    if keys.is_empty() { Predicate::Nothing } else { Predicate::Keys(keys) }
}

fn compare(comparison: &BinaryExpr, columns: Columns<'_>) -> Predicate {
    let direct = compare_parts(&comparison.left, comparison.op, &comparison.right, columns);
    if !direct.is_anything() {
        return direct;
    }
    match comparison.op.swap() {
        Some(swapped) => compare_parts(&comparison.right, swapped, &comparison.left, columns),
        None => Predicate::Anything,
    }
}

/// `subject op constant`.
fn compare_parts(subject: &Expr, op: Operator, constant: &Expr, columns: Columns<'_>) -> Predicate {
    if let Expr::ScalarFunction(function) = strip_cast(subject, &DataType::Float64) {
        return compare_function(function, op, constant, columns);
    }
    if is_key(subject, columns) {
        return match (op, integer(constant)) {
            (Operator::Eq, Some(key)) => Predicate::Keys(vec![key]),
            (Operator::Gt | Operator::GtEq, Some(key)) => Predicate::KeyBetween([key, i64::MAX]),
            (Operator::Lt | Operator::LtEq, Some(key)) => Predicate::KeyBetween([i64::MIN, key]),
            _ => Predicate::Anything,
        };
    }
    let interval = |value: f64| match op {
        Operator::Eq => Some([value, value]),
        Operator::Gt | Operator::GtEq => Some([value, f64::INFINITY]),
        Operator::Lt | Operator::LtEq => Some([f64::NEG_INFINITY, value]),
        _ => None,
    };
    let (Some([lon, lat]), Some(name), Some(interval)) =
        (columns.position, column_name(subject, &DataType::Float64), number(constant).and_then(interval))
    else {
        return Predicate::Anything;
    };
    if name == lon {
        Predicate::Longitude(interval)
    } else if name == lat {
        Predicate::Latitude(interval)
    } else {
        Predicate::Anything
    }
}

/// `function(..) op constant`: a region test that is said to be 1, or a distance that is said to be small.
fn compare_function(function: &ScalarFunction, op: Operator, constant: &Expr, columns: Columns<'_>) -> Predicate {
    match function.func.name().to_ascii_lowercase().as_str() {
        "qserv_distance" | "scisql_angsep" => {
            if !matches!(op, Operator::Lt | Operator::LtEq | Operator::Eq) {
                return Predicate::Anything;
            }
            number(constant)
                .and_then(|radius_deg| near(&function.args, radius_deg, columns))
                .unwrap_or(Predicate::Anything)
        }
        _ if op == Operator::Eq && is_one(constant) => region_test(function, columns).unwrap_or(Predicate::Anything),
        // `> 0` and `>= 1` of a test that gives 0 or 1.
        _ if matches!(op, Operator::Gt | Operator::GtEq | Operator::NotEq) && says_positive(op, constant) => {
            region_test(function, columns).unwrap_or(Predicate::Anything)
        }
        _ => Predicate::Anything,
    }
}

fn says_positive(op: Operator, constant: &Expr) -> bool {
    match (op, number(constant)) {
        (Operator::Gt | Operator::NotEq, Some(value)) => value == 0.0,
        (Operator::GtEq, Some(value)) => value > 0.0 && value <= 1.0,
        _ => false,
    }
}

fn is_one(constant: &Expr) -> bool {
    matches!(constant, Expr::Literal(ScalarValue::Boolean(Some(true)), _)) || number(constant) == Some(1.0)
}

/// A cone around the four-number distance's constant end, if the other end is the table's position.
fn near(arguments: &[Expr], radius_deg: f64, columns: Columns<'_>) -> Option<Predicate> {
    let [lon1, lat1, lon2, lat2] = arguments else { return None };
    let center = if is_position(lon1, lat1, columns) {
        (number(lon2)?, number(lat2)?)
    } else if is_position(lon2, lat2, columns) {
        (number(lon1)?, number(lat1)?)
    } else {
        return None;
    };
    if radius_deg < 0.0 {
        return Some(Predicate::Nothing);
    }
    let cone = Cone::new(center.0, center.1, radius_deg).ok()?;
    Some(Predicate::Region(Arc::new(Region::Cone(cone))))
}

/// A test of the table's position against a constant region. `None` if it is not one, or the region is not valid: then
/// running the function gives the error.
fn region_test(function: &ScalarFunction, columns: Columns<'_>) -> Option<Predicate> {
    let [lon, lat, shape @ ..] = function.args.as_slice() else { return None };
    if !is_position(lon, lat, columns) {
        return None;
    }
    if let ("qserv_contains_shape", [Expr::Literal(shape, _)]) = (function.func.name(), shape) {
        return match qserv_udfs::tested_shape(shape).ok()?? {
            TestedRegion::Nothing => Some(Predicate::Nothing),
            TestedRegion::Region(region) => Some(Predicate::Region(Arc::new(region))),
        };
    }
    let shape = shape.iter().map(number).collect::<Option<Vec<f64>>>()?;
    match qserv_udfs::tested_region(function.func.name(), &shape)?.ok()? {
        TestedRegion::Nothing => Some(Predicate::Nothing),
        TestedRegion::Region(region) => Some(Predicate::Region(Arc::new(region))),
    }
}

fn is_position(lon: &Expr, lat: &Expr, columns: Columns<'_>) -> bool {
    columns.position.is_some_and(|[lon_name, lat_name]| {
        column_name(lon, &DataType::Float64) == Some(lon_name) && column_name(lat, &DataType::Float64) == Some(lat_name)
    })
}

fn is_key(subject: &Expr, columns: Columns<'_>) -> bool {
    columns.key.is_some() && column_name(subject, &DataType::Int64) == columns.key
}

/// The column that the expression is, perhaps widened: positions are floating point and keys are integers, so a cast to
/// the widest type of their own kind keeps every value and its order; no other cast does.
fn column_name<'a>(expr: &'a Expr, widest: &DataType) -> Option<&'a str> {
    match strip_cast(expr, widest) {
        Expr::Column(column) => Some(&column.name),
        _ => None,
    }
}

fn strip_cast<'a>(expr: &'a Expr, widest: &DataType) -> &'a Expr {
    match expr {
        Expr::Cast(cast) if cast.field.data_type() == widest => strip_cast(&cast.expr, widest),
        Expr::Alias(alias) => strip_cast(&alias.expr, widest),
        other => other,
    }
}

fn number(expr: &Expr) -> Option<f64> {
    match strip_cast(expr, &DataType::Float64) {
        Expr::Literal(ScalarValue::Boolean(_), _) => None,
        Expr::Literal(value, _) => match value.cast_to(&DataType::Float64).ok()? {
            ScalarValue::Float64(Some(number)) if number.is_finite() => Some(number),
            _ => None,
        },
        Expr::Negative(inner) => number(inner).map(|value| -value),
        _ => None,
    }
}

fn integer(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(value, _) => match value {
            ScalarValue::Int8(Some(value)) => Some(i64::from(*value)),
            ScalarValue::Int16(Some(value)) => Some(i64::from(*value)),
            ScalarValue::Int32(Some(value)) => Some(i64::from(*value)),
            ScalarValue::Int64(Some(value)) => Some(*value),
            ScalarValue::UInt8(Some(value)) => Some(i64::from(*value)),
            ScalarValue::UInt16(Some(value)) => Some(i64::from(*value)),
            ScalarValue::UInt32(Some(value)) => Some(i64::from(*value)),
            ScalarValue::UInt64(Some(value)) => i64::try_from(*value).ok(),
            _ => None,
        },
        _ => None,
    }
}
