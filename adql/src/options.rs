//! What a caller can choose: how strict, which functions, which bounds.

use serde::{Deserialize, Serialize};

use crate::functions::{self, FunctionSignature};

/// How much beside the standard is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// ADQL 2.1 with the declared extensions, and nothing else: for validators.
    Strict,
    /// Also what observatory users write where it has one meaning only; each such liberty becomes a warning.
    #[default]
    Service,
}

/// The settings of [`check`](crate::check()) and [`translate`](crate::translate()).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How much beside the standard is taken.
    pub level: Level,
    /// The database in which a table without a database name is looked for first. What is not there, or without a default,
    /// must be unique over all databases.
    pub default_database: Option<String>,
    /// The user-defined functions that the service has. The default are the sciSQL functions of LSST queries.
    pub functions: Vec<FunctionSignature>,
    /// Longest query in bytes. The default, 1 MiB, holds an IN list of fifty thousand 64-bit keys.
    pub max_text_bytes: usize,
    /// How deep parentheses, function calls and sub-queries may be nested; a sub-query counts for four levels. The default, 100, is beyond what people and
    /// query builders write, and keeps every recursive pass within the smallest thread stack in use (2 MiB).
    pub max_depth: usize,
    /// How many operators of one rank may follow each other without parentheses (`a + b + c ..`; AND, OR and commas are
    /// not counted). Each makes the syntax tree one level deeper. Default 300.
    pub max_chain: usize,
    /// How many nodes of the syntax tree translation may visit, and half as many as the text may have tokens; aliases that
    /// stand for long expressions are visited again wherever they are used. A node takes about half a kilobyte, so that
    /// the default, 250,000, keeps one query near 100 MB.
    pub max_nodes: usize,
    /// Whether values may be left open by `?` marks, to be given when the query runs.
    pub parameters: bool,
    /// How many faults are reported at once. Default 20: more are not read.
    pub max_faults: usize,
}

impl Default for Options {
    /// The service's own options.
    fn default() -> Self {
        Self {
            level: Level::Service,
            default_database: None,
            functions: functions::scisql(),
            max_text_bytes: 1 << 20,
            max_depth: 100,
            max_chain: 300,
            max_nodes: 250_000,
            parameters: false,
            max_faults: 20,
        }
    }
}

impl Options {
    /// [`Level::Strict`], else as the default.
    #[must_use]
    pub fn strict() -> Self {
        Self { level: Level::Strict, ..Self::default() }
    }
}
