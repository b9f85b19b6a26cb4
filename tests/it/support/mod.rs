//! What integration tests stand on: private servers and the like.

pub(crate) mod keepers;
pub(crate) mod postgres;
