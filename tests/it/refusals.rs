//! Every refusal is in the user's words: what the scripts' wrong queries are answered, looked at closely.

use futures::TryStreamExt;
use qserv_core::partition::PixelizationKind;
use qserv_core::query::{QueryRequest, QueryService};
use qserv_core::{Error, ErrorKind};

use crate::samples;

/// Parts of messages that only a library or a programmer would write.
const PHRASES: &[&str] = &[
    "DataFusion",
    "sqlparser",
    "Arrow",
    "arrow",
    "Parquet",
    "Schema error",
    "Error during planning",
    "plan_err",
    "Execution",
    "panicked",
    "unwrap",
    "Option",
    "None",
    "Some(",
    "Utf8",
    "Int64",
    "Float64",
    "Timestamp(",
    "LogicalPlan",
    "Projection",
    "Filter:",
    "TableScan",
    "SubqueryAlias",
    "coerce",
    "TypeSignature",
    "This feature is not implemented",
    "Internal error",
    "backtrace",
    "::",
    "{",
    "fault of the service",
    "cannot be planned as it is written",
];

/// The wrong queries of the script, each with what its answer must say.
fn refused() -> Vec<(String, String)> {
    let script = include_str!("../scripts/07_refusals.slt");
    let records = script.split("\n\n").filter_map(|record| {
        let record = record.trim().lines().skip_while(|line| line.starts_with('#')).collect::<Vec<_>>();
        let (first, query) = record.split_first()?;
        Some((query.join("\n"), first.strip_prefix("query error")?.trim().to_owned()))
    });
    records.collect()
}

async fn refusal(service: &dyn QueryService, query: &str) -> Option<Error> {
    match service.query(QueryRequest::adql(query)).await {
        Err(error) => Some(error),
        Ok(result) => result.batches.try_collect::<Vec<_>>().await.err(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_in_the_users_words() {
    let sky = samples::embedded(2, PixelizationKind::Healpix, samples::CHUNK_ORDER).await;
    let service = sky.server.queries();
    let refused = refused();
    assert!(refused.len() >= 60, "{}", refused.len());
    let mut wrong = Vec::new();
    for (query, words) in &refused {
        let Some(error) = refusal(service.as_ref(), query).await else {
            wrong.push(format!("{query}\n  is answered"));
            continue;
        };
        let text = error.to_string();
        let phrase = PHRASES.iter().find(|phrase| text.contains(**phrase) && !query.contains(**phrase));
        let said = !words.is_empty() && text.contains(&words.replace('\\', ""));
        if error.kind() != ErrorKind::Invalid || phrase.is_some() || !said {
            wrong.push(format!("{query}\n  expected: {words}\n  {:?} {text}\n  {phrase:?}", error.kind()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
