//! Faults of a declaration, collected so that all are told at once.

use std::sync::Arc;

use crate::error::{Error, Result};

/// Most faults that one error tells. More would hide the first.
const MAX_FAULTS_TOLD: usize = 20;

/// Where something is declared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The file as the caller called it.
    pub(super) file: Arc<str>,
    /// The line, from 1; 0 where the file has no lines (Parquet).
    pub(super) line: usize,
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    list: Vec<(Place, String)>,
}

impl Faults {
    /// Adds one: `message` says what is wrong and what to write instead.
    pub(super) fn add(&mut self, place: &Place, message: impl Into<String>) {
        self.list.push((place.clone(), message.into()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// `Ok` if there is no fault, else one error of kind `Invalid`, a line `file:line: fault` each.
    pub(super) fn into_result(mut self) -> Result<()> {
        if self.list.is_empty() {
            return Ok(());
        }
        self.list.sort();
        self.list.dedup();
        let more = self.list.len().saturating_sub(MAX_FAULTS_TOLD);
        let mut lines: Vec<String> = self.list.iter().take(MAX_FAULTS_TOLD).map(told).collect();
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        Err(Error::invalid(lines.join("\n")))
    }
}

fn told((place, message): &(Place, String)) -> String {
    match place.line {
        0 => format!("{}: {message}", place.file),
        line => format!("{}:{line}: {message}", place.file),
    }
}

/// What to write instead of `name`: the nearest known word, or all of them if none is near.
pub(super) fn write_instead(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(word) => format!("write \"{word}\""),
        None => format!("write one of {}", known.join(", ")),
    }
}

/// The known word that `name` most likely meant, if one is near enough.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let folded = name.to_ascii_lowercase();
    if let Some(word) = known.clone().find(|word| word.eq_ignore_ascii_case(name)) {
        return Some(word);
    }
    // `unit` for `ivoa:unit`, `id` for `@id`.
    let bare = |word: &str| word.rsplit([':', '@', '#']).next().unwrap_or(word).to_ascii_lowercase();
    if let Some(word) = known.clone().find(|word| bare(word) == bare(&folded)) {
        return Some(word);
    }
    let bound = (folded.chars().count() / 3).max(1);
    known
        .map(|word| (edits(&folded, &word.to_ascii_lowercase()), word))
        .filter(|(edits, _)| *edits <= bound)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, word)| word)
}

/// Number of single-character insertions, deletions, replacements and swaps of neighbours between two words.
fn edits(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().take(80).collect(), right.chars().take(80).collect());
    let width = right.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut above: Vec<usize> = (0..width).collect();
    for (row, a) in left.iter().enumerate() {
        let mut current = vec![row + 1; width];
        for (column, b) in right.iter().enumerate() {
            let replace = above[column] + usize::from(a != b);
            let mut best = replace.min(above[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *a == right[column - 1] && left[row - 1] == *b {
                best = best.min(before[column - 1] + 1);
            }
            current[column + 1] = best;
        }
        before = above;
        above = current;
    }
    above[width - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        assert_eq!(edits("", ""), 0);
        assert_eq!(edits("abc", ""), 3);
        assert_eq!(edits("datatype", "datatpye"), 1);
        assert_eq!(edits("kitten", "sitting"), 3);
    }

    #[test]
    fn finds_what_was_meant() {
        let known = ["name", "datatype", "ivoa:unit", "@id", "description"];
        assert_eq!(nearest("Name", known.into_iter()), Some("name"));
        assert_eq!(nearest("unit", known.into_iter()), Some("ivoa:unit"));
        assert_eq!(nearest("id", known.into_iter()), Some("@id"));
        assert_eq!(nearest("discription", known.into_iter()), Some("description"));
        assert_eq!(nearest("colour", known.into_iter()), None);
        assert!(write_instead("colour", &known).contains("name, datatype"));
    }

    #[test]
    fn tells_a_bounded_number_in_order_of_lines() {
        let mut faults = Faults::default();
        let file: Arc<str> = "a.yaml".into();
        for line in (1..=30).rev() {
            faults.add(&Place { file: file.clone(), line }, "bad");
        }
        let text = faults.into_result().unwrap_err().to_string();
        assert!(text.starts_with("a.yaml:1: bad\na.yaml:2: bad"), "{text}");
        assert!(text.ends_with("and 10 more"), "{text}");
    }
}
