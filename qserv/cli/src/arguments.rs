//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::settings::Override;

/// A sky-sharded database for astronomical catalogs, asked in ADQL over TAP.
#[derive(Debug, Parser)]
#[command(name = "qserv", version, about, max_term_width = 100, propagate_version = true)]
pub struct Arguments {
    /// Settings file (TOML); see qserv.example.toml for every key
    #[arg(long, global = true, value_name = "FILE", env = "QSERV_CONFIG")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a sample sky, load it and serve it
    Demo(DemoArguments),
    /// Serve from one process that holds a czar and workers
    Up(UpArguments),
    /// Serve as the czar of a cluster
    Czar(CzarArguments),
    /// Serve as a worker of a cluster
    Worker(WorkerArguments),
    /// Create, list, describe or drop databases
    #[command(subcommand)]
    Database(DatabaseCommand),
    /// Load files into a table, in one transaction
    Load(LoadArguments),
    /// Write all rows of a table or of a query to files, from all workers at once
    Export(ExportArguments),
    /// Ask a query in ADQL
    Query(QueryArguments),
    /// Work on ADQL text without a server
    #[command(subcommand)]
    Adql(AdqlCommand),
}

/// `qserv demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Number of objects [setting: demo.objects]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=crate::demo::sky::MAX_OBJECTS))]
    pub objects: Option<u64>,
    /// Folder of everything [setting: demo.data_dir]
    #[arg(long, value_name = "D")]
    pub data_dir: Option<PathBuf>,
    /// Address and port of HTTP [setting: czar.listen]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Address and port of Arrow Flight SQL [setting: flight.listen]
    #[arg(long, value_name = "ADDR")]
    pub flight_listen: Option<String>,
}

/// `qserv up`.
#[derive(Debug, Args)]
pub struct UpArguments {
    /// Folder of everything [setting: up.data_dir]
    #[arg(long, value_name = "D")]
    pub data_dir: Option<PathBuf>,
    /// Number of workers [setting: up.workers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub workers: Option<u64>,
    /// Address and port of HTTP [setting: czar.listen]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Address and port of Arrow Flight SQL [setting: flight.listen]
    #[arg(long, value_name = "ADDR")]
    pub flight_listen: Option<String>,
}

/// `qserv czar`.
#[derive(Debug, Args)]
pub struct CzarArguments {
    /// Address and port of HTTP [setting: czar.listen]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Address and port of Arrow Flight SQL [setting: flight.listen]
    #[arg(long, value_name = "ADDR")]
    pub flight_listen: Option<String>,
    /// The catalog in SQL, sqlite:PATH or postgres://... [setting: czar.catalog_url]
    #[arg(long, value_name = "URL")]
    pub catalog_url: Option<String>,
    /// Folder of the catalog and of results [setting: czar.data_dir]
    #[arg(long, value_name = "D")]
    pub data_dir: Option<PathBuf>,
    /// On how many workers each chunk is stored [setting: ingest.replication]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub replication: Option<u64>,
}

/// `qserv worker`.
#[derive(Debug, Args)]
pub struct WorkerArguments {
    /// Its name in the cluster [setting: worker.id]
    #[arg(long, value_name = "NAME")]
    pub id: Option<String>,
    /// Address and port of plans and segments [setting: worker.listen]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Address under which others reach it [setting: worker.advertise_url]
    #[arg(long, value_name = "URL")]
    pub advertise_url: Option<String>,
    /// The czar to register with [setting: worker.czar_url]
    #[arg(long, value_name = "URL")]
    pub czar_url: Option<String>,
    /// Folder of the segments [setting: worker.data_dir]
    #[arg(long, value_name = "D")]
    pub data_dir: Option<PathBuf>,
}

