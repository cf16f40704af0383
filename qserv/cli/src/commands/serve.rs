//! `qserv up`, `qserv czar` and `qserv worker`: processes that serve until they are told to stop.

use std::io::Write;

use qserv_core::clock::SystemClock;
use qserv_core::{Error, Result};
use qserv_worker::WorkerServer;
use std::sync::Arc;
use tokio::net::TcpListener;

use crate::settings::Settings;
use crate::terminal::output_error;
use crate::wiring::Server;

/// A czar and workers in one process.
///
/// # Errors
/// Those of starting; it ends without one when it is told to stop.
pub async fn up(settings: &Settings) -> Result<()> {
    let listener = listen(&settings.czar.listen).await?;
    let server = Server::embedded(settings, &settings.up.data_dir).await?;
    announce(&listener, &format!("{} workers in this process", settings.up.workers))?;
    server.serve(listener, stopped()).await
}

/// The czar of a cluster.
///
/// # Errors
/// As [`up`].
pub async fn czar(settings: &Settings) -> Result<()> {
    let listener = listen(&settings.czar.listen).await?;
    let server = Server::cluster(settings).await?;
    announce(&listener, "workers announce themselves")?;
    server.serve(listener, stopped()).await
}

/// A worker of a cluster.
///
/// # Errors
/// As [`up`].
pub async fn worker(settings: &Settings) -> Result<()> {
    let server = WorkerServer::start(&settings.worker, Arc::new(SystemClock)).await?;
    let line = format!("worker {} serves at {}", server.id(), server.url());
    writeln!(std::io::stdout(), "{line}").map_err(output_error)?;
    stopped().await;
    server.shutdown().await;
    Ok(())
}

/// Opens the listener of HTTP.
///
/// # Errors
/// `Unavailable` if the address is taken or none of this machine.
pub async fn listen(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let message = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another program listens on the address already",
            std::io::ErrorKind::InvalidInput => "the address to listen on is none; write it like 127.0.0.1:8080",
            _ => "cannot listen on the address",
        };
        Error::unavailable(message).with("address", address).with("setting", "czar.listen").caused_by(error)
    })
}

fn announce(listener: &TcpListener, who: &str) -> Result<()> {
    let url = tap_url(listener)?;
    writeln!(std::io::stdout(), "TAP service at {url} ({who}); Ctrl-C ends it").map_err(output_error)
}

/// The TAP address that clients of this machine can use.
///
/// # Errors
/// `Internal` if the listener has no address.
pub fn tap_url(listener: &TcpListener) -> Result<String> {
    let mut address = listener
        .local_addr()
        .map_err(|error| Error::internal("the listener does not know its address").caused_by(error))?;
    if address.ip().is_unspecified() {
        let local: std::net::IpAddr =
            if address.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        address.set_ip(local);
    }
    Ok(format!("http://{address}/tap"))
}

/// Returns when the process is told to stop: by Ctrl-C, or by SIGTERM.
pub async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            // Without the handler, SIGTERM ends the process at once.
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        _ = interrupt => {}
        () = terminate => {}
    }
}
