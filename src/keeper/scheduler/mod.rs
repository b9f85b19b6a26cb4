//! Who may take a turn now: deficit round robin over the stores that ask, charged by what their turns cost (D8).
//!
//! [`rounds`] is the order, pure; [`cost`] is what a turn is charged, pure; [`turns`] lets keepers wait for it.

mod cost;
mod rounds;
mod turns;

pub(super) use cost::{Taken, Temperature};
pub(super) use rounds::Weight;
pub use turns::TurnPlace;
pub(super) use turns::{Scheduler, TurnPermit};

#[cfg(test)]
mod tests;
