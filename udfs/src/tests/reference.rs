//! The functions against `qserv_core::sky` and against plain formulas.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int32Array};
use arrow::datatypes::{Float64Type, Int32Type};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use proptest::prelude::*;
use qserv_core::ErrorKind;
use qserv_core::sky::{Cone, Ellipse, Polygon, Region, box_corners, separation_deg};

use super::{call, column, columns, ours, scalar};
use crate::{TestedRegion, tested_region};

fn some(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().copied().map(Some).collect()
}

fn number(name: &str, args: &[f64]) -> Option<f64> {
    match scalar(name, &some(args)).unwrap() {
        ScalarValue::Float64(value) => value,
        other => panic!("{name} gave {other}"),
    }
}

fn integer(name: &str, args: &[Option<f64>]) -> Option<i32> {
    match scalar(name, args).unwrap() {
        ScalarValue::Int32(value) => value,
        other => panic!("{name} gave {other}"),
    }
}

fn boolean(name: &str, args: &[Option<f64>]) -> Option<bool> {
    match scalar(name, args).unwrap() {
        ScalarValue::Boolean(value) => value,
        other => panic!("{name} gave {other}"),
    }
}

/// The half-angle formula, good to 1e-6 degrees at the antipode and to the last digits elsewhere.
fn haversine_deg(lon1: f64, lat1: f64, lon2: f64, lat2: f64) -> f64 {
    let lat = ((lat2 - lat1).to_radians() / 2.0).sin().powi(2);
    let lon = ((lon2 - lon1).to_radians() / 2.0).sin().powi(2);
    let half = (lat + lat1.to_radians().cos() * lat2.to_radians().cos() * lon).clamp(0.0, 1.0);
    2.0 * half.sqrt().asin().to_degrees()
}

