//! The commands, one file each.

pub mod adql;
pub mod database;
pub mod export;
pub mod load;
pub mod query;
pub mod serve;
