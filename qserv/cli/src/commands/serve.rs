//! `qserv up`, `qserv czar` and `qserv worker`: processes that serve until they are told to stop.

use std::io::Write;

use qserv_core::{Error, Result};
use tokio::net::TcpListener;

use crate::settings::Settings;
use crate::terminal::output_error;
use crate::wiring::{Server, start_worker};

/// A czar and workers in one process.
///
/// # Errors
/// Those of starting; it ends without one when it is told to stop.
pub async fn up(settings: &Settings) -> Result<()> {
    let listener = listen(&settings.czar.listen).await?;
    let flight = listen_flight(settings).await?;
    let mut server = Server::embedded(settings, &settings.up.data_dir).await?;
    announce(settings, &listener, &format!("{} workers in this process", settings.up.workers))?;
    announce_flight(settings, flight.as_ref())?;
    server.listen_flight(flight);
    server.serve(listener, stopped()).await
}

/// The czar of a cluster.
///
/// # Errors
/// As [`up`].
pub async fn czar(settings: &Settings) -> Result<()> {
    let listener = listen(&settings.czar.listen).await?;
    let flight = listen_flight(settings).await?;
    let mut server = Server::cluster(settings).await?;
    announce(settings, &listener, "workers announce themselves")?;
    announce_flight(settings, flight.as_ref())?;
    server.listen_flight(flight);
    server.serve(listener, stopped()).await
}

/// A worker of a cluster.
///
/// # Errors
/// As [`up`].
pub async fn worker(settings: &Settings) -> Result<()> {
    let server = start_worker(settings).await?;
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
    listen_on(address, "czar.listen").await
}

/// Opens the listener of Flight, if there is to be one.
///
/// # Errors
/// As [`listen`].
pub async fn listen_flight(settings: &Settings) -> Result<Option<TcpListener>> {
    match &settings.flight.listen {
        Some(address) => listen_on(address, "flight.listen").await.map(Some),
        None => Ok(None),
    }
}

/// Says where Flight is served.
///
/// # Errors
/// Those of the output.
pub fn announce_flight(settings: &Settings, listener: Option<&TcpListener>) -> Result<()> {
    let Some(listener) = listener else { return Ok(()) };
    let address = local_address(listener)?;
    let scheme = if is_secure(settings) { "grpc+tls" } else { "grpc" };
    writeln!(std::io::stdout(), "Flight SQL at {scheme}://{address}").map_err(output_error)
}

async fn listen_on(address: &str, setting: &'static str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let message = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another program listens on the address already",
            std::io::ErrorKind::InvalidInput => "the address to listen on is none; write it like 127.0.0.1:8080",
            _ => "cannot listen on the address",
        };
        Error::unavailable(message).with("address", address).with("setting", setting).caused_by(error)
    })
}

fn announce(settings: &Settings, listener: &TcpListener, who: &str) -> Result<()> {
    let url = tap_url(settings, listener)?;
    writeln!(std::io::stdout(), "TAP service at {url} ({who}); Ctrl-C ends it").map_err(output_error)
}

/// The TAP address that clients of this machine can use.
///
/// # Errors
/// `Internal` if the listener has no address.
pub fn tap_url(settings: &Settings, listener: &TcpListener) -> Result<String> {
    let scheme = if is_secure(settings) { "https" } else { "http" };
    Ok(format!("{scheme}://{}/tap", local_address(listener)?))
}

/// Whether the ports speak TLS.
fn is_secure(settings: &Settings) -> bool {
    settings.tls.certificate.is_some()
}

/// The address that clients of this machine can use.
fn local_address(listener: &TcpListener) -> Result<std::net::SocketAddr> {
    let mut address = listener
        .local_addr()
        .map_err(|error| Error::internal("the listener does not know its address").caused_by(error))?;
    if address.ip().is_unspecified() {
        let local: std::net::IpAddr =
            if address.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        address.set_ip(local);
    }
    Ok(address)
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
