//! HEALPix in the nested scheme.

use super::{Cell, Pixelization, PixelizationKind, descent};
use crate::sky::healpix::{self, FINEST_ORDER};
use crate::sky::{Angle, Cap, Cone, Region, healpix_29};

/// Eight orders down cells are 1/256 as wide.
const REFINEMENT_ORDERS: u8 = 8;

/// HEALPix in the nested scheme: cells of an order have equal areas, parents are exact, and a cell of any order is the
/// leading bits of the order-29 cell.
#[derive(Debug, Clone, Copy, Default)]
pub struct Healpix;

impl Pixelization for Healpix {
    fn kind(&self) -> PixelizationKind {
        PixelizationKind::Healpix
    }

    fn max_order(&self) -> u8 {
        FINEST_ORDER
    }

    #[inline]
    fn cell(&self, order: u8, lon_deg: f64, lat_deg: f64) -> Cell {
        // By way of the finest order, so that a cell and its parent cannot disagree by rounding.
        Cell(healpix_29(lon_deg, lat_deg) >> (2 * FINEST_ORDER.saturating_sub(order)))
    }

    #[inline]
    fn parent(&self, cell: Cell, order: u8, parent_order: u8) -> Cell {
        Cell(cell.0 >> (2 * order.saturating_sub(parent_order).min(FINEST_ORDER)))
    }

    fn roots(&self) -> Vec<Cell> {
        (0..healpix::BASE_CELLS).map(Cell).collect()
    }

    fn children(&self, _order: u8, cell: Cell) -> Vec<Cell> {
        (0..4).map(|child| Cell((cell.0 << 2) | child)).collect()
    }

    fn cap(&self, order: u8, cell: Cell) -> Cap {
        healpix::cap(order, cell.0)
    }

    fn neighbourhood_order(&self, radius: Angle) -> Option<u8> {
        healpix::neighbourhood_order(radius)
    }

    fn neighbours(&self, order: u8, cell: Cell) -> Vec<Cell> {
        healpix::neighbours(order, cell.0).into_iter().map(Cell).collect()
    }

    fn cell_count(&self, order: u8) -> u64 {
        healpix::cell_count(order)
    }

    fn refinement_orders(&self) -> u8 {
        REFINEMENT_ORDERS
    }

    fn cells_touching(&self, order: u8, region: &Region) -> Vec<Cell> {
        let order = order.min(FINEST_ORDER);
        // A map is made of HEALPix cells itself.
        if let Region::Moc(moc) = region {
            let shift = 2 * (FINEST_ORDER - order);
            let mut cells: Vec<Cell> = moc
                .ranges()
                .iter()
                .flat_map(|range| range.start >> shift..=(range.end - 1) >> shift)
                .map(Cell)
                .collect();
            cells.dedup();
            return cells;
        }
        descent::cells_touching(self, order, region)
    }

    fn cells_within(&self, order: u8, lon_deg: f64, lat_deg: f64, radius: Angle) -> Vec<Cell> {
        Cone::new(lon_deg, lat_deg, radius.degrees())
            .map(|cone| descent::cells_within(self, order.min(FINEST_ORDER), &cone))
            .unwrap_or_default()
    }
}
