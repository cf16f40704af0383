//! Answers in bulk: planned here, handed out by the workers where no merge is needed.

use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::Schema;
use async_trait::async_trait;
use qserv_core::bulk::{BulkPlan, BulkRows, BulkService, Described, Part, PartWorker, PlannedQuery};
use qserv_core::catalog::WorkerId;
use qserv_core::query::{QueryProgress, QueryRequest, QueryResult};
use qserv_core::{Error, Result};
use qserv_engine::parts::encode;
use qserv_engine::placement::LiveWorker;

use crate::planner::Prepared;
use crate::service::{Czar, Over, explanation_schema};
use crate::translate::strip_explain;
use crate::uploads::Received;

/// A czar that plans answers in bulk.
#[derive(Clone)]
pub struct BulkCzar {
    czar: Arc<Czar>,
    from_workers: bool,
}

impl BulkCzar {
    /// The same czar. Unless `from_workers`, workers of other processes are not asked for rows.
    #[must_use]
    pub fn new(czar: Arc<Czar>, from_workers: bool) -> Self {
        Self { czar, from_workers }
    }
}

/// A request for a plan in words.
struct Explained {
    czar: Arc<Czar>,
    request: QueryRequest,
}

#[async_trait]
impl PlannedQuery for Explained {
    async fn run(&self, progress: Arc<QueryProgress>) -> Result<QueryResult> {
        let request = QueryRequest { progress, ..self.request.clone() };
        self.czar.run(&request, Over::Newest(&request.uploads)).await
    }
}

/// A query with the snapshot, and the uploads, that it was planned on.
struct Kept {
    czar: Arc<Czar>,
    request: QueryRequest,
    prepared: Arc<Prepared>,
    received: Option<Arc<Received>>,
}

#[async_trait]
impl PlannedQuery for Kept {
    async fn run(&self, progress: Arc<QueryProgress>) -> Result<QueryResult> {
        let request = QueryRequest { progress, ..self.request.clone() };
        self.czar.run(&request, Over::Kept(&self.prepared, self.received.as_ref())).await
    }
}

#[async_trait]
impl BulkService for BulkCzar {
    async fn plan(&self, request: QueryRequest) -> Result<BulkPlan> {
        if request.explain || strip_explain(&request.text).1 {
            let rows = BulkRows::Merged(Arc::new(Explained { czar: Arc::clone(&self.czar), request }));
            return Ok(BulkPlan { schema: explanation_schema(), warnings: Vec::new(), rows });
        }
        let (schema, output, planned) = self.czar.plan_in_parts(&request).await?;
        let may_part = self.from_workers || planned.live.iter().all(|worker| worker.local);
        let rows = match planned.parts {
            // The segments of uploads go when the query does, which a part cannot tell.
            Some(parts) if may_part && planned.received.is_none() => {
                let part = |part: qserv_engine::parts::PlanPart| {
                    let workers = part.workers.iter().filter_map(|id| address(&planned.live, id)).collect();
                    Ok(Part { plan: encode(&schema, &part.plan)?, workers, bytes: part.bytes })
                };
                BulkRows::Parts(parts.into_iter().map(part).collect::<Result<_>>()?)
            }
            _ => BulkRows::Merged(Arc::new(Kept {
                czar: Arc::clone(&self.czar),
                // The rows of uploads are received: what they came from can go.
                request: QueryRequest { uploads: Vec::new(), ..request },
                prepared: planned.prepared,
                received: planned.received,
            })),
        };
        Ok(BulkPlan { schema, warnings: output.warnings, rows })
    }

    async fn describe(&self, request: QueryRequest) -> Result<Described> {
        if strip_explain(&request.text).1 {
            return Ok(Described { schema: explanation_schema(), parameters: Arc::new(Schema::empty()) });
        }
        let parameters = self.czar.parameters(&request).await?;
        // Of no matter which values, the columns have the same types.
        let unknown = parameters.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect();
        let unknown = match parameters.fields().is_empty() {
            true => None,
            false => Some(
                RecordBatch::try_new(Arc::clone(&parameters), unknown)
                    .map_err(|error| Error::internal("the parameters cannot be left open").caused_by(error))?,
            ),
        };
        let (schema, _, _) = self.czar.plan_in_parts(&QueryRequest { parameters: unknown, ..request }).await?;
        Ok(Described { schema, parameters })
    }
}

/// Where a live worker is asked; `None` for one that is not up.
fn address(live: &[LiveWorker], id: &WorkerId) -> Option<PartWorker> {
    let worker = live.iter().find(|worker| worker.id == *id)?;
    Some(PartWorker { id: id.clone(), url: (!worker.local).then(|| worker.url.to_string()) })
}
