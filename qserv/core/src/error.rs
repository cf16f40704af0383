//! One error for the whole system: a kind that names the remedy, a message for people, context as data.
//!
//! Every crate returns [`Error`]; the edges (HTTP, UWS, Flight, the terminal) map [`ErrorKind`] once to their own codes.
//! The message is text for the user who asked: it never holds a Rust or DataFusion message. What such a library said goes
//! into `source`, which is for logs.

use std::borrow::Cow;
use std::fmt;

/// Marks a text that holds an error of ours.
const WIRE_PREFIX: &str = "qserv-error:";

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can be done about an error, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is wrong: correct it and ask again.
    Invalid,
    /// The thing named does not exist.
    NotFound,
    /// The caller may not do this.
    Denied,
    /// It clashes with what is there: choose another name, or wait for the other to end.
    Conflict,
    /// A bound was reached (rows, memory, time, depth): ask for less, or raise the named setting.
    Limit,
    /// A part of the cluster does not answer: try again later.
    Unavailable,
    /// Stored or loaded data is damaged or does not fit its declaration.
    Data,
    /// A fault of ours.
    Internal,
    /// The caller, or an operator, ended it.
    Cancelled,
}

impl ErrorKind {
    /// The kind's name as it crosses process borders and stands in documents, for example `not_found`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Conflict => "conflict",
            Self::Limit => "limit",
            Self::Unavailable => "unavailable",
            Self::Data => "data",
            Self::Internal => "internal",
            Self::Cancelled => "cancelled",
        }
    }

    /// The kind of a name that [`ErrorKind::as_str`] gave; `None` for any other text.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::Invalid,
            Self::NotFound,
            Self::Denied,
            Self::Conflict,
            Self::Limit,
            Self::Unavailable,
            Self::Data,
            Self::Internal,
            Self::Cancelled,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == name)
    }

    /// Whether the same request may succeed when it is sent again unchanged.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Unavailable)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error with its kind, a message for the user, context pairs, and what caused it.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    context: Vec<(Cow<'static, str>, String)>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this kind; `message` is what the user reads.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), context: Vec::new(), source: None }
    }

    /// [`ErrorKind::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// [`ErrorKind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// [`ErrorKind::Conflict`].
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// [`ErrorKind::Limit`].
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit, message)
    }

    /// [`ErrorKind::Unavailable`].
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// [`ErrorKind::Data`].
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, message)
    }

    /// [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Adds one fact, for example `("worker", "w2")`. Facts are shown behind the message, in the order added.
    #[must_use]
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl fmt::Display) -> Self {
        self.context.push((key.into(), value.to_string()));
        self
    }

    /// Keeps what caused this error, for logs.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What can be done about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message alone, without context.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The facts added with [`Error::with`].
    #[must_use]
    pub fn context(&self) -> &[(Cow<'static, str>, String)] {
        &self.context
    }

    /// Kind, message and context as one line of text, for channels that carry nothing but text; the cause stays behind.
    #[must_use]
    pub fn to_wire(&self) -> String {
        let context: Vec<[&str; 2]> = self.context.iter().map(|(key, value)| [key.as_ref(), value.as_str()]).collect();
        let body = serde_json::json!({ "kind": self.kind.as_str(), "message": self.message, "context": context });
        format!("{WIRE_PREFIX}{body}")
    }

    /// The error of a text that [`Error::to_wire`] gave; `None` for any other text.
    #[must_use]
    pub fn from_wire(text: &str) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Body {
            kind: String,
            message: String,
            context: Vec<[String; 2]>,
        }
        let body: Body = serde_json::from_str(text.strip_prefix(WIRE_PREFIX)?).ok()?;
        let mut error = Self::new(ErrorKind::parse(&body.kind)?, body.message);
        for [key, value] in body.context {
            error = error.with(key, value);
        }
        Some(error)
    }

    /// The whole chain of causes in one line, for logs; never for users.
    #[must_use]
    pub fn to_log(&self) -> String {
        let mut text = format!("{}: {self}", self.kind);
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for (index, (key, value)) in self.context.iter().enumerate() {
            let separator = if index == 0 { " (" } else { ", " };
            write!(f, "{separator}{key}: {value}")?;
        }
        if self.context.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_message_and_context_but_not_the_cause() {
        let error = Error::unavailable("no live replica of a chunk")
            .with("worker", "w2")
            .with("database", "dp1")
            .caused_by(std::io::Error::other("connection refused"));
        assert_eq!(error.to_string(), "no live replica of a chunk (worker: w2, database: dp1)");
        assert_eq!(
            error.to_log(),
            "unavailable: no live replica of a chunk (worker: w2, database: dp1): connection refused"
        );
    }

    #[test]
    fn crosses_a_text_channel_whole() {
        let error = Error::limit("too \"much\"").with("setting", "query.memory_bytes").with("asked", 7);
        let back = Error::from_wire(&error.to_wire()).unwrap();
        assert_eq!((back.kind(), back.to_string()), (ErrorKind::Limit, error.to_string()));
        assert!(Error::from_wire("qserv-error:{}").is_none() && Error::from_wire("x").is_none());
    }

    #[test]
    fn every_kind_survives_its_name() {
        for kind in [ErrorKind::Invalid, ErrorKind::Limit, ErrorKind::Cancelled, ErrorKind::Internal] {
            assert_eq!(ErrorKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(ErrorKind::parse("fatal"), None);
    }
}
