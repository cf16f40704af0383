//! How planning grows with the catalog: chunks are chosen, placed, and a plan is cut for the workers, over synthetic catalogs of a
//! thousand chunks and more, up to those of a release after a decade.
//!
//! Eleven tables: a director and ten children, each with one segment in every chunk, on two of the workers each. Nothing is read but the
//! key index, which holds some keys of each chunk.

#![allow(clippy::unwrap_used, reason = "a bench may end early")]

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, col, lit};
use datafusion::physical_plan::ExecutionPlan;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use qserv_core::catalog::{
    CapBounds, Column, ColumnType, Database, DatabaseId, DatabaseSnapshot, Segment, SegmentBounds, SegmentId,
    SegmentRole, Table, TableId, TableKind, TableSnapshot, WorkerId,
};
use qserv_core::index::{KeyIndexCache, index_schema};
use qserv_core::partition::{ChunkId, PixelizationKind};
use qserv_engine::distribute::distribute;
use qserv_engine::placement::{LiveWorker, MAX_GROUPS};
use qserv_engine::restrict::{Overlap, Restricted, Surroundings, restrict};
use qserv_engine::session::{self, EngineLimits};
use qserv_engine::table::CatalogTable;
use tokio::runtime::Runtime;
use url::Url;

/// HEALPix order, the number of its cells that are chunks, and workers.
const CATALOGS: [(u8, u64, usize); 3] = [(4, 1_000, 3), (6, 10_000, 30), (7, 150_000, 450)];

const CHILDREN: usize = 10;

/// One key in so many chunks is in the key index.
const KEY_STEP: i64 = 1_000_000;

struct Catalog {
    tables: Vec<CatalogTable>,
    surroundings: Surroundings,
    state: SessionState,
}

fn column(name: &str, datatype: ColumnType) -> Column {
    let (nullable, principal, std) = (false, false, false);
    let (length, unit, ucd, utype, description, xtype, arraysize, column_index) = Default::default();
    let name = name.to_owned();
    Column {
        name,
        datatype,
        length,
        nullable,
        unit,
        ucd,
        utype,
        description,
        xtype,
        arraysize,
        principal,
        std,
        column_index,
    }
}

fn declaration(number: usize) -> Table {
    let position = || ["ra".to_owned(), "dec".to_owned()];
    let kind = if number == 0 {
        TableKind::Director { key: "objectId".to_owned(), position: position() }
    } else {
        let (director, director_key) = ("t0".to_owned(), "objectId".to_owned());
        TableKind::Child { director, director_key, position: Some(position()), director_position: None }
    };
    let columns = vec![
        column("objectId", ColumnType::Long),
        column("ra", ColumnType::Double),
        column("dec", ColumnType::Double),
        column("flux", ColumnType::Float),
    ];
    let id = TableId(i64::try_from(number).unwrap());
    let (description, utype, table_index) = Default::default();
    Table { id, name: format!("t{number}"), kind, description, utype, table_index, primary_key: Vec::new(), columns }
}

/// The segments of a table in all chunks; the keys of chunk i begin at i times [`KEY_STEP`].
fn segments(table: &Table, order: u8, chunks: u64, workers: usize) -> Vec<Arc<Segment>> {
    let workers: Vec<WorkerId> = (0..workers).map(|worker| WorkerId(format!("worker-{worker:03}"))).collect();
    let of_chunk = |chunk: u64| {
        let center = qserv_core::sky::healpix_center(order, chunk).unwrap();
        let (lon, lat) = (center.lon_deg(), center.lat_deg());
        let radius_deg = 60.0 / f64::from(1_u32 << order);
        let first = i64::try_from(chunk).unwrap() * KEY_STEP;
        let place = usize::try_from(chunk).unwrap();
        let replicas =
            [place % workers.len(), (place + 1) % workers.len()].map(|place| workers[place].clone()).to_vec();
        Arc::new(Segment {
            id: SegmentId(table.id.0 * 1_000_000 + i64::try_from(chunk).unwrap()),
            chunk: Some(ChunkId(chunk)),
            role: SegmentRole::Rows,
            path: format!("survey/{}/dataset/Norder={order}/Dir=0/Npix={chunk}/0123456789abcdef.parquet", table.name),
            rows: 200_000,
            bytes: 20_000_000,
            bounds: SegmentBounds {
                cap: Some(CapBounds { lon_deg: lon, lat_deg: lat, radius_deg }),
                lon_deg: None,
                lat_deg: Some([lat - radius_deg, lat + radius_deg]),
                key: Some([first, first + KEY_STEP - 1]),
                null_keys: 0,
            },
            replicas,
        })
    };
    (0..chunks).map(of_chunk).collect()
}

