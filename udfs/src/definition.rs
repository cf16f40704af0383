//! What one function is: its names, its arguments, its documentation and what it does, as data.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use qserv_core::sky::Region;
use qserv_core::{Error, Result};

use crate::aggregate::Aggregation;
use crate::numbers::Numbers;
use crate::sequence::Sequence;

/// One function. Each file of `geometry`, `shape`, `value`, `number`, `scisql`, `ivoa`, `pixel` and `aggregate` holds one of
/// these, or a few alike.
pub(crate) struct Definition {
    /// Its usual spelling, for example `scisql_angSep`. It is registered in lower case, with this as an alias.
    pub(crate) name: &'static str,
    /// What the user who called it wrote, for error messages: `name` itself, or the ADQL function it stands for.
    pub(crate) known_as: &'static str,
    pub(crate) audience: Audience,
    /// What it returns, in a sentence or a few.
    pub(crate) summary: &'static str,
    /// What NULL, NaN, infinities and impossible values give.
    pub(crate) missing: &'static str,
    /// A query that uses it.
    pub(crate) example: &'static str,
    /// The argument lists it takes; at least one.
    pub(crate) forms: &'static [Form],
    pub(crate) returns: Returns,
    /// The unit of the result as a VOUnit, if it is this whatever the arguments.
    pub(crate) unit: Option<&'static str>,
    /// The UCD of the result, if it is this whatever the arguments.
    pub(crate) ucd: Option<&'static str>,
    pub(crate) body: Body,
}

/// Who writes calls of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Users, by its name.
    Users,
    /// The translation of ADQL's geometry to SQL; users know it by its ADQL name.
    Translation,
}

/// One list of arguments.
pub(crate) struct Form {
    pub(crate) arguments: &'static [Argument],
    /// Vertices that follow `arguments`, each a longitude and a latitude in degrees.
    pub(crate) vertices: Option<Vertices>,
}

/// How many vertices a polygon may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vertices {
    pub(crate) at_least: usize,
    pub(crate) at_most: usize,
}

/// One argument.
pub(crate) struct Argument {
    pub(crate) name: &'static str,
    pub(crate) kind: ArgumentKind,
    /// What it means, with its unit.
    pub(crate) meaning: &'static str,
    pub(crate) null: Null,
}

/// What a NULL is in an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Null {
    /// It makes the result NULL.
    Spreads,
    /// A constant one is a mistake of the query; one from a column makes the result NULL.
    Refused,
    /// The argument's `meaning` says what it stands for.
    IsAValue,
}

/// What an argument may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArgumentKind {
    /// Any number; it is taken as `Float64`.
    Number,
    /// A whole number; it is taken as `Int64`.
    Integer,
    /// Any number; whole ones stay whole. If all such arguments of a call are whole they are taken as `Int64`, else as
    /// `Float64`.
    Numeric,
    /// A timestamp or a date, or a text that is one.
    Time,
    /// A text.
    Text,
    /// A point, as `POINT(..)` makes it.
    Point,
    /// Any geometry value, or a text that is a region in words (STC-S) or a coverage map.
    Shape,
    /// Bytes.
    Binary,
}

/// What a function returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returns {
    Boolean,
    Integer,
    BigInt,
    /// A list of whole numbers.
    BigInts,
    Double,
    /// What the arguments of the kind [`ArgumentKind::Numeric`] are taken as.
    Numeric,
    /// Six numbers, each of them NULL if it is not known.
    SixDoubles,
    Text,
    Binary,
    Point,
    Circle,
    Polygon,
    /// A geometry value of the kind of the argument that is one.
    Shape,
}

