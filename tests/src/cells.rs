//! One spelling of values for all engines.

use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// How NULL is written.
pub const NULL: &str = "NULL";

/// How empty text is written; CSV over TAP does not tell it from NULL once it is read, so scripts avoid it.
pub const EMPTY: &str = "(empty)";

/// The rows of batches as text, one spelling for all engines.
///
/// # Errors
/// A description of a column that cannot be shown.
pub fn rows(batches: &[RecordBatch]) -> Result<Vec<Vec<String>>, String> {
    let options = FormatOptions::default().with_null(NULL).with_display_error(false);
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| normal(&column.value(row).to_string())).collect());
        }
    }
    Ok(rows)
}

/// A value in its normal spelling: floating-point numbers to ten significant digits, so that sums may be made in any order.
#[must_use]
pub fn normal(text: &str) -> String {
    if text.is_empty() {
        return EMPTY.to_owned();
    }
    if text.parse::<i64>().is_ok() {
        return text.to_owned();
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => {
            let rounded: f64 = format!("{number:.9e}").parse().unwrap_or(number);
            // Negative zero is zero.
            format!("{}", rounded + 0.0)
        }
        Ok(number) if number.is_nan() => "NaN".to_owned(),
        Ok(number) => if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        Err(_) => text.trim().to_owned(),
    }
}

/// The rows of a CSV text with a header line, in the same spelling.
#[must_use]
pub fn csv_rows(text: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut cell = String::new();
    let mut quoted = false;
    let mut was_quoted = false;
    let mut characters = text.chars().peekable();
    let finish = |cell: &mut String, was_quoted: &mut bool| {
        let text = std::mem::take(cell);
        let shown = if text.is_empty() && !*was_quoted { NULL.to_owned() } else { normal(&text) };
        *was_quoted = false;
        shown
    };
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => {
                quoted = !quoted;
                was_quoted = true;
            }
            ',' if !quoted => row.push(finish(&mut cell, &mut was_quoted)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(finish(&mut cell, &mut was_quoted));
                rows.push(std::mem::take(&mut row));
            }
            other => cell.push(other),
        }
    }
    if !rows.is_empty() {
        rows.remove(0);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_spelling() {
        assert_eq!(normal("5.0"), normal("5e0"));
        assert_eq!(normal("0.1"), normal("0.10000000000000001"));
        assert_ne!(normal("0.1"), normal("0.100000001"));
        assert_eq!(normal("9007199254740993"), "9007199254740993");
    }

    #[test]
    fn csv_is_read_with_quotes_and_nulls() {
        let rows = csv_rows("a,b\r\n1.50,\"x,\"\"y\"\r\n,\"\"\r\n");
        assert_eq!(rows, [vec!["1.5".to_owned(), "x,\"y".to_owned()], vec![NULL.to_owned(), EMPTY.to_owned()]]);
    }
}
