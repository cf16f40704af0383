//! A czar and workers as processes of their own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;

use super::Engine;
use super::certificates::Certificates;
use crate::cells;

/// From how many bytes on uploads are cut: fewer than by default, so that a test needs no large ones.
const CUT_UPLOAD_BYTES: u64 = 4 << 20;

/// How long a process may take to come up or to be noticed: far more than it needs, so that a slow machine fails no test.
const PATIENCE: Duration = Duration::from_secs(120);

/// Pause between two looks at a process that is coming up.
const LOOK: Duration = Duration::from_millis(50);

/// What a cluster of processes is made of.
#[derive(Debug, Clone)]
pub struct ProcessSettings {
    /// The program.
    pub program: PathBuf,
    /// How many workers.
    pub workers: usize,
    /// On how many workers each chunk is stored.
    pub replication: usize,
    /// Whether the cluster has a secret and serves Flight.
    pub flight: bool,
    /// Whether all of its ports speak TLS, with certificates of an authority of its own.
    pub tls: bool,
}

/// Streams that a czar with Flight hands out at once.
pub const MAX_STREAMS: usize = 4;

/// The secret of a cluster that has one.
const SECRET: &str = "correct-horse-battery";

/// Running processes; killed when dropped.
#[derive(Debug)]
pub struct ProcessCluster {
    settings: ProcessSettings,
    folder: TempDir,
    czar: Child,
    czar_url: String,
    flight_port: Option<u16>,
    worker_ports: Vec<u16>,
    workers: Vec<Option<Child>>,
    client: reqwest::Client,
}

