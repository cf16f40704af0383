//! Angles, with their unit in every name.

use std::fmt;

/// An angle. Kept in degrees, the unit of catalogs and of ADQL, so that a radius that a user gave is compared unrounded.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Angle {
    degrees: f64,
}

impl Angle {
    /// No angle at all.
    pub const ZERO: Self = Self { degrees: 0.0 };
    /// Half a turn: the radius of a cap that is the whole sky.
    pub const HALF_TURN: Self = Self { degrees: 180.0 };

    /// An angle in degrees.
    #[must_use]
    pub const fn from_degrees(degrees: f64) -> Self {
        Self { degrees }
    }

    /// An angle in radians.
    #[must_use]
    pub const fn from_radians(radians: f64) -> Self {
        Self { degrees: radians.to_degrees() }
    }

    /// An angle in arc seconds.
    #[must_use]
    pub const fn from_arcsec(arcsec: f64) -> Self {
        Self { degrees: arcsec / 3600.0 }
    }

    /// In degrees.
    #[must_use]
    pub const fn degrees(self) -> f64 {
        self.degrees
    }

    /// In radians.
    #[must_use]
    pub const fn radians(self) -> f64 {
        self.degrees.to_radians()
    }

    /// In arc seconds.
    #[must_use]
    pub const fn arcsec(self) -> f64 {
        self.degrees * 3600.0
    }
}

impl fmt::Display for Angle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}°", self.degrees)
    }
}