/// The key index: the first key of each chunk.
async fn key_index(store: &InMemory, order: u8, chunks: u64) -> Arc<Segment> {
    let chunks = 0..i64::try_from(chunks).unwrap();
    let width = 1_i64 << (2 * (29 - order));
    let columns: [Vec<i64>; 3] = [
        chunks.clone().map(|chunk| chunk * KEY_STEP).collect(),
        chunks.clone().collect(),
        chunks.map(|chunk| chunk * width).collect(),
    ];
    let arrays = columns.into_iter().map(|values| Arc::new(Int64Array::from(values)) as _).collect();
    let batch = RecordBatch::try_new(index_schema(), arrays).unwrap();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, index_schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let (path, bytes) = ("survey/t0_key_index/0.parquet".to_owned(), file.len() as u64);
    store.put(&path.as_str().into(), file.into()).await.unwrap();
    let rows = batch.num_rows() as u64;
    let last = i64::try_from(rows).unwrap() * KEY_STEP;
    let bounds = SegmentBounds { key: Some([0, last]), ..SegmentBounds::default() };
    let (role, replicas) = (SegmentRole::KeyIndex, Vec::new());
    Arc::new(Segment { id: SegmentId(-1), chunk: None, role, path, rows, bytes, bounds, replicas })
}

impl Catalog {
    async fn new(order: u8, chunks: u64, workers: usize) -> Self {
        let store = InMemory::new();
        let index = key_index(&store, order, chunks).await;
        let tables: Vec<Arc<TableSnapshot>> = (0..=CHILDREN)
            .map(|number| {
                let table = declaration(number);
                let mut segments = segments(&table, order, chunks, workers);
                segments.extend((number == 0).then(|| Arc::clone(&index)));
                Arc::new(TableSnapshot { table: Arc::new(table), segments, key_is_chunk_local: true })
            })
            .collect();
        let database = Arc::new(Database {
            id: DatabaseId(1),
            name: "survey".to_owned(),
            description: None,
            pixelization: PixelizationKind::Healpix,
            chunk_order: Some(order),
            overlap_arcsec: 60.0,
            tables: tables.iter().map(|table| Table::clone(&table.table)).collect(),
            foreign_keys: Vec::new(),
            examples: Vec::new(),
        });
        let snapshot = Arc::new(DatabaseSnapshot { database, tables: tables.clone() });
        let live = |worker| LiveWorker {
            id: WorkerId(format!("worker-{worker:03}")),
            url: Url::parse(&format!("http://worker-{worker:03}:7001")).unwrap(),
            local: false,
        };
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        let runtime = session::runtime(EngineLimits::default(), Arc::clone(&store)).unwrap();
        Self {
            tables: tables.into_iter().map(|table| CatalogTable::new(Arc::clone(&snapshot), table)).collect(),
            surroundings: Surroundings {
                live: (0..workers).map(live).collect(),
                reader: store,
                key_cache: Arc::new(KeyIndexCache::new(64 << 20)),
                overlap: Overlap::Read,
            },
            state: session::builder(session::config(MAX_GROUPS), runtime).build(),
        }
    }

    /// A scan of a table with a filter, optimized.
    fn plan(&self, table: usize, filter: Option<Expr>) -> LogicalPlan {
        let source = provider_as_source(Arc::new(self.tables[table].clone()));
        let scan = LogicalPlanBuilder::scan("t", source, None).unwrap();
        let scan = filter.map_or(Ok(scan.clone()), |filter| scan.filter(filter)).unwrap();
        self.state.optimize(&scan.build().unwrap()).unwrap()
    }

    async fn restricted(&self, plan: LogicalPlan) -> Restricted {
        restrict(plan, &self.surroundings).await.unwrap()
    }

    /// The plan cut into stages.
    async fn cut(&self, restricted: &Restricted) -> Arc<dyn ExecutionPlan> {
        let mut state = self.state.clone();
        state.config_mut().options_mut().execution.target_partitions = restricted.placement.groups();
        let state = distribute(SessionStateBuilder::new_from_existing(state), &restricted.placement).build();
        state.query_planner().create_physical_plan(&restricted.plan, &state).await.unwrap()
    }
}

fn planning(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    for (order, chunks, workers) in CATALOGS {
        let catalog = runtime.block_on(Catalog::new(order, chunks, workers));
        let of_size = |name: &str| BenchmarkId::new(name, chunks);
        let mut group = criterion.benchmark_group("planning");
        group.sample_size(10);
        let middle = chunks / 2;
        let center = qserv_core::sky::healpix_center(order, middle).unwrap();
        let (lon, lat) = (center.lon_deg(), center.lat_deg());
        let in_circle =
            qserv_udfs::all().into_iter().find(|function| function.name() == "scisql_s2ptincircle").unwrap();
        let cone = in_circle.call(vec![col("ra"), col("dec"), lit(lon), lit(lat), lit(1.0 / 60.0)]).eq(lit(1));
        let key = col("objectId").eq(lit(i64::try_from(middle).unwrap() * KEY_STEP));
        for (name, table, filter) in
            [("cone", 0, Some(cone)), ("key", 0, Some(key.clone())), ("child by key", 1, Some(key)), ("all", 0, None)]
        {
            let plan = catalog.plan(table, filter);
            let read = runtime.block_on(catalog.restricted(plan.clone())).placement.chunks();
            assert!(if name == "all" { read as u64 == chunks } else { (1..=9).contains(&read) }, "{name}: {read}");
            group.bench_function(of_size(&format!("{name}: choose and place")), |bencher| {
                bencher.iter(|| runtime.block_on(catalog.restricted(plan.clone())));
            });
            group.bench_function(of_size(&format!("{name}: cut into stages")), |bencher| {
                bencher.iter_batched(
                    || runtime.block_on(catalog.restricted(plan.clone())),
                    |restricted| black_box(runtime.block_on(catalog.cut(&restricted))),
                    BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, planning);
criterion_main!(benches);
