//! `qserv adql check`: grammar and rules, no server.

use std::io::{self, BufWriter, Write};

use qserv_adql::{FunctionSignature, Options};
use qserv_core::{Error, Result};

use crate::arguments::AdqlCommand;
use crate::terminal::output_error;

/// Answers one JSON line for each query on standard input.
///
/// # Errors
/// `Invalid` for a function that cannot be declared so; an invalid query is an answer, not an error.
pub fn run(command: &AdqlCommand) -> Result<()> {
    let AdqlCommand::Check { udf } = command;
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
