//! `--format hats`: the answer as a HATS catalog, with its margin beside it, that `lsdb` opens and matches.
//!
//! 1. Each part of the answer is read, as for other formats, into a file of runs sorted by `_healpix_29` (`staging`). `position` says
//!    which columns are the position.
//! 2. When all parts are there, the rows in each cell of the sky are known, and so the pixels: the largest that have no more rows than
//!    was asked for (`pixels`).
//! 3. Each pixel's rows are merged out of the runs into its file (`merge`), and those around it into its file of the margin: also around
//!    pixels without rows, for another catalog may have some there. A file that is whole is recorded, and not written again.
//! 4. Properties, pixels and footers are written beside them (`catalog`), and the manifest.

mod catalog;
mod merge;
mod pixels;
mod position;
mod staging;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use indicatif::ProgressBar;
use qserv_core::sky::Angle;
use qserv_core::{Error, Result};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use self::catalog::{DATASET, Properties};
use self::merge::{Merge, StagedFile};
use self::pixels::{COUNTED_ORDER, Pixel};
pub(super) use self::position::Position;
pub(super) use self::staging::{Runs, Staged, Untaken};
use super::files::{Layout, PartFile};
use super::state::{Folder, PartRecord};
use crate::arguments::{ExportArguments, ExportFormat};

/// Rows of a pixel, if not said otherwise: what `hats-import` takes too.
const PIXEL_ROWS: u64 = 1_000_000;

/// Width of the margin, if not said otherwise: wider than what catalogs are usually matched within.
const MARGIN_ARCSEC: f64 = 10.0;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Request {
    /// The catalog's name.
    name: String,
    /// The columns of the position, if they were named.
    position: Option<[String; 2]>,
    /// 0: no margin.
    margin_arcsec: f64,
    pixel_rows: u64,
}

/// A catalog, or the margin of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rows,
    Margin,
}

impl Request {
    /// What the command line asks for, if it asks for a catalog.
    ///
    /// # Errors
    /// `Invalid` for options that do not fit.
    pub(super) fn of(arguments: &ExportArguments) -> Result<Option<Self>> {
        let ExportArguments { name, position, margin_arcsec, pixel_rows, .. } = arguments;
        if arguments.format != ExportFormat::Hats {
            let is_asked = name.is_some() || position.is_some() || margin_arcsec.is_some() || pixel_rows.is_some();
            let error = "--name, --position, --margin-arcsec and --pixel-rows go with --format hats";
            return if is_asked { Err(Error::invalid(error)) } else { Ok(None) };
        }
        let table = arguments.table.as_ref().map(|table| table.table.clone());
        let name = name.clone().or(table).unwrap_or_else(|| "catalog".to_owned());
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
            return Err(Error::invalid(
                "the name of a catalog has letters, digits, `_`, `-` and `.`; give one with --name",
            )
            .with("name", name));
        }
        let margin_arcsec = margin_arcsec.unwrap_or(MARGIN_ARCSEC);
        let pixel_rows = pixel_rows.map_or(PIXEL_ROWS, std::num::NonZeroU64::get);
        let request = Self { name, position: position.clone(), margin_arcsec, pixel_rows };
        request.margin_order().map(|_| Some(request))
    }

    /// The order of the cells of the margin, if there is to be one.
    fn margin_order(&self) -> Result<Option<u8>> {
        if !(self.margin_arcsec >= 0.0 && self.margin_arcsec.is_finite()) {
            return Err(Error::invalid("the width of the margin is 0 or more arc seconds"));
        }
        if self.margin_arcsec == 0.0 {
            return Ok(None);
        }
        let order = pixels::margin_order(Angle::from_arcsec(self.margin_arcsec));
        order.map(Some).ok_or_else(|| Error::invalid("the margin is too wide").with("arc seconds", self.margin_arcsec))
    }

    /// The columns of the position.
    ///
    /// # Errors
    /// `Invalid` if the answer has none, or already what a catalog adds to it.
    pub(super) fn position(&self, schema: &Schema) -> Result<Position> {
        staging::with_cell(schema)?;
        Position::of(schema, self.position.as_ref())
    }

    /// Name of the folder of the catalog, or of its margin.
    fn folder(&self, kind: Kind) -> String {
        match kind {
            Kind::Rows => self.name.clone(),
            Kind::Margin => format!("{}_{}arcs", self.name, self.margin_arcsec),
        }
    }
}

/// The files of a whole catalog.
pub(super) struct Built {
    pub(super) rows: Vec<PartRecord>,
    pub(super) margin: Vec<PartRecord>,
}

/// One file that is to be written.
struct Task {
    kind: Kind,
    pixel: Pixel,
    /// How many rows it must get, if that is known.
    rows: Option<u64>,
}

/// What all files are made of.
struct Source {
    request: Request,
    folder: Folder,
    schema: SchemaRef,
    files: Vec<StagedFile>,
    margin_order: Option<u8>,
}

