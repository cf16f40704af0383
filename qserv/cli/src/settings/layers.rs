//! Where settings come from, and how a wrong one is told.

use std::path::{Path, PathBuf};

use figment::error::Kind;
use figment::providers::Serialized;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use qserv_core::{Error, Result};

use super::Settings;

const ENVIRONMENT_PREFIX: &str = "QSERV_";
/// Variables that name something else than a setting: the file itself.
const NOT_SETTINGS: [&str; 1] = ["QSERV_CONFIG"];

/// One setting given on the command line.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    /// The option, for messages: `--listen`.
    pub option: &'static str,
    /// The key: `czar.listen`.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
}

impl Override {
    /// An override if the option was given.
    pub fn given<T: Into<Value>>(option: &'static str, key: &'static str, value: Option<T>) -> Option<Self> {
        value.map(|value| Self { option, key, value: value.into() })
    }
}

/// What to read over the defaults, the weakest first.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The TOML file.
    pub file: Option<PathBuf>,
    /// Environment variables; only those that begin with `QSERV_` matter. Two underscores separate section and key:
    /// `QSERV_CZAR__LISTEN`.
    pub environment: Vec<(String, String)>,
    /// Options of the command line.
    pub overrides: Vec<Override>,
}

impl Layers {
    /// Reads all layers.
    ///
    /// # Errors
    /// `NotFound` if the file cannot be read, `Invalid` for a key that is not known or a value that does not fit.
    pub fn read(&self) -> Result<Settings> {
        let defaults = Figment::from(Serialized::defaults(Settings::default()));
        let known = defaults.data().ok().and_then(|mut data| data.remove(&Profile::Default)).unwrap_or_default();

        let mut layers = Vec::new();
        if let Some(file) = &self.file {
            layers.push(Layer::from_file(file, &known)?);
        }
        for (name, text) in &self.environment {
            layers.extend(Layer::from_variable(name, text, &known)?);
        }
        for given in &self.overrides {
            layers.push(Layer {
                origin: format!("option {}", given.option),
                values: nested(given.key, given.value.clone()),
            });
        }
        let figment = layers.into_iter().fold(defaults, Figment::merge);
        figment.extract().map_err(|error| wrong_value(&error))
    }
}

/// The values of one origin.
struct Layer {
    origin: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

impl Layer {
    fn from_file(path: &Path, known: &Dict) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::not_found("cannot read the settings file").with("file", path.display()).caused_by(error)
        })?;
        let values: Dict = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or_default().lines().count().max(1));
            Error::invalid(format!("the settings file is not TOML: {}", error.message()))
                .with("file", path.display())
                .with("line", line)
        })?;
        check_keys(&values, known).map_err(|error| error.with("file", path.display()))?;
        Ok(Self { origin: format!("file {}", path.display()), values })
    }

    /// `None` for a variable that is not ours.
    fn from_variable(name: &str, text: &str, known: &Dict) -> Result<Option<Self>> {
        let Some(key) = name.strip_prefix(ENVIRONMENT_PREFIX).filter(|_| !NOT_SETTINGS.contains(&name)) else {
            return Ok(None);
        };
        let key = key.to_lowercase().replace("__", ".");
        // A value is text where the setting is text, even if it looks like a number.
        let value = match find(known, &key) {
            Some(Value::String(..)) => Value::from(text),
            // No default, so its type is not known here; numbers have their unit last in the name.
            Some(Value::Empty(..)) if !is_named_as_number(&key) => Value::from(text),
            _ => text.parse().unwrap_or_else(|_| Value::from(text)),
        };
        let values = nested(&key, value);
        check_keys(&values, known).map_err(|error| error.with("variable", name))?;
        Ok(Some(Self { origin: format!("environment variable {name}"), values }))
    }
}

fn is_named_as_number(key: &str) -> bool {
    ["_rows", "_bytes", "_ms", "_s"].iter().any(|unit| key.ends_with(unit))
}

/// The value at a dotted key.
fn find<'a>(dict: &'a Dict, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => dict.get(key),
        Some((section, rest)) => dict.get(section)?.as_dict().and_then(|section| find(section, rest)),
    }
}

fn nested(key: &str, value: Value) -> Dict {
    match key.split_once('.') {
        None => Dict::from([(key.to_owned(), value)]),
        Some((section, rest)) => Dict::from([(section.to_owned(), Value::from(nested(rest, value)))]),
    }
}

/// Every dotted key of a tree that holds a value.
fn leaves(dict: &Dict, prefix: &str, found: &mut Vec<String>) {
    for (name, value) in dict {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value.as_dict() {
            Some(section) => leaves(section, &key, found),
            None => found.push(key),
        }
    }
}

/// Refuses a key that no default has.
fn check_keys(values: &Dict, known: &Dict) -> Result<()> {
    let (mut given, mut all) = (Vec::new(), Vec::new());
    leaves(values, "", &mut given);
    leaves(known, "", &mut all);
    match given.into_iter().find(|key| !all.contains(key)) {
        None => Ok(()),
        Some(key) => {
            let error = Error::invalid(format!("there is no setting `{key}`"));
            Err(match nearest(&key, &all) {
                Some(near) => error.with("did you mean", near),
                None => error.with("all settings", "see qserv.example.toml"),
            })
        }
    }
}

/// The known key with the fewest edits, if it is near enough to be meant.
fn nearest<'a>(key: &str, all: &'a [String]) -> Option<&'a String> {
    const NEAR: f64 = 0.6;
    all.iter()
        .map(|known| (strsim::normalized_damerau_levenshtein(key, known), known))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

fn wrong_value(error: &figment::Error) -> Error {
    let key = error.path.join(".");
    let told = match &error.kind {
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!("setting `{key}` must be {}, and is {actual}", in_words(expected))
        }
        Kind::Message(words) if words.contains("socket address") => {
            format!("setting `{key}` must be an address and a port, for example 127.0.0.1:7001")
        }
        Kind::Message(words) => format!("setting `{key}` cannot be read: {words}"),
        _ => format!("setting `{key}` cannot be read"),
    };
    let from = error.metadata.as_ref().map(|metadata| metadata.name.to_string());
    let told = Error::invalid(told).caused_by(error.to_string());
    match from {
        Some(from) => told.with("from", from),
        None => told,
    }
}

/// What serde calls a type, in words.
fn in_words(expected: &str) -> &str {
    match expected {
        "u64" | "usize" | "u32" | "u16" | "u8" => "a whole number from 0",
        "a string" | "path string" => "text",
        "f64" => "a number",
        "a boolean" => "true or false",
        other => other,
    }
}
