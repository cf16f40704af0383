//! Tickets: what they hold, and how one is known to be ours.
//!
//! A ticket is a byte that says what is in it, the time when it ends, the content, and a message authentication code (HMAC-SHA256)
//! over all of it. Whoever has a ticket may read the rows that it names and no others.

use arrow_flight::Ticket;
use arrow_flight::sql::{Any, ProstMessageExt, TicketStatementQuery};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use prost::Message;
use qserv_core::clock::SharedClock;
use qserv_core::{Error, ErrorKind, Result};
use sha2::Sha256;
use uuid::Uuid;

/// What the key is derived for, so that the cluster's secret itself signs nothing.
const PURPOSE: &[u8] = b"qserv flight tickets 1";

const PLANNED: u8 = 1;
const PART: u8 = 2;

/// Bytes of the code.
const CODE_BYTES: usize = 32;

/// Bytes before the content: what it is, and the time.
const HEAD_BYTES: usize = 9;

/// Most bytes that a part may unpack to.
const MAX_PART_BYTES: usize = 64 << 20;

/// The key that signs tickets. Its value is shown nowhere.
#[derive(Clone)]
pub struct TicketKey(Hmac<Sha256>);

impl std::fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TicketKey(..)")
    }
}

/// What a ticket names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A statement that the czar has planned.
    Planned(Uuid),
    /// A part of a plan.
    Part(Vec<u8>),
}

impl TicketKey {
    /// The key of all processes that share this secret.
    ///
    /// # Errors
    /// `Internal` if no key can be made of it.
    pub fn of_secret(secret: &str) -> Result<Self> {
        let derived = keyed(secret.as_bytes())?.chain_update(PURPOSE).finalize().into_bytes();
        keyed(derived.as_slice()).map(Self)
    }

    /// A key that only this process knows: its tickets end with it.
    ///
    /// # Errors
    /// `Internal` if no key can be made.
    pub fn random() -> Result<Self> {
        let random = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
        keyed(&random).map(Self)
    }

    /// A ticket that can be used until `ends_s`, Unix seconds.
    pub(crate) fn seal(&self, content: &Content, ends_s: u64) -> Result<Bytes> {
        let (kind, content) = match content {
            Content::Planned(id) => (PLANNED, id.as_bytes().to_vec()),
            Content::Part(part) => {
                let packed = zstd::bulk::compress(part, 1)
                    .map_err(|error| Error::internal("a ticket cannot be packed").caused_by(error))?;
                let length = u32::try_from(part.len()).map_err(|_| Error::limit("a part is too large for a ticket"))?;
                (PART, [length.to_be_bytes().as_slice(), &packed].concat())
            }
        };
        let mut ticket = vec![kind];
        ticket.extend_from_slice(&ends_s.to_be_bytes());
        ticket.extend_from_slice(&content);
        let code = self.0.clone().chain_update(&ticket).finalize().into_bytes();
        ticket.extend_from_slice(code.as_slice());
        Ok(ticket.into())
    }

    /// What is in a ticket.
    ///
    /// # Errors
    /// `Denied` if it was not sealed with this key, or has ended.
    pub(crate) fn open(&self, ticket: &[u8], now_s: u64) -> Result<Content> {
        let not_ours = || Error::new(ErrorKind::Denied, "the ticket is not one of this service");
        let (signed, code) =
            ticket.len().checked_sub(CODE_BYTES).and_then(|at| ticket.split_at_checked(at)).ok_or_else(not_ours)?;
        self.0.clone().chain_update(signed).verify_slice(code).map_err(|_| not_ours())?;
        let (head, content) = signed.split_at_checked(HEAD_BYTES).ok_or_else(not_ours)?;
        let [kind, ends @ ..] = head else { return Err(not_ours()) };
        let ends_s = u64::from_be_bytes(ends.try_into().map_err(|_| not_ours())?);
        if now_s >= ends_s {
            return Err(Error::new(ErrorKind::Denied, "the ticket has ended; ask the query again"));
        }
        match *kind {
            PLANNED => Uuid::from_slice(content).map(Content::Planned).map_err(|_| not_ours()),
            PART => {
                let (length, packed) = content.split_first_chunk().ok_or_else(not_ours)?;
                let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(MAX_PART_BYTES);
                let part = zstd::bulk::decompress(packed, length.min(MAX_PART_BYTES));
                part.map(Content::Part).map_err(|_| not_ours())
            }
            _ => Err(not_ours()),
        }
    }
}

fn keyed(secret: &[u8]) -> Result<Hmac<Sha256>> {
    Hmac::new_from_slice(secret).map_err(|_| Error::internal("no key can be made of the cluster's secret"))
}

/// The time as tickets have it.
pub(crate) fn unix_s(clock: &SharedClock) -> u64 {
    u64::try_from(clock.unix_ms() / 1000).unwrap_or(0)
}

/// A sealed ticket as Flight SQL wraps it.
pub(crate) fn ticket_of(sealed: Bytes) -> Ticket {
    Ticket::new(TicketStatementQuery { statement_handle: sealed }.as_any().encode_to_vec())
}

/// The sealed ticket in a `DoGet`.
pub(crate) fn sealed_in(ticket: &[u8]) -> Option<Bytes> {
    let any = Any::decode(ticket).ok()?;
    any.unpack::<TicketStatementQuery>().ok().flatten().map(|ticket| ticket.statement_handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_until_it_ends_and_only_as_it_was_sealed() {
        let key = TicketKey::of_secret("correct-horse-battery").unwrap();
        let same = TicketKey::of_secret("correct-horse-battery").unwrap();
        let part = Content::Part(vec![7; 10_000]);
        let ticket = key.seal(&part, 100).unwrap();
        assert!(ticket.len() < 200, "packed");
        assert_eq!(same.open(&ticket, 99).unwrap(), part);
        assert_eq!(same.open(&ticket, 100).unwrap_err().kind(), ErrorKind::Denied);
        assert!(TicketKey::random().unwrap().open(&ticket, 99).is_err());
        for at in 0..ticket.len() {
            let mut changed = ticket.to_vec();
            changed[at] ^= 1;
            assert_eq!(key.open(&changed, 1).unwrap_err().kind(), ErrorKind::Denied, "byte {at}");
            assert!(key.open(&ticket[..at], 1).is_err());
        }
        let planned = Content::Planned(Uuid::new_v4());
        assert_eq!(key.open(&key.seal(&planned, 5).unwrap(), 4).unwrap(), planned);
        assert_eq!(format!("{key:?}"), "TicketKey(..)");
    }
}
