//! The units that have a meaning: those of VOUnits 1.1, and a few spellings that catalogs have beside them.
//!
//! Constants of nature are those of CODATA 2018 and of the IAU's resolutions B2 (2012) and B3 (2015).

use super::factor::Factor;

/// What may stand before a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefixes {
    None,
    Decimal,
    DecimalAndBinary,
}
use Prefixes::{Decimal, DecimalAndBinary, None as Bare};

/// A base dimension with its exponent.
pub(super) type Dimensions = &'static [(&'static str, i32)];

/// One unit.
struct Known {
    name: &'static str,
    prefixes: Prefixes,
    factor: Factor,
    dimensions: Dimensions,
}

const fn unit(name: &'static str, prefixes: Prefixes, factor: Factor, dimensions: Dimensions) -> Known {
    Known { name, prefixes, factor, dimensions }
}

/// A unit that is a base of its own: things that are counted, and scales.
const fn base(name: &'static str, prefixes: Prefixes, dimensions: Dimensions) -> Known {
    unit(name, prefixes, Factor::ONE, dimensions)
}

/// 2^a 3^b 5^c π^d.
const fn primes(powers: [i32; 4]) -> Factor {
    Factor::of(1.0, powers)
}

const ENERGY: Dimensions = &[("kg", 1), ("m", 2), ("s", -2)];
const POWER: Dimensions = &[("kg", 1), ("m", 2), ("s", -3)];
const ANGLE: Dimensions = &[("rad", 1)];
const TIME: Dimensions = &[("s", 1)];
const LENGTH: Dimensions = &[("m", 1)];
const COUNT: Dimensions = &[("count", 1)];
const PHOTON: Dimensions = &[("photon", 1)];
const PIXEL: Dimensions = &[("pixel", 1)];
const BIT: Dimensions = &[("bit", 1)];

const DEGREE: Factor = primes([-2, -2, -1, 1]);
const ARCMINUTE: Factor = primes([-4, -3, -2, 1]);
const ARCSECOND: Factor = primes([-6, -4, -3, 1]);
const MILLIARCSECOND: Factor = primes([-9, -4, -6, 1]);
const MICROARCSECOND: Factor = primes([-12, -4, -9, 1]);
const MINUTE: Factor = primes([2, 1, 1, 0]);
const HOUR: Factor = primes([4, 2, 2, 0]);
const DAY: Factor = primes([7, 3, 2, 0]);
/// 365.25 days: 487 is prime.
const YEAR: Factor = Factor::of(487.0, [5, 4, 2, 0]);
const ASTRONOMICAL_UNIT: Factor = Factor::of(149_597_870_700.0, [0; 4]);

