//! The queries of lists and of storefronts, cursors included.
#![no_main]

use libfuzzer_sys::fuzz_target;
use storekeeper::http::probe;

fuzz_target!(|query: &str| {
    for outcome in [probe::bundle_list(query), probe::keeper_list(query)] {
        if let Err(error) = outcome {
            assert_eq!(error.problem().status().as_u16(), 400, "{error}");
        }
    }
    match probe::availability(query) {
        Ok(items) => assert!((1..=100).contains(&items)),
        Err(error) => assert_eq!(error.problem().status().as_u16(), 400, "{error}"),
    }
});
