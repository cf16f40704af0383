//! `qserv load`: files into a table of a server, in one transaction.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::asking::http_client;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use qserv_core::catalog::TransactionId;
use qserv_core::{Error, ErrorKind, Result};
use qserv_ingest::{Client, CommitReport, ContributionReport, LoadFile, Loading, Progress};
use qserv_loaders::{BinaryText, Format, FormatOptions, Input};

use crate::arguments::{BinaryFormat, FileFormat, LoadArguments};
use crate::settings::Settings;
use crate::terminal::{counted, grouped, output_error};

/// Loads all files or none.
///
/// # Errors
/// `NotFound` for a file that cannot be read, `Invalid` for options that do not fit, and the server's.
pub async fn run(arguments: &LoadArguments, settings: &Settings) -> Result<()> {
    // Everything that can be wrong here is, before the first byte is sent.
    let mut files = Vec::new();
    for path in &arguments.files {
        files.push(SourceFile::open(path, arguments)?);
    }
    let client = Client::new(&settings.client.server, http_client(settings)?)?;
    let began = Instant::now();
    let bar = Bar::new(&files);
    let transaction = client.begin(&arguments.table.database).await?;
    let loaded = tokio::select! {
        loaded = load_all(&client, transaction, &arguments.table.table, files, &bar) => loaded,
        () = super::serve::stopped() => Err(Error::new(ErrorKind::Cancelled, "the load was interrupted; nothing of it is visible")),
    };
    bar.finish();
    let (parts, report) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            // After most errors the server has given it up already.
            if let Err(second) = client.abort(transaction).await {
                tracing::debug!(error = %second.to_log(), "the transaction was not aborted from here");
            }
            return Err(error);
        }
    };
    tell(arguments, &parts, &report, began.elapsed())
}

async fn load_all(
    client: &Client,
    transaction: TransactionId,
    table: &str,
    files: Vec<SourceFile>,
    bar: &Bar,
) -> Result<(Vec<ContributionReport>, CommitReport)> {
    let mut parts = Vec::new();
    for file in files {
        let progress = bar.next_file(&file);
        let file = LoadFile { table: table.to_owned(), input: file.input, options: file.options };
        let report = client.contribute(transaction, file, &progress).await?;
        bar.end_file(&report);
        parts.push(report);
    }
    bar.commit();
    Ok((parts, client.commit(transaction).await?))
}

fn tell(arguments: &LoadArguments, parts: &[ContributionReport], report: &CommitReport, took: Duration) -> Result<()> {
    let rows = report.rows();
    let rate = grouped((rows as f64 / took.as_secs_f64().max(1e-3)) as u64);
    let seconds = took.as_secs_f64();
    let mut output = io::stdout();
    writeln!(output, "loaded {} into {} in {seconds:.1} s ({rate} rows/s)", counted(rows, "row"), arguments.table)
        .map_err(output_error)?;
    let orphans: u64 = report.tables.iter().map(|table| table.orphans).sum();
    if orphans > 0 {
        eprintln!("note: {} without a director, kept by their own position", counted(orphans, "row"));
    }
    for part in parts.iter().filter(|part| part.bad_rows > 0) {
        eprintln!("warning: {} skipped in {}", counted(part.bad_rows, "bad row"), part.source);
        for sample in &part.bad_row_samples {
            eprintln!("  {sample}");
        }
    }
    Ok(())
}

/// A file that can be read, with all that is known of it.
struct SourceFile {
    name: String,
    input: Input,
    options: FormatOptions,
    length: u64,
    rows: RowsSoFar,
}

/// How to tell, on this side, how many rows have been sent.
#[derive(Clone)]
enum RowsSoFar {
    /// Lines of plain text.
    Lines(Arc<AtomicU64>),
    /// All rows of a Parquet file, of which a part has gone.
    Of(u64),
    /// Compressed text: not before the file has ended.
    Unknown,
}

