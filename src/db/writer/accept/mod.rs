//! Deliveries made durable (D2, D3): delivery ids, numbers and rows, all or none.
//!
//! A row's number is taken from the store's head, whose lock is held to the commit, so that commit order is number
//! order. On PostgreSQL a journey costs more than a statement, so a group is one statement; SQLite is at hand, but can
//! neither insert inside a query nor number what it inserts, so there it is a transaction of several.

mod at_once;
mod group;
mod in_steps;

pub(super) use group::{Group, Outcomes, write_group};
pub(super) use in_steps::write_rows;
