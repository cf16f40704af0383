//! Czar and workers in this process.

use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use qserv_core::query::{QueryRequest, QueryService};

use super::Engine;
use crate::cells;

/// Asks a query service of this process.
#[derive(Clone)]
pub struct Embedded(pub Arc<dyn QueryService>);

#[async_trait]
impl Engine for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    async fn ask(&self, query: &str) -> Result<Vec<Vec<String>>, String> {
        let result = self.0.query(QueryRequest::adql(query)).await.map_err(|error| error.to_string())?;
        let batches: Vec<_> = result.batches.try_collect().await.map_err(|error| error.to_string())?;
        cells::rows(&batches)
    }
}
