//! Polygons against a winding number, and against themselves written differently.

use proptest::prelude::*;

use super::*;
use crate::sky::separation_deg;
use crate::sky::tests::{directions, move_by, positions, star_polygons};

/// The sum of the angles under which the edges are seen from a position. It is a full turn or none, and a full turn
/// exactly if the boundary separates the position from its antipode.
fn winding(vertices: &[(f64, f64)], position: (f64, f64)) -> f64 {
    let up = from_lon_lat_deg(position.0, position.1);
    let helper = if up[2].abs() < 0.9 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
    let east = unit(cross(helper, up));
    let north = cross(up, east);
    let direction = |(lon, lat): (f64, f64)| {
        let vector = from_lon_lat_deg(lon, lat);
        dot(vector, north).atan2(dot(vector, east))
    };
    (0..vertices.len())
        .map(|index| {
            let turn = direction(vertices[(index + 1) % vertices.len()]) - direction(vertices[index]);
            (turn + PI).rem_euclid(2.0 * PI) - PI
        })
        .sum()
}

fn refusal(vertices: &[(f64, f64)]) -> String {
    Polygon::new(vertices).unwrap_err().to_string()
}

#[test]
fn refuses_what_has_no_clear_inside() {
    assert!(refusal(&[(0.0, 0.0), (1.0, 0.0)]).contains("3 to 4096 vertices"));
    assert!(refusal(&[(0.0, 0.0), (1.0, 0.0), (1.0, 0.0), (0.0, 1.0)]).contains("repeated: (1, 0)"));
    assert!(refusal(&[(0.0, 0.0), (180.0, 0.0), (0.0, 50.0)]).contains("antipodes"));
    assert!(refusal(&[(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)]).contains("back along itself"));
    assert!(refusal(&[(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (1.0, 0.0)]).contains("itself"));
    assert!(refusal(&[(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)]).contains("edges 1 and 3 meet"));
    assert!(refusal(&[(0.0, 0.0), (120.0, 0.0), (240.0, 0.0)]).contains("equal halves"));
    assert!(refusal(&[(0.0, 0.0), (1.0, f64::NAN), (1.0, 0.0)]).contains("finite"));
    assert!(refusal(&vec![(0.0, 0.0); MOST_VERTICES + 2]).contains("vertices"));
}

#[test]
fn holds_poles_and_longitude_zero() {
    let around_pole = Polygon::new(&[(0.0, 80.0), (90.0, 80.0), (180.0, 80.0), (270.0, 80.0)]).unwrap();
    assert!(around_pole.contains(123.0, 90.0) && around_pole.contains(45.0, 85.0));
    assert!(!around_pole.contains(45.0, 80.0), "the edge runs north of the parallel");
    assert!(around_pole.contains(90.0, 80.0) && !around_pole.contains(90.0, -80.0));
    let across_zero = Polygon::new(&[(350.0, -5.0), (10.0, -5.0), (10.0, 5.0), (-10.0, 5.0), (350.0, -5.0)]).unwrap();
    for lon in [350.0, 355.0, 0.0, 360.0, 9.9, -9.9, 370.0] {
        assert!(across_zero.contains(lon, 0.0), "{lon}");
    }
    assert!(!across_zero.contains(11.0, 0.0) && !across_zero.contains(180.0, 0.0));
    let over_pole = Polygon::new(&[(0.0, 89.0), (180.0, 89.0), (270.0, 89.0)]).unwrap();
    assert!(over_pole.contains(0.0, 90.0) && over_pole.contains(270.0, 89.5) && !over_pole.contains(90.0, 89.5));
}

#[test]
fn a_band_larger_than_its_own_hemisphere_is_its_smaller_side() {
    // A ring around most of the equator: its antipodes are inside as well.
    let upper = (0..=17).map(|step| (20.0 * f64::from(step), 5.0));
    let lower = (0..=17).rev().map(|step| (20.0 * f64::from(step), -5.0));
    let ring = Polygon::new(&upper.chain(lower).collect::<Vec<_>>()).unwrap();
    assert!(ring.contains(10.0, 0.0) && ring.contains(190.0, 0.0) && !ring.contains(350.0, 0.0));
    assert!(!ring.contains(0.0, 50.0) && !ring.contains(0.0, -50.0));
    // A circle of 120 degrees: what it holds is the 60 degrees around the antipode.
    let circle: Vec<(f64, f64)> = (0..36).map(|step| move_by((30.0, 40.0), 120.0, 10.0 * f64::from(step))).collect();
    let wide = Polygon::new(&circle).unwrap();
    assert!(wide.contains(210.0, -40.0) && !wide.contains(30.0, 40.0));
}

#[test]
fn small_polygons_are_exact_too() {
    // Two milli arc seconds wide.
    let d = 3e-7;
    let tiny = Polygon::new(&[(200.0, 60.0), (200.0 + 2.0 * d, 60.0), (200.0 + 2.0 * d, 60.0 + d), (200.0, 60.0 + d)])
        .unwrap();
    assert!(tiny.contains(200.0 + d, 60.0 + 0.5 * d));
    assert!(!tiny.contains(200.0 + d, 60.0 + 1.5 * d) && !tiny.contains(200.0 - 0.1 * d, 60.0 + 0.5 * d));
}

proptest! {
    #[test]
    fn agrees_with_the_winding_number((polygon, center, vertices) in star_polygons(), way in directions(), far in positions()) {
        let bound = polygon.bounding_cap().radius.degrees();
        for position in [move_by(center, bound * way.0, way.1), far, center] {
            let vector = from_lon_lat_deg(position.0, position.1);
            if polygon.distance_to_boundary_deg(vector) < 1e-11 || polygon.distance_to_boundary_deg(negate(vector)) < 1e-11 {
                continue;
            }
            let separated = winding(&vertices, position).abs() > PI;
            let on_this_side = separation_deg(center.0, center.1, position.0, position.1) < 90.0;
            prop_assert_eq!(polygon.contains(position.0, position.1), separated && on_this_side);
        }
    }

    #[test]
    fn is_the_same_however_it_is_written((polygon, center, vertices) in star_polygons(), start in 0_usize..12, way in directions()) {
        let mut other = vertices.clone();
        other.rotate_left(start % vertices.len());
        other.reverse();
        let other: Vec<(f64, f64)> = other.into_iter().map(|(lon, lat)| (lon + 360.0, lat)).collect();
        let other = Polygon::new(&other).unwrap();
        let position = move_by(center, polygon.bounding_cap().radius.degrees() * way.0, way.1);
        if polygon.distance_to_boundary_deg(from_lon_lat_deg(position.0, position.1)) > 1e-11 {
            prop_assert_eq!(polygon.contains(position.0, position.1), other.contains(position.0, position.1));
        }
    }

    #[test]
    fn convex_polygons_need_no_crossings(center in positions(), radius in 0.001..80.0, count in 3_usize..20, way in directions()) {
        let vertices: Vec<(f64, f64)> =
            (0..count).map(|index| move_by(center, radius, 360.0 * index as f64 / count as f64)).collect();
        let polygon = Polygon::new(&vertices).unwrap();
        prop_assert!(polygon.convex_side.is_some());
        let mut by_crossings = polygon.clone();
        by_crossings.convex_side = None;
        let position = move_by(center, (radius * way.0).min(180.0), way.1);
        if polygon.distance_to_boundary_deg(from_lon_lat_deg(position.0, position.1)) > 1e-11 {
            prop_assert_eq!(polygon.contains(position.0, position.1), by_crossings.contains(position.0, position.1));
        }
    }

    #[test]
    fn the_boundary_is_inside((polygon, _, vertices) in star_polygons(), fraction in 0.0..1.0) {
        for (index, (lon, lat)) in vertices.iter().enumerate() {
            prop_assert!(polygon.contains(*lon, *lat));
            let edge = &polygon.edges[index];
            let end = polygon.edges[(index + 1) % vertices.len()].start;
            let between = unit(add(edge.start, [0, 1, 2].map(|axis| fraction * (end[axis] - edge.start[axis]))));
            prop_assert!(polygon.contains_vector(between));
        }
    }

    #[test]
    fn simple_boundaries_separate_the_two_sides(
        vertices in prop::collection::vec(positions(), 3..6), position in positions(),
    ) {
        // Any vertices at all, most of the sky wide: those that are refused cross themselves.
        let Ok(polygon) = Polygon::new(&vertices) else { return Ok(()) };
        let vector = from_lon_lat_deg(position.0, position.1);
        let antipode = negate(vector);
        if polygon.distance_to_boundary_deg(vector) < 1e-9 || polygon.distance_to_boundary_deg(antipode) < 1e-9 {
            return Ok(());
        }
        let separated = winding(&vertices, position).abs() > PI;
        prop_assert_eq!(polygon.contains_vector(vector) != polygon.contains_vector(antipode), separated);
        prop_assert_eq!(polygon.contains(position.0, position.1), polygon.contains_vector(vector));
    }
}

#[test]
fn a_sharp_corner_ends_where_it_ends() {
    // Edges 0.1 micro radians apart; the pole is 0.35 milli arc seconds beyond the corner where they meet.
    let sliver = [(270.000_001_6, 42.81), (270.000_011_8, 1.0), (270.000_007_1, 89.999_999_904)];
    let sliver = Polygon::new(&sliver).unwrap();
    assert!(!sliver.contains(0.0, 90.0) && sliver.contains(270.000_007_1, 89.999_999_904));
}