/// `qserv database`.
#[derive(Debug, Subcommand)]
pub enum DatabaseCommand {
    /// Declare a database
    Create(CreateArguments),
    /// Names, sizes and partitions of all databases
    List {
        #[command(flatten)]
        #[allow(missing_docs, reason = "documented at its type")]
        server: ServerArgument,
    },
    /// Tables and columns of a database
    Describe {
        /// The database
        name: String,
        #[command(flatten)]
        #[allow(missing_docs, reason = "documented at its type")]
        server: ServerArgument,
    },
    /// Replace the example queries of a database
    Examples(ExamplesArguments),
    /// Remove a database and all its rows
    Drop {
        /// The database
        name: String,
        #[command(flatten)]
        #[allow(missing_docs, reason = "documented at its type")]
        server: ServerArgument,
    },
}

/// `qserv database create`.
#[derive(Debug, Args)]
pub struct CreateArguments {
    /// The database
    pub name: String,
    /// Tables and columns: a Felis YAML file, or a Parquet file whose schema declares one table of the file's name; may be
    /// given several times
    #[arg(long, value_name = "FILE", required = true)]
    pub schema: Vec<PathBuf>,
    /// How the tables are spread over the sky (TOML)
    #[arg(long, value_name = "FILE")]
    pub layout: PathBuf,
    /// Example queries for those who see the database for the first time (TOML)
    #[arg(long, value_name = "FILE")]
    pub examples: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub server: ServerArgument,
}

/// `qserv database examples`.
#[derive(Debug, Args)]
pub struct ExamplesArguments {
    /// The database
    pub name: String,
    /// The examples (TOML); a file without any removes those that are there
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub server: ServerArgument,
}

/// Formats of files to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FileFormat {
    /// Comma-separated with the quoting of RFC 4180, also compressed with gzip or zstd
    Csv,
    /// Tab-separated with backslash escapes as MySQL dumps it, also compressed with gzip or zstd
    Tsv,
    /// Parquet
    Parquet,
}

/// How text files write binary columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BinaryFormat {
    /// Hexadecimal digits
    Hex,
    /// The bytes, escaped
    Raw,
}

/// `qserv load`.
#[derive(Debug, Args)]
pub struct LoadArguments {
    /// The table, with its database: DB.TABLE
    #[arg(value_name = "DB.TABLE", value_parser = parse_table)]
    pub table: TableName,
    /// The files, read in this order
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Their format; left out: told by their names
    #[arg(long)]
    pub format: Option<FileFormat>,
    /// The unquoted text that stands for NULL
    #[arg(long, value_name = "TEXT", default_value = "\\N")]
    pub null: String,
    /// The first line names the columns [the custom of csv]
    #[arg(long, conflicts_with = "no_header")]
    pub header: bool,
    /// The first line holds values; columns are in declared order [the custom of tsv]
    #[arg(long)]
    pub no_header: bool,
    /// The columns of a file without header in their order, with commas between
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "header")]
    pub columns: Vec<String>,
    /// Leave out columns of the file that the table does not have, instead of refusing the file
    #[arg(long)]
    pub ignore_unknown_columns: bool,
    /// How binary columns are written; left out: hex in csv, raw in tsv
    #[arg(long)]
    pub binary: Option<BinaryFormat>,
    /// One character between fields, where it is not the format's own; `\t` is a tab
    #[arg(long, value_name = "C", value_parser = parse_delimiter)]
    pub delimiter: Option<char>,
    /// Skip and count up to this many bad rows; one more ends the load
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_bad_rows: u64,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub server: ServerArgument,
}

/// A table with its database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// The database.
    pub database: String,
    /// The table in it.
    pub table: String,
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

/// Formats of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AnswerFormat {
    /// Aligned for the eye; the default on a terminal
    Table,
    /// Comma-separated with a header; the default in a pipe
    Csv,
    /// Tab-separated with a header
    Tsv,
    /// VOTable as the server sends it
    Votable,
    /// An array of objects, one a row
    Json,
}

/// `qserv query`.
#[derive(Debug, Args)]
pub struct QueryArguments {
    /// The query in ADQL; `-` reads it from standard input
    pub adql: String,
    /// Format of the answer; left out: table on a terminal, csv in a pipe
    #[arg(long)]
    pub format: Option<AnswerFormat>,
    /// At most this many rows
    #[arg(long, value_name = "N")]
    pub max_rows: Option<u64>,
    /// Show the plan, with the chunks it touches, instead of rows
    #[arg(long)]
    pub explain: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub server: ServerArgument,
}