/// Makes the catalog of all parts' rows. What an earlier run has written stays.
///
/// # Errors
/// `Invalid` if there are no rows; `Data` if files do not have the rows that they must; those of writing.
pub(super) async fn build(
    request: &Request,
    folder: &Folder,
    schema: &Schema,
    parts: &[PartRecord],
    bar: &ProgressBar,
) -> Result<Built> {
    let position = request.position(schema)?;
    let margin_order = request.margin_order()?;
    let files: Vec<StagedFile> = parts
        .iter()
        .map(|part| StagedFile { path: folder.place(&part.file), runs: part.runs.clone().unwrap_or_default() })
        .collect();
    let mut counts = std::collections::BTreeMap::new();
    for (cell, rows) in files.iter().flat_map(|file| &file.runs.counts) {
        *counts.entry(*cell).or_default() += rows;
    }
    let found = pixels::pixels(&counts, request.pixel_rows, margin_order.unwrap_or(COUNTED_ORDER));
    if found.is_empty() {
        return Err(Error::invalid("the answer has no rows, and a HATS catalog needs some"));
    }
    let own: Vec<Pixel> = found.iter().map(|(pixel, _)| *pixel).collect();
    let mut tasks: Vec<Task> =
        found.iter().map(|(pixel, rows)| Task { kind: Kind::Rows, pixel: *pixel, rows: Some(*rows) }).collect();
    if margin_order.is_some() {
        let around = own.iter().copied().chain(pixels::rest(&own));
        tasks.extend(around.map(|pixel| Task { kind: Kind::Margin, pixel, rows: None }));
    }
    bar.reset();
    bar.set_length(tasks.len() as u64);
    let schema = staging::with_cell(schema)?;
    let source = Source { request: request.clone(), folder: folder.clone(), schema, files, margin_order };
    let source = Arc::new(source);
    let written = write_all(&source, tasks, bar).await?;

    let of = |kind: Kind| written.iter().filter(move |(task, record)| task.kind == kind && record.rows > 0);
    let place = |kind: Kind| folder.place(&request.folder(kind));
    let described = |kind: Kind, word: &str| Properties::catalog(&request.folder(kind), word, &position.names);
    let pixels_of = |kind: Kind| of(kind).map(|(task, record)| (task.pixel, record.rows)).collect::<Vec<_>>();
    catalog::write(&place(Kind::Rows), &source.schema, &pixels_of(Kind::Rows), described(Kind::Rows, "object"))?;
    let margin = pixels_of(Kind::Margin);
    if !margin.is_empty() {
        let properties = described(Kind::Margin, "margin")
            .and("hats_primary_table_url", &request.name)
            .and("hats_margin_threshold", request.margin_arcsec);
        catalog::write(&place(Kind::Margin), &source.schema, &margin, properties)?;
    }
    let margin = (!margin.is_empty()).then(|| request.folder(Kind::Margin));
    let collection = Properties::collection(&request.name, &request.folder(Kind::Rows), margin.as_deref());
    collection.write(&folder.place("collection.properties"))?;
    let (mut rows, mut margin) = (Vec::new(), Vec::new());
    for (task, record) in written {
        match task.kind {
            _ if record.rows == 0 => {}
            Kind::Rows => rows.push(record),
            Kind::Margin => margin.push(record),
        }
    }
    Ok(Built { rows, margin })
}

/// Writes the files, as many at once as there are processors; their records in the order of the tasks.
async fn write_all(source: &Arc<Source>, tasks: Vec<Task>, bar: &ProgressBar) -> Result<Vec<(Task, PartRecord)>> {
    let most = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let mut running: JoinSet<Result<(usize, Task, PartRecord)>> = JoinSet::new();
    let mut written = Vec::new();
    let mut tasks = tasks.into_iter().enumerate();
    loop {
        for (number, task) in tasks.by_ref().take(most.saturating_sub(running.len())) {
            let source = Arc::clone(source);
            running.spawn_blocking(move || source.file(&task).map(|record| (number, task, record)));
        }
        let Some(ended) = running.join_next().await else { break };
        written.push(ended.map_err(|error| Error::internal("a file was not written").caused_by(error))??);
        bar.inc(1);
    }
    written.sort_by_key(|(number, ..)| *number);
    Ok(written.into_iter().map(|(_, task, record)| (task, record)).collect())
}

impl Source {
    /// Writes one file, unless it is there.
    fn file(&self, task: &Task) -> Result<PartRecord> {
        let Pixel { order, cell } = task.pixel;
        let name = record_name(task.kind, task.pixel);
        if let Some(record) = self.folder.kept(&name)? {
            return Ok(record);
        }
        let place = format!("{}/{DATASET}/{}", self.request.folder(task.kind), task.pixel.path());
        let path = self.folder.place(&place);
        let ranges = match (task.kind, self.margin_order) {
            (Kind::Margin, Some(margin)) => pixels::border(task.pixel, margin),
            _ => vec![task.pixel.range()],
        };
        let mut merge = Merge::of(&self.files, &self.schema, &ranges)?;
        let mut file: Option<PartFile> = None;
        while let Some(rows) = merge.rows()? {
            let file = match &mut file {
                Some(file) => file,
                None => file.insert(PartFile::create(temporary(&path)?, Layout::Parquet, &self.schema)?),
            };
            file.write(&rows)?;
        }
        let record = match file {
            Some(file) => PartRecord { file: place, ..file.finish(&path)? },
            None => PartRecord::default(),
        };
        if task.rows.is_some_and(|rows| rows != record.rows) {
            return Err(Error::data("a pixel does not have all of its rows")
                .with("order", order)
                .with("pixel", cell)
                .with("rows", record.rows));
        }
        self.folder.keep_as(&name, &record)?;
        Ok(record)
    }
}

/// The name of a pixel's record.
fn record_name(kind: Kind, Pixel { order, cell }: Pixel) -> String {
    let word = if kind == Kind::Rows { "pixel" } else { "margin" };
    format!(".{word}-{order}-{cell}.json")
}

/// Where a file is written before it is whole.
fn temporary(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(crate::terminal::output_error)?;
    Ok(folder.join(format!(".{name}.unfinished")))
}
