//! Uploads that are cut by the chunks of the table that they are joined with give the rows of uploads that are whole.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use qserv_core::partition::PixelizationKind;
use qserv_core::query::{QueryRequest, QueryService};
use qserv_core::upload::Upload;
use qserv_tests::cells;
use qserv_tests::engines::{Engine, Processes};

use crate::samples;
use crate::uploads::{ask, post, upload, wait_for};

/// Objects of the loaded sky, each a little off, by up to 40 seconds of arc; positions where nothing is, many of them in chunks without
/// an object; and rows without a position.
async fn positions(engine: &dyn Engine, folder: &Path) -> PathBuf {
    let rows = engine.ask("SELECT objectId, coord_ra, coord_dec FROM demo.Object ORDER BY objectId").await.unwrap();
    let mut text = "id,ra,dec\n".to_owned();
    for (number, row) in rows.iter().enumerate() {
        let (ra, dec): (f64, f64) = (row[1].parse().unwrap(), row[2].parse().unwrap());
        let off = (number % 41) as f64 / 3600.0;
        let dec = if dec > 0.0 { dec - off } else { dec + off };
        writeln!(text, "{},{},{dec}", row[0], if number % 2 == 0 { ra } else { ra - 360.0 }).unwrap();
    }
    for number in 0..500_u32 {
        let (ra, dec) = (f64::from(number * 7919 % 3600) / 10.0, f64::from(number * 104_729 % 1800) / 10.0 - 90.0);
        writeln!(text, "{number},{ra},{dec}").unwrap();
    }
    text.push_str("-1,,\n-2,12.5,\n-3,,12.5\n-4,NaN,1.0\n-5,NaN,NaN\n");
    let path = folder.join("positions.csv");
    std::fs::write(&path, text).unwrap();
    path
}

/// Where each row of the upload is read once, with the rows of the director around it.
const INSIDE: [&str; 8] = [
    "SELECT t.id, o.objectId FROM TAP_UPLOAD.t AS t JOIN demo.Object AS o
     ON DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < 20.5 / 3600",
    "SELECT t.id, o.objectId FROM demo.Object AS o JOIN TAP_UPLOAD.t AS t
     ON CONTAINS(POINT(o.coord_ra, o.coord_dec), CIRCLE(t.ra, t.dec, 0.0165)) = 1 WHERE o.coord_dec < 1 AND t.id > 3",
    "SELECT t.id, o.objectId FROM TAP_UPLOAD.t AS t, demo.Object AS o
     WHERE 1 = CONTAINS(POINT(t.ra, t.dec), CIRCLE(o.coord_ra, o.coord_dec, 5e-3)) AND t.id <> o.objectId",
    "SELECT t.id, o.objectId FROM TAP_UPLOAD.t AS t LEFT JOIN demo.Object AS o
     ON DISTANCE(POINT(t.ra, t.dec), POINT(o.coord_ra, o.coord_dec)) <= 0.005 AND o.r_psfFlux > 1000",
    "SELECT t.id, o.objectId FROM demo.Object AS o RIGHT JOIN TAP_UPLOAD.t AS t
     ON DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) * 3600 < 10",
    "SELECT t.id FROM TAP_UPLOAD.t AS t WHERE EXISTS (SELECT 1 FROM demo.Object AS o
     WHERE DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < 0.002)",
    "SELECT t.id FROM TAP_UPLOAD.t AS t WHERE NOT EXISTS (SELECT 1 FROM demo.Object AS o
     WHERE DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < 0.002)",
    "SELECT t.id, COUNT(o.objectId), MIN(DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec)) FROM TAP_UPLOAD.t AS t
     LEFT JOIN demo.Object AS o ON DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < 0.016 GROUP BY t.id",
];

/// Where it is not, or is not known to be enough.
const OTHERS: [&str; 10] = [
    "SELECT t.id, o.objectId FROM TAP_UPLOAD.t AS t JOIN demo.Object AS o
     ON DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < 0.03",
    "SELECT o.objectId, t.id FROM demo.Object AS o LEFT JOIN TAP_UPLOAD.t AS t
     ON DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < 0.001",
    "SELECT o.objectId, t.id FROM demo.Object AS o FULL JOIN TAP_UPLOAD.t AS t
     ON DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < 0.001",
    "SELECT o.objectId FROM demo.Object AS o WHERE NOT EXISTS (SELECT 1 FROM TAP_UPLOAD.t AS t
     WHERE DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < 0.001)",
    "SELECT t.id, o.objectId FROM TAP_UPLOAD.t AS t JOIN demo.Object AS o
     ON DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < 1e-3 * o.coord_dec",
    "SELECT t.id, o.objectId FROM TAP_UPLOAD.t AS t JOIN demo.Object AS o
     ON DISTANCE(t.ra + 0, t.dec, o.coord_ra, o.coord_dec) < 0.001",
    "SELECT m.id, s.sourceId FROM (SELECT t.id, o.objectId FROM TAP_UPLOAD.t AS t JOIN demo.Object AS o
     ON DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < 0.0003) AS m JOIN demo.Source AS s ON s.objectId = m.objectId",
    // Read twice, once of them near something.
    "SELECT t.id, u.id, o.objectId FROM TAP_UPLOAD.t AS t JOIN demo.Object AS o
     ON DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < 0.001 JOIN TAP_UPLOAD.t AS u ON u.id = t.id",
    "SELECT t.id, u.id FROM TAP_UPLOAD.t AS t JOIN TAP_UPLOAD.t AS u ON DISTANCE(t.ra, t.dec, u.ra, u.dec) < 0.001
     WHERE t.id IN (SELECT v.id FROM TAP_UPLOAD.t AS v JOIN demo.Object AS o
     ON DISTANCE(v.ra, v.dec, o.coord_ra, o.coord_dec) < 0.001)",
    "SELECT COUNT(*), COUNT(ra), MIN(id), MAX(id), (SELECT COUNT(*) FROM TAP_UPLOAD.t AS t JOIN demo.Object AS o
     ON DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < 0.001) FROM TAP_UPLOAD.t",
];

