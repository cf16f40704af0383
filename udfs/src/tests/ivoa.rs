//! The functions of the IVOA's catalogue: the note's own examples, and astropy.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use datafusion::logical_expr::ColumnarValue;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use proptest::prelude::*;
use qserv_core::ErrorKind;
use qserv_core::sky::separation_deg;

use super::{call, ours};
use crate::all;

/// What an example of the note becomes.
#[derive(Debug)]
enum Becomes {
    Whole(i64),
    /// A number, to this precision.
    Number(f64, f64),
    /// Numbers, NaN for NULL, each to this precision.
    List(&'static [f64], f64),
    Null,
    Error(&'static str),
}

use Becomes::{Error, List, Null, Number, Whole};

/// The examples of the note's EN 1.2 with what it says that they become. Its POINT, CIRCLE and POLYGON are what they are
/// translated to.
const EXAMPLES: &[(&str, Becomes)] = &[
    ("ivo_healpix_index(0, 1, 1)", Whole(4)),
    ("ivo_healpix_index(17, 1, 1)", Whole(81_609_757_711)),
    ("ivo_healpix_index(17, 359, -1)", Whole(73_009_064_944)),
    ("ivo_healpix_index(0, qserv_point(1, 1))", Whole(4)),
    ("ivo_healpix_index(17, qserv_point(1, 1))", Whole(81_609_757_711)),
    ("ivo_healpix_index(17, qserv_centroid(qserv_circle(359, -1, 3)))", Whole(73_009_064_944)),
    ("ivo_healpix_center(0, 6)", List(&[180.0, 0.0], 1e-13)),
    (
        "ivo_healpix_center(17, ivo_healpix_index(17, 23.4, 56.7))",
        List(&[23.399_843_462_947_466, 56.700_162_143_631_92], 1e-12),
    ),
    ("ivo_healpix_center(17, 23.2)", Error("argument 2 of ivo_healpix_center must be a whole number")),
    (
        "ivo_epoch_prop_pos(7.606083572, 11.79044105, 125, 300, -428.8, 52.51, 2016.0, 1992.25)",
        List(&[7.604_061_404_627_978, 11.793_270_382_827_9], 1e-12),
    ),
    (
        "ivo_epoch_prop_pos(7.606083572, 11.79044105, 125, 300, -428.8, 52.51, 2016.0, 1875.0)",
        List(&[7.594_068_213_694_308, 11.807_251_375_203_935], 1e-12),
    ),
    (
        "ivo_epoch_prop_pos(7.606083572, 11.79044105, 125, 300, -428.8, NULL, 2016.0, 1875.0)",
        List(&[7.594_079_587_029_898, 11.807_235_464_326_332], 1e-12),
    ),
    (
        "ivo_epoch_prop_pos(7.606083572, 11.79044105, 125, 300, NULL, NULL, 2016.0, 1875.0)",
        List(&[7.594_080_321_498_365, 11.790_440_798_509_207], 1e-12),
    ),
    (
        // The note took some small parallax for an infinite distance, and says that this is not fixed.
        "ivo_epoch_prop_pos(7.606083572, 11.79044105, NULL, 300, -428.8, 52.51, 2016.0, 1875.0)",
        List(&[7.594_079_587_020_846, 11.807_235_464_339_055], 2e-11),
    ),
    (
        "ivo_epoch_prop_pos(NULL, 11.79044105, 125, 300, NULL, NULL, 2016.0, 1875.0)",
        Error("the argument ra of ivo_epoch_prop_pos must not be NULL"),
    ),
    (
        "ivo_epoch_prop_pos(7.606083572, 11.79044105, 125, 300, -428.8, 52.51, NULL, 1875.0)",
        Error("the argument ref_epoch of ivo_epoch_prop_pos must not be NULL"),
    ),
    (
        "ivo_epoch_prop(7.606083572, 11.79044105, 125, 300, -428.8, 52.51, 2016.0, 1992.25)",
        List(
            &[
                7.604_061_404_627_973_5,
                11.793_270_382_827_929,
                125.019_931_655_846_82,
                300.098_773_259_736_05,
                -428.934_593_565_712,
                52.508_803_817_752_56,
            ],
            1e-10,
        ),
    ),
    (
        "ivo_epoch_prop(7.606083572, 11.79044105, 125, NULL, NULL, NULL, 2016.0, 1992.25)",
        List(&[7.606_083_572, 11.790_441_05, 125.0, f64::NAN, f64::NAN, f64::NAN], 1e-12),
    ),
    (
        "ivo_epoch_prop(7.606083572, 11.79044105, NULL, 300, -428.8, 52.51, 2016.0, 1992.25)",
        List(
            &[
                7.604_061_727_024_453,
                11.793_269_931_749_9,
                f64::NAN,
                300.003_091_191_810_8,
                -428.797_835_146_431_05,
                52.51,
            ],
            2e-7,
        ),
    ),
    (
        "ivo_epoch_prop(7.606083572, 11.79044105, 125, 21, NULL, NULL, 2016.0, 1992.25)",
        List(&[7.606_083_572_000_001, 11.790_441_05, 125.0, f64::NAN, f64::NAN, f64::NAN], 1e-12),
    ),
    (
        "ivo_epoch_prop(7.606083572, 11.79044105, 125, 300, -428.8, NULL, 2016.0, 1992.25)",
        List(
            &[
                7.604_061_727_024_712,
                11.793_269_931_749_549,
                124.999_999_773_065_5,
                300.003_091_115_283_3,
                -428.797_835_037_050_33,
                f64::NAN,
            ],
            1e-10,
        ),
    ),
    ("ivo_geom_transform('ICRS', 'GALACTIC', qserv_point(120, -23))", List(&[241.121_831_182, 3.627_857_880_87], 1e-9)),
    (
        "ivo_geom_transform('FK4', 'GALACTIC', qserv_circle(189.70303055, 22.96240006, 3))",
        List(&[275.000_254_05, 84.999_961_54, 3.0], 1e-8),
    ),
    (
        // The note's figures take FK5 for ICRS, from which it is turned by 0.02 arc seconds.
        "ivo_geom_transform('GALACTIC', 'FK5', qserv_polygon(5, 3, 4, 4, 4.5, 2))",
        List(&[266.447_21, -23.107_310, 264.950_88, -23.434_037, 267.099_36, -24.051_919], 1e-5),
    ),
    ("ivo_to_jd(CAST('2000-01-02T12:00:00' AS TIMESTAMP))", Number(2_451_546.0, 0.0)),
    ("ivo_to_jd('1910-12-31T06:00:00')", Number(2_419_036.75, 0.0)),
    ("ivo_to_jd(NULL)", Null),
    ("ivo_to_mjd(CAST('2000-01-02T12:00:00' AS TIMESTAMP))", Number(51_545.5, 0.0)),
    ("ivo_to_mjd('1910-12-31T06:00:00')", Number(19_036.25, 0.0)),
    ("ivo_to_mjd(NULL)", Null),
    ("ivo_nocasematch('abcabc', 'ab%')", Whole(1)),
    ("ivo_nocasematch('ABcabc', 'ab__bc')", Whole(1)),
    ("ivo_nocasematch('abcabc', '%BC')", Whole(1)),
    ("ivo_nocasematch('abcabc', 'ABCABC')", Whole(1)),
    ("ivo_nocasematch('abcabc', 'abcab')", Whole(0)),
    ("ivo_hasword('Miller and Urey have', 'miller')", Whole(1)),
    ("ivo_hasword('shown that a primordial', 'show')", Whole(1)),
    ("ivo_hasword('shown that a primordial', 'soup')", Whole(0)),
    ("ivo_hasword('shown that a primordial', 'shown primordial')", Whole(1)),
    ("ivo_hasword('shown that a primordial', 'shown soup')", Whole(0)),
    ("ivo_hashlist_has('red#green#blue', 'red')", Whole(1)),
    ("ivo_hashlist_has('Red#green#blue', 'red')", Whole(1)),
    ("ivo_hashlist_has('red#green#blue', 're')", Whole(0)),
    ("ivo_hashlist_has('red#green#blue', 'red#green')", Whole(0)),
    ("ivo_interval_overlaps(-3, -2, 2, 3)", Whole(0)),
    ("ivo_interval_overlaps(-2, 55.3, 2, 3)", Whole(1)),
    ("ivo_interval_overlaps(2, 3, -2, 55.3)", Whole(1)),
    ("ivo_interval_overlaps(-2, 55.3, 3, 2)", Whole(0)),
    ("ivo_interval_overlaps(-2, 2, 2, 3)", Whole(1)),
    (
        "ivo_simbadpoint('GJ 699')",
        Error("ivo_simbadpoint needs a name resolver, and none is configured (argument: GJ 699)"),
    ),
    ("ivo_hms_to_degrees('3:34:45.4')", Number(53.689_166_7, 1e-7)),
    ("ivo_hms_to_degrees('3h34m45.4s')", Number(53.689_166_7, 1e-7)),
    ("ivo_hms_to_degrees('3H34M45.4S')", Number(53.689_166_7, 1e-7)),
    ("ivo_dms_to_degrees('42:9:6.768')", Number(42.151_88, 1e-12)),
    ("ivo_dms_to_degrees('42d9m6.768s')", Number(42.151_88, 1e-12)),
    ("ivo_dms_to_degrees('42D9M6.768S')", Number(42.151_88, 1e-12)),
    ("ivo_dms_to_degrees('-00:15:00')", Number(-0.25, 0.0)),
    ("ivo_dms_to_degrees('+00:15:00')", Number(0.25, 0.0)),
    ("ivo_dms_to_degrees('-0d15m0s')", Number(-0.25, 0.0)),
    ("ivo_dms_to_degrees('+0d15m0s')", Number(0.25, 0.0)),
    // Beyond the note: what it leaves open, and what cannot be.
    ("ivo_healpix_index(30, 1, 1)", Error("the order of a HEALPix cell is 0 to 29, not 30")),
    ("ivo_healpix_index(-1, qserv_point(1, 1))", Error("the order of a HEALPix cell is 0 to 29, not -1")),
    ("ivo_healpix_index(5, 1, 91)", Error("a latitude must be in -90..90 degrees, not 91")),
    ("ivo_healpix_index(5, 'x', 1)", Error("argument 2 of ivo_healpix_index must be a number")),
    ("ivo_healpix_index(5, qserv_circle(1, 1, 1))", Error("argument 2 of ivo_healpix_index must be a point")),
    ("ivo_healpix_index(5, CAST('NaN' AS DOUBLE), 1)", Null),
    ("ivo_healpix_index(5, CAST('inf' AS DOUBLE), 1)", Null),
    ("ivo_healpix_index(5, 361, 1) - ivo_healpix_index(5, 1, 1)", Whole(0)),
    ("ivo_healpix_center(0, 12)", Error("there is no HEALPix cell 12 of order 0")),
    ("ivo_healpix_center(0, -1)", Error("there is no HEALPix cell -1 of order 0")),
    ("ivo_healpix_center(30, 1)", Error("the order of a HEALPix cell is 0 to 29, not 30")),
    (
        "ivo_epoch_prop_pos(7, 91, 125, 300, NULL, NULL, 2016.0, 1875.0)",
        Error("a latitude must be in -90..90 degrees, not 91"),
    ),
    ("ivo_epoch_prop_pos(7, 11, CAST('inf' AS DOUBLE), 300, NULL, NULL, 2016.0, 1875.0)", Null),
    ("ivo_epoch_prop_pos(7, 11, CAST('NaN' AS DOUBLE), NULL, NULL, NULL, 2016.0, 1875.0)", List(&[7.0, 11.0], 0.0)),
    ("ivo_epoch_prop_pos(-7, 11, NULL, NULL, NULL, NULL, 2016.0, 1875.0)", List(&[353.0, 11.0], 0.0)),
    // Through the Sun and out on the other side: 10 pc at 100 km/s are some 98,000 years.
    ("ivo_epoch_prop(10, 20, 100, 0, 0, -100, 0, 195558.4548)", List(&[190.0, -20.0, 100.0, 0.0, 0.0, 100.0], 1e-3)),
    (
        "ivo_geom_transform('icrs', 'GALACTIC', qserv_point(1, 2))",
        Error("unknown reference frame \"icrs\": the frames are ICRS, FK5, FK4, GALACTIC, ECLIPTIC, in capitals"),
    ),
    (
        "ivo_geom_transform('ICRS', 'ALTAZ', NULL)",
        Error("unknown reference frame \"ALTAZ\": the frames are ICRS, FK5, FK4, GALACTIC, ECLIPTIC, in capitals"),
    ),
    ("ivo_geom_transform(NULL, 'ICRS', qserv_point(1, 2))", Null),
    ("ivo_geom_transform('ICRS', 'ICRS', qserv_point(1, 2))", List(&[1.0, 2.0], 0.0)),
    ("ivo_geom_transform('GALACTIC', 'ICRS', 'Circle ICRS 0 90 2')", List(&[192.859_48, 27.128_25, 2.0], 1e-5)),
    ("ivo_geom_transform('ICRS', 'GALACTIC', 'Ellipse ICRS 0 90 2 1 0')", Error("")),
    ("ivo_geom_transform('ICRS', 'GALACTIC', '0/1')", Error("a MOC is in ICRS and cannot be given in another frame")),
    ("ivo_to_jd('yesterday')", Error("\"yesterday\" is no timestamp: write it as 2000-01-02T12:00:00")),
    ("ivo_to_jd(12)", Error("argument 1 of ivo_to_jd must be a time or a text that is one")),
    ("ivo_to_mjd(CAST('2000-01-02' AS DATE))", Number(51_545.0, 0.0)),
    ("ivo_nocasematch('a\\b', '_\\_')", Whole(1)),
    ("ivo_nocasematch('100%', '%\\%')", Whole(0)),
    ("ivo_nocasematch('', '%')", Whole(1)),
    ("ivo_nocasematch('', '')", Whole(1)),
    ("ivo_nocasematch('', '_')", Whole(0)),
    ("ivo_nocasematch('ÉTOILE', 'ét_ile%')", Whole(1)),
    ("ivo_nocasematch('ΣΕΊΡΙΟΣ', 'σείριος')", Whole(1)),
    ("ivo_nocasematch('aXbXc', '%x%x%x%')", Whole(0)),
    ("ivo_nocasematch(12, 'a')", Error("argument 1 of ivo_nocasematch must be a text")),
    ("ivo_hashlist_has('', '')", Whole(0)),
    ("ivo_hashlist_has('a##b', '')", Whole(1)),
    ("ivo_hashlist_has('Écologie#b', 'éCOLOGIE')", Whole(1)),
    ("ivo_interval_overlaps(9007199254740993, 9007199254740994, 9007199254740991, 9007199254740992)", Whole(0)),
    ("ivo_interval_overlaps(1, CAST('inf' AS DOUBLE), 1e300, 1e301)", Whole(1)),
    ("ivo_interval_overlaps(1, CAST('NaN' AS DOUBLE), 1, 2)", Null),
    ("ivo_normal_random(1, -1)", Error("a standard deviation must not be negative, but it is -1")),
    ("ivo_normal_random(7, 0)", Number(7.0, 0.0)),
    ("ivo_normal_random(NULL, 1)", Null),
    ("ivo_hms_to_degrees('noon')", Null),
];

fn session() -> SessionContext {
    let session = SessionContext::new();
    for function in all() {
        session.register_udf(function.as_ref().clone());
    }
    session
}

async fn evaluated(session: &SessionContext, sql: &str) -> datafusion::error::Result<ArrayRef> {
    let batches = session.sql(sql).await?.collect().await?;
    Ok(Arc::clone(batches[0].column(0)))
}

#[tokio::test]
async fn the_examples_of_the_note_become_what_it_says() {
    let session = session();
    for (example, becomes) in EXAMPLES {
        let found = evaluated(&session, &format!("SELECT {example}")).await;
        let found = match (found, becomes) {
            (Err(error), Error(expected)) => {
                let error = ours(&error);
                assert_eq!(error.kind(), ErrorKind::Invalid, "{example}");
                assert!(error.to_string().starts_with(expected), "{example}: {error}");
                continue;
            }
            (found, _) => found.unwrap_or_else(|error| panic!("{example}: {error}")),
        };
        assert_eq!(found.len(), 1);
        match becomes {
            Null => assert!(found.is_null(0), "{example}"),
            Whole(expected) => {
                let found = ScalarValue::try_from_array(&found, 0).unwrap();
                assert_eq!(found.to_string(), expected.to_string(), "{example}");
            }
            Number(expected, precision) => {
                let found = found.as_primitive::<Float64Type>().value(0);
                assert!((found - expected).abs() <= *precision, "{example}: {found}");
            }
            List(expected, precision) => {
                let list = found.as_list::<i32>().value(0);
                let list: Vec<f64> =
                    list.as_primitive::<Float64Type>().iter().map(|number| number.unwrap_or(f64::NAN)).collect();
                assert_eq!(list.len(), expected.len(), "{example}: {list:?}");
                for (found, expected) in list.iter().zip(*expected) {
                    let agree = found.is_nan() && expected.is_nan() || (found - expected).abs() <= *precision;
                    assert!(agree, "{example}: {list:?}");
                }
            }
            Error(expected) => panic!("{example} is not: {expected}"),
        }
    }
}

/// The rows of a data file, each a list of fields.
fn rows(file: &'static str) -> Vec<Vec<&'static str>> {
    file.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(',').collect()).collect()
}

/// A column of a data file's rows.
fn numbers(rows: &[Vec<&str>], index: usize) -> ColumnarValue {
    let numbers: Vec<f64> = rows.iter().map(|row| row[index].parse().unwrap()).collect();
    ColumnarValue::Array(Arc::new(Float64Array::from(numbers)))
}

fn integers(rows: &[Vec<&str>], index: usize) -> ColumnarValue {
    let numbers: Vec<i64> = rows.iter().map(|row| row[index].parse().unwrap()).collect();
    ColumnarValue::Array(Arc::new(Int64Array::from(numbers)))
}

fn texts(rows: &[Vec<&str>], index: usize) -> ColumnarValue {
    ColumnarValue::Array(Arc::new(rows.iter().map(|row| Some(row[index])).collect::<StringArray>()))
}

fn number(row: &[&str], index: usize) -> f64 {
    row[index].parse().unwrap()
}

fn array(name: &str, arguments: Vec<ColumnarValue>, rows: usize) -> ArrayRef {
    call(name, arguments, rows).unwrap().into_array(rows).unwrap()
}

fn list(lists: &ArrayRef, row: usize) -> Vec<f64> {
    lists.as_list::<i32>().value(row).as_primitive::<Float64Type>().values().to_vec()
}

#[test]
fn epochs_agree_with_astropy() {
    let rows = rows(include_str!("epochs.csv"));
    let arguments: Vec<ColumnarValue> = (0..8).map(|index| numbers(&rows, index)).collect();
    let positions = array("ivo_epoch_prop_pos", arguments.clone(), rows.len());
    let stars = array("ivo_epoch_prop", arguments, rows.len());
    assert!(rows.len() >= 40);
    for (index, row) in rows.iter().enumerate() {
        let star = list(&stars, index);
        assert_eq!(list(&positions, index), star[..2]);
        // astropy's astronomical unit a year in km/s differs by 4e-9 of itself from that of ESA SP-1200.
        let separation = separation_deg(star[0], star[1], number(row, 8), number(row, 9));
        assert!(separation < 1e-7, "{row:?}: {star:?}, {separation}");
        for (place, found) in star.iter().enumerate().skip(2) {
            let expected = number(row, 8 + place);
            let scale = expected.abs().max(if place == 5 { 1.0 } else { number(row, 10).abs() });
            let is_motion = place == 3 || place == 4;
            // Components turn with the direction to north: near the poles a little more.
            let scale = if is_motion { number(row, 11).hypot(number(row, 12)).max(1e-3) * 100.0 } else { scale };
            assert!((found - expected).abs() < 1e-7 * scale, "{row:?}: {star:?}");
        }
    }
}

proptest! {
    #[test]
    fn a_star_comes_back(
        lon in 0.0..360.0_f64, lat in -89.0..89.0_f64, parallax in 0.01..800.0_f64, east in -5000.0..5000.0_f64,
        north in -5000.0..5000.0_f64, velocity in -300.0..300.0_f64, years in -5000.0..5000.0_f64,
    ) {
        let then = |star: &[f64], from: f64, to: f64| -> Vec<f64> {
            let epochs = [from, to];
            let numbers = star.iter().chain(&epochs);
            let arguments = numbers.map(|number| ColumnarValue::Scalar(ScalarValue::from(*number))).collect();
            list(&array("ivo_epoch_prop", arguments, 1), 0)
        };
        let star = [lon, lat, parallax, east, north, velocity];
        let there = then(&star, 2000.0, 2000.0 + years);
        let back = then(&there, 2000.0 + years, 2000.0);
        prop_assert!(separation_deg(lon, lat, back[0], back[1]) < 1e-9, "{star:?} {there:?} {back:?}");
        for (found, expected) in back.iter().zip(&star).skip(2) {
            prop_assert!((found - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{star:?} {there:?} {back:?}");
        }
    }

    #[test]
    fn the_center_of_a_cell_is_in_it(order in 0_i64..30, lon in 0.0..360.0_f64, lat in -90.0..90.0_f64) {
        let scalar = |value: ScalarValue| ColumnarValue::Scalar(value);
        let index = |lon: f64, lat: f64| {
            let arguments = vec![scalar(order.into()), scalar(lon.into()), scalar(lat.into())];
            array("ivo_healpix_index", arguments, 1).as_primitive::<Int64Type>().value(0)
        };
        let cell = index(lon, lat);
        let center = list(&array("ivo_healpix_center", vec![scalar(order.into()), scalar(cell.into())], 1), 0);
        prop_assert_eq!(index(center[0], center[1]), cell);
    }

    #[test]
    fn patterns_match_what_they_are_made_from(text in "[a-cA-C%_Éß]{0,12}", cuts in prop::collection::vec(0_u8..4, 12)) {
        // Each character of the pattern is the text's in another case, _, or % for it and what a % may take besides.
        let pattern: String = text.chars().zip(cuts).flat_map(|(letter, cut)| match cut {
            0 => "_".chars().collect::<Vec<_>>(),
            1 => vec!['%'],
            2 => vec!['%', '_'],
            _ => letter.to_lowercase().collect(),
        }).collect();
        let arguments = vec![&text, &pattern].into_iter()
            .map(|text| ColumnarValue::Scalar(ScalarValue::from(text.as_str()))).collect();
        let found = array("ivo_nocasematch", arguments, 1);
        prop_assert_eq!(found.as_primitive::<Int32Type>().value(0), 1, "{} LIKE {}", text, pattern);
    }
}

#[test]
fn cells_agree_with_astropy_healpix() {
    let rows = rows(include_str!("healpix.csv"));
    let orders = integers(&rows, 0);
    let cells = array("ivo_healpix_index", vec![orders.clone(), numbers(&rows, 1), numbers(&rows, 2)], rows.len());
    let centers = array("ivo_healpix_center", vec![orders, integers(&rows, 3)], rows.len());
    assert!(rows.len() >= 60);
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(cells.as_primitive::<Int64Type>().value(index).to_string(), row[3], "{row:?}");
        let center = list(&centers, index);
        assert!(separation_deg(center[0], center[1], number(row, 4), number(row, 5)) < 1e-12, "{row:?}: {center:?}");
    }
}

#[test]
fn angles_agree_with_astropy() {
    let rows = rows(include_str!("angles.csv"));
    let found = ["hms", "dms"].map(|notation| {
        let name = format!("ivo_{notation}_to_degrees");
        array(&name, vec![texts(&rows, 1)], rows.len())
    });
    assert!(rows.len() >= 200);
    for (index, row) in rows.iter().enumerate() {
        let found = &found[usize::from(row[0] == "dms")];
        let expected = number(row, 2);
        let found = found.as_primitive::<Float64Type>();
        assert!(found.is_valid(index), "{row:?}");
        assert!((found.value(index) - expected).abs() <= 1e-14 * expected.abs(), "{row:?}: {}", found.value(index));
    }
}

#[tokio::test]
async fn dates_agree_with_astropy() {
    let rows = rows(include_str!("dates.csv"));
    let found = ["ivo_to_jd", "ivo_to_mjd"].map(|name| array(name, vec![texts(&rows, 0)], rows.len()));
    let session = session();
    assert!(rows.len() >= 40);
    for (index, row) in rows.iter().enumerate() {
        for (place, found) in found.iter().enumerate() {
            let found = found.as_primitive::<Float64Type>().value(index);
            let expected = number(row, place + 1);
            assert!((found - expected).abs() <= expected.abs() * f64::EPSILON, "{row:?}: {found}");
            // Each unit of timestamps, as far as it goes.
            for unit in ["Second", "Millisecond", "Microsecond"] {
                let name = ["ivo_to_jd", "ivo_to_mjd"][place];
                let sql = format!("SELECT {name}(arrow_cast('{}', 'Timestamp({unit}, None)'))", row[0]);
                let found = evaluated(&session, &sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
                let found = found.as_primitive::<Float64Type>().value(0);
                let step_days = if unit == "Second" { 1.0 } else { 0.001 } / 86_400.0;
                assert!((found - expected).abs() <= step_days + expected.abs() * f64::EPSILON, "{sql}: {found}");
            }
        }
    }
}

#[test]
fn frames_agree_with_astropy() {
    let rows = rows(include_str!("frames.csv"));
    let points = array("qserv_point", vec![numbers(&rows, 2), numbers(&rows, 3)], rows.len());
    let arguments = vec![texts(&rows, 0), texts(&rows, 1), ColumnarValue::Array(points)];
    let found = array("ivo_geom_transform", arguments, rows.len());
    assert!(rows.len() >= 100);
    for (index, row) in rows.iter().enumerate() {
        let found = list(&found, index);
        let separation = separation_deg(found[0], found[1], number(row, 4), number(row, 5));
        assert!(separation < 1e-9, "{row:?}: {found:?}, {separation}");
    }
}

#[test]
fn geometries_keep_their_kind_and_their_nulls() {
    let scalar = |text: &str| ColumnarValue::Scalar(ScalarValue::from(text));
    let circles = [
        vec![Some(10.0), Some(10.0), Some(10.0), None],
        vec![Some(20.0), Some(95.0), Some(20.0), Some(1.0)],
        vec![Some(1.0), Some(1.0), Some(-1.0), Some(1.0)],
    ]
    .map(super::column);
    let circles = array("qserv_circle", circles.to_vec(), 4);
    let moved = array("ivo_geom_transform", vec![scalar("ICRS"), scalar("FK5"), ColumnarValue::Array(circles)], 4);
    let moved = moved.as_list::<i32>();
    assert_eq!((0..4).map(|row| moved.is_valid(row)).collect::<Vec<_>>(), [true, false, false, false]);
    assert_eq!((moved.value(0).len(), moved.value(1).len()), (3, 0));
    // Frames from a column: an unknown one gives NULL.
    let frames = ColumnarValue::Array(Arc::new(StringArray::from(vec![Some("ICRS"), Some("MOON"), None])));
    let points = array("qserv_point", vec![super::column(vec![Some(1.0); 3]), super::column(vec![Some(2.0); 3])], 3);
    let found = array("ivo_geom_transform", vec![frames, scalar("FK5"), ColumnarValue::Array(points)], 3);
    assert_eq!((0..3).map(|row| found.is_valid(row)).collect::<Vec<_>>(), [true, false, false]);
}

#[tokio::test]
async fn impossible_values_from_columns_give_null() {
    let session = session();
    for expression in [
        "ivo_healpix_index(whole + 30, 1, 1)",
        "ivo_healpix_index(5, 1, number + 90)",
        "ivo_healpix_index(5, qserv_point(1, number + 90))",
        "ivo_healpix_center(0, whole + 12)",
        "ivo_healpix_center(whole - 2, 0)",
        "ivo_epoch_prop_pos(1, number + 90, 1, 1, 1, 1, 0, 1)",
        "ivo_epoch_prop_pos(missing, 1, 1, 1, 1, 1, 0, 1)",
        "ivo_epoch_prop(1, 1, 1, 1, 1, 1, 0, missing)",
        "ivo_epoch_prop(1, 1, number / 0, 1, 1, 1, 0, 1)",
        "ivo_geom_transform('ICRS', word, qserv_point(1, 1))",
        "ivo_geom_transform('ICRS', 'FK5', word)",
        "ivo_to_jd(word)",
        "ivo_to_mjd(word)",
        "ivo_normal_random(0, number - 2)",
        "ivo_normal_random(number / 0, 1)",
        "ivo_hms_to_degrees(word)",
        "ivo_dms_to_degrees(word)",
        "qserv_round(9223372036854775806 + whole, -1)",
        "qserv_round(1.7e308 * number, -308)",
    ] {
        let sql = format!(
            "SELECT {expression} FROM (VALUES (1, 1.0, 'word', CAST(NULL AS DOUBLE))) AS t(whole, number, word, missing)"
        );
        let found = evaluated(&session, &sql).await.unwrap_or_else(|error| panic!("{expression}: {error}"));
        assert!(found.is_null(0), "{expression}: {found:?}");
    }
    // An unknown object is unknown, whatever the column says.
    let sql = "SELECT ivo_simbadpoint(word) FROM (VALUES ('M31')) AS t(word)";
    let error = evaluated(&session, sql).await.unwrap_err();
    assert_eq!(ours(&error).message(), "ivo_simbadpoint needs a name resolver, and none is configured");
}
