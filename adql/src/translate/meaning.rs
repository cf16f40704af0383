//! What a value means beside its type: unit, UCD and the rest, followed through expressions.
//!
//! Whatever cannot be said for sure is not said. A bare column keeps all; a computed value keeps a unit that the algebra of
//! units gives, a UCD where the kind of quantity stays and the vocabulary has words for it, and never a utype. A number in the text has no unit and takes any: `ra + 10`
//! is in degrees (the standard's own example), and so is `2 * ra`.

use crate::ast::{Call, CastTarget, Expr, ExprKind, Name, Operator};
use crate::functions::{self, Callable};
use crate::names::Metadata;
use crate::ucd;
use crate::units::Unit;

use super::Translator;
use super::columns::name_means;
use super::scope::{AliasUse, RelationColumn, Visible};

/// Longest description that is made of a query's text, in characters.
const LONGEST_DESCRIPTION: usize = 200;

/// A value's metadata while they are computed.
#[derive(Debug, Clone, Default)]
pub(super) struct Meaning {
    pub(super) quantity: Quantity,
    ucd: Option<String>,
    xtype: Option<&'static str>,
}

/// What a value measures.
#[derive(Debug, Clone, Default)]
pub(super) enum Quantity {
    /// Nothing is known.
    #[default]
    Unknown,
    /// A number written in the query, or NULL.
    Constant,
    /// A pure number, such as a count.
    Number,
    /// The unit as it was declared; what it says, if it can be read.
    In(String, Option<Unit>),
}

impl Quantity {
    pub(super) fn declared(text: &str) -> Self {
        Self::In(text.to_owned(), text.parse().ok())
    }

    fn computed(unit: Option<Unit>) -> Self {
        match unit {
            None => Self::Unknown,
            Some(unit) if unit == Unit::dimensionless() => Self::Number,
            Some(unit) => Self::In(unit.to_string(), Some(unit)),
        }
    }

    fn is_pure(&self) -> bool {
        matches!(self, Self::Constant | Self::Number)
    }

    /// The unit that numbers of this quantity can be scaled in.
    fn linear(&self) -> Option<Unit> {
        match self {
            Self::In(_, Some(unit)) if !unit.has_function() => Some(unit.clone()),
            Self::Constant | Self::Number => Some(Unit::dimensionless()),
            _ => None,
        }
    }

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::In(one, one_unit), Self::In(two, two_unit)) => {
                one == two || (one_unit.is_some() && one_unit == two_unit)
            }
            _ => false,
        }
    }

    /// `x * y` or `x / y`.
    fn product(self, other: Self, quotient: bool) -> Self {
        match (&self, &other) {
            (Self::Constant, Self::Constant) => Self::Constant,
            // The unit stays as it was written.
            (Self::In(_, Some(unit)), pure) if pure.is_pure() && !unit.has_function() => self,
            (pure, Self::In(_, Some(unit))) if pure.is_pure() && !quotient && !unit.has_function() => other,
            _ => {
                let units = self.linear().zip(other.linear());
                Self::computed(units.and_then(|(one, two)| if quotient { one.over(&two) } else { one.times(&two) }))
            }
        }
    }

    /// `x + y`, `x - y`, `x % y`.
    fn sum(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Constant, Self::Constant) => Self::Constant,
            (one, two) if one.is_pure() && two.is_pure() => Self::Number,
            (Self::In(..), Self::In(..)) if self.same(&other) && self.linear().is_some() => self,
            (Self::In(..), Self::Constant) if self.linear().is_some() => self,
            (Self::Constant, Self::In(..)) if other.linear().is_some() => other,
            _ => Self::Unknown,
        }
    }

    fn power(self, exponent: f64) -> Self {
        Self::computed(self.linear().and_then(|unit| unit.power(exponent)))
    }

    fn function(&self, name: &str) -> Self {
        match self {
            Self::In(_, Some(unit)) if !unit.is_dimensionless() && !unit.has_function() => {
                Self::computed(unit.function(name))
            }
            Self::Constant | Self::Number => Self::Number,
            _ => Self::Unknown,
        }
    }

    fn is_in(&self, unit: &str) -> bool {
        matches!(self, Self::In(_, Some(own)) if unit.parse::<Unit>().as_ref() == Ok(own))
    }
}