/// In no order that matters.
const KNOWN: &[Known] = &[
    // SI.
    base("m", Decimal, LENGTH),
    unit("g", Decimal, Factor::ten_to(-3), &[("kg", 1)]),
    base("s", Decimal, TIME),
    base("A", Decimal, &[("A", 1)]),
    base("K", Decimal, &[("K", 1)]),
    base("mol", Decimal, &[("mol", 1)]),
    base("cd", Decimal, &[("cd", 1)]),
    base("rad", Decimal, ANGLE),
    base("sr", Decimal, &[("rad", 2)]),
    base("Hz", Decimal, &[("s", -1)]),
    base("N", Decimal, &[("kg", 1), ("m", 1), ("s", -2)]),
    base("Pa", Decimal, &[("kg", 1), ("m", -1), ("s", -2)]),
    base("J", Decimal, ENERGY),
    base("W", Decimal, POWER),
    base("C", Decimal, &[("A", 1), ("s", 1)]),
    base("V", Decimal, &[("kg", 1), ("m", 2), ("s", -3), ("A", -1)]),
    base("Ohm", Decimal, &[("kg", 1), ("m", 2), ("s", -3), ("A", -2)]),
    base("S", Decimal, &[("kg", -1), ("m", -2), ("s", 3), ("A", 2)]),
    base("F", Decimal, &[("kg", -1), ("m", -2), ("s", 4), ("A", 2)]),
    base("Wb", Decimal, &[("kg", 1), ("m", 2), ("s", -2), ("A", -1)]),
    base("T", Decimal, &[("kg", 1), ("s", -2), ("A", -1)]),
    base("H", Decimal, &[("kg", 1), ("m", 2), ("s", -2), ("A", -2)]),
    base("lm", Decimal, &[("cd", 1), ("rad", 2)]),
    base("lx", Decimal, &[("cd", 1), ("rad", 2), ("m", -2)]),
    // Angles and times.
    unit("deg", Decimal, DEGREE, ANGLE),
    unit("arcmin", Decimal, ARCMINUTE, ANGLE),
    unit("arcsec", Decimal, ARCSECOND, ANGLE),
    unit("mas", Bare, MILLIARCSECOND, ANGLE),
    unit("min", Decimal, MINUTE, TIME),
    unit("h", Decimal, HOUR, TIME),
    unit("d", Decimal, DAY, TIME),
    unit("a", Decimal, YEAR, TIME),
    unit("yr", Decimal, YEAR, TIME),
    unit("ta", Bare, Factor::of(365.242_19, [7, 3, 2, 0]), TIME),
    unit("Ba", Bare, Factor::of(365.242_198_781, [7, 3, 2, 0]), TIME),
    // Astronomy.
    unit("AU", Bare, ASTRONOMICAL_UNIT, LENGTH),
    unit("au", Bare, ASTRONOMICAL_UNIT, LENGTH),
    // 648000 / π astronomical units.
    unit("pc", Decimal, Factor::of(149_597_870_700.0, [6, 4, 3, -1]), LENGTH),
    unit("lyr", Decimal, Factor::of(9_460_730_472_580_800.0, [0; 4]), LENGTH),
    unit("solMass", Decimal, Factor::of(1.988_409_870_698_051e30, [0; 4]), &[("kg", 1)]),
    unit("solLum", Decimal, Factor::of(3.828e26, [0; 4]), POWER),
    unit("solRad", Decimal, Factor::of(6.957e8, [0; 4]), LENGTH),
    unit("Jy", Decimal, Factor::ten_to(-26), &[("kg", 1), ("s", -2)]),
    // 10^10 / 4π photons.
    unit("R", Decimal, primes([8, 0, 10, -1]), &[("photon", 1), ("m", -2), ("s", -1), ("rad", -2)]),
    base("mag", Decimal, &[("mag", 1)]),
    base("Sun", Decimal, &[("Sun", 1)]),
    // Of atoms.
    unit("eV", Decimal, Factor::of(1.602_176_634e-19, [0; 4]), ENERGY),
    unit("Ry", Decimal, Factor::of(2.179_872_361_103_542e-18, [0; 4]), ENERGY),
    unit("u", Decimal, Factor::of(1.660_539_066_60e-27, [0; 4]), &[("kg", 1)]),
    unit("D", Decimal, Factor::of(1e-21 / 299_792_458.0, [0; 4]), &[("A", 1), ("s", 1), ("m", 1)]),
    // Deprecated.
    unit("Angstrom", Bare, Factor::ten_to(-10), LENGTH),
    unit("angstrom", Bare, Factor::ten_to(-10), LENGTH),
    unit("barn", Decimal, Factor::ten_to(-28), &[("m", 2)]),
    unit("erg", Decimal, Factor::ten_to(-7), ENERGY),
    unit("G", Decimal, Factor::ten_to(-4), &[("kg", 1), ("s", -2), ("A", -1)]),
    // What is counted.
    base("adu", Decimal, &[("adu", 1)]),
    base("beam", Decimal, &[("beam", 1)]),
    base("bin", Decimal, &[("bin", 1)]),
    base("bit", DecimalAndBinary, BIT),
    unit("byte", DecimalAndBinary, primes([3, 0, 0, 0]), BIT),
    unit("B", DecimalAndBinary, primes([3, 0, 0, 0]), BIT),
    base("chan", Decimal, &[("chan", 1)]),
    base("count", Decimal, COUNT),
    base("ct", Decimal, COUNT),
    base("ph", Decimal, PHOTON),
    base("photon", Decimal, PHOTON),
    base("pix", Decimal, PIXEL),
    base("pixel", Decimal, PIXEL),
    base("voxel", Decimal, &[("voxel", 1)]),
    base("dB", Bare, &[("dB", 1)]),
    unit("%", Bare, Factor::ten_to(-2), &[]),
    // Not in the standard, and in catalogs.
    base("electron", Decimal, &[("electron", 1)]),
    base("mgy", Decimal, &[("mgy", 1)]),
    base("dex", Decimal, &[("dex", 1)]),
    unit("uas", Bare, MICROARCSECOND, ANGLE),
    unit("micron", Bare, Factor::ten_to(-6), LENGTH),
    unit("hr", Bare, HOUR, TIME),
    unit("sec", Bare, Factor::ONE, TIME),
    unit("day", Bare, DAY, TIME),
    unit("degree", Bare, DEGREE, ANGLE),
    unit("degrees", Bare, DEGREE, ANGLE),
    base("counts", Bare, COUNT),
    base("ADU", Bare, &[("adu", 1)]),
    base("pixels", Bare, PIXEL),
];

/// The decimal prefixes; `da` last, for whatever else can be read so is meant.
const DECIMAL_PREFIXES: &[(&str, i32)] = &[
    ("Y", 24),
    ("Z", 21),
    ("E", 18),
    ("P", 15),
    ("T", 12),
    ("G", 9),
    ("M", 6),
    ("k", 3),
    ("h", 2),
    ("d", -1),
    ("c", -2),
    ("m", -3),
    ("u", -6),
    ("n", -9),
    ("p", -12),
    ("f", -15),
    ("a", -18),
    ("z", -21),
    ("y", -24),
    ("da", 1),
];

const BINARY_PREFIXES: &[(&str, i32)] =
    &[("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60), ("Zi", 70), ("Yi", 80)];

/// How many SI units a name means, and of what; `None` for a name that has no meaning.
pub(super) fn meaning(name: &str) -> Option<(Factor, Dimensions)> {
    if let Some(known) = find(name) {
        return Some((known.factor, known.dimensions));
    }
    let binary = BINARY_PREFIXES.iter().find_map(|(prefix, exponent)| {
        let known = find(name.strip_prefix(prefix)?).filter(|known| known.prefixes == DecimalAndBinary)?;
        Some((primes([*exponent, 0, 0, 0]).times(known.factor)?, known.dimensions))
    });
    binary.or_else(|| {
        DECIMAL_PREFIXES.iter().find_map(|(prefix, exponent)| {
            let known = find(name.strip_prefix(prefix)?).filter(|known| known.prefixes != Bare)?;
            Some((Factor::ten_to(*exponent).times(known.factor)?, known.dimensions))
        })
    })
}

/// The power of ten of a prefix, for quoted units, which no table knows.
pub(super) fn decimal_prefix(prefix: &str) -> Option<Factor> {
    DECIMAL_PREFIXES.iter().find(|(known, _)| *known == prefix).map(|(_, exponent)| Factor::ten_to(*exponent))
}

/// All names, without prefixes.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|known| known.name)
}

fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}
