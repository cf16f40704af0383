//! The rows of each table as Arrow batches, columns named and ordered as `demo.felis.yaml` declares them.

use std::iter::once;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::record_batch::RecordBatch;
use qserv_core::{Error, Result};

use super::light_curve::{self, flux_error};
use super::population::{self, TrueObject};
use super::random::{Purpose, Stream};
use super::survey::{Footprint, Visit};
use super::{BAND_COUNT, BANDS, SampleSky, nanojansky};

/// The tables, a director before its children.
pub(super) const NAMES: [&str; 5] = ["Filter", "Visit", "Object", "Source", "ForcedSource"];

/// Magnitude at five sigma on the coadd, u .. y.
const COADD_DEPTH_MAG: [f64; BAND_COUNT] = [25.6, 26.8, 26.8, 26.2, 25.4, 24.4];
/// One band of an object in this many could not be measured: flux and error are NULL.
const UNMEASURED_BAND: f64 = 0.01;
/// One orphan for this many objects, and one more a block.
const OBJECTS_AN_ORPHAN: usize = 40;
/// Source keys of orphans have this bit; those of detections hold the object's number and the visit's.
const ORPHAN_BIT: i64 = 1 << 60;
const VISIT_NUMBER_BITS: u32 = 12;
/// Exposure time of a visit.
const EXPOSURE_S: f64 = 30.0;
/// MJD of 1970-01-01.
const UNIX_EPOCH_MJD: f64 = 40_587.0;

type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

pub(super) fn batches(sky: &SampleSky, table: &str) -> Batches {
    let rows_of_block = match table {
        "Filter" => return Box::new(once(filters())),
        "Visit" => return Box::new(once(visits(sky))),
        "Object" => objects,
        "Source" => sources,
        _ => forced_sources,
    };
    let sky = sky.clone();
    Box::new((0..sky.blocks()).map(move |block| rows_of_block(&sky, block)))
}

/// Named columns in order.
struct Columns(Vec<(String, ArrayRef)>);

impl Columns {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn add(&mut self, name: impl Into<String>, array: impl arrow::array::Array + 'static) -> &mut Self {
        self.0.push((name.into(), Arc::new(array)));
        self
    }

    fn longs(&mut self, name: &str, values: impl IntoIterator<Item = i64>) -> &mut Self {
        self.add(name, Int64Array::from_iter_values(values))
    }

    fn doubles(&mut self, name: &str, values: impl IntoIterator<Item = f64>) -> &mut Self {
        self.add(name, Float64Array::from_iter_values(values))
    }

    fn floats(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> &mut Self {
        self.add(name, Float32Array::from_iter_values(values.into_iter().map(|value| value as f32)))
    }

    fn floats_or_null(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = Option<f64>>) -> &mut Self {
        self.add(name, Float32Array::from_iter(values.into_iter().map(|value| value.map(|value| value as f32))))
    }

    fn text<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a str>) -> &mut Self {
        self.add(name, StringArray::from_iter_values(values))
    }

    fn booleans(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = bool>) -> &mut Self {
        self.add(name, BooleanArray::from_iter(values.into_iter().map(Some)))
    }

    fn batch(self) -> Result<RecordBatch> {
        RecordBatch::try_from_iter_with_nullable(self.0.into_iter().map(|(name, array)| (name, array, true)))
            .map_err(|error| Error::internal("cannot make a batch of the sample sky").caused_by(error))
    }
}

fn filters() -> Result<RecordBatch> {
    // Band edges and mean wavelengths in nanometres, rounded, of a ugrizy filter set.
    const EDGES_NM: [[f64; 3]; BAND_COUNT] = [
        [320.0, 368.0, 400.0],
        [400.0, 480.0, 552.0],
        [552.0, 622.0, 691.0],
        [691.0, 754.0, 818.0],
        [818.0, 869.0, 922.0],
        [950.0, 971.0, 1080.0],
    ];
    let mut columns = Columns::new();
    columns
        .add("filterId", Int16Array::from_iter_values(0..BAND_COUNT as i16))
        .text("band", BANDS)
        .text("physicalFilter", PHYSICAL_FILTERS)
        .doubles("minWavelength", EDGES_NM.map(|edges| edges[0]))
        .doubles("meanWavelength", EDGES_NM.map(|edges| edges[1]))
        .doubles("maxWavelength", EDGES_NM.map(|edges| edges[2]));
    columns.batch()
}

const PHYSICAL_FILTERS: [&str; BAND_COUNT] = ["u_24", "g_6", "r_57", "i_39", "z_20", "y_10"];

