//! The coordinate systems that ADQL's geometries can be given in.

use std::iter::Peekable;
use std::str::SplitWhitespace;

use Frame::{Ecliptic, Fk4, Fk5, Galactic, Icrs};

/// A reference frame that the engine converts from and to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    Icrs,
    /// Equinox J2000.
    Fk5,
    /// Equinox and epoch B1950.
    Fk4,
    Galactic,
    /// Of J2000.
    Ecliptic,
}

/// The names of frames in STC-S and in the queries of ADQL 2.0. `UNKNOWNFRAME` says nothing.
const FRAMES: &[(&str, Option<Frame>)] = &[
    ("ICRS", Some(Icrs)),
    ("FK5", Some(Fk5)),
    ("J2000", Some(Fk5)),
    ("FK4", Some(Fk4)),
    ("B1950", Some(Fk4)),
    ("GALACTIC", Some(Galactic)),
    ("GALACTIC_II", Some(Galactic)),
    ("ECLIPTIC", Some(Ecliptic)),
    ("UNKNOWNFRAME", None),
];

/// What may stand behind the frame: where a position is seen from, and how it is written. For directions of stars in two
/// angles all of it means the same.
const ADDITIONS: &[&str] = &[
    "GEOCENTER",
    "BARYCENTER",
    "HELIOCENTER",
    "TOPOCENTER",
    "GALACTIC_CENTER",
    "EMBARYCENTER",
    "LSR",
    "LSRK",
    "LSRD",
    "RELOCATABLE",
    "UNKNOWNREFPOS",
    "SPHERICAL2",
    "CARTESIAN2",
];

impl Frame {
    /// What the engine and COORDSYS call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Icrs => "ICRS",
            Fk5 => "FK5",
            Fk4 => "FK4",
            Galactic => "GALACTIC",
            Ecliptic => "ECLIPTIC",
        }
    }
}

/// The frame that a coordinate system argument names, in any letter case; `Ok(None)` if it names none, as an empty text
/// does, and an error if it is none that is known.
pub(super) fn of_system(text: &str) -> Result<Option<Frame>, ()> {
    let mut words = text.split_whitespace().peekable();
    let frame = leading(&mut words);
    if words.next().is_none() { Ok(frame) } else { Err(()) }
}

/// Takes the words of a coordinate system from the beginning of a text, if there are any.
pub(super) fn leading(words: &mut Peekable<SplitWhitespace<'_>>) -> Option<Frame> {
    let known = |word: &str| FRAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    let frame = words.peek().and_then(|word| known(word)).map(|(_, frame)| *frame);
    if frame.is_some() {
        words.next();
    }
    while words.next_if(|word| ADDITIONS.iter().any(|addition| addition.eq_ignore_ascii_case(word))).is_some() {}
    frame.flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems() {
        assert_eq!(of_system("icrs GeoCenter SPHERICAL2"), Ok(Some(Icrs)));
        assert_eq!(of_system(" galactic "), Ok(Some(Galactic)));
        assert_eq!(of_system("J2000"), Ok(Some(Fk5)));
        for nothing in ["", "  ", "UnknownFrame", "BARYCENTER"] {
            assert_eq!(of_system(nothing), Ok(None), "{nothing}");
        }
        for unknown in ["FOO", "ICRS FOO", "ICRS GALACTIC", "GEOCENTER ICRS", "1"] {
            assert_eq!(of_system(unknown), Err(()), "{unknown}");
        }
    }
}
