//! A cluster with TLS on all ports: it answers as one without, and nobody who speaks without TLS or believes others is served.

use std::process::Stdio;

use arrow::array::RecordBatch;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt;
use qserv_core::partition::PixelizationKind;
use qserv_tests::cells;
use qserv_tests::engines::{Engine, ProcessCluster, Processes};
use qserv_tls::{TlsSettings, Trust};
use tokio::process::Command;
use tonic::transport::Endpoint;

use crate::samples;

const ROWS: &str = "SELECT sourceId, psfFlux FROM demo.Source WHERE snr > 20";

/// What the program prints, and whether it succeeded.
async fn qserv(arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(samples::program());
    let output = command.args(arguments).stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(printed).unwrap())
}

fn sorted(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    rows.sort();
    rows
}

/// The rows that workers hand out; each of them has an address with TLS.
async fn read_from_workers(cluster: &ProcessCluster, trust: &Trust) -> Vec<Vec<String>> {
    let connect = async |address: String| {
        FlightSqlServiceClient::new(trust.connect(Endpoint::from_shared(address).unwrap()).await.unwrap())
    };
    let info = connect(cluster.flight_url().unwrap()).await.execute(ROWS.to_owned(), None).await.unwrap();
    assert!(info.endpoint.len() >= 3);
    let mut rows = Vec::new();
    for endpoint in info.endpoint {
        let place = endpoint.location[0].uri.strip_prefix("grpc+tls://").expect("with TLS").to_owned();
        let mut worker = connect(format!("https://{place}")).await;
        let batches: Vec<RecordBatch> =
            worker.do_get(endpoint.ticket.unwrap()).await.unwrap().try_collect().await.unwrap();
        rows.extend(cells::rows(&batches).unwrap());
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_speaks_tls_on_all_ports() {
    let cluster = samples::secure_processes(PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let authorities = cluster.authorities().unwrap();
    let trust = TlsSettings { authorities: Some(authorities.clone()), ..TlsSettings::default() }.read().unwrap().trust;
    let engine = Processes::new(&cluster);

    // TAP over HTTPS, joins on the workers among them; rows that pass between workers and czar.
    let plain = samples::embedded(3, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let join = "SELECT o.objectId, COUNT(*) AS n FROM demo.Object AS o JOIN demo.Source AS s ON s.objectId = o.objectId \
                GROUP BY o.objectId";
    let across = "SELECT COUNT(*) AS n FROM demo.Source AS a JOIN demo.ForcedSource AS b ON a.sourceId = b.visit";
    for query in [ROWS, join, across] {
        let right = sorted(plain.engine.ask(query).await.unwrap());
        assert_eq!(sorted(engine.ask(query).await.unwrap()), right, "{query}");
    }
    let right = sorted(engine.ask(ROWS).await.unwrap());
    assert_eq!(sorted(read_from_workers(&cluster, &trust).await), right);

    // Addresses in documents are those that work.
    let capabilities = {
        let authority = reqwest::Certificate::from_pem(&std::fs::read(&authorities).unwrap()).unwrap();
        let client = reqwest::Client::builder().add_root_certificate(authority).build().unwrap();
        let asked = client.get(format!("{}/tap/capabilities", cluster.url())).send().await.unwrap();
        asked.text().await.unwrap()
    };
    assert!(capabilities.contains("https://127.0.0.1") && !capabilities.contains("http://127.0.0.1"), "{capabilities}");

    // The program's commands: with the authority, without it, and without TLS.
    let believed = ["--authorities", authorities.to_str().unwrap()];
    let flight = cluster.flight_url().unwrap().replace("https://", "grpc+tls://");
    let plain_flight = flight.replace("grpc+tls://", "grpc://");
    let plain_url = cluster.url().replace("https://", "http://");
    let to = |name: &str| cluster.folder().join(name).to_str().unwrap().to_owned();
    let (export, unbelieved, unsecured) = (to("export"), to("unbelieved"), to("unsecured"));
    let query = ["query", "SELECT COUNT(*) FROM demo.Object", "--server"];
    let list = ["database", "list", "--server"];
    let lines: [(Vec<&str>, bool, &str); 8] = [
        ([&query[..], &[cluster.url()], &believed].concat(), true, "2000"),
        ([&list[..], &[cluster.url()], &believed].concat(), true, "demo"),
        ([&["export", "demo.Source", "--to", &export, "--flight", &flight][..], &believed].concat(), true, "wrote"),
        ([&query[..], &[cluster.url()]].concat(), false, "--authorities"),
        ([&query[..], &[&plain_url]].concat(), false, "speaks TLS"),
        ([&list[..], &[&plain_url]].concat(), false, "speaks TLS"),
        (vec!["export", "demo.Source", "--to", &unbelieved, "--flight", &flight], false, "UnknownIssuer"),
        (vec!["export", "demo.Source", "--to", &unsecured, "--flight", &plain_flight], false, "grpc+tls"),
    ];
    for (line, succeeds, words) in lines {
        let (succeeded, printed) = qserv(&line).await;
        assert!(succeeded == succeeds && printed.contains(words), "{line:?}: {printed}");
    }
}
