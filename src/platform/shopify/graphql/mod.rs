//! GraphQL operations: all writes, and the reads that REST does not offer.

pub(super) mod assignments;
pub(super) mod items;
pub(super) mod subscriptions;
pub(super) mod writes;

mod gid;
