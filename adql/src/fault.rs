//! A fault of a query: what is wrong, where in the user's text, and what would be right.

use std::fmt;

use serde::Serialize;

/// Longest stretch of a line that [`Fault`]'s `Display` shows, in characters: fits a terminal, and a query written in one
/// line of a megabyte stays readable.
const EXCERPT_CHARACTERS: usize = 100;

/// One thing that is wrong with a query.
///
/// `Display` is made for people: it says where, what, and shows the line with the place underlined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Line in the text, from 1.
    pub line: u64,
    /// Column in the line, in characters, from 1.
    pub column: u64,
    /// How many characters of that line are meant; at least 1.
    pub length: u64,
    /// What could have stood there, if that is known.
    pub expected: Vec<String>,
    /// The nearest names or signatures, best first.
    pub suggestions: Vec<String>,
    #[serde(skip)]
    pub(crate) excerpt: Excerpt,
}

/// The part of a line that is shown, and where the fault is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Excerpt {
    shown: String,
    offset: usize,
}

impl Excerpt {
    /// Cuts `line` so that its character number `column` (from 1) is in it.
    pub(crate) fn around(line: &str, column: u64) -> Self {
        let column = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
        let skipped = if column < EXCERPT_CHARACTERS { 0 } else { column - EXCERPT_CHARACTERS / 2 };
        // Tabs become one blank, so that the underline stays below its text.
        let shown = line
            .chars()
            .skip(skipped)
            .take(EXCERPT_CHARACTERS)
            .map(|character| if character.is_control() { ' ' } else { character })
            .collect();
        Self { shown, offset: column.saturating_sub(skipped) }
    }
}

impl Fault {
    /// A fault of the text as a whole, nothing of which can be shown.
    pub(crate) fn of_text(message: &str) -> Self {
        Self {
            message: message.to_owned(),
            line: 1,
            column: 1,
            length: 1,
            expected: Vec::new(),
            suggestions: Vec::new(),
            excerpt: Excerpt::default(),
        }
    }

    /// The message with what was expected and the nearest names, in one line and without the place.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = self.message.clone();
        if !self.expected.is_empty() {
            text.push_str("; expected ");
            text.push_str(&alternatives(&self.expected));
        }
        if !self.suggestions.is_empty() {
            let quoted: Vec<String> = self.suggestions.iter().map(|name| format!("`{name}`")).collect();
            text.push_str("; did you mean ");
            text.push_str(&alternatives(&quoted));
            text.push('?');
        }
        text
    }
}

/// `a`, `a or b`, `a, b or c`.
fn alternatives(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.summary())?;
        if self.excerpt.shown.is_empty() {
            return Ok(());
        }
        let room = self.excerpt.shown.chars().count().saturating_sub(self.excerpt.offset).max(1);
        let length = usize::try_from(self.length).unwrap_or(room).clamp(1, room);
        write!(f, "\n  {}\n  {}{}", self.excerpt.shown, " ".repeat(self.excerpt.offset), "^".repeat(length))
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(line_text: &str, column: u64, length: u64) -> Fault {
        Fault {
            message: "no column `psfFlux` in dp1.Object".into(),
            line: 1,
            column,
            length,
            expected: vec![],
            suggestions: vec!["r_psfFlux".into()],
            excerpt: Excerpt::around(line_text, column),
        }
    }

    #[test]
    fn underlines_the_text() {
        assert_eq!(
            fault("SELECT psfFlux FROM dp1.Object", 8, 7).to_string(),
            "line 1, column 8: no column `psfFlux` in dp1.Object; did you mean `r_psfFlux`?\n  \
             SELECT psfFlux FROM dp1.Object\n         ^^^^^^^"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line = format!("{}psfFlux", " ".repeat(5000));
        let shown = fault(&line, 5001, 7).to_string();
        assert!(shown.len() < 400, "{shown}");
        assert!(shown.ends_with(&format!("psfFlux\n  {}^^^^^^^", " ".repeat(50))), "{shown}");
    }
}
