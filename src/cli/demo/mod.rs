//! `storekeeper demo`: the server against the sandbox platform over real HTTP on loopback, judged by the sandbox's log.
//!
//! Stores are installed with catalogs and bundles; shoppers buy, merchants refund, edit and import, one store is noisy;
//! webhooks are repeated, reordered and lost, and calls fail without an answer. Then all comes to rest, and the report
//! says what was lost (nothing) and what drifted (nothing).

mod play;

mod options;
mod setup;

mod traffic;

mod rest;

mod measure;
mod progress;
mod report;

pub(super) use options::DemoArgs;
pub(super) use play::demo;
