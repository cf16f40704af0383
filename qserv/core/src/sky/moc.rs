//! Multi-order coverage maps (IVOA MOC 2.0), on top of the crate `moc`.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use ::moc::moc::range::RangeMOC;
use ::moc::qty::Hpx;

use super::healpix::{self, FINEST_ORDER, cell_count, healpix_29, range_29};
use super::region::Relation;
use super::{Angle, Cap, Region, cover};
use crate::{Error, Result};

/// How many ranges a map's bounding cap is computed from; more ranges only make it a little smaller.
const RANGES_OF_BOUND: usize = 256;

/// A cap beside the map is told from one that touches it by cells this many orders finer than those the cap just fits in.
const FINER_ORDERS: u8 = 2;

/// The most cells that [`Moc::of_region`] makes or looks at, at its last order and on the way to it.
const MOST_CELLS: usize = 1 << 20;

/// A cell at a region's border is told from one beside it by cells this many orders finer.
const FINER_ORDERS_AT_BORDER: u8 = 2;

/// A multi-order coverage map: a set of nested HEALPix cells of orders up to 29. A position is in it if its cell is; on
/// the border between two cells a position belongs to one of them. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Moc {
    /// Order-29 cells: sorted, disjoint, not adjacent.
    ranges: Arc<[Range<u64>]>,
    bounding_cap: Cap,
}

impl Moc {
    /// A map from its cells, each an order and a nested cell number; they may repeat and overlap.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if an order is above 29 or a cell is not of its order.
    pub fn from_cells(cells: impl IntoIterator<Item = (u8, u64)>) -> Result<Self> {
        let ranges = cells.into_iter().map(|(order, cell)| cells_29(order, cell, cell)).collect::<Result<Vec<_>>>()?;
        Ok(Self::from_ranges(ranges))
    }