fn vector(lon: f64, lat: f64) -> [f64; 3] {
    let (lon, lat) = (lon.to_radians(), lat.to_radians());
    [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
}

/// The left side of the ellipse's equation: below 1 inside. Tangent-plane coordinates at the centre.
fn ellipse_equation(lon: f64, lat: f64, shape: [f64; 5]) -> f64 {
    let [center_lon, center_lat, major_arcsec, minor_arcsec, angle] = shape;
    let v = vector(lon, lat);
    let (sin_lon, cos_lon) = center_lon.to_radians().sin_cos();
    let (sin_lat, cos_lat) = center_lat.to_radians().sin_cos();
    let (sin_angle, cos_angle) = angle.to_radians().sin_cos();
    let north = cos_lat * v[2] - sin_lat * (cos_lon * v[0] + sin_lon * v[1]);
    let east = cos_lon * v[1] - sin_lon * v[0];
    let along = (north * cos_angle + east * sin_angle) / (major_arcsec / 3600.0).to_radians();
    let across = (east * cos_angle - north * sin_angle) / (minor_arcsec / 3600.0).to_radians();
    along * along + across * across
}

fn lon() -> std::ops::Range<f64> {
    0.0..360.0
}

fn lat() -> std::ops::Range<f64> {
    -90.0..90.0
}

proptest! {
    #[test]
    fn distances_agree_with_the_half_angle_formula(a in lon(), b in lat(), c in lon(), d in lat()) {
        let found = number("qserv_distance", &[a, b, c, d]).unwrap();
        prop_assert!((found - haversine_deg(a, b, c, d)).abs() < 1e-6);
        prop_assert_eq!(Some(found), number("scisql_angSep", &[a, b, c, d]));
        let ([x1, y1, z1], [x2, y2, z2]) = (vector(a, b), vector(c, d));
        for (k, l) in [(1.0, 1.0), (1e200, 1e-200), (3e-160, 7.0)] {
            let found_by_vectors = number("scisql_angSep", &[k * x1, k * y1, k * z1, l * x2, l * y2, l * z2]).unwrap();
            prop_assert!((found - found_by_vectors).abs() < 1e-12);
        }
    }

    #[test]
    fn circles_agree_with_the_distance(
        p in prop::collection::vec((lon(), lat()), 20), a in lon(), b in lat(), radius in 0.0..180.0,
    ) {
        let (lons, lats): (Vec<f64>, Vec<f64>) = p.iter().copied().unzip();
        let constant = |value| ColumnarValue::Scalar(ScalarValue::Float64(Some(value)));
        let args = || vec![
            column(some(&lons)), column(some(&lats)), constant(a), constant(b), constant(radius),
        ];
        let inside = call("qserv_contains_circle", args(), 20).unwrap().into_array(20).unwrap();
        let inside_scisql = call("scisql_s2PtInCircle", args(), 20).unwrap().into_array(20).unwrap();
        let cone = Cone::new(a, b, radius).unwrap();
        for (row, (lon, lat)) in p.into_iter().enumerate() {
            let found = inside.as_boolean().value(row);
            prop_assert_eq!(found, separation_deg(a, b, lon, lat) <= radius);
            prop_assert_eq!(found, cone.contains(lon, lat));
            prop_assert_eq!(i32::from(found), inside_scisql.as_primitive::<Int32Type>().value(row));
        }
    }

    #[test]
    fn boxes_agree_with_plain_comparisons(
        lon in -720.0..720.0_f64, lat in lat(), west in -720.0..720.0_f64, width in 0.0..400.0_f64,
        lats in (lat(), lat()),
    ) {
        let (south, north) = lats;
        let east_of_west = (lon - west).rem_euclid(360.0);
        // Within rounding of an edge either answer is right.
        prop_assume!((east_of_west - width).abs() > 1e-9 && (1e-9..360.0 - 1e-9).contains(&east_of_west));
        let inside = (width >= 360.0 || east_of_west <= width) && south <= lat && lat <= north;
        let args = some(&[lon, lat, west, south, west + width, north]);
        prop_assert_eq!(integer("scisql_s2PtInBox", &args), Some(i32::from(inside)));
    }

    /// The box is where both tangent-plane coordinates are within the tangents of the half sizes.
    #[test]
    fn boxes_of_adql_agree_with_their_definition(
        lon in lon(), lat in lat(), center in (lon(), -89.0..89.0), sizes in (0.01..179.0_f64, 0.01..179.0_f64),
    ) {
        let (v, up) = (vector(lon, lat), vector(center.0, center.1));
        let (sin_lon, cos_lon) = center.0.to_radians().sin_cos();
        let (sin_lat, cos_lat) = center.1.to_radians().sin_cos();
        let dot = |a: [f64; 3]| a[0] * v[0] + a[1] * v[1] + a[2] * v[2];
        let depth = dot(up);
        let tangent = |size: f64| (size / 2.0).to_radians().tan();
        let x = dot([-sin_lon, cos_lon, 0.0]).abs() - depth * tangent(sizes.0);
        let y = dot([-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat]).abs() - depth * tangent(sizes.1);
        prop_assume!(x.abs() > 1e-9 && y.abs() > 1e-9 && depth.abs() > 1e-9);
        let args = some(&[lon, lat, center.0, center.1, sizes.0, sizes.1]);
        prop_assert_eq!(boolean("qserv_contains_box", &args), Some(depth > 0.0 && x < 0.0 && y < 0.0));
    }

    #[test]
    fn ellipses_agree_with_their_equation(
        a in lon(), b in lat(), major in 0.001..36_000.0_f64, ratio in 0.01..1.0_f64, angle in -180.0..360.0_f64,
        east in -1.2..1.2_f64, north in -1.2..1.2_f64,
    ) {
        let minor = major * ratio;
        let lat = (b + north * major / 3600.0).clamp(-90.0, 90.0);
        let lon = a + east * major / 3600.0 / b.to_radians().cos().max(1e-3);
        let equation = ellipse_equation(lon, lat, [a, b, major, minor, angle]);
        // The equation is that of the half of the sky around the centre: its mirror image has the same values.
        prop_assume!((equation - 1.0).abs() > 1e-6 && haversine_deg(a, b, lon, lat) < 80.0);
        let inside = equation < 1.0;
        let args = some(&[lon, lat, a, b, major, minor, angle]);
        prop_assert_eq!(integer("scisql_s2PtInEllipse", &args), Some(i32::from(inside)));
        let args = some(&[lon, lat, a, b, major / 3600.0, minor / 3600.0, angle]);
        prop_assert_eq!(boolean("qserv_contains_ellipse", &args), Some(inside));
        let same = Ellipse::new(a, b, major / 3600.0, minor / 3600.0, angle).unwrap();
        prop_assert_eq!(same.contains(lon, lat), inside);
    }

    #[test]
    fn triangles_agree_with_the_sides_of_their_edges(
        lon in lon(), lat in lat(), corners in prop::collection::vec((lon(), lat()), 3), backwards in any::<bool>(),
    ) {
        let v: Vec<[f64; 3]> = corners.iter().map(|(lon, lat)| vector(*lon, *lat)).collect();
        let side = |a: [f64; 3], b: [f64; 3], c: [f64; 3]| {
            a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0])
        };
        let turn = side(v[0], v[1], v[2]);
        // Slivers are a question of rounding.
        prop_assume!(turn.abs() > 1e-3);
        let p = vector(lon, lat);
        let sides: Vec<f64> = (0..3).map(|i| side(p, v[i], v[(i + 1) % 3]) * turn.signum()).collect();
        prop_assume!(sides.iter().all(|side| side.abs() > 1e-9));
        let inside = sides.iter().all(|side| *side > 0.0);
        let mut corners = corners;
        if backwards {
            corners.reverse();
        }
        let mut args = vec![lon, lat];
        args.extend(corners.iter().flat_map(|(lon, lat)| [*lon, *lat]));
        prop_assert_eq!(integer("scisql_s2PtInCPoly", &some(&args)), Some(i32::from(inside)));
        prop_assert_eq!(boolean("qserv_contains_polygon", &some(&args)), Some(inside));
        prop_assert_eq!(Polygon::new(&corners).unwrap().contains(lon, lat), inside);
        // A ring that is closed, and a vertex given twice, are the same polygon to sciSQL.
        args.extend([args[2], args[3], args[2], args[3]]);
        prop_assert_eq!(integer("scisql_s2PtInCPoly", &some(&args)), Some(i32::from(inside)));
    }

    #[test]
    fn magnitudes_are_the_formulas(flux in 1e-3..1e9_f64, sigma in 0.0..1e6_f64) {
        let magnitude = number("scisql_nanojanskyToAbMag", &[flux]).unwrap();
        prop_assert_eq!(magnitude, -2.5 * flux.log10() + 31.4);
        // One nanojansky is 1e-32 erg/s/cm2/Hz.
        let of_cgs = number("scisql_fluxToAbMag", &[flux * 1e-32]).unwrap();
        prop_assert!((magnitude - of_cgs).abs() < 1e-9);
        let error = number("scisql_nanojanskyToAbMagSigma", &[flux, sigma]).unwrap();
        prop_assert!((error - 1.085_736_204_758_129_6 * sigma / flux).abs() <= 1e-12 * error);
        prop_assert_eq!(Some(error), number("scisql_fluxToAbMagSigma", &[flux, sigma]));
    }

    #[test]
    fn the_tested_region_is_what_the_function_tests(
        p in prop::collection::vec((lon(), lat()), 30), shape in prop::collection::vec(-20.0..60.0_f64, 10),
        (name, count) in prop::sample::select(vec![
            ("qserv_contains_circle", 3), ("qserv_contains_box", 4), ("qserv_contains_polygon", 8),
            ("qserv_contains_ellipse", 5), ("scisql_s2ptincircle", 3), ("scisql_s2PtInBox", 4),
            ("scisql_s2PtInCPoly", 10), ("scisql_s2PtInEllipse", 5),
        ]),
    ) {
        let shape = &shape[..count];
        let mut args: Vec<Vec<Option<f64>>> = vec![p.iter().map(|p| Some(p.0)).collect(), p.iter().map(|p| Some(p.1)).collect()];
        args.extend(shape.iter().map(|value| vec![Some(*value); p.len()]));
        let found = columns(name, &args).unwrap();
        match tested_region(name, shape).unwrap() {
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::Invalid);
                prop_assert_eq!(found.null_count(), p.len());
            }
            Ok(region) => for (row, (lon, lat)) in p.into_iter().enumerate() {
                let expected = match &region {
                    TestedRegion::Nothing => false,
                    TestedRegion::Region(region) => region.contains(lon, lat),
                };
                prop_assert_eq!(is_true(&found, row), expected);
            },
        }
    }
}

