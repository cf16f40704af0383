//! What the formats tell beside the rows, and how they travel.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::reader::StreamReader;
use arrow::record_batch::RecordBatch;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use qserv_core::query::field_metadata;
use qserv_tap::TapSettings;

use crate::decode::decode;
use crate::fake::{Answer, FakeService, Reply, Server, encoded, numbers, serve, serve_with};
use crate::{fits, text};

const FORMATS: [(&str, &str); 10] = [
    ("votable", "application/x-votable+xml"),
    ("votable/b2", "application/x-votable+xml;serialization=BINARY2"),
    ("votable/b", "application/x-votable+xml;serialization=BINARY"),
    ("votable/td", "application/x-votable+xml;serialization=TABLEDATA"),
    ("csv", "text/csv;header=present"),
    ("tsv", "text/tab-separated-values"),
    ("fits", "application/fits"),
    ("json", "application/json"),
    ("parquet", "application/vnd.apache.parquet"),
    ("arrow", "application/vnd.apache.arrow.stream"),
];

/// Rows whose columns are described.
fn described() -> RecordBatch {
    let metadata = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let long = "Right ascension, which is a long story. ".repeat(4);
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false)
            .with_metadata(metadata(&[(field_metadata::UCD, "meta.id;meta.main"), ("PARQUET:field_id", "7")])),
        Field::new("ra", DataType::Float64, true).with_metadata(metadata(&[
            (field_metadata::UNIT, "deg"),
            (field_metadata::UCD, "pos.eq.ra;meta.main"),
            (field_metadata::UTYPE, "obs:ra"),
            (field_metadata::DESCRIPTION, &long),
        ])),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, 2, 3])),
        Arc::new(Float64Array::from(vec![Some(0.1), None, Some(1e-300)])),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn service() -> FakeService {
    FakeService::new([
        ("rows", Answer::Batches(vec![described()])),
        ("many", Answer::Batches((0..40).map(|batch| numbers(batch * 8192, 8192)).collect())),
        ("late", Answer::FailsLater(vec![numbers(0, 2)], "the worker went away")),
    ])
}

#[tokio::test]
async fn each_format_by_each_of_its_names() {
    let server = serve(service());
    for (name, content_type) in FORMATS {
        for (parameter, asked) in [("FORMAT", name), ("RESPONSEFORMAT", name), ("responseformat", content_type)] {
            let reply = server.ask("rows", &[(parameter, asked)]).await;
            assert_eq!(reply.status, StatusCode::OK, "{asked}");
            assert_eq!(reply.header(header::CONTENT_TYPE), content_type, "{asked}");
        }
    }
}

#[tokio::test]
async fn documents_tell_where_they_come_from() {
    let settings = TapSettings { citation: Some("2030sky..book.....A".to_owned()), ..TapSettings::default() };
    let server = serve_with(service(), settings);
    let document = decode(&server.ask("rows", &[]).await.text);
    for (name, value) in [
        ("QUERY", "rows"),
        ("server_software", concat!("qserv/", env!("CARGO_PKG_VERSION"))),
        ("service_protocol", "ivo://ivoa.net/std/TAP"),
        ("request_date", "2030-01-02T03:04:05.000Z"),
        ("citation", "2030sky..book.....A"),
        ("rows", "3"),
    ] {
        let told = document.infos.iter().find(|(told, ..)| told == name).map(|(_, value, _)| value.as_str());
        assert_eq!(told, Some(value), "{name}");
    }
    let table = fits::read(&server.ask("rows", &[("FORMAT", "fits")]).await.bytes);
    for (keyword, value) in [
        ("DATE", "2030-01-02T03:04:05"),
        ("CITATION", "2030sky..book.....A"),
        ("QUERY", "rows"),
        ("TUNIT2", "deg"),
        ("TUCD2", "pos.eq.ra;meta.main"),
        ("TUTYP2", "obs:ra"),
        ("TCOMM2", "Right ascension, which is a long story. ".repeat(4).trim_end()),
    ] {
        assert_eq!(table.keywords[keyword], value);
    }
}

