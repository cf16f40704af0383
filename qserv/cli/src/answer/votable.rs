//! Reads a VOTable whose rows are in TABLEDATA form, as it arrives.

use qserv_core::{Error, Result};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use tokio::io::{AsyncBufRead, AsyncRead, BufReader};

use super::{Column, RowSink, Summary};

/// Reads a whole answer and hands its rows on.
///
/// # Errors
/// `Invalid` with the server's own words if the document tells of an error; `Data` if it is no VOTable, or breaks off;
/// `Unavailable` if the output cannot be written.
pub async fn read(document: impl AsyncRead + Unpin, sink: &mut impl RowSink) -> Result<Summary> {
    let mut reading = Reading {
        sink,
        columns: Vec::new(),
        started: false,
        text: String::new(),
        row: Vec::new(),
        info: None,
        table_ended: false,
        summary: Summary::default(),
    };
    let mut reader = Reader::from_reader(BufReader::new(document));
    reading.all(&mut reader).await?;
    if !reading.table_ended {
        return Err(Error::data("the answer broke off before its end"));
    }
    Ok(reading.summary)
}

/// The words of an error document.
///
/// # Errors
/// `Data` if it is none.
pub async fn read_error(document: impl AsyncRead + Unpin) -> Result<String> {
    struct NoRows;
    impl RowSink for NoRows {
        fn start(&mut self, _: &[Column]) -> std::io::Result<()> {
            Ok(())
        }
        fn row(&mut self, _: Vec<Option<String>>) -> std::io::Result<()> {
            Ok(())
        }
        fn finish(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    match read(document, &mut NoRows).await {
        Err(error) if error.kind() == qserv_core::ErrorKind::Invalid => Ok(error.message().to_owned()),
        _ => Err(Error::data("the server's error document cannot be read")),
    }
}

/// An INFO element: its meaning depends on its name, value and text.
struct Info {
    name: String,
    value: String,
}

struct Reading<'a, S> {
    sink: &'a mut S,
    columns: Vec<Column>,
    started: bool,
    /// Text since the last tag.
    text: String,
    row: Vec<Option<String>>,
    info: Option<Info>,
    table_ended: bool,
    summary: Summary,
}

impl<S: RowSink> Reading<'_, S> {
    async fn all(&mut self, reader: &mut Reader<impl AsyncBufRead + Unpin>) -> Result<()> {
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            let event = reader
                .read_event_into_async(&mut buffer)
                .await
                .map_err(|error| Error::data("the answer broke off, or is no VOTable").caused_by(error))?;
            match event {
                Event::Start(tag) => self.open(&tag)?,
                Event::Empty(tag) => {
                    self.open(&tag)?;
                    self.close(tag.local_name().into_inner())?;
                }
                Event::End(tag) => self.close(tag.local_name().into_inner())?,
                Event::Text(text) => self.text.push_str(&text.xml10_content()),
                Event::CData(text) => self.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => self.text.push(character(&reference)?),
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
    }

    fn open(&mut self, tag: &BytesStart<'_>) -> Result<()> {
        self.text.clear();
        match tag.local_name().into_inner() {
            "FIELD" => self.columns.push(Column {
                name: attribute(tag, "name")?.unwrap_or_default(),
                datatype: attribute(tag, "datatype")?.unwrap_or_default(),
                arraysize: attribute(tag, "arraysize")?,
                unit: attribute(tag, "unit")?.filter(|unit| !unit.is_empty()),
            }),
            "DATA" => self.start()?,
            "BINARY" | "BINARY2" | "FITS" => {
                return Err(Error::data("the server sent a VOTable in another form than was asked for"));
            }
            "INFO" => {
                let name = attribute(tag, "name")?.unwrap_or_default();
                self.info = Some(Info { name, value: attribute(tag, "value")?.unwrap_or_default() });
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, tag: &str) -> Result<()> {
        match tag {
            "TD" => {
                let text = std::mem::take(&mut self.text);
                let is_text = self.columns.get(self.row.len()).is_some_and(Column::is_text);
                // TABLEDATA has no other NULL than the empty cell.
                let text = if is_text { text } else { text.trim().to_owned() };
                self.row.push((!text.is_empty()).then_some(text));
            }
            "TR" => {
                if self.row.len() != self.columns.len() {
                    return Err(Error::data("a row of the answer has another number of cells than there are columns"));
                }
                self.summary.rows += 1;
                let row = std::mem::take(&mut self.row);
                self.sink.row(row).map_err(output_error)?;
            }
            "INFO" => self.close_info()?,
            "RESOURCE" if !self.table_ended => {
                self.start()?;
                self.sink.finish().map_err(output_error)?;
                self.table_ended = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self) -> Result<()> {
        if self.started {
            return Ok(());
        }
        self.started = true;
        self.sink.start(&self.columns).map_err(output_error)
    }

    fn close_info(&mut self) -> Result<()> {
        let Some(info) = self.info.take() else { return Ok(()) };
        let text = std::mem::take(&mut self.text).trim().to_owned();
        if info.name.eq_ignore_ascii_case("QUERY_STATUS") {
            match info.value.to_ascii_uppercase().as_str() {
                "ERROR" => return Err(Error::invalid(text)),
                "OVERFLOW" => self.summary.overflow = true,
                _ => {}
            }
        } else if info.name.eq_ignore_ascii_case("warning") {
            self.summary.warnings.push(if text.is_empty() { info.value } else { text });
        }
        Ok(())
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>> {
    let damaged = |error: &dyn std::fmt::Display| Error::data("the answer is no VOTable").caused_by(error.to_string());
    let Some(attribute) = tag.try_get_attribute(name).map_err(|error| damaged(&error))? else { return Ok(None) };
    let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| damaged(&error))?;
    Ok(Some(value.into_owned()))
}

/// The character that `&lt;` or `&#60;` stands for.
fn character(reference: &BytesRef<'_>) -> Result<char> {
    let unknown = || Error::data("the answer names an XML entity that is not known");
    if let Some(character) = reference.resolve_char_ref().map_err(|error| unknown().caused_by(error))? {
        return Ok(character);
    }
    match reference.xml10_content().as_ref() {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(unknown()),
    }
}

/// A reader that went away (`| head`) is told apart by the caller.
fn output_error(error: std::io::Error) -> Error {
    crate::terminal::output_error(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Rows {
        columns: Vec<Column>,
        rows: Vec<Vec<Option<String>>>,
        finished: bool,
    }

    impl RowSink for Rows {
        fn start(&mut self, columns: &[Column]) -> std::io::Result<()> {
            self.columns = columns.to_vec();
            Ok(())
        }
        fn row(&mut self, cells: Vec<Option<String>>) -> std::io::Result<()> {
            self.rows.push(cells);
            Ok(())
        }
        fn finish(&mut self) -> std::io::Result<()> {
            self.finished = true;
            Ok(())
        }
    }

    const HEAD: &str = r#"<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
        <RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/><INFO name="warning" value="w">a &lt; b</INFO>
        <TABLE><FIELD name="id" datatype="long"/><FIELD name="x&amp;y" datatype="double" unit="deg"/>
        <FIELD name="t" datatype="char" arraysize="*"/><DATA><TABLEDATA>"#;

    async fn read_text(text: &str) -> (Rows, Result<Summary>) {
        let mut rows = Rows::default();
        let summary = read(text.as_bytes(), &mut rows).await;
        (rows, summary)
    }

    #[tokio::test]
    async fn rows_types_warnings_and_overflow() {
        let text = format!(
            "{HEAD}<TR><TD>1</TD><TD>2.5</TD><TD>a &amp; b &#x3c;</TD></TR>\n<TR><TD/><TD></TD><TD> </TD></TR>\
             </TABLEDATA></DATA></TABLE><INFO name=\"QUERY_STATUS\" value=\"OVERFLOW\"/></RESOURCE></VOTABLE>"
        );
        let (rows, summary) = read_text(&text).await;
        let summary = summary.unwrap();
        assert_eq!((summary.rows, summary.overflow, rows.finished), (2, true, true));
        assert_eq!(summary.warnings, ["a < b"]);
        assert_eq!(rows.columns[1].name, "x&y");
        assert_eq!(rows.columns[1].unit.as_deref(), Some("deg"));
        assert_eq!(rows.rows[0], [Some("1".into()), Some("2.5".into()), Some("a & b <".into())]);
        assert_eq!(rows.rows[1], [None, None, Some(" ".into())]);
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_an_error() {
        for end in ["", "<TR><TD>1</TD>", "<TR><TD>1</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"] {
            let (_, summary) = read_text(&format!("{HEAD}{end}")).await;
            assert_eq!(summary.unwrap_err().kind(), qserv_core::ErrorKind::Data, "{end}");
        }
        let late = "</TABLEDATA></DATA></TABLE><INFO name=\"QUERY_STATUS\" value=\"ERROR\">worker lost</INFO></RESOURCE></VOTABLE>";
        let (rows, summary) = read_text(&format!("{HEAD}{late}")).await;
        assert_eq!(summary.unwrap_err().message(), "worker lost");
        assert!(!rows.finished);
    }

    #[tokio::test]
    async fn an_empty_result_has_columns() {
        let (rows, summary) = read_text(&format!("{HEAD}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>")).await;
        assert_eq!((summary.unwrap().rows, rows.columns.len(), rows.finished), (0, 3, true));
    }

    #[tokio::test]
    async fn error_documents() {
        let document = "<VOTABLE><RESOURCE type=\"results\"><INFO name=\"QUERY_STATUS\" value=\"ERROR\">no table `x`\n  here</INFO>\
                        </RESOURCE></VOTABLE>";
        assert_eq!(read_error(document.as_bytes()).await.unwrap(), "no table `x`\n  here");
        assert!(read_error("not found".as_bytes()).await.is_err());
    }
}
