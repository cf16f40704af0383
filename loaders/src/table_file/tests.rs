//! Files that astropy wrote (`tests/files/write.py`) come out as what was put in, whatever the format; and no bytes make a reader panic.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use proptest::prelude::*;
use qserv_core::ErrorKind;

use super::*;

pub(super) fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files")
}

pub(super) fn read(path: &Path) -> Result<Vec<RecordBatch>> {
    TableFiles.open(UploadFile { path, media_type: None, name: "t" })?.batches.collect()
}

/// A file of these bytes, read.
pub(super) fn read_bytes(bytes: &[u8]) -> Result<Vec<RecordBatch>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    std::fs::write(&path, bytes).unwrap();
    read(&path)
}

/// Cells as text, column by column.
pub(super) fn cells(batches: &[RecordBatch]) -> HashMap<String, Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let mut cells: HashMap<String, Vec<String>> = HashMap::new();
    for batch in batches {
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            let shown = ArrayFormatter::try_new(column, &options).unwrap();
            let texts = (0..batch.num_rows()).map(|row| shown.value(row).to_string());
            cells.entry(field.name().clone()).or_default().extend(texts);
        }
    }
    cells
}

/// What `write.py` put in.
const TABLE: [(&str, [&str; 3]); 11] = [
    ("id", ["1", "-9223372036854775807", "9223372036854775807"]),
    ("ra", ["10.5", "NULL", "NaN"]),
    ("flux", ["1.5", "-0.1", "inf"]),
    ("small", ["-32768", "NULL", "32767"]),
    ("int", ["-5", "NULL", "2147483647"]),
    ("byte", ["0", "7", "255"]),
    ("flag", ["true", "false", "true"]),
    ("name", ["a<b", "longer name", "ü"]),
    ("vector", ["[1.0, 2.0]", "[3.0, 4.0]", "[-1.5, 1e300]"]),
    ("pair", ["[1.0, 2.0]", "[-0.0, -3.0]", "[0.5, 0.0]"]),
    ("ra ", ["1", "2", "3"]),
];

/// Checks a file; `other` are cells that its format cannot hold as they were.
fn check(file: &str, other: &[(&str, [&str; 3])]) {
    let batches = read(&files().join(file)).unwrap();
    let found = cells(&batches);
    for (name, expected) in TABLE {
        let expected = other.iter().find(|(column, _)| *column == name).map_or(expected, |(_, cells)| *cells);
        match found.get(name) {
            Some(cells) => assert_eq!(cells, &expected, "{file}: {name}"),
            None => assert!(expected[0] == "absent", "{file}: no {name}"),
        }
    }
    let schema = batches[0].schema();
    let ra = schema.field_with_name("ra").unwrap().metadata();
    assert_eq!(ra.get("unit").map(String::as_str), Some("deg"), "{file}");
    // astropy writes no UCDs into FITS and VOParquet.
    if !file.ends_with(".fits") && !file.ends_with(".parquet") {
        assert_eq!(ra.get("ucd").map(String::as_str), Some("pos.eq.ra;meta.main"), "{file}");
    }
    if !file.ends_with(".fits") {
        assert_eq!(ra.get("description").map(String::as_str), Some("Right ascension"), "{file}");
    }
}

const ABSENT: [&str; 3] = ["absent"; 3];

#[test]
fn every_votable_of_astropy() {
    for version in ["1.1", "1.2", "1.3", "1.4", "1.5"] {
        check(&format!("tabledata-{version}.vot"), &[]);
        // BINARY has no other NULL of floating-point numbers than NaN.
        check(&format!("binary-{version}.vot"), &[("ra", ["10.5", "NaN", "NaN"])]);
    }
    for version in ["1.3", "1.4", "1.5"] {
        check(&format!("binary2-{version}.vot"), &[]);
    }
    check("tabledata-1.4.vot.gz", &[]);
}

