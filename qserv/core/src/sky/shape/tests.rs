//! Relations of shapes against the positions in them.

use proptest::prelude::*;

use super::super::tests::{move_by, position_about, positions, radii_deg, star_polygons};
use super::super::{Cone, Moc, Polygon, Region, Shape, healpix_29, separation_deg};
use super::{add, scale};

fn shapes() -> impl Strategy<Value = Shape> {
    let cones = (positions(), radii_deg()).prop_map(|((lon, lat), r)| Cone::new(lon, lat, r).unwrap().into());
    let polygons = star_polygons().prop_map(|(polygon, _, _)| polygon.into());
    let boxes = (positions(), 0.001..170.0, 0.001..170.0)
        .prop_map(|((lon, lat), w, h)| Polygon::from_box(lon, lat, w, h).unwrap().into());
    let maps = (positions(), prop::collection::vec((1_u8..=12, 0.0..20.0), 1..6)).prop_map(|((lon, lat), cells)| {
        let cells = cells.into_iter().enumerate().map(|(index, (order, distance))| {
            let (lon, lat) = move_by((lon, lat), distance, 77.0 * index as f64);
            (order, healpix_29(lon, lat) >> (2 * (29 - order)))
        });
        Moc::from_cells(cells).unwrap().into()
    });
    let points = positions().prop_map(|(lon, lat)| Shape::point(lon, lat).unwrap());
    prop_oneof![3 => cones, 3 => polygons, 1 => boxes, 2 => maps, 1 => points]
}

fn has(shape: &Shape, (lon, lat): (f64, f64)) -> bool {
    shape.contains(&Shape::point(lon, lat).unwrap()).unwrap()
}

/// Positions in and near two shapes.
fn samples(one: &Shape, two: &Shape, about: &[(f64, f64)]) -> Vec<(f64, f64)> {
    [one, two]
        .into_iter()
        .flat_map(|shape| match shape {
            Shape::Point(point) => vec![(point.lon_deg(), point.lat_deg())],
            Shape::Region(region) => about.iter().map(|about| position_about(&region.bounding_cap(), *about)).collect(),
        })
        .collect()
}

