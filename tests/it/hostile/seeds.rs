//! What the fuzz targets start from, read without a fuzzer: every seed is understood, or refused for the right reason.

use std::path::PathBuf;

use storekeeper::clock::Timestamp;
use storekeeper::config::of_text;
use storekeeper::http::probe;
use storekeeper::platform::shopify::query_signature::{verify_callback, verify_proxy};
use storekeeper::platform::{PlatformKind, Secret};

/// The seeds of a target, by name.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let entries = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(path).unwrap())
    };
    let found: Vec<_> = entries.map(read).collect();
    assert!(!found.is_empty(), "{target} has no seeds");
    found
}

fn text(seed: Vec<u8>) -> String {
    String::from_utf8(seed).unwrap()
}

#[test]
fn every_body_is_understood() {
    for (name, seed) in seeds("webhook_body") {
        let seed = text(seed);
        let (topic, body) = seed.split_once('\n').unwrap();
        let fact = PlatformKind::Shopify.parse(topic, body.as_bytes());
        assert!(fact.is_ok(), "{name}: {fact:?}");
        let _mentions = PlatformKind::Shopify.mentions(topic, body.as_bytes());
    }
}

#[test]
fn every_signature_holds() {
    for (name, seed) in seeds("webhook_headers") {
        let seed = text(seed);
        let (head, body) = seed.split_once("\n\n").unwrap();
        let headers: Vec<_> = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .collect();
        let lookup = |wanted: &str| {
            headers
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| *value)
        };
        let read = PlatformKind::Shopify.read_headers(lookup).unwrap();
        let secrets = [Secret::new("shpss_fuzzed")];
        let verified = PlatformKind::Shopify.verify(body.as_bytes(), read.signature, &secrets);
        assert_eq!(verified, Ok(0), "{name}");
    }
}

#[test]
fn no_forged_query_passes() {
    for (name, seed) in seeds("query_signature") {
        let seed = text(seed);
        let pairs: Vec<_> = seed
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let (secret, now) = (
            Secret::new("shpss_fuzzed"),
            Timestamp::from_millis(1_800_000_000_000),
        );
        assert!(verify_callback(&pairs, &secret, now).is_err(), "{name}");
        assert!(verify_proxy(&pairs, &secret).is_err(), "{name}");
    }
}

#[test]
fn documents_and_queries_are_read_as_the_doors_read_them() {
    for (name, seed) in seeds("bundle_document") {
        let code = probe::bundle(&seed).map_err(|error| error.problem().code());
        let wanted = match name.as_str() {
            "itself" => Err("self_component"),
            "delete" | "not_utf8" => Err("malformed_json"),
            _ => Ok(()),
        };
        assert_eq!(code, wanted, "{name}");
    }
    for (name, seed) in seeds("list_query") {
        let query = text(seed);
        let read = match name.as_str() {
            "page" => probe::bundle_list(&query),
            "keepers" => probe::keeper_list(&query),
            _ => probe::availability(&query).map(drop),
        };
        assert!(read.is_ok(), "{name}: {read:?}");
    }
    for (name, seed) in seeds("config_file") {
        assert_eq!(of_text(&text(seed)).is_ok(), name != "wrong", "{name}");
    }
}
