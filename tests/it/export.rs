//! `qserv export`: all rows in files, each once, whatever happens in between.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::SystemTime;

use arrow::array::RecordBatch;
use arrow::ipc::reader::FileReader;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use qserv_core::partition::PixelizationKind;
use qserv_tests::cells;
use qserv_tests::engines::{Engine, Processes};
use tokio::process::Command;

use crate::samples;

fn manifest(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

/// The rows of all files that the manifest names; nothing else is there.
fn rows(folder: &Path) -> Vec<Vec<String>> {
    let manifest = manifest(folder);
    let files: Vec<&str> =
        manifest["parts"].as_array().unwrap().iter().map(|part| part["file"].as_str().unwrap()).collect();
    assert_eq!(fs::read_dir(folder).unwrap().count(), files.len() + 1);
    let mut rows = Vec::new();
    for (file, part) in files.iter().zip(manifest["parts"].as_array().unwrap()) {
        let path = folder.join(file);
        assert_eq!(part["bytes"], fs::metadata(&path).unwrap().len());
        let open = File::open(&path).unwrap();
        let batches: Vec<RecordBatch> = if file.ends_with(".parquet") {
            ParquetRecordBatchReaderBuilder::try_new(open).unwrap().build().unwrap().map(Result::unwrap).collect()
        } else {
            FileReader::try_new(open, None).unwrap().map(Result::unwrap).collect()
        };
        assert_eq!(part["rows"], batches.iter().map(RecordBatch::num_rows).sum::<usize>());
        rows.extend(cells::rows(&batches).unwrap());
    }
    assert_eq!(manifest["rows"], rows.len());
    rows
}

/// The rows of a catalog without their cells; nothing else is there but the margin.
fn catalog_rows(folder: &Path) -> Vec<Vec<String>> {
    let manifest = manifest(folder);
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["Source", "Source_20arcs", "collection.properties", "manifest.json"]);
    let mut rows = Vec::new();
    for part in manifest["parts"].as_array().unwrap() {
        let open = File::open(folder.join(part["file"].as_str().unwrap())).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(open).unwrap().build().unwrap();
        let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        let found = cells::rows(&batches).unwrap();
        assert!(found.len() <= 2000 && part["rows"] == found.len());
        rows.extend(found.into_iter().map(|row| row[1..].to_vec()));
    }
    assert!(manifest["counted"] == true && manifest["margin"].as_array().unwrap().len() > 1);
    rows
}

fn sorted(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    rows.sort();
    rows
}

fn assert_same(found: Vec<Vec<String>>, right: Vec<Vec<String>>) {
    let (found, right) = (sorted(found), sorted(right));
    assert_eq!(found.len(), right.len());
    assert!(found == right, "{:?}", found.iter().zip(&right).find(|(found, right)| found != right));
}

fn changed(folder: &Path) -> BTreeMap<String, SystemTime> {
    let files = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let whole = files.filter(|file| file.file_name().to_string_lossy().starts_with("part-"));
    whole.map(|file| (file.file_name().into_string().unwrap(), file.metadata().unwrap().modified().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_whole_whatever_happens_in_between() {
    let mut cluster = samples::flying_processes(PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let flight = cluster.flight_url().unwrap().replace("http://", "grpc://");
    let source = Processes::new(&cluster).ask("SELECT * FROM demo.Source").await.unwrap();
    let base = cluster.folder().to_owned();
    let run = async |what: &[&str], to: &Path| {
        let mut command = Command::new(samples::program());
        command.arg("export").args(what).arg("--to").arg(to).args(["--flight", &flight]).stdin(Stdio::null());
        let output = command.kill_on_drop(true).output().await.unwrap();
        let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(printed(&output.stdout)) } else { Err(printed(&output.stderr)) }
    };

    // A table and a query, in each format.
    let table = base.join("table");
    let said = run(&["demo.Source"], &table).await.unwrap();
    assert!(said.contains("rows"), "{said}");
    assert_same(rows(&table), source.clone());
    let described = manifest(&table);
    assert!(described["counted"] == true && described["parts"].as_array().unwrap().len() >= 3, "{described}");
    assert!(described["columns"].as_array().unwrap().iter().any(|column| column["unit"] == "nJy"));
    let before = changed(&table);
    run(&["demo.Source"], &table).await.unwrap();
    assert_eq!(changed(&table), before, "nothing is done twice");
    let other = run(&["demo.Object"], &table).await.unwrap_err();
    assert!(other.contains("another query"), "{other}");

    let query = "SELECT band, COUNT(*) AS n FROM demo.Source GROUP BY band";
    let merged = base.join("merged");
    run(&["--query", query, "--format", "arrow"], &merged).await.unwrap();
    assert_same(rows(&merged), Processes::new(&cluster).ask(query).await.unwrap());
    let text = base.join("text");
    run(&["demo.Source", "--format", "csv"], &text).await.unwrap();
    let lines: usize =
        changed(&text).keys().map(|file| fs::read_to_string(text.join(file)).unwrap().lines().count() - 1).sum();
    assert_eq!(lines, source.len());
    let catalog = base.join("catalog");
    let options = ["demo.Source", "--format", "hats", "--pixel-rows", "2000", "--margin-arcsec", "20"];
    run(&options, &catalog).await.unwrap();
    assert_same(catalog_rows(&catalog), source.clone());
    assert!(run(&options, &catalog).await.unwrap().contains("there already"));
    let other = run(&["demo.Source", "--format", "hats"], &catalog).await.unwrap_err();
    assert!(other.contains("with other options"), "{other}");
    let refused = run(&["demo.Filter", "--format", "hats"], &base.join("refused")).await.unwrap_err();
    assert!(refused.contains("--position"), "{refused}");
    let refused = run(&["demo.Source", "--pixel-rows", "5"], &base.join("refused")).await.unwrap_err();
    assert!(refused.contains("--format hats"), "{refused}");
    let refused = run(&["--query", "SELECT nosuch FROM demo.Source"], &base.join("refused")).await.unwrap_err();
    assert!(refused.contains("nosuch"), "{refused}");

    // An export is interrupted by a file that cannot be written, rows are loaded, a worker dies, and the export goes on.
    let broken = base.join("broken");
    let in_the_way = broken.join(".part-00001.parquet.unfinished");
    fs::create_dir_all(&in_the_way).unwrap();
    let error = run(&["demo.Source", "--parallel", "1"], &broken).await.unwrap_err();
    assert!(error.contains("cannot be written"), "{error}");
    let before = changed(&broken);
    assert_eq!(before.len(), 1, "{before:?}");
    fs::remove_dir(&in_the_way).unwrap();
    samples::load(&cluster, "demo.Source", &base.join("Source.csv"), &["--format", "csv"]).await;
    let all = Processes::new(&cluster).ask("SELECT COUNT(*) AS n FROM demo.Source").await.unwrap();
    assert_eq!(all, [[(2 * source.len()).to_string()]], "the same once more");
    cluster.kill_worker(1).unwrap();
    run(&["demo.Source"], &broken).await.unwrap();
    let after = changed(&broken);
    assert!(before.iter().all(|(file, time)| after[file] == *time), "what was whole is not written again");
    assert_same(rows(&broken), source);
}