    /// A map from the ASCII form of the MOC standard: `order/cells`, cells being numbers and ranges `first-last`,
    /// separated by commas or blanks; for example `3/10-12 5/0,7`. Empty text is the empty map.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid), with the faulty part, for other text, orders above 29, and cells that are
    /// not of their order.
    pub fn from_ascii(text: &str) -> Result<Self> {
        let mut order = None;
        let mut ranges = Vec::new();
        // A slash ends an order wherever blanks are.
        let spaced = text.replace('/', "/ ");
        for word in spaced.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty()) {
            let fault =
                || Error::invalid(format!("\"{word}\" is neither an order, a cell nor a range of cells of a MOC"));
            if let Some(number) = word.strip_suffix('/') {
                order = Some(number.parse::<u8>().map_err(|_| fault())?);
                continue;
            }
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            let first = first.parse::<u64>().map_err(|_| fault())?;
            let last = last.parse::<u64>().map_err(|_| fault())?;
            let order = order.ok_or_else(|| Error::invalid("a MOC begins with an order, for example \"3/10-12\""))?;
            ranges.push(cells_29(order, first, last)?);
        }
        Ok(Self::from_ranges(ranges))
    }

    /// The map of a position at an order: its cell.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the order is above 29.
    pub fn of_position(order: u8, position: super::Position) -> Result<Self> {
        check_order(order)?;
        let cell = healpix_29(position.lon_deg(), position.lat_deg()) >> (2 * (FINEST_ORDER - order));
        Self::from_cells([(order, cell)])
    }

    /// The map of a region at an order: every cell of it that the region touches, and perhaps some at the border that it
    /// misses by less than a quarter of their size. Another map is taken to that order: each cell that it touches.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the order is above 29; [`Limit`](crate::ErrorKind::Limit) if that takes
    /// more than a million cells.
    pub fn of_region(order: u8, region: &Region) -> Result<Self> {
        check_order(order)?;
        if let Region::Moc(map) = region {
            let shift = 2 * (FINEST_ORDER - order);
            let last = |end: u64| ((end - 1) >> shift) + 1;
            let coarse = map.ranges.iter().map(|range| (range.start >> shift) << shift..last(range.end) << shift);
            return Ok(Self::from_ranges(coarse.collect()));
        }
        let mut ranges = Vec::new();
        let mut border: Vec<u64> = (0..healpix::BASE_CELLS).collect();
        for depth in 0..=order {
            let mut partial = Vec::new();
            for cell in border.drain(..) {
                match region.relation(&healpix::cap(depth, cell)) {
                    Relation::Disjoint => {}
                    Relation::Inside => ranges.push(range_29(depth, cell)),
                    Relation::Partial => partial.push(cell),
                }
            }
            if ranges.len() + partial.len() > MOST_CELLS / 4 {
                return Err(Error::limit(format!(
                    "a MOC of order {order} of this region has too many cells: take a lower order"
                )));
            }
            if depth < order {
                border.extend(partial.iter().flat_map(|cell| 4 * cell..4 * cell + 4));
            } else {
                let touched = partial.into_iter().filter(|cell| touches(region, order, *cell));
                ranges.extend(touched.map(|cell| range_29(order, cell)));
            }
        }
        Ok(Self::from_ranges(ranges))
    }

    fn from_ranges(ranges: Vec<Range<u64>>) -> Self {
        let capacity = ranges.len() + 1;
        let map = RangeMOC::<u64, Hpx<u64>>::from_maxdepth_ranges(FINEST_ORDER, ranges.into_iter(), Some(capacity));
        let ranges: Arc<[Range<u64>]> = map.moc_ranges().iter().cloned().collect();
        let bounding_cap = bounding_cap(&ranges);
        Self { ranges, bounding_cap }
    }

    /// Whether a position (degrees) is in the map; false for what is not a position.
    #[inline]
    #[must_use]
    pub fn contains(&self, lon_deg: f64, lat_deg: f64) -> bool {
        let cell = healpix_29(lon_deg, lat_deg);
        lon_deg.is_finite() && lat_deg.abs() <= 90.0 && self.meets(&(cell..cell + 1))
    }

    /// The map as ranges of order-29 cells: sorted, disjoint, with a gap between each two.
    #[must_use]
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// The fewest cells that make up the map, each an order and a number, in the order of the sky.
    pub fn cells(&self) -> impl Iterator<Item = (u8, u64)> {
        self.ranges.iter().flat_map(|range| cells_of(range.clone()))
    }

    /// Whether another map's cells are all in this one.
    #[must_use]
    pub fn contains_map(&self, inner: &Self) -> bool {
        inner.ranges.iter().all(|range| self.holds(range))
    }

    /// Whether two maps have a cell in common.
    #[must_use]
    pub fn intersects_map(&self, other: &Self) -> bool {
        other.ranges.iter().any(|range| self.meets(range))
    }

    /// How a cell lies to the map: wholly outside, wholly inside, or neither.
    pub(super) fn relation_of_cell(&self, order: u8, cell: u64) -> Relation {
        let cells = range_29(order, cell);
        if !self.meets(&cells) {
            Relation::Disjoint
        } else if self.holds(&cells) {
            Relation::Inside
        } else {
            Relation::Partial
        }
    }

    #[inline]
    fn first_that_ends_after(&self, start: u64) -> Option<&Range<u64>> {
        self.ranges.get(self.ranges.partition_point(|range| range.end <= start))
    }

    #[inline]
    fn meets(&self, cells: &Range<u64>) -> bool {
        self.first_that_ends_after(cells.start).is_some_and(|range| range.start < cells.end)
    }

    fn holds(&self, cells: &Range<u64>) -> bool {
        self.first_that_ends_after(cells.start)
            .is_some_and(|range| range.start <= cells.start && cells.end <= range.end)
    }

    pub(super) fn bounding_cap(&self) -> Cap {
        self.bounding_cap
    }

    pub(super) fn relation(&self, cap: &Cap) -> Relation {
        let (lon_deg, lat_deg) = (cap.center.lon_deg(), cap.center.lat_deg());
        if self.ranges.is_empty() || !self.bounding_cap.intersects(cap) {
            return Relation::Disjoint;
        }
        let (order, cells) = match healpix::neighbourhood_order(cap.radius) {
            Some(order) => {
                let cell = healpix_29(lon_deg, lat_deg) >> (2 * (FINEST_ORDER - order));
                let mut cells = healpix::neighbours(order, cell);
                cells.push(cell);
                (order, cells)
            }
            None => (0, (0..cell_count(0)).collect()),
        };
        if cells.iter().all(|cell| self.holds(&range_29(order, *cell))) {
            return Relation::Inside;
        }
        let finer = FINER_ORDERS.min(FINEST_ORDER - order);
        let meets = cells.into_iter().filter(|cell| self.meets(&range_29(order, *cell))).any(|cell| {
            (cell << (2 * finer)..(cell + 1) << (2 * finer)).any(|fine| {
                self.meets(&range_29(order + finer, fine)) && healpix::cap(order + finer, fine).intersects(cap)
            })
        });
        if meets { Relation::Partial } else { Relation::Disjoint }
    }
}

