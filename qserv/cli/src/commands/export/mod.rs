//! `qserv export`: writes all rows of a table or of a query to files, read from all workers at once over Flight.
//!
//! 1. The czar plans the query, and the answer's tickets are kept in the folder (`state`): a second run goes on with the same rows.
//! 2. Each part is read from the first of its places that gives all of it, into a file under another name (`files`); whole, it gets
//!    its name, and a record of its rows and checksum.
//! 3. When all parts are there, a catalog is made of them if one was asked for (`hats`), and the manifest takes the place of tickets and
//!    records.

mod files;
mod hats;
mod state;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use qserv_core::{Error, Result};
use qserv_flight::{Answer, FlightClient, is_of_the_place};
use tokio::task::JoinSet;

use self::files::{Layout, PartFile};
use self::state::{Begun, Folder, PartRecord, What};
use crate::arguments::{ExportArguments, ExportFormat};
use crate::commands::load::rate;
use crate::settings::Settings;
use crate::terminal::{counted, output_error};

/// How often all places of a part are tried.
const ROUNDS: u32 = 3;

/// Between two rounds: a worker that starts again needs a moment.
const PAUSE: Duration = Duration::from_secs(2);

/// Exports, or goes on where an earlier run was interrupted.
///
/// # Errors
/// The czar's and the workers'; `Conflict` if the folder holds something else; `Data` if rows are missing.
pub async fn run(arguments: &ExportArguments, settings: &Settings) -> Result<()> {
    let query = match (&arguments.table, &arguments.query) {
        (_, Some(query)) => query.clone(),
        (Some(table), None) => format!("SELECT * FROM {table}"),
        (None, None) => return Err(Error::invalid("name a table, or a query with --query")),
    };
    let what = What { query, format: arguments.format, hats: hats::Request::of(arguments)? };
    let folder = Folder::open(arguments.to.clone(), what.clone())?;
    if let Some(manifest) = folder.manifest()? {
        return say(&format!("{} are there already, in {}", counted(manifest.rows, "row"), arguments.to.display()));
    }
    let client = FlightClient::new(settings.client.flight.clone(), settings.tls.read()?.trust);
    let begun = match folder.begun()? {
        Some(begun) => begun,
        None => {
            let begun = begin(&client, what.clone(), arguments).await?;
            folder.begin(&begun)?;
            begun
        }
    };
    let began = Instant::now();
    let answer = begun.answer()?;
    let export = Arc::new(Export {
        client,
        layout: layout(&what, &answer)?,
        answer,
        bar: bar(),
        rows: AtomicU64::new(0),
        began,
        folder,
    });
    let records = export.all(arguments.parallel.get()).await?;
    let rows = records.iter().map(|record| record.rows).sum();
    if let Some(counted) = begun.counted
        && counted != rows
    {
        return Err(Error::data("the files do not have as many rows as the table")
            .with("files", rows)
            .with("table", counted));
    }
    let schema = export.answer.schema()?;
    let (records, margin) = match &what.hats {
        Some(request) => {
            let built = hats::build(request, &export.folder, &schema, &records, &export.bar).await?;
            (built.rows, built.margin)
        }
        None => (records, Vec::new()),
    };
    export.bar.finish_and_clear();
    export.folder.finish(&begun, &schema, records, margin)?;
    say(&format!("wrote {} to {}", rate(rows, began), arguments.to.display()))
}

fn say(line: &str) -> Result<()> {
    writeln!(io::stdout(), "{line}").map_err(output_error)
}

/// How the parts are written.
fn layout(what: &What, answer: &Answer) -> Result<Layout> {
    Ok(match (&what.hats, what.format) {
        (Some(request), _) => Layout::Staged(request.position(answer.schema()?.as_ref())?),
        (None, ExportFormat::Arrow) => Layout::Arrow,
        (None, ExportFormat::Csv) => Layout::Csv,
        (None, _) => Layout::Parquet,
    })
}

/// Plans the query. A table's rows are counted before and behind that: if nothing was loaded meanwhile, that many must come.
async fn begin(client: &FlightClient, what: What, arguments: &ExportArguments) -> Result<Begun> {
    let count = async || match &arguments.table {
        Some(table) => count(client, &format!("SELECT COUNT(*) AS n FROM {table}")).await.map(Some),
        None => Ok(None),
    };
    let before = count().await?;
    let answer = client.plan(&what.query).await?;
    // What cannot be written is not begun.
    layout(&what, &answer)?;
    let after = count().await?;
    Ok(Begun::new(what, &answer, before.filter(|before| Some(*before) == after)))
}

