//! Joins of near neighbours where many chunks share a partition.

use qserv_core::partition::PixelizationKind;
use qserv_tests::engines::{Engine, Plain};

use crate::{plans, samples};

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_in_two_chunks_of_a_partition_are_found_once() {
    // More chunks than a worker has partitions: those beside each other are read together.
    let sky = samples::embedded(1, PixelizationKind::Healpix, 7).await;
    let plain: Plain = samples::plain(&sky.server).await;
    let near = "DISTANCE(a.coord_ra, a.coord_dec, b.coord_ra, b.coord_dec) < 0.0166";
    for query in [
        format!("SELECT a.objectId, b.objectId AS other FROM demo.Object AS a JOIN demo.Object AS b ON {near}"),
        format!(
            "SELECT a.objectId, b.objectId AS other FROM demo.Object AS a LEFT JOIN demo.Object AS b ON {near} AND a.objectId < b.objectId"
        ),
    ] {
        let (mut found, mut right) = (sky.engine.ask(&query).await.unwrap(), plain.ask(&query).await.unwrap());
        found.sort();
        right.sort();
        let differs = found.iter().zip(&right).find(|(found, right)| found != right);
        assert!(
            found.len() == right.len() && differs.is_none(),
            "{}, not {} rows: {differs:?}",
            found.len(),
            right.len()
        );
    }
    let plan = format!("SELECT COUNT(*) FROM demo.Object AS a JOIN demo.Object AS b ON {near}");
    let plan = plans::explain(&*sky.server.queries(), &plan).await;
    assert!(plan.contains("ChunkAndOverlap"), "{plan}");
}