/// Formats of exported files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// Parquet, compressed with zstd
    Parquet,
    /// Arrow's file format
    Arrow,
    /// Comma-separated with a header
    Csv,
    /// A HATS catalog, sorted by position, with its margin beside it
    Hats,
}

impl ExportFormat {
    /// How the names of the parts' files end; those of a catalog are made of them.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Arrow | Self::Hats => "arrow",
            Self::Csv => "csv",
        }
    }
}

/// `qserv export`.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The table, with its database: DB.TABLE
    #[arg(value_name = "DB.TABLE", value_parser = parse_table, required_unless_present = "query", conflicts_with = "query")]
    pub table: Option<TableName>,
    /// A query in ADQL, instead of a table
    #[arg(long, value_name = "ADQL")]
    pub query: Option<String>,
    /// The folder of the files; one that holds the beginning of the same export is gone on with
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Format of the files
    #[arg(long, default_value = "parquet")]
    pub format: ExportFormat,
    /// Parts that are read at once
    #[arg(long, value_name = "N", default_value = "8")]
    pub parallel: std::num::NonZeroUsize,
    /// HATS: the name of the catalog [that of the table]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// HATS: the columns of right ascension and declination, in degrees [those that their UCDs declare to be]
    #[arg(long, value_name = "RA,DEC", value_parser = parse_position)]
    pub position: Option<[String; 2]>,
    /// HATS: how far around its pixel each file of the margin reaches, in arc seconds; 0: no margin; left out: 10
    #[arg(long, value_name = "N")]
    pub margin_arcsec: Option<f64>,
    /// HATS: most rows of a pixel, which is one file; left out: 1000000
    #[arg(long, value_name = "N")]
    pub pixel_rows: Option<std::num::NonZeroU64>,
    /// The czar's address of Arrow Flight SQL [setting: client.flight]
    #[arg(long, value_name = "URL")]
    pub flight: Option<String>,
    /// The authorities (PEM) whose certificates are believed [setting: tls.authorities]
    #[arg(long, value_name = "FILE")]
    pub authorities: Option<PathBuf>,
}

/// `qserv adql`.
#[derive(Debug, Subcommand)]
pub enum AdqlCommand {
    /// Check queries on standard input, separated by a line `;;`; one JSON line each
    Check {
        /// Declare a function, for example 'name(x DOUBLE) -> BIGINT'
        #[arg(long, value_name = "SIGNATURE")]
        udf: Vec<String>,
    },
    /// Lay out queries on standard input, separated by a line `;;`; comments are not kept
    Format,
}

/// Which server to ask.
#[derive(Debug, Args)]
pub struct ServerArgument {
    /// The czar's address [setting: client.server]
    #[arg(long = "server", value_name = "URL")]
    pub url: Option<String>,
    /// The authorities (PEM) whose certificates are believed [setting: tls.authorities]
    #[arg(long, value_name = "FILE")]
    pub authorities: Option<PathBuf>,
}

