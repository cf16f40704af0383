//! Tables that come with a query: joined with what is loaded, on one node, embedded and on processes; and nothing of them stays.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use qserv_core::ErrorKind;
use qserv_core::partition::PixelizationKind;
use qserv_core::query::{QueryRequest, QueryService};
use qserv_core::upload::{TableReader, TableRows, Upload, UploadFile, UploadedTable};
use qserv_loaders::TableFiles;
use qserv_tests::cells;
use qserv_tests::engines::Engine;

use crate::samples;

/// A file as an upload.
#[derive(Debug)]
struct FileTable(PathBuf);

impl UploadedTable for FileTable {
    fn open(&self) -> qserv_core::Result<TableRows> {
        TableFiles.open(UploadFile { path: &self.0, media_type: None, name: "file" })
    }
}

pub(crate) fn upload(name: &str, path: &Path) -> Upload {
    Upload::new(name, Arc::new(FileTable(path.to_owned()))).unwrap()
}

pub(crate) async fn ask(
    service: &dyn QueryService,
    query: &str,
    uploads: &[Upload],
) -> qserv_core::Result<Vec<RecordBatch>> {
    let request = QueryRequest { uploads: uploads.to_vec(), ..QueryRequest::adql(query) };
    service.query(request).await?.batches.try_collect().await
}

/// Objects of the loaded sky as a CSV upload under other names, every third one, two thousandths of a degree off.
async fn positions(engine: &dyn Engine, folder: &Path) -> (PathBuf, Vec<Vec<String>>) {
    let rows = engine
        .ask("SELECT objectId, coord_ra, coord_dec FROM demo.Object WHERE MOD(objectId, 3) = 0 ORDER BY objectId")
        .await
        .unwrap();
    let mut text = "id,ra,\"dec l\"\n".to_owned();
    for row in &rows {
        let dec: f64 = row[2].parse().unwrap();
        text.push_str(&format!("{},{},{}\n", row[0], row[1], if dec > 0.0 { dec - 0.002 } else { dec + 0.002 }));
    }
    let path = folder.join("positions.csv");
    std::fs::write(&path, text).unwrap();
    (path, rows)
}

/// Queries over the upload `t` of [`positions`], each with one over the loaded rows alone that must give the same.
const PAIRS: [(&str, &str); 6] = [
    (
        "SELECT COUNT(*) FROM TAP_UPLOAD.t AS t JOIN demo.Object AS o ON t.id = o.objectId",
        "SELECT COUNT(*) FROM demo.Object WHERE MOD(objectId, 3) = 0",
    ),
    (
        "SELECT t.id, s.sourceId FROM tap_upload.T t JOIN demo.Source s ON s.objectId = t.id ORDER BY s.sourceId",
        "SELECT objectId, sourceId FROM demo.Source
         WHERE objectId IN (SELECT objectId FROM demo.Object WHERE MOD(objectId, 3) = 0) ORDER BY sourceId",
    ),
    (
        "SELECT t.id, o.objectId FROM TAP_UPLOAD.t AS t JOIN demo.Object AS o
         ON DISTANCE(t.ra, t.\"dec l\", o.coord_ra, o.coord_dec) < 0.00201 AND o.objectId = t.id ORDER BY t.id",
        "SELECT objectId, objectId FROM demo.Object WHERE MOD(objectId, 3) = 0 ORDER BY objectId",
    ),
    (
        "SELECT o.objectId FROM demo.Object o LEFT JOIN TAP_UPLOAD.t ON t.id = o.objectId WHERE t.id IS NULL ORDER BY o.objectId",
        "SELECT objectId FROM demo.Object WHERE MOD(objectId, 3) <> 0 ORDER BY objectId",
    ),
    (
        "SELECT t.id FROM TAP_UPLOAD.t WHERE t.id NOT IN (SELECT objectId FROM demo.Object WHERE coord_dec > 0) ORDER BY t.id",
        "SELECT objectId FROM demo.Object WHERE MOD(objectId, 3) = 0 AND coord_dec <= 0 ORDER BY objectId",
    ),
    (
        "SELECT COUNT(*), MIN(id), (SELECT MAX(id) FROM TAP_UPLOAD.t) FROM TAP_UPLOAD.t",
        "SELECT COUNT(*), MIN(objectId), (SELECT MAX(objectId) FROM demo.Object WHERE MOD(objectId, 3) = 0)
         FROM demo.Object WHERE MOD(objectId, 3) = 0",
    ),
];

/// Files of uploads below a folder that holds workers' folders.
fn kept(folder: &Path) -> usize {
    let mut count = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.components().any(|part| part.as_os_str() == "tap_upload") {
                count += 1;
            }
        }
    }
    count
}