impl Meaning {
    fn of(quantity: Quantity) -> Self {
        Self { quantity, ..Self::default() }
    }

    fn geometry(xtype: &'static str) -> Self {
        Self { quantity: Quantity::declared("deg"), ucd: Some("pos".to_owned()), xtype: Some(xtype) }
    }

    fn with_ucd(self, ucd: &str) -> Self {
        Self { ucd: Some(ucd.to_owned()), ..self }
    }

    fn without_ucd(self) -> Self {
        Self { ucd: None, ..self }
    }

    /// Of a statistic that has the nature of its values.
    fn qualified(self, word: &'static str) -> Self {
        self.statistic(word, false)
    }

    /// Of a statistic that is of another nature than its values.
    fn led(self, word: &'static str) -> Self {
        self.statistic(word, true)
    }

    fn statistic(self, word: &'static str, leads: bool) -> Self {
        Self { ucd: self.ucd.and_then(|ucd| ucd::statistic(&ucd, word, leads)), xtype: None, ..self }
    }

    /// Of values any of which may be the result. Constants fit everything.
    fn common(meanings: impl IntoIterator<Item = Self>) -> Self {
        let mut common: Option<Self> = None;
        for meaning in meanings {
            common = Some(match common {
                None => meaning,
                Some(one) if matches!(meaning.quantity, Quantity::Constant) => one,
                Some(one) if matches!(one.quantity, Quantity::Constant) => meaning,
                Some(one) => {
                    let same = one.quantity.same(&meaning.quantity);
                    let numbers = one.quantity.is_pure() && meaning.quantity.is_pure();
                    let quantity = match (same, numbers) {
                        (true, _) => one.quantity,
                        (_, true) => Quantity::Number,
                        _ => Quantity::Unknown,
                    };
                    let ucd = one.ucd.filter(|ucd| Some(ucd) == meaning.ucd.as_ref());
                    let xtype = one.xtype.filter(|xtype| Some(*xtype) == meaning.xtype);
                    Self { quantity, ucd, xtype }
                }
            });
        }
        common.unwrap_or_default()
    }
}

impl Translator<'_, '_, '_, '_> {
    /// The metadata of an expression of the select list.
    pub(super) fn metadata_of(&self, expr: &Expr) -> Metadata {
        if let ExprKind::Column(path) = &expr.bare().kind {
            return self.declared_metadata(path).unwrap_or_default();
        }
        let meaning = self.meaning(expr, true);
        let unit = match meaning.quantity {
            Quantity::In(text, _) => Some(text),
            _ => None,
        };
        Metadata {
            unit,
            ucd: meaning.ucd.filter(|ucd| ucd::is_valid(ucd)),
            utype: None,
            description: Some(self.report.excerpt(expr.span, LONGEST_DESCRIPTION)),
            xtype: meaning.xtype.map(str::to_owned),
        }
    }

    /// What an expression measures. `aliases`: whether names may be those of the select list.
    pub(super) fn meaning(&self, expr: &Expr, aliases: bool) -> Meaning {
        let expr = expr.bare();
        match &expr.kind {
            ExprKind::Null | ExprKind::Number(_) => Meaning::of(Quantity::Constant),
            ExprKind::Column(path) => self.column_meaning(path, aliases),
            ExprKind::Sign { operand, .. } => Meaning::of(self.meaning(operand, aliases).quantity),
            ExprKind::Binary { .. } => self.chain_meaning(expr, aliases),
            ExprKind::Case { branches, otherwise, .. } => {
                let results = branches.iter().map(|(_, result)| result).chain(otherwise.as_deref());
                Meaning::common(results.map(|result| self.meaning(result, aliases)))
            }
            ExprKind::Cast { operand, target, .. } => self.cast_meaning(operand, *target, aliases),
            ExprKind::Call(call) => self.call_meaning(call, aliases),
            ExprKind::Scalar(query) => {
                let key = std::ptr::from_ref(&**query) as usize;
                self.scalars.get(&key).map_or_else(Meaning::default, described)
            }
            _ => Meaning::default(),
        }
    }

