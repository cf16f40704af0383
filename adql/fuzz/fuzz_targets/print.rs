//! What parses is printed; the print parses to the same query and prints as itself.

#![no_main]

use libfuzzer_sys::fuzz_target;
use qserv_adql::{Options, normalize, same_query};
use qserv_adql_fuzz::{text, timed, wide};

fuzz_target!(|input: &[u8]| {
    timed("print", text(input), |query| {
        let Ok(printed) = normalize(query, &Options::default()) else { return };
        match same_query(query, &printed, &wide()) {
            Ok(same) => assert!(same, "printed as another query: {printed}"),
            Err(faults) => panic!("printed as no query: {printed}: {}", faults[0]),
        }
        assert_eq!(normalize(&printed, &wide()).as_ref(), Ok(&printed));
    });
});
