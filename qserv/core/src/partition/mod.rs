//! The sky partition: which chunk a position is in, and which chunks a region touches.

mod ids;

pub use ids::{Cell, ChunkId, PixelizationKind, SubChunkId};

use crate::sky::Angle;
use crate::{Error, Result};

/// A pixelization, a chunk order and an overlap radius: everything that decides where a row lives. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SkyPartition {
    kind: PixelizationKind,
    chunk_order: u8,
    overlap: Angle,
}

impl SkyPartition {
    /// A partition.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the order or the overlap is out of bounds.
    pub fn new(kind: PixelizationKind, chunk_order: u8, overlap_arcsec: f64) -> Result<Self> {
        if !overlap_arcsec.is_finite() || overlap_arcsec < 0.0 {
            return Err(Error::invalid(format!(
                "an overlap must be a finite number of arc seconds, not {overlap_arcsec}"
            )));
        }
        Ok(Self { kind, chunk_order, overlap: Angle::from_arcsec(overlap_arcsec) })
    }

    /// The pixelization.
    #[must_use]
    pub fn kind(&self) -> PixelizationKind {
        self.kind
    }

    /// The order of the chunks.
    #[must_use]
    pub fn chunk_order(&self) -> u8 {
        self.chunk_order
    }

    /// The overlap radius.
    #[must_use]
    pub fn overlap(&self) -> Angle {
        self.overlap
    }
}