    /// A chain of operators, followed in a loop as it is translated.
    fn chain_meaning(&self, expr: &Expr, aliases: bool) -> Meaning {
        let mut links = Vec::new();
        let mut first = expr;
        while let ExprKind::Binary { left, operator, right } = &first.kind {
            links.push((*operator, &**right));
            first = left;
        }
        let mut quantity = self.meaning(first, aliases).quantity;
        for (operator, right) in links.into_iter().rev() {
            let right = self.meaning(right, aliases).quantity;
            quantity = match operator {
                Operator::Add | Operator::Subtract | Operator::Modulo => quantity.sum(right),
                Operator::Multiply => quantity.product(right, false),
                Operator::Divide | Operator::IntegerDivide => quantity.product(right, true),
                _ => Quantity::Unknown,
            };
        }
        Meaning::of(quantity)
    }

    fn cast_meaning(&self, operand: &Expr, target: CastTarget, aliases: bool) -> Meaning {
        match target {
            CastTarget::SmallInt
            | CastTarget::Integer
            | CastTarget::BigInt
            | CastTarget::Real
            | CastTarget::Double
            | CastTarget::Decimal { .. } => self.meaning(operand, aliases),
            CastTarget::Point => Meaning::geometry("point"),
            CastTarget::Circle => Meaning::geometry("circle"),
            CastTarget::Polygon => Meaning::geometry("polygon"),
            _ => Meaning::default(),
        }
    }

    fn call_meaning(&self, call: &Call, aliases: bool) -> Meaning {
        let count = if call.star { 1 } else { call.arguments.len() };
        let function = match functions::find(&call.name.text, count, &self.options.functions) {
            Ok(Callable::Standard(function)) => function.name,
            Ok(Callable::Declared(signature)) => {
                let quantity = signature.unit.as_deref().map_or(Quantity::Unknown, Quantity::declared);
                return Meaning { quantity, ucd: signature.ucd.clone(), xtype: None };
            }
            Err(_) => return Meaning::default(),
        };
        let argument = |index: usize| {
            call.arguments.get(index).map_or_else(Meaning::default, |argument| self.meaning(argument, aliases))
        };
        match function {
            "MIN" => argument(0).qualified("stat.min"),
            "MAX" => argument(0).qualified("stat.max"),
            "AVG" => argument(0).qualified("stat.mean"),
            "MEDIAN" => argument(0).qualified("stat.median"),
            "STDDEV" | "STDDEV_POP" | "STDDEV_SAMP" => argument(0).led("stat.stdev"),
            "VARIANCE" | "VAR_POP" | "VAR_SAMP" => {
                let values = argument(0).led("stat.variance");
                Meaning { quantity: values.quantity.power(2.0), ..values }
            }
            "SUM" => argument(0).without_ucd(),
            "CORR" => Meaning::of(Quantity::Number).with_ucd("stat.correlation"),
            "COUNT" => Meaning::of(Quantity::Number).with_ucd("meta.number"),
            "ABS" | "ROUND" | "FLOOR" | "CEIL" | "CEILING" | "TRUNCATE" | "FIRST_VALUE" | "LAST_VALUE"
            | "NTH_VALUE" | "NULLIF" => argument(0),
            "LAG" | "LEAD" => {
                let default = (call.arguments.len() > 2).then(|| argument(2));
                Meaning::common([argument(0)].into_iter().chain(default))
            }
            "COALESCE" | "GREATEST" | "LEAST" => {
                Meaning::common(call.arguments.iter().map(|argument| self.meaning(argument, aliases)))
            }
            "MOD" => Meaning::of(argument(0).quantity.sum(argument(1).quantity)),
            "POWER" | "POW" => {
                let exponent = call.arguments.get(1).and_then(Expr::as_constant);
                let base = argument(0).quantity;
                Meaning::of(exponent.map_or(Quantity::Unknown, |exponent| base.power(exponent)))
            }
            "SQRT" => Meaning::of(argument(0).quantity.power(0.5)),
            "LN" | "LOG" => Meaning::of(argument(0).quantity.function("ln")),
            "LOG10" => Meaning::of(argument(0).quantity.function("log")),
            "SIN" | "COS" | "TAN" | "COT" | "SIGN" | "PI" | "RAND" | "ROW_NUMBER" | "RANK" | "DENSE_RANK" | "NTILE"
            | "CONTAINS" | "INTERSECTS" => Meaning::of(Quantity::Number),
            "DEGREES" => converted(&argument(0).quantity, "rad", "deg"),
            "RADIANS" => converted(&argument(0).quantity, "deg", "rad"),
            "IN_UNIT" => {
                let Some(unit) = call.arguments.get(1).and_then(Expr::as_text) else { return Meaning::default() };
                // The UCD of anything but a column is not looked for: conversions may be nested.
                let column = call.arguments.first().filter(|value| matches!(value.bare().kind, ExprKind::Column(_)));
                let ucd = column.and_then(|column| self.meaning(column, aliases).ucd);
                Meaning { quantity: Quantity::declared(unit.trim()), ucd, xtype: None }
            }
            "DISTANCE" => Meaning::of(Quantity::declared("deg")).with_ucd("pos.angDistance"),
            "AREA" => Meaning::of(Quantity::declared("deg**2")).with_ucd("phys.angArea"),
            "COORD1" | "COORD2" => Meaning::of(Quantity::declared("deg")),
            "POINT" | "CENTROID" => Meaning::geometry("point"),
            "CIRCLE" => Meaning::geometry("circle"),
            "BOX" | "POLYGON" => Meaning::geometry("polygon"),
            _ => Meaning::default(),
        }
    }

