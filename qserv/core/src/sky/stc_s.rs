//! Shapes from text: STC-S as in the `s_region` column of ObsCore, MOCs in ASCII, and DALI's numbers.

use super::frame::Frame;
use super::{Cone, Ellipse, MOST_VERTICES, Moc, Polygon, Region, Shape};
use crate::{Error, Result};

/// The longest text of a shape in bytes.
pub const LONGEST_TEXT: usize = 1 << 20;

/// The most numbers of a shape: a polygon that repeats its first vertex.
const MOST_NUMBERS: usize = 2 * MOST_VERTICES + 2;

/// How much of a text a message repeats.
const EXCERPT: usize = 60;

/// Where a position is seen from. At the distance of the stars it makes no difference here.
const REFERENCE_POSITIONS: &[&str] = &[
    "UNKNOWNREFPOS",
    "GEOCENTER",
    "BARYCENTER",
    "HELIOCENTER",
    "TOPOCENTER",
    "GALACTIC_CENTER",
    "LSR",
    "LSRK",
    "LSRD",
    "EMBARYCENTER",
    "RELOCATABLE",
];

impl Shape {
    /// A shape from text: STC-S (`Position`, `Point`, `Circle`, `Ellipse`, `Box`, `Polygon`, `AllSky`; then a frame, a
    /// reference position and a flavour, which may all be left out; then numbers in degrees), or a MOC in ASCII, alone or
    /// after the word `MOC`. Keywords in any letter case. What is given in another frame is turned to ICRS.
    ///
    /// Of STC-S that is what describes one region on the sky; the compounds (`Union`, `Intersection`, `Not`, `Difference`)
    /// and cartesian flavours are refused by name. An ellipse has its semi-axes and the position angle of the major one.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid), with the beginning of the text, for whatever else.
    pub fn from_text(text: &str) -> Result<Self> {
        if text.len() > LONGEST_TEXT {
            return Err(Error::limit(format!("the text of a shape is longer than {LONGEST_TEXT} bytes")));
        }
        parse(text).map_err(|error| error.with("text", excerpt(text)))
    }
}

/// Numbers as DALI writes geometry values: decimal numbers with blanks between.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) for what is no finite number, or for more numbers than a polygon can have.
pub fn dali_numbers(text: &str) -> Result<Vec<f64>> {
    numbers(text.split_whitespace()).map_err(|error| error.with("text", excerpt(text)))
}

fn excerpt(text: &str) -> String {
    let mut characters = text.chars();
    let beginning: String = characters.by_ref().take(EXCERPT).collect();
    if characters.next().is_some() { format!("{beginning}...") } else { beginning }
}

fn numbers<'t>(words: impl Iterator<Item = &'t str>) -> Result<Vec<f64>> {
    let mut numbers = Vec::new();
    for word in words {
        if numbers.len() == MOST_NUMBERS {
            return Err(Error::invalid(format!("a shape has at most {MOST_NUMBERS} numbers")));
        }
        let is_plain = word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
        match word.parse::<f64>() {
            Ok(number) if is_plain && number.is_finite() => numbers.push(number),
            _ => return Err(Error::invalid(format!("\"{}\" is not a finite number", excerpt(word)))),
        }
    }
    Ok(numbers)
}

fn parse(text: &str) -> Result<Shape> {
    if text.trim_start().starts_with(|first: char| first.is_ascii_digit()) {
        if !text.contains('/') {
            return Err(Error::invalid(
                "numbers alone do not say which shape they are: write, for example, \"CIRCLE ICRS 10 20 0.5\"",
            ));
        }
        return Ok(Moc::from_ascii(text)?.into());
    }
    let mut words = text.split_whitespace().peekable();
    let keyword = words.next().unwrap_or_default();
    if keyword.eq_ignore_ascii_case("MOC") {
        let (_, cells) = text.trim_start().split_at(keyword.len());
        return Ok(Moc::from_ascii(cells)?.into());
    }
    let kind = Kind::parse(keyword)?;
    let frame = words.next_if(|word| word.eq_ignore_ascii_case("UNKNOWNFRAME")).map(|_| Frame::Icrs);
    let frame = match frame.or_else(|| words.peek().and_then(|word| Frame::by_name(word))) {
        Some(frame) => {
            words.next_if(|word| Frame::by_name(word).is_some());
            frame
        }
        None => Frame::Icrs,
    };
    let is_reference = |word: &&str| REFERENCE_POSITIONS.iter().any(|known| known.eq_ignore_ascii_case(word));
    words.next_if(is_reference);
    words.next_if(|word| word.eq_ignore_ascii_case("SPHERICAL2"));
    if let Some(word) = words.peek().filter(|word| word.starts_with(|first: char| first.is_ascii_alphabetic())) {
        return Err(Error::invalid(format!(
            "\"{}\" is not understood after {keyword}: after the shape stand a frame (ICRS, FK5, FK4, GALACTIC, ECLIPTIC), a \
             reference position, the flavour SPHERICAL2, and numbers in degrees",
            excerpt(word)
        )));
    }
    let mut words: Vec<&str> = words.collect();
    // A unit may follow; degrees are what the numbers are in anyway.
    if let [.., unit, degrees] = words.as_slice()
        && unit.eq_ignore_ascii_case("unit")
        && degrees.eq_ignore_ascii_case("deg")
    {
        words.truncate(words.len() - 2);
    }
    kind.shape(&numbers(words.into_iter())?)?.transform(frame, Frame::Icrs)
}

