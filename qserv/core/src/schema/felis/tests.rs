use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::Error;
use crate::catalog::ColumnType;

fn no_files(name: &str) -> Result<String> {
    Err(Error::not_found(format!("no file {name}")))
}

fn read(text: &str) -> Result<FelisSchema> {
    read_felis(text, "a.yaml", &no_files)
}

fn refusal(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

const GOOD: &str = r##"---
name: sky
"@id": "#sky"
version: {current: 1.0}
tables:
- name: Object
  description: Things
  tap:table_index: 10
  primaryKey: "#Object.objectId"
  columns:
  - {name: objectId, datatype: long, nullable: false, ivoa:ucd: meta.id;src, tap:principal: 1}
  - {name: ra, datatype: double, ivoa:unit: deg, tap:column_index: 5}
  - {name: dec, datatype: double, fits:tunit: deg, ivoa:unit: }
  - {name: note, datatype: string, length: 7, mysql:datatype: VARCHAR(7), votable:arraysize: 7*}
- name: Source
  primaryKey: [sourceId, "#Source.objectId"]
  columns:
  - {name: sourceId, datatype: long, "@id": "#the_source"}
  - {name: objectId, datatype: long}
  constraints:
  - name: fk
    "@type": ForeignKey
    description: Its object
    columns: ["#Source.objectId"]
    referencedColumns: ["#Object.objectId"]
  - {name: u, "@type": Unique, columns: ["#the_source"]}
  - {name: c, "@type": Check, expression: sourceId > 0}
  indexes:
  - {name: i, columns: ["#Source.objectId"]}
  columnGroups:
  - {name: g, columns: [objectId]}
"##;

#[test]
fn keeps_what_has_a_meaning() {
    let schema = read(GOOD).unwrap();
    assert_eq!((schema.name.as_str(), schema.version.as_deref()), ("sky", Some("1.0")));
    let object = &schema.tables[0].table;
    assert_eq!((object.table_index, object.primary_key.as_slice()), (Some(10), ["objectId".to_owned()].as_slice()));
    let [id, ra, dec, note] = object.columns.as_slice() else { panic!("four columns") };
    assert_eq!((id.datatype, id.nullable, id.principal), (ColumnType::Long, false, true));
    assert_eq!((ra.unit.as_deref(), ra.column_index), (Some("deg"), Some(5)));
    assert_eq!(dec.unit.as_deref(), Some("deg"));
    assert_eq!((note.length, note.arraysize.as_deref()), (Some(7), Some("7*")));
    let source = &schema.tables[1].table;
    assert_eq!(source.primary_key, ["sourceId", "objectId"]);
    let [key] = schema.foreign_keys.as_slice() else { panic!("one foreign key") };
    assert_eq!((key.from_table.as_str(), key.target_table.as_str()), ("Source", "Object"));
    assert_eq!(
        (key.from_columns.as_slice(), key.target_columns.as_slice()),
        (&["objectId".to_owned()][..], &["objectId".to_owned()][..])
    );
    assert_eq!(key.description.as_deref(), Some("Its object"));
}

/// One changed line of [`GOOD`], and what the refusal must say.
#[test]
fn refuses_with_line_and_remedy() {
    for (from, to, said) in [
        (
            "  description: Things",
            "  discription: Things",
            "a.yaml:7: unknown key \"discription\" in a table; write \"description\"",
        ),
        (
            "ivoa:unit: deg, tap:column_index: 5",
            "unit: deg",
            "a.yaml:12: unknown key \"unit\" in a column of table \"Object\"; write \"ivoa:unit\"",
        ),
        (
            "name: ra, datatype: double",
            "name: ra, datatype: dobule",
            "a.yaml:12: column \"ra\" of table \"Object\" has the unknown datatype \"dobule\"; write \"double\"",
        ),
        ("name: ra, datatype: double", "name: ra, datatype: BIGINT", "write \"long\""),
        ("name: ra, datatype: double", "name: ra, datatype: VARCHAR(3)", "write \"string\""),
        ("name: ra, datatype: double", "name: ra", "a.yaml:12: column \"ra\" of table \"Object\" has no `datatype`"),
        ("name: ra, datatype: double", "datatype: double", "a.yaml:12: this has no `name`"),
        (
            "name: dec,",
            "name: RA,",
            "a.yaml:13: column \"RA\" of table \"Object\" is declared in line 12 already as \"ra\"",
        ),
        ("- name: Source", "- name: object", "a.yaml:15: table \"object\" is declared in line 6 already as \"Object\""),
        ("nullable: false", "nullable: perhaps", "a.yaml:11: `nullable` is \"perhaps\"; write true or false"),
        ("length: 7", "length: seven", "a.yaml:14: `length` is \"seven\"; write a whole number"),
        ("length: 7", "length: -1", "`length` is \"-1\""),
        ("tap:principal: 1", "tap:principal: 2", "`tap:principal` is \"2\"; write true or false"),
        ("tap:table_index: 10", "tap:table_index: [10]", "a.yaml:8: `tap:table_index` is a list"),
        (
            "primaryKey: \"#Object.objectId\"",
            "primaryKey: \"#Object.objectld\"",
            "a.yaml:9: primaryKey of table \"Object\": it has no column \"#Object.objectld\"; write \"objectId\"",
        ),
        ("[\"#Object.objectId\"]", "[\"#Objekt.objectId\"]", "which the schema does not have; write \"Object\""),
        (
            "[\"#Object.objectId\"]",
            "[\"#Object.objectid\"]",
            "table \"Object\" has no column \"objectid\"; write \"objectId\"",
        ),
        ("[\"#Object.objectId\"]", "[\"#Object.objectId\", \"#Object.ra\"]", "name as many on both sides"),
        ("\"@type\": ForeignKey", "\"@type\": ForeignKay", "unknown type \"ForeignKay\"; write \"ForeignKey\""),
        (
            "columns: [objectId]",
            "columns: [objectIt]",
            "a column group of table \"Source\": it has no column \"objectIt\"",
        ),
        ("fits:tunit: deg, ivoa:unit: ", "fits:tunit: deg, ivoa:unit: rad", "two units, \"rad\" and \"deg\""),
        ("name: ra, datatype: double", "name: ra, votable:arraysize: 2, datatype: double", "a cell holds one number"),
        ("name: sky", "name: [sky]", "a.yaml:2: `name` is a list here; write a text"),
        (
            "  description: Things",
            "  description: Things\n  description: Others",
            "a.yaml:8: key \"description\" stands in line 7 already",
        ),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let error = refusal(&GOOD.replacen(from, to, 1));
        assert!(error.contains(said), "{to}: {error}");
    }
}

#[test]
fn tells_all_faults_at_once() {
    let error = refusal(&GOOD.replace("datatype: long", "datatype: lung").replace("version:", "verzion:"));
    assert_eq!(error.matches("\"lung\"").count(), 3, "{error}");
    assert!(error.contains("write \"version\""), "{error}");
}

#[test]
fn takes_columns_from_resources() {
    let text = "name: small\nresources:\n  base: {uri: base.yaml}\ntables:\n- name: Object\n  columnRefs:\n    base:\n      Object:\n        ra:\n        id:\n          ref_name: objectId\n          overrides: {description: Its id, tap:principal: 1}\n";
    let files = |name: &str| if name == "base.yaml" { Ok(GOOD.to_owned()) } else { no_files(name) };
    let schema = read_felis(text, "a.yaml", &files).unwrap();
    let [ra, id] = schema.tables[0].table.columns.as_slice() else { panic!("two columns") };
    assert_eq!((ra.name.as_str(), ra.unit.as_deref()), ("ra", Some("deg")));
    assert_eq!(
        (id.name.as_str(), id.datatype, id.principal, id.description.as_deref()),
        ("id", ColumnType::Long, true, Some("Its id"))
    );

    for (from, to, said) in [
        (
            "base.yaml",
            "bass.yaml",
            "a.yaml:3: resource \"base\": the file \"bass.yaml\" cannot be read: no file bass.yaml",
        ),
        ("    base:\n      Object", "    basis:\n      Object", "a.yaml:7: table \"Object\": no resource \"basis\""),
        (
            "      Object:",
            "      Objects:",
            "a.yaml:8: table \"Object\": no table \"Objects\" in resource \"base\"; write \"Object\"",
        ),
        (
            "        ra:",
            "        rra:",
            "a.yaml:9: table \"Object\": no column \"rra\" in table \"Object\" of the resource; write \"ra\"",
        ),
        ("{uri: base.yaml}", "{url: base.yaml}", "a.yaml:3: unknown key \"url\" in resource \"base\"; write \"uri\""),
    ] {
        let error = read_felis(&text.replacen(from, to, 1), "a.yaml", &files).unwrap_err().to_string();
        assert!(error.contains(said), "{to}: {error}");
    }
}

#[test]
fn ends_a_circle_of_resources() {
    let text =
        "name: a\nresources:\n  me: {uri: me.yaml}\ntables:\n- name: T\n  columns:\n  - {name: x, datatype: int}\n";
    let error = read_felis(text, "me.yaml", &|_| Ok(text.to_owned())).unwrap_err().to_string();
    assert!(error.contains("in a circle"), "{error}");
}

#[test]
fn a_fault_in_a_resource_names_that_file() {
    let text =
        "name: a\nresources:\n  base: {uri: base.yaml}\ntables:\n- name: T\n  columns:\n  - {name: x, datatype: int}\n";
    let error =
        read_felis(text, "a.yaml", &|_| Ok(GOOD.replace("dec, datatype: double", "dec, datatype: dbl"))).unwrap_err();
    assert!(error.to_string().starts_with("base.yaml:13: "), "{error}");
}

/// Every schema of the LSST data model that is at hand, with its tables and columns.
#[test]
fn reads_the_schemas_of_the_lsst_data_model() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/felis");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there", folder.display());
        return;
    }
    let resolve =
        |name: &str| std::fs::read_to_string(folder.join(name)).map_err(|error| Error::not_found(error.to_string()));
    for (file, tables, columns) in [
        ("apdb.yaml", 12, 462),
        ("dp02_dc2.yaml", 12, 1534),
        ("dp02_obscore.yaml", 1, 37),
        ("dp1.yaml", 12, 1838),
        ("dp2.yaml", 16, 1970),
        ("drp_base.yaml", 17, 2030),
        ("ivoa_obscore.yaml", 1, 36),
        ("ppdb.yaml", 3, 195),
    ] {
        let schema = read_felis(&resolve(file).unwrap(), file, &resolve).unwrap_or_else(|error| panic!("{error}"));
        let found = (schema.tables.len(), schema.tables.iter().map(|table| table.table.columns.len()).sum());
        assert_eq!(found, (tables, columns), "{file}");
        let database = crate::schema::declare(&schema, &crate::schema::Layout::replicated()).unwrap();
        assert_eq!(database.tables.len(), tables);
    }
    let dp1 = read_felis(&resolve("dp1.yaml").unwrap(), "dp1.yaml", &resolve).unwrap();
    assert!(dp1.foreign_keys.len() >= 9, "{}", dp1.foreign_keys.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever is cut out and put in, the reader answers; a schema that it takes can be declared or is refused.
    #[test]
    fn damaged_text_is_refused_and_never_a_panic(edits in prop::collection::vec((0..GOOD.len(), 0..40_usize, "[-:{}\\[\\]#&*!|>'\"%@`,? \n\t\\PC0-9a-z]{0,6}"), 1..4)) {
        let mut text: Vec<char> = GOOD.chars().collect();
        for (at, length, put) in edits {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, put.chars());
        }
        if let Ok(schema) = read(&text.into_iter().collect::<String>()) {
            let _ = crate::schema::declare(&schema, &crate::schema::Layout::replicated());
        }
    }
}
