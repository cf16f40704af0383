//! What holds for all regions, and the positions and regions that tests draw.

use proptest::prelude::*;

use super::vector::{Vector, cross, dot, norm_squared};
use super::*;

/// Positions everywhere, and often where geometry goes wrong: poles, longitude 0, the corners of HEALPix base cells.
pub(crate) fn positions() -> impl Strategy<Value = (f64, f64)> {
    let uniform = (0.0..360.0, -1.0..1.0_f64).prop_map(|(lon, z)| (lon, z.asin().to_degrees()));
    let special = (
        prop::sample::select(vec![0.0, 360.0, 45.0, 90.0, 180.0, 270.0, -90.0]),
        prop::sample::select(vec![0.0, 90.0, -90.0, 41.810_314_895_778_6, -41.810_314_895_778_6]),
    );
    let near_special =
        (special.clone(), -8.0..1.0, -8.0..1.0, any::<[bool; 2]>()).prop_map(|((lon, lat), x, y, sign)| {
            let offset =
                |exponent: f64, negative: bool| if negative { -(10_f64.powf(exponent)) } else { 10_f64.powf(exponent) };
            (lon + offset(x, sign[0]), (lat + offset(y, sign[1])).clamp(-90.0, 90.0))
        });
    prop_oneof![4 => uniform, 1 => special, 3 => near_special]
}

/// Radii of all magnitudes, in degrees.
pub(crate) fn radii_deg() -> impl Strategy<Value = f64> {
    prop_oneof![8 => (-7.0..2.3).prop_map(|exponent| 10_f64.powf(exponent)), 1 => Just(0.0), 1 => Just(180.0)]
}

pub(crate) fn regions() -> impl Strategy<Value = Region> {
    let cones = (positions(), radii_deg()).prop_map(|((lon, lat), r)| Cone::new(lon, lat, r).unwrap().into());
    let boxes = (positions(), radii_deg(), radii_deg()).prop_map(|((lon, lat), w, h)| {
        let (south, north) = ((lat - 0.5 * h).max(-90.0), (lat + 0.5 * h).min(90.0));
        LonLatBox::new(lon - w, south, lon + w, north).unwrap().into()
    });
    let ellipses = (positions(), 0.0..10.0, 0.0..=1.0, -180.0..360.0)
        .prop_map(|((lon, lat), a, ratio, angle)| Ellipse::new(lon, lat, a, a * ratio, angle).unwrap().into());
    let maps = (positions(), prop::collection::vec((0_u8..=29, radii_deg()), 0..6)).prop_map(|((lon, lat), cells)| {
        let cells = cells.into_iter().enumerate().map(|(index, (order, distance))| {
            let (lon, lat) = move_by((lon, lat), distance.min(20.0), 77.0 * index as f64);
            (order, healpix_29(lon, lat) >> (2 * (29 - order)))
        });
        Moc::from_cells(cells).unwrap().into()
    });
    prop_oneof![cones, boxes, star_polygons().prop_map(|(polygon, _, _)| polygon.into()), ellipses, maps]
}

/// Polygons around a centre, with radii up to 80 degrees: simple by construction, mostly concave. With the vertices.
pub(crate) fn star_polygons() -> impl Strategy<Value = (Polygon, (f64, f64), Vec<(f64, f64)>)> {
    (positions(), -5.0..1.9, prop::collection::vec(0.05..1.0, 3..12), 0.0..360.0, any::<bool>()).prop_map(
        |(center, exponent, radii, turn, reversed)| {
            let radius_deg = 10_f64.powf(exponent);
            let step = 360.0 / radii.len() as f64;
            let mut vertices: Vec<(f64, f64)> = radii
                .iter()
                .enumerate()
                .map(|(index, fraction)| move_by(center, radius_deg * fraction, turn + step * index as f64))
                .collect();
            if reversed {
                vertices.reverse();
            }
            (Polygon::new(&vertices).unwrap(), center, vertices)
        },
    )
}

