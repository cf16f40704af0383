//! `scisql_getVersion`: which sciSQL the functions are.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use datafusion::logical_expr::ColumnarValue;
use qserv_core::Result;

use crate::definition::{Audience, Body, Definition, Form, Returns, check_nothing};

/// The release of sciSQL whose functions these are.
const VERSION: &str = "0.3.11";

pub(crate) const DEFINITION: Definition = Definition {
    name: "scisql_getVersion",
    known_as: "scisql_getVersion",
    audience: Audience::Users,
    summary: "The release of sciSQL whose functions these are.",
    missing: "Never NULL.",
    example: "SELECT scisql_getVersion() AS version FROM Object",
    forms: &[Form::fixed(&[])],
    returns: Returns::Text,
    unit: None,
    ucd: Some("meta.version"),
    body: Body::Values { check: check_nothing, evaluate },
};

fn evaluate(_: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    Ok(Arc::new(StringArray::from(vec![VERSION; rows])))
}
