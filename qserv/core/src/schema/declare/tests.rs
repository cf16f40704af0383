use proptest::prelude::*;

use super::*;
use crate::Error;
use crate::partition::PixelizationKind;
use crate::schema::{Description, read_felis, read_layout};

const SCHEMA: &str = "name: sky
tables:
- name: Object
  columns:
  - {name: objectId, datatype: long}
  - {name: ra, datatype: double}
  - {name: decl, datatype: double}
  - {name: label, datatype: string, length: 10}
- name: Source
  columns:
  - {name: sourceId, datatype: long}
  - {name: objectId, datatype: long}
  - {name: ra, datatype: double}
  - {name: decl, datatype: double}
  - {name: raObject, datatype: double}
  - {name: declObject, datatype: double}
- name: Deep
  columns:
  - {name: deepId, datatype: int}
  - {name: ra, datatype: float}
  - {name: decl, datatype: float}
- name: ObjectDeep
  columns:
  - {name: objectId, datatype: long}
  - {name: deepId, datatype: int}
- name: Filter
  columns:
  - {name: filterId, datatype: byte}
";

const LAYOUT: &str = "[database]
name = \"pt\"
description = \"a test\"
pixelization = \"h3\"
chunk_order = 3
overlap_arcsec = 30

[tables.Object]
kind = \"director\"
key = \"objectId\"
position = [\"ra\", \"decl\"]

[tables.source]
kind = \"child\"
director = \"object\"
director_key = \"OBJECTID\"
position = [\"ra\", \"decl\"]
director_position = [\"raObject\", \"declObject\"]

[tables.Deep]
kind = \"director\"
key = \"deepId\"
position = [\"ra\", \"decl\"]

[tables.ObjectDeep]
kind = \"match\"
left = [\"Object\", \"objectId\"]
right = [\"Deep\", \"deepId\"]
";

fn declared(layout: &str) -> Result<Database> {
    let schema = read_felis(SCHEMA, "s.yaml", &|_| Err(Error::not_found("none"))).unwrap();
    declare(&schema, &read_layout(layout, "l.toml")?)
}

#[test]
fn a_layout_spreads_the_tables() {
    let database = declared(LAYOUT).unwrap();
    assert_eq!((database.name.as_str(), database.description.as_deref()), ("pt", Some("a test")));
    assert_eq!(
        (database.pixelization, database.chunk_order, database.overlap_arcsec),
        (PixelizationKind::H3, Some(3), 30.0)
    );
    let kinds: Vec<_> = database.tables.iter().map(|table| (table.name.as_str(), table.kind.name())).collect();
    assert_eq!(
        kinds,
        [
            ("Object", "director"),
            ("Source", "child"),
            ("Deep", "director"),
            ("ObjectDeep", "match"),
            ("Filter", "replicated")
        ]
    );
    // The schema's spelling wins over the layout's.
    assert_eq!(
        database.tables[1].kind,
        TableKind::Child {
            director: "Object".into(),
            director_key: "objectId".into(),
            position: Some(["ra".into(), "decl".into()]),
            director_position: Some(["raObject".into(), "declObject".into()]),
        }
    );
    let description = Description::of(&database);
    assert_eq!(description.tables[0].placement, "key objectId, position ra, decl");
    assert_eq!(
        description.tables[1].placement,
        "of Object by objectId, position ra, decl, director's position raObject, declObject"
    );
    assert_eq!(description.tables[0].columns[3].datatype, "string(10)");
}

#[test]
fn without_a_layout_all_is_replicated() {
    let database = declared("").unwrap();
    assert!(database.tables.iter().all(|table| table.kind == TableKind::Replicated));
    assert_eq!((database.name.as_str(), database.chunk_order, database.overlap_arcsec), ("sky", None, 60.0));
}

#[test]
fn refuses_with_line_and_remedy() {
    for (from, to, said) in [
        (
            "[tables.Object]",
            "[tables.Objekt]",
            "l.toml:8: the schema s.yaml has no table \"Objekt\"; write [tables.Object]",
        ),
        (
            "pixelization = \"h3\"",
            "pixelization = \"healpics\"",
            "l.toml:4: unknown pixelization \"healpics\"; write \"healpix\"",
        ),
        (
            "pixelization",
            "pixelisation",
            "l.toml:4: unknown key \"pixelisation\" in [database]; write \"pixelization\"",
        ),
        ("chunk_order = 3", "chunk_order = \"3\"", "l.toml:5: `chunk_order` must be a whole number"),
        ("chunk_order = 3", "chunk_order = 300", "l.toml:5: `chunk_order`"),
        ("overlap_arcsec = 30", "overlap_arcsec = -1", "l.toml:6: `overlap_arcsec` must be a number"),
        ("overlap_arcsec = 30", "overlap_arcsec = nan", "l.toml:6: `overlap_arcsec` must be a number"),
        ("overlap_arcsec = 30", "overlap_arcsec = 1e9", "l.toml:6: `overlap_arcsec` must be a number"),
        (
            "kind = \"director\"\nkey = \"objectId\"",
            "kind = \"directer\"\nkey = \"objectId\"",
            "l.toml:9: [tables.Object] has the unknown kind \"directer\"; write \"director\"",
        ),
        ("kind = \"director\"\nkey = \"objectId\"", "key = \"objectId\"", "l.toml:8: [tables.Object] has no kind"),
        (
            "position = [\"ra\", \"decl\"]\n\n[tables.source]",
            "[tables.source]",
            "l.toml:8: [tables.Object], a director, has no position; write position =",
        ),
        (
            "position = [\"ra\", \"decl\"]\n\n[tables.source]",
            "position = \"ra\"\n[tables.source]",
            "l.toml:11: `position` must be two names",
        ),
        (
            "position = [\"ra\", \"decl\"]\n\n[tables.source]",
            "position = [\"ra\", \"dec\"]\n[tables.source]",
            "l.toml:11: `position`: table \"Object\" has no column \"dec\"; write \"decl\"",
        ),
        (
            "position = [\"ra\", \"decl\"]\n\n[tables.source]",
            "position = [\"ra\", \"objectId\"]\n[tables.source]",
            "l.toml:11: `position` of table \"Object\" names \"objectId\", a column of type long",
        ),
        (
            "position = [\"ra\", \"decl\"]\n\n[tables.source]",
            "position = [\"ra\", \"ra\"]\n[tables.source]",
            "l.toml:11: `position` of table \"Object\" names \"ra\" twice",
        ),
        (
            "key = \"objectId\"",
            "key = \"label\"",
            "l.toml:10: `key` of table \"Object\" names \"label\", a column of type string; name a column of an integer type",
        ),
        (
            "key = \"objectId\"",
            "key = \"objectIdd\"",
            "l.toml:10: `key`: table \"Object\" has no column \"objectIdd\"; write \"objectId\"",
        ),
        ("director = \"object\"\n", "", "l.toml:13: [tables.source] has no director; write director ="),
        (
            "director = \"object\"",
            "director = \"Filter\"",
            "l.toml:15: `director` of table \"Source\" names \"Filter\", a replicated table",
        ),
        (
            "director = \"object\"",
            "director = \"Objct\"",
            "l.toml:15: `director` of table \"Source\": no table \"Objct\"; write \"Object\"",
        ),
        (
            "left = [\"Object\"",
            "left = [\"Source\"",
            "l.toml:27: `left` of table \"ObjectDeep\" names \"Source\", itself a child; name its director, \"Object\"",
        ),
        (
            "left = [\"Object\", \"objectId\"]",
            "left = [\"Object\", \"deepId\"]",
            "takes both keys from column \"deepId\"",
        ),
        ("right = [\"Deep\", \"deepId\"]", "right = [\"Deep\"]", "l.toml:28: `right` must be two names"),
        ("right = [\"Deep\", \"deepId\"]\n", "", "l.toml:25: [tables.ObjectDeep] has no right; write right ="),
        (
            "kind = \"match\"",
            "kind = \"replicated\"",
            "l.toml:27: unknown key \"left\" in [tables.ObjectDeep], a replicated table; write one of kind",
        ),
        ("name = \"pt\"", "name = \"a/b\"", "l.toml:2: the database name \"a/b\" cannot be used"),
        ("name = \"pt\"", "name = \"TAP_SCHEMA\"", "l.toml:2: the database name \"TAP_SCHEMA\" is reserved"),
        ("name = \"pt\"", "name = 3", "l.toml:2: `name` must be a text"),
        ("[tables.Deep]", "[tables.Object]", "l.toml:20: this is not TOML"),
        ("[tables.Deep]", "[tables.OBJECT]", "l.toml:20: table \"OBJECT\" stands in line 8 already"),
        ("[database]", "[databases]", "l.toml:1: unknown key \"databases\" in the layout; write \"database\""),
        ("[tables.Deep]", "[tables]\nDeep = 3\n[nowhere]", "l.toml:"),
    ] {
        assert!(LAYOUT.contains(from), "{from}");
        let error = declared(&LAYOUT.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(said), "{to}: {error}");
    }
}

#[test]
fn a_child_of_a_child_names_the_director() {
    let layout = LAYOUT.replace(
        "[tables.ObjectDeep]\nkind = \"match\"\nleft = [\"Object\", \"objectId\"]\nright = [\"Deep\", \"deepId\"]\n",
        "[tables.ObjectDeep]\nkind = \"child\"\ndirector = \"Source\"\ndirector_key = \"objectId\"\n",
    );
    let error = declared(&layout).unwrap_err().to_string();
    assert_eq!(
        error,
        "l.toml:27: `director` of table \"ObjectDeep\" names \"Source\", itself a child; name its director, \"Object\""
    );
}

#[test]
fn companion_folders_do_not_meet_tables() {
    let schema = SCHEMA.replace("- name: Filter", "- name: object_MARGIN");
    let schema = read_felis(&schema, "s.yaml", &|_| Err(Error::not_found("none"))).unwrap();
    let error = declare(&schema, &read_layout(LAYOUT, "l.toml").unwrap()).unwrap_err().to_string();
    assert!(error.contains("companion files in \"object_margin\""), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn damaged_layouts_are_refused_and_never_a_panic(edits in prop::collection::vec((0..LAYOUT.len(), 0..40_usize, "[-=.\\[\\]#'\" \n\t\\PC0-9a-z]{0,6}"), 1..4)) {
        let mut text: Vec<char> = LAYOUT.chars().collect();
        for (at, length, put) in edits {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, put.chars());
        }
        let _ = declared(&text.into_iter().collect::<String>());
    }
}
