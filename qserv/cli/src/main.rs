//! The program `qserv`.

use std::process::ExitCode;

use clap::Parser;
use qserv_cli::arguments::{Arguments, Command};
use qserv_cli::settings::{Layers, LogFormat, Settings};
use qserv_cli::{commands, demo, terminal};
use qserv_core::{Error, Result};
use tracing_subscriber::EnvFilter;

/// Planning makes and drops many small things, scans large ones; the system's allocator took a quarter of a look-up's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::debug!(error = %error.to_log(), "the command failed");
            // Nothing is left to do if standard error is gone too.
            let _ = terminal::write_error(&mut std::io::stderr(), &error);
            ExitCode::from(terminal::exit_code(&error))
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if let Command::Adql(command) = &arguments.command {
        return commands::adql::run(command);
    }
    let settings = Layers {
        file: arguments.config.clone(),
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        overrides: arguments.overrides(),
    }
    .read()?;
    log_to_stderr(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal("cannot start threads").caused_by(error))?;
    runtime.block_on(run_command(&arguments.command, &settings))
}

async fn run_command(command: &Command, settings: &Settings) -> Result<()> {
    match command {
        Command::Demo(_) => Box::pin(demo::run(settings)).await,
        Command::Up(_) => Box::pin(commands::serve::up(settings)).await,
        Command::Czar(_) => Box::pin(commands::serve::czar(settings)).await,
        Command::Worker(_) => Box::pin(commands::serve::worker(settings)).await,
        Command::Database(command) => commands::database::run(command, settings).await,
        Command::Load(arguments) => commands::load::run(arguments, settings).await,
        Command::Export(arguments) => Box::pin(commands::export::run(arguments, settings)).await,
        Command::Query(arguments) => commands::query::run(arguments, settings).await,
        Command::Adql(command) => commands::adql::run(command),
    }
}

fn log_to_stderr(settings: &Settings) -> Result<()> {
    let filter = EnvFilter::try_new(&settings.log.filter).map_err(|error| {
        Error::invalid("the log filter cannot be read").with("log.filter", &settings.log.filter).caused_by(error)
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log.format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        // The query's id is a field of the line, whether the event or the span around it has it.
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).init(),
    }
    Ok(())
}