#[test]
fn ecsv_parquet_and_fits_of_astropy() {
    check("table.ecsv", &[("pair", ABSENT)]);
    check("comma.ecsv", &[("pair", ABSENT)]);
    check("table.parquet", &[("pair", ABSENT), ("vector", ABSENT)]);
    // FITS is ASCII, blanks at the end of a name mean nothing in it, and the NULL of numbers is NaN.
    let fits = [("name", ["a<b", "longer name", "u"]), ("ra ", ABSENT), ("ra", ["10.5", "NaN", "NaN"])];
    check("table.fits", &fits);
    let cells = cells(&read(&files().join("table.fits")).unwrap());
    assert_eq!(cells["ra_2"], ["1", "2", "3"], "the second column of one name has a number");
}

#[test]
fn csv_as_vo_tools_write_it() {
    let text = "id,ra,name,\"a \"\"b\"\"\",id\r\n1,0.1,x,true,5\r\n2,,\"y, z\",false,\r\n";
    let found = cells(&read_bytes(text.as_bytes()).unwrap());
    assert_eq!(found["id"], ["1", "2"]);
    assert_eq!(found["ra"], ["0.1", "NULL"]);
    assert_eq!(found["name"], ["x", "y, z"]);
    assert_eq!(found["a \"b\""], ["true", "false"]);
    assert_eq!(found["id_2"], ["5", "NULL"]);
}

#[test]
fn strange_files_are_refused_with_a_word() {
    for (bytes, said) in [
        (&b""[..], "empty"),
        (b"\0\0\0", "no format that is read"),
        (b"<html><body/></html>", "no VOTable"),
        (b"<VOTABLE><RESOURCE/></VOTABLE>", "no table"),
        (b"<VOTABLE><RESOURCE><TABLE><FIELD name='a' datatype='int'>", "ends before"),
        (b"\xff\xfe<\0", "UTF-16"),
        (b"PAR1 and nothing more", "Parquet file is damaged"),
        (b"SIMPLE  = T", "no FITS file"),
        (b"# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: complex128}\na\n1\n", "complex128"),
        (b"# %ECSV 1.0\n# ---\n# datatype: [\na\n1\n", "not YAML"),
        (b"a,b\n1,2\n3\n", "1 fields instead of 2"),
        (b"# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int8}\na\n300\n", "out of the range"),
    ] {
        let error = read_bytes(bytes).unwrap_err();
        assert!(error.to_string().contains(said), "{}: {error}", bytes.escape_ascii());
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    let path = files().join("table.ecsv");
    let promised = TableFiles.open(UploadFile { path: &path, media_type: Some("application/fits"), name: "t" });
    assert!(promised.is_ok(), "the bytes are believed, not the sender");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    std::fs::write(&path, "a,b\n1,2\n").unwrap();
    let error = TableFiles.open(UploadFile { path: &path, media_type: Some("application/x-votable+xml"), name: "t" });
    assert!(error.unwrap_err().to_string().contains("sent as votable"));
}

/// Files of each format, small enough to be tried thousands of times.
fn samples() -> Vec<Vec<u8>> {
    let names = [
        "tabledata-1.4.vot",
        "binary-1.4.vot",
        "binary2-1.4.vot",
        "table.ecsv",
        "table.parquet",
        "wide.fits",
        "table.fits",
    ];
    names.iter().map(|name| std::fs::read(files().join(name)).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Damaged files give an error or rows, and neither a panic nor an endless read.
    #[test]
    fn damaged_files_do_no_harm(
        which in 0_usize..7,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = samples().swap_remove(which);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = read_bytes(&bytes);
    }

    #[test]
    fn any_bytes_do_no_harm(start in 0_usize..8, mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let starts: [&[u8]; 8] = [
            b"", b"<VOTABLE><RESOURCE><TABLE>", b"SIMPLE  =", b"# %ECSV 1.0\n# ---\n", b"PAR1", b"a,b\n", b"\x1f\x8b",
            b"<?xml version='1.0' encoding='latin1'?><VOTABLE><RESOURCE><TABLE><FIELD datatype='char' arraysize='*'/><DATA><BINARY2><STREAM>",
        ];
        let mut whole = starts[start].to_vec();
        whole.append(&mut bytes);
        let _ = read_bytes(&whole);
    }
}
