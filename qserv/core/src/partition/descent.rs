//! From the large cells down to the small ones that a region touches: the same way in every pixelization.

use super::{Cell, Pixelization};
use crate::sky::{Cap, Cone, Region, Relation};

/// So many caps are looked at to find out that a cell is not touched; one for which that is not enough counts as touched.
/// A region along a whole side of a cell needs the most, a cone beside a corner a dozen.
const MOST_CAPS: u32 = 200;

/// See [`Pixelization::cells_touching`].
pub(super) fn cells_touching(pixelization: &dyn Pixelization, order: u8, region: &Region) -> Vec<Cell> {
    let relation = |cap: &Cap| region.relation(cap);
    let mut found = Vec::new();
    for root in pixelization.roots() {
        descend(pixelization, 0, root, order, &relation, &mut found);
    }
    found.sort_unstable();
    found
}

/// See [`Pixelization::cells_within`].
pub(super) fn cells_within(pixelization: &dyn Pixelization, order: u8, cone: &Cone) -> Vec<Cell> {
    let relation = |cap: &Cap| cone.relation(cap);
    let mut found = Vec::new();
    // A small cone is in a few cells: no need to come down from the whole sky.
    match pixelization.neighbourhood_order(cone.radius()) {
        Some(start) => {
            let start = start.min(order);
            let cell = pixelization.cell(start, cone.center().lon_deg(), cone.center().lat_deg());
            descend(pixelization, start, cell, order, &relation, &mut found);
            for neighbour in pixelization.neighbours(start, cell) {
                descend(pixelization, start, neighbour, order, &relation, &mut found);
            }
        }
        None => {
            for root in pixelization.roots() {
                descend(pixelization, 0, root, order, &relation, &mut found);
            }
        }
    }
    found.sort_unstable();
    found
}

/// Whether a cell may hold a position of what `relation` relates caps to, looking at most `finer_orders` orders down; false
/// only if it surely holds none.
pub(super) fn may_touch(
    pixelization: &dyn Pixelization,
    order: u8,
    cell: Cell,
    relation: &dyn Fn(&Cap) -> Relation,
    finer_orders: u8,
) -> bool {
    match relation(&pixelization.cap(order, cell)) {
        Relation::Disjoint => false,
        Relation::Inside => true,
        Relation::Partial => {
            let mut caps_left = MOST_CAPS;
            child_may_touch(pixelization, order, cell, relation, finer_orders, &mut caps_left)
        }
    }
}

fn descend(
    pixelization: &dyn Pixelization,
    order: u8,
    cell: Cell,
    target_order: u8,
    relation: &dyn Fn(&Cap) -> Relation,
    found: &mut Vec<Cell>,
) {
    match relation(&pixelization.cap(order, cell)) {
        Relation::Disjoint => {}
        Relation::Inside => append_all(pixelization, order, cell, target_order, found),
        Relation::Partial if order < target_order => {
            for child in pixelization.children(order, cell) {
                descend(pixelization, order + 1, child, target_order, relation, found);
            }
        }
        Relation::Partial => {
            let mut caps_left = MOST_CAPS;
            let finer_orders = pixelization.refinement_orders();
            if child_may_touch(pixelization, order, cell, relation, finer_orders, &mut caps_left) {
                found.push(cell);
            }
        }
    }
}

/// Looks for one small cell in `cell` whose cap is touched. Caps around cells overlap the neighbours, so a region beside a
/// cell touches its cap; the smaller the cells, the less so.
fn child_may_touch(
    pixelization: &dyn Pixelization,
    order: u8,
    cell: Cell,
    relation: &dyn Fn(&Cap) -> Relation,
    orders_left: u8,
    caps_left: &mut u32,
) -> bool {
    if orders_left == 0 || order >= pixelization.max_order() {
        return true;
    }
    pixelization.children(order, cell).into_iter().any(|child| {
        if *caps_left == 0 {
            return true;
        }
        *caps_left -= 1;
        match relation(&pixelization.cap(order + 1, child)) {
            Relation::Disjoint => false,
            Relation::Inside => true,
            Relation::Partial => child_may_touch(pixelization, order + 1, child, relation, orders_left - 1, caps_left),
        }
    })
}

fn append_all(pixelization: &dyn Pixelization, order: u8, cell: Cell, target_order: u8, found: &mut Vec<Cell>) {
    if order >= target_order {
        found.push(cell);
        return;
    }
    for child in pixelization.children(order, cell) {
        append_all(pixelization, order + 1, child, target_order, found);
    }
}
