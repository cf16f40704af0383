//! A table for the eye: names, units, a rule, rows; numbers to the right.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::{Column, RowSink};

/// Column widths are taken from this many rows; later cells that are wider push their row to the right.
const MEASURED_ROWS: usize = 1_000;
/// A longer cell is cut, with an ellipsis: the other formats have it whole.
const MAX_CELL_WIDTH: usize = 80;
const GAP: &str = "  ";

/// Writes an aligned table.
#[derive(Debug)]
pub struct TableSink<W> {
    output: W,
    columns: Vec<Column>,
    widths: Vec<usize>,
    /// The rows that are to be measured; `None` once the widths are known.
    waiting: Option<Vec<Vec<String>>>,
}

impl<W: Write> TableSink<W> {
    /// A table on this output.
    pub fn new(output: W) -> Self {
        Self { output, columns: Vec::new(), widths: Vec::new(), waiting: Some(Vec::new()) }
    }

    fn write_head_and_waiting(&mut self) -> io::Result<()> {
        let Some(rows) = self.waiting.take() else { return Ok(()) };
        let names: Vec<String> = self.columns.iter().map(|column| cell(&column.name)).collect();
        let units: Vec<String> = self.columns.iter().map(|column| cell(column.unit.as_deref().unwrap_or(""))).collect();
        self.widths = vec![0; self.columns.len()];
        for line in rows.iter().chain([&names, &units]) {
            for (width, cell) in self.widths.iter_mut().zip(line) {
                *width = (*width).max(cell.width());
            }
        }
        self.write_line(&names)?;
        if units.iter().any(|unit| !unit.is_empty()) {
            self.write_line(&units)?;
        }
        let rule: Vec<String> = self.widths.iter().map(|width| "-".repeat(*width)).collect();
        self.write_line(&rule)?;
        rows.iter().try_for_each(|row| self.write_line(row))
    }

    fn write_line(&mut self, cells: &[String]) -> io::Result<()> {
        let mut line = String::new();
        for (index, ((cell, width), column)) in cells.iter().zip(&self.widths).zip(&self.columns).enumerate() {
            if index > 0 {
                line.push_str(GAP);
            }
            let padding = " ".repeat(width.saturating_sub(cell.width()));
            if column.is_number() {
                line.push_str(&padding);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&padding);
            }
        }
        writeln!(self.output, "{}", line.trim_end())
    }
}

impl<W: Write> RowSink for TableSink<W> {
    fn start(&mut self, columns: &[Column]) -> io::Result<()> {
        self.columns = columns.to_vec();
        Ok(())
    }

    fn row(&mut self, cells: Vec<Option<String>>) -> io::Result<()> {
        let cells: Vec<String> = cells.iter().map(|value| value.as_deref().map_or_else(String::new, cell)).collect();
        match &mut self.waiting {
            Some(waiting) => {
                waiting.push(cells);
                if waiting.len() >= MEASURED_ROWS { self.write_head_and_waiting() } else { Ok(()) }
            }
            None => self.write_line(&cells),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.write_head_and_waiting()?;
        self.output.flush()
    }
}

/// A value as it is shown: one line, no control characters (which could drive the terminal), not too wide.
fn cell(text: &str) -> String {
    let shown: String = text
        .chars()
        .map(|character| match character {
            '\n' | '\r' | '\t' => ' ',
            character if character.is_control() => '\u{fffd}',
            character => character,
        })
        .collect();
    if shown.width() <= MAX_CELL_WIDTH {
        return shown;
    }
    let mut cut = String::new();
    for character in shown.chars() {
        if cut.width() + 2 > MAX_CELL_WIDTH {
            break;
        }
        cut.push(character);
    }
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, datatype: &str, unit: Option<&str>) -> Column {
        Column { name: name.into(), datatype: datatype.into(), arraysize: None, unit: unit.map(str::to_owned) }
    }

    fn table(columns: &[Column], rows: &[&[Option<&str>]]) -> String {
        let mut output = Vec::new();
        let mut sink = TableSink::new(&mut output);
        sink.start(columns).unwrap();
        for row in rows {
            sink.row(row.iter().map(|cell| cell.map(str::to_owned)).collect()).unwrap();
        }
        sink.finish().unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn numbers_stand_right_and_text_left() {
        let mut name = column("name", "char", None);
        name.arraysize = Some("*".into());
        let columns = [column("id", "long", None), name, column("ra", "double", Some("deg"))];
        let shown =
            table(&columns, &[&[Some("1"), Some("β Lyr"), Some("282.5")], &[Some("12345"), None, Some("7.25")]]);
        assert_eq!(
            shown,
            "   id  name      ra\n                deg\n-----  -----  -----\n    1  β Lyr  282.5\n12345          7.25\n"
        );
    }

    #[test]
    fn cells_cannot_drive_the_terminal_or_fill_it() {
        let columns = [column("t", "char", None)];
        let long = "x".repeat(500);
        let shown = table(&columns, &[&[Some("a\u{1b}[2Jb\nc")], &[Some(&long)]]);
        assert!(!shown.contains('\u{1b}') && shown.contains("b c"));
        assert!(shown.lines().all(|line| line.width() <= MAX_CELL_WIDTH), "{shown}");
    }

    #[test]
    fn many_rows_stream() {
        let columns = [column("n", "int", None)];
        let mut output = Vec::new();
        let mut sink = TableSink::new(&mut output);
        sink.start(&columns).unwrap();
        for number in 0..2_500 {
            sink.row(vec![Some(number.to_string())]).unwrap();
        }
        assert!(sink.waiting.is_none());
        sink.finish().unwrap();
        assert_eq!(String::from_utf8(output).unwrap().lines().count(), 2_502);
    }

    #[test]
    fn no_rows_show_the_head() {
        assert_eq!(table(&[column("n", "int", None)], &[]), "n\n-\n");
    }
}
