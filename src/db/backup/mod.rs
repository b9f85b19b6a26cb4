//! Backups: the whole database as one file, taken while a server runs, and put back where nothing is yet.
//!
//! The file is a SQLite database with this schema, whichever database it was taken from, so it can be put back into
//! either; `PRAGMA integrity_check` and plain SQL read it. It shows one instant: on SQLite a reader's, on PostgreSQL a
//! snapshot's, neither of which keeps a writer waiting. Secrets are in it as they are at rest, sealed; the sealing key is
//! not, and without that key it cannot be put back.

mod copied;
mod error;
mod file;
mod pause;
mod restore;
mod rows;
mod write;

pub use copied::Copied;
pub use error::BackupError;
pub use file::exists;
pub use restore::{Restored, Stores, restore};
pub use write::write;
