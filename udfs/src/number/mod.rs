//! What ADQL's RAND, ROUND and TRUNCATE are translated to, where DataFusion's own functions do other things.

mod decimals;
mod random;
mod random_of_row;
mod round;
mod truncate;

use crate::definition::Definition;

pub use random_of_row::RandomOfRow;

/// In the order of the manual.
pub(crate) const DEFINITIONS: &[&Definition] = &[&round::DEFINITION, &truncate::DEFINITION, &random::DEFINITION];
