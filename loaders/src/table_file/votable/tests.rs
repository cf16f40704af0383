//! VOTables that no library would write, but services do.

use super::super::tests::{cells, read_bytes};

fn document(fields: &str, data: &str) -> Vec<u8> {
    format!(
        "<?xml version='1.0'?>\n<!-- a <comment> -->\n<v:VOTABLE xmlns:v='http://www.ivoa.net/xml/VOTable/v1.3' version='1.4'>\
         <v:INFO name='x' value='&lt;TABLE>'/><v:RESOURCE><v:RESOURCE type='meta'/><v:RESOURCE>\
         <v:PARAM name='p' datatype='int' value='3'><v:VALUES><v:OPTION value='1'/></v:VALUES></v:PARAM>\
         <v:TABLE><v:DESCRIPTION>d</v:DESCRIPTION><v:GROUP><v:FIELDref ref='a'/></v:GROUP>{fields}<v:LINK href='x'/>\
         <v:DATA>{data}</v:DATA></v:TABLE><v:TABLE/></v:RESOURCE></v:RESOURCE></v:VOTABLE>"
    )
    .replace("<F ", "<v:FIELD ")
    .replace("</F>", "</v:FIELD>")
    .into_bytes()
}

fn tabledata(fields: &str, rows: &str) -> Vec<u8> {
    let rows = rows.replace("<r>", "<v:TR>").replace("</r>", "</v:TR>");
    let rows = rows.replace("<d>", "<v:TD>").replace("</d>", "</v:TD>").replace("<d/>", "<v:TD/>");
    document(fields, &format!("<v:TABLEDATA>{rows}</v:TABLEDATA>"))
}

#[test]
fn cells_of_every_type_as_text() {
    let fields = "<F name='b' datatype='boolean'/><F name='bits' datatype='bit' arraysize='*'/>\
        <F name='hex' datatype='int'><v:VALUES null='-1'/></F><F name='bytes' datatype='unsignedByte' arraysize='3'/>\
        <F name='t' datatype='char' arraysize='*' xtype='timestamp'/><F name='p' datatype='double' arraysize='2' xtype='point'/>\
        <F name='f' datatype='float' arraysize='2x*'/><F name='text' datatype='char' arraysize='4*'/><F name='c'/>\
        <F name='fn' datatype='double'><v:VALUES null='-99.9'/></F>";
    let rows = "<r><d>T</d><d>1 0 1</d><d>0x1F</d><d>1 2 0xff</d><d>2024-02-29T01:02:03.5Z</d><d>10 -5</d><d>1 2 3 4</d>\
        <d>a&amp;b&#233;<![CDATA[<c>]]></d><d>x</d><d>-99.9</d></r>\n\
        <r><d>?</d><d>101</d><d>-1</d><d/><d></d><d/><d/><d/><d/><d>1</d></r>";
    let batches = read_bytes(&tabledata(fields, rows)).unwrap();
    let found = cells(&batches);
    for (name, expected) in [
        ("b", ["true", "NULL"]),
        ("bits", ["[true, false, true]", "[true, false, true]"]),
        ("hex", ["31", "NULL"]),
        ("bytes", ["0102ff", "NULL"]),
        ("t", ["2024-02-29T01:02:03.500", "NULL"]),
        ("p", ["[10.0, -5.0]", "NULL"]),
        ("f", ["[1.0, 2.0, 3.0, 4.0]", "NULL"]),
        ("text", ["a&bé<c>", "NULL"]),
        ("c", ["x", "NULL"]),
        ("fn", ["NULL", "1.0"]),
    ] {
        assert_eq!(found[name], expected, "{name}");
    }
    let schema = batches[0].schema();
    let metadata = |name: &str| schema.field_with_name(name).unwrap().metadata().clone();
    assert_eq!(metadata("f")["arraysize"], "2x*");
    assert_eq!((metadata("p")["xtype"].as_str(), metadata("t")["xtype"].as_str()), ("point", "timestamp"));
    assert_eq!(metadata("text")["datatype"], "char");
}

