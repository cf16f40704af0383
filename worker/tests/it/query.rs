//! Queries whose parts run on workers: plain DataFusion plans, files found through the cluster's segments.

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, RecordBatch};
use arrow::util::pretty::pretty_format_batches;
use bytes::Bytes;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use datafusion_distributed::{DistributedExt, SessionStateBuilderExt, display_plan_ascii};
use parquet::arrow::ArrowWriter;
use qserv_core::store::{SEGMENT_STORE_URL, SegmentStore};
use qserv_core::{ErrorKind, Result};
use qserv_engine::cluster::Secret;
use qserv_engine::error::from_datafusion;
use qserv_engine::scan::ColumnCache;
use qserv_engine::session::{EngineLimits, WorkerSession, builder, runtime};
use qserv_worker::EmbeddedWorker;

use crate::support::{CzarSide, id, member, settings, start};

const FILES: i64 = 4;
const ROWS_PER_FILE: i64 = 2_000;

const QUERIES: [&str; 7] = [
    "SELECT count(*) AS n, sum(id) AS ids, min(flux) AS low FROM t",
    "SELECT id % 7 AS k, count(*) AS n, avg(flux) AS flux FROM t GROUP BY id % 7 ORDER BY k",
    // Both sides are repartitioned between workers.
    "SELECT a.id % 3 AS k, count(*) AS n FROM t a JOIN t b ON a.id = b.id + 1 WHERE b.flux > 10 GROUP BY a.id % 3 ORDER BY k",
    "SELECT id, flux FROM t WHERE id IN (3, 2004, 7999) ORDER BY id",
    // Aggregates of ours: workers find them by name, and their states travel.
    "SELECT scisql_median(flux) AS m, qserv_percentile(flux, 0.3) AS p, ivo_histogram(flux, 100, 3000, 4) AS h FROM t",
    "SELECT id % 7 AS k, qserv_median(id) AS m, scisql_percentile(flux, 10 * (id % 7)) AS p, \
     ivo_histogram(flux, 100, 3000, 3) AS h FROM t GROUP BY id % 7 ORDER BY k",
    "SELECT id % 3 AS k, ivo_string_agg(CAST(id AS VARCHAR), ' ') AS s FROM t WHERE id < 40 GROUP BY id % 3 ORDER BY k",
];

