//! A store's log of webhooks as it is worked off: what of it is done with ([`taken`]), and where the next rows are taken
//! from ([`selection`]).
//!
//! Rows are taken in their order unless the store is told otherwise, or the backlog is small. What is left is at most
//! [`SEGMENTS_MAX`] segments, each worked off from its beginning. Whether a row may be taken before older ones is the
//! rules' to say: [`StoreState::may_overtake`](crate::domain::store::state::StoreState::may_overtake). One that may not,
//! ends the segment it stands in until everything before it is done, so such rows keep their order among themselves.

pub mod selection;
pub mod taken;

#[cfg(test)]
mod tests;

pub use selection::{Manner, Place, Selection, Selector};
pub use taken::{SEGMENTS_MAX, Segment, Span, Taken};
