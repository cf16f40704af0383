//! 100,000 rows of 8 columns in each format, from the query's batches to the last byte of the body; and beside them the least that encoding
//! the same cells costs: digits by the same crates in a loop that knows every type, or rows of big-endian cells in base64.
//!
//! `cargo bench -p qserv-tap --bench writers`; the sizes of the bodies are printed first.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench fails by panicking and speaks to a terminal"
)]

mod served;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, StringArray,
};
use arrow::datatypes::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use base64::Engine;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::StreamExt;
use qserv_core::Result;
use qserv_core::catalog::{Snapshot, SnapshotId};
use qserv_core::query::{QueryRequest, QueryResult, QueryService};

const ROWS: usize = 100_000;
const BATCH_ROWS: usize = 8192;

const FORMATS: [&str; 9] = ["votable/b2", "votable/b", "votable/td", "csv", "tsv", "fits", "json", "parquet", "arrow"];

/// Answers everything with the same rows.
struct Rows(Vec<RecordBatch>);

#[async_trait]
impl QueryService for Rows {
    async fn query(&self, _: QueryRequest) -> Result<QueryResult> {
        Ok(QueryResult {
            schema: self.0[0].schema(),
            batches: futures::stream::iter(self.0.clone()).map(Ok).boxed(),
            warnings: Vec::new(),
            overflow: Arc::new(AtomicBool::new(false)),
            progress: Arc::default(),
        })
    }

    async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        Ok(Arc::new(Snapshot { id: SnapshotId(1), databases: BTreeMap::new() }))
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "made up")]
fn batch(first: usize, rows: usize) -> RecordBatch {
    let range = first..first + rows;
    let float = |row: usize, factor: f64| (row as f64 * factor).fract();
    let id: ArrayRef =
        Arc::new(Int64Array::from_iter_values(range.clone().map(|row| 3_000_000_000 + 7919 * row as i64)));
    let ra: ArrayRef =
        Arc::new(Float64Array::from_iter_values(range.clone().map(|row| float(row, 0.618_033_988) * 360.0)));
    let dec: ArrayRef =
        Arc::new(Float64Array::from_iter_values(range.clone().map(|row| float(row, 0.414_213_562) * 180.0 - 90.0)));
    let flux: ArrayRef = Arc::new(
        range.clone().map(|row| (row % 9 != 0).then(|| float(row, 0.7) as f32 * 1e4)).collect::<Float32Array>(),
    );
    let error: ArrayRef = Arc::new(Float32Array::from_iter_values(range.clone().map(|row| float(row, 0.3) as f32)));
    let visit: ArrayRef =
        Arc::new(range.clone().map(|row| (row % 11 != 0).then_some(row as i32 % 100_000)).collect::<Int32Array>());
    let flag: ArrayRef = Arc::new(BooleanArray::from_iter(range.clone().map(|row| Some(row % 3 == 0))));
    let band: ArrayRef =
        Arc::new(StringArray::from_iter_values(range.map(|row| ["u", "g", "r", "i", "z", "y"][row % 6])));
    let columns = [("id", id), ("ra", ra), ("dec", dec), ("flux", flux), ("error", error), ("visit", visit)];
    RecordBatch::try_from_iter(columns.into_iter().chain([("flag", flag), ("band", band)])).unwrap()
}

fn batches() -> Vec<RecordBatch> {
    (0..ROWS).step_by(BATCH_ROWS).map(|first| batch(first, BATCH_ROWS.min(ROWS - first))).collect()
}

/// Asks and reads the body; its length.
async fn fetch(router: &Router, format: &str, coding: &str) -> usize {
    let request = Request::get(format!("/tap/sync?QUERY=q&LANG=ADQL&FORMAT={format}"))
        .header(header::ACCEPT_ENCODING, coding)
        .body(Body::empty())
        .unwrap();
    served::length_of(router, request).await
}

