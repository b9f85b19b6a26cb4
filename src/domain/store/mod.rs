//! The aggregate that a keeper holds: everything of one store that its rules need, and the one way to change it.
//!
//! [`state::StoreState`] takes a [`command::Command`] and returns an [`outcome::Outcome`]: rows to write, calls to
//! send, the answer to give. The keeper commits the rows first and only then performs the rest (INV-C).

pub mod change;
pub mod command;
pub mod observation;
pub mod outcome;
pub mod state;
