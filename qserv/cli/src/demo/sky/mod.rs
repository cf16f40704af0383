//! The sample sky: a small LSST-like survey made from a seed.
//!
//! [`SampleSky`] makes five tables. `Object` (director) holds stars and galaxies, uniform and clustered, in a box of the
//! southern sky, a box around right ascension 0 and a cap around the south pole, with a blended companion for one in fifty
//! and a second measurement at the same place for one in five hundred. `Source` and `ForcedSource` (children) hold their
//! light curves, taken at the visits of `Visit` (replicated) in the bands of `Filter` (replicated). Two in a hundred stars
//! pulsate, one galaxy in two hundred has a supernova. A few sources have no object (a NULL key), a few a key that no object
//! has ([`SampleSky::is_unknown_object_id`]).
//!
//! Rows are made in blocks of [`BLOCK_OBJECTS`] objects, each from random streams of its own: memory holds one block, and
//! the first objects of a large sky are those of a small one with the same seed.
//!
//! The life of a row: `Universe::block` draws the true object, `light_curve::epochs` lets the visits of the nearest
//! pointing measure it, `tables` writes both as Arrow.

mod files;
mod light_curve;
mod place;
mod population;
mod random;
mod survey;
mod tables;

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use qserv_core::Result;
use qserv_core::partition::PixelizationKind;

pub use files::SampleFile;
use population::{TrueObject, Universe, Variation};
use survey::Survey;

/// The name of the database that the layout declares.
pub const DATABASE: &str = "demo";
/// Objects a block: one block is one batch of `Object`.
pub const BLOCK_OBJECTS: usize = 5_000;
/// The most objects that a sky may have: key numbers above are those that no object has.
pub const MAX_OBJECTS: u64 = 1 << 32;

const BANDS: [&str; BAND_COUNT] = ["u", "g", "r", "i", "z", "y"];
const BAND_COUNT: usize = 6;

/// AB magnitude to flux in nanojansky.
fn nanojansky(magnitude: f64) -> f64 {
    10f64.powf((31.4 - magnitude) / 2.5)
}

/// A sample sky: a seed and a number of objects, from which every row follows.
#[derive(Debug, Clone)]
pub struct SampleSky {
    seed: u64,
    objects: u64,
    survey: Arc<Survey>,
    universe: Arc<Universe>,
}

/// One table of a [`SampleSky`] as a stream of batches with the declared columns in declared order.
pub struct SampleTable {
    /// The table's name.
    pub name: &'static str,
    /// Its rows; memory holds one batch at a time.
    pub batches: Box<dyn Iterator<Item = Result<RecordBatch>> + Send>,
}

impl std::fmt::Debug for SampleTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SampleTable").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A pulsating star of the sample sky, for examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PulsatingStar {
    /// Its key.
    pub object_id: i64,
    /// ICRS right ascension in degrees.
    pub ra_deg: f64,
    /// ICRS declination in degrees.
    pub dec_deg: f64,
    /// Its period in days.
    pub period_d: f64,
    /// Number of visits that measured it.
    pub visits: usize,
}

impl SampleSky {
    /// The sky of this seed with this many objects, at least 1 and at most [`MAX_OBJECTS`]. Nothing is made yet.
    #[must_use]
    pub fn new(seed: u64, objects: u64) -> Self {
        Self {
            seed,
            objects: objects.clamp(1, MAX_OBJECTS),
            survey: Arc::new(Survey::new(seed)),
            universe: Arc::new(Universe::new(seed)),
        }
    }

    /// Number of rows of `Object`.
    #[must_use]
    pub fn objects(&self) -> u64 {
        self.objects
    }

    /// The Felis file that declares the tables.
    #[must_use]
    pub fn felis(&self) -> &'static str {
        include_str!("demo.felis.yaml")
    }

    /// The layout TOML. `chunk_order` `None` leaves the choice to the first load.
    #[must_use]
    pub fn layout(&self, pixelization: PixelizationKind, chunk_order: Option<u8>, overlap_arcsec: f64) -> String {
        let chunk_order = chunk_order.map(|order| format!("chunk_order = {order}\n")).unwrap_or_default();
        format!(
            "[database]\nname = \"{DATABASE}\"\npixelization = \"{pixelization}\"\n{chunk_order}overlap_arcsec = \
             {overlap_arcsec:?}\n\n{}",
            include_str!("demo.tables.toml")
        )
    }

    /// The tables in an order in which they can be loaded: a director before its children.
    #[must_use]
    pub fn tables(&self) -> Vec<SampleTable> {
        tables::NAMES.iter().map(|name| SampleTable { name, batches: tables::batches(self, name) }).collect()
    }

    /// Whether a source's `objectId` is one of those that no object has: together with NULL, the declared orphans.
    #[must_use]
    pub fn is_unknown_object_id(object_id: i64) -> bool {
        population::is_unknown_key(object_id)
    }

    /// The best observed bright pulsating star among the first objects; `None` only in a tiny sky.
    #[must_use]
    pub fn pulsating_star(&self) -> Option<PulsatingStar> {
        const SEARCHED_BLOCKS: usize = 4;
        const BRIGHT_NJY: f64 = 20_000.0;
        (0..self.blocks().min(SEARCHED_BLOCKS))
            .flat_map(|block| self.block(block))
            .filter_map(|object| match object.variation {
                Variation::Periodic { period_d, .. } if object.quiet_njy[2] > BRIGHT_NJY && object.is_primary => {
                    let visits = self.survey.visits_at(self.survey.nearest_pointing(object.place)).len();
                    let (ra_deg, dec_deg) = (object.place.ra_deg, object.place.dec_deg);
                    Some(PulsatingStar { object_id: object.id, ra_deg, dec_deg, period_d, visits })
                }
                _ => None,
            })
            .reduce(|best, star| if star.visits > best.visits { star } else { best })
    }

    fn blocks(&self) -> usize {
        usize::try_from(self.objects.div_ceil(BLOCK_OBJECTS as u64)).unwrap_or(usize::MAX)
    }

    fn block(&self, block: usize) -> Vec<TrueObject> {
        let before = block as u64 * BLOCK_OBJECTS as u64;
        let count = self.objects.saturating_sub(before).min(BLOCK_OBJECTS as u64);
        self.universe.block(block, usize::try_from(count).unwrap_or(BLOCK_OBJECTS))
    }
}

#[cfg(test)]
mod tests;
