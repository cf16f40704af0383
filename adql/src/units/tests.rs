use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

fn unit(text: &str) -> Unit {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn lines(file: &str) -> Vec<Vec<String>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split('|').map(str::to_owned).collect()).collect()
}

/// Constants of nature differ a little between editions.
fn near(one: f64, two: f64) -> bool {
    (one / two - 1.0).abs() < 1e-8
}

#[test]
fn units_mean_what_astropy_says() {
    let mut wrong = Vec::new();
    for line in lines("units.txt") {
        let [text, factor, base_units] = line.as_slice() else { panic!("{line:?}") };
        let found = unit(text);
        if !near(found.base_factor().unwrap(), factor.parse().unwrap()) || &found.base_units() != base_units {
            wrong.push(format!("{text}: {:?} {}, not {factor} {base_units}", found.base_factor(), found.base_units()));
        }
        assert_eq!(found.unknown_name(), None, "{text}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn units_convert_as_astropy_converts() {
    for line in lines("unit_conversions.txt") {
        let [from, to, factor] = line.as_slice() else { panic!("{line:?}") };
        let found = unit(from).factor_to(&unit(to)).unwrap();
        assert!(near(found, factor.parse().unwrap()), "{from} -> {to}: {found}, not {factor}");
    }
}

#[test]
fn angles_and_times_convert_exactly() {
    let factor = |from: &str, to: &str| unit(from).factor_to(&unit(to)).unwrap();
    assert_eq!(factor("deg", "mas"), 3.6e6);
    assert_eq!(factor("mas", "deg"), 1.0 / 3.6e6);
    assert_eq!(factor("deg", "arcsec"), 3600.0);
    assert_eq!(factor("arcmin", "arcsec"), 60.0);
    assert_eq!(factor("yr", "d"), 365.25);
    assert_eq!(factor("mas/yr", "deg/yr"), 1.0 / 3.6e6);
    assert_eq!(factor("Jy", "nJy"), 1e9);
    assert_eq!(factor("deg**2", "arcsec**2"), 12_960_000.0);
    assert_eq!(factor("deg", "rad"), std::f64::consts::PI / 180.0);
    assert_eq!(factor("%", "1"), 0.01);
    assert_eq!(factor("KiB", "bit"), 8192.0);
}

#[test]
fn what_does_not_measure_the_same_does_not_convert() {
    for (from, to) in [
        ("deg", "kg"),
        ("deg", "1"),
        ("mag", "1"),
        ("count", "photon"),
        ("pixel", "arcsec"),
        ("log(Hz)", "log(kHz)"),
        ("furlong", "m"),
        ("'m'", "m"),
        ("mag", "nJy"),
    ] {
        assert_eq!(unit(from).factor_to(&unit(to)), None, "{from} -> {to}");
    }
    assert_eq!(unit("k'furlong'").factor_to(&unit("'furlong'")), Some(1000.0));
}

#[test]
fn debye() {
    let coulomb_metres = unit("D").factor_to(&unit("C.m")).unwrap();
    assert!((coulomb_metres / 3.335_640_952e-30 - 1.0).abs() < 1e-9);
}

#[test]
fn names_with_two_readings_are_read_as_the_standard_says() {
    for (text, same) in [
        ("Pa", "N/m**2"),
        ("cd", "lm/sr"),
        ("B", "byte"),
        ("au", "AU"),
        ("ha", "hyr"),
        ("min", "60s"),
        ("PB", "10**15B"),
    ] {
        assert!((unit(text).factor_to(&unit(same)).unwrap() - 1.0).abs() < 1e-12, "{text}");
    }
    assert!(unit("dB").factor_to(&unit("B")).is_none());
    assert_eq!(unit("Mifurlong").unknown_name().unwrap().0, "Mifurlong");
    assert_eq!(unit("arcsecs").unknown_name().unwrap().1.first().map(String::as_str), Some("arcsec"));
}

#[test]
fn spellings_of_catalogs() {
    for (text, printed) in [
        ("mas.yr**-1", "mas/yr"),
        ("deg*mas/yr", "deg.mas/yr"),
        ("deg.d-1", "deg/d"),
        ("m/s/Hz", "m/(Hz.s)"),
        ("Jy^2", "Jy**2"),
        ("AB mag", "mag"),
        ("mag(AB)", "mag"),
        ("'nmgy'", "'nmgy'"),
        ("nmgy", "nmgy"),
        ("electron/s", "electron/s"),
        ("sqrt(nJy**2)", "nJy"),
        ("log(nJy)", "log(nJy)"),
        ("1/s", "s**-1"),
        ("1e-10.au.d-2", "10**-10au/d**2"),
        ("", "1"),
        ("10**-3 m", "refused"),
        ("m**(1/2)", "m**(1/2)"),
        ("m**1.5", "m**(3/2)"),
    ] {
        let found = text.parse::<Unit>().map_or("refused".to_owned(), |unit| unit.to_string());
        assert_eq!(found, printed, "{text}");
    }
}

#[test]
fn what_is_no_unit_is_refused() {
    let deep = format!("{}m{}", "(".repeat(50), ")".repeat(50));
    let long = "m.".repeat(1000);
    for text in [
        "deg/",
        ".m",
        "m..s",
        "(m",
        "m)",
        "m**",
        "m**(1/0)",
        "m**x",
        "a/b.c",
        "m s",
        "0m",
        "-1",
        "1e999m",
        "'m",
        "''",
        "Q'm'",
        "µm",
        "m**9999999999999999999",
        "m**1001",
        "log()",
        "m//s",
        deep.as_str(),
        long.as_str(),
        "(((((m**1000)**1000)**1000)**1000)**1000)**1000",
        "Ym**1000",
    ] {
        assert!(text.parse::<Unit>().is_err(), "{text}");
    }
}

fn any_unit() -> impl Strategy<Value = Unit> {
    let names =
        known::names().map(str::to_owned).chain(["furlong", "k'furlong'", "mJy", "kpc", "log(Hz)"].map(str::to_owned));
    let names: Vec<String> = names.collect();
    let part = (proptest::sample::select(names), -3_i64..=3, 1_i64..=2);
    let scale = prop_oneof![
        Just("1".to_owned()),
        Just("3600".to_owned()),
        (-20_i32..20).prop_map(|e| format!("1e{e}")),
        Just("2.5e-3".to_owned())
    ];
    (scale, proptest::collection::vec(part, 0..4)).prop_map(|(scale, parts)| {
        let scale = Unit { scale: Factor::of_number(&scale).unwrap(), parts: Vec::new() };
        parts.into_iter().fold(scale, |unit, (name, above, below)| {
            let part: Unit = name.parse().unwrap();
            unit.times(&part.to_the(Rational::new(above, below).unwrap()).unwrap()).unwrap()
        })
    })
}

proptest! {
    #[test]
    fn reads_what_it_writes(unit in any_unit()) {
        let text = unit.to_string();
        let read: Unit = text.parse().unwrap();
        prop_assert_eq!(&read, &unit, "{}", text);
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn products_commute_and_quotients_undo_them(one in any_unit(), two in any_unit()) {
        let product = one.times(&two).unwrap();
        prop_assert_eq!(&product, &two.times(&one).unwrap());
        let back = product.over(&two).unwrap();
        prop_assert_eq!(&back.base_units(), &one.base_units());
        prop_assert!((back.factor_to(&one).unwrap() - 1.0).abs() < 1e-12);
        let root = one.times(&one).unwrap().power(0.5).unwrap();
        prop_assert!((root.factor_to(&one).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn conversions_there_and_back(unit in any_unit(), exponent in -15_i32..15) {
        let scaled = Unit { scale: Factor::ten_to(exponent), parts: Vec::new() }.times(&unit).unwrap();
        let (there, back) = (unit.factor_to(&scaled).unwrap(), scaled.factor_to(&unit).unwrap());
        prop_assert!((there * back - 1.0).abs() < 1e-14);
        prop_assert!((back / 10_f64.powi(exponent) - 1.0).abs() < 1e-14);
    }

    #[test]
    fn no_text_is_too_odd(text in "[a-zA-Z%'(). */^0-9+-]{0,30}") {
        if let Ok(unit) = text.parse::<Unit>() {
            let printed = unit.to_string();
            prop_assert_eq!(printed.parse::<Unit>().ok(), Some(unit), "{} -> {}", text, printed);
        }
    }
}