impl Arguments {
    /// The settings that options of the command line give.
    #[must_use]
    pub fn overrides(&self) -> Vec<Override> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let overrides = match &self.command {
            Command::Demo(demo) => vec![
                Override::given("--objects", "demo.objects", demo.objects),
                Override::given("--data-dir", "demo.data_dir", path(&demo.data_dir)),
                Override::given("--listen", "czar.listen", demo.listen.clone()),
                Override::given("--flight-listen", "flight.listen", demo.flight_listen.clone()),
            ],
            Command::Up(up) => vec![
                Override::given("--data-dir", "up.data_dir", path(&up.data_dir)),
                Override::given("--workers", "up.workers", up.workers),
                Override::given("--listen", "czar.listen", up.listen.clone()),
                Override::given("--flight-listen", "flight.listen", up.flight_listen.clone()),
            ],
            Command::Czar(czar) => vec![
                Override::given("--listen", "czar.listen", czar.listen.clone()),
                Override::given("--flight-listen", "flight.listen", czar.flight_listen.clone()),
                Override::given("--catalog-url", "czar.catalog_url", czar.catalog_url.clone()),
                Override::given("--data-dir", "czar.data_dir", path(&czar.data_dir)),
                Override::given("--replication", "ingest.replication", czar.replication),
            ],
            Command::Worker(worker) => vec![
                Override::given("--id", "worker.id", worker.id.clone()),
                Override::given("--listen", "worker.listen", worker.listen.clone()),
                Override::given("--advertise-url", "worker.advertise_url", worker.advertise_url.clone()),
                Override::given("--czar-url", "worker.czar_url", worker.czar_url.clone()),
                Override::given("--data-dir", "worker.data_dir", path(&worker.data_dir)),
            ],
            Command::Database(
                DatabaseCommand::Create(CreateArguments { server, .. })
                | DatabaseCommand::Examples(ExamplesArguments { server, .. })
                | DatabaseCommand::List { server }
                | DatabaseCommand::Describe { server, .. }
                | DatabaseCommand::Drop { server, .. },
            )
            | Command::Load(LoadArguments { server, .. })
            | Command::Query(QueryArguments { server, .. }) => {
                vec![
                    Override::given("--server", "client.server", server.url.clone()),
                    Override::given("--authorities", "tls.authorities", path(&server.authorities)),
                ]
            }
            Command::Export(export) => {
                vec![
                    Override::given("--flight", "client.flight", export.flight.clone()),
                    Override::given("--authorities", "tls.authorities", path(&export.authorities)),
                ]
            }
            Command::Adql(_) => Vec::new(),
        };
        overrides.into_iter().flatten().collect()
    }
}

fn parse_table(text: &str) -> Result<TableName, String> {
    match text.split_once('.') {
        Some((database, table)) if !database.is_empty() && !table.is_empty() && !table.contains('.') => {
            Ok(TableName { database: database.to_owned(), table: table.to_owned() })
        }
        _ => Err("write the database and the table with a point between, for example dp1.Object".to_owned()),
    }
}

fn parse_position(text: &str) -> Result<[String; 2], String> {
    match text.split_once(',').map(|(ra, dec)| [ra.trim(), dec.trim()]) {
        Some(names) if names.iter().all(|name| !name.is_empty() && !name.contains(',')) => Ok(names.map(str::to_owned)),
        _ => Err("name two columns with a comma between, for example ra,dec".to_owned()),
    }
}

