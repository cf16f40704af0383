//! Every script gives the same answers on plain DataFusion over unpartitioned tables, embedded, and on processes.

use qserv_core::partition::PixelizationKind;
use qserv_tests::engines::Processes;
use qserv_tests::scripts;

use crate::samples;

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_methods, reason = "a switch of this test, not a setting of the product")]
async fn scripts_agree_on_one_node_and_embedded() {
    let healpix = samples::embedded(3, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let plain = samples::plain(&healpix.server).await;
    let h3 = samples::embedded(2, PixelizationKind::H3, 1).await;
    // One process that does it all plans look-ups by themselves, and runs every plan where it is made.
    let alone = samples::embedded(1, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let complete = std::env::var("QSERV_COMPLETE_SCRIPTS").is_ok();
    let mut failures = Vec::new();
    for script in scripts::all() {
        if complete {
            scripts::complete(&plain, &script).await.unwrap();
        }
        failures.extend(scripts::run(&plain, &script).await.err());
        failures.extend(scripts::run(&healpix.engine, &script).await.err().map(|error| format!("healpix {error}")));
        failures.extend(scripts::run(&h3.engine, &script).await.err().map(|error| format!("h3 {error}")));
        failures.extend(scripts::run(&alone.engine, &script).await.err().map(|error| format!("alone {error}")));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_agree_on_three_worker_processes() {
    let cluster = samples::processes(PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let engine = Processes::new(&cluster);
    let mut failures = Vec::new();
    for script in scripts::all() {
        failures.extend(scripts::run(&engine, &script).await.err());
    }
    assert!(failures.is_empty(), "{}{}", failures.join("\n\n"), cluster.logs());
    warnings_reach_the_table(cluster.url()).await;
}

/// What was taken though the standard refuses it stands in the answer that astronomers' programs read.
async fn warnings_reach_the_table(czar: &str) {
    let query = "SELECT TOP 1 objectId AS count, coord_ra FROM demo.Object GROUP BY objectId;";
    let form = [("LANG", "ADQL"), ("RESPONSEFORMAT", "votable/td"), ("QUERY", query)];
    let answer = reqwest::Client::new().post(format!("{czar}/tap/sync")).form(&form).send().await.unwrap();
    let document = answer.text().await.unwrap();
    for place in
        ["column 26: `count` is a reserved word", "column 33: `coord_ra` must stand in GROUP BY", "column 76: "]
    {
        assert!(document.contains(&format!("<INFO name=\"warning\" value=\"line 1, {place}")), "{document}");
    }
}
