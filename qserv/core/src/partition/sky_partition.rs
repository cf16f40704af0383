//! The sky partition of a database.

use super::{Cell, ChunkId, H3, Healpix, Pixelization, PixelizationKind, SubChunkId, descent};
use crate::sky::{Angle, Cap, Cone, Region, Relation};
use crate::{Error, Result};

/// The finest chunk order: 12.6 million HEALPix chunks of 3.4 arc minutes, or 14.1 million H3 chunks. More chunks than
/// that are more than a catalog and a query plan should list.
fn finest_chunk_order(kind: PixelizationKind) -> u8 {
    match kind {
        PixelizationKind::Healpix => 10,
        PixelizationKind::H3 => 6,
    }
}

/// The largest overlap radius in arc seconds: one degree. Rows within the overlap are stored again.
pub const LARGEST_OVERLAP_ARCSEC: f64 = 3600.0;

/// A chunk has at most 4^6 HEALPix or 7^3 H3 sub-chunks however small the overlap: fewer rows than a few in each gain
/// nothing.
fn most_sub_chunk_orders(kind: PixelizationKind) -> u8 {
    match kind {
        PixelizationKind::Healpix => 6,
        PixelizationKind::H3 => 3,
    }
}

/// How many orders below the cells next to a position are looked at to find whether another chunk is within the overlap
/// radius. Cells there are about a tenth as wide as the radius: the overlap becomes that much wider than it need be.
fn overlap_refinement_orders(kind: PixelizationKind) -> u8 {
    match kind {
        PixelizationKind::Healpix => 3,
        PixelizationKind::H3 => 2,
    }
}

/// A pixelization, a chunk order and an overlap radius: everything that decides where a row lives. Cheap to clone.
///
/// - A row is in the chunk of its position: [`SkyPartition::chunk`]; always exactly one.
/// - Beside a chunk are kept the rows of other chunks that are within the overlap radius of it: those for which
///   [`SkyPartition::overlap_chunks`] lists it.
/// - A query over a region needs the chunks of [`SkyPartition::chunks_touching`] and no others.
/// - Pairs of rows within the overlap radius are found in one chunk and its overlap, sub-chunk by sub-chunk.
///
/// The sub-chunk order follows from the overlap: the finest order at which everything within the overlap radius of a
/// position is in its sub-chunk or the [neighbours](Pixelization::neighbours) of that, so sub-chunks are never narrower
/// than the overlap radius. It is at least the chunk order (where chunks are themselves too small for that, sub-chunks are
/// the chunks) and at most a few orders more.
#[derive(Debug, Clone, PartialEq)]
pub struct SkyPartition {
    kind: PixelizationKind,
    chunk_order: u8,
    sub_chunk_order: u8,
    overlap: Angle,
    /// The finest order that still tells a neighbourhood of the overlap radius, if it is at least the chunk order.
    border_order: Option<u8>,
}

impl SkyPartition {
    /// A partition from its chunk order and its overlap radius in arc seconds (0 is allowed: then only rows that are on a
    /// border are in an overlap).
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the order is finer than the pixelization's finest chunk order (10 for
    /// HEALPix, 6 for H3), or the overlap is not between 0 and [`LARGEST_OVERLAP_ARCSEC`].
    pub fn new(kind: PixelizationKind, chunk_order: u8, overlap_arcsec: f64) -> Result<Self> {
        let finest = finest_chunk_order(kind);
        if chunk_order > finest {
            return Err(Error::invalid(format!(
                "the chunk order of a {kind} partition is at most {finest}, not {chunk_order}"
            )));
        }
        if !(0.0..=LARGEST_OVERLAP_ARCSEC).contains(&overlap_arcsec) {
            return Err(Error::invalid(format!(
                "an overlap is between 0 and {LARGEST_OVERLAP_ARCSEC} arc seconds, not {overlap_arcsec}"
            )));
        }
        let overlap = Angle::from_arcsec(overlap_arcsec);
        let border_order = kind.pixelization().neighbourhood_order(overlap).filter(|order| *order >= chunk_order);
        let sub_chunk_order =
            border_order.map_or(chunk_order, |border| border.min(chunk_order + most_sub_chunk_orders(kind)));
        Ok(Self { kind, chunk_order, sub_chunk_order, overlap, border_order })
    }

    /// The coarsest chunk order at which a chunk holds at most `target_rows_per_chunk` rows, if `rows` rows are spread
    /// evenly over `area_fraction` of the sky (1, or anything not above 0, is all of it); the finest allowed order if none
    /// does.
    #[must_use]
    pub fn order_for_rows(kind: PixelizationKind, rows: u64, area_fraction: f64, target_rows_per_chunk: u64) -> u8 {
        let fraction = if area_fraction > 0.0 { area_fraction.min(1.0) } else { 1.0 };
        let target = target_rows_per_chunk.max(1) as f64;
        let finest = finest_chunk_order(kind);
        let holds = |order: &u8| {
            let chunks = (kind.pixelization().cell_count(*order) as f64 * fraction).max(1.0);
            rows as f64 / chunks <= target
        };
        (0..finest).find(holds).unwrap_or(finest)
    }

    /// Which pixelization the chunks are cells of.
    #[must_use]
    pub fn kind(&self) -> PixelizationKind {
        self.kind
    }

