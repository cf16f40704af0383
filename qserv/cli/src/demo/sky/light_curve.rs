//! What each visit measures of each object.

use super::SampleSky;
use super::population::TrueObject;
use super::random::{Purpose, Stream};
use super::survey::Visit;

/// A detection is brighter than this many sigma.
const DETECTION_SIGMA: f64 = 5.0;
/// Relative calibration error of a flux, added to the sky's and the photons' noise.
const CALIBRATION_ERROR: f64 = 0.005;
/// Photon noise: the variance of a flux in nJy^2 is this times the flux in nJy.
const PHOTON_NOISE_NJY: f64 = 0.6;
/// Above this a source saturates.
const SATURATION_NJY: f64 = 2.5e6;
const DETECTORS: usize = 189;

/// One object in one visit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epoch<'a> {
    pub(super) visit: &'a Visit,
    /// Number of the visit at its pointing.
    pub(super) number: usize,
    pub(super) detector: i16,
    pub(super) flux_njy: f64,
    pub(super) flux_error_njy: f64,
    /// Measured minus mean flux.
    pub(super) difference_njy: f64,
    /// The measurement failed: a cosmic ray, an edge.
    pub(super) is_flagged: bool,
    /// Measured minus true position.
    pub(super) east_deg: f64,
    pub(super) north_deg: f64,
}

impl Epoch<'_> {
    pub(super) fn signal_to_noise(&self) -> f64 {
        self.flux_njy / self.flux_error_njy
    }

    pub(super) fn is_detected(&self) -> bool {
        self.signal_to_noise() > DETECTION_SIGMA
    }

    pub(super) fn is_saturated(&self) -> bool {
        self.flux_njy > SATURATION_NJY
    }
}

/// The random numbers of a block's light curves: `Source` and `ForcedSource` draw the same ones.
pub(super) fn stream(sky: &SampleSky, block: usize) -> Stream {
    Stream::new(sky.seed, Purpose::LightCurves, block as u64)
}

/// What the visits at the object's pointing measure, in time order by pointing.
pub(super) fn epochs<'a>(
    sky: &'a SampleSky,
    object: &'a TrueObject,
    random: &'a mut Stream,
) -> impl Iterator<Item = Epoch<'a>> {
    let visits = sky.survey.visits_at(sky.survey.nearest_pointing(object.place));
    visits.iter().enumerate().map(move |(number, visit)| measure(object, visit, number, random))
}

fn measure<'a>(object: &TrueObject, visit: &'a Visit, number: usize, random: &mut Stream) -> Epoch<'a> {
    let quiet_njy = object.quiet_njy.get(visit.band).copied().unwrap_or_default();
    let true_njy = object.variation.flux_njy(quiet_njy, visit.midpoint_mjd_tai);
    let flux_error_njy = flux_error(true_njy, visit.sky_noise_njy) * random.between(0.95, 1.05);
    let flux_njy = true_njy + flux_error_njy * random.normal();
    // The centre of a blob is known to its size over its signal to noise, and never better than the astrometry.
    let centre_error_arcsec = 0.4 * visit.seeing_arcsec * (flux_error_njy / true_njy.max(flux_error_njy)) + 0.01;
    Epoch {
        visit,
        number,
        detector: random.below(DETECTORS) as i16,
        flux_njy,
        flux_error_njy,
        difference_njy: flux_njy - quiet_njy,
        is_flagged: random.chance(0.01),
        east_deg: random.normal() * centre_error_arcsec / 3600.0,
        north_deg: random.normal() * centre_error_arcsec / 3600.0,
    }
}

/// Sigma of a flux over a sky with this noise.
pub(super) fn flux_error(flux_njy: f64, sky_noise_njy: f64) -> f64 {
    let calibration = CALIBRATION_ERROR * flux_njy;
    (sky_noise_njy.powi(2) + PHOTON_NOISE_NJY * flux_njy.max(0.0) + calibration.powi(2)).sqrt()
}
