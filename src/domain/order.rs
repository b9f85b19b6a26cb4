//! What an order consumes of components, and what of that has been asked of the platform: the ledger.
//!
//! State-based (D9): an order's newest snapshot says what it should have consumed; the ledger says what was already
//! taken; the difference is the next adjustment. Duplicates, reordering and loss therefore converge.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::domain::fact::{Assignment, RefundLine};
use crate::ids::{BundleId, ItemId, LineId, LocationId, OrderId, RefundId};

/// An order that concerns a bundle, as its ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderState {
    pub order: OrderId,
    /// Platform time, resolution one second; decides which recipe is in force.
    pub created_at: Timestamp,
    /// `updated_at` of the newest snapshot applied, platform time, resolution one second.
    pub updated_at: Timestamp,
    /// Digest of that snapshot: tells an equal repetition from an equal stamp with other content.
    pub digest: u64,
    pub deleted: bool,
    /// Point of sale: where it happened.
    pub location: Option<LocationId>,
    /// Only lines that sold a bundle.
    pub lines: BTreeMap<LineId, LineState>,
    /// Every refund seen, by id; refunds never change.
    pub refunds: BTreeMap<RefundId, Vec<RefundLine>>,
    /// Which location ships what, when the platform has told.
    pub assignments: Option<Vec<Assignment>>,
    /// The snapshot must be read anew: an equal stamp with other content, or a touch without content.
    pub needs_read: bool,
    /// The assignments must be read anew before anything more is taken.
    pub needs_assignments: bool,
    pub cells: Vec<Cell>,
}

/// A line that sold a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineState {
    pub bundle: BundleId,
    /// Units as ordered.
    pub quantity: i64,
    /// Units of each leaf component in one bundle, frozen when the line was first seen.
    pub needs: BTreeMap<ItemId, i64>,
}

/// One ledger cell: units of a component that an order line consumes at a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    pub line: LineId,
    pub item: ItemId,
    pub location: LocationId,
    /// What the newest state says; negative when more came back here than was taken here.
    pub desired: i64,
    /// What has been asked of the platform so far.
    pub applied: i64,
    /// The platform refuses this component here: a person must act.
    pub blocked: bool,
}