/// What a function does.
pub(crate) enum Body {
    /// A containment test: the first two arguments are a position, the rest is the shape that `build` makes.
    Test { build: Build, rules: TestRules },
    /// A function of numbers. `check` sees the arguments (`None` for a column or NULL) and refuses impossible constants;
    /// `evaluate` gives so many rows.
    Numbers { check: fn(&[Option<f64>]) -> Result<()>, evaluate: fn(&[Numbers], usize) -> ArrayRef },
    /// One coordinate of a point: 0 the longitude, 1 the latitude.
    Coordinate(usize),
    /// A function of values of any type, each of its argument's kind. `check` sees the arguments (`None` for a column or
    /// NULL) and refuses impossible constants; `evaluate` gives so many rows.
    Values {
        check: fn(&[Option<ScalarValue>]) -> Result<()>,
        evaluate: fn(&[ColumnarValue], usize) -> Result<ArrayRef>,
    },
    /// A function that gives other values each time it is called, constants or not. `check` is as in `Values`; `evaluate`
    /// also sees the calls' own sequence of random numbers.
    Random {
        check: fn(&[Option<ScalarValue>]) -> Result<()>,
        evaluate: fn(&[ColumnarValue], usize, &Sequence) -> Result<ArrayRef>,
    },
    /// A function that is known and cannot be had: the reason, in the user's words.
    Refused(&'static str),
    /// An aggregate: of many rows one value. Those of `aggregate`, and only they, have it.
    Aggregate(Aggregation),
}

/// Makes the region of a shape's arguments. `Ok(None)` is a legal shape without any position in it.
pub(crate) type Build = fn(&[f64]) -> Result<Option<Region>>;

/// What a containment test makes of NULL and of impossible values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TestRules {
    /// A BOOLEAN. NULL for a NULL; a shape of constants that cannot be is an error, one of columns gives NULL.
    Adql,
    /// INTEGER 1 or 0. 0 for a NULL; NULL for a position or shape that cannot be.
    SciSql,
}

/// An argument that is a number.
pub(crate) const fn number(name: &'static str, meaning: &'static str) -> Argument {
    Argument::new(name, ArgumentKind::Number, meaning)
}

/// An argument that is a text.
pub(crate) const fn text(name: &'static str, meaning: &'static str) -> Argument {
    Argument::new(name, ArgumentKind::Text, meaning)
}

/// An argument that is any shape.
pub(crate) const fn shape(name: &'static str, meaning: &'static str) -> Argument {
    Argument::new(name, ArgumentKind::Shape, meaning)
}

/// An argument that is a whole number.
pub(crate) const fn integer(name: &'static str, meaning: &'static str) -> Argument {
    Argument::new(name, ArgumentKind::Integer, meaning)
}

/// An argument that is a point.
pub(crate) const fn point(name: &'static str, meaning: &'static str) -> Argument {
    Argument::new(name, ArgumentKind::Point, meaning)
}

/// An argument that is a number, whole if it is.
pub(crate) const fn numeric(name: &'static str, meaning: &'static str) -> Argument {
    Argument::new(name, ArgumentKind::Numeric, meaning)
}

/// An argument that is a time.
pub(crate) const fn time(name: &'static str, meaning: &'static str) -> Argument {
    Argument::new(name, ArgumentKind::Time, meaning)
}

/// An argument that is bytes.
pub(crate) const fn binary(name: &'static str, meaning: &'static str) -> Argument {
    Argument::new(name, ArgumentKind::Binary, meaning)
}

/// The position that a test tests.
pub(crate) const LON: Argument = number("lon", "longitude of the position to test, in degrees");
/// The position that a test tests.
pub(crate) const LAT: Argument = number("lat", "latitude of the position to test, in degrees");
/// The centre of a shape.
pub(crate) const CENTER_LON: Argument = number("center_lon", "longitude of the centre, in degrees");
/// The centre of a shape.
pub(crate) const CENTER_LAT: Argument = number("center_lat", "latitude of the centre, in degrees");

impl Argument {
    const fn new(name: &'static str, kind: ArgumentKind, meaning: &'static str) -> Self {
        Self { name, kind, meaning, null: Null::Spreads }
    }

    /// The argument where NULL is this.
    pub(crate) const fn where_null(self, null: Null) -> Self {
        Self { null, ..self }
    }
}

impl Form {
    /// A list of just these arguments.
    pub(crate) const fn fixed(arguments: &'static [Argument]) -> Self {
        Self { arguments, vertices: None }
    }

