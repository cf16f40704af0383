//! The table of functions: ADQL's own and the declared extensions', and what they are called in the engine.

use crate::names::TypeClass::{self, Boolean, Float, Integer, Other, Point, Text, Timestamp};

use Arguments::{Alike, Any, Numbers, Texts};
use ResultClass::{First, Is};
use Sql::{Modulo, Name, OfDoubles, OfTexts, Part, Places, Random, Real, Sum};

/// Where a function can stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar,
    /// Of many rows one value; also with OVER.
    Aggregate,
    /// With OVER only.
    Window,
    /// ADQL's geometry: translated as a whole, see `translate::geometry`.
    Geometry,
}

/// What a function does with its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arguments {
    Numbers,
    Texts,
    Any,
    /// All of one type, as the values of COALESCE.
    Alike,
}

/// What a function's result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResultClass {
    Is(TypeClass),
    /// What the first argument is.
    First,
}

/// How the engine says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sql {
    /// A function of this name.
    Name(&'static str),
    /// A function of this name over a DOUBLE: with other numbers the engine would stay within their type.
    OfDoubles(&'static str),
    /// A function of this name over DOUBLEs, as the standard has them; NULL where it has no finite value.
    Real(&'static str),
    /// The same, with how many decimal places are kept as the second argument.
    Places(&'static str),
    /// The remainder, as a DOUBLE.
    Modulo,
    /// A sum that does not wrap around.
    Sum,
    /// A random number, with a seed or without.
    Random,
    /// A function of this name over values of any kind as texts.
    OfTexts(&'static str),
    /// A part of a text.
    Part,
    /// A part of a timestamp.
    Extract,
    /// See `translate::geometry`.
    Geometry,
}

/// One function.
#[derive(Debug)]
pub(crate) struct Function {
    /// In upper case.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    least: usize,
    most: usize,
    pub(crate) arguments: Arguments,
    pub(crate) result: ResultClass,
    pub(crate) sql: Sql,
    /// How it is called, for people.
    pub(crate) form: &'static str,
}

impl Function {
    pub(crate) fn takes(&self, count: usize) -> bool {
        (self.least..=self.most).contains(&count)
    }
}

const MANY: usize = usize::MAX;

const fn scalar(
    name: &'static str,
    (least, most): (usize, usize),
    arguments: Arguments,
    result: ResultClass,
    sql: Sql,
    form: &'static str,
) -> Function {
    Function { name, kind: Kind::Scalar, least, most, arguments, result, sql, form }
}

/// A function of one number with a DOUBLE result.
const fn of_number(name: &'static str, sql: &'static str, form: &'static str) -> Function {
    scalar(name, (1, 1), Numbers, Is(Float), Real(sql), form)
}

/// A function of a number and, perhaps, of how many decimal places are kept.
const fn to_places(name: &'static str, sql: &'static str, form: &'static str) -> Function {
    scalar(name, (1, 2), Numbers, Is(Float), Places(sql), form)
}

const fn aggregate(
    name: &'static str,
    count: usize,
    arguments: Arguments,
    result: ResultClass,
    sql: Sql,
    form: &'static str,
) -> Function {
    Function { name, kind: Kind::Aggregate, least: count, most: count, arguments, result, sql, form }
}

const fn window(
    name: &'static str,
    (least, most): (usize, usize),
    result: ResultClass,
    sql: &'static str,
    form: &'static str,
) -> Function {
    Function { name, kind: Kind::Window, least, most, arguments: Any, result, sql: Name(sql), form }
}

const fn geometry(
    name: &'static str,
    (least, most): (usize, usize),
    result: TypeClass,
    form: &'static str,
) -> Function {
    let result = Is(result);
    Function { name, kind: Kind::Geometry, least, most, arguments: Any, result, sql: Sql::Geometry, form }
}

/// Sorted by name.
static FUNCTIONS: &[Function] = &[
    of_number("ABS", "abs", "ABS(x)"),
    of_number("ACOS", "acos", "ACOS(x)"),
    geometry("AREA", (1, 1), Float, "AREA(geometry)"),
    of_number("ASIN", "asin", "ASIN(x)"),
    of_number("ATAN", "atan", "ATAN(x)"),
    scalar("ATAN2", (2, 2), Numbers, Is(Float), Real("atan2"), "ATAN2(y, x)"),
    aggregate("AVG", 1, Numbers, Is(Float), Name("avg"), "AVG(x)"),
    geometry("BOX", (3, 5), TypeClass::Polygon, "BOX(lon, lat, width, height)"),
    of_number("CEIL", "ceil", "CEIL(x)"),
    of_number("CEILING", "ceil", "CEILING(x)"),
    geometry("CENTROID", (1, 1), Point, "CENTROID(geometry)"),
    scalar("CHARACTER_LENGTH", (1, 1), Texts, Is(Integer), Name("character_length"), "CHARACTER_LENGTH(text)"),
    scalar("CHAR_LENGTH", (1, 1), Texts, Is(Integer), Name("character_length"), "CHAR_LENGTH(text)"),
    geometry("CIRCLE", (2, 4), TypeClass::Circle, "CIRCLE(lon, lat, radius)"),
    scalar("COALESCE", (1, MANY), Alike, First, Name("coalesce"), "COALESCE(x, ...)"),
    scalar("CONCAT", (1, MANY), Any, Is(Text), OfTexts("concat"), "CONCAT(text, ...)"),
    geometry("CONTAINS", (2, 2), Integer, "CONTAINS(geometry, geometry)"),
    geometry("COORD1", (1, 1), Float, "COORD1(point)"),
    geometry("COORD2", (1, 1), Float, "COORD2(point)"),
    geometry("COORDSYS", (1, 1), Text, "COORDSYS(geometry)"),
    aggregate("CORR", 2, Numbers, Is(Float), Name("corr"), "CORR(x, y)"),
    of_number("COS", "cos", "COS(x)"),
    of_number("COT", "cot", "COT(x)"),
    aggregate("COUNT", 1, Any, Is(Integer), Name("count"), "COUNT(x) or COUNT(*)"),
    aggregate("COVAR_POP", 2, Numbers, Is(Float), Name("covar_pop"), "COVAR_POP(x, y)"),
    aggregate("COVAR_SAMP", 2, Numbers, Is(Float), Name("covar_samp"), "COVAR_SAMP(x, y)"),
    window("CUME_DIST", (0, 0), Is(Float), "cume_dist", "CUME_DIST() OVER (...)"),
    of_number("DEGREES", "degrees", "DEGREES(x)"),
    window("DENSE_RANK", (0, 0), Is(Integer), "dense_rank", "DENSE_RANK() OVER (...)"),
    geometry("DISTANCE", (2, 4), Float, "DISTANCE(point, point) or DISTANCE(lon1, lat1, lon2, lat2)"),
    of_number("EXP", "exp", "EXP(x)"),
    scalar("EXTRACT", (2, 2), Any, Is(Float), Sql::Extract, "EXTRACT(field FROM timestamp)"),
    window("FIRST_VALUE", (1, 1), First, "first_value", "FIRST_VALUE(x) OVER (...)"),
    of_number("FLOOR", "floor", "FLOOR(x)"),
    scalar("GREATEST", (1, MANY), Alike, First, Name("greatest"), "GREATEST(x, ...)"),
    geometry("INTERSECTS", (2, 2), Integer, "INTERSECTS(geometry, geometry)"),
    geometry("IN_UNIT", (2, 2), Float, "IN_UNIT(x, 'unit')"),
    window("LAG", (1, 3), First, "lag", "LAG(x, rows, default) OVER (...)"),
    window("LAST_VALUE", (1, 1), First, "last_value", "LAST_VALUE(x) OVER (...)"),
    window("LEAD", (1, 3), First, "lead", "LEAD(x, rows, default) OVER (...)"),
    scalar("LEAST", (1, MANY), Alike, First, Name("least"), "LEAST(x, ...)"),
    scalar("LENGTH", (1, 1), Texts, Is(Integer), Name("character_length"), "LENGTH(text)"),
    of_number("LN", "ln", "LN(x)"),
    // ADQL's LOG is the natural logarithm; the engine's `log` has base 10.
    of_number("LOG", "ln", "LOG(x)"),
    of_number("LOG10", "log10", "LOG10(x)"),
    of_number("LOG2", "log2", "LOG2(x)"),
    scalar("LOWER", (1, 1), Texts, Is(Text), Name("lower"), "LOWER(text)"),
    scalar("LTRIM", (1, 2), Texts, Is(Text), Name("ltrim"), "LTRIM(text)"),
    aggregate("MAX", 1, Any, First, Name("max"), "MAX(x)"),
    aggregate("MEDIAN", 1, Numbers, Is(Float), OfDoubles("qserv_median"), "MEDIAN(x)"),
    aggregate("MIN", 1, Any, First, Name("min"), "MIN(x)"),
    geometry("MOC", (1, 2), Text, "MOC('text') or MOC(order, geometry)"),
    scalar("MOD", (2, 2), Numbers, Is(Float), Modulo, "MOD(x, y)"),
    // Of the service level only: the parser notes it, whatever it is called, and takes the time zone away.
    scalar("NOW", (0, 0), Any, Is(Timestamp), Name("now"), "NOW()"),
    window("NTH_VALUE", (2, 2), First, "nth_value", "NTH_VALUE(x, n) OVER (...)"),
    window("NTILE", (1, 1), Is(Integer), "ntile", "NTILE(n) OVER (...)"),
    scalar("NULLIF", (2, 2), Alike, First, Name("nullif"), "NULLIF(x, y)"),
    aggregate("PERCENTILE", 2, Numbers, Is(Float), OfDoubles("qserv_percentile"), "PERCENTILE(x, fraction)"),
    window("PERCENT_RANK", (0, 0), Is(Float), "percent_rank", "PERCENT_RANK() OVER (...)"),
    scalar("PI", (0, 0), Numbers, Is(Float), Name("pi"), "PI()"),
    geometry("POINT", (2, 3), Point, "POINT(lon, lat)"),
    geometry("POLYGON", (3, MANY), TypeClass::Polygon, "POLYGON(lon1, lat1, lon2, lat2, lon3, lat3, ...)"),
    scalar("POSITION", (2, 2), Texts, Is(Integer), Name("strpos"), "POSITION(part IN text)"),
    scalar("POW", (2, 2), Numbers, Is(Float), Real("qserv_power"), "POW(x, y)"),
    scalar("POWER", (2, 2), Numbers, Is(Float), Real("qserv_power"), "POWER(x, y)"),
    geometry("QSERV_AREASPEC_BOX", (4, 4), Integer, "qserv_areaspec_box(lonMin, latMin, lonMax, latMax)"),
    geometry("QSERV_AREASPEC_CIRCLE", (3, 3), Integer, "qserv_areaspec_circle(lon, lat, radius)"),
    geometry(
        "QSERV_AREASPEC_ELLIPSE",
        (5, 5),
        Integer,
        "qserv_areaspec_ellipse(lon, lat, semiMajorAxisAngle, semiMinorAxisAngle, positionAngle)",
    ),
    geometry("QSERV_AREASPEC_POLY", (6, MANY), Integer, "qserv_areaspec_poly(lon1, lat1, lon2, lat2, lon3, lat3, ...)"),
    of_number("RADIANS", "radians", "RADIANS(x)"),
    scalar("RAND", (0, 1), Numbers, Is(Float), Random, "RAND()"),
    window("RANK", (0, 0), Is(Integer), "rank", "RANK() OVER (...)"),
    geometry("REGION", (1, 1), TypeClass::Polygon, "REGION('text')"),
    scalar("REPLACE", (3, 3), Texts, Is(Text), Name("replace"), "REPLACE(text, from, to)"),
    to_places("ROUND", "qserv_round", "ROUND(x, n)"),
    window("ROW_NUMBER", (0, 0), Is(Integer), "row_number", "ROW_NUMBER() OVER (...)"),
    scalar("RTRIM", (1, 2), Texts, Is(Text), Name("rtrim"), "RTRIM(text)"),
    of_number("SIGN", "signum", "SIGN(x)"),
    of_number("SIN", "sin", "SIN(x)"),
    of_number("SQRT", "qserv_sqrt", "SQRT(x)"),
    aggregate("STDDEV", 1, Numbers, Is(Float), Name("stddev"), "STDDEV(x)"),
    aggregate("STDDEV_POP", 1, Numbers, Is(Float), Name("stddev_pop"), "STDDEV_POP(x)"),
    aggregate("STDDEV_SAMP", 1, Numbers, Is(Float), Name("stddev"), "STDDEV_SAMP(x)"),
    scalar("SUBSTR", (2, 3), Any, Is(Text), Part, "SUBSTR(text, start, length)"),
    scalar("SUBSTRING", (2, 3), Any, Is(Text), Part, "SUBSTRING(text, start, length)"),
    aggregate("SUM", 1, Numbers, First, Sum, "SUM(x)"),
    of_number("TAN", "tan", "TAN(x)"),
    scalar("TRIM", (1, 2), Texts, Is(Text), Name("btrim"), "TRIM(text)"),
    to_places("TRUNCATE", "qserv_truncate", "TRUNCATE(x, n)"),
    scalar("UPPER", (1, 1), Texts, Is(Text), Name("upper"), "UPPER(text)"),
    aggregate("VARIANCE", 1, Numbers, Is(Float), Name("var_samp"), "VARIANCE(x)"),
    aggregate("VAR_POP", 1, Numbers, Is(Float), Name("var_pop"), "VAR_POP(x)"),
    aggregate("VAR_SAMP", 1, Numbers, Is(Float), Name("var_samp"), "VAR_SAMP(x)"),
];

/// All functions, by name.
pub(crate) fn all() -> &'static [Function] {
    FUNCTIONS
}

/// The function of this name, in any letter case.
pub(crate) fn standard(name: &str) -> Option<&'static Function> {
    let upper = name.to_ascii_uppercase();
    FUNCTIONS.binary_search_by(|function| function.name.cmp(upper.as_str())).ok().and_then(|index| FUNCTIONS.get(index))
}

impl TypeClass {
    /// The class of a type as a signature declares it; [`TypeClass::Other`] if it says nothing.
    pub(crate) fn of_declared(type_name: &str) -> Self {
        let word: String = type_name.chars().take_while(char::is_ascii_alphanumeric).collect();
        match word.to_ascii_uppercase().as_str() {
            "BOOLEAN" | "BOOL" => Boolean,
            "SMALLINT" | "INTEGER" | "INT" | "BIGINT" => Integer,
            "REAL" | "FLOAT" | "DOUBLE" if !type_name.contains('[') => Float,
            "CHAR" | "VARCHAR" | "TEXT" | "CLOB" | "STRING" | "UNICODECHAR" => Text,
            "TIMESTAMP" => Timestamp,
            "POINT" => Point,
            "CIRCLE" => Self::Circle,
            "POLYGON" => Self::Polygon,
            _ => Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_by_name() {
        assert!(FUNCTIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(FUNCTIONS.iter().all(|function| standard(function.name).is_some()));
        assert!(standard("sQrT").is_some() && standard("nothing").is_none());
    }
}
