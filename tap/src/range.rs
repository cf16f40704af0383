//! The `Range` and `If-Range` headers (RFC 9110, sections 13 and 14): which part of a result is asked for.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// What a request asks for of a body of known length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// This range, not empty and within the body.
    Range(Range<u64>),
    /// A range that the body does not have.
    Outside,
}

/// The range that a request asks for, if it still means this version of the body.
pub(crate) fn asked<'h>(headers: &'h HeaderMap, etag: &str) -> Option<&'h str> {
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let range =
        text(header::RANGE).filter(|range| part(range, 1) != Part::Whole || part(range, u64::MAX) != Part::Whole)?;
    // A date, or another version: the client is to get the whole.
    if text(header::IF_RANGE).is_some_and(|condition| condition.trim() != etag) { None } else { Some(range) }
}

/// Reads a `Range` header. One that is not understood, or asks for several ranges, is passed over, as the RFC allows: the answer
/// is the whole body then.
pub(crate) fn part(header: &str, length: u64) -> Part {
    let Some(range) = header.trim().strip_prefix("bytes=") else { return Part::Whole };
    let Some((first, last)) = range.split_once('-') else { return Part::Whole };
    match (position(first), position(last)) {
        (Some(Some(first)), Some(last)) => {
            if last.is_some_and(|last| last < first) {
                return Part::Whole;
            }
            let end = last.map_or(length, |last| last.saturating_add(1).min(length));
            if first < end { Part::Range(first..end) } else { Part::Outside }
        }
        // The last bytes of it.
        (Some(None), Some(Some(count))) => {
            if count == 0 || length == 0 {
                return Part::Outside;
            }
            Part::Range(length.saturating_sub(count)..length)
        }
        _ => Part::Whole,
    }
}

/// A position: `Some(None)` if it is left out, `None` if it is not one.
fn position(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // A number too large for a length means beyond every end.
    Some(Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn follows_the_rfc() {
        for (header, expected) in [
            ("bytes=0-0", Part::Range(0..1)),
            ("bytes=2-5", Part::Range(2..6)),
            ("bytes=2-", Part::Range(2..10)),
            ("bytes=-3", Part::Range(7..10)),
            ("bytes=-99", Part::Range(0..10)),
            ("bytes=9-99999999999999999999999", Part::Range(9..10)),
            ("bytes=10-", Part::Outside),
            ("bytes=-0", Part::Outside),
            ("bytes=5-2", Part::Whole),
            ("bytes=0-1,4-5", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=-", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(part(header, 10), expected, "{header}");
        }
        assert_eq!(part("bytes=0-", 0), Part::Outside);
    }

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

    proptest! {
        #[test]
        fn never_leaves_the_body(header in "(bytes=)?[0-9,-]{0,30}", length: u64) {
            if let Part::Range(range) = part(&header, length) {
                prop_assert!(range.start < range.end && range.end <= length);
            }
        }
    }
}
