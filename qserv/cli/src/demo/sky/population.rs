//! What is in the sky: stars and galaxies with their true places, brightness and variation.

use super::place::Place;
use super::random::{Purpose, Stream};
use super::survey::{Footprint, MAIN_BOX_DEG};
use super::{BAND_COUNT, BLOCK_OBJECTS, nanojansky};

/// Tract numbers begin here, so that keys have 18 digits as the survey's own have: more than a binary64 holds exactly.
const FIRST_TRACT: i64 = 550_000;
/// Side of a tract.
const TRACT_DEG: f64 = 1.5;
/// Bits of a key below the tract: the object's number in this sky ...
const NUMBER_BITS: u32 = 40;
/// ... and this bit of them in a key that no object has.
const UNKNOWN_BIT: i64 = 1 << 39;

/// Each twentieth part of the objects belongs to one of these, in turn.
const POPULATIONS: [Population; 20] = {
    use Population::{Cluster, Uniform};
    const MAIN: Population = Uniform(Footprint::Main);
    const WRAP: Population = Uniform(Footprint::Wrap);
    const POLE: Population = Uniform(Footprint::Pole);
    [
        MAIN, Cluster, WRAP, MAIN, POLE, MAIN, Cluster, MAIN, WRAP, Cluster, MAIN, MAIN, Cluster, WRAP, MAIN, POLE,
        MAIN, Cluster, WRAP, MAIN,
    ]
};
/// An object with this remainder is a blended companion of the one before it.
const BLEND_EVERY: usize = 50;
/// An object with this remainder is the one before it, measured a second time at the very same place.
const DUPLICATE_EVERY: usize = 500;
/// Number of star clusters; the last two stand on right ascension 0 and on the pole.
const CLUSTERS: usize = 24;

#[derive(Debug, Clone, Copy)]
enum Population {
    Uniform(Footprint),
    Cluster,
}

/// How an object's brightness changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Variation {
    /// Not at all.
    Constant,
    /// A pulsating star.
    Periodic { period_d: f64, amplitude_mag: f64, phase: f64 },
    /// A supernova on top of its galaxy.
    Transient { peak_mjd_tai: f64, peak_njy: f64, fall_d: f64 },
}

impl Variation {
    /// The flux at a moment of an object that has `quiet_njy` without its variation.
    pub(super) fn flux_njy(self, quiet_njy: f64, mjd_tai: f64) -> f64 {
        match self {
            Self::Constant => quiet_njy,
            Self::Periodic { period_d, amplitude_mag, phase } => {
                let turn = std::f64::consts::TAU * (mjd_tai / period_d + phase);
                // A sawtooth of two harmonics: fast rise, slow decline, as an RR Lyrae star has.
                let shape = turn.sin() + 0.35 * (2.0 * turn).sin();
                quiet_njy * 10f64.powf(-0.4 * amplitude_mag * shape / 2.0)
            }
            Self::Transient { peak_mjd_tai, peak_njy, fall_d } => {
                let since_peak_d = mjd_tai - peak_mjd_tai;
                let width_d = if since_peak_d < 0.0 { fall_d / 4.0 } else { fall_d };
                quiet_njy + peak_njy * (-(since_peak_d / width_d).abs()).exp()
            }
        }
    }
}

/// One true object.
#[derive(Debug, Clone)]
pub(super) struct TrueObject {
    pub(super) id: i64,
    pub(super) place: Place,
    pub(super) tract: i64,
    pub(super) patch: i64,
    pub(super) is_star: bool,
    /// Flux without variation, u .. y.
    pub(super) quiet_njy: [f64; BAND_COUNT],
    pub(super) variation: Variation,
    /// The object it is blended with, or a second measurement of.
    pub(super) parent: Option<i64>,
    /// False for a second measurement.
    pub(super) is_primary: bool,
    /// Second moments of its image.
    pub(super) shape_arcsec2: [f64; 3],
    pub(super) ebv_mag: f64,
}

/// A cluster's centre and size.
#[derive(Debug, Clone, Copy)]
struct Cluster {
    center: Place,
    sigma_deg: f64,
}

/// The recipe of all objects.
#[derive(Debug)]
pub(super) struct Universe {
    seed: u64,
    clusters: Vec<Cluster>,
}

impl Universe {
    pub(super) fn new(seed: u64) -> Self {
        let random = &mut Stream::new(seed, Purpose::Survey, 1);
        let [west, east, south, north] = MAIN_BOX_DEG;
        let mut clusters: Vec<Cluster> = (0..CLUSTERS - 2)
            .map(|_| Cluster {
                center: Place::new(random.between(west + 0.5, east - 0.5), random.between(south + 0.5, north - 0.5)),
                sigma_deg: random.between(0.03, 0.12),
            })
            .collect();
        clusters.push(Cluster { center: Place::new(0.0, 1.0), sigma_deg: 0.08 });
        clusters.push(Cluster { center: Place::new(0.0, -90.0), sigma_deg: 0.08 });
        Self { seed, clusters }
    }

    /// The objects of a block of [`BLOCK_OBJECTS`], the first `count` of them.
    pub(super) fn block(&self, block: usize, count: usize) -> Vec<TrueObject> {
        let random = &mut Stream::new(self.seed, Purpose::Objects, block as u64);
        let mut objects: Vec<TrueObject> = Vec::with_capacity(count);
        for position in 0..count {
            let index = block * BLOCK_OBJECTS + position;
            let object = match objects.last() {
                Some(before) if index % DUPLICATE_EVERY == DUPLICATE_EVERY / 2 => duplicate(before, index),
                Some(before) if index % BLEND_EVERY == BLEND_EVERY - 1 => self.companion(before, index, random),
                _ => self.object(index, self.place(index, random), random),
            };
            objects.push(object);
        }
        objects
    }

