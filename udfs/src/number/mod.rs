//! What ADQL's RAND, ROUND and TRUNCATE are translated to, where DataFusion's own functions do other things.

mod decimals;
mod random;
mod round;
mod truncate;

use crate::definition::Definition;

/// In the order of the manual.
pub(crate) const DEFINITIONS: &[&Definition] = &[&round::DEFINITION, &truncate::DEFINITION, &random::DEFINITION];
