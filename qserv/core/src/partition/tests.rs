//! What a partition promises, under both pixelizations.

use proptest::prelude::*;

use super::*;
use crate::sky::tests::{directions, move_by, position_about, positions, radii_deg, regions};
use crate::sky::{Angle, Cap, Cone, Region, separation_deg};

fn kinds() -> impl Strategy<Value = PixelizationKind> {
    prop_oneof![Just(PixelizationKind::Healpix), Just(PixelizationKind::H3)]
}

fn partitions() -> impl Strategy<Value = SkyPartition> {
    let healpix = (Just(PixelizationKind::Healpix), 0_u8..=10);
    let h3 = (Just(PixelizationKind::H3), 0_u8..=6);
    let overlaps =
        prop_oneof![Just(0.0), Just(60.0), Just(3600.0), 0.0..3600.0, (-3.0..3.5).prop_map(|e| 10_f64.powf(e))];
    (prop_oneof![healpix, h3], overlaps)
        .prop_map(|((kind, order), overlap)| SkyPartition::new(kind, order, overlap).unwrap())
}

/// A position on (very nearly) the border between the chunks of two positions, if they differ.
fn border_between(
    partition: &SkyPartition,
    from: (f64, f64),
    distance_deg: f64,
    bearing_deg: f64,
) -> Option<(f64, f64)> {
    let chunk_at = |distance: f64| {
        let (lon, lat) = move_by(from, distance, bearing_deg);
        partition.chunk(lon, lat)
    };
    let own = chunk_at(0.0);
    let (mut near, mut far) = (0.0, distance_deg);
    if chunk_at(far) == own {
        return None;
    }
    for _ in 0..50 {
        let middle = 0.5 * (near + far);
        if chunk_at(middle) == own { near = middle } else { far = middle }
    }
    Some(move_by(from, near, bearing_deg))
}

#[test]
fn kinds_have_names() {
    for kind in [PixelizationKind::Healpix, PixelizationKind::H3] {
        assert_eq!(kind.to_string().parse::<PixelizationKind>().unwrap(), kind);
        assert_eq!(kind.pixelization().kind(), kind);
    }
    assert!("htm".parse::<PixelizationKind>().unwrap_err().to_string().contains("\"healpix\" or \"h3\""));
}

#[test]
fn partitions_refuse_what_is_out_of_bounds() {
    assert!(SkyPartition::new(PixelizationKind::Healpix, 11, 60.0).is_err());
    assert!(SkyPartition::new(PixelizationKind::H3, 7, 60.0).is_err());
    for overlap in [-1.0, f64::NAN, f64::INFINITY, 3601.0] {
        assert!(SkyPartition::new(PixelizationKind::Healpix, 5, overlap).is_err());
    }
}

#[test]
fn sub_chunks_follow_from_the_overlap() {
    let order = |kind, chunk, overlap| SkyPartition::new(kind, chunk, overlap).unwrap().sub_chunk_order();
    // Cells of HEALPix order 11 are 1.7 arc minutes wide, of H3 resolution 6 about 3.5.
    assert_eq!(order(PixelizationKind::Healpix, 5, 60.0), 11);
    assert_eq!(order(PixelizationKind::H3, 3, 60.0), 6);
    // Not too many in a chunk, and not larger than a chunk.
    assert_eq!(order(PixelizationKind::Healpix, 5, 0.0), 11);
    assert_eq!(order(PixelizationKind::Healpix, 10, 3600.0), 10);
}

#[test]
fn orders_follow_from_row_counts() {
    let order = SkyPartition::order_for_rows;
    assert_eq!(order(PixelizationKind::Healpix, 0, 1.0, 1_000_000), 0);
    assert_eq!(order(PixelizationKind::Healpix, 12_000_000, 1.0, 1_000_000), 0);
    assert_eq!(order(PixelizationKind::Healpix, 12_000_001, 1.0, 1_000_000), 1);
    // A thousandth of the sky with so many rows needs finer chunks.
    assert_eq!(order(PixelizationKind::Healpix, 12_000_000, 0.001, 1_000_000), 5);
    assert_eq!(order(PixelizationKind::H3, 100_000_000, 1.0, 1_000_000), 0);
    assert_eq!(order(PixelizationKind::H3, 200_000_000, f64::NAN, 1_000_000), 1);
    assert_eq!(order(PixelizationKind::Healpix, u64::MAX, 1.0, 0), 10);
}

#[test]
fn children_are_all_cells() {
    for kind in [PixelizationKind::Healpix, PixelizationKind::H3] {
        let pixelization = kind.pixelization();
        let mut cells = pixelization.roots();
        for order in 0..3 {
            assert_eq!(cells.len() as u64, pixelization.cell_count(order));
            let mut children = Vec::new();
            for cell in &cells {
                let own = pixelization.children(order, *cell);
                assert!(own.iter().all(|child| pixelization.parent(*child, order + 1, order) == *cell));
                children.extend(own);
            }
            children.sort_unstable();
            children.dedup();
            cells = children;
        }
        let sky = pixelization.mean_area_deg2(3) * pixelization.cell_count(3) as f64;
        assert!((sky - 41_252.961).abs() < 1e-3);
    }
}

