//! Shapes that are written as a text in the query: STC-S in REGION, DALI's numbers in CAST. They are read here, so that
//! they are as good as the numbers themselves: tested by the same functions, and refused with their place.

use sqlparser::ast::{Expr as SqlExpr, UnaryOperator};

use super::frame::{self, Frame};
use crate::translate::sql;

/// Shapes of a known number of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Point,
    Circle,
    Box,
    Polygon,
}

/// A shape in numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Literal {
    pub(super) kind: Kind,
    pub(super) frame: Option<Frame>,
    pub(super) numbers: Vec<SqlExpr>,
}

/// What REGION's text is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Region {
    Literal(Literal),
    /// A shape that has no constructor in ADQL; the engine's functions read the text.
    Text,
}

/// Reads STC-S: `CIRCLE ICRS GEOCENTER 10 20 0.5`, where frame, reference position and flavour may be left out.
///
/// # Errors
/// What is wrong, in one sentence.
pub(super) fn region(text: &str) -> Result<Region, String> {
    let mut words = text.split_whitespace().peekable();
    let word = words.next().ok_or("the region is empty")?;
    let kind = match word.to_ascii_uppercase().as_str() {
        "POSITION" | "POINT" => Kind::Point,
        "CIRCLE" => Kind::Circle,
        "BOX" => Kind::Box,
        "POLYGON" => Kind::Polygon,
        "ELLIPSE" | "ALLSKY" | "MOC" => return Ok(Region::Text),
        compound @ ("UNION" | "INTERSECTION" | "NOT" | "DIFFERENCE" | "CONVEX") => {
            return Err(format!("{compound} of regions is not answered by this version"));
        }
        first if first.contains('/') => return Ok(Region::Text),
        _ => {
            let word = excerpt(word);
            return Err(format!("`{word}` is no region; there are POSITION, CIRCLE, ELLIPSE, BOX and POLYGON"));
        }
    };
    let frame = frame::leading(&mut words);
    let mut rest: Vec<&str> = words.collect();
    if let [.., keyword, unit] = rest.as_slice()
        && keyword.eq_ignore_ascii_case("unit")
    {
        if !unit.eq_ignore_ascii_case("deg") {
            return Err(format!("regions are in degrees here, not in `{}`", excerpt(unit)));
        }
        rest.truncate(rest.len() - 2);
    }
    Ok(Region::Literal(Literal { kind, frame, numbers: numbers(kind, &rest)? }))
}

/// Reads what CAST makes a shape of: DALI's numbers, `10 20 0.5`, or STC-S.
///
/// # Errors
/// What is wrong, in one sentence.
pub(super) fn cast(kind: Kind, text: &str) -> Result<Literal, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if !words.first().is_some_and(|word| word.starts_with(|first: char| first.is_alphabetic())) {
        return Ok(Literal { kind, frame: None, numbers: numbers(kind, &words)? });
    }
    match region(text)? {
        Region::Literal(literal) if literal.kind == kind => Ok(literal),
        // A box is a polygon, only written in another way.
        Region::Literal(literal) if (literal.kind, kind) == (Kind::Box, Kind::Polygon) => Ok(literal),
        _ => Err(format!("the text is no {}", kind.name())),
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Point => "point",
            Self::Circle => "circle",
            Self::Box => "box",
            Self::Polygon => "polygon",
        }
    }
}

fn numbers(kind: Kind, words: &[&str]) -> Result<Vec<SqlExpr>, String> {
    let values = words.iter().map(|word| number(word)).collect::<Result<Vec<f64>, String>>()?;
    let count = values.len();
    let (fits, wanted) = match kind {
        Kind::Point => (count == 2, "two numbers"),
        Kind::Circle => (count == 3, "three numbers"),
        Kind::Box => (count == 4, "four numbers"),
        Kind::Polygon => (count >= 6 && count.is_multiple_of(2), "three vertices or more, two numbers each"),
    };
    if !fits {
        return Err(format!("a {} has {wanted}, and here are {count}", kind.name()));
    }
    let (positions, sizes) = values.split_at(if kind == Kind::Polygon { count } else { 2 });
    if positions.iter().skip(1).step_by(2).any(|latitude| latitude.abs() > 90.0) {
        return Err("a latitude is between -90 and 90 degrees".to_owned());
    }
    if sizes.iter().any(|size| *size < 0.0) {
        return Err("the size of a shape cannot be negative".to_owned());
    }
    Ok(words.iter().map(|word| as_sql(word)).collect())
}

fn number(word: &str) -> Result<f64, String> {
    let plain = word.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    match word.parse::<f64>() {
        Ok(value) if plain && value.is_finite() => Ok(value),
        _ => Err(format!("`{}` is no number", excerpt(word))),
    }
}

fn as_sql(word: &str) -> SqlExpr {
    match word.strip_prefix('-') {
        Some(digits) => sql::unary(UnaryOperator::Minus, sql::number(digits)),
        None => sql::number(word.strip_prefix('+').unwrap_or(word)),
    }
}

/// The beginning of a word, which may be long.
fn excerpt(word: &str) -> String {
    word.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match region(text) {
            Ok(Region::Text) => "text".to_owned(),
            Ok(Region::Literal(Literal { kind, frame, numbers })) => {
                let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
                format!("{} {} {}", kind.name(), frame.map_or("none", Frame::name), numbers.join(" "))
            }
            Err(message) => message,
        }
    }

    #[test]
    fn regions() {
        assert_eq!(shown("Circle ICRS GEOCENTER 10 -20. .5"), "circle ICRS 10 -20.0 0.5");
        assert_eq!(shown("POSITION galactic 1e1 +2"), "point GALACTIC 1e1 2");
        assert_eq!(shown("polygon 1 2 3 4 5 6 unit deg"), "polygon none 1 2 3 4 5 6");
        assert_eq!(shown("BOX FK5 1 2 3 4"), "box FK5 1 2 3 4");
        assert_eq!(shown("ellipse ICRS 1 2 3 4 5"), "text");
        assert_eq!(shown("6/1-10"), "text");
    }

    #[test]
    fn what_is_no_region() {
        assert_eq!(shown(" "), "the region is empty");
        assert_eq!(shown("SQUARE 1 2"), "`SQUARE` is no region; there are POSITION, CIRCLE, ELLIPSE, BOX and POLYGON");
        assert_eq!(shown("UNION (CIRCLE 1 2 3)"), "UNION of regions is not answered by this version");
        assert_eq!(shown("CIRCLE ICRS 1 2"), "a circle has three numbers, and here are 2");
        assert_eq!(shown("CIRCLE FOO 1 2 3"), "`FOO` is no number");
        assert_eq!(shown("CIRCLE 1 2 inf"), "`inf` is no number");
        assert_eq!(shown("CIRCLE 1 2 -3"), "the size of a shape cannot be negative");
        assert_eq!(shown("POLYGON 1 2 3 4 5 91"), "a latitude is between -90 and 90 degrees");
        assert_eq!(shown("BOX 1 2 3 4 unit arcmin"), "regions are in degrees here, not in `arcmin`");
    }

    #[test]
    fn casts() {
        assert!(cast(Kind::Point, "12.3 45.6").is_ok());
        assert!(cast(Kind::Polygon, "BOX 1 2 3 4").is_ok());
        assert!(cast(Kind::Circle, "POINT 1 2").is_err());
        assert!(cast(Kind::Circle, "").is_err());
        assert!(cast(Kind::Point, "1 2 3").is_err());
    }
}
