//! Real catalogs: LSST Performance Tests 1.1 and 1.2, where their files are beside the project.
//!
//! They are loaded through the program into three worker processes with two copies of each chunk, and every answer is held
//! against plain DataFusion over the unpartitioned files.

use std::path::{Path, PathBuf};

use qserv_core::catalog::{Database, DatabaseSnapshot, Snapshot, SnapshotId, TableSnapshot};
use qserv_loaders::{BadRows, Format, FormatOptions, Input};
use qserv_tests::engines::{Engine, Plain, ProcessCluster, ProcessSettings, Processes};

use crate::samples;

struct Survey {
    name: &'static str,
    format: Format,
    layout: &'static str,
    files: Vec<(String, PathBuf)>,
    felis: String,
    queries: Vec<&'static str>,
}

/// The folder of the real catalogs, if it is there.
fn folder(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    folder.is_dir().then_some(folder)
}

/// A Felis file from the column lists that come with the catalogs.
fn read_survey(
    name: &'static str,
    format: Format,
    ending: &str,
    layout: &'static str,
    queries: Vec<&'static str>,
) -> Option<Survey> {
    let folder = folder(name)?;
    let mut felis = format!("name: {name}\ntables:\n");
    let mut files = Vec::new();
    let mut lists: Vec<PathBuf> =
        std::fs::read_dir(folder.join("columns")).unwrap().flatten().map(|entry| entry.path()).collect();
    lists.sort();
    for list in lists {
        let list: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(list).unwrap()).unwrap();
        let table = list["table"].as_str().unwrap();
        felis.push_str(&format!("- name: {table}\n  columns:\n"));
        for column in list["schema"].as_array().unwrap() {
            // Qserv adds these two when it loads; the files do not have them.
            if matches!(column["name"].as_str(), Some("chunkId" | "subChunkId")) {
                continue;
            }
            let declared = column["type"].as_str().unwrap().trim().to_lowercase();
            let nullable = !declared.contains("not null");
            let (datatype, length) = felis_type(&declared);
            let length = length.map(|length| format!("    length: {length}\n")).unwrap_or_default();
            felis.push_str(&format!(
                "  - name: {}\n    datatype: {datatype}\n{length}    nullable: {nullable}\n",
                column["name"].as_str().unwrap()
            ));
        }
        files.push((table.to_owned(), folder.join(format!("{table}.{ending}.gz"))));
    }
    // Directors before their children.
    files.sort_by_key(|(table, _)| (table != "Object", table.clone()));
    Some(Survey { name, format, layout, files, felis, queries })
}

fn felis_type(mysql: &str) -> (&'static str, Option<u32>) {
    let (base, length) = match mysql.split_once('(') {
        Some((base, rest)) => (base, rest.split(')').next().and_then(|length| length.parse().ok())),
        None => (mysql.split_whitespace().next().unwrap(), None),
    };
    match base {
        "bigint" => ("long", None),
        "int" => ("int", None),
        "smallint" => ("short", None),
        "tinyint" => ("byte", None),
        "float" => ("float", None),
        "double" => ("double", None),
        "char" => ("char", length),
        "varchar" => ("string", length),
        "timestamp" => ("timestamp", None),
        "binary" | "varbinary" => ("binary", length),
        "blob" => ("binary", Some(65_535)),
        _ => ("text", Some(65_535)),
    }
}