impl ProcessCluster {
    /// Starts a czar and its workers and waits until all are registered.
    ///
    /// # Errors
    /// What did not start.
    pub async fn start(settings: ProcessSettings) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let czar_port = free_port()?;
        let scheme = if settings.tls { "https" } else { "http" };
        let czar_url = format!("{scheme}://127.0.0.1:{czar_port}");
        let client = if settings.tls { Certificates::write(folder.path())?.client()? } else { reqwest::Client::new() };
        let flight_port = if settings.flight { Some(free_port()?) } else { None };
        let flight = flight_port.map_or_else(String::new, |port| {
            format!("[flight]\nlisten = \"127.0.0.1:{port}\"\nmax_streams = {MAX_STREAMS}\n")
        });
        let config = format!(
            "[czar]\nlisten = \"127.0.0.1:{czar_port}\"\ndata_dir = {:?}\n{}{flight}[ingest]\nreplication = {}\n\
             [czar.membership]\nheartbeat_interval_ms = 200\nworker_timeout_ms = 2000\n\
             [query]\ncut_upload_bytes = {CUT_UPLOAD_BYTES}\n{}",
            folder.path().join("czar"),
            secret_line(&settings),
            settings.replication,
            tls_section(&settings, folder.path()),
        );
        let czar = launch(&settings.program, "czar", folder.path(), "czar.toml", &config)?;
        let mut cluster = Self {
            worker_ports: (0..settings.workers).map(|_| free_port()).collect::<Result<_, _>>()?,
            workers: (0..settings.workers).map(|_| None).collect(),
            settings,
            folder,
            czar,
            czar_url,
            flight_port,
            client,
        };
        cluster.wait_for_czar().await?;
        for number in 0..cluster.workers.len() {
            cluster.start_worker(number)?;
        }
        let all = cluster.workers.len();
        cluster.wait_for_live(all).await?;
        Ok(cluster)
    }

    /// The czar's address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.czar_url
    }

    /// The address of Flight SQL, if it is served.
    #[must_use]
    pub fn flight_url(&self) -> Option<String> {
        let scheme = if self.settings.tls { "https" } else { "http" };
        self.flight_port.map(|port| format!("{scheme}://127.0.0.1:{port}"))
    }

    /// The file of the authority that the certificates are from, if there are some.
    #[must_use]
    pub fn authorities(&self) -> Option<PathBuf> {
        self.settings.tls.then(|| Certificates::authorities(self.folder.path()))
    }

    /// A folder for files of the test, gone with the cluster.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts worker `number`, again if it was killed.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub fn start_worker(&mut self, number: usize) -> Result<(), String> {
        let port = self.worker_ports[number];
        let config = format!(
            "[worker]\nid = \"w{number}\"\nlisten = \"127.0.0.1:{port}\"\ndata_dir = {:?}\nczar_url = \"{}/\"\n{}{}",
            self.folder.path().join(format!("worker{number}")),
            self.czar_url,
            secret_line(&self.settings),
            tls_section(&self.settings, self.folder.path()),
        );
        let file = format!("worker{number}.toml");
        self.workers[number] = Some(launch(&self.settings.program, "worker", self.folder.path(), &file, &config)?);
        Ok(())
    }

    /// Kills worker `number` as `kill -9` does.
    ///
    /// # Errors
    /// If it was not running.
    pub fn kill_worker(&mut self, number: usize) -> Result<(), String> {
        let mut worker = self.workers[number].take().ok_or("the worker is not running")?;
        worker.kill().and_then(|()| worker.wait()).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// The processor time that each running worker has used, in the system's ticks.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn worker_cpu_ticks(&self) -> Result<Vec<u64>, String> {
        let ticks = |worker: &Child| {
            let stat =
                std::fs::read_to_string(format!("/proc/{}/stat", worker.id())).map_err(|error| error.to_string())?;
            // Behind the name, which may hold anything: user and system time are the 12th and 13th numbers.
            let numbers = stat.rsplit_once(')').map_or("", |(_, numbers)| numbers);
            let times: Vec<u64> =
                numbers.split_whitespace().skip(11).take(2).filter_map(|number| number.parse().ok()).collect();
            if times.len() == 2 { Ok(times[0] + times[1]) } else { Err("no times".to_owned()) }
        };
        self.workers.iter().flatten().map(ticks).collect()
    }

    /// Kills the czar as `kill -9` does, and starts it again over the same folder.
    ///
    /// # Errors
    /// Why it did not come back.
    pub async fn kill_and_restart_czar(&mut self) -> Result<(), String> {
        self.czar.kill().and_then(|()| self.czar.wait()).map_err(|error| error.to_string())?;
        self.czar = run(&self.settings.program, "czar", self.folder.path(), "czar.toml")?;
        self.wait_for_czar().await?;
        let running = self.workers.iter().flatten().count();
        self.wait_for_live(running).await
    }

    /// Waits until just this many workers are live.
    ///
    /// # Errors
    /// If that does not come about.
    pub async fn wait_for_live(&self, wanted: usize) -> Result<(), String> {
        let url = format!("{}/cluster/v1/workers", self.czar_url);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let live = match get(&self.client, &url).await {
                Ok(body) => live_workers(&body),
                Err(_) => None,
            };
            if live == Some(wanted) {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                return Err(format!("{live:?} workers are live, not {wanted}{}", self.logs()));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn wait_for_czar(&mut self) -> Result<(), String> {
        let url = format!("{}/tap/availability", self.czar_url);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while get(&self.client, &url).await.is_err() {
            let has_ended = self.czar.try_wait().map_err(|error| error.to_string())?.is_some();
            if has_ended || tokio::time::Instant::now() > deadline {
                return Err(format!("the czar does not answer{}", self.logs()));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Runs the program with these arguments against this cluster.
    ///
    /// # Errors
    /// What it printed, if it failed.
    pub async fn qserv(&self, arguments: &[&str]) -> Result<Output, String> {
        let mut command = tokio::process::Command::new(&self.settings.program);
        command.args(arguments).args(["--server", &self.czar_url]).stdin(Stdio::null()).kill_on_drop(true);
        if let Some(authorities) = self.authorities() {
            command.arg("--authorities").arg(authorities);
        }
        let output = command.output().await.map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(output);
        }
        let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Err(format!("qserv {}: {}{}", arguments.join(" "), printed(&output.stdout), printed(&output.stderr)))
    }

    /// What the processes wrote to standard error.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut text = String::new();
        let Ok(entries) = std::fs::read_dir(self.folder.path()) else { return text };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == "log")
                && let Ok(log) = std::fs::read_to_string(&path)
                && !log.trim().is_empty()
            {
                text.push_str(&format!("\n--- {}\n{log}", path.display()));
            }
        }
        text
    }
}

