//! The admin's rows: stores and their secrets, operators, and what they did.
//!
//! The one part of the database that `http` writes without a keeper (INV-B).

pub mod audit;
pub mod changes;
pub mod operators;
pub mod replies;
pub mod sealing_keys;
pub mod secrets;
pub mod standings;
pub mod stores;
