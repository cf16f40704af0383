//! The scripts, and how they are run.

use std::path::{Path, PathBuf};

use sqllogictest::runner::{Runner, default_column_validator, default_normalizer, default_validator};

use crate::engines::{Engine, Scripted};

/// All scripts, in the order of their names.
///
/// # Panics
/// If the folder cannot be read: this is for tests.
#[must_use]
pub fn all() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut scripts: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "slt"))
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty(), "no scripts in {}", folder.display());
    scripts
}

/// Runs a script; every answer must be the script's.
///
/// # Errors
/// The first difference.
pub async fn run<E: Engine + Clone + 'static>(engine: &E, script: &Path) -> Result<(), String> {
    let mut runner = Runner::new(|| {
        let engine = engine.clone();
        async move { Ok(Scripted(engine)) }
    });
    let name = engine.name();
    runner.run_file_async(script).await.map_err(|error| format!("{name}: {}", error.display(false)))
}

/// Fills a script's answers in.
///
/// # Errors
/// Why the script cannot be written.
pub async fn complete<E: Engine + Clone + 'static>(engine: &E, script: &Path) -> Result<(), String> {
    let mut runner = Runner::new(|| {
        let engine = engine.clone();
        async move { Ok(Scripted(engine)) }
    });
    runner
        .update_test_file(script, " ", default_validator, default_normalizer, default_column_validator)
        .await
        .map_err(|error| error.to_string())
}