proptest! {
    #[test]
    fn relations_agree_with_positions(
        one in shapes(), two in shapes(), about in prop::collection::vec((0.0..1.2, 0.0..360.0), 40),
    ) {
        let (contains, intersects) = (two.contains(&one).unwrap(), one.intersects(&two).unwrap());
        prop_assert_eq!(intersects, two.intersects(&one).unwrap());
        prop_assert!(!contains || intersects || matches!(&one, Shape::Region(Region::Moc(map)) if map.ranges().is_empty()));
        for position in samples(&one, &two, &about) {
            let (in_one, in_two) = (has(&one, position), has(&two, position));
            prop_assert!(!contains || !in_one || in_two, "contained, but not {:?}", position);
            prop_assert!(intersects || !in_one || !in_two, "disjoint, but for {:?}", position);
        }
    }

    #[test]
    fn shapes_contain_and_meet_themselves(shape in shapes()) {
        prop_assert!(shape.contains(&shape).unwrap() && shape.intersects(&shape).unwrap());
    }

    /// On the plane that touches the sky at the centre edges are straight, so a polygon shrunk there is inside.
    #[test]
    fn a_polygon_contains_itself_shrunk((polygon, center, vertices) in star_polygons(), factor in 0.5..0.999) {
        prop_assume!(polygon.bounding_cap().radius.degrees() > 1e-3);
        let shrunk = |factor: f64| {
            let vertices: Vec<(f64, f64)> = vertices.iter().map(|vertex| {
                let distance = separation_deg(center.0, center.1, vertex.0, vertex.1);
                let shrunk = (distance.to_radians().tan() * factor).atan().to_degrees();
                let (x, y) = toward(center, *vertex, shrunk / distance);
                (x, y)
            }).collect();
            Shape::from(Polygon::new(&vertices).unwrap())
        };
        let outer = Shape::from(polygon);
        let inner = shrunk(factor);
        prop_assert!(outer.contains(&inner).unwrap() && !inner.contains(&outer).unwrap());
        prop_assert!(outer.intersects(&inner).unwrap());
        prop_assert!(inner.area_square_degrees() < outer.area_square_degrees());
    }

    #[test]
    fn points_in_circles_are_distances_to_the_last_bit(a in positions(), b in positions()) {
        // A point of a shape has its longitude wrapped, which may round it.
        let b = (super::super::wrap_lon_deg(b.0), b.1);
        let radius = separation_deg(a.0, a.1, b.0, b.1);
        for radius in [radius, radius.next_down().max(0.0), radius.next_up()] {
            let cone = Shape::from(Cone::new(a.0, a.1, radius).unwrap());
            let point = Shape::point(b.0, b.1).unwrap();
            let expected = separation_deg(a.0, a.1, b.0, b.1) <= radius;
            prop_assert_eq!(cone.contains(&point).unwrap(), expected);
            prop_assert_eq!(cone.intersects(&point).unwrap(), expected);
        }
    }

    #[test]
    fn maps_of_regions_hold_them((lon, lat) in positions(), exponent in -3.0..1.3, order in 3_u8..8) {
        let radius: f64 = 10_f64.powf(exponent);
        for region in [
            Region::from(Cone::new(lon, lat, radius).unwrap()),
            Polygon::from_box(lon, lat, radius, 2.0 * radius).unwrap().into(),
        ] {
            let shape = Shape::Region(region.clone());
            let map = Shape::from(Moc::of_region(order, &region).unwrap());
            prop_assert!(map.contains(&shape).unwrap() && map.intersects(&shape).unwrap());
            prop_assert!(map.area_square_degrees() >= shape.area_square_degrees());
            // Its cells are near: none is farther from the region than three of them.
            let cell_deg = 58.6 / f64::from(1_u32 << order);
            let wide = Shape::from(Cone::new(lon, lat, 1.5 * radius + 3.0 * cell_deg).unwrap());
            prop_assert!(wide.contains(&map).unwrap());
        }
    }

    #[test]
    fn maps_are_written_as_they_are_read(cells in prop::collection::vec((0_u8..=29, any::<u64>()), 0..40)) {
        let cells = cells.into_iter().map(|(order, number)| (order, number % (12 << (2 * order))));
        let map = Moc::from_cells(cells).unwrap();
        let text = map.to_string();
        prop_assert_eq!(Moc::from_ascii(&text).unwrap(), map, "{}", text);
    }

    #[test]
    fn boxes_are_the_four_sides_of_their_arms((lon, lat) in positions(), w in 0.01..170.0_f64, h in 0.01..170.0_f64) {
        prop_assume!(lat.abs() < 89.9);
        let rectangle = Polygon::from_box(lon, lat, w, h).unwrap();
        for (distance, bearing) in [(w, 90.0), (w, 270.0), (h, 0.0), (h, 180.0)] {
            let (inside, outside) = (move_by((lon, lat), 0.4999 * distance, bearing), move_by((lon, lat), 0.5001 * distance, bearing));
            prop_assert!(rectangle.contains(inside.0, inside.1) && !rectangle.contains(outside.0, outside.1));
        }
        // The solid angle of a pyramid on a rectangle.
        let (x, y) = ((0.5 * w).to_radians(), (0.5 * h).to_radians());
        let area = 4.0 * (x.sin() * y.sin()).asin() * (180.0 / std::f64::consts::PI).powi(2);
        prop_assert!((rectangle.area_square_degrees() / area - 1.0).abs() < 1e-9);
        let center = rectangle.centroid().unwrap();
        prop_assert!(separation_deg(lon, lat, center.lon_deg(), center.lat_deg()) < 1e-8);
    }

    #[test]
    fn centroids_of_maps_are_near_those_of_their_circles((lon, lat) in positions(), radius in 0.5..40.0) {
        let region = Region::from(Cone::new(lon, lat, radius).unwrap());
        let center = Moc::of_region(8, &region).map(|map| Region::from(map).centroid().unwrap()).unwrap();
        // All cells that touch the circle are in, so that one side of it may be wider than the other, but by less than a cell.
        let cell_deg = 58.6 / f64::from(1_u32 << 8);
        let off = separation_deg(lon, lat, center.lon_deg(), center.lat_deg());
        prop_assert!(off < cell_deg, "{off}");
    }
}

/// The position at a fraction of the way.
fn toward(from: (f64, f64), to: (f64, f64), fraction: f64) -> (f64, f64) {
    let unit = |(lon, lat): (f64, f64)| super::from_lon_lat_deg(lon, lat);
    let (start, end) = (unit(from), unit(to));
    let along = super::super::vector::sub(end, scale(start, super::super::vector::dot(start, end)));
    let angle = separation_deg(from.0, from.1, to.0, to.1).to_radians() * fraction;
    let moved = add(scale(start, angle.cos()), scale(super::super::vector::unit(along), angle.sin()));
    let position = super::Position::from_vector(moved);
    (position.lon_deg(), position.lat_deg())
}