/// What STC-S calls a shape.
#[derive(Clone, Copy)]
enum Kind {
    Position,
    Circle,
    Ellipse,
    Box,
    Polygon,
    AllSky,
}

impl Kind {
    fn parse(keyword: &str) -> Result<Self> {
        const KINDS: &[(&str, Kind)] = &[
            ("POSITION", Kind::Position),
            ("POINT", Kind::Position),
            ("CIRCLE", Kind::Circle),
            ("ELLIPSE", Kind::Ellipse),
            ("BOX", Kind::Box),
            ("POLYGON", Kind::Polygon),
            ("ALLSKY", Kind::AllSky),
        ];
        const REFUSED: &[&str] =
            &["UNION", "INTERSECTION", "NOT", "DIFFERENCE", "CONVEX", "POSITIONINTERVAL", "SECTOR", "TIMEINTERVAL"];
        if let Some((_, kind)) = KINDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(keyword)) {
            return Ok(*kind);
        }
        let first = keyword.split('(').next().unwrap_or(keyword);
        let known = "Position, Circle, Ellipse, Box, Polygon or AllSky, or the cells of a MOC";
        Err(match REFUSED.iter().find(|name| name.eq_ignore_ascii_case(first)) {
            Some(_) => Error::invalid(format!("{first} of STC-S is not served: a region must be one {known}")),
            None if first.is_empty() => Error::invalid(format!("there is no region in an empty text: write a {known}")),
            None => Error::invalid(format!("\"{}\" begins no region: it must be {known}", excerpt(first))),
        })
    }

    fn shape(self, numbers: &[f64]) -> Result<Shape> {
        let wrong = |name: &str, expected: &str| {
            Error::invalid(format!("{name} of STC-S takes {expected}, not {}", numbers.len()))
        };
        match (self, numbers) {
            (Self::Position, &[lon, lat]) => Shape::point(lon, lat),
            (Self::Position, _) => Err(wrong("a position", "2 numbers")),
            (Self::Circle, &[lon, lat, radius]) => Ok(Cone::new(lon, lat, radius)?.into()),
            (Self::Circle, _) => Err(wrong("a circle", "3 numbers (centre and radius)")),
            (Self::Ellipse, &[lon, lat, major, minor, angle]) => {
                Ok(Ellipse::new(lon, lat, major, minor, angle)?.into())
            }
            (Self::Ellipse, _) => Err(wrong("an ellipse", "5 numbers (centre, semi-axes and position angle)")),
            (Self::Box, &[lon, lat, width, height]) => Ok(Polygon::from_box(lon, lat, width, height)?.into()),
            (Self::Box, _) => Err(wrong("a box", "4 numbers (centre, width and height)")),
            (Self::Polygon, numbers) if numbers.len() >= 6 => {
                if !numbers.len().is_multiple_of(2) {
                    return Err(wrong("a polygon", "an even number of numbers"));
                }
                let vertices: Vec<(f64, f64)> =
                    numbers.as_chunks::<2>().0.iter().map(|&[lon, lat]| (lon, lat)).collect();
                Ok(Polygon::new(&vertices)?.into())
            }
            (Self::Polygon, _) => Err(wrong("a polygon", "at least 6 numbers (3 vertices)")),
            (Self::AllSky, &[]) => Ok(Region::Cone(Cone::new(0.0, 0.0, 180.0)?).into()),
            (Self::AllSky, _) => Err(wrong("AllSky", "no numbers")),
        }
    }
}

#[cfg(test)]
mod tests;
