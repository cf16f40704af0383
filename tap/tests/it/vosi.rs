//! `/tap/capabilities`, `/tap/tables`, `/tap/availability`.

use std::io::Read;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use qserv_core::ErrorKind;
use qserv_core::catalog::{Column, Database, DatabaseSnapshot, Snapshot, SnapshotId, TableSnapshot, tap_schema};
use qserv_tap::{Function, TapSettings};
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use crate::fake::{FakeService, serve, serve_with};

/// Panics unless every element that was opened is closed.
pub(crate) fn check_well_formed(document: &str) {
    let mut reader = Reader::from_str(document);
    let mut depth = 0;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::Eof => return assert_eq!(depth, 0),
            _ => {}
        }
    }
}

pub(crate) fn snapshot() -> Snapshot {
    snapshot_of(vec![tap_schema::database()])
}

/// The databases without rows.
pub(crate) fn snapshot_of(databases: Vec<Database>) -> Snapshot {
    let databases = databases.into_iter().map(Arc::new).map(|database| {
        let tables = database.tables.iter().map(|table| {
            Arc::new(TableSnapshot { table: Arc::new(table.clone()), segments: Vec::new(), key_is_chunk_local: true })
        });
        let tables = tables.collect();
        (database.name.clone(), Arc::new(DatabaseSnapshot { database, tables }))
    });
    Snapshot { id: SnapshotId(1), databases: databases.collect() }
}

#[tokio::test]
async fn capabilities_name_every_interface_feature_and_bound() {
    let settings = TapSettings {
        hard_max_rows: Some(5000),
        functions: vec![Function {
            signature: "scisql_nanojanskyToAbMag(flux DOUBLE) -> DOUBLE".to_owned(),
            description: "AB magnitude of a flux".to_owned(),
        }],
        ..TapSettings::default()
    };
    let server = serve_with(FakeService::new([]), settings);
    let reply = server.get("/tap/capabilities").await;
    assert_eq!(reply.header(header::CONTENT_TYPE), "text/xml");
    assert!(reply.header(header::SERVER).starts_with("qserv/"));
    check_well_formed(&reply.text);
    for part in [
        "standardID=\"ivo://ivoa.net/std/TAP\" xsi:type=\"tr:TableAccess\"",
        "<accessURL use=\"base\">http://sky.example:8080/tap</accessURL>",
        "<accessURL use=\"full\">http://sky.example:8080/tap/tables</accessURL>",
        "<capability standardID=\"ivo://ivoa.net/std/DALI#examples\">",
        "<accessURL use=\"full\">http://sky.example:8080/tap/examples</accessURL>",
        "<form>scisql_nanojanskyToAbMag(flux DOUBLE) -&gt; DOUBLE</form>",
        "TAPRegExt#features-adqlgeo",
        "<mime>text/csv;header=present</mime>",
        "TAPRegExt#output-votable-binary2",
        "<hard unit=\"row\">5000</hard>",
    ] {
        assert!(reply.text.contains(part), "no {part} in {}", reply.text);
    }
    assert_eq!(server.get("/tap/sync?request=getCapabilities").await.text, reply.text);
}

#[tokio::test]
async fn tables_describe_the_snapshot() {
    let server = serve(FakeService::new([]).with_snapshot(Ok(snapshot())));
    let all = server.get("/tap/tables").await;
    check_well_formed(&all.text);
    assert_eq!(all.text.matches("<column").count(), 32);
    assert!(all.text.contains("<name>tap_schema.columns</name>"));
    assert!(all.text.contains("<name>\"size\"</name>"));
    assert!(all.text.contains("<dataType xsi:type=\"vs:VOTableType\" arraysize=\"*\">char</dataType>"));
    assert!(all.text.contains("<targetTable>tap_schema.keys</targetTable>"));
    assert_eq!(server.get("/tap/tables").await.text, all.text);
    let brief = server.get("/tap/tables?detail=min").await;
    check_well_formed(&brief.text);
    assert_eq!((brief.text.matches("<table ").count(), brief.text.matches("<column").count()), (5, 0));
    assert_eq!(server.get("/tap/tables?only_tables=true").await.text, brief.text);
    assert_eq!(server.get("/tap/tables?detail=some").await.status, StatusCode::BAD_REQUEST);
    let one = server.get("/tap/tables/TAP_SCHEMA.keys").await;
    check_well_formed(&one.text);
    assert_eq!(one.text.matches("<column").count(), 5);
    assert_eq!(server.get("/tap/tables/tap_schema.fish").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn availability_follows_the_catalog() {
    let up = serve(FakeService::new([])).get("/tap/availability").await;
    assert!(up.text.contains("<vosi:available>true</vosi:available>"), "{}", up.text);
    assert!(up.text.contains("<vosi:upSince>2030-01-02T03:04:05.000Z</vosi:upSince>"));
    let down = serve(FakeService::new([]).with_snapshot(Err(ErrorKind::Unavailable))).get("/tap/availability").await;
    assert_eq!(down.status, StatusCode::OK);
    assert!(down.text.contains("<vosi:available>false</vosi:available>"));
    assert!(down.text.contains("<vosi:note>the catalog does not answer</vosi:note>"));
    check_well_formed(&down.text);
}

#[tokio::test]
async fn addresses_follow_the_settings_and_distrust_the_host() {
    let settings =
        TapSettings { base_url: Some("https://data.example.org/api/tap/".to_owned()), ..TapSettings::default() };
    let server = serve_with(FakeService::new([]), settings);
    let reply = server.post("/tap/async", &[]).await;
    assert!(reply.header(header::LOCATION).starts_with("https://data.example.org/api/tap/async/"));
}

/// As many columns as the largest survey has; no time is asserted, but what takes a second in a test shows.
#[tokio::test]
async fn a_wide_schema_is_described_once() {
    let template = &tap_schema::database().tables[2];
    let column = |number: usize| Column {
        name: format!("column_{number}"),
        description: Some("A measurement & its meaning, in a sentence of the usual length".to_owned()),
        column_index: None,
        ..template.columns[0].clone()
    };
    let mut wide = tap_schema::database();
    wide.name = "wide".to_owned();
    wide.tables = (0..500)
        .map(|number| {
            let mut table = template.clone();
            table.name = format!("table_{number}");
            table.columns = (0..100).map(column).collect();
            table
        })
        .collect();
    let server = serve(FakeService::new([]).with_snapshot(Ok(snapshot_of(vec![wide]))));
    let all = server.get("/tap/tables").await;
    check_well_formed(&all.text);
    assert_eq!(all.text.matches("<column").count(), 50_000);
    let request = Request::get("/tap/tables").header(header::ACCEPT_ENCODING, "gzip");
    let packed = server.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!((packed.header(header::CONTENT_ENCODING), packed.header(header::VARY)), ("gzip", "accept-encoding"));
    assert!(packed.bytes.len() * 10 < all.bytes.len(), "{} of {}", packed.bytes.len(), all.bytes.len());
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(&*packed.bytes).read_to_string(&mut unpacked).unwrap();
    assert!(unpacked == all.text);
    let brief = server.get("/tap/tables?detail=min").await;
    assert_eq!((brief.text.matches("<table ").count(), brief.text.matches("<column").count()), (500, 0));
}
