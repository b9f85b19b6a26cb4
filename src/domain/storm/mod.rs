//! Retry storms: after an outage the platform sends again, all at once, what it could not deliver, beside what is new.
//! Whoever accepts must then not be kept waiting by whoever applies, or the answers come late and everything is sent
//! once more.

mod detector;
mod rules;

#[cfg(test)]
mod tests;

pub use detector::{Change, Detector, Storm};
pub use rules::{Sign, StormRules};