/// The digits of all cells with what TABLEDATA has around them, by a loop that knows the type of each column.
fn least_text(batches: &[RecordBatch], before: &[u8], behind: &[u8]) -> usize {
    let mut length = 0;
    let mut out = Vec::with_capacity(1 << 20);
    for batch in batches {
        let (id, ra) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_primitive::<Float64Type>());
        let (dec, flux) =
            (batch.column(2).as_primitive::<Float64Type>(), batch.column(3).as_primitive::<Float32Type>());
        let (error, visit) =
            (batch.column(4).as_primitive::<Float32Type>(), batch.column(5).as_primitive::<Int32Type>());
        let (flag, band) = (batch.column(6).as_boolean(), batch.column(7).as_string::<i32>());
        let cell = |out: &mut Vec<u8>, text: &str| {
            out.extend_from_slice(before);
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(behind);
        };
        for row in 0..batch.num_rows() {
            cell(&mut out, itoa::Buffer::new().format(id.value(row)));
            cell(&mut out, zmij::Buffer::new().format(ra.value(row)));
            cell(&mut out, zmij::Buffer::new().format(dec.value(row)));
            if flux.is_null(row) {
                cell(&mut out, "");
            } else {
                cell(&mut out, zmij::Buffer::new().format(flux.value(row)));
            }
            cell(&mut out, zmij::Buffer::new().format(error.value(row)));
            if visit.is_null(row) {
                cell(&mut out, "");
            } else {
                cell(&mut out, itoa::Buffer::new().format(visit.value(row)));
            }
            cell(&mut out, if flag.value(row) { "true" } else { "false" });
            cell(&mut out, band.value(row));
            if out.len() > 256 * 1024 {
                length += black_box(&out).len();
                out.clear();
            }
        }
    }
    length + out.len()
}

/// Rows of big-endian cells in base64.
fn least_binary(batches: &[RecordBatch]) -> usize {
    let mut length = 0;
    for batch in batches {
        let mut raw: Vec<u8> = Vec::with_capacity(batch.num_rows() * 48);
        let (id, ra) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_primitive::<Float64Type>());
        let (dec, flux) =
            (batch.column(2).as_primitive::<Float64Type>(), batch.column(3).as_primitive::<Float32Type>());
        let (error, visit) =
            (batch.column(4).as_primitive::<Float32Type>(), batch.column(5).as_primitive::<Int32Type>());
        let (flag, band) = (batch.column(6).as_boolean(), batch.column(7).as_string::<i32>());
        for row in 0..batch.num_rows() {
            raw.push(u8::from(flux.is_null(row)) << 4 | u8::from(visit.is_null(row)) << 2);
            raw.extend_from_slice(&id.value(row).to_be_bytes());
            raw.extend_from_slice(&ra.value(row).to_be_bytes());
            raw.extend_from_slice(&dec.value(row).to_be_bytes());
            raw.extend_from_slice(&flux.value(row).to_be_bytes());
            raw.extend_from_slice(&error.value(row).to_be_bytes());
            raw.extend_from_slice(&visit.value(row).to_be_bytes());
            raw.push(if flag.value(row) { b'T' } else { b'F' });
            let band = band.value(row);
            raw.extend_from_slice(&u32::try_from(band.len()).unwrap().to_be_bytes());
            band.encode_utf16().for_each(|unit| raw.extend_from_slice(&unit.to_be_bytes()));
        }
        length += black_box(base64::engine::general_purpose::STANDARD.encode(&raw)).len();
    }
    length
}

fn writers(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let router = served::router(&runtime, scratch.path(), Arc::new(Rows(batches())));
    for format in FORMATS {
        println!("{format}: {} bytes", runtime.block_on(fetch(&router, format, "identity")));
    }
    let mut group = criterion.benchmark_group("writers");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(20);
    for format in FORMATS {
        group.bench_function(format, |bencher| {
            bencher.iter(|| runtime.block_on(fetch(&router, format, "identity")));
        });
    }
    for coding in ["gzip", "zstd"] {
        println!("votable/b2 in {coding}: {} bytes", runtime.block_on(fetch(&router, "votable/b2", coding)));
        group.bench_function(format!("votable/b2 in {coding}"), |bencher| {
            bencher.iter(|| runtime.block_on(fetch(&router, "votable/b2", coding)));
        });
    }
    let batches = batches();
    group.bench_function("least: tabledata", |bencher| bencher.iter(|| least_text(&batches, b"<TD>", b"</TD>")));
    group.bench_function("least: csv", |bencher| bencher.iter(|| least_text(&batches, b"", b",")));
    group.bench_function("least: binary", |bencher| bencher.iter(|| least_binary(&batches)));
    group.finish();
}

criterion_group!(benches, writers);
criterion_main!(benches);
