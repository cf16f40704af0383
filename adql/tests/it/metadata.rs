//! Units, UCDs and the rest, followed through expressions; IN_UNIT.

use qserv_adql::units::Unit;
use qserv_adql::{Metadata, NameList, Options, Translated, TypeClass, check, translate};

fn metadata(unit: &str, ucd: &str) -> Metadata {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Metadata {
        unit: text(unit),
        ucd: text(ucd),
        utype: Some("model:role".to_owned()),
        description: Some("as told".to_owned()),
        xtype: None,
    }
}

fn names() -> NameList {
    use TypeClass::{Float, Integer, Point, Text};
    let mut names = NameList::default();
    let columns = [
        ("id", Integer, metadata("", "meta.id;meta.main")),
        ("ra", Float, metadata("deg", "pos.eq.ra;meta.main")),
        ("dec", Float, metadata("deg", "pos.eq.dec;meta.main")),
        ("pmra", Float, metadata("mas/yr", "pos.pm;pos.eq.ra")),
        ("pmdec", Float, metadata("mas.yr**-1", "pos.pm;pos.eq.dec")),
        ("flux", Float, metadata("nJy", "phot.flux")),
        ("flux_jy", Float, metadata("Jy", "phot.flux")),
        ("mag", Float, metadata("mag(AB)", "phot.mag")),
        ("bare", Float, metadata("", "")),
        ("odd", Float, metadata("m s x", "")),
        ("band", Text, metadata("", "meta.id;instr.filter")),
        ("place", Point, Metadata { xtype: Some("point".to_owned()), ..metadata("deg", "pos") }),
    ];
    names.add_described_table("d", "t", columns.clone());
    names.add_described_table("d", "u", columns.into_iter().take(6));
    names.add_described_table(
        "d",
        "v",
        [("id", Integer, metadata("", "meta.id")), ("ra", Float, metadata("rad", "pos.eq.ra"))],
    );
    names
}

fn answer(query: &str) -> Translated {
    translate(query, &names(), &Options::default()).unwrap_or_else(|faults| panic!("{query}: {}", faults[0]))
}

fn first(query: &str) -> Metadata {
    answer(query).columns.remove(0).metadata
}

/// Unit and UCD of an expression.
fn of(expression: &str) -> (String, String) {
    let found = first(&format!("SELECT {expression} FROM d.t"));
    (found.unit.unwrap_or_default(), found.ucd.unwrap_or_default())
}

