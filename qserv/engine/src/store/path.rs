//! The names that segments may have.

use std::fmt;
use std::path::{Path, PathBuf};

use qserv_core::{Error, Result};

/// Longest whole path in bytes: far more than the HATS layout needs, far less than any file system refuses.
const MAX_PATH_BYTES: usize = 1024;

/// Longest part of a path in bytes: leaves room, below the 255 of common file systems, for the name of a pending put.
const MAX_PART_BYTES: usize = 200;

/// A segment's path below a store's root, checked: relative, of plain parts that cannot leave the root.
///
/// Parts are separated by `/`. Each has ASCII letters, digits, `_`, `-`, `=` and `.` only and does not begin with `.`, so that
/// `..` and the names of pending puts cannot be asked for, and so that the path means the same in a URL as on a disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SegmentPath(String);

impl SegmentPath {
    /// Checks a path.
    ///
    /// # Errors
    /// `Invalid` for an absolute path, an empty part, a part that begins with `.`, a character that no segment's name has, or
    /// a path that is too long.
    pub fn parse(path: &str) -> Result<Self> {
        let refuse = |reason: &str| {
            // What is echoed is bounded and printable: the text comes from the network.
            let shown: String = path.chars().take(120).flat_map(char::escape_default).collect();
            Err(Error::invalid(format!("not the path of a segment: {reason}")).with("path", shown))
        };
        if path.is_empty() {
            return refuse("it is empty");
        }
        if path.len() > MAX_PATH_BYTES {
            return refuse("it is too long");
        }
        for part in path.split('/') {
            if part.is_empty() {
                return refuse("it is absolute or has an empty part");
            }
            if part.len() > MAX_PART_BYTES {
                return refuse("a part of it is too long");
            }
            if part.starts_with('.') {
                return refuse("a part of it begins with a dot");
            }
            if !part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-=.".contains(&byte)) {
                return refuse("it has a character other than letters, digits, '_', '-', '=' and '.'");
            }
        }
        Ok(Self(path.to_owned()))
    }

    /// The path as text, parts separated by `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file below `root`.
    pub(super) fn below(&self, root: &Path) -> PathBuf {
        let mut file = root.to_path_buf();
        file.extend(self.0.split('/'));
        file
    }

    /// The last part.
    pub(super) fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for SegmentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use qserv_core::ErrorKind;

    use super::*;

    #[test]
    fn takes_the_paths_of_the_hats_layout() {
        for path in [
            "demo/Object/dataset/Norder=6/Dir=0/Npix=123/0198c.parquet",
            "demo/Object_key_index/dataset/a-b.parquet",
            "x",
        ] {
            assert_eq!(SegmentPath::parse(path).unwrap().as_str(), path);
        }
    }

    #[test]
    fn refuses_paths_that_leave_the_root_or_hide() {
        for path in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "a/../../x",
            "a/..",
            "a//b",
            "a/",
            ".",
            "./a",
            "a/.put-1-x",
            "a\\..\\b",
            "a\0b",
            "a b",
            "a%2e%2e/b",
            "a:b",
            "ä",
            "a\nb",
            "~/x",
            "a?b",
            "a#b",
        ] {
            assert_eq!(SegmentPath::parse(path).unwrap_err().kind(), ErrorKind::Invalid, "{path:?}");
        }
        assert!(SegmentPath::parse(&"a".repeat(201)).is_err());
        assert!(SegmentPath::parse(&"a/".repeat(600)).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_taken_stays_below_the_root(path in "[a-z./\\\\ %=_-]{0,40}") {
            let root = Path::new("/store/root");
            if let Ok(parsed) = SegmentPath::parse(&path) {
                let file = parsed.below(root);
                prop_assert!(file.starts_with(root));
                prop_assert!(file.components().all(|part| !matches!(part, std::path::Component::ParentDir)));
                prop_assert_eq!(file.components().count(), root.components().count() + path.split('/').count());
            }
        }
    }
}
