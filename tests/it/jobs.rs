//! Asynchronous queries on a whole cluster: ended everywhere when their user ends them, and kept when the czar dies.

use std::time::{Duration, Instant};

use futures::StreamExt;
use qserv_core::partition::PixelizationKind;
use qserv_core::query::QueryRequest;
use qserv_tests::engines::ProcessCluster;
use tokio::task::JoinSet;

use crate::samples;

/// No answer of it comes within any test's time: the sources of each object in every combination of seven. The joins stay in
/// their chunks, so every worker is busy with its own.
const ENDLESS: &str = "SELECT COUNT(*) FROM demo.Source AS a \
    JOIN demo.Source AS b ON a.objectId = b.objectId JOIN demo.Source AS c ON a.objectId = c.objectId \
    JOIN demo.Source AS d ON a.objectId = d.objectId JOIN demo.Source AS e ON a.objectId = e.objectId \
    JOIN demo.Source AS f ON a.objectId = f.objectId JOIN demo.Source AS g ON a.objectId = g.objectId";

/// The same with joins that compare every row with every other.
const ENDLESS_LOOP: &str = "SELECT COUNT(*) FROM demo.Source AS a, demo.ForcedSource AS b, demo.ForcedSource AS c \
    WHERE a.psfFlux < b.psfFlux AND b.psfFlux < c.psfFlux";

/// Some tasks end a little after what they did.
const PATIENCE: Duration = Duration::from_secs(1);

/// A join of every row with every other gives way after 128 batches, which takes milliseconds in a program that is optimised and
/// seconds in one that is not, for one task after another. What counts is that it ends: by itself it would take days.
const SLOW_PATIENCE: Duration = Duration::from_secs(100);

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_query_leaves_no_task_behind() {
    let sky = samples::embedded(2, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let metrics = tokio::runtime::Handle::current().metrics();
    let idle = settled(&metrics).await;
    for (query, patience) in [(ENDLESS, PATIENCE), (ENDLESS_LOOP, SLOW_PATIENCE)] {
        let service = sky.engine.0.clone();
        let mut asking = JoinSet::new();
        asking.spawn(async move { service.query(QueryRequest::adql(query)).await.map(|_| ()) });
        while metrics.num_alive_tasks() < idle + 8 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Until it is in the middle of it. That this returns at all says that the query lets others run.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(metrics.num_alive_tasks() > idle, "it has ended: {query}");
        let began = Instant::now();
        asking.shutdown().await;
        while metrics.num_alive_tasks() > idle {
            let alive = metrics.num_alive_tasks();
            assert!(began.elapsed() < patience, "{alive} tasks are alive, {idle} were before: {query}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The number of tasks when nothing is asked.
async fn settled(metrics: &tokio::runtime::RuntimeMetrics) -> usize {
    loop {
        let before = metrics.num_alive_tasks();
        tokio::time::sleep(Duration::from_millis(500)).await;
        if metrics.num_alive_tasks() == before {
            return before;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_counts_every_chunk() {
    let sky = samples::embedded(2, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let request = QueryRequest::adql("SELECT objectId, coord_ra FROM demo.Object");
    let progress = request.progress.clone();
    let mut result = sky.engine.0.query(request).await.unwrap();
    let total = progress.chunks_total.load(std::sync::atomic::Ordering::Relaxed);
    assert!(total > 20, "{total}");
    let mut rows = 0;
    while let Some(batch) = result.batches.next().await {
        rows += batch.unwrap().num_rows() as u64;
        assert!(progress.chunks_done.load(std::sync::atomic::Ordering::Relaxed) <= total);
    }
    assert_eq!(progress.chunks_done.load(std::sync::atomic::Ordering::Relaxed), total);
    assert_eq!((progress.rows.load(std::sync::atomic::Ordering::Relaxed), rows), (samples::OBJECTS, samples::OBJECTS));
}

/// A user with an HTTP client.
struct User {
    client: reqwest::Client,
    url: String,
}

impl User {
    fn of(cluster: &ProcessCluster) -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { client, url: format!("{}/tap/async", cluster.url()) }
    }

    /// Starts a job and gives its address.
    async fn start(&self, query: &str) -> String {
        let form = [("LANG", "ADQL"), ("RESPONSEFORMAT", "csv"), ("QUERY", query), ("PHASE", "RUN")];
        let answer = self.client.post(&self.url).form(&form).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 303);
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    async fn get(&self, url: &str) -> String {
        self.client.get(url).send().await.unwrap().text().await.unwrap()
    }

    async fn until(&self, job: &str, phase: &str) {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let now = self.get(&format!("{job}/phase?WAIT=1")).await;
            if now == phase {
                return;
            }
            assert!(Instant::now() < deadline, "{now}, not {phase}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_czar_loses_no_job() {
    let mut cluster = samples::processes(PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let user = User::of(&cluster);
    let finished = user.start("SELECT objectId FROM demo.Object").await;
    user.until(&finished, "COMPLETED").await;
    let rows = user.get(&format!("{finished}/results/result")).await;
    assert_eq!(rows.lines().count() as u64, samples::OBJECTS + 1);
    let endless = user.start(ENDLESS).await;
    user.until(&endless, "EXECUTING").await;

    cluster.kill_and_restart_czar().await.unwrap();
    assert_eq!(user.get(&format!("{finished}/results/result")).await, rows);
    user.until(&endless, "EXECUTING").await;
    assert!(user.get(&endless).await.contains("<attempts>2</attempts>"));

    // Every worker is at work, and idle a second after its user ended the job.
    busy(&cluster, true).await;
    let ended = user.client.post(format!("{endless}/phase")).form(&[("PHASE", "ABORT")]).send().await.unwrap();
    assert_eq!(ended.status().as_u16(), 303);
    tokio::time::sleep(PATIENCE).await;
    busy(&cluster, false).await;
    assert_eq!(user.get(&format!("{endless}/phase")).await, "ABORTED");
}

/// Whether the workers use the processor: all of them within a minute, or none of them from now on.
async fn busy(cluster: &ProcessCluster, expected: bool) {
    let window = Duration::from_secs(1);
    for _ in 0..60 {
        let before = cluster.worker_cpu_ticks().unwrap();
        tokio::time::sleep(window).await;
        let used: Vec<u64> =
            cluster.worker_cpu_ticks().unwrap().iter().zip(&before).map(|(after, before)| after - before).collect();
        // A hundred ticks are a second; heartbeats take a few. Three workers share two cores with others.
        match expected {
            true if used.iter().all(|used| *used >= 15) => return,
            true => {}
            false => {
                assert!(used.iter().all(|used| *used < 15), "{used:?} ticks after the end of the job");
                return;
            }
        }
    }
    panic!("the workers did not begin to work");
}
