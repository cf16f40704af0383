//! Writing XML: escaping, and a writer that closes what it opened.

/// Where a text stands in a document; attributes must also keep their white space from being normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Between tags.
    Content,
    /// Inside a double-quoted attribute.
    Attribute,
}

/// Bytes that [`put_escaped`] must look at; every other byte is copied.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'&' as usize] = true;
    table[b'"' as usize] = true;
    table[0xEF] = true;
    table
};

/// U+FFFD, for characters that no XML 1.0 document can hold, not even as references.
const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();

/// Appends `text` so that an XML parser reads it back; characters that XML 1.0 forbids become U+FFFD.
pub(crate) fn put_escaped(text: &str, place: Place, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !SPECIAL[usize::from(byte)] {
            continue;
        }
        let (escape, length): (&[u8], usize) = match byte {
            b'<' => (b"&lt;", 1),
            b'>' => (b"&gt;", 1),
            b'&' => (b"&amp;", 1),
            b'"' if place == Place::Attribute => (b"&quot;", 1),
            b'"' => continue,
            b'\r' => (b"&#13;", 1),
            b'\n' if place == Place::Attribute => (b"&#10;", 1),
            b'\t' if place == Place::Attribute => (b"&#9;", 1),
            b'\n' | b'\t' => continue,
            // U+FFFE and U+FFFF are EF BF BE and EF BF BF; everything else that begins with EF is fine.
            0xEF => match bytes.get(at + 1..at + 3) {
                Some([0xBF, 0xBE | 0xBF]) => (REPLACEMENT, 3),
                _ => continue,
            },
            _ => (REPLACEMENT, 1),
        };
        out.extend_from_slice(&bytes[copied..at]);
        out.extend_from_slice(escape);
        copied = at + length;
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// A text so that an XML parser reads it back.
pub(crate) fn escaped(text: &str, place: Place) -> String {
    let mut out = Vec::with_capacity(text.len());
    put_escaped(text, place, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends a small document to a buffer, element by element.
pub(crate) struct XmlWriter<'a> {
    out: &'a mut Vec<u8>,
    open: Vec<&'static str>,
}

impl<'a> XmlWriter<'a> {
    /// Begins a document with its XML declaration.
    pub(crate) fn document(out: &'a mut Vec<u8>) -> Self {
        out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        Self { out, open: Vec::new() }
    }

    /// Continues inside a document.
    pub(crate) fn fragment(out: &'a mut Vec<u8>) -> Self {
        Self { out, open: Vec::new() }
    }

    /// Opens an element.
    pub(crate) fn open(&mut self, name: &'static str, attributes: &[(&str, &str)]) -> &mut Self {
        self.tag(name, attributes);
        self.out.extend_from_slice(b">\n");
        self.open.push(name);
        self
    }

    /// Closes the element opened last.
    pub(crate) fn close(&mut self) -> &mut Self {
        if let Some(name) = self.open.pop() {
            self.end(name);
        }
        self
    }

    /// An element that holds a text only.
    pub(crate) fn leaf(&mut self, name: &'static str, attributes: &[(&str, &str)], text: &str) -> &mut Self {
        self.tag(name, attributes);
        self.out.push(b'>');
        put_escaped(text, Place::Content, self.out);
        self.end(name);
        self
    }

    /// [`XmlWriter::leaf`] if there is a text that is not empty, else nothing.
    pub(crate) fn optional(&mut self, name: &'static str, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) if !text.is_empty() => self.leaf(name, &[], text),
            _ => self,
        }
    }

    /// An element without content.
    pub(crate) fn empty(&mut self, name: &'static str, attributes: &[(&str, &str)]) -> &mut Self {
        self.tag(name, attributes);
        self.out.extend_from_slice(b"/>\n");
        self
    }

    /// Closes every open element.
    pub(crate) fn finish(mut self) {
        while !self.open.is_empty() {
            self.close();
        }
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        for (key, value) in attributes {
            self.out.push(b' ');
            self.out.extend_from_slice(key.as_bytes());
            self.out.extend_from_slice(b"=\"");
            put_escaped(value, Place::Attribute, self.out);
            self.out.push(b'"');
        }
    }

    fn end(&mut self, name: &str) {
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b">\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_a_parser_would_misread() {
        assert_eq!(escaped("a<b & c>d \"é\"", Place::Content), "a&lt;b &amp; c&gt;d \"é\"");
        assert_eq!(escaped("line\nnext\t\"x\"\r", Place::Attribute), "line&#10;next&#9;&quot;x&quot;&#13;");
        assert_eq!(escaped("line\nnext\t\r", Place::Content), "line\nnext\t&#13;");
    }

    #[test]
    fn replaces_what_no_document_can_hold() {
        assert_eq!(
            escaped("\0\u{1b}x\u{FFFE}\u{FFFF}\u{FFFD}\u{F000}", Place::Content),
            "\u{FFFD}\u{FFFD}x\u{FFFD}\u{FFFD}\u{FFFD}\u{F000}"
        );
    }

    #[test]
    fn closes_what_it_opened() {
        let mut out = Vec::new();
        let mut xml = XmlWriter::fragment(&mut out);
        xml.open("a", &[("k", "v<")]).leaf("b", &[], "t").optional("c", None).empty("d", &[]);
        xml.finish();
        assert_eq!(String::from_utf8(out).unwrap(), "<a k=\"v&lt;\">\n<b>t</b>\n<d/>\n</a>\n");
    }
}
