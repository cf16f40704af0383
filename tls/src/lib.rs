//! TLS on every port: what a server shows, and whom a client believes.
//!
//! An operator names files ([`TlsSettings`]); [`TlsSettings::read`] makes of them what the parts of a process need ([`Tls`]):
//!
//! - Where a certificate is set, every listener of the process hands its connections to an [`Acceptor`]. A client that speaks without
//!   TLS is told so in HTTP, which all our ports speak, and let go.
//! - Whoever connects has [`Trust`]: the authorities that are set, else those of the web. It makes clients of HTTP
//!   ([`Trust::over`]) and channels of gRPC ([`Trust::connect`]), encrypted where the address says so.
//!
//! Who may ask what is not decided here: that is what a cluster's secret and Flight's tickets are for. TLS hides them on the way.
//!
//! Absent: OpenSSL, and every crate of ours but core.

mod client;
mod server;
mod settings;
#[cfg(test)]
mod tests;

pub use client::Trust;
pub use server::{Acceptor, Connection};
pub use settings::{Tls, TlsSettings};
