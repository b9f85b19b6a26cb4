//! The writer: gathers what keepers and intake want written into few transactions (D5).
//!
//! A [`Writer`] is a cheap handle; a lane is the task behind it, with one lane on SQLite, which commits deliveries and
//! shares together when both wait, and one for each on PostgreSQL. Every answer leaves after its commit. Bulk work goes
//! last.
//! On SQLite a task beside the lane keeps the write-ahead log short (`checkpoint`), and the lane files the delivery ids
//! that came lately (`recent`, `filing`).
//!
//! Reading order: the door (`handle`), who is next (`lane`), then what a transaction of each kind does
//! (`accept`, `share`, `together`, `bulk`).

mod accept;
mod bulk;
mod checkpoint;
mod filing;
mod handle;
mod lane;
mod recent;
mod share;
mod time_limit;
mod together;

pub use handle::{CommitError, Share, WriteError, Writer};
use time_limit::within_time;