    fn place(&self, index: usize, random: &mut Stream) -> Place {
        match POPULATIONS[index % POPULATIONS.len()] {
            Population::Uniform(footprint) => footprint.draw(random),
            Population::Cluster => {
                let Some(cluster) = self.clusters.get(random.below(self.clusters.len())) else {
                    return Footprint::Main.draw(random);
                };
                let (east, north) = (random.normal(), random.normal());
                cluster.center.offset(east * cluster.sigma_deg, north * cluster.sigma_deg)
            }
        }
    }

    fn object(&self, index: usize, place: Place, random: &mut Stream) -> TrueObject {
        let is_star = random.chance(0.4);
        let faintest_r_mag = if is_star { 23.6 } else { 24.3 };
        let r_mag = (faintest_r_mag - random.exponential(1.6)).max(15.5);
        let magnitudes = magnitudes(r_mag, is_star, random);
        let quiet_njy = magnitudes.map(nanojansky);
        let (tract, patch) = tract_and_patch(place);
        TrueObject {
            id: key(tract, index),
            place,
            tract,
            patch,
            is_star,
            quiet_njy,
            variation: variation(is_star, quiet_njy[2], random),
            parent: None,
            is_primary: true,
            shape_arcsec2: shape(is_star, random),
            ebv_mag: 0.02 + random.exponential(0.03),
        }
    }

    /// An object within two arc seconds of another.
    fn companion(&self, of: &TrueObject, index: usize, random: &mut Stream) -> TrueObject {
        let (distance_deg, direction) = (random.between(0.3, 2.0) / 3600.0, random.between(0.0, std::f64::consts::TAU));
        let place = of.place.offset(distance_deg * direction.sin(), distance_deg * direction.cos());
        TrueObject { parent: Some(of.id), ..self.object(index, place, random) }
    }
}

fn duplicate(of: &TrueObject, index: usize) -> TrueObject {
    TrueObject { id: key(of.tract, index), parent: Some(of.id), is_primary: false, ..of.clone() }
}

fn key(tract: i64, index: usize) -> i64 {
    (tract << NUMBER_BITS) | index as i64
}

/// A key in the form of an object's key, which no object has.
pub(super) fn unknown_key(place: Place, number: i64) -> i64 {
    (tract_and_patch(place).0 << NUMBER_BITS) | UNKNOWN_BIT | number
}

/// Whether [`unknown_key`] made this key.
pub(super) fn is_unknown_key(key: i64) -> bool {
    key & UNKNOWN_BIT != 0
}

/// Squares of right ascension and declination: not equal areas, but every place has one.
fn tract_and_patch(place: Place) -> (i64, i64) {
    let (column, row) = (place.ra_deg / TRACT_DEG, (place.dec_deg + 90.0) / TRACT_DEG);
    let in_tenths = |value: f64| (value.fract() * 10.0) as i64;
    let tract = FIRST_TRACT + row as i64 * (360.0 / TRACT_DEG) as i64 + column as i64;
    (tract, in_tenths(row) * 10 + in_tenths(column))
}

/// True magnitudes u .. y with the colours of stars or galaxies.
fn magnitudes(r_mag: f64, is_star: bool, random: &mut Stream) -> [f64; BAND_COUNT] {
    let g_r = if is_star { (0.8 + 0.45 * random.normal()).clamp(-0.3, 1.6) } else { 0.6 + 0.3 * random.normal() };
    let u_g = 0.8 + 0.7 * g_r + 0.2 * random.normal();
    let r_i = 0.4 * g_r + 0.08 * random.normal();
    let i_z = 0.5 * r_i + 0.05 * random.normal();
    let z_y = 0.3 * r_i + 0.05 * random.normal();
    let (g_mag, i_mag) = (r_mag + g_r, r_mag - r_i);
    [g_mag + u_g, g_mag, r_mag, i_mag, i_mag - i_z, i_mag - i_z - z_y]
}

fn variation(is_star: bool, r_njy: f64, random: &mut Stream) -> Variation {
    // Drawn always, so that one object's variation does not shift the numbers of the next.
    let (fate, a, b, c) = (random.uniform(), random.uniform(), random.uniform(), random.uniform());
    if is_star && fate < 0.02 {
        // Periods from 0.3 to 100 days, evenly in the logarithm.
        let period_d = 0.3 * (100.0f64 / 0.3).powf(a);
        return Variation::Periodic { period_d, amplitude_mag: 0.3 + 0.9 * b, phase: c };
    }
    if !is_star && fate < 0.005 {
        return Variation::Transient {
            peak_mjd_tai: 61_041.0 + 1_000.0 * a,
            peak_njy: r_njy * (0.5 + 2.0 * b) + 2_000.0,
            fall_d: 20.0 + 40.0 * c,
        };
    }
    Variation::Constant
}

/// xx, yy and xy moments: the image of a point, or of something larger and flattened.
fn shape(is_star: bool, random: &mut Stream) -> [f64; 3] {
    const POINT_ARCSEC2: f64 = 0.11;
    let (size, flattening, angle) = (random.exponential(0.25), random.between(0.0, 0.7), random.uniform());
    if is_star {
        return [POINT_ARCSEC2, POINT_ARCSEC2, 0.0];
    }
    let (sine, cosine) = (std::f64::consts::TAU * angle).sin_cos();
    let size = POINT_ARCSEC2 + size;
    [size * (1.0 + flattening * cosine), size * (1.0 - flattening * cosine), size * flattening * sine]
}
