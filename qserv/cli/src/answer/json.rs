//! JSON: an array of objects, one a row, each on its own line.

use std::io::{self, Write};

use super::{Column, RowSink};

/// Writes an array of objects.
#[derive(Debug)]
pub struct JsonSink<W> {
    output: W,
    columns: Vec<Column>,
    rows: u64,
}

impl<W: Write> JsonSink<W> {
    /// JSON on this output.
    pub fn new(output: W) -> Self {
        Self { output, columns: Vec::new(), rows: 0 }
    }
}

impl<W: Write> RowSink for JsonSink<W> {
    fn start(&mut self, columns: &[Column]) -> io::Result<()> {
        self.columns = columns.to_vec();
        self.output.write_all(b"[")
    }

    fn row(&mut self, cells: Vec<Option<String>>) -> io::Result<()> {
        let separator = if self.rows == 0 { "\n{" } else { ",\n{" };
        self.output.write_all(separator.as_bytes())?;
        self.rows += 1;
        for (index, (column, cell)) in self.columns.iter().zip(&cells).enumerate() {
            if index > 0 {
                self.output.write_all(b",")?;
            }
            serde_json::to_writer(&mut self.output, &column.name)?;
            self.output.write_all(b":")?;
            write_value(&mut self.output, column, cell.as_deref())?;
        }
        self.output.write_all(b"}")
    }

    fn finish(&mut self) -> io::Result<()> {
        let end: &[u8] = if self.rows == 0 { b"]\n" } else { b"\n]\n" };
        self.output.write_all(end)?;
        self.output.flush()
    }
}

fn write_value(output: &mut impl Write, column: &Column, cell: Option<&str>) -> io::Result<()> {
    let Some(cell) = cell else { return output.write_all(b"null") };
    if column.is_text() {
        return Ok(serde_json::to_writer(output, cell)?);
    }
    if column.datatype == "boolean" && column.arraysize.is_none() {
        let value: &[u8] = match cell {
            "T" | "t" | "1" | "true" | "True" | "TRUE" => b"true",
            "F" | "f" | "0" | "false" | "False" | "FALSE" => b"false",
            _ => b"null",
        };
        return output.write_all(value);
    }
    if column.is_number() {
        return write_number(output, cell);
    }
    if column.arraysize.is_some() && column.datatype != "boolean" {
        output.write_all(b"[")?;
        for (index, number) in cell.split_ascii_whitespace().enumerate() {
            if index > 0 {
                output.write_all(b",")?;
            }
            write_number(output, number)?;
        }
        return output.write_all(b"]");
    }
    Ok(serde_json::to_writer(output, cell)?)
}

/// 64-bit integers stay exact; NaN and infinity are null.
fn write_number(output: &mut impl Write, text: &str) -> io::Result<()> {
    match text.strip_prefix('+').unwrap_or(text).parse::<serde_json::Number>() {
        Ok(number) => write!(output, "{number}"),
        // Forms that are numbers elsewhere: `.5`, `5.`.
        Err(_) => match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(serde_json::to_writer(output, &value)?),
            _ => output.write_all(b"null"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_types() {
        let column = |name: &str, datatype: &str, arraysize: Option<&str>| Column {
            name: name.into(),
            datatype: datatype.into(),
            arraysize: arraysize.map(str::to_owned),
            unit: None,
        };
        let columns = [
            column("id", "long", None),
            column("x", "double", None),
            column("nan", "double", None),
            column("t", "char", Some("*")),
            column("b", "boolean", None),
            column("p", "double", Some("2")),
            column("none", "int", None),
        ];
        let mut output = Vec::new();
        let mut sink = JsonSink::new(&mut output);
        sink.start(&columns).unwrap();
        let cells = ["609871234567890123", ".5", "NaN", "a\"b", "T", "10.0 -20.5"];
        let row: Vec<Option<String>> = cells.iter().map(|cell| Some((*cell).to_owned())).chain([None]).collect();
        sink.row(row.clone()).unwrap();
        sink.row(row).unwrap();
        sink.finish().unwrap();
        let text = String::from_utf8(output).unwrap();
        let line = r#"{"id":609871234567890123,"x":0.5,"nan":null,"t":"a\"b","b":true,"p":[10.0,-20.5],"none":null}"#;
        assert_eq!(text, format!("[\n{line},\n{line}\n]\n"));
        assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap().len(), 2);
    }

    #[test]
    fn no_rows_are_an_empty_array() {
        let mut output = Vec::new();
        let mut sink = JsonSink::new(&mut output);
        sink.start(&[]).unwrap();
        sink.finish().unwrap();
        assert_eq!(output, b"[]\n");
    }
}
