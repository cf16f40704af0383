//! The sky partition: which chunk a position is in, and which chunks a region touches.
//!
//! A [`Pixelization`] divides the sphere into nested cells; there are two, [`Healpix`] (the default) and [`H3`]. A
//! [`SkyPartition`] is a pixelization, the order of its chunks and an overlap radius. A load asks it for the chunk of each
//! row ([`SkyPartition::chunk`]) and for the chunks whose overlap the row belongs to
//! ([`SkyPartition::overlap_chunks`]); a query asks for the chunks that its region touches
//! ([`SkyPartition::chunks_touching`]). Answers about *which others* may hold a few too many, never one too few.
//!
//! Absent: where chunks are kept, and which chunks have rows. The catalog knows that.

mod descent;
mod h3;
mod healpix;
mod ids;
mod pixelization;
mod sky_partition;
#[cfg(test)]
mod tests;

pub use h3::H3;
pub use healpix::Healpix;
pub use ids::{Cell, ChunkId, PixelizationKind, SubChunkId};
pub use pixelization::Pixelization;
pub use sky_partition::{LARGEST_OVERLAP_ARCSEC, SkyPartition};

pub use crate::sky::healpix_29;