fn parse_delimiter(text: &str) -> Result<char, String> {
    let mut characters = text.chars();
    match (text, characters.next(), characters.next()) {
        ("\\t", _, _) => Ok('\t'),
        (_, Some('"' | '\n' | '\r'), None) => Err("a quote or a line end cannot stand between fields".to_owned()),
        (_, Some(character), None) if character.is_ascii() => Ok(character),
        _ => Err("write one ASCII character, or \\t for a tab".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(std::iter::once("qserv").chain(line.iter().copied()))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_become_settings() {
        let keys = |line: &[&str]| -> Vec<(&'static str, String)> {
            let overrides = parse(line).unwrap().overrides();
            overrides.into_iter().map(|given| (given.key, format!("{:?}", given.value))).collect()
        };
        assert!(keys(&["demo"]).is_empty());
        let demo = keys(&["demo", "--objects", "1000", "--listen", "127.0.0.1:0", "--data-dir", "d"]);
        assert_eq!(
            demo.iter().map(|(key, _)| *key).collect::<Vec<_>>(),
            ["demo.objects", "demo.data_dir", "czar.listen"]
        );
        assert!(demo[0].1.contains("1000"), "{demo:?}");
        assert_eq!(keys(&["up", "--workers", "3"])[0].0, "up.workers");
        assert_eq!(keys(&["czar", "--config", "f.toml", "--replication", "2"])[0].0, "ingest.replication");
        assert_eq!(keys(&["worker", "--id", "w7"])[0].0, "worker.id");
        for line in [
            &["query", "SELECT 1", "--server", "http://x"][..],
            &["database", "list", "--server", "http://x"],
            &["database", "drop", "d", "--server", "http://x"],
            &["load", "d.t", "f.csv", "--server", "http://x"],
        ] {
            assert_eq!(keys(line)[0].0, "client.server");
        }
        assert_eq!(keys(&["export", "d.t", "--to", "x", "--flight", "grpc://x"])[0].0, "client.flight");
    }

    #[test]
    fn every_override_is_a_setting() {
        for line in [
            &["demo", "--objects", "1", "--listen", "a:1", "--data-dir", "d"][..],
            &["up", "--workers", "1", "--listen", "a:1", "--data-dir", "d", "--flight-listen", "a:2"],
            &["czar", "--listen", "a:1", "--catalog-url", "sqlite:x", "--data-dir", "d", "--replication", "2"],
            &[
                "worker",
                "--id",
                "7",
                "--listen",
                "127.0.0.1:1",
                "--advertise-url",
                "http://a",
                "--czar-url",
                "http://b",
                "--data-dir",
                "d",
            ],
            &["query", "SELECT 1", "--server", "http://x", "--authorities", "a.pem"],
            &["export", "d.t", "--flight", "grpc://x", "--authorities", "a.pem", "--to=x"],
        ] {
            let overrides = parse(line).unwrap().overrides();
            assert_eq!(
                overrides.len(),
                line.iter().filter(|word| word.starts_with("--") && !word.contains('=')).count()
            );
            crate::settings::Layers { overrides, ..Default::default() }.read().unwrap();
        }
    }

    #[test]
    fn export_reads_its_options() {
        let line = ["export", "--query", "SELECT 1", "--to", "x", "--format", "csv", "--parallel", "2"];
        let Command::Export(export) = parse(&line).unwrap().command else { unreachable!() };
        assert_eq!((export.query.as_deref(), export.table), (Some("SELECT 1"), None));
        assert_eq!((export.format, export.parallel.get()), (ExportFormat::Csv, 2));
        let line =
            ["export", "d.t", "--to", "x", "--format", "hats", "--position", "ra, dec", "--margin-arcsec", "2.5"];
        let Command::Export(export) = parse(&line).unwrap().command else { unreachable!() };
        assert_eq!(export.position, Some(["ra".to_owned(), "dec".to_owned()]));
        assert_eq!((export.format, export.margin_arcsec, export.pixel_rows), (ExportFormat::Hats, Some(2.5), None));
    }

    #[test]
    fn load_reads_its_options() {
        let arguments = parse(&[
            "load",
            "pt12.Object",
            "a.tsv.gz",
            "b.tsv.gz",
            "--format",
            "tsv",
            "--no-header",
            "--delimiter",
            "\\t",
        ]);
        let Command::Load(load) = arguments.unwrap().command else { unreachable!() };
        assert_eq!((load.table.database.as_str(), load.table.table.as_str()), ("pt12", "Object"));
        assert_eq!((load.files.len(), load.format), (2, Some(FileFormat::Tsv)));
        assert_eq!((load.null.as_str(), load.delimiter, load.no_header), ("\\N", Some('\t'), true));
        assert_eq!(load.max_bad_rows, 0);
    }

    #[test]
    fn wrong_lines_are_refused() {
        for line in [
            &["load", "Object", "f.csv"][..],
            &["load", "a.b.c", "f.csv"],
            &["load", "d.t"],
            &["load", "d.t", "f", "--delimiter", "ab"],
            &["load", "d.t", "f", "--delimiter", "\""],
            &["load", "d.t", "f", "--format", "fits"],
            &["load", "d.t", "f", "--header", "--no-header"],
            &["demo", "--objects", "0"],
            &["up", "--workers", "0"],
            &["query"],
            &["export", "--to", "x"],
            &["export", "d.t", "--query", "SELECT 1", "--to", "x"],
            &["export", "d.t", "--to", "x", "--parallel", "0"],
            &["export", "d.t", "--to", "x", "--position", "ra"],
            &["export", "d.t", "--to", "x", "--pixel-rows", "0"],
            &["frobnicate"],
        ] {
            assert!(parse(line).is_err(), "{line:?}");
        }
    }
}
