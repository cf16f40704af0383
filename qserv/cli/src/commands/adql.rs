//! `qserv adql`: grammar, rules and layout, no server.

use std::io::{self, BufWriter, Write};

use qserv_adql::{FunctionSignature, Options};
use qserv_core::{Error, Result};

use crate::arguments::AdqlCommand;
use crate::terminal::output_error;

/// Works on the queries on standard input.
///
/// # Errors
/// `Invalid` for a function that cannot be declared so, or for a query that cannot be laid out; to the check, an invalid query
/// is an answer, not an error.
pub fn run(command: &AdqlCommand) -> Result<()> {
    match command {
        AdqlCommand::Check { udf } => check(udf),
        AdqlCommand::Format => format(),
    }
}

/// Answers one JSON line for each query.
fn check(udf: &[String]) -> Result<()> {
    let mut options = Options::strict();
    for text in udf {
        let signature: FunctionSignature = text
            .parse()
            .map_err(|error| Error::invalid(format!("the function cannot be declared: {error}")).with("--udf", text))?;
        options.functions.push(signature);
    }
    let mut output = BufWriter::new(io::stdout().lock());
    qserv_adql::check_stream(io::stdin().lock(), &options, &mut output).map_err(output_error)?;
    output.flush().map_err(output_error)
}

/// Writes each query with a line for each clause. One that does not parse is written as it is, and the first of these is the error.
fn format() -> Result<()> {
    let mut output = BufWriter::new(io::stdout().lock());
    let mut refused: Option<Error> = None;
    qserv_adql::format_stream(io::stdin().lock(), &Options::default(), &mut output, |number, faults| {
        if let (None, Some(fault)) = (&refused, faults.first()) {
            refused = Some(Error::invalid(fault.to_string()).with("query", number));
        }
    })
    .map_err(output_error)?;
    output.flush().map_err(output_error)?;
    refused.map_or(Ok(()), Err)
}