async fn sorted(service: &dyn QueryService, query: &str, uploads: &[Upload]) -> Vec<Vec<String>> {
    let batches = ask(service, query, uploads).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    let mut rows = cells::rows(&batches).unwrap();
    rows.sort();
    rows
}

async fn plan(service: &dyn QueryService, query: &str, uploads: &[Upload]) -> String {
    let request = QueryRequest { explain: true, uploads: uploads.to_vec(), ..QueryRequest::adql(query) };
    let batches: Vec<_> =
        futures::TryStreamExt::try_collect(service.query(request).await.unwrap().batches).await.unwrap();
    cells::rows(&batches).unwrap().into_iter().map(|mut row| row.remove(0)).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_uploads_give_the_rows_of_whole_ones() {
    let whole = samples::embedded(1, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let path = positions(&whole.engine, whole.folder()).await;
    let uploads = [upload("t", &path)];
    let whole = whole.server.queries();
    let mut right = Vec::new();
    for query in INSIDE.into_iter().chain(OTHERS) {
        let rows = sorted(whole.as_ref(), query, &uploads).await;
        assert!(!rows.is_empty(), "{query}");
        right.push((query, rows));
    }
    for (workers, pixelization, order) in [(3, PixelizationKind::Healpix, 5), (1, PixelizationKind::H3, 1)] {
        let always = |settings: &mut qserv_cli::settings::Settings| settings.query.cut_upload_bytes = 0;
        let cutting = samples::embedded_with(workers, pixelization, order, always).await;
        let service = cutting.server.queries();
        for (query, right) in &right {
            let found = sorted(service.as_ref(), query, &uploads).await;
            let told = format!("{workers} workers, {pixelization}: {} rows, not {}: {query}", found.len(), right.len());
            assert!(found == *right, "{told}");
        }
        for query in INSIDE {
            let plan = plan(service.as_ref(), query, &uploads).await;
            assert!(plan.contains("TAP_UPLOAD.t: cut into"), "{query}\n{plan}");
            assert!(plan.contains("reach=ChunkAndOverlap"), "{query}\n{plan}");
            assert!(!plan.contains("NetworkBroadcast"), "{query}\n{plan}");
        }
        wait_for(cutting.folder(), |files| files == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_uploads_are_cut_on_processes() {
    let cluster = samples::processes(PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let engine = Processes::new(&cluster);
    let rows = engine.ask("SELECT objectId, coord_ra, coord_dec FROM demo.Object ORDER BY objectId").await.unwrap();
    let mut text = "id,ra,dec\n".to_owned();
    for copy in 0..150_u32 {
        for row in &rows {
            let dec: f64 = row[2].parse().unwrap();
            let off = f64::from(copy) / 3600.0;
            writeln!(text, "{},{},{}", row[0], row[1], if dec > 0.0 { dec - off } else { dec + off }).unwrap();
        }
    }
    let query = |radius: &str| {
        format!(
            "SELECT COUNT(*), COUNT(DISTINCT t.id) FROM TAP_UPLOAD.t AS t JOIN demo.Object AS o
             ON DISTANCE(t.ra, t.dec, o.coord_ra, o.coord_dec) < {radius} AND ABS(o.objectId - t.id) < 0.5"
        )
    };
    let address = format!("{}/tap/sync", cluster.url());
    let answer = post(&address, &query("49.5 / 3600"), text.as_bytes()).send().await.unwrap().text().await.unwrap();
    let rows = rows.len();
    assert_eq!(cells::csv_rows(&answer), [[(50 * rows).to_string(), rows.to_string()]], "{answer}{}", cluster.logs());
    let explained = format!("EXPLAIN {}", query("49.5 / 3600"));
    let answer = post(&address, &explained, text.as_bytes()).send().await.unwrap().text().await.unwrap();
    assert!(answer.contains("TAP_UPLOAD.t: cut into"), "{answer}");
    wait_for(cluster.folder(), |files| files == 0).await;
}
