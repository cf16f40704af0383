//! What the partition needs to know of a hierarchical division of the sphere.

use std::fmt::Debug;

use super::{Cell, PixelizationKind};
use crate::sky::{Angle, Cap, Position, Region};

/// The area of the whole sky in square degrees.
const SKY_DEG2: f64 = 41_252.961_249_419_27;

/// A hierarchical division of the sphere into cells: each position is in exactly one cell of each order, and each cell of
/// an order is in exactly one cell, its parent, of each coarser order.
///
/// A cell is known by its number and its order together. A number that is no cell of its order gives some answer and no
/// panic, as does an order that is too fine.
pub trait Pixelization: Send + Sync + Debug {
    /// Which one it is.
    fn kind(&self) -> PixelizationKind;

    /// The finest order.
    fn max_order(&self) -> u8;

    /// The cell of a position in degrees (finite, latitude within `[-90, 90]`) at an order.
    fn cell(&self, order: u8, lon_deg: f64, lat_deg: f64) -> Cell;

    /// The cell of `parent_order` that holds a cell of the finer or same `order`.
    fn parent(&self, cell: Cell, order: u8, parent_order: u8) -> Cell;

    /// The cells of order 0, sorted.
    fn roots(&self) -> Vec<Cell>;

    /// The cells of the next finer order in a cell.
    fn children(&self, order: u8, cell: Cell) -> Vec<Cell>;

    /// The centre of a cell.
    fn center(&self, order: u8, cell: Cell) -> Position {
        self.cap(order, cell).center
    }

    /// A cap around the centre of a cell that holds every position whose cell it is.
    fn cap(&self, order: u8, cell: Cell) -> Cap;

    /// The finest order whose cells are all wide enough that everything within a radius of a position is in the
    /// position's cell or in [`Self::neighbours`] of it; `None` if no order's are.
    fn neighbourhood_order(&self, radius: Angle) -> Option<u8>;

    /// The cells around a cell (see [`Self::neighbourhood_order`]), itself not among them.
    fn neighbours(&self, order: u8, cell: Cell) -> Vec<Cell>;

    /// The number of cells of an order.
    fn cell_count(&self, order: u8) -> u64;

    /// The mean area of the cells of an order in square degrees.
    fn mean_area_deg2(&self, order: u8) -> f64 {
        SKY_DEG2 / self.cell_count(order) as f64
    }

    /// How many orders finer than a cell it is worth looking to tell whether a region touches the cell.
    fn refinement_orders(&self) -> u8;

    /// The cells of an order that hold a position inside a region, and perhaps a few that it only comes near; sorted.
    fn cells_touching(&self, order: u8, region: &Region) -> Vec<Cell>;

    /// The cells of an order that hold a position within a radius of a position, and perhaps a few that only come near
    /// it; sorted. Empty for what is not a position.
    fn cells_within(&self, order: u8, lon_deg: f64, lat_deg: f64, radius: Angle) -> Vec<Cell>;
}