fn visits(sky: &SampleSky) -> Result<RecordBatch> {
    let mut visits: Vec<&Visit> = sky.survey.visits().iter().collect();
    visits.sort_by_key(|visit| visit.id);
    let each = |value: fn(&Visit) -> f64| visits.iter().map(move |visit| value(visit));
    let pointing = |visit: &&&Visit| sky.survey.pointings.get(visit.pointing).copied();
    // From the middle of the exposure in days to its start in microseconds.
    let start_us = |visit: &&Visit| {
        let days = visit.midpoint_mjd_tai - EXPOSURE_S / 2.0 / 86_400.0 - UNIX_EPOCH_MJD;
        (days * 86_400.0 * 1e6).round() as i64
    };
    let mut columns = Columns::new();
    columns
        .longs("visit", visits.iter().map(|visit| visit.id))
        .add("night", Int32Array::from_iter_values(visits.iter().map(|visit| visit.night)))
        .text("band", visits.iter().map(|visit| BANDS[visit.band]))
        .text("physicalFilter", visits.iter().map(|visit| PHYSICAL_FILTERS[visit.band]))
        .add("ra", Float64Array::from_iter(visits.iter().map(|visit| pointing(&visit).map(|place| place.ra_deg))))
        .add("dec", Float64Array::from_iter(visits.iter().map(|visit| pointing(&visit).map(|place| place.dec_deg))))
        .doubles("skyRotation", each(|visit| visit.sky_rotation_deg))
        .floats("airmass", each(|visit| visit.airmass))
        .floats("seeing", each(|visit| visit.seeing_arcsec))
        .floats("expTime", each(|_| EXPOSURE_S))
        .doubles("expMidptMJD", each(|visit| visit.midpoint_mjd_tai))
        .add("obsStart", TimestampMicrosecondArray::from_iter_values(visits.iter().map(start_us)));
    columns.batch()
}

fn objects(sky: &SampleSky, block: usize) -> Result<RecordBatch> {
    let random = &mut Stream::new(sky.seed, Purpose::CoaddPhotometry, block as u64);
    let objects = sky.block(block);
    let each = |value: fn(&TrueObject) -> f64| objects.iter().map(value);
    let photometry: Vec<Photometry> = objects.iter().map(|object| Photometry::measure(object, random)).collect();
    let motions: Vec<Option<Motion>> = objects.iter().map(|object| Motion::measure(object, random)).collect();
    let motion = |value: fn(&Motion) -> f64| motions.iter().map(move |motion| motion.as_ref().map(value));

    let mut columns = Columns::new();
    columns
        .longs("objectId", objects.iter().map(|object| object.id))
        .add("parentObjectId", Int64Array::from_iter(objects.iter().map(|object| object.parent)))
        .doubles("coord_ra", each(|object| object.place.ra_deg))
        .doubles("coord_dec", each(|object| object.place.dec_deg))
        .floats("coord_raErr", photometry.iter().map(|measured| measured.centre_error_deg))
        .floats("coord_decErr", photometry.iter().map(|measured| measured.centre_error_deg))
        .longs("tract", objects.iter().map(|object| object.tract))
        .longs("patch", objects.iter().map(|object| object.patch))
        .floats("ebv", each(|object| object.ebv_mag))
        .text("refBand", photometry.iter().map(|measured| BANDS[measured.reference_band]))
        .floats_or_null("refExtendedness", photometry.iter().map(|measured| measured.extendedness))
        .floats("shape_xx", each(|object| object.shape_arcsec2[0]))
        .floats("shape_yy", each(|object| object.shape_arcsec2[1]))
        .floats("shape_xy", each(|object| object.shape_arcsec2[2]))
        .floats_or_null("parallax", motion(|motion| motion.parallax_mas))
        .floats_or_null("parallaxErr", motion(|motion| motion.error_mas))
        .floats_or_null("pmRa", motion(|motion| motion.east_mas_yr))
        .floats_or_null("pmDec", motion(|motion| motion.north_mas_yr))
        .booleans("detect_isPrimary", objects.iter().map(|object| object.is_primary))
        .booleans("deblend_failed", photometry.iter().map(|measured| measured.deblend_failed));
    for (band, name) in BANDS.iter().enumerate() {
        let each = |value: fn(&BandFlux) -> f64| {
            photometry.iter().map(move |measured| measured.bands[band].as_ref().map(value))
        };
        columns
            .floats_or_null(format!("{name}_psfFlux"), each(|flux| flux.psf_njy))
            .floats_or_null(format!("{name}_psfFluxErr"), each(|flux| flux.error_njy))
            .floats_or_null(format!("{name}_cModelFlux"), each(|flux| flux.model_njy))
            .floats_or_null(format!("{name}_cModelFluxErr"), each(|flux| flux.error_njy * 1.2))
            .booleans(format!("{name}_psfFlux_flag"), photometry.iter().map(|measured| measured.bands[band].is_none()));
    }
    columns.batch()
}