    /// The pixelization itself.
    #[must_use]
    pub fn pixelization(&self) -> &'static dyn Pixelization {
        self.kind.pixelization()
    }

    /// The order of the chunks.
    #[must_use]
    pub fn chunk_order(&self) -> u8 {
        self.chunk_order
    }

    /// The order of the sub-chunks.
    #[must_use]
    pub fn sub_chunk_order(&self) -> u8 {
        self.sub_chunk_order
    }

    /// The overlap radius.
    #[must_use]
    pub fn overlap(&self) -> Angle {
        self.overlap
    }

    /// The chunk of a position in degrees (finite, latitude within `[-90, 90]`).
    #[inline]
    #[must_use]
    pub fn chunk(&self, lon_deg: f64, lat_deg: f64) -> ChunkId {
        ChunkId(self.cell(self.chunk_order, lon_deg, lat_deg).0)
    }

    /// The sub-chunk of a position in degrees (finite, latitude within `[-90, 90]`); it is in the position's chunk.
    #[inline]
    #[must_use]
    pub fn sub_chunk(&self, lon_deg: f64, lat_deg: f64) -> SubChunkId {
        SubChunkId(self.cell(self.sub_chunk_order, lon_deg, lat_deg).0)
    }

    /// The chunk that a sub-chunk is in.
    #[must_use]
    pub fn chunk_of(&self, sub_chunk: SubChunkId) -> ChunkId {
        ChunkId(self.pixelization().parent(Cell(sub_chunk.0), self.sub_chunk_order, self.chunk_order).0)
    }

    #[inline]
    fn cell(&self, order: u8, lon_deg: f64, lat_deg: f64) -> Cell {
        match self.kind {
            PixelizationKind::Healpix => Healpix.cell(order, lon_deg, lat_deg),
            PixelizationKind::H3 => H3.cell(order, lon_deg, lat_deg),
        }
    }

    /// The chunks that hold a position inside a region, and perhaps a few that it only comes near; sorted. For a region
    /// that is most of the sky these are most of the chunks that there can be; see [`Self::may_touch`].
    #[must_use]
    pub fn chunks_touching(&self, region: &Region) -> Vec<ChunkId> {
        self.pixelization().cells_touching(self.chunk_order, region).into_iter().map(|cell| ChunkId(cell.0)).collect()
    }

    /// Whether a chunk may hold a position inside a region; false only if it surely holds none.
    #[must_use]
    pub fn may_touch(&self, chunk: ChunkId, region: &Region) -> bool {
        let pixelization = self.pixelization();
        let relation = |cap: &Cap| region.relation(cap);
        descent::may_touch(pixelization, self.chunk_order, Cell(chunk.0), &relation, pixelization.refinement_orders())
    }

    /// A cap that holds every position of a chunk.
    #[must_use]
    pub fn chunk_cap(&self, chunk: ChunkId) -> Cap {
        self.pixelization().cap(self.chunk_order, Cell(chunk.0))
    }

    /// Into `out` (cleared first): the *other* chunks that hold a position within the overlap radius of this one (degrees,
    /// finite, latitude within `[-90, 90]`), and perhaps some that are a little farther away; sorted. Symmetric positions
    /// need no symmetric answer: a row goes to the overlap of the chunks listed here.
    ///
    /// Fast where a position is far from its chunk's border, as most are.
    pub fn overlap_chunks(&self, lon_deg: f64, lat_deg: f64, out: &mut Vec<ChunkId>) {
        out.clear();
        let pixelization = self.pixelization();
        let Some(border_order) = self.border_order else {
            let own = self.chunk(lon_deg, lat_deg);
            let near = pixelization.cells_within(self.chunk_order, lon_deg, lat_deg, self.overlap);
            out.extend(near.into_iter().map(|cell| ChunkId(cell.0)).filter(|chunk| *chunk != own));
            return;
        };
        let cell = self.cell(border_order, lon_deg, lat_deg);
        if self.kind == PixelizationKind::Healpix && is_off_border(cell, border_order - self.chunk_order) {
            return;
        }
        let chunk_of = |cell: Cell| ChunkId(pixelization.parent(cell, border_order, self.chunk_order).0);
        let own = chunk_of(cell);
        let mut cone = None;
        for neighbour in pixelization.neighbours(border_order, cell) {
            let chunk = chunk_of(neighbour);
            if chunk == own || out.contains(&chunk) {
                continue;
            }
            if cone.is_none() {
                cone = Cone::new(lon_deg, lat_deg, self.overlap.degrees()).ok();
            }
            let relation = |cap: &Cap| cone.as_ref().map_or(Relation::Partial, |cone| cone.relation(cap));
            let finer_orders = overlap_refinement_orders(self.kind);
            if descent::may_touch(pixelization, border_order, neighbour, &relation, finer_orders) {
                out.push(chunk);
            }
        }
        out.sort_unstable();
    }
}

/// Whether a nested HEALPix cell has all its neighbours in its own ancestor `orders` coarser. The bits of a cell below the
/// ancestor's are its two coordinates in the ancestor, interleaved: neither may be at an end.
#[inline]
fn is_off_border(cell: Cell, orders: u8) -> bool {
    const EVEN_BITS: u64 = 0x5555_5555_5555_5555;
    let inside_ancestor = (1_u64 << (2 * orders)) - 1;
    [EVEN_BITS, !EVEN_BITS].into_iter().all(|axis| {
        let mask = axis & inside_ancestor;
        let coordinate = cell.0 & mask;
        coordinate != 0 && coordinate != mask
    })
}
