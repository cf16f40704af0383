//! The `Range` and `If-Range` headers (RFC 9110, sections 13 and 14): whether a part of a result is asked for.

use axum::http::{HeaderMap, header};
use qserv_core::byte_range::{Part, part};

/// The range that a request asks for, if it still means this version of the body.
pub(crate) fn asked<'h>(headers: &'h HeaderMap, etag: &str) -> Option<&'h str> {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let range = text(header::RANGE)
        .filter(|range| part(Some(range), 1) != Part::Whole || part(Some(range), u64::MAX) != Part::Whole)?;
    // A date, or another version: the client is to get the whole.
    if text(header::IF_RANGE).is_some_and(|condition| condition.trim() != etag) { None } else { Some(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_another_version_is_the_whole() {
        let ask = |pairs: &[(header::HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(name, header::HeaderValue::from_static(value));
            }
            asked(&headers, "\"a\"").map(str::to_owned)
        };
        assert_eq!(ask(&[]), None);
        assert_eq!(ask(&[(header::RANGE, "lines=1-")]), None);
        assert_eq!(ask(&[(header::RANGE, "bytes=5-")]).as_deref(), Some("bytes=5-"));
        assert_eq!(ask(&[(header::RANGE, "bytes=5-"), (header::IF_RANGE, "\"a\"")]).as_deref(), Some("bytes=5-"));
        assert_eq!(ask(&[(header::RANGE, "bytes=5-"), (header::IF_RANGE, "\"b\"")]), None);
        assert_eq!(ask(&[(header::RANGE, "bytes=5-"), (header::IF_RANGE, "Wed, 02 Jan 2030 03:04:05 GMT")]), None);
    }
}
