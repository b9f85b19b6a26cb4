//! A signed query, as an installation's callback and the app proxy send it: the input is lines of `key=value`, decoded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use storekeeper::clock::Timestamp;
use storekeeper::platform::Secret;
use storekeeper::platform::shopify::query_signature::{verify_callback, verify_proxy};

fuzz_target!(|input: &str| {
    let pairs: Vec<(String, String)> = input
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let secret = Secret::new("shpss_fuzzed");
    let now = Timestamp::from_millis(1_800_000_000_000);
    // Nobody guesses 256 bits.
    assert!(verify_callback(&pairs, &secret, now).is_err());
    assert!(verify_proxy(&pairs, &secret).is_err());
});
