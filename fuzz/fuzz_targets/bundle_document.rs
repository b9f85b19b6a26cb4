//! The body of a bundle, as a merchant sends it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use storekeeper::http::probe;

fuzz_target!(|input: &[u8]| {
    if let Err(error) = probe::bundle(input) {
        let status = error.problem().status();
        assert!(status.is_client_error(), "{error}");
        // A refusal goes into a header's neighbour and into logs: one line.
        assert!(!error.detail().chars().any(char::is_control), "{error}");
    }
});
