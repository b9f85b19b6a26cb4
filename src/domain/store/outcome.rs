//! What a command leads to: rows to write, calls to send, an answer; or a refusal.

use crate::clock::Timestamp;
use crate::domain::bundle::safety_stock::SafetyStockRefusal;
use crate::domain::bundle::{Bundle, BundleRefusal};
use crate::domain::call::Call;
use crate::domain::store::change::Changes;
use crate::ids::{BundleId, ItemId};

/// What a command leads to. Nothing of it is real before `changes` are committed (INV-C).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// When it was decided.
    pub at: Timestamp,
    pub changes: Changes,
    /// To be sent after the commit; at most one call of a store is under way.
    pub call: Option<Call>,
    pub reply: Reply,
    /// Items whose stock or settings changed: what readers see is to be renewed.
    pub touched_items: Vec<ItemId>,
    /// Bundles or interest changed: the interest set is to be published anew.
    pub interest_changed: bool,
}

impl Outcome {
    /// Nothing yet, decided at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self {
            at: now,
            ..Self::default()
        }
    }
}

/// What a command answers its caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reply {
    #[default]
    Done,
    /// How an inbox row ended.
    Row(RowEnd),
    Bundle(Box<Bundle>),
    /// Items must be looked up on the platform first: ask again after the next answer.
    Waiting,
    /// There is nothing to call now.
    NoCall,
}

/// How an inbox row ended; `Temperature` in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowEnd {
    /// It changed something: stock, an order, an item.
    Hot,
    /// It told nothing new.
    Cold,
    /// No part of the store is interested.
    Naked,
    /// It waits in the parking lane.
    Parked,
    /// It was given up.
    Dead,
}

/// Refused by the rules; nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no bundle {0}")]
    UnknownBundle(BundleId),
    #[error("bundle {0} is no longer as it was read")]
    BundleChanged(BundleId),
    #[error("bundle {0} exists already")]
    BundleExists(BundleId),
    #[error("the platform has no inventory item {0}")]
    UnknownItem(ItemId),
    #[error("inventory item {0} is a native bundle of the platform, whose stock cannot be written")]
    NativeBundle(ItemId),
    #[error(transparent)]
    Bundle(#[from] BundleRefusal),
    #[error("the policy is no longer as it was read")]
    PolicyChanged,
    #[error(transparent)]
    SafetyStock(#[from] SafetyStockRefusal),
    #[error("there is no such dead letter, or it has no webhook to retry")]
    NothingToRetry,
    #[error("the dead letter no longer has the body that was edited")]
    LetterChanged,
    #[error("the call is not one that is under way")]
    UnknownCall,
    #[error("inbox row {0} was taken before, or must wait for those before it")]
    OutOfOrder(i64),
}

impl Refusal {
    /// Its stable code, for the problem document.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownBundle(_) => "unknown_bundle",
            Self::BundleChanged(_) | Self::PolicyChanged | Self::LetterChanged => {
                "revision_mismatch"
            }
            Self::BundleExists(_) => "bundle_exists",
            Self::UnknownItem(_) => "unknown_item",
            Self::NativeBundle(_) => "native_bundle",
            Self::Bundle(refusal) => refusal.code(),
            Self::SafetyStock(_) => "invalid_field",
            Self::NothingToRetry => "nothing_to_retry",
            Self::UnknownCall => "unknown_call",
            Self::OutOfOrder(_) => "out_of_order",
        }
    }
}
