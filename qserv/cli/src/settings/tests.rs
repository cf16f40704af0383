use super::*;
use qserv_core::ErrorKind;

const EXAMPLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../qserv.example.toml"));

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn facts(error: &qserv_core::Error) -> Vec<(&str, &str)> {
    error.context().iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect()
}

#[test]
fn nothing_given_is_the_defaults() {
    assert_eq!(Layers::default().read().unwrap(), Settings::default());
}

#[test]
fn the_example_file_is_the_defaults_key_for_key() {
    let example: toml::Table = EXAMPLE.parse().unwrap();
    let defaults = toml::Table::try_from(Settings::default()).unwrap();
    assert_eq!(example, defaults);
}

#[test]
fn keys_without_default_are_in_the_example_file_too() {
    let uncommented: String = EXAMPLE.lines().map(|line| format!("{}\n", optional(line).unwrap_or(line))).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("qserv.toml");
    std::fs::write(&file, uncommented).unwrap();
    let settings = Layers { file: Some(file), ..Layers::default() }.read().unwrap();
    let (given, defaults) =
        (serde_json::to_value(settings).unwrap(), serde_json::to_value(Settings::default()).unwrap());
    assert!(defaults.to_string().contains(":null"));
    assert!(!given.to_string().contains(":null"), "{given}");
}

/// `#key = value`: a key that has no default.
fn optional(line: &str) -> Option<&str> {
    line.strip_prefix('#')
        .filter(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()) && rest.contains(" = "))
}

#[test]
fn the_example_file_says_what_every_key_means() {
    let mut commented = false;
    for (number, line) in EXAMPLE.lines().enumerate() {
        let is_key = optional(line).is_some() || (line.contains(" = ") && !line.starts_with('#'));
        assert!(commented || !is_key, "line {}: no comment above `{line}`", number + 1);
        commented = line.starts_with("# ") || (is_key && line.starts_with("query"));
    }
}

#[test]
fn later_layers_win() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("qserv.toml");
    std::fs::write(&file, "[czar]\nlisten = \"a:1\"\ncatalog_url = \"sqlite:x\"\n[worker]\nid = \"from-file\"\n")
        .unwrap();
    let mut layers = Layers { file: Some(file), ..Layers::default() };
    let settings = layers.read().unwrap();
    assert_eq!((settings.czar.listen.as_str(), settings.czar.catalog_url.as_deref()), ("a:1", Some("sqlite:x")));
    assert_eq!(settings.query, Query::default());

    layers.environment = environment(&[
        ("QSERV_CZAR__LISTEN", "b:2"),
        ("QSERV_WORKER__ID", "17"),
        ("QSERV_CONFIG", "x.toml"),
        ("PATH", "/bin"),
    ]);
    let settings = layers.read().unwrap();
    assert_eq!((settings.czar.listen.as_str(), settings.czar.catalog_url.as_deref()), ("b:2", Some("sqlite:x")));
    assert_eq!(settings.worker.id.as_deref(), Some("17"));

    layers.overrides.extend(Override::given("--listen", "czar.listen", Some("c:3")));
    layers.overrides.extend(Override::given("--id", "worker.id", None::<String>));
    let settings = layers.read().unwrap();
    assert_eq!((settings.czar.listen.as_str(), settings.worker.id.as_deref()), ("c:3", Some("17")));
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("qserv.toml");
    std::fs::write(&file, "[czar]\nlistne = \"a:1\"\n").unwrap();
    let error = Layers { file: Some(file.clone()), ..Layers::default() }.read().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.message(), "there is no setting `czar.listne`");
    assert_eq!(facts(&error), [("did you mean", "czar.listen"), ("file", &file.display().to_string())]);

    let variable = environment(&[("QSERV_QUERY__MEMORY", "5")]);
    let error = Layers { environment: variable, ..Layers::default() }.read().unwrap_err();
    assert_eq!(facts(&error), [("did you mean", "query.memory_bytes"), ("variable", "QSERV_QUERY__MEMORY")]);

    let variable = environment(&[("QSERV_COLOUR", "blue")]);
    let error = Layers { environment: variable, ..Layers::default() }.read().unwrap_err();
    assert_eq!(error.message(), "there is no setting `colour`");
}

#[test]
fn a_value_that_does_not_fit_is_told_with_its_origin() {
    let variable = environment(&[("QSERV_UP__WORKERS", "many")]);
    let error = Layers { environment: variable, ..Layers::default() }.read().unwrap_err();
    assert_eq!(error.message(), "setting `up.workers` must be a whole number from 0, and is string \"many\"");
    assert_eq!(facts(&error), [("from", "environment variable QSERV_UP__WORKERS")]);

    let variable = environment(&[("QSERV_UP__WORKERS", "-1")]);
    let error = Layers { environment: variable, ..Layers::default() }.read().unwrap_err();
    assert!(error.message().starts_with("setting `up.workers` must be a whole number from 0"), "{error}");
}

#[test]
fn a_broken_or_missing_file_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("qserv.toml");
    let error = Layers { file: Some(file.clone()), ..Layers::default() }.read().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    std::fs::write(&file, "[czar]\nlisten = \"a\"\ndata_dir = = 3\n").unwrap();
    let error = Layers { file: Some(file), ..Layers::default() }.read().unwrap_err();
    assert_eq!(facts(&error)[1], ("line", "3"), "{error}");
}
