//! Tests of the whole: the same query on three engines must give the same rows.
//!
//! - [`engines::Plain`]: DataFusion over unpartitioned tables in memory, with our functions and none of our planning. It
//!   is the judge.
//! - [`engines::Embedded`]: czar and workers in this process.
//! - [`engines::Processes`]: a czar and three workers, each a process of its own, asked over TAP.
//!
//! Scripts are `.slt` files in `scripts/`, refusals among them. `QSERV_COMPLETE_SCRIPTS=1 cargo test -p qserv-tests scripts`
//! fills their answers in from the judge; read the difference before you commit it.

pub mod cells;
pub mod engines;
pub mod scripts;
