//! Reference frames of positions, by rotation; FK4 with its terms of elliptic aberration.

use super::Position;
use super::vector::{Vector, add, dot, scale, sub, unit};
use crate::{Error, Result};

/// Rows are the frame's axes in ICRS.
type Matrix = [[f64; 3]; 3];

/// A reference frame of positions. What is computed and stored is in ICRS.
///
/// The rotations are those that astropy has for these frames: FK5 at its equinox J2000 by the frame bias of Hipparcos, FK4 at
/// equinox and epoch B1950 by Murray (1989) with the E-terms of aberration of the Explanatory Supplement, Galactic by its
/// pole and origin in FK5, ecliptic the mean ecliptic and equinox of J2000 of IAU 2006.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// The International Celestial Reference System.
    Icrs,
    /// FK5, equinox J2000.
    Fk5,
    /// FK4, equinox and epoch B1950, elliptic aberration included.
    Fk4,
    /// Galactic coordinates of the IAU (1958).
    Galactic,
    /// Mean ecliptic and equinox of J2000.
    Ecliptic,
}

impl Frame {
    /// Every name that [`parse`](Self::parse) takes.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("ICRS", Self::Icrs),
        ("FK5", Self::Fk5),
        ("J2000", Self::Fk5),
        ("FK4", Self::Fk4),
        ("B1950", Self::Fk4),
        ("GALACTIC", Self::Galactic),
        ("GALACTIC_II", Self::Galactic),
        ("ECLIPTIC", Self::Ecliptic),
    ];

    /// A frame by its name in any letter case: `ICRS`, `FK5` or `J2000`, `FK4` or `B1950`, `GALACTIC` or `GALACTIC_II`,
    /// `ECLIPTIC`. Blanks around it do not count.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for other names.
    pub fn parse(name: &str) -> Result<Self> {
        Self::by_name(name.trim()).ok_or_else(|| {
            let name: String = name.chars().take(40).collect();
            Error::invalid(format!(
                "unknown coordinate frame \"{name}\": it must be ICRS, FK5 (J2000), FK4 (B1950), GALACTIC or ECLIPTIC"
            ))
        })
    }

    pub(super) fn by_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, frame)| *frame)
    }

    /// Its usual name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Icrs => "ICRS",
            Self::Fk5 => "FK5",
            Self::Fk4 => "FK4",
            Self::Galactic => "GALACTIC",
            Self::Ecliptic => "ECLIPTIC",
        }
    }

    /// A position of this frame as one of another. The same frame gives the same numbers.
    #[must_use]
    pub fn transform(self, to: Self, position: Position) -> Position {
        if self == to {
            return position;
        }
        Position::from_vector(to.of_icrs(self.in_icrs(position.unit_vector())))
    }

    /// [`transform`](Self::transform) by a rotation alone: positions in FK4 are taken to be without the terms of elliptic
    /// aberration, which are up to 0.35 arc seconds. Shapes keep their shape.
    #[must_use]
    pub fn rotate(self, to: Self, position: Position) -> Position {
        if self == to {
            return position;
        }
        let mut vector = position.unit_vector();
        if let Some(axes) = self.axes() {
            vector = rotate_back(axes, vector);
        }
        Position::from_vector(to.axes().map_or(vector, |axes| rotate(axes, vector)))
    }

    /// Its axes in ICRS; `None` for those of ICRS itself.
    fn axes(self) -> Option<&'static Matrix> {
        match self {
            Self::Icrs => None,
            Self::Fk5 => Some(&FK5),
            Self::Fk4 => Some(&FK4),
            Self::Galactic => Some(&GALACTIC),
            Self::Ecliptic => Some(&ECLIPTIC),
        }
    }

    fn in_icrs(self, position: Vector) -> Vector {
        match self {
            Self::Icrs => position,
            Self::Fk5 => rotate_back(&FK5, position),
            Self::Fk4 => rotate_back(&FK4, without_aberration(position)),
            Self::Galactic => rotate_back(&GALACTIC, position),
            Self::Ecliptic => rotate_back(&ECLIPTIC, position),
        }
    }

    fn of_icrs(self, position: Vector) -> Vector {
        match self {
            Self::Icrs => position,
            Self::Fk5 => rotate(&FK5, position),
            Self::Fk4 => with_aberration(unit(rotate(&FK4, position))),
            Self::Galactic => rotate(&GALACTIC, position),
            Self::Ecliptic => rotate(&ECLIPTIC, position),
        }
    }
}

const FK5: Matrix = [
    [0.999_999_999_999_992_1, -1.110_223_329_740_832_7e-07, -4.411_804_498_096_771e-08],
    [1.110_223_372_305_003_5e-07, 0.999_999_999_999_988_9, 9.647_792_246_010_129e-08],
    [4.411_803_426_976_326e-08, -9.647_792_751_958_126e-08, 0.999_999_999_999_994_3],
];

const GALACTIC: Matrix = [
    [-0.054_875_657_712_591_63, -0.873_437_051_955_615_8, -0.483_835_073_616_715_4],
    [0.494_109_437_192_726_8, -0.444_829_721_223_295_2, 0.746_982_183_986_667_6],
    [-0.867_666_137_559_657_6, -0.198_076_337_273_000_53, 0.455_983_813_687_301_7],
];

/// To FK4 without the E-terms.
const FK4: Matrix = [
    [0.999_925_680_951_449_5, 0.011_181_371_753_884_796, 0.004_858_960_740_738_827],
    [-0.011_181_372_203_849_875, 0.999_937_486_137_345_1, -2.707_332_853_594_743_6e-05],
    [-0.004_858_959_705_285_423, -2.725_853_209_427_909_8e-05, 0.999_988_194_814_096_2],
];

const ECLIPTIC: Matrix = [
    [0.999_999_999_999_994_1, -7.078_368_960_971_556e-08, 8.056_213_977_613_186e-08],
    [3.289_700_407_741_964_6e-08, 0.917_482_129_914_958_4, 0.397_776_999_444_047_93],
    [-1.020_704_472_548_435_5e-07, -0.397_776_999_444_043_04, 0.917_482_129_914_955_6],
];

/// The E-terms of aberration at B1950: what the ellipticity of the Earth's orbit adds to every FK4 position.
const E_TERMS: Vector = [-1.625_574_151_689_434_7e-6, -3.191_905_371_563_791e-7, -1.384_290_671_929_659e-7];

fn without_aberration(position: Vector) -> Vector {
    unit(add(sub(position, E_TERMS), scale(position, dot(E_TERMS, position))))
}

fn with_aberration(position: Vector) -> Vector {
    // The terms are of 1e-6, so each round gains six digits.
    let shifted = add(position, E_TERMS);
    let round = |found: Vector| unit(scale(shifted, 1.0 / (1.0 + dot(E_TERMS, found))));
    round(round(round(position)))
}

fn rotate(matrix: &Matrix, position: Vector) -> Vector {
    matrix.map(|axis| dot(axis, position))
}

fn rotate_back(matrix: &Matrix, [x, y, z]: Vector) -> Vector {
    let [first, second, third] = *matrix;
    add(add(scale(first, x), scale(second, y)), scale(third, z))
}

#[cfg(test)]
mod tests;