/// Goes a distance from a position in a direction east of north, all in degrees.
pub(crate) fn move_by((lon, lat): (f64, f64), distance_deg: f64, bearing_deg: f64) -> (f64, f64) {
    let (sin_lon, cos_lon) = lon.to_radians().sin_cos();
    let (sin_lat, cos_lat) = lat.to_radians().sin_cos();
    let (sin_bearing, cos_bearing) = bearing_deg.to_radians().sin_cos();
    let (sin_distance, cos_distance) = distance_deg.to_radians().sin_cos();
    let up = [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat];
    let north = [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat];
    let east = [-sin_lon, cos_lon, 0.0];
    let part =
        |axis: usize| cos_distance * up[axis] + sin_distance * (cos_bearing * north[axis] + sin_bearing * east[axis]);
    let moved = Position::from_vector([part(0), part(1), part(2)]);
    (moved.lon_deg(), moved.lat_deg())
}

/// A position in or near a cap.
pub(crate) fn position_about(cap: &Cap, (fraction, bearing_deg): (f64, f64)) -> (f64, f64) {
    let distance_deg = (cap.radius.degrees() * fraction).min(180.0);
    move_by((cap.center.lon_deg(), cap.center.lat_deg()), distance_deg, bearing_deg)
}

/// Fractions of a radius, a little more than 1 too, and directions.
pub(crate) fn directions() -> impl Strategy<Value = (f64, f64)> {
    (prop_oneof![0.0..1.1, 0.98..1.02, Just(0.0), Just(1.0)], 0.0..360.0)
}

fn angle_by_vectors_deg(a: Vector, b: Vector) -> f64 {
    norm_squared(cross(a, b)).sqrt().atan2(dot(a, b)).to_degrees()
}

#[test]
fn separation_is_exact_where_it_can_be() {
    assert_eq!(separation_deg(10.0, 20.0, 10.0, 20.0), 0.0);
    assert_eq!(separation_deg(0.0, -33.0, 360.0, -33.0), 0.0);
    assert_eq!(separation_deg(-10.0, 5.0, 710.0, 5.0), 0.0);
    assert_eq!(separation_deg(12.0, 90.0, 345.0, 90.0), 0.0);
    assert_eq!(separation_deg(0.0, 90.0, 77.0, -90.0), 180.0);
    assert_eq!(separation_deg(10.0, 20.0, 190.0, -20.0), 180.0);
    assert_eq!(separation_deg(0.0, 0.0, 90.0, 0.0), 90.0);
    assert_eq!(separation_deg(359.75, 0.0, 0.25, 0.0), 0.5);
    let tiny = separation_deg(40.0, 50.0, 40.0, 50.0 + 2_f64.powi(-40));
    assert!((tiny / 2_f64.powi(-40) - 1.0).abs() < 1e-15);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(separation_deg(bad, 0.0, 0.0, 0.0).is_nan());
        assert!(separation_deg(0.0, bad, 0.0, 0.0).is_nan());
        assert!(separation_deg(0.0, 0.0, 0.0, bad).is_nan());
    }
    assert!(separation_deg(0.0, 90.001, 0.0, 0.0).is_nan());
}

#[test]
fn positions_are_checked_and_wrapped() {
    assert!(Position::new(f64::NAN, 0.0).is_err());
    assert!(Position::new(0.0, 90.1).is_err());
    assert_eq!(Position::new(-10.0, 0.0).unwrap().lon_deg(), 350.0);
    assert_eq!(Position::new(-1e-20, 0.0).unwrap().lon_deg(), 0.0);
    assert_eq!(Position::new(720.0, 0.0).unwrap().lon_deg(), 0.0);
    assert!(Position::new(-0.0, 0.0).unwrap().lon_deg().is_sign_positive());
    assert_eq!(Position::new(33.0, -90.0).unwrap().unit_vector(), [0.0, 0.0, -1.0]);
}

