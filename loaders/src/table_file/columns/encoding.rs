//! Elements of cells as files write them: words, big-endian numbers, characters.

use crate::delimited::values::{self, Fault};

/// An integer as VOTable and ECSV write it: decimal, or hexadecimal after `0x`.
pub(super) fn integer(word: &str) -> Result<i128, Fault> {
    const FORM: Fault = "is not an integer";
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) if !digits.starts_with(['+', '-']) => i128::from_str_radix(digits, 16).map_err(|_| FORM)?,
        Some(_) => return Err(FORM),
        None if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse::<i128>().map_err(|_| FORM)?,
        None => return Err(FORM),
    };
    Ok(if negative { -value } else { value })
}

pub(super) fn boolean(word: &str) -> Result<Option<bool>, Fault> {
    match word {
        "?" | "\0" => Ok(None),
        _ => values::boolean(word.as_bytes()).map(Some),
    }
}

/// Big-endian numbers one after the other.
pub(super) fn numbers<const WIDTH: usize, T>(
    bytes: &[u8],
    number: impl Fn([u8; WIDTH]) -> T,
) -> impl Iterator<Item = T> {
    bytes.as_chunks::<WIDTH>().0.iter().map(move |bytes| number(*bytes))
}

/// Text of one byte a character up to a NUL: UTF-8 if it is that, else Latin-1, which every text is.
pub(in crate::table_file) fn narrow(bytes: &[u8]) -> String {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    let bytes = bytes.get(..end).unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

pub(super) fn utf16(bytes: &[u8]) -> Result<String, Fault> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("has half a character");
    }
    let units = units.iter().map(|unit| u16::from_be_bytes(*unit)).take_while(|unit| *unit != 0);
    char::decode_utf16(units).collect::<Result<String, _>>().map_err(|_| "is not Unicode text")
}
