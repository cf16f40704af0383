use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int8Array, Int32Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use qserv_core::Error;
use qserv_core::query::field_metadata;

use super::*;

fn written(serialization: Serialization, batch: &RecordBatch, ending: Ending<'_>) -> String {
    let header = Header {
        query: "SELECT \"a\" < 1".to_owned(),
        warnings: vec!["mind the gap".to_owned()],
        asked_unix_ms: Some(1_893_553_445_000),
        citation: Some("doi:10.5072/<1>".to_owned()),
    };
    let mut writer = VotableWriter::new(serialization, &batch.schema(), header);
    let mut out = Vec::new();
    writer.begin(&mut out);
    for row in 0..batch.num_rows() {
        writer.rows(&batch.slice(row, 1), &mut out).unwrap();
    }
    writer.end(ending, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn batch() -> RecordBatch {
    let metadata = [
        (field_metadata::UNIT, "deg"),
        (field_metadata::UCD, "pos.eq.ra;meta.main"),
        (field_metadata::UTYPE, "a:b"),
        (field_metadata::DESCRIPTION, "Right <ascension>"),
        (field_metadata::LINK, "https://sky.example/?ra=${ra}&n=${n}"),
    ];
    let metadata: HashMap<_, _> = metadata.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let ascii = HashMap::from([(field_metadata::DATATYPE.to_owned(), "char".to_owned())]);
    let schema = Schema::new(vec![
        Field::new("ra", DataType::Float64, false).with_metadata(metadata),
        Field::new("n", DataType::Int32, true),
        Field::new("name", DataType::Utf8, true).with_metadata(ascii),
        Field::new("flag", DataType::Int8, false),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from(vec![0.1, f64::INFINITY])),
        Arc::new(Int32Array::from(vec![Some(-2), None])),
        Arc::new(StringArray::from(vec![None, Some("a&b")])),
        Arc::new(Int8Array::from(vec![-128, 127])),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

#[test]
fn writes_tabledata() {
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://www.ivoa.net/xml/VOTable/v1.3 http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results">
<INFO name="QUERY_STATUS" value="OK"/>
<INFO name="QUERY" value="SELECT &quot;a&quot; &lt; 1"/>
<INFO name="server_software" value="SOFTWARE"/>
<INFO name="service_protocol" value="ivo://ivoa.net/std/TAP"/>
<INFO name="request_date" value="2030-01-02T03:04:05.000Z"/>
<INFO name="citation" value="doi:10.5072/&lt;1&gt;"/>
<INFO name="warning" value="mind the gap"/>
<COOSYS ID="icrs" system="ICRS"/>
<TABLE name="result">
<FIELD name="ra" datatype="double" unit="deg" ucd="pos.eq.ra;meta.main" utype="a:b" ref="icrs">
<DESCRIPTION>Right &lt;ascension&gt;</DESCRIPTION>
<LINK href="https://sky.example/?ra=${ra}&amp;n=${n}"/>
</FIELD>
<FIELD name="n" datatype="int"/>
<FIELD name="name" datatype="char" arraysize="*"/>
<FIELD name="flag" datatype="short"/>
<DATA>
<TABLEDATA>
<TR><TD>0.1</TD><TD>-2</TD><TD/><TD>-128</TD></TR>
<TR><TD>+Inf</TD><TD/><TD>a&amp;b</TD><TD>127</TD></TR>
</TABLEDATA>
</DATA>
</TABLE>
<INFO name="rows" value="2"/>
<INFO name="QUERY_STATUS" value="OVERFLOW">MAXREC cut the result: the query has more rows than these</INFO>
</RESOURCE>
</VOTABLE>
"#;
    assert_eq!(written(Serialization::Tabledata, &batch(), Ending::Overflow), expected.replace("SOFTWARE", SOFTWARE));
}

#[test]
fn writes_binary2_rows() {
    use base64::Engine;
    let document = written(Serialization::Binary2, &batch(), Ending::Whole);
    let stream = document.split("base64\">\n").nth(1).unwrap().split('\n').next().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(stream).unwrap();
    let mut expected = vec![0b0010_0000];
    expected.extend_from_slice(&0.1_f64.to_be_bytes());
    expected.extend_from_slice(&(-2_i32).to_be_bytes());
    expected.extend_from_slice(&[0, 0, 0, 0]);
    expected.extend_from_slice(&(-128_i16).to_be_bytes());
    expected.push(0b0100_0000);
    expected.extend_from_slice(&f64::INFINITY.to_be_bytes());
    expected.extend_from_slice(&i32::MIN.to_be_bytes());
    expected.extend_from_slice(&[0, 0, 0, 3]);
    expected.extend_from_slice(b"a&b");
    expected.extend_from_slice(&127_i16.to_be_bytes());
    assert_eq!(bytes, expected);
}

#[test]
fn binary_sets_a_number_aside_for_null() {
    let document = written(Serialization::Binary, &batch(), Ending::Whole);
    assert!(
        document.contains("<FIELD name=\"n\" datatype=\"int\">\n<VALUES null=\"-2147483648\"/>\n</FIELD>"),
        "{document}"
    );
    assert!(document.contains("<BINARY>") && document.contains("<FIELD name=\"flag\" datatype=\"short\"/>"));
}

#[test]
fn a_failure_after_the_first_row_is_told_at_the_end() {
    let error = Error::unavailable("worker w2 does not answer");
    let document = written(Serialization::Binary2, &batch(), Ending::Failed(&error));
    let end = document.split("</TABLE>").nth(1).unwrap();
    assert!(end.contains("value=\"ERROR\"") && end.contains("worker w2 does not answer"), "{end}");
    assert!(end.ends_with("</VOTABLE>\n"));
}

#[test]
fn text_that_breaks_its_declaration_is_an_error_and_leaves_the_stream_whole() {
    let ascii = HashMap::from([(field_metadata::DATATYPE.to_owned(), "char".to_owned())]);
    let schema = Arc::new(Schema::new(vec![Field::new("name", DataType::Utf8, true).with_metadata(ascii)]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(StringArray::from(vec!["Å"]))]).unwrap();
    let mut writer = VotableWriter::new(Serialization::Binary2, &batch.schema(), Header::default());
    let mut out = Vec::new();
    let error = writer.rows(&batch, &mut out).unwrap_err();
    assert!(error.to_string().contains("unicode"), "{error}");
    assert!(out.is_empty());
    assert!(written(Serialization::Tabledata, &batch, Ending::Whole).contains("<TD>Å</TD>"));
}