#[test]
fn cones_refuse_what_is_none() {
    assert!(Cone::new(0.0, 91.0, 1.0).is_err());
    assert!(Cone::new(0.0, 0.0, -1e-9).is_err());
    assert!(Cone::new(0.0, 0.0, f64::NAN).is_err());
    assert!(Cone::new(0.0, 0.0, f64::INFINITY).unwrap().contains(180.0, 0.0));
}

#[test]
fn nothing_is_inside_that_is_not_a_position() {
    let shapes: [Region; 5] = [
        Cone::new(0.0, 0.0, 180.0).unwrap().into(),
        LonLatBox::new(0.0, -90.0, 360.0, 90.0).unwrap().into(),
        Polygon::new(&[(0.0, 0.0), (90.0, 0.0), (0.0, 89.0)]).unwrap().into(),
        Ellipse::new(0.0, 0.0, 10.0, 10.0, 0.0).unwrap().into(),
        Moc::from_ascii("0/0-11").unwrap().into(),
    ];
    for shape in shapes {
        for (lon, lat) in [
            (f64::NAN, 1.0),
            (1.0, f64::NAN),
            (f64::INFINITY, 1.0),
            (1.0, f64::NEG_INFINITY),
            (1.0, 90.5),
            (1.0, -91.0),
        ] {
            assert!(!shape.contains(lon, lat), "{shape:?} {lon} {lat}");
        }
        assert!(shape.contains(1.0, 1.0) && shape.contains(361.0, 1.0) && shape.contains(-359.0, 1.0), "{shape:?}");
    }
}

#[test]
fn a_small_cone_needs_few_ranges_of_little_area() {
    let cone: Region = Cone::new(150.1, 2.2, 1.0 / 60.0).unwrap().into();
    for (max_ranges, waste) in [(8, 8.0), (32, 3.0), (128, 1.8)] {
        let ranges = cone.healpix_29_ranges(max_ranges);
        let cells: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        let area_deg2 = cells as f64 / healpix::cell_count(29) as f64 * 41_252.961;
        let cone_deg2 = std::f64::consts::PI / 3600.0;
        assert!(area_deg2 < waste * cone_deg2, "{max_ranges} ranges of {area_deg2} square degrees");
    }
}

#[test]
fn caps_around_positions() {
    assert_eq!(Cap::around([(f64::NAN, 0.0), (0.0, 99.0)].into_iter()), None);
    let one = Cap::around([(10.0, 20.0), (f64::NAN, 1.0)].into_iter()).unwrap();
    assert!(one.contains(10.0, 20.0) && one.radius.degrees() < 1e-9);
    let all = Cap::around([(0.0, 0.0), (180.0, 0.0), (90.0, 0.0), (270.0, 0.0)].into_iter()).unwrap();
    assert_eq!(all, Cap::whole_sky());
}

