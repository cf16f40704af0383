//! The pixels of a HATS catalog: which there are for so many rows, which cover the sky without rows, and what borders on each.

use std::collections::BTreeMap;
use std::ops::Range;

use qserv_core::partition::{Cell, Healpix, Pixelization};
use qserv_core::sky::Angle;

/// The order of the cells that rows are counted in, and so the finest that a pixel can have: 3.4 arc minutes.
pub(super) const COUNTED_ORDER: u8 = 10;

/// The order of `_healpix_29`.
const FINEST_ORDER: u8 = 29;

/// Cells of the margin are not finer than this: 6.4 arc seconds. Finer ones would leave fewer rows too many in a margin, and make
/// the list of a large pixel's border longer than the list of its rows.
const MARGIN_ORDER: u8 = 15;

/// A HEALPix cell that one file has the rows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pixel {
    pub(super) order: u8,
    pub(super) cell: u64,
}

impl Pixel {
    /// Its values of `_healpix_29`.
    pub(super) fn range(self) -> Range<u64> {
        let shift = 2 * (FINEST_ORDER - self.order);
        self.cell << shift..(self.cell + 1) << shift
    }

    /// Its folder and file below the `dataset` of its catalog.
    pub(super) fn path(self) -> String {
        let Self { order, cell } = self;
        format!("Norder={order}/Dir={}/Npix={cell}.parquet", cell / 10_000 * 10_000)
    }

    fn children(self) -> impl Iterator<Item = Self> {
        (0..4).map(move |child| Self { order: self.order + 1, cell: self.cell << 2 | child })
    }

    fn bases() -> impl Iterator<Item = Self> {
        (0..12).map(|cell| Self { order: 0, cell })
    }
}

/// The largest pixels that have at most so many rows each, in the order of the sky, with their rows. `counts` are the rows of cells of
/// [`COUNTED_ORDER`]; no pixel is finer than `finest`, however many rows it has.
pub(super) fn pixels(counts: &BTreeMap<u64, u64>, most: u64, finest: u8) -> Vec<(Pixel, u64)> {
    let mut found = Vec::new();
    for base in Pixel::bases() {
        divide(base, counts, most, finest.min(COUNTED_ORDER), &mut found);
    }
    found
}

fn divide(pixel: Pixel, counts: &BTreeMap<u64, u64>, most: u64, finest: u8, found: &mut Vec<(Pixel, u64)>) {
    let shift = 2 * (COUNTED_ORDER - pixel.order);
    let rows = counts.range(pixel.cell << shift..(pixel.cell + 1) << shift).map(|(_, rows)| rows).sum();
    if rows == 0 {
        return;
    }
    if rows <= most || pixel.order >= finest {
        found.push((pixel, rows));
        return;
    }
    for child in pixel.children() {
        divide(child, counts, most, finest, found);
    }
}

/// The largest pixels that have nothing in common with these, which must be in the order of the sky: the sky without rows. A catalog
/// that is matched with ours may have rows there, close to ours.
pub(super) fn rest(pixels: &[Pixel]) -> Vec<Pixel> {
    let mut found = Vec::new();
    for base in Pixel::bases() {
        leave(base, pixels, &mut found);
    }
    found
}

fn leave(pixel: Pixel, pixels: &[Pixel], found: &mut Vec<Pixel>) {
    let range = pixel.range();
    let first = pixels.partition_point(|other| other.range().end <= range.start);
    match pixels.get(first) {
        Some(other) if other.range().start < range.end => {
            if other.order > pixel.order {
                pixel.children().for_each(|child| leave(child, pixels, found));
            }
        }
        _ => found.push(pixel),
    }
}

/// The order of the cells that a margin of this width is made of: whatever is within the width of a cell is in it or in its
/// neighbours. `None` if the margin is wider than cells of order 1.
pub(super) fn margin_order(width: Angle) -> Option<u8> {
    Healpix.neighbourhood_order(width).map(|order| order.min(MARGIN_ORDER))
}

/// The values of `_healpix_29` in the cells of this order around a pixel, as sorted ranges apart from each other.
pub(super) fn border(pixel: Pixel, order: u8) -> Vec<Range<u64>> {
    let shift = 2 * order.saturating_sub(pixel.order);
    let side = 1_u64 << (shift / 2);
    let mut cells = Vec::new();
    let mut around = |x: u64, y: u64| {
        let cell = pixel.cell << shift | spread(x) | spread(y) << 1;
        let outside = Healpix.neighbours(order, Cell(cell)).into_iter().map(|Cell(other)| other);
        cells.extend(outside.filter(|other| other >> shift != pixel.cell));
    };
    for step in 0..side {
        for (x, y) in [(step, 0), (step, side - 1), (0, step), (side - 1, step)] {
            around(x, y);
        }
    }
    cells.sort_unstable();
    cells.dedup();
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for cell in cells {
        let Range { start, end } = Pixel { order, cell }.range();
        match ranges.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => ranges.push(start..end),
        }
    }
    ranges
}

