//! The side that shows a certificate.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use qserv_core::{Error, Result};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::settings::provider;

/// How long a client may take to begin, and to agree on keys: several round trips to the far side of the world.
const HANDSHAKE: Duration = Duration::from_secs(20);

/// The protocols inside: those that all our ports speak, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What the first byte of a TLS connection is.
const TLS_BEGINS: u8 = 0x16;

/// What a client without TLS is told. gRPC's clients say that the server speaks HTTP/1; a proper end of HTTP/2, with a reason, would
/// have them try again at once, for ever.
const PLAIN_REFUSED: &str = "This port speaks TLS: use https:// (for Arrow Flight: grpc+tls://).\n";

/// Makes connections secure. Cheap to clone.
#[derive(Clone)]
pub struct Acceptor {
    acceptor: TlsAcceptor,
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

impl Acceptor {
    pub(crate) fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self> {
        let unusable = |error| Error::invalid("the certificate and its key cannot be used together").caused_by(error);
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Makes a new connection secure; `wrap` is what lies between it and TLS. A client that speaks without TLS is told to speak with it.
    ///
    /// # Errors
    /// If the client does not agree within some seconds.
    pub async fn accept<C>(&self, stream: TcpStream, wrap: impl FnOnce(TcpStream) -> C) -> io::Result<Connection<C>>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let agreed = async {
            let mut first = [0];
            let is_open = stream.peek(&mut first).await? > 0;
            if is_open && first != [TLS_BEGINS] {
                return Err(refuse(stream).await);
            }
            self.acceptor.accept(wrap(stream)).await
        };
        match tokio::time::timeout(HANDSHAKE, agreed).await {
            Ok(secure) => secure.map(|secure| Connection::Secure(Box::new(secure))),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the client did not agree on keys in time")),
        }
    }
}

/// Tells a client why it is not served.
async fn refuse(mut stream: TcpStream) -> io::Error {
    let length = PLAIN_REFUSED.len();
    let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length:";
    let answer = format!("{head} {length}\r\n\r\n{PLAIN_REFUSED}");
    // It may have gone away already; and what it sent is read, or closing would take the answer back.
    let told = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        let mut rest = vec![0; 4096];
        for _ in 0..16 {
            stream.readable().await?;
            match stream.try_read(&mut rest) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok::<(), io::Error>(())
    };
    if let Err(error) = told.await {
        tracing::debug!(%error, "a client without TLS did not hear why it is not served");
    }
    io::Error::new(io::ErrorKind::InvalidData, "the client speaks without TLS")
}

/// A connection of a listener, with TLS or without.
#[derive(Debug)]
pub enum Connection<C> {
    /// As the bytes come.
    Plain(C),
    /// Within TLS.
    Secure(Box<TlsStream<C>>),
}

macro_rules! inner {
    ($connection:expr, $method:ident $(, $argument:expr)*) => {
        match $connection.get_mut() {
            Connection::Plain(connection) => Pin::new(connection).$method($($argument),*),
            Connection::Secure(connection) => Pin::new(connection.as_mut()).$method($($argument),*),
        }
    };
}

impl<C: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<C> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        inner!(self, poll_read, context, buffer)
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<C> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        inner!(self, poll_write, context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        inner!(self, poll_write_vectored, context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(connection) => connection.is_write_vectored(),
            Self::Secure(connection) => connection.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, poll_flush, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, poll_shutdown, context)
    }
}

impl<C> Connected for Connection<C> {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}