    /// Whether so many arguments are one of its lists.
    pub(crate) fn accepts(&self, count: usize) -> bool {
        match self.vertices {
            None => count == self.arguments.len(),
            Some(Vertices { at_least, at_most }) => {
                let Some(rest) = count.checked_sub(self.arguments.len()) else { return false };
                let vertices = rest / 2;
                rest % 2 == 0 && (at_least..=at_most).contains(&vertices)
            }
        }
    }

    /// What the argument at this place may be. Vertices are numbers.
    pub(crate) fn kind(&self, index: usize) -> ArgumentKind {
        self.arguments.get(index).map_or(ArgumentKind::Number, |argument| argument.kind)
    }

    /// What a NULL is in the argument at this place.
    pub(crate) fn null(&self, index: usize) -> Null {
        self.arguments.get(index).map_or(Null::Spreads, |argument| argument.null)
    }

    /// The names of the arguments, with so many vertices if it takes any.
    pub(crate) fn names(&self, vertices: usize) -> Vec<String> {
        let fixed = self.arguments.iter().map(|argument| argument.name.to_owned());
        let vertices = if self.vertices.is_some() { vertices } else { 0 };
        fixed.chain((1..=vertices).flat_map(|n| [format!("v{n}_lon"), format!("v{n}_lat")])).collect()
    }

    fn count_in_words(&self) -> String {
        match self.vertices {
            None => self.arguments.len().to_string(),
            Some(Vertices { at_least, at_most }) => {
                let vertices = format!("{at_least} to {at_most} vertices");
                match self.arguments.len() {
                    0 => format!("{vertices} of two"),
                    fixed => format!("{fixed} and then {vertices} of two"),
                }
            }
        }
    }
}

impl ArgumentKind {
    /// Its type as TAPRegExt writes it.
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Number | Self::Numeric => "DOUBLE",
            Self::Integer => "BIGINT",
            Self::Time => "TIMESTAMP",
            Self::Text => "VARCHAR",
            Self::Point => "POINT",
            Self::Shape => "REGION",
            Self::Binary => "VARBINARY",
        }
    }
}

impl Returns {
    /// Its type as TAPRegExt writes it.
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::Integer => "INTEGER",
            Self::BigInt => "BIGINT",
            Self::BigInts => "BIGINT[]",
            Self::Double | Self::Numeric => "DOUBLE",
            Self::SixDoubles => "DOUBLE[6]",
            Self::Text => "VARCHAR",
            Self::Binary => "VARBINARY",
            Self::Point => "POINT",
            Self::Circle => "CIRCLE",
            Self::Polygon => "POLYGON",
            Self::Shape => "REGION",
        }
    }

    /// Its type in Arrow; of [`Returns::Numeric`] that for numbers with fractions.
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::BigInts => DataType::List(Field::new_list_field(DataType::Int64, true).into()),
            Self::Double | Self::Numeric => DataType::Float64,
            Self::Text => DataType::Utf8,
            Self::Binary => DataType::Binary,
            Self::SixDoubles | Self::Point | Self::Circle | Self::Polygon | Self::Shape => {
                DataType::List(Field::new_list_field(DataType::Float64, true).into())
            }
        }
    }

    /// DALI's name of a geometry value's serialisation, which its field carries as metadata `xtype`.
    pub(crate) fn xtype(self) -> Option<&'static str> {
        match self {
            Self::Point => Some("point"),
            Self::Circle => Some("circle"),
            Self::Polygon => Some("polygon"),
            _ => None,
        }
    }
}

impl Definition {
    /// The form that takes so many arguments.
    ///
    /// # Errors
    /// Invalid, if none does.
    pub(crate) fn form(&self, count: usize) -> Result<&Form> {
        self.forms.iter().find(|form| form.accepts(count)).ok_or_else(|| {
            let expected: Vec<String> = self.forms.iter().map(Form::count_in_words).collect();
            let expected = expected.join(" or ");
            Error::invalid(format!("{} takes {expected} arguments, not {count}", self.name_for_messages()))
        })
    }