/// The bits of a number, each with a gap behind it: nested cells have those of their two coordinates in turn.
fn spread(number: u64) -> u64 {
    (0..32).fold(0, |bits, bit| bits | (number >> bit & 1) << (2 * bit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use qserv_core::partition::healpix_29;
    use qserv_core::sky::{healpix_center, separation_deg};

    use super::*;

    fn cells(counts: &BTreeMap<u64, u64>) -> u64 {
        counts.values().sum()
    }

    proptest! {
        #[test]
        fn pixels_and_the_rest_are_the_sky(
            counts in prop::collection::btree_map(0..12_u64 << 20, 1..50_u64, 1..200),
            most in 1..200_u64,
            finest in 0..=COUNTED_ORDER,
        ) {
            let found = pixels(&counts, most, finest);
            prop_assert_eq!(found.iter().map(|(_, rows)| rows).sum::<u64>(), cells(&counts));
            for (pixel, rows) in &found {
                prop_assert!(*rows <= most || pixel.order == finest);
            }
            let mut all: Vec<Pixel> = found.into_iter().map(|(pixel, _)| pixel).collect();
            all.extend(rest(&all));
            all.sort_by_key(|pixel| pixel.range().start);
            let mut end = 0;
            for pixel in all {
                prop_assert_eq!(pixel.range().start, end);
                end = pixel.range().end;
            }
            prop_assert_eq!(end, 12_u64 << 58);
        }

        #[test]
        fn a_border_has_what_is_near(
            order in 0..8_u8, lon in 0.0..360.0, lat in -90.0..=90.0, bearing in 0.0..360.0, part in 0.0..1.0, width in 1.0..600.0,
        ) {
            let width = Angle::from_arcsec(width);
            let Some(margin) = margin_order(width).filter(|margin| *margin >= order) else { return Ok(()) };
            // A position, and another within the width of it: in the pixel of the first or in its border.
            let (lon, lat): (f64, f64) = (lon, lat);
            let distance: f64 = width.degrees() * part;
            let other_lat: f64 = (lat + distance * f64::to_radians(bearing).cos()).clamp(-90.0, 90.0);
            let step = distance * f64::to_radians(bearing).sin() / other_lat.to_radians().cos().abs().max(1e-9);
            let other_lon = (lon + step).rem_euclid(360.0);
            if separation_deg(lon, lat, other_lon, other_lat) > width.degrees() {
                return Ok(());
            }
            let pixel = Pixel { order, cell: healpix_29(lon, lat) >> (2 * (29 - order)) };
            let other = healpix_29(other_lon, other_lat);
            let ranges = border(pixel, margin);
            prop_assert!(pixel.range().contains(&other) || ranges.iter().any(|range| range.contains(&other)));
            for range in ranges {
                prop_assert!(range.end <= pixel.range().start || range.start >= pixel.range().end);
            }
        }
    }

    #[test]
    fn a_border_is_one_cell_wide() {
        for pixel in [Pixel { order: 0, cell: 4 }, Pixel { order: 3, cell: 400 }, Pixel { order: 5, cell: 77 }] {
            let order = 9;
            let size = 1_u64 << (2 * (29 - order));
            let cells: u64 = border(pixel, order).iter().map(|range| (range.end - range.start) / size).sum();
            let side = 1_u64 << (order - pixel.order);
            // Base cells miss corners where three of them meet.
            assert!((4 * side..=4 * side + 4).contains(&cells), "{pixel:?}: {cells}");
        }
        let narrow = margin_order(Angle::from_arcsec(0.1)).unwrap();
        assert_eq!(narrow, MARGIN_ORDER);
        assert!(healpix_center(narrow, 0).is_some() && margin_order(Angle::from_degrees(60.0)).is_none());
    }

    #[test]
    fn files_lie_where_hats_wants_them() {
        assert_eq!(Pixel { order: 6, cell: 23_456 }.path(), "Norder=6/Dir=20000/Npix=23456.parquet");
        assert_eq!(Pixel { order: 0, cell: 3 }.path(), "Norder=0/Dir=0/Npix=3.parquet");
    }
}
