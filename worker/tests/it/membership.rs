//! Workers and their czar: registration, heartbeats, silence, goodbye.

use std::net::SocketAddr;
use std::sync::Arc;

use qserv_core::ErrorKind;
use qserv_core::catalog::{Catalog, WorkerId};
use qserv_engine::cluster::{MembershipSettings, Peers, Secret, router};
use qserv_worker::{WorkerServer, WorkerSettings};
use reqwest::StatusCode;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use crate::support::{SetClock, id, settings, start};

/// A czar's list of workers, served.
struct Czar {
    peers: Peers,
    catalog: Catalog,
    clock: Arc<SetClock>,
    address: SocketAddr,
    server: JoinSet<()>,
}

impl Czar {
    async fn start(address: &str, secret: Option<Secret>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let clock = Arc::new(SetClock::default());
        let membership = MembershipSettings { heartbeat_interval_ms: 50, worker_timeout_ms: 10_000 };
        let peers = membership.peers(clock.clone());
        let catalog = Catalog::open("sqlite::memory:").await.unwrap();
        let router = router(peers.clone(), catalog.clone(), &membership, secret, clock.clone());
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { peers, catalog, clock, address, server }
    }

    fn url(&self) -> Url {
        Url::parse(&format!("http://{}/", self.address)).unwrap()
    }

    fn live(&self) -> Vec<WorkerId> {
        self.peers.live().into_iter().map(|peer| peer.id).collect()
    }
}

fn with_czar(settings: WorkerSettings, czar: &Czar) -> WorkerSettings {
    WorkerSettings { czar_url: Some(czar.url().into()), ..settings }
}

async fn two_answers(server: &WorkerServer) {
    // The first may have been under way already.
    for _ in 0..2 {
        server.heartbeat().unwrap().answered().await;
    }
}

#[tokio::test]
async fn workers_register_and_go_stale_when_they_fall_silent() {
    let folder = tempfile::tempdir().unwrap();
    let czar = Czar::start("127.0.0.1:0", None).await;
    let first = start(&with_czar(settings(folder.path(), "w1"), &czar)).await;
    let second = start(&with_czar(settings(folder.path(), "w2"), &czar)).await;
    first.registered().await;
    second.registered().await;
    assert_eq!(czar.live(), [id("w1"), id("w2")]);
    assert_eq!(czar.peers.get(&id("w2")).unwrap().url, *second.url());
    let recorded = czar.catalog.workers().await.unwrap();
    assert_eq!(recorded.iter().map(|worker| worker.id.clone()).collect::<Vec<_>>(), [id("w1"), id("w2")]);
    assert_eq!(recorded[0].url, first.url().as_str());
    // Workers learn of each other.
    two_answers(&first).await;
    assert!(first.node().peers().get(&id("w2")).unwrap().live);

    // Heartbeats keep them live, whatever the time.
    czar.clock.advance(60_000);
    two_answers(&first).await;
    two_answers(&second).await;
    assert_eq!(czar.live(), [id("w1"), id("w2")]);
    assert_eq!(czar.catalog.workers().await.unwrap()[0].seen_unix_ms, 60_000);

    // One crashes, the other says goodbye.
    first.abort().await;
    czar.clock.advance(9_000);
    two_answers(&second).await;
    assert_eq!(czar.live(), [id("w1"), id("w2")]);
    czar.clock.advance(1_001);
    two_answers(&second).await;
    assert_eq!(czar.live(), [id("w2")]);
    second.shutdown().await;
    assert_eq!(czar.live(), [] as [WorkerId; 0]);
    // A czar that takes over knows them from the catalog.
    let successor = Peers::new(czar.clock.clone(), std::time::Duration::from_secs(100));
    successor.merge_catalog(&czar.catalog.workers().await.unwrap());
    assert_eq!(successor.live().len(), 2);
}

#[tokio::test]
async fn a_czar_that_restarts_hears_of_its_workers_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut czar = Czar::start("127.0.0.1:0", None).await;
    let server = start(&with_czar(settings(folder.path(), "w1"), &czar)).await;
    server.registered().await;
    czar.server.shutdown().await;
    let czar = Czar::start(&czar.address.to_string(), None).await;
    two_answers(&server).await;
    assert_eq!(czar.live(), [id("w1")]);
    assert_eq!(czar.catalog.workers().await.unwrap().len(), 1);
    server.shutdown().await;
}

#[tokio::test]
async fn a_worker_waits_for_a_czar_that_is_not_there_yet() {
    let folder = tempfile::tempdir().unwrap();
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = reserved.local_addr().unwrap().to_string();
    drop(reserved);
    let czar_url = Some(format!("http://{address}/"));
    let server = start(&WorkerSettings { czar_url, ..settings(folder.path(), "w1") }).await;
    let czar = Czar::start(&address, None).await;
    server.registered().await;
    assert_eq!(czar.live(), [id("w1")]);
    server.shutdown().await;
}

#[tokio::test]
async fn strange_announcements_are_refused() {
    let czar = Czar::start("127.0.0.1:0", Some(Secret::new("correct-horse-battery").unwrap())).await;
    let client = reqwest::Client::new();
    let workers = czar.url().join(qserv_engine::cluster::WORKERS_PATH).unwrap();
    let good = r#"{"id":"w1","url":"http://127.0.0.1:1/","free_bytes":1,"version":"0"}"#;
    let post = async |body: String, secret: &str| {
        client.post(workers.clone()).bearer_auth(secret).body(body).send().await.unwrap().status()
    };
    assert_eq!(post(good.to_owned(), "wrong-horse-battery-").await, StatusCode::FORBIDDEN);
    assert_eq!(client.get(workers.clone()).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    for body in ["", "{}", &good.replace("http:", "file:"), &good.replace("w1", "../w1"), &"x".repeat(100_000)] {
        assert!(post(body.to_owned(), "correct-horse-battery").await.is_client_error(), "{body}");
    }
    assert_eq!(czar.live(), [] as [WorkerId; 0]);
    assert_eq!(post(good.to_owned(), "correct-horse-battery").await, StatusCode::OK);
    assert_eq!(post(good.replace(":1/", ":2/"), "correct-horse-battery").await, StatusCode::CONFLICT);
    assert_eq!(czar.live(), [id("w1")]);
}

#[tokio::test]
async fn a_worker_that_could_not_be_reached_is_refused_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let czar = Czar::start("127.0.0.1:0", None).await;
    let everywhere = WorkerSettings { listen: "0.0.0.0:0".parse().unwrap(), ..settings(folder.path(), "w1") };
    let error = WorkerServer::start(&with_czar(everywhere, &czar), czar.clock.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("advertise_url"));
}