impl Drop for ProcessCluster {
    fn drop(&mut self) {
        for process in self.workers.iter_mut().flatten().chain([&mut self.czar]) {
            // It may have ended already; there is no one to tell.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn secret_line(settings: &ProcessSettings) -> String {
    if settings.flight { format!("secret = \"{SECRET}\"\n") } else { String::new() }
}

fn tls_section(settings: &ProcessSettings, folder: &Path) -> String {
    if settings.tls { Certificates::section(folder) } else { String::new() }
}

/// Ports below those that systems give to outgoing connections: one that is free now is not taken by a client before its server
/// listens.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

fn free_port() -> Result<u16, String> {
    // Each port is given once in a process, and processes begin at different ones.
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(97);
    for _ in PORTS {
        let number = first.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % u32::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(number).map_err(|error| error.to_string())?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(format!("none of the ports {PORTS:?} is free"))
}

fn launch(program: &Path, command: &str, folder: &Path, file: &str, config: &str) -> Result<Child, String> {
    std::fs::write(folder.join(file), config).map_err(|error| error.to_string())?;
    run(program, command, folder, file)
}

fn run(program: &Path, command: &str, folder: &Path, file: &str) -> Result<Child, String> {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join(file).with_extension("log"))
        .map_err(|error| error.to_string())?;
    Command::new(program)
        .args([command, "--config"])
        .arg(folder.join(file))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))
}

async fn get(client: &reqwest::Client, url: &str) -> Result<String, String> {
    // Whoever has no secret does not mind one.
    let request = client.get(url).bearer_auth(SECRET);
    let answer = request.send().await.map_err(|error| error.to_string())?;
    answer.error_for_status().map_err(|error| error.to_string())?.text().await.map_err(|error| error.to_string())
}

fn live_workers(body: &str) -> Option<usize> {
    let membership: serde_json::Value = serde_json::from_str(body).ok()?;
    let workers = membership.get("workers")?.as_array()?;
    Some(workers.iter().filter(|worker| worker.get("live").and_then(serde_json::Value::as_bool) == Some(true)).count())
}

/// Asks a czar over TAP.
#[derive(Debug, Clone)]
pub struct Processes {
    client: reqwest::Client,
    url: String,
}

impl Processes {
    /// The engine of a running cluster.
    #[must_use]
    pub fn new(cluster: &ProcessCluster) -> Self {
        Self { client: cluster.client.clone(), url: format!("{}/tap/sync", cluster.url()) }
    }
}

#[async_trait]
impl Engine for Processes {
    fn name(&self) -> &'static str {
        "processes"
    }

    async fn ask(&self, query: &str) -> Result<Vec<Vec<String>>, String> {
        let form = [("LANG", "ADQL"), ("RESPONSEFORMAT", "csv"), ("QUERY", query)];
        let answer = self.client.post(&self.url).form(&form).send().await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = answer.text().await.map_err(|error| error.to_string())?;
        if status.is_success() { Ok(cells::csv_rows(&body)) } else { Err(message_of(&body)) }
    }
}

/// The message of a DALI error document: the content of its QUERY_STATUS INFO.
fn message_of(document: &str) -> String {
    let after = document.split_once("QUERY_STATUS").map_or(document, |(_, rest)| rest);
    let text = after.split_once('>').and_then(|(_, rest)| rest.split_once("</INFO>")).map_or(after, |(text, _)| text);
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}
