//! The small sample sky on the three engines.

use std::path::{Path, PathBuf};

use qserv_cli::demo::sky::{DATABASE, SampleSky};
use qserv_cli::settings::Settings;
use qserv_cli::wiring::Server;
use qserv_core::partition::PixelizationKind;
use qserv_core::schema::{declare, read_felis, read_layout};
use qserv_ingest::{LoadFile, Loading, Progress};
use qserv_loaders::{Format, FormatOptions, Input};
use qserv_tests::engines::{Embedded, Plain, ProcessCluster, ProcessSettings};

/// Seed and size of the sky that the scripts' answers are for.
pub(crate) const SEED: u64 = 11;
pub(crate) const OBJECTS: u64 = 2_000;
/// Order of its chunks: about 60 chunks with rows.
pub(crate) const CHUNK_ORDER: u8 = 4;

pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_qserv-under-test"))
}

pub(crate) fn sky() -> SampleSky {
    SampleSky::new(SEED, OBJECTS)
}

/// The files of the sky: schema, layout, and one CSV a table in an order in which they can be loaded.
pub(crate) struct Files {
    pub(crate) felis: PathBuf,
    pub(crate) layout: PathBuf,
    pub(crate) tables: Vec<(&'static str, PathBuf)>,
}

pub(crate) fn write_files(folder: &Path, pixelization: PixelizationKind, chunk_order: u8) -> Files {
    let sky = sky();
    let felis = folder.join("demo.yaml");
    let layout = folder.join("demo.toml");
    std::fs::write(&felis, sky.felis()).unwrap();
    std::fs::write(&layout, sky.layout(pixelization, Some(chunk_order), 60.0)).unwrap();
    let tables = sky.write_csv(folder).unwrap().into_iter().map(|file| (file.table, file.path)).collect();
    Files { felis, layout, tables }
}

/// Three worker processes with the sky loaded through the command line.
pub(crate) async fn processes(pixelization: PixelizationKind, chunk_order: u8) -> ProcessCluster {
    loaded(settings(false, false), pixelization, chunk_order).await
}

/// The same with a secret and Flight.
pub(crate) async fn flying_processes(pixelization: PixelizationKind, chunk_order: u8) -> ProcessCluster {
    loaded(settings(true, false), pixelization, chunk_order).await
}

/// The same with TLS on all ports.
pub(crate) async fn secure_processes(pixelization: PixelizationKind, chunk_order: u8) -> ProcessCluster {
    loaded(settings(true, true), pixelization, chunk_order).await
}

fn settings(flight: bool, tls: bool) -> ProcessSettings {
    ProcessSettings { program: program(), workers: 3, replication: 2, flight, tls }
}

async fn loaded(settings: ProcessSettings, pixelization: PixelizationKind, chunk_order: u8) -> ProcessCluster {
    let cluster = ProcessCluster::start(settings).await.unwrap();
    let files = write_files(cluster.folder(), pixelization, chunk_order);
    create(&cluster, DATABASE, &files.felis, &files.layout).await;
    for (table, path) in &files.tables {
        load(&cluster, &format!("{DATABASE}.{table}"), path, &["--format", "csv"]).await;
    }
    cluster
}

pub(crate) async fn create(cluster: &ProcessCluster, name: &str, felis: &Path, layout: &Path) {
    let (felis, layout) = (felis.to_str().unwrap(), layout.to_str().unwrap());
    cluster.qserv(&["database", "create", name, "--schema", felis, "--layout", layout]).await.unwrap();
}

pub(crate) async fn load(cluster: &ProcessCluster, table: &str, file: &Path, options: &[&str]) {
    let mut arguments = vec!["load", table, file.to_str().unwrap()];
    arguments.extend(options);
    if let Err(message) = cluster.qserv(&arguments).await {
        panic!("{message}{}", cluster.logs());
    }
}

/// Czar and workers in this process, with the sky loaded.
pub(crate) struct EmbeddedSky {
    pub(crate) engine: Embedded,
    pub(crate) server: Server,
    folder: tempfile::TempDir,
}

impl EmbeddedSky {
    /// The folder of everything.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

pub(crate) async fn embedded(workers: usize, pixelization: PixelizationKind, chunk_order: u8) -> EmbeddedSky {
    embedded_with(workers, pixelization, chunk_order, |_| {}).await
}

/// The same with other settings.
pub(crate) async fn embedded_with(
    workers: usize,
    pixelization: PixelizationKind,
    chunk_order: u8,
    change: impl FnOnce(&mut Settings),
) -> EmbeddedSky {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.up.workers = workers;
    settings.up.replication = 1;
    change(&mut settings);
    let server = Server::embedded(&settings, &folder.path().join("data")).await.unwrap();
    load_embedded(&server, folder.path(), pixelization, chunk_order).await;
    EmbeddedSky { engine: Embedded(server.queries()), server, folder }
}

async fn load_embedded(server: &Server, folder: &Path, pixelization: PixelizationKind, chunk_order: u8) {
    let sky = sky();
    let felis = read_felis(sky.felis(), "demo.yaml", &|_| unreachable!()).unwrap();
    let layout = read_layout(&sky.layout(pixelization, Some(chunk_order), 60.0), "demo.toml").unwrap();
    server.ingest().create_database(&declare(&felis, &layout).unwrap()).await.unwrap();
    let file = |file: qserv_cli::demo::sky::SampleFile| LoadFile {
        table: file.table.to_owned(),
        input: Input::File(file.path),
        options: FormatOptions::of(Format::Parquet),
    };
    let files = sky.write_parquet(folder).unwrap().into_iter().map(file).collect();
    server.ingest().load(DATABASE, files, &Progress::none()).await.unwrap();
}

/// The judge over the same rows, unpartitioned.
pub(crate) async fn plain(server: &Server) -> Plain {
    let snapshot = server.queries().snapshot().await.unwrap();
    let mut tables: Vec<_> = sky()
        .tables()
        .into_iter()
        .map(|table| {
            (DATABASE.to_owned(), table.name.to_owned(), table.batches.map(Result::unwrap).collect::<Vec<_>>())
        })
        .collect();
    for (table, batch) in qserv_core::catalog::tap_schema::tap_schema(&snapshot).unwrap() {
        tables.push((qserv_core::catalog::tap_schema::TAP_SCHEMA.to_owned(), table.name, vec![batch]));
    }
    Plain::new(&snapshot, tables).unwrap()
}