async fn count(client: &FlightClient, query: &str) -> Result<u64> {
    let answer = client.plan(query).await?;
    let place = client.places(&answer, 0).pop().unwrap_or_default();
    let batches: Vec<RecordBatch> = client.read(&answer, 0, &place).await?.batches.try_collect().await?;
    let number = batches.iter().find_map(|batch| {
        let numbers = batch.column(0).as_primitive_opt::<Int64Type>()?;
        numbers.iter().flatten().next()
    });
    number.and_then(|number| u64::try_from(number).ok()).ok_or_else(|| Error::data("the number of rows cannot be read"))
}

fn bar() -> ProgressBar {
    let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {pos} of {len} parts  {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// An export at work.
struct Export {
    client: FlightClient,
    answer: Answer,
    folder: Folder,
    layout: Layout,
    bar: ProgressBar,
    rows: AtomicU64,
    began: Instant,
}

/// Why a part was not written.
enum Failure {
    /// Another place may do better.
    Place(Error),
    /// No other place would help.
    Here(Error),
}

impl Export {
    /// Writes what is missing, so many parts at once; the records of all.
    async fn all(self: &Arc<Self>, parallel: usize) -> Result<Vec<PartRecord>> {
        let mut records: Vec<Option<PartRecord>> = Vec::new();
        for part in 0..self.answer.parts() {
            records.push(self.folder.record(part)?);
        }
        self.bar.set_length(records.len() as u64);
        self.bar.set_position(records.iter().flatten().count() as u64);
        let missing: Vec<usize> = (0..records.len()).filter(|part| records[*part].is_none()).collect();
        let mut running = JoinSet::new();
        let written = self.missing(missing, parallel, &mut running, &mut records).await;
        // What is left when one has failed ends before the program does.
        running.shutdown().await;
        written?;
        Ok(records.into_iter().flatten().collect())
    }

    async fn missing(
        self: &Arc<Self>,
        missing: Vec<usize>,
        parallel: usize,
        running: &mut JoinSet<Result<(usize, PartRecord)>>,
        records: &mut [Option<PartRecord>],
    ) -> Result<()> {
        let mut missing = missing.into_iter();
        loop {
            for part in missing.by_ref().take(parallel.saturating_sub(running.len())) {
                let export = Arc::clone(self);
                running.spawn(async move { export.part(part).await.map(|record| (part, record)) });
            }
            let Some(ended) = running.join_next().await else { return Ok(()) };
            let (part, record) =
                ended.map_err(|error| Error::internal("a part was not written").caused_by(error))??;
            self.bar.inc(1);
            if let Some(place) = records.get_mut(part) {
                *place = Some(record);
            }
        }
    }

    async fn part(&self, part: usize) -> Result<PartRecord> {
        let mut last = Error::unavailable("no place has the part");
        for round in 0..ROUNDS {
            if round > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            for place in self.client.places(&self.answer, part) {
                match self.read_part(part, &place).await {
                    Ok(record) => return Ok(record),
                    Err(Failure::Here(error)) => return Err(error),
                    Err(Failure::Place(error)) => {
                        tracing::info!(part, place, error = %error.to_log(), "a part is asked for elsewhere");
                        last = error;
                    }
                }
            }
        }
        Err(last.with("part", part))
    }

    async fn read_part(&self, part: usize, place: &str) -> std::result::Result<PartRecord, Failure> {
        let told = |error: Error| if is_of_the_place(&error) { Failure::Place(error) } else { Failure::Here(error) };
        let mut rows = self.client.read(&self.answer, part, place).await.map_err(told)?;
        let (temporary, path): (PathBuf, PathBuf) = self.folder.paths(part);
        let mut file = PartFile::create(temporary, self.layout.clone(), &rows.schema).map_err(Failure::Here)?;
        loop {
            match rows.batches.try_next().await {
                Ok(Some(batch)) => {
                    tokio::task::block_in_place(|| file.write(&batch)).map_err(Failure::Here)?;
                    let written = batch.num_rows() as u64;
                    let all = self.rows.fetch_add(written, Ordering::Relaxed) + written;
                    self.bar.set_message(rate(all, self.began));
                }
                Ok(None) => break,
                Err(error) => {
                    self.rows.fetch_sub(file.rows(), Ordering::Relaxed);
                    return Err(told(error));
                }
            }
        }
        let record = tokio::task::block_in_place(|| file.finish(&path)).map_err(Failure::Here)?;
        self.folder.keep(part, &record).map_err(Failure::Here)?;
        Ok(record)
    }
}
