//! What is durable: SQLite by default, PostgreSQL on request, with the same behaviour (D1).
//!
//! The only module that sees `entity` and `sea_orm`. One file for each noun turns rows into domain values and back;
//! every query names its store, save those of [`fleet`] (INV-I). Everything a keeper or intake writes goes through
//! [`writer`]; the admin's rows are written by [`admin`].

mod bundles;
mod calls;
mod connect;
mod document;
mod durability;
mod error;
mod fresh;
mod grid;
mod options;
mod process_lock;
mod stock;

pub mod admin;
pub mod backup;
pub mod dead_letters;
pub mod fleet;
pub mod idempotency;
pub mod inbox;
pub mod keepers;
pub mod key_file;
pub mod migrate;
pub mod orders;
pub mod parking;
mod policies;
pub mod sealing;
pub mod writer;

pub use connect::Db;
pub use durability::NotDurable;
pub use error::DbError;
pub use options::{DatabaseOptions, WriterOptions};
pub use process_lock::{DataDirLock, DatabaseLock, LockError};
