//! Signatures of user-defined functions as TAPRegExt declares them: `name(x DOUBLE, ...) -> BIGINT`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::TypeClass;

/// A user-defined function that a service has.
///
/// Written as in the standard (section 3.2.2), `name(first DOUBLE, second VARCHAR) -> BIGINT`, with two additions: an
/// empty argument list, and `...` as the last argument for any number of further ones of the last type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FunctionSignature {
    /// The name; calls may write it in any letter case.
    pub name: String,
    /// The arguments.
    pub parameters: Vec<Parameter>,
    /// Whether more arguments than these may follow.
    pub variadic: bool,
    /// The type of the result, as declared.
    pub result: String,
    /// The unit of the result, where it has one whatever the arguments; it is not part of the written form.
    pub unit: Option<String>,
    /// The UCD of the result, likewise.
    pub ucd: Option<String>,
    /// Whether it makes one value of many rows, as COUNT does; likewise not part of the written form.
    pub aggregate: bool,
}

/// An argument of a user-defined function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, for people.
    pub name: String,
    /// Its type, as declared.
    pub type_name: String,
}

impl Parameter {
    /// What its values can be compared and combined with.
    pub(crate) fn class(&self) -> TypeClass {
        TypeClass::of_declared(&self.type_name)
    }
}

/// A text that is no signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureError {
    text: String,
    reason: &'static str,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no function signature: {}; write `name(x DOUBLE, y VARCHAR) -> BIGINT`",
            self.text, self.reason
        )
    }
}

impl std::error::Error for SignatureError {}

impl FunctionSignature {
    /// Whether it can be called with this number of arguments.
    #[must_use]
    pub fn takes(&self, count: usize) -> bool {
        count == self.parameters.len() || (self.variadic && count > self.parameters.len())
    }

    /// The signature with the unit of its result.
    #[must_use]
    pub fn with_unit(self, unit: &str) -> Self {
        Self { unit: Some(unit.to_owned()), ..self }
    }

    /// The signature of an aggregate: it takes DISTINCT and OVER, and cannot stand in WHERE.
    #[must_use]
    pub fn aggregate(self) -> Self {
        Self { aggregate: true, ..self }
    }

    /// What its result can be compared and combined with.
    #[must_use]
    pub fn result_class(&self) -> TypeClass {
        TypeClass::of_declared(&self.result)
    }
}

impl FromStr for FunctionSignature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let error = |reason| SignatureError { text: text.to_owned(), reason };
        let (head, result) = text.split_once("->").ok_or_else(|| error("`->` and the result's type are missing"))?;
        let (name, arguments) = head.split_once('(').ok_or_else(|| error("`(` is missing"))?;
        let arguments = arguments.trim_end().strip_suffix(')').ok_or_else(|| error("`)` is missing before `->`"))?;
        let name = name.trim();
        if !is_word(name) {
            return Err(error("the name must be a letter, then letters, digits and underscores"));
        }
        let result = result.trim();
        if !is_type(result) {
            return Err(error("the result's type is missing or not a type"));
        }
        let mut parameters = Vec::new();
        let mut variadic = false;
        for argument in arguments.split(',').map(str::trim) {
            if argument.is_empty() && parameters.is_empty() && arguments.trim().is_empty() {
                break;
            }
            if variadic {
                return Err(error("`...` must be the last argument"));
            }
            if argument == "..." {
                variadic = true;
                continue;
            }
            let (name, type_name) =
                argument.split_once(char::is_whitespace).ok_or_else(|| error("an argument is a name and a type"))?;
            let type_name = type_name.trim();
            if !is_word(name) || !is_type(type_name) {
                return Err(error("an argument is a name and a type"));
            }
            parameters.push(Parameter { name: name.to_owned(), type_name: type_name.to_owned() });
        }
        let (name, result) = (name.to_owned(), result.to_owned());
        Ok(Self { name, parameters, variadic, result, unit: None, ucd: None, aggregate: false })
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A type is words, perhaps with a length: `DOUBLE PRECISION`, `VARCHAR(*)`, `DOUBLE[]`.
fn is_type(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" _()[]*".contains(&byte))
}

impl fmt::Display for FunctionSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut arguments: Vec<String> =
            self.parameters.iter().map(|parameter| format!("{} {}", parameter.name, parameter.type_name)).collect();
        if self.variadic {
            arguments.push("...".to_owned());
        }
        write!(f, "{}({}) -> {}", self.name, arguments.join(", "), self.result)
    }
}

impl TryFrom<String> for FunctionSignature {
    type Error = SignatureError;

    fn try_from(text: String) -> Result<Self, SignatureError> {
        text.parse()
    }
}

impl From<FunctionSignature> for String {
    fn from(signature: FunctionSignature) -> Self {
        signature.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for form in ["f() -> DOUBLE", "f(x DOUBLE PRECISION) -> BIGINT", "a_b(x VARCHAR(*), ...) -> DOUBLE[]"] {
            let signature: FunctionSignature = form.parse().unwrap();
            assert_eq!(signature.to_string(), form);
        }
        let loose: FunctionSignature = "  f ( x   DOUBLE ,y INTEGER )->BIGINT ".parse().unwrap();
        assert_eq!(loose.to_string(), "f(x DOUBLE, y INTEGER) -> BIGINT");
        assert!(loose.takes(2) && !loose.takes(1) && !loose.takes(3));
    }

    #[test]
    fn refuses_what_is_no_signature() {
        for form in [
            "",
            "f",
            "f(x DOUBLE)",
            "f(x) -> INT",
            "f(x DOUBLE,) -> INT",
            "1f() -> INT",
            "f(..., x INT) -> INT",
            "f() -> ",
        ] {
            assert!(form.parse::<FunctionSignature>().is_err(), "{form}");
        }
    }
}