impl SourceFile {
    fn open(path: &Path, arguments: &LoadArguments) -> Result<Self> {
        let name = path.display().to_string();
        let options = format_options(&name, arguments)?;
        let cannot = |error: io::Error| {
            let missing = error.kind() == io::ErrorKind::NotFound;
            let message = if missing { "there is no such file" } else { "the file cannot be read" };
            Error::not_found(message).with("file", &name).caused_by(error)
        };
        let file = File::open(path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        if metadata.is_dir() {
            return Err(Error::invalid("this is a folder; name the files in it").with("file", &name));
        }
        let rows = match options.format {
            Format::Parquet => RowsSoFar::Of(parquet_rows(&file, &name)?),
            Format::Csv | Format::Tsv if is_compressed(path) => RowsSoFar::Unknown,
            Format::Csv | Format::Tsv => RowsSoFar::Lines(Arc::default()),
        };
        let input = match &rows {
            RowsSoFar::Lines(lines) => {
                let reader = Box::new(CountLines { file, lines: Arc::clone(lines) });
                Input::Stream { name: name.clone(), reader }
            }
            RowsSoFar::Of(_) | RowsSoFar::Unknown => Input::File(PathBuf::from(path)),
        };
        Ok(Self { name, input, options, length: metadata.len(), rows })
    }
}

fn format_options(name: &str, arguments: &LoadArguments) -> Result<FormatOptions> {
    let format = match arguments.format {
        Some(FileFormat::Csv) => Format::Csv,
        Some(FileFormat::Tsv) => Format::Tsv,
        Some(FileFormat::Parquet) => Format::Parquet,
        None => Format::of_file_name(name).ok_or_else(|| {
            Error::invalid("the file's name does not tell its format; give --format csv, tsv or parquet")
                .with("file", name)
        })?,
    };
    let header = match (arguments.header, arguments.no_header) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let options = FormatOptions {
        null: arguments.null.clone(),
        delimiter: arguments.delimiter,
        header,
        columns: (!arguments.columns.is_empty()).then(|| arguments.columns.clone()),
        binary: arguments.binary.map(|binary| match binary {
            BinaryFormat::Hex => BinaryText::Hexadecimal,
            BinaryFormat::Raw => BinaryText::Raw,
        }),
        ignore_unknown_columns: arguments.ignore_unknown_columns,
        max_bad_rows: arguments.max_bad_rows,
        ..FormatOptions::of(format)
    };
    options.check()?;
    Ok(options)
}

fn is_compressed(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["gz", "zst", "zstd"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

fn parquet_rows(file: &File, name: &str) -> Result<u64> {
    let damaged = |error: &dyn std::fmt::Display| {
        Error::data("the file is no Parquet file").with("file", name).caused_by(error.to_string())
    };
    let file = file.try_clone().map_err(|error| damaged(&error))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(&error))?;
    Ok(u64::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or(0))
}

/// Counts line ends on their way.
struct CountLines {
    file: File,
    lines: Arc<AtomicU64>,
}

impl Read for CountLines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        let lines = memchr::memchr_iter(b'\n', buffer.get(..count).unwrap_or_default()).count();
        self.lines.fetch_add(lines as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The bar on a terminal; elsewhere nothing.
struct Bar {
    bar: ProgressBar,
    began: Instant,
    /// Bytes and rows of the files before the one that is being sent.
    bytes_before: AtomicU64,
    rows_before: Arc<AtomicU64>,
}

impl Bar {
    fn new(files: &[SourceFile]) -> Self {
        let target =
            if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(files.iter().map(|file| file.length).sum()), target);
        if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {bytes} of {total_bytes}  {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, began: Instant::now(), bytes_before: AtomicU64::new(0), rows_before: Arc::default() }
    }

    fn next_file(&self, file: &SourceFile) -> Progress {
        self.bar.set_prefix(file.name.clone());
        let (bar, began, rows, length) = (self.bar.clone(), self.began, file.rows.clone(), file.length);
        let (bytes_before, rows_before) = (self.bytes_before.load(Ordering::Relaxed), Arc::clone(&self.rows_before));
        self.bytes_before.fetch_add(file.length, Ordering::Relaxed);
        Progress::new(move |step| {
            if step.bytes_read == 0 {
                return;
            }
            bar.set_position(bytes_before + step.bytes_read);
            let sent = match &rows {
                RowsSoFar::Lines(lines) => Some(lines.load(Ordering::Relaxed)),
                RowsSoFar::Of(all) => Some((*all as f64 * step.bytes_read as f64 / length.max(1) as f64) as u64),
                RowsSoFar::Unknown => None,
            };
            let rows = rows_before.load(Ordering::Relaxed) + sent.unwrap_or(0);
            if sent.is_some() || rows > 0 {
                bar.set_message(rate(rows, began));
            }
        })
    }

    fn end_file(&self, report: &ContributionReport) {
        let rows = self.rows_before.fetch_add(report.rows, Ordering::Relaxed) + report.rows;
        self.bar.set_message(rate(rows, self.began));
    }

    fn commit(&self) {
        self.bar.set_prefix("committing");
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

pub(super) fn rate(rows: u64, began: Instant) -> String {
    let per_second = rows as f64 / began.elapsed().as_secs_f64().max(1e-3);
    format!("{}  {} rows/s", counted(rows, "row"), grouped(per_second as u64))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn arguments(line: &[&str]) -> LoadArguments {
        let line = ["qserv", "load", "d.t"].iter().chain(line);
        let Command::Load(load) = Arguments::try_parse_from(line).unwrap().command else { unreachable!() };
        load
    }

    #[test]
    fn options_become_format_options() {
        let options = |line: &[&str]| format_options(line[0], &arguments(line));
        let csv = options(&["Object.csv.gz"]).unwrap();
        assert_eq!((csv.format, csv.header, csv.null.as_str()), (Format::Csv, None, "\\N"));
        let tsv = options(&["Object.tsv", "--header", "--delimiter", "|", "--max-bad-rows", "3"]).unwrap();
        assert_eq!((tsv.format, tsv.header, tsv.delimiter, tsv.max_bad_rows), (Format::Tsv, Some(true), Some('|'), 3));
        let named = options(&["x", "--format", "csv", "--columns", "a,b", "--no-header", "--null", "NaN"]).unwrap();
        assert_eq!(named.columns, Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(options(&["x.dat"]).unwrap_err().kind(), ErrorKind::Invalid);
        assert!(options(&["x.csv", "--null", "a,b"]).is_err());
    }

    #[test]
    fn files_are_looked_at_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none.csv");
        let missing = missing.to_str().unwrap();
        let open = |path: &str| SourceFile::open(Path::new(path), &arguments(&[path, "--format", "csv"]));
        assert_eq!(open(missing).err().unwrap().kind(), ErrorKind::NotFound);
        assert_eq!(open(folder.path().to_str().unwrap()).err().unwrap().kind(), ErrorKind::Invalid);

        let text = folder.path().join("a.csv");
        std::fs::write(&text, "id\n1\n2\n").unwrap();
        let mut file = open(text.to_str().unwrap()).unwrap();
        let Input::Stream { reader, .. } = &mut file.input else { unreachable!() };
        io::copy(reader, &mut io::sink()).unwrap();
        assert!(matches!(file.rows, RowsSoFar::Lines(lines) if lines.load(Ordering::Relaxed) == 3));
    }
}
