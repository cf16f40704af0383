//! What describes a schema of 50,000 columns in 500 tables: the tableset when it is made for a new snapshot and when it is kept from the
//! last one, without columns, compressed, one table of it; and the rows of TAP_SCHEMA.
//!
//! `cargo bench -p qserv-tap --bench schema`; the sizes of the documents are printed first.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench fails by panicking and speaks to a terminal"
)]

mod served;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use criterion::{Criterion, criterion_group, criterion_main};
use qserv_core::catalog::{Column, DatabaseSnapshot, Snapshot, SnapshotId, Table, TableSnapshot, tap_schema};
use qserv_core::query::{QueryRequest, QueryResult, QueryService};
use qserv_core::{Error, Result};

const TABLES: usize = 500;
const COLUMNS: usize = 100;

/// Answers no query.
struct Described(Mutex<Arc<Snapshot>>);

#[async_trait]
impl QueryService for Described {
    async fn query(&self, _: QueryRequest) -> Result<QueryResult> {
        Err(Error::invalid("there are no rows"))
    }

    async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        Ok(Arc::clone(&self.0.lock().unwrap()))
    }
}

fn snapshot() -> Snapshot {
    let template = tap_schema::database().tables.remove(2);
    let column = |number: usize| Column {
        name: format!("measurement_{number}"),
        description: Some("What was measured, and how, in a sentence of the usual length.".to_owned()),
        unit: Some("nJy".to_owned()),
        ucd: Some("phot.flux.density".to_owned()),
        column_index: None,
        ..template.columns[0].clone()
    };
    let table = |number: usize| Table {
        name: format!("table_{number}"),
        columns: (0..COLUMNS).map(column).collect(),
        ..template.clone()
    };
    let mut database = tap_schema::database();
    database.name = "wide".to_owned();
    database.foreign_keys = Vec::new();
    database.tables = (0..TABLES).map(table).collect();
    let tables = database.tables.iter().map(|table| {
        Arc::new(TableSnapshot { table: Arc::new(table.clone()), segments: Vec::new(), key_is_chunk_local: true })
    });
    let snapshot = DatabaseSnapshot { tables: tables.collect(), database: Arc::new(database) };
    Snapshot { id: SnapshotId(1), databases: BTreeMap::from([("wide".to_owned(), Arc::new(snapshot))]) }
}

/// Asks and reads the body; its length.
async fn fetch(router: &Router, path: &str, coding: &str) -> usize {
    let request = Request::get(path).header(header::ACCEPT_ENCODING, coding).body(Body::empty()).unwrap();
    served::length_of(router, request).await
}

fn schema(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let described = Arc::new(Described(Mutex::new(Arc::new(snapshot()))));
    let service = Arc::clone(&described) as Arc<dyn QueryService>;
    let router = served::router(&runtime, folder.path(), service);
    let cases = [
        ("kept", "/tap/tables", "identity"),
        ("kept, in gzip", "/tap/tables", "gzip"),
        ("kept, in zstd", "/tap/tables", "zstd"),
        ("without columns", "/tap/tables?detail=min", "identity"),
        ("one table", "/tap/tables/wide.table_250", "identity"),
    ];
    let mut group = criterion.benchmark_group("schema");
    group.sample_size(20);
    for (name, path, coding) in cases {
        println!("{name}: {} bytes", runtime.block_on(fetch(&router, path, coding)));
        group.bench_function(name, |bencher| bencher.iter(|| runtime.block_on(fetch(&router, path, coding))));
    }
    group.bench_function("of a new snapshot", |bencher| {
        bencher.iter(|| {
            let next = Arc::new(Snapshot::clone(&described.0.lock().unwrap()));
            *described.0.lock().unwrap() = next;
            runtime.block_on(fetch(&router, "/tap/tables", "identity"))
        });
    });
    let wide = snapshot();
    group.bench_function("TAP_SCHEMA", |bencher| bencher.iter(|| tap_schema::tap_schema(black_box(&wide)).unwrap()));
    group.finish();
}

criterion_group!(benches, schema);
criterion_main!(benches);
