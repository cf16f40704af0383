//! The store of results: what jobs answered, kept until their destruction.
//!
//! A result is written once, as an Arrow IPC file with compressed buffers ([`arrow_file`]), and encoded in whatever format it is
//! fetched in. Where a client asks for a part of it, the encoded form is kept beside it, so that parts need not be encoded from the
//! start each ([`Store::create`] writes either). All files of a job lie below a folder of its name: `<job>/<attempt>.arrow`,
//! `<job>/<attempt>.encoded`, and what came with the job, `<job>/<id>.upload`. A result appears whole or not at all.

mod arrow_file;
mod store;

pub(crate) use arrow_file::{ArrowFile, ArrowFileWriter, Summary};
pub(crate) use store::{Room, Store};
