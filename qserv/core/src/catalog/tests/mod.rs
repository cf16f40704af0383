//! The catalog on SQLite, and on PostgreSQL where `QSERV_TEST_POSTGRES_URL` names a database in which the tests may make
//! schemas of their own (`postgres://user@host/database`). Without it they say so and pass.

mod history;
mod jobs;
mod life;
mod shared;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{AssertSqlSafe, Connection, Executor};

use super::*;
use crate::clock::SystemClock;
use crate::partition::{ChunkId, PixelizationKind};

/// Runs a scenario on a fresh catalog of each kind.
macro_rules! on_each_catalog {
    ($scenario:ident) => {
        mod $scenario {
            #[tokio::test]
            async fn sqlite_in_memory() {
                super::$scenario(crate::catalog::Catalog::open("sqlite::memory:").await.unwrap()).await;
            }

            #[tokio::test]
            async fn sqlite_file() {
                let folder = tempfile::tempdir().unwrap();
                let url = crate::catalog::Catalog::sqlite_url(&folder.path().join("a catalog?.sqlite"));
                super::$scenario(crate::catalog::Catalog::open(&url).await.unwrap()).await;
            }

            #[tokio::test]
            async fn postgres() {
                let Some(schema) = crate::catalog::tests::PostgresSchema::create().await else { return };
                let catalog = crate::catalog::Catalog::open(&schema.url).await.unwrap();
                super::$scenario(catalog.clone()).await;
                catalog.close().await;
                schema.remove().await;
            }
        }
    };
}
use on_each_catalog;

/// A schema of its own in the PostgreSQL database for tests.
struct PostgresSchema {
    server: String,
    name: String,
    url: String,
}

impl PostgresSchema {
    #[allow(clippy::disallowed_methods, reason = "a test setting: tests have no settings file")]
    async fn create() -> Option<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let Ok(server) = std::env::var("QSERV_TEST_POSTGRES_URL") else {
            eprintln!("skipped: QSERV_TEST_POSTGRES_URL names no PostgreSQL database");
            return None;
        };
        let name = format!("qserv_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let separator = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{separator}options[search_path]={name}");
        let schema = Self { server, name, url };
        schema.execute("DROP SCHEMA IF EXISTS {} CASCADE").await;
        schema.execute("CREATE SCHEMA {}").await;
        Some(schema)
    }

    async fn remove(&self) {
        self.execute("DROP SCHEMA {} CASCADE").await;
    }

    async fn execute(&self, statement: &str) {
        sqlx::any::install_default_drivers();
        let mut connection = sqlx::AnyConnection::connect(&self.server).await.unwrap();
        connection.execute(AssertSqlSafe(statement.replace("{}", &self.name))).await.unwrap();
    }
}

fn column(name: &str, datatype: ColumnType) -> Column {
    Column {
        name: name.to_owned(),
        datatype,
        length: None,
        nullable: true,
        unit: None,
        ucd: None,
        utype: None,
        description: None,
        xtype: None,
        arraysize: None,
        principal: false,
        std: false,
        column_index: None,
    }
}

fn table(name: &str, kind: TableKind, columns: Vec<Column>) -> Table {
    Table {
        id: TableId(0),
        name: name.to_owned(),
        kind,
        description: None,
        utype: None,
        table_index: None,
        primary_key: Vec::new(),
        columns,
    }
}