    fn column_meaning(&self, path: &[Name], aliases: bool) -> Meaning {
        if let Some(metadata) = self.declared_metadata(path) {
            return described(&metadata);
        }
        let ([name], Some(scope)) = (path, self.scopes.last()) else { return Meaning::default() };
        if !aliases || scope.alias_use == AliasUse::No {
            return Meaning::default();
        }
        let alias = scope.aliases.iter().find(|(alias, _)| name_means(name, alias));
        alias.map_or_else(Meaning::default, |(_, expr)| self.meaning(expr, false))
    }

    /// The metadata of the column that a path means, without reporting anything.
    fn declared_metadata(&self, path: &[Name]) -> Option<Metadata> {
        let (name, qualifier) = path.split_last()?;
        self.scopes.iter().rev().find_map(|scope| {
            if qualifier.is_empty() {
                let shown = |visible: &Visible, exact: bool| {
                    scope.column_of(visible).is_some_and(|(_, column)| is_named(column, name, exact))
                };
                let visible = scope.visible.iter();
                let found = visible
                    .clone()
                    .find(|one| shown(one, true))
                    .or_else(|| visible.clone().find(|one| shown(one, false)));
                return found.map(|visible| scope.metadata_of(visible));
            }
            let (_, relation) = scope.reachable().find(|(_, relation)| relation.is_called(qualifier))?;
            let columns = relation.columns.iter();
            let exact = columns.clone().find(|column| is_named(column, name, true));
            let found = exact.or_else(|| columns.clone().find(|column| is_named(column, name, false)));
            found.map(|column| column.described.metadata())
        })
    }
}

fn is_named(column: &RelationColumn<'_>, name: &Name, exact: bool) -> bool {
    if exact { name.matches(&column.name) } else { column.name.eq_ignore_ascii_case(&name.text) }
}

/// What declared metadata say of values that something else is made of.
fn described(metadata: &Metadata) -> Meaning {
    let quantity = metadata.unit.as_deref().filter(|unit| !unit.trim().is_empty());
    let xtype = match metadata.xtype.as_deref() {
        Some("point") => Some("point"),
        Some("circle") => Some("circle"),
        Some("polygon") => Some("polygon"),
        _ => None,
    };
    Meaning { quantity: quantity.map_or(Quantity::Unknown, Quantity::declared), ucd: metadata.ucd.clone(), xtype }
}

/// A conversion of angles: of radians, or of numbers that nobody says are something else.
fn converted(argument: &Quantity, from: &str, to: &str) -> Meaning {
    let fits = argument.is_in(from) || !matches!(argument, Quantity::In(..));
    Meaning::of(if fits { Quantity::declared(to) } else { Quantity::Unknown })
}