#[tokio::test]
async fn parquet_holds_a_votable_without_data() {
    let server = serve(service());
    for (maxrec, statuses) in [("3", vec!["OK"]), ("2", vec!["OK", "OVERFLOW"])] {
        let reply = server.ask("rows", &[("FORMAT", "parquet"), ("MAXREC", maxrec)]).await;
        let reader = SerializedFileReader::new(reply.bytes).unwrap();
        let metadata = reader.metadata().file_metadata().key_value_metadata().unwrap();
        let value = |key: &str| metadata.iter().find(|pair| pair.key == key).unwrap().value.clone().unwrap();
        assert_eq!(value("IVOA.VOTable-Parquet.version"), "1.0");
        let content = value("IVOA.VOTable-Parquet.content");
        assert!(!content.contains("<DATA>") && content.contains("<COOSYS"), "{content}");
        let document = decode(&content);
        assert_eq!(document.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["id", "ra"]);
        assert_eq!(document.statuses(), statuses);
    }
}

#[tokio::test]
async fn arrow_fields_carry_what_is_true_of_them_and_no_more() {
    let reply = serve(service()).ask("rows", &[("FORMAT", "arrow")]).await;
    let schema = StreamReader::try_new(reply.bytes.as_ref(), None).unwrap().schema();
    assert_eq!(schema.field(1).metadata()["unit"], "deg");
    assert_eq!(schema.field(1).metadata()["ucd"], "pos.eq.ra;meta.main");
    assert_eq!(schema.field(0).metadata().len(), 1);
}

#[tokio::test]
async fn a_cut_is_told_where_there_is_room_for_it() {
    let server = serve(service());
    for (maxrec, status) in [("2", "OVERFLOW"), ("3", "OK"), ("0", "OVERFLOW")] {
        let table = fits::read(&server.ask("rows", &[("FORMAT", "fits"), ("MAXREC", maxrec)]).await.bytes);
        assert_eq!((table.rows.len().to_string().as_str(), table.keywords["QSTATUS"].as_str()), (maxrec, status));
        let (_, rows, told) = text::json(&server.ask("rows", &[("FORMAT", "json"), ("MAXREC", maxrec)]).await.text);
        assert_eq!((rows.len().to_string().as_str(), told.as_str()), (maxrec, status));
    }
}

#[tokio::test]
async fn a_format_that_begins_behind_the_last_row_has_errors_of_its_own_status() {
    let server = serve(service());
    let reply = server.ask("late", &[("FORMAT", "fits")]).await;
    assert_eq!((reply.status, decode(&reply.text).statuses()), (StatusCode::SERVICE_UNAVAILABLE, vec!["ERROR"]));
    let bounded = serve_with(service(), TapSettings { max_scratch_bytes: 1 << 20, ..TapSettings::default() });
    let reply = bounded.ask("many", &[("FORMAT", "fits")]).await;
    assert_eq!((reply.status, decode(&reply.text).statuses()), (StatusCode::PAYLOAD_TOO_LARGE, vec!["ERROR"]));
    assert_eq!(bounded.ask("rows", &[("FORMAT", "fits")]).await.status, StatusCode::OK, "the room is free again");
}

async fn ask_in(server: &Server, format: &str, coding: &str) -> Reply {
    let parameters = encoded(&[("LANG", "ADQL"), ("QUERY", "many"), ("FORMAT", format)]);
    let request = Request::get(format!("/tap/sync?{parameters}")).header(header::ACCEPT_ENCODING, coding);
    server.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn bodies_are_compressed_as_the_client_likes() {
    let server = serve(service());
    for (format, _) in FORMATS {
        let plain = ask_in(&server, format, "identity").await;
        assert_eq!(plain.header(header::CONTENT_ENCODING), "");
        for (asked, coding) in [("gzip;q=1.0, zstd;q=0.5", "gzip"), ("gzip, zstd", "zstd")] {
            let reply = ask_in(&server, format, asked).await;
            if format == "parquet" {
                assert_eq!(reply.header(header::CONTENT_ENCODING), "", "it is compressed in itself");
                continue;
            }
            assert_eq!(
                (reply.header(header::CONTENT_ENCODING), reply.header(header::VARY)),
                (coding, "accept-encoding")
            );
            assert!(reply.bytes.len() < plain.bytes.len());
            let mut read = Vec::new();
            if coding == "gzip" {
                flate2::read::GzDecoder::new(reply.bytes.as_ref()).read_to_end(&mut read).unwrap();
            } else {
                zstd::stream::read::Decoder::new(reply.bytes.as_ref()).unwrap().read_to_end(&mut read).unwrap();
            }
            assert!(read == plain.bytes, "{format} in {coding}");
        }
    }
}
