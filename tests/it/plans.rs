//! Plans: how many chunks are read, and that no row is exchanged where none need be.

use futures::TryStreamExt;
use qserv_core::partition::PixelizationKind;
use qserv_core::query::{QueryRequest, QueryService};
use qserv_tests::engines::Engine;

use crate::samples;

pub(crate) async fn explain(service: &dyn QueryService, query: &str) -> String {
    let request = QueryRequest { explain: true, ..QueryRequest::adql(query) };
    let result = service.query(request).await.unwrap();
    let batches: Vec<_> = result.batches.try_collect().await.unwrap();
    let rows = qserv_tests::cells::rows(&batches).unwrap();
    rows.into_iter().map(|mut row| row.remove(0)).collect::<Vec<_>>().join("\n")
}

/// `(read, there)` of the line about a table.
fn chunks(plan: &str, table: &str) -> (usize, usize) {
    let line = plan.lines().find(|line| line.starts_with("scan ") && line.contains(&format!("{table}:"))).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let of = words.iter().position(|word| *word == "of").unwrap();
    (words[of - 1].parse().unwrap(), words[of + 1].parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_is_one_scan() {
    let sky = samples::embedded(1, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let service = sky.server.queries();
    let operators = async |query: &str| {
        let plan = explain(service.as_ref(), query).await;
        let of_plan: Vec<String> = plan.lines().filter(|line| line.contains("Exec")).map(str::to_owned).collect();
        assert!(!of_plan.is_empty(), "{plan}");
        of_plan
    };
    let region = "1 = CONTAINS(POINT(coord_ra, coord_dec), CIRCLE(0.3, 0.4, 0.01))";
    for query in [
        "SELECT * FROM demo.Object WHERE objectId = 604735793323311268",
        "SELECT TOP 3 o.coord_dec, o.objectId AS k FROM demo.Object AS o WHERE objectId = 604735793323311268 AND g_psfFlux > 3",
        &format!("SELECT objectId, coord_ra FROM demo.Object WHERE {region} AND refBand LIKE 'i%'"),
    ] {
        let operators = operators(query).await;
        assert!(operators.len() == 1 && operators[0].contains("DataSourceExec"), "{query}\n{operators:?}");
        assert!(operators[0].contains("predicate="), "{query}\n{operators:?}");
    }
    // Of several partitions, the rows come together, and no more than are wanted.
    let scanned = operators("SELECT TOP 5 objectId FROM demo.Object WHERE g_psfFlux > 3").await;
    assert!(scanned.len() == 2 && scanned[0].contains("CoalescePartitionsExec: fetch=5"), "{scanned:?}");
    // A condition that does not stay the same is tested once for each row, after the scan.
    assert!(operators("SELECT objectId FROM demo.Object WHERE RAND() < 0.5").await.len() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_read_few_chunks_and_exchange_nothing() {
    let sky = samples::embedded(3, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let service = sky.server.queries();
    let service = service.as_ref();

    let join = explain(
        service,
        "SELECT o.objectId, COUNT(*) AS n, AVG(s.psfFlux) AS mean FROM demo.Object o JOIN demo.Source s ON o.objectId = s.objectId GROUP BY o.objectId",
    )
    .await;
    assert!(!join.contains("NetworkShuffle") && !join.contains("NetworkBroadcast"), "{join}");
    assert!(!join.contains("RepartitionExec"), "{join}");
    assert!(join.contains("mode=Partitioned") && join.contains("Stage 1"), "{join}");
    let (read, there) = chunks(&join, "demo.Object");
    assert!(read == there && read > 20, "{join}");

    let grouped = explain(service, "SELECT objectId, COUNT(*) AS n FROM demo.Source GROUP BY objectId").await;
    assert!(!grouped.contains("NetworkShuffle") && !grouped.contains("RepartitionExec"), "{grouped}");

    let cone = "FROM demo.Object o JOIN demo.Source s ON o.objectId = s.objectId
        WHERE CONTAINS(POINT(o.coord_ra, o.coord_dec), CIRCLE(0.3, 0.4, 0.0167)) = 1";
    let cone = explain(service, &format!("SELECT o.objectId, s.sourceId {cone}")).await;
    assert!(chunks(&cone, "demo.Object").0 <= 4 && chunks(&cone, "demo.Source").0 <= 4, "{cone}");

    // Qserv's restrictors choose chunks too, of a child through its director; columns beside the key move no row.
    let restricted =
        "SELECT o.objectId, o.coord_ra, COUNT(*) AS n FROM demo.Object o JOIN demo.Source s ON o.objectId = s.objectId
        WHERE qserv_areaspec_circle(0.3, 0.4, 0.0167) GROUP BY s.objectId";
    let restricted = explain(service, restricted).await;
    assert!(chunks(&restricted, "demo.Object").0 <= 4 && chunks(&restricted, "demo.Source").0 <= 4, "{restricted}");
    assert!(!restricted.contains("NetworkShuffle") && !restricted.contains("RepartitionExec"), "{restricted}");

    let key = sky.engine.ask("SELECT MIN(objectId) FROM demo.Object").await.unwrap().remove(0).remove(0);
    for query in [
        format!("SELECT * FROM demo.Object WHERE objectId = {key}"),
        format!("SELECT * FROM demo.ForcedSource WHERE objectId = {key}"),
        format!("SELECT s.* FROM demo.Object o JOIN demo.Source s ON o.objectId = s.objectId WHERE o.objectId = {key}"),
        format!(
            "SELECT * FROM demo.Source WHERE objectId IN (SELECT objectId FROM demo.Object WHERE objectId = {key})"
        ),
    ] {
        let plan = explain(service, &query).await;
        for line in plan.lines().filter(|line| line.starts_with("scan ")) {
            assert!(line.contains(": 1 of ") || line.contains(": 0 of "), "{query}\n{plan}");
        }
    }

    let strip = explain(
        service,
        "SELECT * FROM demo.Object WHERE coord_ra BETWEEN 0.1 AND 0.9 AND coord_dec BETWEEN 0.1 AND 0.9",
    )
    .await;
    assert!(chunks(&strip, "demo.Object").0 <= 4, "{strip}");

    let either = explain(
        service,
        "SELECT * FROM demo.Object WHERE CONTAINS(POINT(coord_ra, coord_dec), CIRCLE(1, 1, 0.02)) = 1 OR CONTAINS(POINT(coord_ra, coord_dec), CIRCLE(3, -2, 0.02)) = 1",
    )
    .await;
    assert!(chunks(&either, "demo.Object").0 <= 8, "{either}");

    let count = explain(service, "SELECT COUNT(*), MIN(objectId), MAX(objectId) FROM demo.Object").await;
    assert!(!count.contains("DataSourceExec"), "{count}");
}

#[tokio::test(flavor = "multi_thread")]
async fn near_neighbours_within_the_overlap_exchange_nothing() {
    let sky = samples::embedded(3, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let service = sky.server.queries();
    let pairs = |radius: &str, join: &str| {
        format!(
            "SELECT a.objectId, b.objectId FROM demo.Object AS a {join} JOIN demo.Object AS b
             ON DISTANCE(a.coord_ra, a.coord_dec, b.coord_ra, b.coord_dec) < {radius} AND a.objectId <> b.objectId"
        )
    };
    for join in ["", "LEFT", "RIGHT"] {
        let plan = explain(service.as_ref(), &pairs("0.0166", join)).await;
        assert!(plan.contains("SpatialJoinExec") && plan.contains("reach=ChunkAndOverlap"), "{plan}");
        assert!(!plan.contains("NetworkShuffle") && !plan.contains("NetworkBroadcast"), "{plan}");
        let wider = explain(service.as_ref(), &pairs("0.02", join)).await;
        assert!(wider.contains("SpatialJoinExec") && wider.contains("reach=Everything"), "{wider}");
    }
    // Where a cone restricts one side, few chunks of the other are read.
    let near =
        format!("{} WHERE CONTAINS(POINT(b.coord_ra, b.coord_dec), CIRCLE(0.3, 0.4, 0.0167)) = 1", pairs("0.016", ""));
    let near = explain(service.as_ref(), &near).await;
    for line in near.lines().filter(|line| line.starts_with("scan ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(words[3].parse::<usize>().unwrap() <= 4, "{near}");
    }
}
