//! What people and scripts see of the program itself: errors, exit codes, progress.

use std::io::{self, Write};

use qserv_core::{Error, ErrorKind};

/// The exit code of an error's kind. 1 is left to crashes, 2 is also what a wrong command line gives.
#[must_use]
pub fn exit_code(error: &Error) -> u8 {
    if reader_went_away(error) {
        // What a shell reports of a program that SIGPIPE ended.
        return 141;
    }
    match error.kind() {
        ErrorKind::Invalid => 2,
        ErrorKind::NotFound => 3,
        ErrorKind::Denied => 4,
        ErrorKind::Conflict => 5,
        ErrorKind::Limit => 6,
        ErrorKind::Unavailable => 7,
        ErrorKind::Data => 8,
        ErrorKind::Internal => 70,
        ErrorKind::Cancelled => 130,
    }
}

/// Writes an error: its message, then its facts, one a line.
pub fn write_error(output: &mut impl Write, error: &Error) -> io::Result<()> {
    if reader_went_away(error) {
        return Ok(());
    }
    let mut lines = error.message().lines();
    writeln!(output, "error: {}", lines.next().unwrap_or("the command failed"))?;
    lines.try_for_each(|line| writeln!(output, "{line}"))?;
    error.context().iter().try_for_each(|(key, value)| {
        // A fact of several lines stands below its name.
        if value.contains('\n') { writeln!(output, "  {key}:\n{value}") } else { writeln!(output, "  {key}: {value}") }
    })
}

/// The error of an output that cannot be written.
#[must_use]
pub fn output_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Error::new(ErrorKind::Cancelled, "nobody reads the output"),
        io::ErrorKind::StorageFull => Error::limit("there is no space left for the output"),
        _ => Error::unavailable("the output cannot be written"),
    }
    .caused_by(error)
}

/// `qserv query ... | head` ends without a word.
fn reader_went_away(error: &Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
        && error.kind() == ErrorKind::Cancelled
}

/// `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `1,234 rows`.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A size for people: `1.5 MiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut size, mut unit) = (bytes as f64 / 1024.0, 0);
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS.get(unit).unwrap_or(&"PiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_its_message_and_its_facts() {
        let error = Error::unavailable("no live replica of a chunk")
            .with("worker", "w2")
            .with("query", "SELECT *\n       ^")
            .caused_by(io::Error::other("connection refused"));
        let mut output = Vec::new();
        write_error(&mut output, &error).unwrap();
        let text = String::from_utf8(output).unwrap();
        assert_eq!(text, "error: no live replica of a chunk\n  worker: w2\n  query:\nSELECT *\n       ^\n");
        assert_eq!(exit_code(&error), 7);
    }

    #[test]
    fn a_closed_pipe_is_silent() {
        let error = output_error(io::ErrorKind::BrokenPipe.into());
        let mut output = Vec::new();
        write_error(&mut output, &error).unwrap();
        assert!(output.is_empty());
        assert_eq!(exit_code(&error), 141);
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(counted(1_234_567, "row"), "1,234,567 rows");
        assert_eq!(grouped(999), "999");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(bytes(5 << 30), "5.0 GiB");
    }
}
