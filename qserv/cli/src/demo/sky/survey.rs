//! The telescope's part: pointings over the footprint, and the visits at each.

use chrono::{Days, NaiveDate};

use super::place::Place;
use super::random::{Purpose, Stream};
use super::{BAND_COUNT, nanojansky};

/// First night, MJD: 2026-01-01.
const FIRST_NIGHT_MJD: u32 = 61_041;
/// Length of the survey.
const NIGHTS: f64 = 1_000.0;
/// Distance between pointings; the field of view is 3.5 degrees across, so that neighbours overlap.
const POINTING_STEP_DEG: f64 = 2.4;
/// Every pointing is visited in these bands (0 = u .. 5 = y) ...
const WIDE_BANDS: [u8; 8] = [1, 2, 3, 4, 5, 0, 2, 3];
/// ... and each of this many is a deep field, visited this often with the bands in turn.
const DEEP_EVERY: usize = 10;
const DEEP_VISITS: usize = 48;

/// Magnitude of a point source at five sigma in a single visit of good seeing, u .. y.
const SINGLE_VISIT_DEPTH_MAG: [f64; BAND_COUNT] = [23.8, 24.6, 24.3, 23.8, 23.2, 22.3];

/// A part of the sky that the survey covers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Footprint {
    /// A box south of the equator.
    Main,
    /// A box around right ascension 0.
    Wrap,
    /// The cap around the south celestial pole.
    Pole,
}

/// Right ascension from, to (beyond 360 for the wrap), declination from, to; degrees.
pub(super) const MAIN_BOX_DEG: [f64; 4] = [48.0, 62.0, -34.0, -24.0];
/// See [`MAIN_BOX_DEG`].
pub(super) const WRAP_BOX_DEG: [f64; 4] = [355.0, 365.0, -4.0, 4.0];
/// Radius of the polar cap.
pub(super) const POLE_RADIUS_DEG: f64 = 3.2;

impl Footprint {
    /// A place drawn uniformly from its area.
    pub(super) fn draw(self, random: &mut Stream) -> Place {
        match self {
            Self::Main => draw_from_box(MAIN_BOX_DEG, random),
            Self::Wrap => draw_from_box(WRAP_BOX_DEG, random),
            Self::Pole => {
                let distance = POLE_RADIUS_DEG * random.uniform().sqrt();
                Place::new(random.between(0.0, 360.0), -90.0 + distance)
            }
        }
    }
}

fn draw_from_box([west, east, south, north]: [f64; 4], random: &mut Stream) -> Place {
    let (low, high) = (south.to_radians().sin(), north.to_radians().sin());
    let ra_deg = random.between(west, east);
    Place::new(ra_deg, random.between(low, high).asin().to_degrees())
}

/// One exposure of the whole camera.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    /// Its key: the night as yyyymmdd, then five digits of the exposure in that night.
    pub(super) id: i64,
    /// The night as yyyymmdd.
    pub(super) night: i32,
    pub(super) pointing: usize,
    /// 0 = u .. 5 = y.
    pub(super) band: usize,
    pub(super) midpoint_mjd_tai: f64,
    pub(super) airmass: f64,
    pub(super) seeing_arcsec: f64,
    pub(super) sky_rotation_deg: f64,
    /// Sigma of a faint point source's flux.
    pub(super) sky_noise_njy: f64,
}

/// All pointings and visits.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) pointings: Vec<Place>,
    vectors: Vec<[f64; 3]>,
    /// By pointing, then time.
    visits: Vec<Visit>,
    /// Index of the first visit of each pointing, and the number of all visits.
    first_visit: Vec<usize>,
}

impl Survey {
    pub(super) fn new(seed: u64) -> Self {
        let random = &mut Stream::new(seed, Purpose::Survey, 0);
        let pointings = pointings();
        let mut visits = Vec::new();
        let mut first_visit = vec![0];
        for pointing in 0..pointings.len() {
            let count = if pointing % DEEP_EVERY == 0 { DEEP_VISITS } else { WIDE_BANDS.len() };
            for exposure in 0..count {
                let band = match WIDE_BANDS.get(exposure) {
                    Some(band) if count == WIDE_BANDS.len() => usize::from(*band),
                    _ => exposure % BAND_COUNT,
                };
                visits.push(visit(pointing, band, (exposure as f64 + random.uniform()) / count as f64, random));
            }
            first_visit.push(visits.len());
        }
        number_by_night(&mut visits);
        let vectors = pointings.iter().map(|place| place.unit_vector()).collect();
        Self { pointings, vectors, visits, first_visit }
    }

    /// The pointing nearest to a place.
    pub(super) fn nearest_pointing(&self, place: Place) -> usize {
        let [x, y, z] = place.unit_vector();
        let cosine = |v: &[f64; 3]| v[0] * x + v[1] * y + v[2] * z;
        let nearest = self.vectors.iter().enumerate().max_by(|a, b| cosine(a.1).total_cmp(&cosine(b.1)));
        nearest.map_or(0, |(index, _)| index)
    }

