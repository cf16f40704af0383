//! A TAP service over a few made-up rows, to try clients on: `cargo run -p qserv-tap --example toy -- 127.0.0.1:8099`.
//!
//! It does not understand ADQL. A query that names a `tap_schema` table gets that table, one that holds a number gets so many made-up
//! rows, `fail` fails, and `wait` never ends.

#![allow(clippy::print_stdout, reason = "a program for a terminal")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use qserv_core::catalog::{Catalog, DatabaseSnapshot, Snapshot, SnapshotId, TableSnapshot, tap_schema};
use qserv_core::clock::SystemClock;
use qserv_core::query::{QueryRequest, QueryResult, QueryService, field_metadata};
use qserv_core::upload::{TableReader, TableRows, UploadFile};
use qserv_core::{Error, Result};
use qserv_tap::{Parts, TapService, TapSettings};

const BATCH_ROWS: usize = 8192;

struct Toy {
    snapshot: Arc<Snapshot>,
}

#[async_trait]
impl QueryService for Toy {
    async fn query(&self, request: QueryRequest) -> Result<QueryResult> {
        let text = request.text.to_lowercase();
        let described = tap_schema::tap_schema(&self.snapshot)?;
        let named = described.iter().find(|(table, _)| text.contains(&format!("tap_schema.{}", table.name)));
        let number: String =
            text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
        let (schema, batches): (SchemaRef, BoxStream<'static, Result<RecordBatch>>) = if let Some((_, batch)) = named {
            (batch.schema(), futures::stream::iter([Ok(batch.clone())]).boxed())
        } else if text.contains("fail") {
            return Err(Error::invalid("no table \"fail\"").with("line", 1));
        } else if text.contains("wait") {
            (schema(), futures::stream::pending().boxed())
        } else {
            let rows: usize = number.parse().map_err(|_| Error::invalid("the query names no number of rows"))?;
            let rows = request.max_rows.map_or(rows, |most| rows.min(usize::try_from(most).unwrap_or(usize::MAX)));
            let starts = (0..rows).step_by(BATCH_ROWS);
            let batches = starts.map(move |first| made_up(first, BATCH_ROWS.min(rows - first)));
            (schema(), futures::stream::iter(batches).boxed())
        };
        let overflow = Arc::new(AtomicBool::new(false));
        Ok(QueryResult { schema, batches, warnings: Vec::new(), overflow, progress: Arc::default() })
    }

    async fn snapshot(&self) -> Result<Arc<Snapshot>> {
        Ok(self.snapshot.clone())
    }
}

#[derive(Debug)]
struct NoFiles;

impl TableReader for NoFiles {
    fn open(&self, file: UploadFile<'_>) -> Result<TableRows> {
        Err(Error::invalid("made-up rows need no uploads").with("table", file.name))
    }
}

fn schema() -> SchemaRef {
    let described = |field: Field, metadata: &[(&str, &str)]| {
        field.with_metadata(metadata.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect::<HashMap<_, _>>())
    };
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        described(
            Field::new("ra", DataType::Float64, true),
            &[
                (field_metadata::UNIT, "deg"),
                (field_metadata::UCD, "pos.eq.ra;meta.main"),
                (field_metadata::DESCRIPTION, "Right ascension, ICRS"),
            ],
        ),
        Field::new("flux", DataType::Float32, true),
        Field::new("visit", DataType::Int32, true),
        Field::new("good", DataType::Boolean, true),
        Field::new("name", DataType::Utf8, true),
        described(Field::new("band", DataType::Utf8, true), &[(field_metadata::DATATYPE, "char")]),
        Field::new("seen", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        described(
            Field::new("place", DataType::new_list(DataType::Float64, true), true),
            &[(field_metadata::XTYPE, "point"), (field_metadata::UNIT, "deg")],
        ),
        Field::new("shape", DataType::new_list(DataType::Float64, true), true),
        Field::new("bytes", DataType::Binary, true),
    ]))
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "made up")]
fn made_up(first: usize, rows: usize) -> Result<RecordBatch> {
    let range = first..first + rows;
    let sometimes = |row: usize| row % 5 != 3;
    let float = |row: usize| (row as f64 * 0.618_033_988_749_895).fract();
    let places = range.clone().map(|row| sometimes(row).then(|| vec![Some(float(row) * 360.0), Some(float(row))]));
    let shapes = range.clone().map(|row| sometimes(row).then(|| vec![Some(float(row)); row % 4]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(range.clone().map(|row| i64::MAX - row as i64).collect::<Int64Array>()),
        Arc::new(range.clone().map(|row| sometimes(row).then(|| float(row) * 360.0)).collect::<Float64Array>()),
        Arc::new(
            range
                .clone()
                .map(|row| Some(if row % 7 == 0 { f32::NAN } else { float(row) as f32 }))
                .collect::<Float32Array>(),
        ),
        Arc::new(range.clone().map(|row| sometimes(row).then_some(row as i32)).collect::<Int32Array>()),
        Arc::new(range.clone().map(|row| sometimes(row).then_some(row % 2 == 0)).collect::<BooleanArray>()),
        Arc::new(
            range
                .clone()
                .map(|row| sometimes(row).then(|| format!("Ångström & <{row}>, \"q\"")))
                .collect::<StringArray>(),
        ),
        Arc::new(range.clone().map(|row| Some(["u", "g", "r", ""][row % 4])).collect::<StringArray>()),
        Arc::new(
            range
                .clone()
                .map(|row| sometimes(row).then_some(1_700_000_000_000_000 + row as i64 * 500))
                .collect::<TimestampMicrosecondArray>(),
        ),
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(places)),
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(shapes)),
        Arc::new(range.map(|row| sometimes(row).then(|| vec![row as u8; row % 3])).collect::<BinaryArray>()),
    ];
    RecordBatch::try_new(schema(), columns).map_err(|error| Error::internal("bad toy").caused_by(error))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8099".to_owned());
    let database = Arc::new(tap_schema::database());
    let tables = database.tables.iter().map(|table| {
        Arc::new(TableSnapshot { table: Arc::new(table.clone()), segments: Vec::new(), key_is_chunk_local: true })
    });
    let tables = tables.collect();
    let databases = BTreeMap::from([(database.name.clone(), Arc::new(DatabaseSnapshot { database, tables }))]);
    let snapshot = Arc::new(Snapshot { id: SnapshotId(1), databases });
    let parts = Parts {
        service: Arc::new(Toy { snapshot }),
        catalog: Catalog::open("sqlite::memory:").await?,
        tables: Arc::new(NoFiles),
        clock: Arc::new(SystemClock),
        is_alone: true,
    };
    let tap = TapService::new(parts, TapSettings::default())?;
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("http://{address}/tap");
    tokio::select! {
        served = axum::serve(listener, tap.router()) => Ok(served?),
        () = tap.run_jobs() => Ok(()),
    }
}