    /// Refuses impossible constants. `constants` are the arguments, `None` for a column or NULL.
    ///
    /// # Errors
    /// Invalid, in the user's words.
    pub(crate) fn check(&self, constants: &[Option<f64>]) -> Result<()> {
        let checked = match &self.body {
            Body::Test { rules: TestRules::SciSql, .. }
            | Body::Coordinate(_)
            | Body::Values { .. }
            | Body::Random { .. }
            | Body::Refused(_)
            | Body::Aggregate(_) => Ok(()),
            Body::Test { build, rules: TestRules::Adql } => {
                let (position, shape) = constants.split_at(constants.len().min(2));
                let shape: Option<Vec<f64>> = shape.iter().copied().collect();
                check_latitude(position.get(1).copied().flatten())
                    .and_then(|()| shape.map_or(Ok(()), |shape| build(&shape).map(drop)))
            }
            Body::Numbers { check, .. } => check(constants),
        };
        checked.map_err(|error| self.explain(error))
    }

    /// Refuses impossible constants of any type. `constants` are the arguments, `None` for a column or NULL.
    ///
    /// # Errors
    /// Invalid, in the user's words.
    pub(crate) fn check_values(&self, constants: &[Option<ScalarValue>]) -> Result<()> {
        match &self.body {
            Body::Values { check, .. } | Body::Random { check, .. } => {
                check(constants).map_err(|error| self.explain(error))
            }
            Body::Refused(reason) => {
                let error = Error::invalid(format!("{} {reason}", self.name_for_messages()));
                Err(constants.iter().flatten().fold(error, |error, constant| error.with("argument", constant)))
            }
            _ => Ok(()),
        }
    }

    /// Refuses constant NULLs where they are mistakes. `is_null` says of each argument whether it is one.
    ///
    /// # Errors
    /// Invalid, in the user's words.
    pub(crate) fn check_nulls(&self, is_null: &[bool]) -> Result<()> {
        let form = self.form(is_null.len())?;
        let mistake =
            is_null.iter().enumerate().position(|(index, is_null)| *is_null && form.null(index) == Null::Refused);
        match mistake.and_then(|index| form.arguments.get(index)) {
            Some(Argument { name, .. }) => {
                Err(Error::invalid(format!("the argument {name} of {} must not be NULL", self.name_for_messages())))
            }
            None => Ok(()),
        }
    }

    /// Says in which function an error arose.
    pub(crate) fn explain(&self, error: Error) -> Error {
        error.with("function", self.name_for_messages())
    }

    /// What the user wrote.
    pub(crate) fn name_for_messages(&self) -> &'static str {
        self.known_as
    }

    /// Whether a NULL in any argument always gives NULL.
    pub(crate) fn is_strict(&self) -> bool {
        let takes_something = self.forms.iter().any(|form| !form.accepts(0));
        let has_own_rules =
            matches!(self.body, Body::Test { rules: TestRules::SciSql, .. } | Body::Random { .. } | Body::Refused(_));
        let mut arguments = self.forms.iter().flat_map(|form| form.arguments);
        takes_something && !has_own_rules && arguments.all(|argument| argument.null != Null::IsAValue)
    }

    /// Whether it gives other values each time it is called.
    pub(crate) fn is_volatile(&self) -> bool {
        matches!(self.body, Body::Random { .. })
    }
}

/// Refuses a constant latitude beyond a pole. NaN passes: it is no position, but no mistake of the query's either.
pub(crate) fn check_latitude(latitude_deg: Option<f64>) -> Result<()> {
    match latitude_deg {
        Some(latitude) if latitude.abs() > 90.0 => {
            Err(Error::invalid(format!("a latitude must be in -90..90 degrees, not {latitude}")))
        }
        _ => Ok(()),
    }
}

/// For functions to which no constant is a mistake.
pub(crate) fn check_nothing<T>(_: &[Option<T>]) -> Result<()> {
    Ok(())
}
