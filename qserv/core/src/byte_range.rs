//! Which part of stored bytes is asked for, in the words of a `Range` header (RFC 9110, section 14): of segments by workers, of
//! results by users.

use std::ops::Range;

/// What a request asks for of stored bytes of known length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// This range, not empty and within them.
    Range(Range<u64>),
    /// A range that they do not have.
    Outside,
}

/// Reads a `Range` header. One that is not understood, or asks for several ranges, is passed over, as the RFC allows: the answer
/// is the whole then.
#[must_use]
pub fn part(header: Option<&str>, length: u64) -> Part {
    let Some(range) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else { return Part::Whole };
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
            ("bytes=99999999999999999999999-", Part::Outside),
            ("bytes=-0", Part::Outside),
            ("bytes=5-2", Part::Whole),
            ("bytes=0-1,4-5", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=-", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(part(Some(header), 10), expected, "{header}");
        }
        assert_eq!(part(None, 10), Part::Whole);
        assert_eq!(part(Some("bytes=0-"), 0), Part::Outside);
        assert_eq!(part(Some("bytes=-5"), 0), Part::Outside);
    }

    proptest! {
        #[test]
        fn never_leaves_the_bytes(header in "(bytes=)?[0-9,-]{0,30}", length: u64) {
            if let Part::Range(range) = part(Some(&header), length) {
                prop_assert!(range.start < range.end && range.end <= length);
            }
        }
    }
}