fn is_true(found: &ArrayRef, row: usize) -> bool {
    match found.as_boolean_opt() {
        Some(found) => found.value(row),
        None => found.as_primitive::<Int32Type>().value(row) == 1,
    }
}

#[test]
fn tested_regions_are_of_tests_only() {
    assert!(tested_region("qserv_distance", &[0.0, 0.0]).is_none());
    assert!(tested_region("abs", &[]).is_none());
    assert!(matches!(
        tested_region("QSERV_CONTAINS_CIRCLE", &[1.0, 2.0, 3.0]),
        Some(Ok(TestedRegion::Region(Region::Cone(_))))
    ));
    assert_eq!(tested_region("qserv_contains_circle", &[1.0]).unwrap().unwrap_err().kind(), ErrorKind::Invalid);
    assert!(matches!(tested_region("scisql_s2PtInBox", &[0.0, 5.0, 1.0, 4.0]), Some(Ok(TestedRegion::Nothing))));
}

#[test]
fn scisql_tests_give_0_for_null_and_null_for_what_cannot_be() {
    let tests =
        [("scisql_s2PtInCircle", 5), ("scisql_s2PtInBox", 6), ("scisql_s2PtInCPoly", 8), ("scisql_s2PtInEllipse", 7)];
    for (name, count) in tests {
        for index in 0..count {
            let mut args = vec![Some(0.0); count];
            args[index] = None;
            assert_eq!(integer(name, &args), Some(0), "{name}, argument {index}");
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let mut args = some(&[0.0, 0.0, 0.0, 0.0, 2.0, 1.0, 1.0, 2.0][..count]);
                args[index] = Some(bad);
                assert_eq!(integer(name, &args), None, "{name}, argument {index}: {bad}");
                // NULL comes before the rest.
                args[(index + 1) % count] = None;
                assert_eq!(integer(name, &args), Some(0), "{name}, argument {index}: {bad}");
            }
        }
    }
    let null = |name: &str, args: &[f64]| assert_eq!(integer(name, &some(args)), None, "{name}{args:?}");
    for lat in [-91.0, 91.0] {
        null("scisql_s2PtInCircle", &[0.0, lat, 0.0, 0.0, 0.0]);
        null("scisql_s2PtInCircle", &[0.0, 0.0, 0.0, lat, 0.0]);
        null("scisql_s2PtInBox", &[0.0, lat, 0.0, 0.0, 0.0, 0.0]);
        null("scisql_s2PtInBox", &[0.0, 0.0, 0.0, lat, 0.0, 0.0]);
        null("scisql_s2PtInBox", &[0.0, 0.0, 0.0, 0.0, 0.0, lat]);
        null("scisql_s2PtInEllipse", &[0.0, lat, 0.0, 0.0, 0.0, 0.0, 0.0]);
        null("scisql_s2PtInEllipse", &[0.0, 0.0, 0.0, lat, 0.0, 0.0, 0.0]);
        null("scisql_s2PtInCPoly", &[0.0, lat, 0.0, 0.0, 90.0, 0.0, 0.0, 90.0]);
        null("scisql_s2PtInCPoly", &[0.0, 0.0, 0.0, 0.0, 90.0, 0.0, 0.0, lat]);
    }
    for radius in [-1.0, 181.0] {
        null("scisql_s2PtInCircle", &[0.0, 0.0, 0.0, 0.0, radius]);
    }
    for (west, east) in [(370.0, 10.0), (50.0, -90.0), (400.0, -400.0)] {
        null("scisql_s2PtInBox", &[0.0, 0.0, west, 0.0, east, 0.0]);
    }
    for (major, minor) in [(1.0, 2.0), (2.0, -1.0), (36_001.0, 1.0)] {
        null("scisql_s2PtInEllipse", &[0.0, 0.0, 0.0, 0.0, major, minor, 0.0]);
    }
}

