//! What happens to rows that do not fit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use qserv_core::{Error, Result};

/// Messages kept for the report; the rest is only counted.
const SAMPLES: usize = 10;

/// Bytes of a bad value that a message shows.
const SHOWN_BYTES: usize = 60;

/// Counts bad rows and ends the load when there are too many. One a file; reader and placement share it.
#[derive(Debug, Clone)]
pub struct BadRows {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    allowed: u64,
    count: AtomicU64,
    samples: Mutex<Vec<String>>,
}

impl BadRows {
    /// Skips up to `allowed` bad rows; the next one is an error.
    #[must_use]
    pub fn new(allowed: u64) -> Self {
        Self { state: Arc::new(State { allowed, count: AtomicU64::new(0), samples: Mutex::default() }) }
    }

    /// Notes one bad row.
    ///
    /// # Errors
    /// The error given, when more rows are bad than allowed.
    pub fn reject(&self, error: Error) -> Result<()> {
        let count = self.state.count.fetch_add(1, Ordering::Relaxed) + 1;
        if count > self.state.allowed {
            return Err(match self.state.allowed {
                0 => error,
                allowed => error.with("bad rows", count).with("allowed", allowed),
            });
        }
        let mut samples = self.state.samples.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if samples.len() < SAMPLES {
            samples.push(error.to_string());
        }
        Ok(())
    }

    /// Rows rejected so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.state.count.load(Ordering::Relaxed)
    }

    /// What was wrong with the first of them.
    #[must_use]
    pub fn samples(&self) -> Vec<String> {
        self.state.samples.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// A value as a message shows it: control characters and other bytes escaped, cut after a few dozen bytes.
#[must_use]
pub fn shown(value: &[u8]) -> String {
    let cut = value.get(..SHOWN_BYTES).unwrap_or(value);
    // A cut through a character leaves an incomplete one at the end, which is not shown.
    let text = match std::str::from_utf8(cut) {
        Ok(text) => text.chars().flat_map(shown_char).collect::<String>(),
        Err(error) if error.error_len().is_none() && cut.len() < value.len() => {
            String::from_utf8_lossy(cut.get(..error.valid_up_to()).unwrap_or_default())
                .chars()
                .flat_map(shown_char)
                .collect()
        }
        Err(_) => cut.escape_ascii().to_string(),
    };
    if cut.len() < value.len() { format!("{text}...") } else { text }
}

fn shown_char(character: char) -> Vec<char> {
    if character.is_control() { character.escape_default().collect() } else { vec![character] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_after_the_last_allowed_one_is_an_error() {
        let bad = BadRows::new(2);
        assert!(bad.reject(Error::data("one")).is_ok());
        assert!(bad.reject(Error::data("two")).is_ok());
        assert_eq!(bad.samples(), ["one", "two"]);
        assert_eq!(bad.reject(Error::data("three")).unwrap_err().to_string(), "three (bad rows: 3, allowed: 2)");
    }

    #[test]
    fn values_are_shown_shortened_and_escaped() {
        assert_eq!(shown(b"a\tb"), "a\\tb");
        assert_eq!(shown(&[0xff, b'a']), "\\xffa");
        assert_eq!(shown("ä".repeat(100).as_bytes()), format!("{}...", "ä".repeat(30)));
        assert_eq!(shown(format!("x{}", "ä".repeat(100)).as_bytes()), format!("x{}...", "ä".repeat(29)));
    }
}
