//! Any text is checked, at both levels: an answer, never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use qserv_adql::{Options, check};
use qserv_adql_fuzz::{text, timed};

fuzz_target!(|input: &[u8]| {
    timed("check", text(input), |query| {
        let strict = check(query, &Options::strict());
        let service = check(query, &Options::default());
        // The service takes all that the strict check takes.
        assert!(strict.is_err() || service.is_ok());
        for fault in [strict, service].into_iter().filter_map(Result::err).flatten() {
            assert!(fault.line >= 1 && fault.column >= 1 && fault.length >= 1);
            assert!(!fault.to_string().is_empty());
        }
    });
});
