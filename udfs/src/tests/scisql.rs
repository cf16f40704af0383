//! sciSQL's functions against sciSQL itself and its own tests.

use std::f64::consts::LN_10;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{Int32Type, Int64Type};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;
use proptest::prelude::*;

use super::sql::{run, session};
use super::{call, column, columns, scalar};

fn some(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().copied().map(Some).collect()
}

/// A function of numbers, some of them NULL.
fn of(name: &str, arguments: &[Option<f64>]) -> Option<f64> {
    match scalar(&format!("scisql_{name}"), arguments).unwrap() {
        ScalarValue::Float64(value) => value,
        other => panic!("{name} gave {other}"),
    }
}

fn number(name: &str, arguments: &[f64]) -> f64 {
    of(name, &some(arguments)).unwrap_or_else(|| panic!("{name}({arguments:?}) is NULL"))
}

fn is_close(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-12 * one.abs().max(other.abs()).max(1e-300)
}

/// The lines of a table that are no comments, cut at blanks.
pub(super) fn lines(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_whitespace().collect())
}

#[test]
fn photometry_agrees_with_scisql() {
    let mut checked = 0;
    for line in lines(include_str!("data/photometry.txt")) {
        let [name, expected, "|", arguments @ ..] = line.as_slice() else { panic!("{line:?}") };
        let arguments: Vec<f64> = arguments.iter().map(|argument| argument.parse().unwrap()).collect();
        let (found, expected) = (number(name, &arguments), expected.parse::<f64>().unwrap());
        // The magnitudes of sciSQL carry the rounding of -48.6.
        let is_close = is_close(found, expected) || name.ends_with("AbMag") && (found - expected).abs() < 1e-13;
        assert!(is_close, "{name}{arguments:?} = {found}, not {expected}");
        checked += 1;
    }
    assert_eq!(checked, 64);
}

/// The figures of sciSQL's own testPhotometry.py.
#[test]
fn photometry_gives_the_figures_of_scisqls_tests() {
    for (name, arguments, expected) in [
        ("nanojanskyToAbMag", vec![1.0], 31.4),
        ("nanojanskyToAbMag", vec![100.0], 26.4),
        ("nanojanskyToAbMag", vec![10000.0], 21.4),
        ("nanojanskyToAbMagSigma", vec![1.0 / LN_10, 2.0], 5.0),
        ("abMagToNanojansky", vec![31.4], 1.0),
        ("abMagToNanojansky", vec![26.4], 100.0),
        ("abMagToNanojansky", vec![21.4], 10000.0),
        ("abMagToNanojansky", vec![0.0], 3630.780547701e9),
        ("abMagToNanojanskySigma", vec![31.4, 5.0 / LN_10], 2.0),
        ("fluxToAbMag", vec![1.0], -48.6),
        ("fluxToAbMag", vec![100.0], -53.6),
        ("fluxToAbMag", vec![10000.0], -58.6),
        ("fluxToAbMagSigma", vec![1.0 / LN_10, 2.0], 5.0),
        ("abMagToFlux", vec![0.0], 3630.780547701e-23),
        ("abMagToFlux", vec![-48.6], 1.0),
        ("abMagToFlux", vec![-53.6], 100.0),
        ("abMagToFlux", vec![-58.6], 10000.0),
        ("abMagToFluxSigma", vec![-48.6, 5.0 / LN_10], 2.0),
        ("dnToAbMag", vec![3e12, 3e12], 0.0),
    ] {
        let found = number(name, &arguments);
        assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1e-6), "{name}{arguments:?} = {found}");
    }
    for name in ["nanojanskyToAbMagSigma", "abMagToNanojanskySigma", "fluxToAbMagSigma", "abMagToFluxSigma"] {
        for arguments in [[None, Some(1.0)], [Some(31.4), None], [None, None]] {
            assert_eq!(of(name, &arguments), None, "{name}{arguments:?}");
        }
    }
}