#[test]
fn scisql_boxes_go_around() {
    let test = |lon, lat| integer("scisql_s2PtInBox", &some(&[lon, lat, 350.0, 0.0, 370.0, 1.0]));
    for (lon, lat) in [(360.0, 0.5), (720.0, 0.5), (5.0, 0.5), (355.0, 0.5), (350.0, 0.0), (10.0, 1.0)] {
        assert_eq!(test(lon, lat), Some(1), "{lon} {lat}");
    }
    for (lon, lat) in [(0.0, 1.1), (0.0, -0.1), (10.1, 0.5), (349.9, 0.5)] {
        assert_eq!(test(lon, lat), Some(0), "{lon} {lat}");
    }
    assert_eq!(integer("scisql_s2PtInBox", &some(&[123.0, 0.0, -180.0, 0.0, 180.0, 1.0])), Some(1));
    assert_eq!(integer("scisql_s2PtInBox", &some(&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0])), Some(1));
    assert_eq!(integer("scisql_s2PtInBox", &some(&[359.9, 0.5, 0.0, 0.0, 360.0, 1.0])), Some(1));
    assert_eq!(integer("scisql_s2PtInBox", &some(&[0.0, 0.5, 350.0, 0.0, 360.0, 1.0])), Some(1));
}

#[test]
fn adql_tests_give_null_for_null_and_refuse_impossible_constants() {
    for (name, count) in [("circle", 5), ("box", 6), ("polygon", 8), ("ellipse", 7)] {
        let name = format!("qserv_contains_{name}");
        for index in 0..count {
            let mut args = some(&[0.0, 0.0, 0.0, 0.0, 2.0, 1.0, 1.0, 2.0][..count]);
            args[index] = None;
            assert_eq!(boolean(&name, &args), None, "{name}, argument {index}");
        }
    }
    for (name, args, word) in [
        ("qserv_contains_circle", &[0.0, 0.0, 0.0, 95.0, 1.0][..], "latitude"),
        ("qserv_contains_circle", &[0.0, 95.0, 0.0, 0.0, 1.0], "latitude"),
        ("qserv_contains_circle", &[0.0, 0.0, 0.0, 0.0, -1.0], "radius"),
        ("qserv_contains_circle", &[0.0, 0.0, 0.0, 0.0, f64::NAN], "radius"),
        ("qserv_contains_box", &[0.0, 0.0, 0.0, 0.0, -1.0, 1.0], ""),
        ("qserv_contains_polygon", &[0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, -99.0], "latitude"),
        ("qserv_contains_polygon", &[0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 3.0, 3.0], ""),
        ("qserv_contains_ellipse", &[0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 3.0], ""),
        ("qserv_distance", &[0.0, 0.0, 1.0, -91.0], "latitude"),
        ("qserv_point", &[0.0, 91.0], "latitude"),
        ("qserv_circle", &[0.0, 0.0, -1.0], "radius"),
        ("qserv_polygon", &[0.0, 0.0, 1.0, 1.0, 1.0, 91.0], "latitude"),
    ] {
        let error = scalar(name, &some(args)).unwrap_err();
        assert_eq!(ours(&error).kind(), ErrorKind::Invalid, "{name}{args:?}");
        assert!(ours(&error).message().contains(word), "{name}{args:?}: {error}");
        assert!(ours(&error).context().iter().any(|(key, _)| *key == "function"));
    }
    // The same from columns is NULL in its row alone, and a NaN position is nowhere.
    let found = columns(
        "qserv_contains_circle",
        &[
            some(&[0.0, 0.0, f64::NAN, 0.0]),
            some(&[0.0; 4]),
            some(&[0.0; 4]),
            some(&[0.0; 4]),
            some(&[1.0, -1.0, 1.0, 0.0]),
        ],
    );
    let found: Vec<Option<bool>> = found.unwrap().as_boolean().iter().collect();
    assert_eq!(found, [Some(true), None, Some(false), Some(true)]);
}