/// One file's rows: ids that interleave over the files.
fn parquet(file: i64) -> Bytes {
    let ids = Int64Array::from_iter_values((0..ROWS_PER_FILE).map(|row| row * FILES + file));
    let fluxes = Float64Array::from_iter_values((0..ROWS_PER_FILE).map(|row| (row * FILES + file) as f64 * 0.5));
    let batch = RecordBatch::try_from_iter([("id", Arc::new(ids) as _), ("flux", Arc::new(fluxes) as _)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes.into()
}

fn path(file: i64) -> String {
    format!("db/t/dataset/{file}.parquet")
}

/// Writes the files, each to one of the workers in turn.
async fn load(czar: &CzarSide, workers: &[&str]) {
    for (file, worker) in (0..FILES).zip(workers.iter().cycle()) {
        czar.segments.put(&id(worker), &path(file), parquet(file)).await.unwrap();
    }
}

fn limits() -> EngineLimits {
    EngineLimits { query_memory_bytes: 256 << 20, metadata_cache_bytes: 16 << 20, column_cache_bytes: 16 << 20 }
}

fn czar_runtime(czar: &CzarSide) -> Arc<RuntimeEnv> {
    runtime(limits(), czar.segments.reader()).unwrap()
}

/// A session over the files, on this machine alone or with the czar's workers.
async fn session(czar: &CzarSide, distributed: bool) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(3);
    let builder = builder(config, czar_runtime(czar));
    let state = if distributed {
        builder
            .with_distributed_planner()
            .with_distributed_worker_resolver(czar.peers.clone())
            .with_distributed_channel_resolver(czar.channels.clone())
            // So that even these small files are spread.
            .with_distributed_file_scan_config_bytes_per_partition(1)
            .unwrap()
            .build()
    } else {
        builder.build()
    };
    let context = SessionContext::new_with_state(state);
    let urls: Vec<String> = (0..FILES).map(|file| format!("{SEGMENT_STORE_URL}{}", path(file))).collect();
    let table = context.read_parquet(urls, ParquetReadOptions::default()).await.unwrap();
    context.register_table("t", table.into_view()).unwrap();
    context
}

async fn rows(context: &SessionContext, query: &str) -> Result<String> {
    let frame = context.sql(query).await.map_err(from_datafusion)?;
    let batches = frame.collect().await.map_err(from_datafusion)?;
    Ok(pretty_format_batches(&batches).unwrap().to_string())
}

/// Every query gives the same rows with workers as without, and its plan has parts that run on them.
async fn agree(czar: &CzarSide) {
    let (alone, distributed) = (session(czar, false).await, session(czar, true).await);
    for query in QUERIES {
        let plan = distributed.sql(query).await.unwrap().create_physical_plan().await.unwrap();
        assert!(display_plan_ascii(plan.as_ref(), false).contains("Stage 1"), "{query}");
        assert_eq!(rows(&distributed, query).await.unwrap(), rows(&alone, query).await.unwrap(), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_run_on_workers_of_other_processes() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "correct-horse-battery";
    let with_secret = |name: &str| {
        let mut settings = settings(folder.path(), name);
        settings.secret = Some(secret.to_owned());
        settings
    };
    let (first, second) = (start(&with_secret("w1")).await, start(&with_secret("w2")).await);
    crate::support::introduce(&[&first, &second]);
    let members = [member(&first), member(&second)];
    let czar = CzarSide::new(&members, Some(Secret::new(secret).unwrap()));
    load(&czar, &["w1", "w2"]).await;
    agree(&czar).await;

    // Plans of those who do not know the secret are not run.
    let stranger = CzarSide::new(&members, None);
    let frame = session(&czar, true).await.state();
    let state = SessionStateBuilder::new_from_existing(frame)
        .with_distributed_channel_resolver(stranger.channels.clone())
        .build();
    let error = rows(&SessionContext::new_with_state(state), QUERIES[0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{}", error.to_log());
    first.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_worker_is_named_and_used_again_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (start(&settings(folder.path(), "w1")).await, start(&settings(folder.path(), "w2")).await);
    let members = [member(&first), member(&second)];
    let czar = CzarSide::new(&members, None);
    load(&czar, &["w1"]).await;
    crate::support::introduce(&[&first, &second]);
    let context = session(&czar, true).await;
    let expected = rows(&context, QUERIES[1]).await.unwrap();

    let address = second.local_addr();
    second.abort().await;
    for _ in 0..2 {
        let error = rows(&context, QUERIES[1]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.to_log());
        assert!(error.to_string().contains("w2"), "{error}");
    }

    let mut settings = settings(folder.path(), "w2");
    settings.listen = address;
    let second = start(&settings).await;
    crate::support::introduce(&[&first, &second]);
    assert_eq!(rows(&context, QUERIES[1]).await.unwrap(), expected);
    first.abort().await;
    second.abort().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_run_on_workers_of_this_process() {
    let folder = tempfile::tempdir().unwrap();
    let czar = CzarSide::new(&[], None);
    let runtime = czar_runtime(&czar);
    let mut workers = Vec::new();
    for name in ["w1", "w2", "w3"] {
        let session = Arc::new(WorkerSession::new(
            Arc::new(czar.channels.clone()),
            ColumnCache::new(limits().column_cache_bytes),
        ));
        let worker = EmbeddedWorker::start(
            folder.path().join(name),
            Some(name.to_owned()),
            8,
            czar.peers.clone(),
            czar.segments.clone(),
            czar.channels.clone(),
            session,
            Arc::clone(&runtime),
        )
        .await
        .unwrap();
        workers.push(worker);
    }
    assert_eq!(czar.segments.workers().await.unwrap(), [id("w1"), id("w2"), id("w3")]);
    load(&czar, &["w1", "w2", "w3"]).await;
    agree(&czar).await;
    drop(workers);
    assert_eq!(czar.peers.all(), []);
    assert!(session_without_workers_fails(&czar).await);
}

/// The files are gone with the workers.
async fn session_without_workers_fails(czar: &CzarSide) -> bool {
    czar.segments.reader();
    object_store::ObjectStoreExt::head(czar.segments.reader().as_ref(), &path(0).as_str().into()).await.is_err()
}
