//! Arrow Flight SQL: answers of millions of rows as Arrow, from every worker at once.
//!
//! The life of an answer:
//!
//! 1. A client asks the czar for a `FlightInfo` ([`FlightSql`]). The czar's `BulkService` plans the query over the newest snapshot.
//! 2. A plan that needs no merge comes as parts. Each becomes an endpoint: the addresses of the workers that hold its chunks, and a
//!    ticket ([`TicketKey`]) that holds the part itself, signed, with the time when it ends. Any other answer becomes one endpoint of
//!    the czar, which keeps the plan, and with it the snapshot, under a made-up name.
//! 3. `DoGet` with a ticket gives the rows: from a worker's [`PartServer`], which checks the signature and runs the part, or from
//!    the czar. A ticket may be used again, at another address too: it gives the same rows.
//! 4. Dropping the stream ends the work behind it, and so does a client that takes nothing for too long (`watched`).
//!
//! [`FlightClient`] is the other side, for those who want the parts of an answer at once.
//!
//! Metadata (`metadata`) comes from the same snapshot of the catalog that queries see. Errors (`status`) carry our kind, message and
//! facts, and nothing of what is behind them.
//!
//! Absent: DataFusion, HTTP of other protocols, the catalog's SQL: this crate sees queries only through the doors of `qserv_core`.

mod client;
mod kept;
mod metadata;
mod parts;
mod prepared;
mod runs;
mod server;
mod service;
mod sessions;
mod settings;
mod status;
mod stream;
mod ticket;
mod watched;

pub use client::{Answer, FlightClient, PartRows, is_of_the_place};
pub use parts::PartServer;
pub use service::{FlightSql, Parts};
pub use settings::FlightSettings;
pub use ticket::TicketKey;