#[test]
fn units_and_ucds_of_expressions() {
    for (expression, unit, ucd) in [
        ("ra", "deg", "pos.eq.ra;meta.main"),
        ("(ra)", "deg", "pos.eq.ra;meta.main"),
        ("MIN(flux)", "nJy", "phot.flux;stat.min"),
        ("MAX(ra)", "deg", "pos.eq.ra;stat.max"),
        ("AVG(flux)", "nJy", "phot.flux;stat.mean"),
        ("MEDIAN(flux)", "nJy", "phot.flux;stat.median"),
        ("SUM(flux)", "nJy", ""),
        ("VARIANCE(flux)", "nJy**2", "stat.variance;phot.flux"),
        ("STDDEV(ra)", "deg", "stat.stdev;pos.eq.ra"),
        ("MIN(id)", "", "meta.id;stat.min"),
        ("STDDEV(id)", "", ""),
        ("CORR(ra, dec)", "", "stat.correlation"),
        ("COUNT(*)", "", "meta.number"),
        ("COUNT(flux)", "", "meta.number"),
        ("SUM(flux) / COUNT(*)", "nJy", ""),
        ("ra * 2", "deg", ""),
        ("2 * ra", "deg", ""),
        ("-ra", "deg", ""),
        ("ra + 10", "deg", ""),
        ("ra - dec", "deg", ""),
        ("pmra + pmdec", "mas/yr", ""),
        ("flux + flux_jy", "", ""),
        ("flux + ra", "", ""),
        ("flux * bare", "", ""),
        ("flux + bare", "", ""),
        ("flux + odd", "", ""),
        ("2 * odd", "", ""),
        ("odd", "m s x", ""),
        ("ra * dec", "deg**2", ""),
        ("ra / dec", "", ""),
        ("ra / dec * flux", "nJy", ""),
        ("pmra / flux", "mas/(nJy.yr)", ""),
        ("1 / flux", "nJy**-1", ""),
        ("1 + 1", "", ""),
        ("mag - mag", "mag(AB)", ""),
        ("SQRT(POWER(pmra, 2) + POWER(pmdec, 2))", "mas/yr", ""),
        ("POWER(flux, bare)", "", ""),
        ("SQRT(flux)", "nJy**(1/2)", ""),
        ("LOG10(flux)", "log(nJy)", ""),
        ("LN(flux)", "ln(nJy)", ""),
        ("-2.5 * LOG10(flux) + 31.4", "", ""),
        ("LOG10(flux / flux)", "", ""),
        ("SIN(ra)", "", ""),
        ("pmra * COS(RADIANS(dec))", "mas/yr", ""),
        ("RADIANS(ra)", "rad", ""),
        ("DEGREES(ra)", "", ""),
        ("ABS(flux)", "nJy", "phot.flux"),
        ("ROUND(flux, 2)", "nJy", "phot.flux"),
        ("COALESCE(flux, 0)", "nJy", "phot.flux"),
        ("COALESCE(flux, flux_jy)", "", "phot.flux"),
        ("CASE WHEN id > 1 THEN ra ELSE dec END", "deg", ""),
        ("CASE WHEN id > 1 THEN flux ELSE NULL END", "nJy", "phot.flux"),
        ("NULLIF(flux, 0)", "nJy", "phot.flux"),
        ("CAST(flux AS INTEGER)", "nJy", "phot.flux"),
        ("CAST(flux AS VARCHAR)", "", ""),
        ("LAG(flux) OVER (ORDER BY id)", "nJy", "phot.flux"),
        ("DISTANCE(ra, dec, 1, 2)", "deg", "pos.angDistance"),
        ("POINT(ra, dec)", "deg", "pos"),
        ("COORD1(place)", "deg", ""),
        ("scisql_nanojanskyToAbMag(flux)", "mag", ""),
        ("scisql_nanojanskyToAbMagSigma(flux, flux)", "mag", ""),
        ("IN_UNIT(ra, 'arcsec')", "arcsec", "pos.eq.ra;meta.main"),
        ("IN_UNIT(ra, 'arcsec') + IN_UNIT(dec, 'arcsec')", "arcsec", ""),
        ("band || 'x'", "", ""),
        ("(SELECT MAX(u.flux) FROM d.u AS u)", "nJy", "phot.flux;stat.max"),
    ] {
        assert_eq!(of(expression), (unit.to_owned(), ucd.to_owned()), "{expression}");
    }
}

#[test]
fn a_column_keeps_all_wherever_it_passes_through() {
    let all = metadata("nJy", "phot.flux");
    for query in [
        "SELECT flux FROM d.t",
        "SELECT t.flux AS f FROM d.t AS t",
        "SELECT (flux) FROM d.t",
        "SELECT f FROM (SELECT flux AS f FROM d.t) AS q",
        "WITH w AS (SELECT flux FROM d.t) SELECT flux FROM w",
        "WITH w(x) AS (SELECT flux FROM d.t) SELECT x FROM w",
        "SELECT flux FROM d.t UNION SELECT flux FROM d.u",
        "SELECT flux FROM d.t JOIN d.u USING (flux)",
        "SELECT flux FROM d.t FULL JOIN d.u USING (flux)",
        "SELECT * FROM (SELECT flux FROM d.t) AS q",
        "SELECT flux FROM d.t GROUP BY flux ORDER BY flux",
    ] {
        assert_eq!(first(query), all, "{query}");
    }
    let place = first("SELECT place FROM d.t");
    assert_eq!((place.xtype.as_deref(), place.ucd.as_deref()), (Some("point"), Some("pos")));
    assert_eq!(first("SELECT CIRCLE(ra, dec, 1) FROM d.t").xtype.as_deref(), Some("circle"));
}

#[test]
fn what_two_columns_do_not_share_is_not_told() {
    for query in ["SELECT ra FROM d.t UNION SELECT ra FROM d.v", "SELECT ra FROM d.t FULL JOIN d.v USING (ra)"] {
        let found = first(query);
        assert_eq!((found.unit, found.ucd), (None, None), "{query}");
    }
    let every = answer("SELECT * FROM d.t FULL JOIN d.v USING (ra)");
    assert_eq!(every.columns[0].metadata.unit, None);
    let left = first("SELECT ra FROM d.t LEFT JOIN d.v USING (ra)");
    assert_eq!(left.unit.as_deref(), Some("deg"));
}