#[test]
fn rows_in_binary_with_and_without_flags() {
    use base64::Engine;
    let fields = "<F name='i' datatype='int'><v:VALUES null='7'/></F><F name='s' datatype='char' arraysize='*'/>\
        <F name='u' datatype='unicodeChar' arraysize='3'/><F name='a' datatype='short' arraysize='*'/>\
        <F name='l' datatype='boolean'/><F name='x' datatype='bit' arraysize='10'/>";
    let row = |flags: Option<u8>, number: i32, text: &str, array: &[i16]| -> Vec<u8> {
        let mut bytes: Vec<u8> = flags.into_iter().collect();
        bytes.extend(number.to_be_bytes());
        bytes.extend((text.len() as u32).to_be_bytes());
        bytes.extend(text.as_bytes());
        bytes.extend([0, b'a', 3, 0xb1, 0, 0]);
        bytes.extend((array.len() as u32).to_be_bytes());
        array.iter().for_each(|value| bytes.extend(value.to_be_bytes()));
        bytes.push(b'F');
        bytes.extend([0b1000_0001, 0b0100_0000]);
        bytes
    };
    let encode = |rows: &[Vec<u8>], name: &str| {
        let text = base64::engine::general_purpose::STANDARD.encode(rows.concat());
        let lines: Vec<&str> = text.as_bytes().chunks(20).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let stream =
            format!("<v:{name}><v:STREAM encoding='base64'>\n{}\n</v:STREAM></v:{name}>", lines.join("\r\n  "));
        document(fields, &stream)
    };
    let plain = encode(&[row(None, 7, "", &[]), row(None, -2, "ab\0c", &[1, -2])], "BINARY");
    let found = cells(&read_bytes(&plain).unwrap());
    assert_eq!(found["i"], ["NULL", "-2"]);
    assert_eq!(found["s"], ["NULL", "ab"]);
    assert_eq!(found["u"], ["aα", "aα"]);
    assert_eq!(found["a"], ["NULL", "[1, -2]"]);
    assert_eq!(found["l"], ["false", "false"]);
    assert!(found["x"][0].starts_with("[true, false, false, false, false, false, false, true, false, true]"));

    let flagged = encode(&[row(Some(0), 5, "", &[]), row(Some(0b1101_1000), 1, "b", &[3])], "BINARY2");
    let found = cells(&read_bytes(&flagged).unwrap());
    assert_eq!(found["i"], ["5", "NULL"]);
    assert_eq!(found["s"], ["", "NULL"]);
    assert_eq!(found["u"], ["aα", "aα"]);
    assert_eq!(found["a"], ["[]", "NULL"]);
    assert_eq!(found["l"], ["false", "NULL"]);
}

#[test]
fn faults_are_told_with_their_place() {
    let int = "<F name='n' datatype='int'/><F name='m' datatype='short'/>";
    for (bytes, said) in [
        (tabledata(int, "<r><d>1</d><d>2</d></r><r><d>1</d><d>40000</d></r>"), "row: 2, column: m, value: 40000"),
        (tabledata(int, "<r><d>1</d><d>x</d></r>"), "is not an integer"),
        (tabledata(int, "<r><d>1</d></r>"), "another number of cells"),
        (tabledata("<F name='a' datatype='double' arraysize='3'/>", "<r><d>1 2</d></r>"), "another number of elements"),
        (tabledata("<F name='a' datatype='quad'/>", ""), "datatype: quad"),
        (tabledata("<F name='a' datatype='double' arraysize='9999999999x9999999999999'/>", ""), "arraysize"),
        (tabledata("<F name='a' datatype='double' arraysize='99999999'/>", ""), "longer than allowed"),
        (tabledata(int, "<r><d>&nosuch;</d><d>1</d></r>"), "entity"),
        (document(int, "<v:BINARY><v:STREAM encoding='base64'>AAAA</v:STREAM></v:BINARY>"), "ends within a row"),
        (document(int, "<v:BINARY><v:STREAM encoding='base64'>!!!!</v:STREAM></v:BINARY>"), "not base64"),
        (document(int, "<v:BINARY><v:STREAM href='http://x/y'/></v:BINARY>"), "in another file"),
        (document(int, "<v:FITS extnum='1'><v:STREAM>AAAA</v:STREAM></v:FITS>"), "FITS stream"),
        (
            document(
                "<F name='s' datatype='char' arraysize='*'/>",
                "<v:BINARY><v:STREAM>f////w==</v:STREAM></v:BINARY>",
            ),
            "longer than allowed",
        ),
    ] {
        let error = read_bytes(&bytes).unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
    let deep = format!("<VOTABLE>{}", "<RESOURCE>".repeat(1000));
    assert!(read_bytes(deep.as_bytes()).unwrap_err().to_string().contains("nested too deep"));
}

#[test]
fn a_table_without_rows_has_columns() {
    let field = "<F name='n' datatype='int' unit='m'/>";
    for data in ["<v:TABLEDATA/>", "<v:BINARY2><v:STREAM encoding='base64'/></v:BINARY2>", ""] {
        assert!(read_bytes(&document(field, data)).unwrap().is_empty(), "{data}");
    }
}
