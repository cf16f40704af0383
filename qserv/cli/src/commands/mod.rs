//! The commands, one file each.

pub mod adql;
mod asking;
pub mod database;
pub mod export;
pub mod load;
pub mod query;
pub mod serve;