#[test]
fn descriptions_tell_how_a_value_was_made() {
    let found = first("SELECT flux  *\n  2 AS f FROM d.t");
    assert_eq!((found.description.as_deref(), found.utype), (Some("flux * 2"), None));
    let long = format!("SELECT {}1 FROM d.t", "ra + ".repeat(100));
    let description = first(&long).description.unwrap();
    assert!(description.ends_with("ra +…") && description.chars().count() <= 201, "{description}");
}

fn sql(query: &str) -> String {
    answer(query).statement.to_string()
}

#[test]
fn in_unit_is_a_factor() {
    let converted = sql("SELECT IN_UNIT(ra, 'arcsec') AS x FROM d.t");
    assert!(converted.contains(r#"CAST("d"."t"."ra" AS DOUBLE PRECISION) * 3.6e3"#), "{converted}");
    assert_eq!(sql("SELECT IN_UNIT(ra, 'deg') AS x FROM d.t"), sql("SELECT ra AS x FROM d.t"));
    for expression in [
        "IN_UNIT(ra + dec, 'rad')",
        "IN_UNIT(ra + 10, 'rad')",
        "IN_UNIT(SQRT(POWER(pmra, 2) + POWER(pmdec, 2)), 'rad/yr')",
        "IN_UNIT(AVG(flux), 'Jy')",
        "IN_UNIT(IN_UNIT(ra, 'arcsec'), 'rad')",
        "IN_UNIT(ra * dec, 'sr')",
    ] {
        sql(&format!("SELECT {expression} FROM d.t"));
    }
    sql("SELECT IN_UNIT(q.f, 'Jy') FROM (SELECT flux AS f FROM d.t) AS q WHERE IN_UNIT(q.f, 'Jy') > 1");
    sql("SELECT AVG(flux) AS f FROM d.t HAVING IN_UNIT(f, 'Jy') > 1");
}

#[test]
fn in_unit_refuses_what_cannot_be_converted() {
    for (expression, says) in [
        ("IN_UNIT(ra, '')", "without a unit"),
        ("IN_UNIT(bare, 'deg')", "has no unit"),
        ("IN_UNIT(ra, 'foo')", "no unit `foo`"),
        ("IN_UNIT(ra, 'arcsecs')", "did you mean `arcsec`"),
        ("IN_UNIT(ra, 'deg/')", "is no unit"),
        ("IN_UNIT(ra, 'kg')", "`deg` cannot be converted to `kg`"),
        ("IN_UNIT(42, 'kg')", "has no unit"),
        ("IN_UNIT(40+2, 'deg')", "has no unit"),
        ("IN_UNIT(SQRT(42), 'deg')", "has no unit"),
        ("IN_UNIT(ra + flux, 'deg')", "has no unit"),
        ("IN_UNIT(odd, 'm')", "none that can be converted"),
        ("IN_UNIT(COUNT(*), 'deg')", "has no unit"),
    ] {
        let faults = translate(&format!("SELECT {expression} FROM d.t"), &names(), &Options::default()).unwrap_err();
        assert_eq!(faults.len(), 1, "{expression}");
        assert!(faults[0].to_string().contains(says), "{expression}: {}", faults[0]);
    }
    assert_eq!(translate("SELECT IN_UNIT(raa, 'deg') FROM d.t", &names(), &Options::default()).unwrap_err().len(), 1);
    assert!(check("SELECT IN_UNIT(x, 'foo') FROM t", &Options::strict()).is_err());
    assert!(check("SELECT IN_UNIT(x, 'mas/yr') FROM t", &Options::strict()).is_ok());
}

/// The units of LSST's schemas, and what is odd about some.
#[test]
fn units_of_the_observatory() {
    let known = "nJy deg pixel**2 pixel mag arcsec d AU count deg**2 1 nJy/d arcsec**2 km/s s mag**2 adu nJy.arcsec**2 \
                 mas/yr m deg/d deg.d-1 deg*mas/yr 1e-10.au.d-2 arcsec/pixel mas**2/yr deg*mas count/deg**2 mas**2/yr**2 mas";
    for text in known.split(' ') {
        assert!(text.parse::<Unit>().is_ok_and(|unit| unit.unknown_name().is_none()), "{text}");
    }
    // The tonne is no unit of VOUnits.
    let odd: Unit = "m2.t-1".parse().unwrap();
    assert_eq!(odd.unknown_name().unwrap().0, "t");
}