#[test]
fn the_whole_sky_is_all_chunks() {
    let everything: Region = Cone::new(1.0, 2.0, 180.0).unwrap().into();
    for (kind, chunks) in [(PixelizationKind::Healpix, 768), (PixelizationKind::H3, 5882)] {
        let partition = SkyPartition::new(kind, if kind == PixelizationKind::H3 { 2 } else { 3 }, 60.0).unwrap();
        let touched = partition.chunks_touching(&everything);
        assert_eq!(touched.len(), chunks);
        assert!(touched.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

#[test]
fn numbers_that_are_no_cells_are_no_panic() {
    for kind in [PixelizationKind::Healpix, PixelizationKind::H3] {
        let pixelization = kind.pixelization();
        for number in [0, 1, u64::MAX, u64::MAX >> 1, 0x0851_fb46_7fff_ffff] {
            for order in [0, 3, 12, 29, 255] {
                let cell = Cell(number);
                let _ = (pixelization.cap(order, cell), pixelization.neighbours(order, cell));
                let _ = (pixelization.children(order, cell), pixelization.parent(cell, order, 0));
                let _ = (pixelization.cell(order, f64::NAN, f64::NAN), pixelization.cell(order, 1e300, 1e300));
                let _ = (
                    pixelization.cells_within(order.min(5), 1.0, f64::NAN, Angle::ZERO),
                    pixelization.cell_count(order),
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn each_position_is_in_one_cell_of_each_order_and_they_nest(kind in kinds(), at in positions()) {
        let pixelization = kind.pixelization();
        let finest = pixelization.max_order();
        let mut cell = pixelization.cell(finest, at.0, at.1);
        prop_assert!(cell.0 < 1 << 63, "fits a signed integer");
        for order in (0..=finest).rev() {
            prop_assert_eq!(pixelization.cell(order, at.0, at.1), cell);
            prop_assert_eq!(pixelization.cell(order, at.0 + 360.0, at.1), pixelization.cell(order, (at.0 + 360.0).rem_euclid(360.0), at.1));
            prop_assert!(pixelization.cap(order, cell).contains(at.0, at.1));
            if order > 0 {
                let parent = pixelization.parent(cell, order, order - 1);
                prop_assert!(pixelization.children(order - 1, parent).contains(&cell));
                cell = parent;
            }
        }
        prop_assert!(pixelization.roots().contains(&cell));
    }

    /// With radii as large as an order's cells allow, and from the corners of cells, where the way out is shortest.
    #[test]
    fn a_neighbourhood_holds_everything_within_its_radius(
        kind in kinds(), at in positions(), exponent in -5.0..1.3, asides in prop::collection::vec((0.0..0.3, 0.0..360.0), 6),
    ) {
        let pixelization = kind.pixelization();
        let mut radius_deg = 10_f64.powf(exponent);
        let order = pixelization.neighbourhood_order(Angle::from_degrees(radius_deg));
        let Some(order) = order else { return Ok(()) };
        while pixelization.neighbourhood_order(Angle::from_degrees(radius_deg * 1.01)) == Some(order) {
            radius_deg *= 1.01;
        }
        let at_cell = pixelization.cell(order, at.0, at.1);
        let corners = match kind {
            PixelizationKind::Healpix => cdshealpix::nested::vertices(order, at_cell.0).to_vec(),
            PixelizationKind::H3 => {
                let corners = h3o::CellIndex::try_from(at_cell.0).unwrap().boundary();
                corners.iter().map(|corner| (corner.lng_radians(), corner.lat_radians())).collect()
            }
        };
        for (lon, lat) in corners {
            for (aside, bearing) in &asides {
                let from = move_by((lon.to_degrees(), lat.to_degrees()), radius_deg * aside, *bearing);
                let own = pixelization.cell(order, from.0, from.1);
                let neighbours = pixelization.neighbours(order, own);
                for way in 0..36 {
                    let (lon, lat) = move_by(from, radius_deg, 10.0 * f64::from(way));
                    let cell = pixelization.cell(order, lon, lat);
                    prop_assert!(cell == own || neighbours.contains(&cell));
                }
            }
        }
    }

    #[test]
    fn sub_chunks_are_in_chunks(partition in partitions(), at in positions()) {
        let chunk = partition.chunk(at.0, at.1);
        prop_assert_eq!(partition.chunk_of(partition.sub_chunk(at.0, at.1)), chunk);
        prop_assert!(partition.chunk_cap(chunk).contains(at.0, at.1));
        prop_assert!(partition.sub_chunk_order() >= partition.chunk_order());
    }

    /// Pairs at random, and pairs on both sides of a chunk's border.
    #[test]
    fn an_overlap_holds_every_row_within_its_radius(
        partition in partitions(), at in positions(), across in (radii_deg(), 0.0..360.0),
        aside in (directions(), directions()),
    ) {
        let overlap_deg = partition.overlap().degrees();
        let start = border_between(&partition, at, across.0.min(90.0), across.1).unwrap_or(at);
        let from = move_by(start, overlap_deg * aside.0.0, aside.0.1);
        let to = move_by(from, overlap_deg * aside.1.0, aside.1.1);
        let mut chunks = vec![ChunkId(7)];
        for (from, to) in [(from, to), (to, from), (start, from), (from, start), (start, (start.0 + 180.0, start.1))] {
            partition.overlap_chunks(from.0, from.1, &mut chunks);
            let own = partition.chunk(from.0, from.1);
            prop_assert!(!chunks.contains(&own));
            prop_assert!(chunks.windows(2).all(|pair| pair[0] < pair[1]));
            if separation_deg(from.0, from.1, to.0, to.1) <= overlap_deg {
                let other = partition.chunk(to.0, to.1);
                prop_assert!(other == own || chunks.contains(&other), "{:?} {:?}", from, to);
                // The same for sub-chunks, wherever they are not smaller than the overlap.
                let order = partition.sub_chunk_order();
                if partition.pixelization().neighbourhood_order(partition.overlap()).is_some_and(|finest| order <= finest) {
                    let [own, other] = [from, to].map(|p| Cell(partition.sub_chunk(p.0, p.1).0));
                    prop_assert!(own == other || partition.pixelization().neighbours(order, own).contains(&other));
                }
            }
        }
    }

    /// Chunks that are listed have something within a few radii.
    #[test]
    fn an_overlap_is_not_much_wider_than_its_radius(
        kind in kinds(), at in positions(), overlap_arcsec in 1.0..120.0, across in (radii_deg(), 0.0..360.0), aside in directions(),
    ) {
        let partition = SkyPartition::new(kind, 3, overlap_arcsec).unwrap();
        let Some(start) = border_between(&partition, at, across.0.min(90.0), across.1) else { return Ok(()) };
        let from = move_by(start, 6.0 * overlap_arcsec / 3600.0 * aside.0, aside.1);
        let mut chunks = Vec::new();
        partition.overlap_chunks(from.0, from.1, &mut chunks);
        let near = partition.pixelization().cells_within(3, from.0, from.1, Angle::from_arcsec(3.0 * overlap_arcsec));
        for chunk in chunks {
            prop_assert!(near.contains(&Cell(chunk.0)));
        }
    }

    #[test]
    fn no_region_loses_a_chunk(partition in partitions(), region in regions(), ways in prop::collection::vec(directions(), 8)) {
        let bound = region.bounding_cap();
        // Many chunks take long to list: the listing of those is the same code at coarser orders.
        let area = bound.radius.degrees().powi(2) * std::f64::consts::PI;
        let listable = area / partition.pixelization().mean_area_deg2(partition.chunk_order()) < 3000.0;
        let touched = listable.then(|| partition.chunks_touching(&region));
        if let Some(touched) = &touched {
            prop_assert!(touched.windows(2).all(|pair| pair[0] < pair[1]));
        }
        for way in ways {
            let (lon, lat) = position_about(&bound, way);
            if region.contains(lon, lat) {
                let chunk = partition.chunk(lon, lat);
                prop_assert!(partition.may_touch(chunk, &region));
                if let Some(touched) = &touched {
                    prop_assert!(touched.binary_search(&chunk).is_ok());
                }
            }
        }
    }

    #[test]
    fn no_cell_within_a_radius_is_lost(kind in kinds(), at in positions(), radius in radii_deg(), levels in 0_u8..6, way in directions()) {
        let pixelization = kind.pixelization();
        let radius = Angle::from_degrees(radius);
        let fitting = pixelization.neighbourhood_order(radius).unwrap_or(0);
        let order = (fitting.saturating_sub(2) + levels.min(4)).min(pixelization.max_order());
        let cap = Cap { center: crate::sky::Position::new(at.0, at.1).unwrap(), radius };
        let cells = pixelization.cells_within(order, at.0, at.1, radius);
        prop_assert!(cells.windows(2).all(|pair| pair[0] < pair[1]));
        for (lon, lat) in [position_about(&cap, way), at] {
            if separation_deg(lon, lat, at.0, at.1) <= radius.degrees() {
                prop_assert!(cells.binary_search(&pixelization.cell(order, lon, lat)).is_ok());
            }
        }
    }

    #[test]
    fn a_small_cone_touches_few_chunks(at in positions()) {
        let cone: Region = Cone::new(at.0, at.1, 1.0 / 60.0).unwrap().into();
        for (kind, order) in [(PixelizationKind::Healpix, 5), (PixelizationKind::H3, 3)] {
            let chunks = SkyPartition::new(kind, order, 60.0).unwrap().chunks_touching(&cone);
            prop_assert!((1..=4).contains(&chunks.len()), "{} {:?}", kind, chunks);
        }
    }
}