#[test]
fn photometry_of_nothing_is_null() {
    for (name, arguments, positive, not_negative) in [
        ("abMagToFlux", &[20.0] as &[f64], &[] as &[usize], &[] as &[usize]),
        ("abMagToNanojansky", &[20.0], &[], &[]),
        ("abMagToFluxSigma", &[20.0, 0.1], &[], &[1]),
        ("abMagToNanojanskySigma", &[20.0, 0.1], &[], &[1]),
        ("abMagToDn", &[20.0, 1e12], &[1], &[]),
        ("abMagToDnSigma", &[20.0, 0.1, 1e12, 1e10], &[2], &[1, 3]),
        ("dnToAbMag", &[100.0, 1e12], &[0, 1], &[]),
        ("dnToAbMagSigma", &[100.0, 1.0, 1e12, 1e10], &[0, 2], &[1, 3]),
        ("dnToFlux", &[100.0, 1e12], &[1], &[]),
        ("dnToFluxSigma", &[100.0, 1.0, 1e12, 1e10], &[2], &[1, 3]),
        ("fluxToDn", &[1e-29, 1e12], &[1], &[]),
        ("fluxToDnSigma", &[1e-29, 1e-30, 1e12, 1e10], &[2], &[1, 3]),
    ] {
        assert!(of(name, &some(arguments)).is_some(), "{name}");
        for place in 0..arguments.len() {
            let with = |value: Option<f64>| {
                let mut changed = some(arguments);
                changed[place] = value;
                of(name, &changed)
            };
            for impossible in [None, Some(f64::NAN), Some(f64::INFINITY), Some(f64::NEG_INFINITY)] {
                assert_eq!(with(impossible), None, "{name}, argument {place} {impossible:?}");
            }
            let (zero, negative) = (with(Some(0.0)), with(Some(-1.0)));
            assert_eq!(zero.is_none(), positive.contains(&place), "{name}, argument {place} zero");
            let is_null = positive.contains(&place) || not_negative.contains(&place);
            assert_eq!(negative.is_none(), is_null, "{name}, argument {place} negative");
        }
    }
}

proptest! {
    #[test]
    fn conversions_and_their_inverses_agree(
        magnitude in -10.0..40.0_f64, sigma in 0.0..0.5_f64, log_zero_point in 8.0..14.0_f64, relative in 0.0..0.3_f64,
    ) {
        let zero_point = 10_f64.powf(log_zero_point);
        let zero_point_sigma = zero_point * relative;
        let flux = number("abMagToFlux", &[magnitude]);
        let flux_sigma = number("abMagToFluxSigma", &[magnitude, sigma]);
        let close = |one: f64, other: f64| (one - other).abs() <= 1e-11 * one.abs().max(1.0);
        prop_assert!(close(number("fluxToAbMag", &[flux]), magnitude));
        prop_assert!(close(number("fluxToAbMagSigma", &[flux, flux_sigma]), sigma));
        let nanojansky = number("abMagToNanojansky", &[magnitude]);
        prop_assert!(is_close(nanojansky * 1e-32, flux) || (nanojansky * 1e-32 / flux - 1.0).abs() < 1e-10);
        prop_assert!(close(number("nanojanskyToAbMag", &[nanojansky]), magnitude));
        let nanojansky_sigma = number("abMagToNanojanskySigma", &[magnitude, sigma]);
        prop_assert!(close(number("nanojanskyToAbMagSigma", &[nanojansky, nanojansky_sigma]), sigma));
        let dn = number("fluxToDn", &[flux, zero_point]);
        prop_assert!((number("dnToFlux", &[dn, zero_point]) / flux - 1.0).abs() < 1e-12);
        prop_assert!((number("abMagToDn", &[magnitude, zero_point]) / dn - 1.0).abs() < 1e-10);
        prop_assert!(close(number("dnToAbMag", &[dn, zero_point]), magnitude));
        // An exact zero point adds nothing; another one adds in quadrature.
        let dn_sigma = number("fluxToDnSigma", &[flux, flux_sigma, zero_point, 0.0]);
        prop_assert!(close(number("dnToFluxSigma", &[dn, dn_sigma, zero_point, 0.0]) / flux, flux_sigma / flux));
        prop_assert!(close(number("dnToAbMagSigma", &[dn, dn_sigma, zero_point, 0.0]), sigma));
        let with_zero_point = number("dnToAbMagSigma", &[dn, dn_sigma, zero_point, zero_point_sigma]);
        prop_assert!(close(with_zero_point, sigma.hypot(relative * 2.5 / LN_10)));
        let dn_sigma = number("abMagToDnSigma", &[magnitude, sigma, zero_point, zero_point_sigma]);
        let same = number("fluxToDnSigma", &[flux, flux_sigma, zero_point, zero_point_sigma]);
        prop_assert!((dn_sigma - same).abs() <= 1e-10 * same);
    }

    #[test]
    fn a_binary_polygon_is_its_vertices(
        center in (0.0..360.0_f64, -80.0..80.0_f64),
        corners in prop::collection::vec((0.1..8.0_f64, 0.0..1.0_f64), 3..20),
        places in prop::collection::vec((-1.0..1.0_f64, -1.0..1.0_f64), 8),
    ) {
        // A star around the centre: corners at ascending angles.
        let count = corners.len() as f64;
        let vertices: Vec<f64> = corners.iter().enumerate().flat_map(|(n, (radius, angle))| {
            let (sin, cos) = ((n as f64 + 0.9 * angle) * std::f64::consts::TAU / count).sin_cos();
            [center.0 + radius * cos / center.1.to_radians().cos(), center.1 + radius * sin]
        }).collect();
        let polygon = call("scisql_s2CPolyToBin", constants(&vertices), 1).unwrap();
        let rows = places.len();
        let lon: Vec<f64> = places.iter().map(|(east, _)| center.0 + 8.0 * east).collect();
        let lat: Vec<f64> = places.iter().map(|(_, north)| center.1 + 8.0 * north).collect();
        let position = || vec![column(some(&lon)), column(some(&lat))];
        let by_vertices = call("scisql_s2PtInCPoly", [position(), constants(&vertices)].concat(), rows).unwrap();
        let by_value = call("scisql_s2PtInCPoly", [position(), vec![polygon.clone()]].concat(), rows).unwrap();
        let by_column = ColumnarValue::Array(polygon.to_array(rows).unwrap());
        let by_column = call("scisql_s2PtInCPoly", [position(), vec![by_column]].concat(), rows).unwrap();
        let expected = by_vertices.to_array(rows).unwrap();
        prop_assert_eq!(&by_value.to_array(rows).unwrap(), &expected);
        prop_assert_eq!(&by_column.to_array(rows).unwrap(), &expected);
    }
}

