//! The aggregate that a keeper holds: everything of one store that its rules need, and the one way to change it.
//!
//! [`state::StoreState`] takes a [`command::Command`] and returns an [`outcome::Outcome`]: rows to write, calls to
//! send, the answer to give. The keeper commits the rows first and only then performs the rest (INV-C).

mod allowance;
mod answers;
mod apply;
pub mod attention;
mod buckets;
pub mod change;
pub mod command;
mod define;
mod dirty;
mod lanes;
pub mod letter_edit;
mod locations;
pub mod naked;
pub mod observation;
mod order_answers;
pub mod outcome;
mod overtake;
mod parts;
pub mod patience;
mod plan;
pub mod policy;
mod rows;
pub mod settings;
mod settle;
mod show;
pub mod state;
mod stocking;
mod sweep;
mod writes;

#[cfg(test)]
mod tests;

pub use policy::{ConsumeOn, StorePolicy};
pub use settings::StoreSettings;
pub use show::{BundleView, LeafView};
