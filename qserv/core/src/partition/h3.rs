//! H3: hexagons (and twelve pentagons) on an icosahedron.

use h3o::{CellIndex, LatLng, Resolution};

use super::{Cell, Pixelization, PixelizationKind, descent};
use crate::sky::{Angle, Cap, Cone, Position, Region, wrap_lon_deg};

/// The resolution whose cells positions are looked up at; all coarser cells are parents of those. Its hexagons have edges
/// of 0.35 arc seconds. It decides chunks, so a stored database depends on it.
const FINEST_RESOLUTION: Resolution = Resolution::Twelve;

/// The order of [`FINEST_RESOLUTION`].
const FINEST_ORDER: u8 = FINEST_RESOLUTION as u8;

/// No position of a cell is farther from the cell's centre than this many mean edge lengths of its resolution. The largest
/// found, over all cells of resolutions 0 to 4 and their descendants four resolutions down, is 1.145.
const RADIUS_IN_EDGES: f64 = 1.25;

/// Two positions whose cells are not the same and not neighbours are at least this many mean edge lengths of their
/// resolution apart. The least found, in millions of pairs at all resolutions, half of them near pentagons, is 0.73.
const REACH_IN_EDGES: f64 = 0.6;

/// Four orders down cells are 1/49 as wide.
const REFINEMENT_ORDERS: u8 = 4;

/// H3. A position's cell is the *parent* of its cell at a fixed fine resolution (12), never the hexagon that it lies in at
/// the order asked for: in H3 children stick out of their parent's hexagon, and only so is each position in exactly one
/// cell of each order and the cells nested. Cells therefore have frayed edges. Cell numbers are H3 indexes.
#[derive(Debug, Clone, Copy, Default)]
pub struct H3;

impl H3 {
    /// The fine cell of a position; all coarser ones follow from it.
    #[inline]
    fn finest(lon_deg: f64, lat_deg: f64) -> CellIndex {
        // `max` turns a NaN into a number.
        let lon_deg = wrap_lon_deg(lon_deg).max(0.0);
        let lat_deg = if lat_deg.abs() <= 90.0 { lat_deg } else { 0.0 };
        match LatLng::new(lat_deg, lon_deg) {
            Ok(position) => position.to_cell(FINEST_RESOLUTION),
            Err(_) => CellIndex::first(FINEST_RESOLUTION),
        }
    }

    fn index(order: u8, cell: Cell) -> CellIndex {
        CellIndex::try_from(cell.0)
            .ok()
            .filter(|index| index.resolution() == resolution(order))
            .unwrap_or_else(|| CellIndex::first(resolution(order)))
    }
}

fn resolution(order: u8) -> Resolution {
    Resolution::try_from(order.min(FINEST_ORDER)).unwrap_or(FINEST_RESOLUTION)
}

fn cell_of(index: CellIndex) -> Cell {
    Cell(index.into())
}

impl Pixelization for H3 {
    fn kind(&self) -> PixelizationKind {
        PixelizationKind::H3
    }

    fn max_order(&self) -> u8 {
        FINEST_ORDER
    }

    #[inline]
    fn cell(&self, order: u8, lon_deg: f64, lat_deg: f64) -> Cell {
        let finest = Self::finest(lon_deg, lat_deg);
        cell_of(finest.parent(resolution(order)).unwrap_or(finest))
    }

    #[inline]
    fn parent(&self, cell: Cell, order: u8, parent_order: u8) -> Cell {
        let index = Self::index(order, cell);
        cell_of(index.parent(resolution(parent_order)).unwrap_or(index))
    }

    fn roots(&self) -> Vec<Cell> {
        CellIndex::base_cells().map(cell_of).collect()
    }

    fn children(&self, order: u8, cell: Cell) -> Vec<Cell> {
        Self::index(order, cell).children(resolution(order.saturating_add(1))).map(cell_of).collect()
    }

    fn cap(&self, order: u8, cell: Cell) -> Cap {
        let center = LatLng::from(Self::index(order, cell));
        let radius = RADIUS_IN_EDGES * resolution(order).edge_length_rads();
        Cap {
            center: Position::from_radians(center.lng_radians(), center.lat_radians()),
            radius: Angle::from_radians(radius),
        }
    }

    fn neighbourhood_order(&self, radius: Angle) -> Option<u8> {
        (0..=FINEST_ORDER).rev().find(|order| radius.radians() < REACH_IN_EDGES * resolution(*order).edge_length_rads())
    }

    fn neighbours(&self, order: u8, cell: Cell) -> Vec<Cell> {
        let index = Self::index(order, cell);
        let mut cells = index.grid_disk::<Vec<_>>(1);
        cells.retain(|neighbour| *neighbour != index);
        cells.into_iter().map(cell_of).collect()
    }

    fn cell_count(&self, order: u8) -> u64 {
        resolution(order).cell_count()
    }

    fn refinement_orders(&self) -> u8 {
        REFINEMENT_ORDERS
    }

    fn cells_touching(&self, order: u8, region: &Region) -> Vec<Cell> {
        descent::cells_touching(self, order.min(FINEST_ORDER), region)
    }

    fn cells_within(&self, order: u8, lon_deg: f64, lat_deg: f64, radius: Angle) -> Vec<Cell> {
        Cone::new(lon_deg, lat_deg, radius.degrees())
            .map(|cone| descent::cells_within(self, order.min(FINEST_ORDER), &cone))
            .unwrap_or_default()
    }
}