/// What the coadd shows of an object.
struct Photometry {
    /// `None` where it could not be measured.
    bands: [Option<BandFlux>; BAND_COUNT],
    reference_band: usize,
    extendedness: Option<f64>,
    centre_error_deg: f64,
    deblend_failed: bool,
}

struct BandFlux {
    psf_njy: f64,
    model_njy: f64,
    error_njy: f64,
}

impl Photometry {
    fn measure(object: &TrueObject, random: &mut Stream) -> Self {
        let bands: [Option<BandFlux>; BAND_COUNT] = std::array::from_fn(|band| {
            let true_njy = object.quiet_njy[band];
            let error_njy = flux_error(true_njy, nanojansky(COADD_DEPTH_MAG[band]) / 5.0);
            let psf_njy = true_njy + error_njy * random.normal();
            // An extended object has light outside the point spread function.
            let outside = if object.is_star { 0.0 } else { random.exponential(0.25) };
            let model_njy = psf_njy + outside * true_njy + 0.3 * error_njy * random.normal();
            (!random.chance(UNMEASURED_BAND)).then_some(BandFlux { psf_njy, model_njy, error_njy })
        });
        let signal_to_noise = |band: usize| bands[band].as_ref().map_or(0.0, |flux| flux.psf_njy / flux.error_njy);
        // The i band, or the first of the others in which it is clearly seen.
        let reference_band = [3, 2, 4, 1, 5, 0].into_iter().find(|band| signal_to_noise(*band) > 5.0).unwrap_or(3);
        let seen = signal_to_noise(reference_band);
        // Faint galaxies are taken for stars, now and then.
        let looks_like_star = object.is_star != (seen < 10.0 && random.chance(0.2));
        Self {
            extendedness: (seen > 3.0).then_some(if looks_like_star { 0.0 } else { 1.0 }),
            centre_error_deg: (0.3 / seen.max(1.0) + 0.005) / 3600.0,
            deblend_failed: object.parent.is_some() && random.chance(0.05),
            reference_band,
            bands,
        }
    }
}

/// Parallax and proper motion: stars that are bright enough have them.
struct Motion {
    parallax_mas: f64,
    error_mas: f64,
    east_mas_yr: f64,
    north_mas_yr: f64,
}

impl Motion {
    fn measure(object: &TrueObject, random: &mut Stream) -> Option<Self> {
        const FAINTEST_R_NJY: f64 = 14_000.0; // 21 mag
        if !object.is_star || object.quiet_njy[2] < FAINTEST_R_NJY {
            return None;
        }
        let parallax_mas = random.exponential(0.6);
        let error_mas = 0.3 + random.exponential(0.2);
        Some(Self {
            parallax_mas: parallax_mas + error_mas * random.normal(),
            error_mas,
            east_mas_yr: 8.0 * (0.2 + parallax_mas) * random.normal(),
            north_mas_yr: 8.0 * (0.2 + parallax_mas) * random.normal(),
        })
    }
}

#[derive(Default)]
struct SourceRows {
    source_id: Vec<i64>,
    object_id: Vec<Option<i64>>,
    visit: Vec<i64>,
    detector: Vec<i16>,
    band: Vec<&'static str>,
    midpoint_mjd_tai: Vec<f64>,
    ra_deg: Vec<f64>,
    dec_deg: Vec<f64>,
    psf_njy: Vec<f64>,
    error_njy: Vec<f64>,
    aperture_njy: Vec<f64>,
    signal_to_noise: Vec<f64>,
    extendedness: Vec<f64>,
    is_flagged: Vec<bool>,
    is_saturated: Vec<bool>,
}

fn sources(sky: &SampleSky, block: usize) -> Result<RecordBatch> {
    let random = &mut light_curve::stream(sky, block);
    let objects = sky.block(block);
    let mut rows = SourceRows::default();
    for (position, object) in objects.iter().enumerate() {
        for epoch in light_curve::epochs(sky, object, random).filter(|epoch| epoch.is_detected()) {
            let place = object.place.offset(epoch.east_deg, epoch.north_deg);
            rows.source_id.push(child_key(block, position, epoch.number));
            rows.object_id.push(Some(object.id));
            rows.visit.push(epoch.visit.id);
            rows.detector.push(epoch.detector);
            rows.band.push(BANDS[epoch.visit.band]);
            rows.midpoint_mjd_tai.push(epoch.visit.midpoint_mjd_tai);
            rows.ra_deg.push(place.ra_deg);
            rows.dec_deg.push(place.dec_deg);
            rows.psf_njy.push(epoch.flux_njy);
            rows.error_njy.push(epoch.flux_error_njy);
            rows.aperture_njy.push(epoch.flux_njy * if object.is_star { 1.01 } else { 1.2 });
            rows.signal_to_noise.push(epoch.signal_to_noise());
            rows.extendedness.push(if object.is_star { 0.0 } else { 1.0 });
            rows.is_flagged.push(epoch.is_flagged);
            rows.is_saturated.push(epoch.is_saturated());
        }
    }
    add_orphans(sky, block, objects.len(), &mut rows);

    let mut columns = Columns::new();
    columns
        .longs("sourceId", rows.source_id)
        .add("objectId", Int64Array::from(rows.object_id))
        .longs("visit", rows.visit)
        .add("detector", Int16Array::from(rows.detector))
        .text("band", rows.band)
        .doubles("midpointMjdTai", rows.midpoint_mjd_tai)
        .doubles("coord_ra", rows.ra_deg)
        .doubles("coord_dec", rows.dec_deg)
        .floats("psfFlux", rows.psf_njy)
        .floats("psfFluxErr", rows.error_njy)
        .floats("apFlux", rows.aperture_njy)
        .floats("snr", rows.signal_to_noise)
        .floats("extendedness", rows.extendedness)
        .booleans("psfFlux_flag", rows.is_flagged)
        .booleans("pixelFlags_saturated", rows.is_saturated);
    columns.batch()
}

