//! What FITS has and VOTable has not.

use super::super::tests::{cells, files, read, read_bytes};

#[test]
fn forms_that_only_fits_has() {
    let batches = read(&files().join("wide.fits")).unwrap();
    let found = cells(&batches);
    for (name, expected) in [
        ("u2", ["0", "1", "65535"]),
        ("u4", ["0", "1", "4294967295"]),
        ("u8", ["0", "1", "18446744073709551615"]),
        ("i1", ["-128", "0", "127"]),
        ("scaled", ["10.0", "10.5", "9.0"]),
        ("many", ["[1.0, 2.0]", "[]", "[3.0]"]),
        ("far", ["[1, 2, 3]", "[-4]", "[]"]),
        ("bytes", ["010203", "040506", "0708ff"]),
        ("grid", ["[0, 1, 2, 3]", "[4, 5, 6, 7]", "[8, 9, 10, 11]"]),
        ("text", ["abc", "NULL", "de  f"]),
        ("cplx", ["[1.0, 2.0]", "[3.0, 0.0]", "[0.0, 4.0]"]),
        ("nulls", ["1", "NULL", "3"]),
    ] {
        assert_eq!(found[name], expected, "{name}");
    }
    let bits = |text: &str| text.matches("true").count();
    assert_eq!(found["bits"].iter().map(|text| bits(text)).collect::<Vec<_>>(), [6, 0, 11]);
    let schema = batches[0].schema();
    let nulls = schema.field_with_name("nulls").unwrap().metadata();
    assert_eq!((nulls["unit"].as_str(), nulls["ucd"].as_str()), ("mag", "phot.mag"));
    assert!(nulls["description"].ends_with("by far and away"), "{}", nulls["description"]);
    assert_eq!(schema.field_with_name("grid").unwrap().metadata()["arraysize"], "2x2");
}

#[test]
fn a_cut_table_is_an_error_with_its_row() {
    let bytes = std::fs::read(files().join("table.fits")).unwrap();
    let error = read_bytes(&bytes[..bytes.len() - 2880 + 100]).unwrap_err().to_string();
    assert!(error.contains("row: ") || error.contains("damaged"), "{error}");
}
