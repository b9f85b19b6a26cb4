//! What an order consumes of components, and what of that has been asked of the platform: the ledger.
//!
//! State-based (D9): an order's newest snapshot says what it should have consumed; the ledger says what was already
//! taken; the difference is the next adjustment. Duplicates, reordering and loss therefore converge.
//!
//! Reading order: the state and what is left to do ([`state`]), how snapshots change it ([`absorb`]), and where its
//! units are taken and given back ([`place`]).

pub mod absorb;
pub mod place;
pub mod state;

#[cfg(test)]
mod tests;

pub use absorb::{Absorbed, digest};
pub use place::Placement;
pub use state::{Asked, Cell, CellDelta, Doubt, LineState, OrderState};