fn constants(values: &[f64]) -> Vec<ColumnarValue> {
    values.iter().map(|value| ColumnarValue::Scalar(ScalarValue::Float64(Some(*value)))).collect()
}

/// The octants of sciSQL's own testS2CPoly.py, in both directions.
#[test]
fn octants_hold_what_scisqls_tests_say() {
    let (x, nx, y, ny) = ([0.0, 0.0], [180.0, 0.0], [90.0, 0.0], [270.0, 0.0]);
    let (x2, z, nz) = ([360.0, 0.0], [0.0, 90.0], [0.0, -90.0]);
    let octants =
        [[x, y, z], [y, nx, z], [nx, ny, z], [ny, x2, z], [x2, ny, nz], [ny, nx, nz], [nx, y, nz], [y, x, nz]];
    for octant in octants {
        let is_north = octant[2][1] > 0.0;
        let (west, east) = if is_north { (octant[0][0], octant[1][0]) } else { (octant[1][0], octant[0][0]) };
        // None of them is on an edge.
        for n in 1..400 {
            let lon = (f64::from(n) * 137.508).rem_euclid(360.0);
            let lat = f64::from(n % 40) * 4.5 - 87.75;
            let expected = i32::from((lat > 0.0) == is_north && lon > west && lon < east);
            for order in [[0, 1, 2], [2, 1, 0]] {
                let vertices = order.map(|place| octant[place]).concat();
                let polygon = call("scisql_s2CPolyToBin", constants(&vertices), 1).unwrap();
                let position = constants(&[lon, lat]);
                for shape in [constants(&vertices), vec![polygon]] {
                    let found = call("scisql_s2PtInCPoly", [position.clone(), shape].concat(), 1).unwrap();
                    assert!(
                        matches!(found, ColumnarValue::Scalar(ScalarValue::Int32(Some(found))) if found == expected),
                        "({lon}, {lat}) in {vertices:?}: {found}"
                    );
                }
            }
        }
    }
}

#[test]
fn binary_polygons_of_nothing_follow_scisqls_rules() {
    let polygon = |vertices: &[Option<f64>]| scalar("scisql_s2CPolyToBin", vertices).unwrap();
    let good = some(&[0.0, 0.0, 90.0, 0.0, 0.0, 90.0]);
    for place in 0..6 {
        for impossible in [None, Some(f64::NAN), Some(f64::INFINITY)] {
            let mut vertices = good.clone();
            vertices[place] = impossible;
            assert!(polygon(&vertices).is_null(), "{vertices:?}");
        }
    }
    assert!(polygon(&some(&[0.0, 0.0, 90.0, 0.0, 0.0, 91.0])).is_null());
    let test = |lon: Option<f64>, lat: Option<f64>, polygon: ScalarValue| {
        let position = [lon, lat].map(|number| ColumnarValue::Scalar(ScalarValue::Float64(number)));
        let found = call("scisql_s2PtInCPoly", [position.to_vec(), vec![ColumnarValue::Scalar(polygon)]].concat(), 1);
        match found.unwrap() {
            ColumnarValue::Scalar(ScalarValue::Int32(found)) => found,
            other => panic!("{other}"),
        }
    };
    let good = polygon(&good);
    assert_eq!(test(Some(45.0), Some(45.0), good.clone()), Some(1));
    assert_eq!(test(Some(45.0), Some(-45.0), good.clone()), Some(0));
    assert_eq!(test(None, Some(45.0), good.clone()), Some(0));
    assert_eq!(test(Some(45.0), Some(45.0), ScalarValue::Binary(None)), Some(0));
    assert_eq!(test(Some(f64::NAN), Some(45.0), good.clone()), None);
    assert_eq!(test(Some(45.0), Some(91.0), good.clone()), None);
    let ScalarValue::Binary(Some(bytes)) = good else { panic!("no bytes") };
    for broken in [&bytes[..bytes.len() - 1], &bytes[..bytes.len() - 16], &bytes[8..], b"", b"a polygon"] {
        assert_eq!(test(Some(45.0), Some(45.0), ScalarValue::Binary(Some(broken.to_vec()))), None, "{broken:?}");
    }
}

