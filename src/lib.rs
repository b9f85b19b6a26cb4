//! Storekeeper: an e-commerce server in which every merchant's store has its own supervised keeper.
//!
//! A webhook's way: [`http`](self) verifies it, `db` makes it durable, the store's keeper takes it in a turn, `domain`
//! decides, `db` commits under a fence, and `platform` carries out what follows. Modules stand in order of rank, lowest
//! first; imports flow strictly downward.

pub mod clock;
pub mod ids;

pub mod domain;

pub mod platform;

pub mod sandbox;
