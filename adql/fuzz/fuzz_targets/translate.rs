//! Any text is translated over the names of the tests, and the statement written: an answer, never a panic.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use qserv_adql::{NameList, Options, check, translate};
use qserv_adql_fuzz::{names, text, timed};

static NAMES: LazyLock<NameList> = LazyLock::new(names);

fuzz_target!(|input: &[u8]| {
    let query = text(input);
    timed("translate", query, |query| match translate(query, &*NAMES, &Options::default()) {
        Ok(translated) => assert!(!translated.statement.to_string().is_empty()),
        Err(faults) => assert!(!faults.is_empty()),
    });
    // What is translated has been checked.
    assert!(translate(query, &*NAMES, &Options::default()).is_err() || check(query, &Options::default()).is_ok());
});