#[test]
fn edges_that_touch_belong_to_both() {
    let polygon = |numbers: &[f64]| Shape::from_dali(numbers).unwrap();
    let square = polygon(&[0.0, 0.0, 10.0, 0.0, 10.0, 10.0, 0.0, 10.0]);
    // Beside it, with a part of a common side; within it, on the equator; across a corner.
    assert!(square.intersects(&polygon(&[0.0, 2.0, 0.0, 5.0, -5.0, 3.0])).unwrap());
    assert!(square.contains(&polygon(&[2.0, 0.0, 8.0, 0.0, 5.0, 5.0])).unwrap());
    assert!(!square.contains(&polygon(&[2.0, -0.001, 8.0, 0.0, 5.0, 5.0])).unwrap());
    assert!(square.intersects(&polygon(&[10.0, 0.0, 12.0, -1.0, 12.0, 1.0])).unwrap());
    // Crossing without a corner in the other.
    let bar = polygon(&[-1.0, 4.0, 11.0, 4.0, 11.0, 5.0, -1.0, 5.0]);
    assert!(square.intersects(&bar).unwrap() && !square.contains(&bar).unwrap() && !bar.contains(&square).unwrap());
    // A concave polygon: the ends of the chord are inside, its middle is not.
    let notched = polygon(&[0.0, 0.0, 10.0, 0.0, 10.0, 10.0, 5.0, 2.0, 0.0, 10.0]);
    assert!(!notched.contains(&polygon(&[1.0, 5.0, 9.0, 5.0, 5.0, 0.5])).unwrap());
    assert!(square.contains(&notched).unwrap());
    // Circles.
    let circle = |lon: f64, lat: f64, radius: f64| Shape::from_dali(&[lon, lat, radius]).unwrap();
    assert!(circle(0.0, 0.0, 2.0).contains(&circle(1.0, 0.0, 1.0)).unwrap());
    assert!(!circle(0.0, 0.0, 2.0).contains(&circle(1.0, 0.0, 1.001)).unwrap());
    assert!(circle(0.0, 0.0, 2.0).intersects(&circle(5.0, 0.0, 3.0)).unwrap());
    assert!(!circle(0.0, 0.0, 2.0).intersects(&circle(5.0, 0.0, 2.999)).unwrap());
    assert!(square.contains(&circle(5.0, 2.0, 2.0)).unwrap() && !square.contains(&circle(5.0, 2.0, 2.001)).unwrap());
    assert!(circle(5.0, 5.0, 7.1).contains(&square).unwrap() && !circle(5.0, 5.0, 7.0).contains(&square).unwrap());
    assert!(
        square.intersects(&circle(5.0, -3.0, 3.0)).unwrap() && !square.intersects(&circle(5.0, -3.0, 2.999)).unwrap()
    );
}

#[test]
fn ellipses_are_held_only_against_points() {
    let ellipse = Shape::from_text("Ellipse 10 20 2 1 90").unwrap();
    let circle = Shape::from_dali(&[10.0, 20.0, 1.0]).unwrap();
    assert!(ellipse.contains(&circle).unwrap_err().message().contains("ellipse"));
    assert!(ellipse.intersects(&circle).unwrap_err().message().contains("ellipse"));
    // As flat as the sky is over two degrees: pi a b, but for a thousandth.
    assert!((ellipse.area_square_degrees() / (2.0 * std::f64::consts::PI) - 1.0).abs() < 1e-3);
    // A circle in projection is the cone whose sine is the semi-axis.
    let round = Shape::from_text("Ellipse 10 20 5 5 0").unwrap().area_square_degrees();
    let radius_deg = 5_f64.to_radians().asin().to_degrees();
    let cone = Shape::from_dali(&[10.0, 20.0, radius_deg]).unwrap().area_square_degrees();
    assert!((round / cone - 1.0).abs() < 1e-13);
}

#[test]
fn maps_have_an_order_and_a_limit() {
    let sky = Region::from(Cone::new(0.0, 0.0, 180.0).unwrap());
    let map = Moc::of_region(29, &sky).unwrap();
    assert_eq!(map.to_string(), "0/0-11");
    assert_eq!(Region::from(map).centroid(), None);
    assert_eq!(Moc::from_ascii("").unwrap().to_string(), "0/");
    assert!(Moc::of_region(30, &sky).unwrap_err().message().contains("29"));
    let wide = Region::from(Cone::new(0.0, 0.0, 30.0).unwrap());
    assert_eq!(Moc::of_region(20, &wide).unwrap_err().kind(), crate::ErrorKind::Limit);
    let fine = Moc::from_ascii("10/5 7 12/1000").unwrap();
    assert_eq!(Moc::of_region(8, &fine.into()).unwrap().to_string(), "8/0 3");
    for sizes in [(0.0, 1.0), (1.0, -1.0), (180.0, 1.0), (1.0, 400.0), (f64::NAN, 1.0)] {
        assert!(Polygon::from_box(10.0, 20.0, sizes.0, sizes.1).unwrap_err().message().contains("180"));
    }
}
