//! What a keeper wants written: rows, as data.
//!
//! A turn's changes are kept by key, so that a row changed twice in a turn is written once. They become durable
//! together, under the fence, or not at all.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::domain::backlog::Span;
use crate::domain::bundle::Bundle;
use crate::domain::call::Write;
use crate::domain::order::OrderState;
use crate::domain::store::letter_edit::LetterEdit;
use crate::domain::store::policy::StorePolicy;
use crate::domain::store::state::Memo;
use crate::ids::{
    BundleId, CallId, DeadLetterId, ItemId, LocationId, OrderId, ProductId, VariantId,
};

/// Rows to write, at most one for each key; a later change of a row replaces an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    by_key: BTreeMap<ChangeKey, Change>,
}

impl Changes {
    /// Adds a change; replaces an earlier one of the same row.
    pub fn put(&mut self, change: Change) {
        self.by_key.insert(change.key(), change);
    }

    /// Adds all of `later`, which win.
    pub fn merge(&mut self, later: Self) {
        self.by_key.extend(later.by_key);
    }

    /// Whether nothing is to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// How many rows are to be written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// The changes in ascending order of their keys.
    pub fn into_rows(self) -> impl Iterator<Item = Change> {
        self.by_key.into_values()
    }

    /// The changes in ascending order of their keys.
    pub fn rows(&self) -> impl Iterator<Item = &Change> {
        self.by_key.values()
    }
}

/// Which row a change concerns, within its store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKey {
    Item(ItemId),
    Level(ItemId, LocationId),
    Bundle(BundleId),
    Policy,
    Order(OrderId),
    Call(CallId),
    Parked(i64),
    DeadLetter(DeadLetterId),
    IdempotentReply(String),
}

/// One row to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    PutItem(ItemRecord),
    PutLevel(LevelRecord),
    DeleteLevel(ItemId, LocationId),
    /// A bundle with all its recipe versions; deleted bundles are kept, marked.
    PutBundle(Bundle),
    PutPolicy(StorePolicy),
    PutOrder(OrderState),
    PutCall(CallRecord),
    DeleteCall(CallId),
    /// Moves the inbox row of this number, body included, to the parking lane, or updates its schedule there.
    Park(ParkedRecord),
    /// The row left its lane: it was applied.
    Unpark(i64),
    /// Moves the inbox row, from the log or from its lane, to the dead letters; without a row, just notes it.
    PutDeadLetter(DeadLetterRecord),
    /// A person gave it up for good.
    DeleteDeadLetter(DeadLetterId),
    /// A person brings it back: the row, body included, moves to the parking lane.
    ReviveDeadLetter {
        id: DeadLetterId,
        parked: ParkedRecord,
        /// The body that it is to have instead, and who says so.
        edit: Option<Box<LetterEdit>>,
    },
    PutIdempotentReply(IdempotentReply),
}

impl Change {
    /// The dead letter that it settles: discarded, or brought back to be tried again.
    #[must_use]
    pub const fn settled_letter(&self) -> Option<DeadLetterId> {
        match self {
            Self::DeleteDeadLetter(id) | Self::ReviveDeadLetter { id, .. } => Some(*id),
            Self::PutItem(_)
            | Self::PutLevel(_)
            | Self::DeleteLevel(..)
            | Self::PutBundle(_)
            | Self::PutPolicy(_)
            | Self::PutOrder(_)
            | Self::PutCall(_)
            | Self::DeleteCall(_)
            | Self::Park(_)
            | Self::Unpark(_)
            | Self::PutDeadLetter(_)
            | Self::PutIdempotentReply(_) => None,
        }
    }
}

impl Change {
    /// What it gives up, or notes as given up.
    #[must_use]
    pub const fn buried(&self) -> Option<&DeadLetterRecord> {
        if let Self::PutDeadLetter(record) = self {
            Some(record)
        } else {
            None
        }
    }