/// Waits until so many files are there.
pub(crate) async fn wait_for(folder: &Path, is_right: impl Fn(usize) -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !is_right(kept(folder)) {
        assert!(tokio::time::Instant::now() < deadline, "{} files are there", kept(folder));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_joined_and_go_away() {
    for workers in [1, 3] {
        let sky = samples::embedded(workers, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
        let service = sky.server.queries();
        let service = service.as_ref();
        let folder = sky.folder();
        let (path, _) = positions(&sky.engine, folder).await;
        let uploads = [upload("t", &path)];
        for (with_upload, without) in PAIRS {
            let found = cells::rows(&ask(service, with_upload, &uploads).await.unwrap()).unwrap();
            let right = sky.engine.ask(without).await.unwrap();
            assert!(!right.is_empty());
            assert!(found == right, "{workers} workers: {} rows, not {}: {with_upload}", found.len(), right.len());
        }
        wait_for(folder, |files| files == 0).await;

        // A query whose client goes away, and one that fails.
        let request = QueryRequest {
            uploads: uploads.to_vec(),
            ..QueryRequest::adql("SELECT a.id FROM TAP_UPLOAD.t a, demo.Source b, demo.Source c")
        };
        let mut result = service.query(request).await.unwrap();
        result.batches.next().await.unwrap().unwrap();
        assert!(kept(folder) > 0);
        drop(result);
        wait_for(folder, |files| files == 0).await;
        let error = ask(service, "SELECT nosuch FROM TAP_UPLOAD.t", &uploads).await.unwrap_err();
        assert!(error.to_string().contains("nosuch"), "{error}");
        let broken = folder.join("broken.csv");
        std::fs::write(&broken, format!("a,b\n{}1\n", "1,2\n".repeat(100_000))).unwrap();
        let error = ask(service, "SELECT * FROM TAP_UPLOAD.t", &[upload("t", &broken)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("TAP_UPLOAD.t") && error.to_string().contains("100002"), "{error}");
        wait_for(folder, |files| files == 0).await;
        assert!(sky.server.catalog().garbage(10).await.unwrap().is_empty());

        // The next query knows nothing of it.
        assert!(ask(service, "SELECT * FROM TAP_UPLOAD.t", &[]).await.is_err());
        let twice = [upload("t", &path), upload("T", &path)];
        assert_eq!(ask(service, "SELECT 1", &twice).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_with_uploads_run_where_the_chunks_are() {
    let sky = samples::embedded(3, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let service = sky.server.queries();
    let (path, _) = positions(&sky.engine, sky.folder()).await;
    for query in [
        "SELECT t.id, o.objectId FROM TAP_UPLOAD.t AS t JOIN demo.Object AS o
         ON DISTANCE(t.ra, t.\"dec l\", o.coord_ra, o.coord_dec) < 0.001",
        "SELECT t.id, s.sourceId FROM TAP_UPLOAD.t AS t JOIN demo.Source AS s ON s.objectId = t.id",
    ] {
        let request = QueryRequest { explain: true, uploads: vec![upload("t", &path)], ..QueryRequest::adql(query) };
        let batches: Vec<_> = service.query(request).await.unwrap().batches.try_collect().await.unwrap();
        let plan: Vec<String> = cells::rows(&batches).unwrap().into_iter().map(|mut row| row.remove(0)).collect();
        let plan = plan.join("\n");
        assert!(plan.contains("TAP_UPLOAD.t: replicated"), "{plan}");
        // The stage that joins has a task on each worker, and gets the whole upload; no chunk's rows move.
        let stages: Vec<&str> = plan.split("┌─────").collect();
        let joining = stages.iter().find(|stage| stage.contains("JoinExec")).unwrap();
        assert!(joining.contains("tasks=3") && joining.contains("NetworkBroadcast"), "{plan}");
        assert!(!plan.contains("NetworkShuffle"), "{plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_uploaded_comes_back() {
    let sky = samples::embedded(2, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let service = sky.server.queries();
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loaders/tests/files");
    for name in ["tabledata-1.4.vot", "binary2-1.5.vot", "wide.fits", "table.fits", "table.ecsv", "table.parquet"] {
        let path = files.join(name);
        let sent: Vec<RecordBatch> = FileTable(path.clone()).open().unwrap().batches.map(Result::unwrap).collect();
        let back = ask(service.as_ref(), "SELECT * FROM TAP_UPLOAD.t", &[upload("t", &path)]).await.unwrap();
        assert_eq!(back.len(), 1, "{name}");
        assert_eq!(back[0].num_columns(), sent[0].num_columns());
        for ((field, sent), back) in sent[0].schema().fields().iter().zip(sent[0].columns()).zip(back[0].columns()) {
            assert_eq!(sent.to_data(), back.to_data(), "{name}: {}", field.name());
        }
        let told = back[0].schema();
        let told: Vec<_> = told.fields().iter().map(|field| (field.name().clone(), field.metadata().clone())).collect();
        let known = sent[0].schema();
        let known: Vec<_> =
            known.fields().iter().map(|field| (field.name().clone(), field.metadata().clone())).collect();
        assert_eq!(told, known, "{name}");
    }

    // Two tables, one joined with itself, with units that the translation knows.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("names");
    std::fs::write(&path, "k,v\n1,one\n2,two\n").unwrap();
    let uploads = [upload("numbers", &files.join("tabledata-1.4.vot")), upload("names", &path)];
    let query =
        "SELECT a.\"ra \" AS k, n.v, b.flux FROM TAP_UPLOAD.numbers a JOIN TAP_UPLOAD.names n ON n.k = a.\"ra \"
                 JOIN TAP_UPLOAD.numbers b ON b.\"ra \" = a.\"ra \" ORDER BY 1";
    let rows = cells::rows(&ask(service.as_ref(), query, &uploads).await.unwrap()).unwrap();
    assert_eq!(rows, [["1", "one", "1.5"], ["2", "two", "-0.1"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_over_http_on_processes_survive_no_crash() {
    let mut cluster = samples::processes(PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let engine = qserv_tests::engines::Processes::new(&cluster);
    let folder = cluster.folder().to_owned();
    let (path, _) = positions(&engine, &folder).await;
    let file = std::fs::read(&path).unwrap();
    let address = format!("{}/tap/sync", cluster.url());
    for (with_upload, without) in PAIRS {
        let answer = post(&address, with_upload, &file).send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{text}{}", cluster.logs());
        assert!(cells::csv_rows(&text) == engine.ask(without).await.unwrap(), "{with_upload}");
    }
    wait_for(&folder, |files| files == 0).await;

    // The czar dies while a query runs; the next one takes away what it left.
    let endless = "SELECT a.id FROM TAP_UPLOAD.t a, demo.Source b, demo.Source c";
    let answer = post(&address, endless, &file).send().await.unwrap();
    wait_for(&folder, |files| files > 0).await;
    cluster.kill_and_restart_czar().await.unwrap();
    drop(answer);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(150);
    while kept(&folder) > 0 {
        assert!(tokio::time::Instant::now() < deadline, "{} files are left", kept(&folder));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A query with an upload `t`, as a browser's form would send it.
pub(crate) fn post(address: &str, query: &str, file: &[u8]) -> reqwest::RequestBuilder {
    let mut body = Vec::new();
    for (name, value) in [("LANG", "ADQL"), ("FORMAT", "csv"), ("QUERY", query), ("UPLOAD", "t,param:file")] {
        let part = format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend(part.as_bytes());
    }
    body.extend(
        b"--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"t.csv\"\r\nContent-Type: text/csv\r\n\r\n",
    );
    body.extend(file);
    body.extend(b"\r\n--xyz--\r\n");
    reqwest::Client::new().post(address).header("Content-Type", "multipart/form-data; boundary=xyz").body(body)
}