/// The ASCII form of the MOC standard in its canonical spelling: the fewest cells that make up the map, orders and cells
/// ascending, neighbouring numbers as `first-last`, blanks between; the empty map is `0/`. The order that a map was made at
/// is not kept.
impl fmt::Display for Moc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ranges.is_empty() {
            return f.write_str("0/");
        }
        let mut cells: Vec<(u8, u64)> = self.cells().collect();
        cells.sort_unstable();
        let mut order_before = None;
        for run in cells.chunk_by(|one, next| one.0 == next.0 && one.1 + 1 == next.1) {
            let (Some((order, first)), Some((_, last))) = (run.first(), run.last()) else { continue };
            if order_before == Some(order) {
                f.write_str(" ")?;
            } else {
                write!(f, "{}{order}/", if order_before.is_some() { " " } else { "" })?;
                order_before = Some(order);
            }
            if first == last { write!(f, "{first}")? } else { write!(f, "{first}-{last}")? }
        }
        Ok(())
    }
}

fn check_order(order: u8) -> Result<()> {
    if order > FINEST_ORDER {
        return Err(Error::invalid(format!("the order of a MOC is 0 to {FINEST_ORDER}, not {order}")));
    }
    Ok(())
}

/// Whether a region may touch a cell, told by finer cells than the cell's own cap.
fn touches(region: &Region, order: u8, cell: u64) -> bool {
    let finer = FINER_ORDERS_AT_BORDER.min(FINEST_ORDER - order);
    (cell << (2 * finer)..(cell + 1) << (2 * finer))
        .any(|fine| region.relation(&healpix::cap(order + finer, fine)) != Relation::Disjoint)
}

/// The order-29 cells of the cells `first..=last` of an order.
fn cells_29(order: u8, first: u64, last: u64) -> Result<Range<u64>> {
    if order > FINEST_ORDER {
        return Err(Error::invalid(format!("the order of a HEALPix cell is at most {FINEST_ORDER}, not {order}")));
    }
    if last >= cell_count(order) || first > last {
        let cells = if first == last { first.to_string() } else { format!("{first}-{last}") };
        let largest = cell_count(order) - 1;
        return Err(Error::invalid(format!("order {order} of HEALPix has the cells 0 to {largest}, not {cells}")));
    }
    Ok(range_29(order, first).start..range_29(order, last).end)
}

fn bounding_cap(ranges: &[Range<u64>]) -> Cap {
    let coarse = cover::limit(ranges.to_vec(), RANGES_OF_BOUND);
    let caps: Vec<Cap> = coarse
        .iter()
        .flat_map(|range| cells_of(range.clone()))
        .map(|(order, cell)| healpix::cap(order, cell))
        .collect();
    let centers = caps.iter().map(|cap| (cap.center.lon_deg(), cap.center.lat_deg()));
    // An empty map has no positions: any cap holds them.
    let Some(around) = Cap::around(centers) else {
        return Cap { center: Cap::whole_sky().center, radius: Angle::ZERO };
    };
    let reach = |cap: &Cap| around.center.separation(cap.center).degrees() + cap.radius.degrees();
    let radius_deg = caps.iter().map(reach).fold(0.0, f64::max);
    Cap { center: around.center, radius: Angle::from_degrees((radius_deg + super::cap::MARGIN_DEG).min(180.0)) }
}

/// The fewest cells that make up a range of order-29 cells, each an order and a number.
fn cells_of(mut range: Range<u64>) -> impl Iterator<Item = (u8, u64)> {
    std::iter::from_fn(move || {
        if range.is_empty() {
            return None;
        }
        let aligned = (range.start.trailing_zeros() / 2).min(u32::from(FINEST_ORDER));
        let fits = (range.end - range.start).ilog2() / 2;
        let levels = aligned.min(fits).min(u32::from(FINEST_ORDER));
        let cell = range.start >> (2 * levels);
        range.start += 1 << (2 * levels);
        Some((FINEST_ORDER - levels as u8, cell))
    })
}