#[test]
fn magnitudes_of_nothing_are_null() {
    for flux in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for name in ["scisql_nanojanskyToAbMag", "scisql_fluxToAbMag"] {
            assert_eq!(number(name, &[flux]), None, "{name}({flux})");
            assert_eq!(number(&format!("{name}Sigma"), &[flux, 1.0]), None, "{name}Sigma({flux}, 1)");
        }
    }
    for sigma in [-1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(number("scisql_fluxToAbMagSigma", &[1.0, sigma]), None);
    }
    assert_eq!(number("scisql_nanojanskyToAbMag", &[1.0]), Some(31.4));
    assert_eq!(number("scisql_fluxToAbMag", &[1.0]), Some(-48.6));
    assert_eq!(number("scisql_nanojanskyToAbMagSigma", &[1.0, 0.0]), Some(0.0));
    let found = columns("scisql_nanojanskyToAbMag", &[vec![Some(1.0), None, Some(-1.0), Some(10.0)]]).unwrap();
    assert_eq!(found.as_ref(), &Float64Array::from(vec![Some(31.4), None, None, Some(28.9)]) as &dyn Array);
}

#[test]
fn separations_of_nowhere_are_null_to_scisql_and_nan_to_adql() {
    for args in
        [[0.0, 91.0, 0.0, 0.0], [0.0, 0.0, 0.0, -91.0], [f64::NAN, 0.0, 0.0, 0.0], [0.0, 0.0, f64::INFINITY, 0.0]]
    {
        assert_eq!(number("scisql_angSep", &args), None, "{args:?}");
    }
    assert!(number("qserv_distance", &[f64::NAN, 0.0, 0.0, 0.0]).unwrap().is_nan());
    assert_eq!(scalar("qserv_distance", &[None, Some(0.0), Some(0.0), Some(0.0)]).unwrap(), ScalarValue::Float64(None));
    assert_eq!(number("scisql_angSep", &[0.0, 0.0, 0.0, 90.0]), Some(90.0));
    assert_eq!(number("scisql_angSep", &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0]), Some(90.0));
    assert_eq!(number("scisql_angSep", &[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]), Some(0.0));
    assert_eq!(number("scisql_angSep", &[f64::INFINITY, 0.0, 0.0, 0.0, 0.0, 1.0]), None);
    assert_eq!(number("scisql_angSep", &[f64::NAN; 6]), None);
}