/// Detections of what is in no coadd: half have no object, half name one that is gone.
fn add_orphans(sky: &SampleSky, block: usize, objects: usize, rows: &mut SourceRows) {
    let random = &mut Stream::new(sky.seed, Purpose::Orphans, block as u64);
    for orphan in 0..objects / OBJECTS_AN_ORPHAN + 2 {
        let number = ((block as i64) << 16) | orphan as i64;
        let footprint = [Footprint::Main, Footprint::Wrap, Footprint::Main, Footprint::Pole][orphan % 4];
        let place = footprint.draw(random);
        let visits = sky.survey.visits_at(sky.survey.nearest_pointing(place));
        let Some(visit) = visits.get(random.below(visits.len())) else { continue };
        let signal_to_noise = 5.0 + random.exponential(10.0);
        let flux_njy = signal_to_noise * visit.sky_noise_njy;
        rows.source_id.push(ORPHAN_BIT | number);
        rows.object_id.push((orphan % 2 == 1).then(|| population::unknown_key(place, number)));
        rows.visit.push(visit.id);
        rows.detector.push(random.below(189) as i16);
        rows.band.push(BANDS[visit.band]);
        rows.midpoint_mjd_tai.push(visit.midpoint_mjd_tai);
        rows.ra_deg.push(place.ra_deg);
        rows.dec_deg.push(place.dec_deg);
        rows.psf_njy.push(flux_njy);
        rows.error_njy.push(visit.sky_noise_njy);
        rows.aperture_njy.push(flux_njy * 1.01);
        rows.signal_to_noise.push(signal_to_noise);
        rows.extendedness.push(0.0);
        rows.is_flagged.push(false);
        rows.is_saturated.push(false);
    }
}

fn forced_sources(sky: &SampleSky, block: usize) -> Result<RecordBatch> {
    let random = &mut light_curve::stream(sky, block);
    let objects = sky.block(block);
    let (mut keys, mut object_ids, mut visits, mut detectors) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut bands, mut flags) = (Vec::new(), Vec::new());
    let (mut fluxes, mut errors, mut differences) = (Vec::new(), Vec::new(), Vec::new());
    for (position, object) in objects.iter().enumerate() {
        for epoch in light_curve::epochs(sky, object, random) {
            keys.push(child_key(block, position, epoch.number));
            object_ids.push(object.id);
            visits.push(epoch.visit.id);
            detectors.push(epoch.detector);
            bands.push(BANDS[epoch.visit.band]);
            let measured = !epoch.is_flagged;
            fluxes.push(measured.then_some(epoch.flux_njy));
            errors.push(measured.then_some(epoch.flux_error_njy));
            differences.push(measured.then_some(epoch.difference_njy));
            flags.push(epoch.is_flagged);
        }
    }
    let mut columns = Columns::new();
    columns
        .longs("forcedSourceId", keys)
        .longs("objectId", object_ids)
        .longs("visit", visits)
        .add("detector", Int16Array::from(detectors))
        .text("band", bands)
        .floats_or_null("psfFlux", fluxes)
        .floats_or_null("psfFluxErr", errors.iter().copied())
        .floats_or_null("psfDiffFlux", differences)
        .floats_or_null("psfDiffFluxErr", errors.iter().map(|error| error.map(|sigma| sigma * 1.05)))
        .booleans("psfFlux_flag", flags);
    columns.batch()
}

fn child_key(block: usize, position: usize, visit_number: usize) -> i64 {
    let object_number = (block * super::BLOCK_OBJECTS + position) as i64;
    ((object_number + 1) << VISIT_NUMBER_BITS) | visit_number as i64
}
