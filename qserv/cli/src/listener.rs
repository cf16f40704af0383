//! The listener of HTTP and of Flight: connections whose clients take nothing for too long are given up. Where the process has a
//! certificate, they speak TLS.
//!
//! An answer is made as its client reads it. One who stops reading without going away would keep the query, its memory and its turn
//! for ever: nothing in HTTP or TCP ends that. Here a write that makes no progress for the client timeout is an error, which ends the
//! connection, the answer and the query. A client that is gone without a word (its machine lost power) is found by probes, also while
//! there is nothing to send.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use futures::Stream;
use qserv_tls::{Acceptor, Connection};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep_until};

/// A connection on which nothing happens is probed after this time, a few times this far apart; then it is dead.
const PROBE_AFTER: Duration = Duration::from_secs(30);
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
#[cfg(any(target_os = "linux", target_os = "macos"))]
const PROBES: u32 = 3;

/// Connections that agree on keys at once; further ones wait.
const MAX_HANDSHAKES: usize = 1024;

/// A listener whose connections lose patience.
#[derive(Debug)]
pub(crate) struct PatientListener {
    listener: TcpListener,
    patience: Duration,
    acceptor: Option<Acceptor>,
    /// Those that are agreeing on keys: a slow one holds up no other.
    handshakes: JoinSet<io::Result<Accepted>>,
}

/// A connection with the address that it comes from.
type Accepted = (Connection<Patient<TcpStream>>, SocketAddr);

impl PatientListener {
    /// Gives clients so much time to take the next bytes. With an acceptor it speaks TLS.
    pub(crate) fn new(listener: TcpListener, patience: Duration, acceptor: Option<Acceptor>) -> Self {
        Self { listener, patience, acceptor, handshakes: JoinSet::new() }
    }

    /// The connections, one after the other, for ever.
    pub(crate) fn connections(self) -> impl Stream<Item = io::Result<Connection<Patient<TcpStream>>>> {
        futures::stream::unfold(self, async |mut listener| {
            let (connection, _) = listener.accept().await;
            Some((Ok(connection), listener))
        })
    }
}

impl Listener for PatientListener {
    type Io = Connection<Patient<TcpStream>>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let has_room = self.handshakes.len() < MAX_HANDSHAKES;
            let (stream, address) = tokio::select! {
                Some(ended) = self.handshakes.join_next() => match ended {
                    Ok(Ok(accepted)) => return accepted,
                    Ok(Err(error)) => {
                        tracing::debug!(%error, "a connection is not secure");
                        continue;
                    }
                    Err(_) => continue,
                },
                accepted = Listener::accept(&mut self.listener), if has_room => accepted,
            };
            prepare(&stream);
            let patience = self.patience;
            let Some(acceptor) = self.acceptor.clone() else {
                return (Connection::Plain(Patient::new(stream, patience)), address);
            };
            self.handshakes.spawn(async move {
                let connection = acceptor.accept(stream, |stream| Patient::new(stream, patience)).await?;
                Ok((connection, address))
            });
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Sets what a new connection needs.
fn prepare(stream: &TcpStream) {
    // Answers are small packets now and then: waiting to fill one costs each 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps its delay");
    }
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_INTERVAL);
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    let probes = probes.with_retries(PROBES);
    if let Err(error) = SockRef::from(stream).set_tcp_keepalive(&probes) {
        tracing::debug!(%error, "a connection is not probed");
    }
}

/// A connection whose writes must make progress.
#[derive(Debug)]
pub(crate) struct Patient<C> {
    connection: C,
    patience: Duration,
    /// When patience ends, while a write waits.
    end: Option<Pin<Box<Sleep>>>,
}

impl<C> Patient<C> {
    fn new(connection: C, patience: Duration) -> Self {
        Self { connection, patience, end: None }
    }

    /// The outcome of a write, or the end of patience with it.
    fn within<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.end = None;
            return written;
        }
        let patience = self.patience;
        let end = self.end.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        ready!(end.as_mut().poll(context));
        tracing::info!(seconds = patience.as_secs(), "a client took nothing for too long");
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client took nothing for too long")))
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Patient<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(context, buffer)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Patient<C> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write(context, bytes);
        self.within(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.connection).poll_write_vectored(context, pieces);
        self.within(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.connection).poll_flush(context);
        self.within(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.connection).poll_shutdown(context);
        self.within(shut, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (near, _far) = duplex(4);
        let mut near = Patient::new(near, Duration::from_secs(10));
        let began = Instant::now();
        let error = near.write_all(b"12345").await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed().as_secs()), (io::ErrorKind::TimedOut, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_is_waited_for() {
        let (near, mut far) = duplex(1);
        let mut near = Patient::new(near, Duration::from_secs(10));
        let reading = async {
            let mut text = [0; 5];
            for place in &mut text {
                tokio::time::sleep(Duration::from_secs(9)).await;
                *place = far.read_u8().await.unwrap();
            }
            text
        };
        let (written, text) = tokio::join!(near.write_all(b"12345"), reading);
        written.unwrap();
        assert_eq!(&text, b"12345");
    }
}