#[test]
fn ellipses_without_width_hold_nothing() {
    for (major, minor) in [(0.0, 0.0), (10.0, 0.0)] {
        assert_eq!(integer("scisql_s2PtInEllipse", &some(&[0.0, 0.0, 0.0, 0.0, major, minor, 0.0])), Some(0));
    }
}

#[test]
fn values_are_lists_in_dali_order() {
    let lists = |name: &str, args: &[Vec<Option<f64>>]| -> Vec<Option<Vec<f64>>> {
        let found = columns(name, args).unwrap();
        found.as_list::<i32>().iter().map(|list| Some(list?.as_primitive::<Float64Type>().values().to_vec())).collect()
    };
    let (lon, lat) = (vec![Some(10.0), None, Some(359.0)], vec![Some(-5.0), Some(1.0), Some(89.0)]);
    let two = vec![Some(2.0); 3];
    assert_eq!(
        lists("qserv_point", &[lon.clone(), lat.clone()]),
        [Some(vec![10.0, -5.0]), None, Some(vec![359.0, 89.0])]
    );
    assert_eq!(lists("qserv_circle", &[lon.clone(), lat.clone(), two.clone()])[0], Some(vec![10.0, -5.0, 2.0]));
    let four = vec![Some(4.0); 3];
    let boxes = lists("qserv_box", &[lon.clone(), lat.clone(), two.clone(), four]);
    for (row, lat) in [(0, -5.0), (2, 89.0)] {
        let corners = box_corners([10.0, 0.0, 359.0][row], lat, 2.0, 4.0).unwrap();
        assert_eq!(boxes[row], Some(corners.into_iter().flat_map(|(lon, lat)| [lon, lat]).collect()));
    }
    assert_eq!(boxes[1], None);
    let too_wide = lists("qserv_box", &[lon.clone(), lat.clone(), vec![Some(180.0); 3], two.clone()]);
    assert_eq!(too_wide, [None, None, None]);
    let polygon = lists("qserv_polygon", &[lon.clone(), lat.clone(), two.clone(), two.clone(), two.clone(), two]);
    assert_eq!(polygon[0], Some(vec![10.0, -5.0, 2.0, 2.0, 2.0, 2.0]));
    let points = call("qserv_point", vec![column(lon), column(lat)], 3).unwrap();
    for (name, expected) in
        [("qserv_coord1", [Some(10.0), None, Some(359.0)]), ("qserv_coord2", [Some(-5.0), None, Some(89.0)])]
    {
        let found = call(name, vec![points.clone()], 3).unwrap().into_array(3).unwrap();
        assert_eq!(found.as_ref(), &Float64Array::from(expected.to_vec()) as &dyn Array);
        let sliced = ColumnarValue::Array(points.to_array(3).unwrap().slice(1, 2));
        let found = call(name, vec![sliced], 2).unwrap().into_array(2).unwrap();
        assert_eq!(found.as_ref(), &Float64Array::from(expected[1..].to_vec()) as &dyn Array);
    }
}

#[test]
fn a_test_of_many_rows_keeps_nulls_apart() {
    let found = columns(
        "scisql_s2PtInCircle",
        &[
            vec![Some(0.0), None, Some(f64::NAN), Some(0.0), Some(50.0), Some(0.0)],
            vec![Some(0.0), Some(0.0), Some(0.0), Some(91.0), Some(0.0), Some(0.0)],
            vec![Some(0.0); 6],
            vec![Some(0.0); 6],
            vec![Some(1.0), Some(1.0), Some(1.0), Some(1.0), Some(1.0), Some(-1.0)],
        ],
    )
    .unwrap();
    let expected = Int32Array::from(vec![Some(1), Some(0), None, None, Some(0), None]);
    assert_eq!(found.as_ref(), &expected as &dyn Array);
}