    /// Which row this concerns.
    #[must_use]
    pub fn key(&self) -> ChangeKey {
        match self {
            Self::PutItem(record) => ChangeKey::Item(record.item),
            Self::PutLevel(record) => ChangeKey::Level(record.item, record.location),
            Self::DeleteLevel(item, location) => ChangeKey::Level(*item, *location),
            Self::PutBundle(bundle) => ChangeKey::Bundle(bundle.id),
            Self::PutPolicy(_) => ChangeKey::Policy,
            Self::PutOrder(order) => ChangeKey::Order(order.order),
            Self::PutCall(record) => ChangeKey::Call(record.id),
            Self::DeleteCall(id) => ChangeKey::Call(*id),
            Self::Park(record) => ChangeKey::Parked(record.seq),
            Self::Unpark(seq) => ChangeKey::Parked(*seq),
            Self::PutDeadLetter(record) => ChangeKey::DeadLetter(record.id),
            Self::DeleteDeadLetter(id) | Self::ReviveDeadLetter { id, .. } => {
                ChangeKey::DeadLetter(*id)
            }
            Self::PutIdempotentReply(reply) => ChangeKey::IdempotentReply(reply.key.clone()),
        }
    }
}

/// What is known of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent settings of the platform, as it tells them"
)]
pub struct ItemRecord {
    pub item: ItemId,
    pub variant: Option<VariantId>,
    pub product: Option<ProductId>,
    pub tracked: bool,
    /// Continue selling when out of stock: does not limit a bundle.
    pub sells_when_out: bool,
    /// A native bundle of the platform: never written.
    pub composite: bool,
    /// Deleted on the platform; a tombstone.
    pub gone: bool,
    /// The platform refused to write it; not tried again until it is read anew.
    pub unusable: bool,
}

/// What is known of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelRecord {
    pub item: ItemId,
    pub location: LocationId,
    /// `None`: not tracked.
    pub available: Option<i64>,
    /// Platform time of the newest word on it, resolution one second.
    pub stamp: Timestamp,
    /// The value may be out of date: read it before anything is computed from it.
    pub unsure: bool,
}

/// A write that was, or may have been, sent and has no definite answer yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    pub id: CallId,
    pub write: Write,
    pub created_at: Timestamp,
    pub attempts: u32,
    /// Not sent again before this.
    pub due_at: Timestamp,
}

/// An inbox row that cannot be applied yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParkedRecord {
    /// Its number in the store's inbox.
    pub seq: i64,
    /// The entity it waits for.
    pub lane: OrderId,
    pub attempts: u32,
    pub due_at: Timestamp,
    /// The inbox head when it was parked: an attempt counts only once the cursor has come past it.
    pub behind_seq: i64,
}

/// An inbox row that was given up, or a write that the platform refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterRecord {
    pub id: DeadLetterId,
    /// The inbox row it came from, body included, when it came from one.
    pub seq: Option<i64>,
    pub class: DeadLetterClass,
    /// One sentence for a person.
    pub reason: String,
    pub at: Timestamp,
}

/// Why something was given up.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterClass {
    /// The body is not what its topic promises.
    Malformed,
    /// The entity it names does not exist on the platform.
    EntityMissing,
    /// It crashed the keeper three times.
    Poison,
    /// The platform refuses the write for good.
    Rejected,
    /// A write without a definite answer for 23 hours.
    Ambiguous,
}

impl DeadLetterClass {
    /// Every class.
    pub const ALL: [Self; 5] = [
        Self::Malformed,
        Self::EntityMissing,
        Self::Poison,
        Self::Rejected,
        Self::Ambiguous,
    ];

    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::EntityMissing => "entity_missing",
            Self::Poison => "poison",
            Self::Rejected => "rejected",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// The class of this stable name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

/// The reply already given to a client's idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotentReply {
    pub key: String,
    /// Digest of the request, so that the same key with another request is refused.
    pub digest: String,
    pub status: u16,
    pub body: String,
    pub at: Timestamp,
}

/// The keeper's own row, written with every commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeeperRecord {
    /// This keeper is done with every inbox row up to this number, and not with the next.
    pub cursor: i64,
    /// What it is done with beyond the cursor; ascending, the empty ones last.
    pub ahead: [Span; 2],
    pub applied: i64,
    pub naked: i64,
    pub parked: i64,
    pub dead: i64,
    /// When the store is to be activated even without backlog.
    pub wake_at: Option<Timestamp>,
    /// When the app was installed last, as far as this keeper knows; `None`: it has not said yet.
    pub installation: Option<Timestamp>,
    /// Everything else, which no query asks for.
    pub memo: Memo,
}