fn pt11() -> Option<Survey> {
    let layout = r#"
        [database]
        name = "pt11"
        chunk_order = 8
        overlap_arcsec = 60.0
        [tables.Object]
        kind = "director"
        key = "objectId"
        position = ["ra_PS", "decl_PS"]
        [tables.Source]
        kind = "child"
        director = "Object"
        director_key = "objectId"
        position = ["ra", "decl"]
    "#;
    let queries = vec![
        "SELECT COUNT(*) FROM pt11.Object",
        "SELECT COUNT(*), COUNT(objectId) FROM pt11.Source",
        "SELECT COUNT(*), MIN(objectId), MAX(objectId), AVG(ra_PS), AVG(decl_PS) FROM pt11.Object",
        "SELECT COUNT(*), SUM(MOD(s.sourceId, 1000003)), AVG(s.psfFlux) FROM pt11.Object o JOIN pt11.Source s ON o.objectId = s.objectId",
        "SELECT COUNT(*), COUNT(s.sourceId) FROM pt11.Object o LEFT JOIN pt11.Source s ON o.objectId = s.objectId",
        "SELECT COUNT(*), COUNT(o.objectId) FROM pt11.Source s LEFT JOIN pt11.Object o ON o.objectId = s.objectId",
        "SELECT objectId, COUNT(*) AS n FROM pt11.Source GROUP BY objectId ORDER BY n DESC, objectId",
        "SELECT filterId, COUNT(*), AVG(psfFlux) FROM pt11.Source GROUP BY filterId ORDER BY filterId",
        "SELECT objectId, ra_PS, decl_PS FROM pt11.Object WHERE CONTAINS(POINT(ra_PS, decl_PS), CIRCLE(1.275, 3.18, 0.0167)) = 1 ORDER BY objectId",
        "SELECT COUNT(*), SUM(MOD(sourceId, 1000003)) FROM pt11.Source WHERE scisql_s2PtInBox(ra, decl, 1.2, 3.1, 1.3, 3.2) = 1",
        "SELECT COUNT(*) FROM pt11.Object WHERE scisql_fluxToAbMag(gFlux_PS) - scisql_fluxToAbMag(rFlux_PS) < 1",
        "SELECT objectId, ra_PS FROM pt11.Object WHERE objectId = 433327840428032",
        "SELECT sourceId, psfFlux FROM pt11.Source WHERE objectId = 433327840428724 ORDER BY sourceId",
    ];
    read_survey("pt11", Format::Csv, "csv", layout, queries)
}

fn pt12() -> Option<Survey> {
    let layout = r#"
        [database]
        name = "pt12"
        chunk_order = 8
        overlap_arcsec = 60.0
        [tables.Object]
        kind = "director"
        key = "objectId"
        position = ["ra_PS", "decl_PS"]
        [tables.Source]
        kind = "child"
        director = "Object"
        director_key = "objectId"
        position = ["ra", "decl"]
        director_position = ["raObject", "declObject"]
    "#;
    let queries = vec![
        "SELECT COUNT(*) FROM pt12.Object",
        "SELECT COUNT(*), COUNT(objectId), COUNT(DISTINCT objectId) FROM pt12.Source",
        "SELECT COUNT(*) FROM pt12.Science_Ccd_Exposure",
        "SELECT COUNT(*), SUM(MOD(s.sourceId, 1000003)) FROM pt12.Object o JOIN pt12.Source s ON o.objectId = s.objectId",
        "SELECT o.objectId, COUNT(*) AS n FROM pt12.Object o JOIN pt12.Source s ON o.objectId = s.objectId GROUP BY o.objectId ORDER BY n DESC, o.objectId",
        "SELECT f.filterName, COUNT(*), AVG(s.psfFlux) FROM pt12.Source s JOIN pt12.Filter f ON s.filterId = f.filterId GROUP BY f.filterName ORDER BY f.filterName",
        "SELECT COUNT(*), COUNT(DISTINCT r.refObjectId) FROM pt12.RefSrcMatch r JOIN pt12.Source s ON r.sourceId = s.sourceId",
        "SELECT COUNT(*) FROM pt12.SimRefObject r WHERE NOT EXISTS (SELECT 1 FROM pt12.RefSrcMatch m WHERE m.refObjectId = r.refObjectId)",
        "SELECT COUNT(*), SUM(MOD(s.sourceId, 1000003)) FROM pt12.Source s JOIN pt12.Science_Ccd_Exposure e ON s.scienceCcdExposureId = e.scienceCcdExposureId WHERE e.visit > 885449000",
        "SELECT objectId FROM pt12.Object WHERE CONTAINS(POINT(ra_PS, decl_PS), CIRCLE(1.1345482, -5.2698276, 0.0002)) = 1 ORDER BY objectId",
        "SELECT COUNT(*) FROM pt12.Logs WHERE COMMENT LIKE '%DATAID%'",
        "SELECT sdqa_metricId, definition FROM pt12.sdqa_Metric ORDER BY sdqa_metricId",
    ];
    read_survey("pt12", Format::Tsv, "tsv", layout, queries)
}

