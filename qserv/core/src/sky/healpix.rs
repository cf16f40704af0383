//! HEALPix cells in the nested scheme, on top of the crate `cdshealpix`: positions to cells, and caps around cells.

use cdshealpix::nested::get;
use cdshealpix::{best_starting_depth, has_best_starting_depth, largest_center_to_vertex_distance};

use super::cap::MARGIN_DEG;
use super::position::wrap_lon_deg;
use super::{Angle, Cap, Position};

/// The finest order: its cells are 0.4 milli arc seconds wide.
pub(crate) const FINEST_ORDER: u8 = 29;

/// Cells of order 0.
pub(crate) const BASE_CELLS: u64 = 12;

/// Nothing of a cell is farther from its centre than its farthest vertex is. `cdshealpix` approximates that distance, and
/// was seen to fall short by 5 % at order 1, 8 % at order 2, and half as much at each further order: see
/// [`radius_room`].
const RADIUS_ROOM: f64 = 1.001;

/// What the approximated radius of a cell is multiplied with. At order 0 it is exact.
fn radius_room(order: u8) -> f64 {
    if order == 0 { RADIUS_ROOM } else { RADIUS_ROOM + 0.75 / f64::from(1_u32 << order) }
}

/// The nested order-29 HEALPix cell of a position in degrees: the value of the HATS column `_healpix_29`.
///
/// The cell of an order `k` is this shifted right by `2 * (29 - k)` bits. What is not a position gets some cell, and no
/// panic; callers refuse such rows before.
#[inline]
#[must_use]
pub fn healpix_29(lon_deg: f64, lat_deg: f64) -> u64 {
    // The crate insists on numbers in range; `max` turns a NaN into one.
    let lon_deg = wrap_lon_deg(lon_deg).max(0.0);
    let lat_deg = if lat_deg.abs() <= 90.0 { lat_deg } else { 0.0 };
    get(FINEST_ORDER).hash(lon_deg.to_radians(), lat_deg.to_radians())
}

/// The number of cells of an order.
pub(crate) fn cell_count(order: u8) -> u64 {
    BASE_CELLS << (2 * order.min(FINEST_ORDER))
}

/// The range of order-29 cells in a cell.
pub(crate) fn range_29(order: u8, cell: u64) -> std::ops::Range<u64> {
    let shift = 2 * (FINEST_ORDER - order.min(FINEST_ORDER));
    cell << shift..(cell + 1) << shift
}

/// A cap that holds a whole cell, centred on the cell's centre.
pub(crate) fn cap(order: u8, cell: u64) -> Cap {
    let order = order.min(FINEST_ORDER);
    let (lon, lat) = get(order).center(cell.min(cell_count(order) - 1));
    let radius = largest_center_to_vertex_distance(order, lon, lat) * radius_room(order);
    Cap { center: Position::from_radians(lon, lat), radius: Angle::from_degrees(radius.to_degrees() + MARGIN_DEG) }
}

/// The finest order at which everything within a radius of a position is in the position's cell or one of its (at most
/// eight) neighbours; `None` if even the base cells are too small for that.
pub(crate) fn neighbourhood_order(radius: Angle) -> Option<u8> {
    let radius = (radius.degrees() + MARGIN_DEG).to_radians();
    // At order 0 a base cell's neighbours are most of the sky: not worth its special cases.
    has_best_starting_depth(radius).then(|| best_starting_depth(radius)).filter(|order| *order > 0)
}

/// The cells around a cell, the cell itself not among them.
pub(crate) fn neighbours(order: u8, cell: u64) -> Vec<u64> {
    let order = order.min(FINEST_ORDER);
    get(order).neighbours(cell.min(cell_count(order) - 1), false).values_vec()
}

/// The centre of a cell of an order, in the nested numbering; `None` if there is no such order (0 to 29) or cell.
#[must_use]
pub fn healpix_center(order: u8, cell: u64) -> Option<Position> {
    (order <= FINEST_ORDER && cell < cell_count(order)).then(|| center(order, cell))
}

/// The centre of a cell.
pub(super) fn center(order: u8, cell: u64) -> Position {
    let order = order.min(FINEST_ORDER);
    let (lon, lat) = get(order).center(cell.min(cell_count(order) - 1));
    Position::from_radians(lon, lat)
}