    /// The visits at a pointing, in time order.
    pub(super) fn visits_at(&self, pointing: usize) -> &[Visit] {
        match (self.first_visit.get(pointing), self.first_visit.get(pointing + 1)) {
            (Some(&from), Some(&to)) => self.visits.get(from..to).unwrap_or_default(),
            _ => &[],
        }
    }

    pub(super) fn visits(&self) -> &[Visit] {
        &self.visits
    }
}

/// Grids over the two boxes, and rings around the pole.
fn pointings() -> Vec<Place> {
    let mut places = Vec::new();
    for [west, east, south, north] in [MAIN_BOX_DEG, WRAP_BOX_DEG] {
        let rows = ((north - south) / POINTING_STEP_DEG).ceil();
        for row in 0..rows as usize {
            let dec_deg = south + (north - south) * (row as f64 + 0.5) / rows;
            let columns = ((east - west) * dec_deg.to_radians().cos() / POINTING_STEP_DEG).ceil();
            for column in 0..columns as usize {
                places.push(Place::new(west + (east - west) * (column as f64 + 0.5) / columns, dec_deg));
            }
        }
    }
    places.push(Place::new(0.0, -90.0));
    for position in 0..6 {
        places.push(Place::new(60.0 * f64::from(position), -90.0 + POINTING_STEP_DEG));
    }
    places
}

/// A visit at this fraction of the survey; its number comes later.
fn visit(pointing: usize, band: usize, survey_fraction: f64, random: &mut Stream) -> Visit {
    let night = (survey_fraction * NIGHTS).floor();
    // Nights in Chile are from 0 h to 10 h UTC.
    let midpoint_mjd_tai = f64::from(FIRST_NIGHT_MJD) + night + random.between(0.01, 0.41);
    let airmass = 1.0 + random.exponential(0.15).min(0.8);
    let seeing_arcsec = (0.75 + 0.15 * random.normal()).clamp(0.5, 1.6) * airmass.powf(0.6);
    let depth = SINGLE_VISIT_DEPTH_MAG.get(band).copied().unwrap_or(23.0);
    let depth = depth - 1.1 * (seeing_arcsec / 0.75).log10() * 2.5 - 0.1 * (airmass - 1.0);
    Visit {
        id: 0,
        night: 0,
        pointing,
        band,
        midpoint_mjd_tai,
        airmass,
        seeing_arcsec,
        sky_rotation_deg: random.between(0.0, 360.0),
        sky_noise_njy: nanojansky(depth) / 5.0,
    }
}

/// Gives each visit its night and its number in that night, in time order.
fn number_by_night(visits: &mut [Visit]) {
    let mut in_time: Vec<&mut Visit> = visits.iter_mut().collect();
    in_time.sort_by(|a, b| a.midpoint_mjd_tai.total_cmp(&b.midpoint_mjd_tai));
    let (mut night, mut exposure) = (0, 0);
    for visit in in_time {
        visit.night = calendar_night(visit.midpoint_mjd_tai);
        exposure = if visit.night == night { exposure + 1 } else { 1 };
        night = visit.night;
        visit.id = i64::from(night) * 100_000 + exposure;
    }
}

/// yyyymmdd of the day in which this MJD lies.
fn calendar_night(mjd: f64) -> i32 {
    use chrono::Datelike;
    let epoch = NaiveDate::from_ymd_opt(1858, 11, 17).unwrap_or_default();
    let day = epoch.checked_add_days(Days::new(mjd.max(0.0) as u64)).unwrap_or(epoch);
    day.year() * 10_000 + day.month() as i32 * 100 + day.day() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visits_have_unique_keys_and_every_place_is_in_a_field_of_view() {
        let survey = Survey::new(1);
        let mut keys: Vec<i64> = survey.visits().iter().map(|visit| visit.id).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), survey.visits().len());
        assert!(keys.first().is_some_and(|first| (20_260_101..20_290_101).contains(&(first / 100_000))));

        let random = &mut Stream::new(1, Purpose::Orphans, 0);
        for footprint in [Footprint::Main, Footprint::Wrap, Footprint::Pole] {
            for _ in 0..500 {
                let place = footprint.draw(random);
                let pointing = survey.nearest_pointing(place);
                let (a, b) = (place.unit_vector(), survey.pointings[pointing].unit_vector());
                let cosine: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!(cosine.clamp(-1.0, 1.0).acos().to_degrees() <= 1.75, "{place:?}");
                assert!(survey.visits_at(pointing).len() >= 8);
            }
        }
    }

    #[test]
    fn mjd_to_calendar() {
        assert_eq!(calendar_night(61_041.3), 20_260_101);
        assert_eq!(calendar_night(60_369.9), 20_240_229);
    }
}