fn options(format: Format) -> FormatOptions {
    let mut options = FormatOptions::of(format);
    options.header = Some(false);
    options
}

/// The same files read whole, for the judge.
fn judge(survey: &Survey, database: Database) -> (Plain, Vec<(String, u64)>) {
    let mut tables = Vec::new();
    let mut counts = Vec::new();
    for (name, path) in &survey.files {
        let table = database.table(name).unwrap();
        let reader = qserv_loaders::open(
            Input::File(path.clone()),
            table,
            &options(survey.format),
            &BadRows::new(0),
            Path::new("."),
        )
        .unwrap();
        let batches: Vec<_> = reader.map(|rows| rows.unwrap().batch).collect();
        counts.push((name.clone(), batches.iter().map(|batch| batch.num_rows() as u64).sum()));
        tables.push((survey.name.to_owned(), name.clone(), batches));
    }
    (Plain::new(&snapshot_of(database), tables).unwrap(), counts)
}

fn snapshot_of(database: Database) -> Snapshot {
    let tables = database.tables.iter().map(|table| {
        std::sync::Arc::new(TableSnapshot {
            table: std::sync::Arc::new(table.clone()),
            segments: Vec::new(),
            key_is_chunk_local: true,
        })
    });
    let name = database.name.clone();
    let snapshot = DatabaseSnapshot { tables: tables.collect(), database: std::sync::Arc::new(database) };
    Snapshot { id: SnapshotId(1), databases: [(name, std::sync::Arc::new(snapshot))].into() }
}

async fn check(survey: Survey) {
    let settings =
        ProcessSettings { program: samples::program(), workers: 3, replication: 2, flight: false, tls: false };
    let cluster = ProcessCluster::start(settings).await.unwrap();
    let felis = cluster.folder().join("schema.yaml");
    let layout = cluster.folder().join("layout.toml");
    std::fs::write(&felis, &survey.felis).unwrap();
    std::fs::write(&layout, survey.layout).unwrap();
    samples::create(&cluster, survey.name, &felis, &layout).await;
    for (table, path) in &survey.files {
        let target = format!("{}.{table}", survey.name);
        samples::load(&cluster, &target, path, &["--format", survey.format.as_str(), "--no-header", "--null", r"\N"])
            .await;
    }

    let schema = qserv_core::schema::read_felis(&survey.felis, "schema.yaml", &|_| unreachable!()).unwrap();
    let layout = qserv_core::schema::read_layout(survey.layout, "layout.toml").unwrap();
    let mut database = qserv_core::schema::declare(&schema, &layout).unwrap();
    database.name = survey.name.to_owned();
    let (plain, counts) = judge(&survey, database);
    let engine = Processes::new(&cluster);
    for (table, rows) in counts {
        let answer = engine.ask(&format!("SELECT COUNT(*) FROM {}.{table}", survey.name)).await.unwrap();
        assert_eq!(answer, [[rows.to_string()]], "{table}");
    }
    for query in &survey.queries {
        let wanted = plain.ask(query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
        let got = engine.ask(query).await.unwrap_or_else(|error| panic!("{query}: {error}{}", cluster.logs()));
        assert!(!wanted.is_empty(), "no rows to compare: {query}");
        assert_eq!(got, wanted, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn performance_test_1_1_gives_the_files_answers() {
    match pt11() {
        Some(survey) => check(survey).await,
        None => eprintln!("the files of Performance Test 1.1 are not beside the project: nothing to compare"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn performance_test_1_2_gives_the_files_answers() {
    match pt12() {
        Some(survey) => check(survey).await,
        None => eprintln!("the files of Performance Test 1.2 are not beside the project: nothing to compare"),
    }
}