proptest! {
    #[test]
    fn separation_is_symmetric_and_right(a in positions(), b in positions(), near in (radii_deg(), 0.0..360.0)) {
        for b in [b, move_by(a, near.0, near.1)] {
            let forth = separation_deg(a.0, a.1, b.0, b.1);
            prop_assert_eq!(forth.to_bits(), separation_deg(b.0, b.1, a.0, a.1).to_bits());
            let [from, to] = [a, b].map(|p| Position::new(p.0, p.1).unwrap());
            let by_vectors = angle_by_vectors_deg(from.unit_vector(), to.unit_vector());
            prop_assert!((forth - by_vectors).abs() < 3e-13, "{} {}", forth, by_vectors);
        }
    }

    #[test]
    fn a_cone_is_its_separation_to_the_last_bit(
        center in positions(), radius in radii_deg(), way in directions(), far in positions(), ulps in -3_i64..=3,
    ) {
        let cone = Cone::new(center.0, center.1, radius).unwrap();
        let near = move_by(center, (radius * way.0).min(180.0), way.1);
        for (lon, lat) in [near, far, center, (center.0 + 360.0, center.1)] {
            let separation = separation_deg(lon, lat, center.0, center.1);
            prop_assert_eq!(cone.contains(lon, lat), separation <= radius);
            // And with the boundary drawn through the position, and next to it.
            let bits = separation.to_bits() as i64 + ulps;
            let through = f64::from_bits(bits.max(0) as u64);
            let other = Cone::new(center.0, center.1, through).unwrap();
            prop_assert_eq!(other.contains(lon, lat), separation <= through);
        }
    }

    #[test]
    fn a_box_is_its_longitudes_and_latitudes(
        west in -720_i64..720, width in 0_i64..=400, south in -90_i64..=90, height in 0_i64..=90,
        lon in -720_i64..720, lat in -90_i64..=90,
    ) {
        let north = (south + height).min(90);
        let sides = [west, south, west + width, north].map(|side| side as f64);
        let lon_lat_box = LonLatBox::new(sides[0], sides[1], sides[2], sides[3]).unwrap();
        let in_longitude = width >= 360 || (lon - west).rem_euclid(360) <= width || lat.abs() == 90;
        let expected = in_longitude && south <= lat && lat <= north;
        prop_assert_eq!(lon_lat_box.contains(lon as f64, lat as f64), expected);
    }

    #[test]
    fn an_ellipse_is_what_scisql_says(
        center in positions(), axes in (0.001..10.0, 0.001..=1.0), angle in -360.0..360.0, way in directions(),
    ) {
        let (major, minor) = (axes.0, axes.0 * axes.1);
        let ellipse = Ellipse::new(center.0, center.1, major, minor, angle).unwrap();
        prop_assert!(ellipse.contains(center.0, center.1));
        let (lon, lat) = move_by(center, major * way.0, way.1);
        let v = Position::new(lon, lat).unwrap().unit_vector();
        let (sin_lon, cos_lon) = center.0.to_radians().sin_cos();
        let (sin_lat, cos_lat) = center.1.to_radians().sin_cos();
        let north = cos_lat * v[2] - sin_lat * (sin_lon * v[1] + cos_lon * v[0]);
        let east = cos_lon * v[1] - sin_lon * v[0];
        let (sin_angle, cos_angle) = angle.to_radians().sin_cos();
        let x = (sin_angle * east + cos_angle * north) / major.to_radians();
        let y = (cos_angle * east - sin_angle * north) / minor.to_radians();
        let level = x * x + y * y;
        if (level - 1.0).abs() > 1e-8 {
            prop_assert_eq!(ellipse.contains(lon, lat), level < 1.0);
        }
        let antipode = (center.0 + 180.0, -center.1);
        prop_assert!(!ellipse.contains(antipode.0, antipode.1));
    }

    #[test]
    fn a_map_is_its_cells(cells in prop::collection::vec((0_u8..=29, any::<prop::sample::Index>()), 0..8), at in positions()) {
        let cells: Vec<(u8, u64)> =
            cells.into_iter().map(|(order, index)| (order, index.index(healpix::cell_count(order) as usize) as u64)).collect();
        let map = Moc::from_cells(cells.iter().copied()).unwrap();
        let text: Vec<String> = cells.iter().map(|(order, cell)| format!("{order}/{cell}")).collect();
        prop_assert_eq!(&map, &Moc::from_ascii(&text.join(" ")).unwrap());
        prop_assert!(map.ranges().windows(2).all(|pair| pair[0].end < pair[1].start));
        let inside = |lon: f64, lat: f64| cells.iter().any(|(order, cell)| healpix_29(lon, lat) >> (2 * (29 - order)) == *cell);
        prop_assert_eq!(map.contains(at.0, at.1), inside(at.0, at.1));
        for (order, cell) in &cells {
            let center = healpix::cap(*order, *cell).center;
            prop_assert!(map.contains(center.lon_deg(), center.lat_deg()));
        }
    }

    #[test]
    fn no_map_text_is_a_panic(text in "[0-9/, -]{0,24}|\\PC{0,12}") {
        let _ = Moc::from_ascii(&text);
    }

    #[test]
    fn bounds_never_lose_a_position(
        region in regions(), way in directions(), other in (positions(), radii_deg(), directions()), max_ranges in 0_usize..70,
    ) {
        let bound = region.bounding_cap();
        let ranges = region.healpix_29_ranges(max_ranges);
        prop_assert!(ranges.len() <= max_ranges.max(1));
        prop_assert!(ranges.iter().all(|range| range.start < range.end && range.end <= healpix::cell_count(29)));
        prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
        let (center, radius, about) = other;
        let caps = [
            Cap { center: Position::new(center.0, center.1).unwrap(), radius: Angle::from_degrees(radius) },
            Cap { center: bound.center, radius: Angle::from_degrees(radius) },
        ];
        let mut positions = vec![position_about(&bound, way), center];
        positions.extend(caps.map(|cap| position_about(&cap, about)));
        for (lon, lat) in positions {
            if region.contains(lon, lat) {
                prop_assert!(bound.contains(lon, lat));
                let cell = healpix_29(lon, lat);
                prop_assert!(ranges.iter().any(|range| range.contains(&cell)));
            }
            for cap in caps.iter().filter(|cap| cap.contains(lon, lat)) {
                match region.relation(cap) {
                    Relation::Inside => prop_assert!(region.contains(lon, lat)),
                    Relation::Disjoint => prop_assert!(!region.contains(lon, lat)),
                    Relation::Partial => {}
                }
                prop_assert_eq!(region.may_intersect(cap), region.relation(cap) != Relation::Disjoint);
            }
        }
    }

    #[test]
    fn may_intersect_is_tight(region in regions(), far in (0.5..30.0, 0.0..360.0)) {
        // A small cap beyond the bounding cap is told to be so.
        let bound = region.bounding_cap();
        let beyond = bound.radius.degrees() + far.0;
        if beyond < 179.0 && !matches!(region, Region::Moc(_)) {
            let (lon, lat) = move_by((bound.center.lon_deg(), bound.center.lat_deg()), beyond, far.1);
            let cap = Cap { center: Position::new(lon, lat).unwrap(), radius: Angle::from_degrees(0.25) };
            prop_assert!(!region.may_intersect(&cap));
        }
    }

    #[test]
    fn a_cap_around_positions_holds_them(some in prop::collection::vec(positions(), 1..20), center in positions(), spread in radii_deg()) {
        let near: Vec<(f64, f64)> =
            (0..20).map(|index| move_by(center, (spread * f64::from(index) / 20.0).min(180.0), 50.0 * f64::from(index))).collect();
        for positions in [some, near] {
            let cap = Cap::around(positions.iter().copied()).unwrap();
            for (lon, lat) in positions {
                prop_assert!(cap.contains(lon, lat));
                let point = Cap { center: Position::new(lon, lat).unwrap(), radius: Angle::ZERO };
                prop_assert!(cap.intersects(&point) && point.intersects(&cap));
            }
        }
    }

    #[test]
    fn cells_are_in_their_caps(at in positions(), order in 0_u8..=29) {
        let cell = healpix_29(at.0, at.1) >> (2 * (29 - order));
        prop_assert!(healpix::cap(order, cell).contains(at.0, at.1));
        prop_assert_eq!(cell, cdshealpix::nested::hash(order, wrap_lon_deg(at.0).to_radians(), at.1.to_radians()));
    }
}

proptest! {
    #[test]
    fn the_centre_of_a_cell_is_in_it((lon, lat) in positions(), order in 0_u8..=29) {
        let shift = 2 * (29 - order);
        let cell = healpix_29(lon, lat) >> shift;
        let center = healpix_center(order, cell).unwrap();
        prop_assert_eq!(healpix_29(center.lon_deg(), center.lat_deg()) >> shift, cell);
    }
}

#[test]
fn cells_that_are_none_have_no_centre() {
    assert!(healpix_center(0, 11).is_some() && healpix_center(29, (12 << 58) - 1).is_some());
    for (order, cell) in [(0, 12), (1, 48), (29, 12 << 58), (30, 0), (255, 0), (3, u64::MAX)] {
        assert_eq!(healpix_center(order, cell), None);
    }
}
