//! `scisql_s2HtmLevel`: the level of a triangle of the Hierarchical Triangular Mesh.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array};
use datafusion::logical_expr::ColumnarValue;
use qserv_core::{Error, Result};

use super::s2_htm_id::FINEST_LEVEL;
use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing, integer};
use crate::integers::Integers;

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_s2HtmLevel",
    known_as: "scisql_s2HtmLevel",
    audience: Audience::Users,
    summary: "The level, 0 to 24, of a triangle of the Hierarchical Triangular Mesh.",
    missing: "NULL for a NULL and for a number that is no triangle.",
    example: "SELECT objectId, scisql_s2HtmLevel(scisql_s2HtmId(ra, decl, 20)) AS level FROM Object",
    forms: &[Form::fixed(&[integer("id", "number of a triangle, as scisql_s2HtmId gives it")])],
    returns: Returns::Integer,
    unit: None,
    ucd: None,
    body: Body::Values { check: check_nothing, evaluate },
};

fn evaluate(arguments: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let [id] = arguments else { return Err(Error::internal("a level of no triangle")) };
    let ids = Integers::new(id)?;
    Ok(Arc::new((0..rows).map(|row| ids.at(row).and_then(level)).collect::<Int32Array>()))
}

/// A triangle's number is a 1 and the three bits of its root, and two bits for each level.
fn level(id: i64) -> Option<i32> {
    if id < 8 {
        return None;
    }
    let bits_below_root = i64::from(60 - id.leading_zeros());
    let is_triangle = bits_below_root % 2 == 0 && bits_below_root / 2 <= FINEST_LEVEL;
    is_triangle.then(|| i32::try_from(bits_below_root / 2).ok()).flatten()
}
