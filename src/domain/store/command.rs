//! Everything that can be asked of a store.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::domain::bundle::{Bundle, Mode};
use crate::domain::call::Answer;
use crate::domain::fact::Fact;
use crate::domain::store::letter_edit::LetterEdit;
use crate::domain::store::policy::StorePolicy;
use crate::ids::{BundleId, CallId, DeadLetterId, ItemId};

/// A request to a store's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Apply an inbox row.
    TakeRow(Row),
    /// An inbox row crashed the keeper: remember it, or give it up after three crashes.
    RowCrashed {
        seq: i64,
        reason: String,
    },
    /// Decide which call to make next, under this fresh id.
    PlanCall {
        fresh: CallId,
    },
    /// A call came back.
    CallAnswered {
        call: CallId,
        answer: Answer,
    },
    /// Define a bundle, or give an existing one a new recipe.
    PutBundle(BundleDraft),
    DeleteBundle {
        id: BundleId,
        /// As its author saw it; refused when it is another by now. `None`: whatever it is.
        seen: Option<Box<Bundle>>,
    },
    /// What the merchant decides for the whole store.
    PutPolicy {
        policy: Box<StorePolicy>,
        /// As its author saw it; refused when it is another by now. `None`: whatever it is.
        seen: Option<Box<StorePolicy>>,
    },
    /// Make no calls until resumed; inbox rows are still applied.
    Pause {
        reason: String,
    },
    Resume,
    /// Start a sweep now.
    ReconcileNow,
    /// Put a dead letter back into the inbox's parking lane, due at once.
    RetryDeadLetter {
        id: DeadLetterId,
        seq: Option<i64>,
        /// With another body in the place of its own; only for one that came from an inbox row.
        edit: Option<Box<LetterEdit>>,
    },
    DiscardDeadLetter(DeadLetterId),
    /// Take naked rows out of the log, up to this number, many at once.
    SweepNaked {
        until: i64,
    },
    /// The store was given a new access token: lift a bar.
    TokenRenewed,
}

/// An inbox row, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number in the store's inbox.
    pub seq: i64,
    pub topic: String,
    /// What it says; `Err` tells why its body cannot be understood.
    pub fact: Result<Fact, String>,
    /// Platform time of the event, finer than a second; unsigned, hence only a hint.
    pub triggered_at: Option<Timestamp>,
    /// It comes from the parking lane, not from the log.
    pub from_lane: bool,
}

/// A bundle as a merchant defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleDraft {
    pub id: BundleId,
    /// The bundle must exist (`PUT`), or must not (`POST`).
    pub replaces: bool,
    pub title: String,
    pub item: ItemId,
    pub mode: Mode,
    pub cap: Option<i64>,
    pub components: Vec<DraftComponent>,
    /// The bundle that this replaces, as its author saw it; refused when it is another by now. `None`: whatever it is.
    pub seen: Option<Box<Bundle>>,
    /// When the request arrived: unknown items are looked up on the platform after this.
    pub arrived_at: Timestamp,
}

/// A component as a merchant names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftComponent {
    pub item: ItemId,
    pub quantity: i64,
    #[serde(default)]
    pub optional: bool,
}
