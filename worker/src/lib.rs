//! A worker: holds segments and runs parts of queries over them.
//!
//! The life of a worker: [`WorkerNode::open`] takes hold of its [`DataFolder`] (one process only, one name for ever) and opens its
//! store; [`WorkerServer::start`] opens its one listener and announces it to the czar, again and again. From then on
//!
//! - loads `PUT` segments below `/segments/`, each durable before it is answered, and other workers read ranges of them;
//! - the czar sends it parts of plans by gRPC (datafusion-distributed's worker service), which it runs in sessions of
//!   [`qserv_engine::session::WorkerSession`], streaming Arrow batches back;
//! - `/healthz` answers whoever asks.
//!
//! [`WorkerServer::shutdown`] says goodbye to the czar and lets what runs end. An [`EmbeddedWorker`] is the same in the czar's
//! process, without a listener.
//!
//! Absent: planning, routing, the catalog: a worker does what it is told with the segments that it is told of.

mod folder;
mod node;
mod segments;
mod server;
mod settings;

pub use folder::DataFolder;
pub use node::{EmbeddedWorker, Engine, SharedSessionBuilder, WorkerNode};
pub use server::WorkerServer;
pub use settings::WorkerSettings;
