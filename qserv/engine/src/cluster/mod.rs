//! Who is in the cluster, and how to reach them.
//!
//! A worker announces itself ([`Heartbeat`], [`Announcement`]) to the czar's [`router`], which keeps [`Peers`] and the catalog and
//! answers with all workers; so everyone knows where everyone is. A plan goes to its worker through [`Channels`];
//! [`CountedChannels`] tell how far it is; a [`Sweeper`] has workers let go of plans that have ended.
//! Where a cluster has a [`Secret`], every request carries it; where it has TLS, [`Peers`] say whose certificates are believed.

mod channels;
mod counted;
mod fault;
mod heartbeat;
pub(crate) mod http;
mod in_process;
mod messages;
mod peers;
mod probe;
mod remote;
mod router;
mod secret;
mod sweep;

pub use channels::{ChannelSettings, Channels};
pub use counted::{ChunkCounter, CountedChannels};
pub use fault::Fault;
pub use heartbeat::{Heartbeat, HeartbeatSettings};
pub use messages::{Announcement, Member, Membership, WORKERS_PATH, check_worker_id, check_worker_url};
pub use peers::{Peer, Peers};
pub use router::{MembershipSettings, router};
pub use secret::Secret;
pub use sweep::{SweepAfter, Sweeper};
