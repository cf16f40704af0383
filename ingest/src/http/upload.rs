//! A request's body as a blocking reader.

use std::io::{Error, ErrorKind, Read};

use axum::body::Body;
use bytes::{Buf, Bytes};
use futures::StreamExt;
use tokio::sync::mpsc;

/// Pieces of a body that may wait for the reader: a few, so that a slow load slows the sender down.
const PIECES_AHEAD: usize = 4;

/// What arrives from the sender.
enum Piece {
    Bytes(Bytes),
    /// The body is whole.
    End,
}

/// Reads a body that arrives on another thread. A body that breaks off is an error, never an end.
pub(super) struct BodyReader {
    pieces: mpsc::Receiver<Piece>,
    rest: Bytes,
    is_whole: bool,
}

/// The reader of a body, and the future that feeds it; it ends when the body or the reader does.
pub(super) fn channel(body: Body) -> (BodyReader, impl Future<Output = ()> + Send) {
    let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
    let forward = async move {
        let mut stream = body.into_data_stream();
        while let Some(piece) = stream.next().await {
            match piece {
                Ok(bytes) => {
                    if sender.send(Piece::Bytes(bytes)).await.is_err() {
                        return;
                    }
                }
                // Dropping the sender without the end tells the reader.
                Err(error) => {
                    tracing::debug!(%error, "an upload broke off");
                    return;
                }
            }
        }
        let _ = sender.send(Piece::End).await;
    };
    (BodyReader { pieces, rest: Bytes::new(), is_whole: false }, forward)
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.rest.is_empty() && !self.is_whole {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.rest = bytes,
                Some(Piece::End) => self.is_whole = true,
                None => return Err(Error::new(ErrorKind::UnexpectedEof, "the upload broke off")),
            }
        }
        let count = self.rest.len().min(buffer.len());
        let (Some(target), Some(source)) = (buffer.get_mut(..count), self.rest.get(..count)) else { return Ok(0) };
        target.copy_from_slice(source);
        self.rest.advance(count);
        Ok(count)
    }
}
