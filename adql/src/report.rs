//! Collects what the passes find: faults, with the user's text beside them, and warnings.

use sqlparser::tokenizer::Span;

use crate::fault::{Excerpt, Fault};
use crate::options::{Level, Options};

/// A fault before it is tied to the text: what the parser returns when it cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) expected: Vec<String>,
    pub(crate) suggestions: Vec<String>,
    /// Nothing behind it is read.
    pub(crate) last: bool,
}

impl Problem {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), expected: Vec::new(), suggestions: Vec::new(), last: false }
    }

    pub(crate) fn expecting(mut self, expected: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.expected = expected.into_iter().map(Into::into).collect();
        self
    }

    pub(crate) fn suggesting(mut self, suggestions: Vec<String>) -> Self {
        self.suggestions = suggestions;
        self
    }
}

/// Where the passes leave their findings.
pub(crate) struct Report<'t> {
    lines: Vec<&'t str>,
    level: Level,
    max_faults: usize,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

impl<'t> Report<'t> {
    pub(crate) fn new(text: &'t str, options: &Options) -> Self {
        Self {
            lines: text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect(),
            level: options.level,
            max_faults: options.max_faults.max(1),
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The text at a place in one line, cut behind so many characters.
    pub(crate) fn excerpt(&self, span: Span, most: usize) -> String {
        let mut text = String::new();
        let mut length = 0;
        let mut blank = false;
        for number in span.start.line.max(1)..=span.end.line {
            let Some(line) = usize::try_from(number - 1).ok().and_then(|index| self.lines.get(index)) else { break };
            let first = if number == span.start.line { span.start.column.max(1) } else { 1 };
            let behind = if number == span.end.line { span.end.column } else { u64::MAX };
            for (column, letter) in (1_u64..).zip(line.chars()).skip_while(|(column, _)| *column < first) {
                if column >= behind {
                    break;
                }
                if letter.is_whitespace() {
                    blank = true;
                    continue;
                }
                if std::mem::take(&mut blank) && !text.is_empty() {
                    text.push(' ');
                    length += 1;
                }
                if length >= most {
                    return text.trim_end().to_owned() + "…";
                }
                text.push(letter);
                length += 1;
            }
            blank = true;
        }
        text
    }

    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// Records a fault. One that was recorded before is dropped, as are those above the limit.
    pub(crate) fn problem(&mut self, problem: Problem) {
        if self.is_full() {
            return;
        }
        let Problem { span, message, expected, suggestions, last: _ } = problem;
        let line = span.start.line.max(1);
        let column = span.start.column.max(1);
        let text = usize::try_from(line - 1).ok().and_then(|index| self.lines.get(index)).copied().unwrap_or("");
        let length = if span.end.line == line {
            span.end.column.saturating_sub(column)
        } else {
            (text.chars().count() as u64 + 1).saturating_sub(column)
        };
        let fault = Fault {
            message,
            line,
            column,
            length: length.max(1),
            expected,
            suggestions,
            excerpt: Excerpt::around(text, column),
        };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Records a fault that is nothing but a place and a sentence.
    pub(crate) fn fault(&mut self, span: Span, message: impl Into<String>) {
        self.problem(Problem::new(span, message));
    }

    /// Records a fault, unless there is one that begins at the same place: this one would follow from it.
    pub(crate) fn fault_unless_known(&mut self, span: Span, message: impl Into<String>) {
        let (line, column) = (span.start.line.max(1), span.start.column.max(1));
        if !self.faults.iter().any(|fault| (fault.line, fault.column) == (line, column)) {
            self.fault(span, message);
        }
    }

    /// Whether no further fault would be kept: then there is no use in looking for names that are near.
    pub(crate) fn is_full(&self) -> bool {
        self.faults.len() >= self.max_faults
    }

    /// Something that the standard refuses and the service takes: a fault under [`Level::Strict`], else a warning.
    pub(crate) fn lenient(&mut self, span: Span, message: impl Into<String>) {
        match self.level {
            Level::Strict => self.fault(span, message),
            Level::Service => {
                self.warn(format!("line {}, column {}: {}", span.start.line, span.start.column, message.into()))
            }
        }
    }

    /// Records a warning, once.
    pub(crate) fn warn(&mut self, warning: String) {
        if self.warnings.len() < self.max_faults && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    pub(crate) fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// The warnings, or the faults in the order of the text.
    pub(crate) fn finish(mut self) -> Result<Vec<String>, Vec<Fault>> {
        if self.faults.is_empty() {
            return Ok(self.warnings);
        }
        self.faults.sort_by_key(|fault| (fault.line, fault.column));
        Err(self.faults)
    }
}