/// A database with a table of each kind.
fn database(name: &str) -> Database {
    use ColumnType::{Double, Long, String, Timestamp};
    let pair = |longitude: &str, latitude: &str| [longitude.to_owned(), latitude.to_owned()];
    let side = |director: &str, column: &str| MatchSide { director: director.into(), column: column.into() };
    let mut object = table(
        "Object",
        TableKind::Director { key: "objectId".into(), position: pair("ra", "dec") },
        vec![column("objectId", Long), column("ra", Double), column("dec", Double)],
    );
    object.primary_key = vec!["dec".into(), "objectId".into()];
    object.description = Some("Things 'quoted' $1 ☉".into());
    object.table_index = Some(-3);
    object.columns[1] = Column {
        length: Some(7),
        nullable: false,
        unit: Some("deg".into()),
        ucd: Some("pos.eq.ra".into()),
        utype: Some("u".into()),
        description: Some("d".into()),
        xtype: Some("x".into()),
        arraysize: Some("7*".into()),
        principal: true,
        std: true,
        column_index: Some(-5),
        ..column("ra", Double)
    };
    let source = table(
        "Source",
        TableKind::Child {
            director: "Object".into(),
            director_key: "objectId".into(),
            position: Some(pair("ra", "dec")),
            director_position: None,
        },
        vec![column("objectId", Long), column("ra", Double), column("dec", Double), column("at", Timestamp)],
    );
    let forced = table(
        "Forced",
        TableKind::Child {
            director: "Object".into(),
            director_key: "objectId".into(),
            position: None,
            director_position: Some(pair("raObject", "decObject")),
        },
        vec![column("objectId", Long), column("raObject", Double), column("decObject", Double)],
    );
    let matches = table(
        "Pairs",
        TableKind::Match { left: side("Object", "a"), right: side("Object", "b") },
        vec![column("a", Long), column("b", Long)],
    );
    let filter = table("Filter", TableKind::Replicated, vec![column("name", String)]);
    Database {
        id: DatabaseId(0),
        name: name.to_owned(),
        description: Some("a test".into()),
        pixelization: PixelizationKind::H3,
        chunk_order: None,
        overlap_arcsec: 12.5,
        tables: vec![object, source, forced, matches, filter],
        foreign_keys: vec![
            ForeignKey {
                from_table: "Source".into(),
                from_columns: vec!["objectId".into(), "ra".into()],
                target_table: "Object".into(),
                target_columns: vec!["objectId".into(), "ra".into()],
                description: Some("its object".into()),
            },
            ForeignKey {
                from_table: "Forced".into(),
                from_columns: vec!["objectId".into()],
                target_table: "Object".into(),
                target_columns: vec!["objectId".into()],
                description: None,
            },
        ],
        examples: vec![example("Things 'quoted' $1 ☉", Some("d")), example("Others", None)],
    }
}

fn example(title: &str, description: Option<&str>) -> Example {
    let (title, description) = (title.to_owned(), description.map(str::to_owned));
    Example { title, description, query: "SELECT 1\nFROM \"t\"".to_owned() }
}

/// A segment with every bound.
fn segment(table: &Table, path: &str, chunk: u64, rows: u64) -> NewSegment {
    NewSegment {
        table: table.id,
        chunk: Some(ChunkId(chunk)),
        role: SegmentRole::Rows,
        path: path.to_owned(),
        rows,
        bytes: rows * 100,
        bounds: SegmentBounds {
            cap: Some(CapBounds { lon_deg: 1.0 / 3.0, lat_deg: -45.0, radius_deg: 1e-300 }),
            lon_deg: Some([0.1, 0.3]),
            lat_deg: None,
            key: Some([i64::MIN, i64::MAX]),
            null_keys: 2,
        },
        replicas: vec![WorkerId("w1".into()), WorkerId("w2".into())],
    }
}

/// The paths of a database's visible segments.
fn paths(snapshot: &Snapshot, database: &str) -> BTreeSet<String> {
    let tables = snapshot.databases.get(database).into_iter().flat_map(|database| &database.tables);
    tables.flat_map(|table| &table.segments).map(|segment| segment.path.clone()).collect()
}

/// The newest state, read whole instead of by its changes.
async fn read_whole(catalog: &Catalog) -> std::sync::Arc<Snapshot> {
    *catalog.inner.newest.lock().await = None;
    catalog.snapshot().await.unwrap()
}

/// Everything that a snapshot says, as text to compare.
fn all_of(snapshot: &std::sync::Arc<Snapshot>) -> String {
    format!("{snapshot:#?}")
}
