//! Storekeeper.

pub mod sandbox;
