//! A webhook's body under any topic, and what is made of it: the input is the topic, a line break, the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use storekeeper::domain::fact::Fact;
use storekeeper::domain::order::OrderState;
use storekeeper::platform::PlatformKind;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |byte| *byte == b'\n');
    let topic = parts.next().and_then(|topic| std::str::from_utf8(topic).ok());
    let (Some(topic), Some(body)) = (topic, parts.next()) else {
        return;
    };
    let mentions = PlatformKind::Shopify.mentions(topic, body);
    let fact = PlatformKind::Shopify.parse(topic, body);
    if let Ok(Fact::Order(order)) = fact {
        for line in &order.lines {
            assert!((0..=1_000_000_000_000).contains(&line.quantity));
        }
        if let Some(mentions) = mentions {
            // What may be naked names every line that could have sold a bundle.
            for line in &order.lines {
                assert!(line.variant.is_some_and(|variant| mentions.variants.contains(&variant)));
            }
        }
        // No line is known to have been a bundle: nothing to remember.
        assert!(OrderState::first_seen(&order, |_variant| None).is_none());
    }
});
