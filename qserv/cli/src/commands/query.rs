//! `qserv query`: asks one query over `/tap/sync` and shows the answer.

use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::time::Instant;

use futures::{StreamExt, TryStreamExt};
use qserv_core::{Error, ErrorKind, Result};
use reqwest::header::CONTENT_TYPE;
use tokio_util::io::StreamReader;

use super::asking::{http_client, no_server};
use crate::answer::{Column, RowSink, Summary, json::JsonSink, table::TableSink, votable};
use crate::arguments::{AnswerFormat, QueryArguments};
use crate::settings::Settings;
use crate::terminal::{counted, output_error};

/// Longest query text that is read from standard input: the server refuses far shorter ones.
const MAX_QUERY_BYTES: u64 = 16 << 20;

/// Most of a reason that is shown.
const MAX_REASON_CHARACTERS: usize = 1000;

/// Asks and shows. The answer goes to standard output, everything about it to standard error.
///
/// # Errors
/// The server's, with the kind that its HTTP status stands for; `Unavailable` if there is no server.
pub async fn run(arguments: &QueryArguments, settings: &Settings) -> Result<()> {
    let on_terminal = io::stdout().is_terminal();
    let format = arguments.format.unwrap_or(if on_terminal { AnswerFormat::Table } else { AnswerFormat::Csv });
    let text = if arguments.adql == "-" { read_query(io::stdin())? } else { arguments.adql.clone() };

    let asked = Instant::now();
    let response = ask(settings, &text, format, arguments).await?;
    let mut output = BufWriter::new(io::stdout());
    let summary = match format {
        _ if arguments.explain => show(response, &mut PlanSink::new(&mut output)).await?,
        AnswerFormat::Table => show(response, &mut TableSink::new(&mut output)).await?,
        AnswerFormat::Json => show(response, &mut JsonSink::new(&mut output)).await?,
        AnswerFormat::Csv | AnswerFormat::Tsv | AnswerFormat::Votable => return pass(response, &mut output).await,
    };
    for warning in &summary.warnings {
        eprintln!("warning: {warning}");
    }
    if summary.overflow {
        eprintln!("warning: the answer was cut after {}", counted(summary.rows, "row"));
    }
    if on_terminal && !arguments.explain {
        eprintln!("{} in {:.0?}", counted(summary.rows, "row"), asked.elapsed());
    }
    Ok(())
}

fn read_query(input: impl Read) -> Result<String> {
    let mut text = String::new();
    input
        .take(MAX_QUERY_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| Error::invalid("the query on standard input is not UTF-8 text").caused_by(error))?;
    Ok(text)
}

/// What `/tap/sync` calls the format that the output is made from.
fn wire_format(format: AnswerFormat, explain: bool) -> &'static str {
    match format {
        _ if explain => "votable/td",
        AnswerFormat::Table | AnswerFormat::Json => "votable/td",
        AnswerFormat::Csv => "csv",
        AnswerFormat::Tsv => "tsv",
        AnswerFormat::Votable => "votable",
    }
}

async fn ask(
    settings: &Settings,
    text: &str,
    format: AnswerFormat,
    arguments: &QueryArguments,
) -> Result<reqwest::Response> {
    let server = &settings.client.server;
    let url = format!("{}/tap/sync", server.trim_end_matches('/'));
    // EXPLAIN is part of the text, so that every TAP client can ask for a plan.
    let text = if arguments.explain { format!("EXPLAIN {text}") } else { text.to_owned() };
    let mut form = vec![
        ("REQUEST", "doQuery".to_owned()),
        ("LANG", "ADQL".to_owned()),
        ("RESPONSEFORMAT", wire_format(format, arguments.explain).to_owned()),
        ("QUERY", text),
    ];
    if let Some(max_rows) = arguments.max_rows {
        form.push(("MAXREC", max_rows.to_string()));
    }
    let response =
        http_client(settings)?.post(url).form(&form).send().await.map_err(|error| no_server(server, error))?;
    if response.status().is_success() { Ok(response) } else { Err(refusal(response).await) }
}

/// The error that a response with an error status tells of.
async fn refusal(response: reqwest::Response) -> Error {
    let status = response.status();
    let kind = match status.as_u16() {
        404 => ErrorKind::NotFound,
        401 | 403 => ErrorKind::Denied,
        409 => ErrorKind::Conflict,
        413 | 429 => ErrorKind::Limit,
        502..=504 => ErrorKind::Unavailable,
        500..=599 => ErrorKind::Internal,
        _ => ErrorKind::Invalid,
    };
    let is_text = response.headers().get(CONTENT_TYPE).is_some_and(|form| form.as_bytes().starts_with(b"text/plain"));
    if is_text {
        let words = response.text().await.unwrap_or_default();
        return Error::new(kind, words.trim().chars().take(MAX_REASON_CHARACTERS).collect::<String>());
    }
    match votable::read_error(body(response)).await {
        Ok(words) => Error::new(kind, words),
        Err(_) => {
            Error::new(kind, "the server refused the query without a reason that can be read").with("status", status)
        }
    }
}

fn body(response: reqwest::Response) -> impl tokio::io::AsyncRead + Unpin {
    StreamReader::new(response.bytes_stream().map_err(io::Error::other).boxed())
}

async fn show(response: reqwest::Response, sink: &mut impl RowSink) -> Result<Summary> {
    votable::read(body(response), sink).await
}

/// Hands the bytes on as they arrive.
async fn pass(response: reqwest::Response, output: &mut impl Write) -> Result<()> {
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk
            .map_err(|error| Error::data("the answer broke off: what was written is not whole").caused_by(error))?;
        output.write_all(&chunk).map_err(output_error)?;
    }
    output.flush().map_err(output_error)
}

/// Writes a plan: the one column of its rows, as lines.
struct PlanSink<W>(W);

impl<W> PlanSink<W> {
    fn new(output: W) -> Self {
        Self(output)
    }
}

impl<W: Write> RowSink for PlanSink<W> {
    fn start(&mut self, _: &[Column]) -> io::Result<()> {
        Ok(())
    }

    fn row(&mut self, cells: Vec<Option<String>>) -> io::Result<()> {
        cells.into_iter().flatten().try_for_each(|line| writeln!(self.0, "{line}"))
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
