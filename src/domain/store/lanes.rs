//! The parking lane: rows that name an order which the ledger does not have yet.
//!
//! One lane for each order; its rows are applied in the order of their numbers, and later ones queue behind.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::domain::retry::{Lane, Verdict};
use crate::domain::store::change::{Change, DeadLetterClass, ParkedRecord};
use crate::domain::store::command::Row;
use crate::domain::store::outcome::{Outcome, RowEnd};
use crate::domain::store::state::StoreState;
use crate::ids::OrderId;

/// Every lane of a store.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: BTreeMap<OrderId, Lane>,
    lane_of: BTreeMap<i64, OrderId>,
}
