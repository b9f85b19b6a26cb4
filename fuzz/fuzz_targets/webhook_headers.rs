//! A webhook's headers and its signature: the input is lines of `name: value`, an empty line, the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use storekeeper::platform::shopify::signature::sign;
use storekeeper::platform::{PlatformKind, Secret};

fuzz_target!(|input: &[u8]| {
    let end = input.windows(2).position(|pair| pair == b"\n\n").unwrap_or(input.len());
    let (head, body) = input.split_at(end);
    let body = body.get(2..).unwrap_or_default();
    let Ok(head) = std::str::from_utf8(head) else {
        return;
    };
    let headers: Vec<(&str, &str)> = head.lines().filter_map(|line| line.split_once(": ")).collect();
    let lookup = |wanted: &str| {
        headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value)
    };
    let Ok(read) = PlatformKind::Shopify.read_headers(lookup) else {
        return;
    };
    let secret = Secret::new("shpss_fuzzed");
    let genuine = sign(body, &secret);
    let verified = PlatformKind::Shopify.verify(body, read.signature, std::slice::from_ref(&secret)).is_ok();
    assert_eq!(verified, read.signature.trim() == genuine, "{} for {genuine}", read.signature);
    assert!(PlatformKind::Shopify.verify(body, &genuine, &[secret]).is_ok());
});