#[tokio::test]
async fn a_constant_binary_polygon_becomes_its_vertices() {
    let sql = "SELECT objectId FROM Object WHERE scisql_s2PtInCPoly(ra, decl, scisql_s2CPolyToBin(9, -6, 11, -6, 10, -4)) = 1";
    let plan = session().sql(sql).await.unwrap().into_optimized_plan().unwrap().to_string();
    assert!(plan.contains("Float64(11), Float64(-6)") && !plan.to_lowercase().contains("tobin"), "{plan}");
    let found = run(sql).await.unwrap();
    assert_eq!(found.column(0).as_primitive::<Int64Type>().values().as_ref(), [1]);
}

#[test]
fn triangles_are_scisqls() {
    for line in lines(include_str!("data/htm_ids.txt")) {
        let [lon, lat, level, expected] = line.as_slice() else { panic!("{line:?}") };
        let (lon, lat): (f64, f64) = (lon.parse().unwrap(), lat.parse().unwrap());
        let expected: i64 = expected.parse().unwrap();
        assert_eq!(htm_id(Some(lon), Some(lat), level.parse().ok()), Some(expected), "{line:?}");
    }
    for line in lines(include_str!("data/htm_levels.txt")) {
        let [id, expected] = [0, 1].map(|place| line[place].parse::<i64>().unwrap());
        let id = ColumnarValue::Array(Arc::new(Int64Array::from(vec![Some(id), None])) as ArrayRef);
        let found = call("scisql_s2HtmLevel", vec![id], 2).unwrap().to_array(2).unwrap();
        let found = found.as_primitive::<Int32Type>();
        assert_eq!(found.is_valid(0).then(|| i64::from(found.value(0))), (expected >= 0).then_some(expected));
        assert!(found.is_null(1));
    }
}

fn htm_id(lon: Option<f64>, lat: Option<f64>, level: Option<i64>) -> Option<i64> {
    let arguments = [ScalarValue::Float64(lon), ScalarValue::Float64(lat), ScalarValue::Int64(level)];
    let found = call("scisql_s2HtmId", arguments.map(ColumnarValue::Scalar).to_vec(), 1).unwrap();
    match found {
        ColumnarValue::Scalar(ScalarValue::Int64(id)) => id,
        other => panic!("{other}"),
    }
}

proptest! {
    #[test]
    fn triangles_nest_and_know_their_level(lon in -400.0..800.0_f64, lat in -90.0..90.0_f64, level in 1..=24_i64) {
        let id = htm_id(Some(lon), Some(lat), Some(level)).unwrap();
        prop_assert_eq!(htm_id(Some(lon), Some(lat), Some(level - 1)), Some(id >> 2));
        let found = call("scisql_s2HtmLevel", vec![ColumnarValue::Scalar(ScalarValue::Int64(Some(id)))], 1).unwrap();
        prop_assert!(matches!(found, ColumnarValue::Scalar(ScalarValue::Int32(Some(found))) if i64::from(found) == level));
    }
}

#[test]
fn triangles_of_nowhere_are_null() {
    for (lon, lat, level) in [
        (None, Some(1.0), Some(5)),
        (Some(1.0), None, Some(5)),
        (Some(1.0), Some(1.0), None),
        (Some(f64::NAN), Some(1.0), Some(5)),
        (Some(f64::INFINITY), Some(1.0), Some(5)),
        (Some(1.0), Some(90.1), Some(5)),
        (Some(1.0), Some(1.0), Some(-1)),
        (Some(1.0), Some(1.0), Some(25)),
    ] {
        assert_eq!(htm_id(lon, lat, level), None, "{lon:?} {lat:?} {level:?}");
    }
    let polygons = columns(
        "scisql_s2CPolyToBin",
        &[
            vec![Some(0.0), None],
            vec![Some(0.0); 2],
            vec![Some(9.0); 2],
            vec![Some(0.0); 2],
            vec![Some(0.0); 2],
            vec![Some(9.0); 2],
        ],
    )
    .unwrap();
    assert!(polygons.is_valid(0) && polygons.is_null(1));
}

#[tokio::test]
async fn the_version_is_a_release_of_scisql() {
    let found = run("SELECT SCISQL_GETVERSION() AS v, \"scisql_getVersion\"() AS w FROM Object").await.unwrap();
    assert_eq!((found.num_rows(), found.column(0).as_string::<i32>().value(2)), (3, "0.3.11"));
}
