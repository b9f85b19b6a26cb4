//! Faults that are planted on purpose, to see that the check sees them.

use crate::rules::Rule;

/// A fault of the server, or of its surroundings, that some rule must notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    /// A crash can leave the keeper's own row written, and the rest of its share not.
    TornCommit,
    /// The database compares no fence.
    FenceOff,
    /// A call is sent before what led to it is committed.
    CallBeforeCommit,
    /// A delivery id that is there already is taken once more.
    DedupOff,
    /// An accepted row becomes visible after its number has been passed.
    NumberBeforeRow,
    /// The memo of the buckets is not written.
    BucketForgotten,
    /// A write without an answer is sent again under another key.
    KeyRenewed,
    /// Intake does not learn that a bundle was defined.
    InterestNotWidened,
    /// A row of the inbox is handed to the keeper of another store.
    WrongStore,
    /// The body of a parked row stays behind and is purged.
    BodyLeftBehind,
    /// Calls without an answer are not loaded by a successor.
    CallsNotLoaded,
    /// The database forgets when a store is to be woken.
    WakeForgotten,
    /// A keeper does not know which installation of the app its predecessor knew.
    InstallationForgotten,
    /// Nobody remembers what was asked and told too little, and what was passed over for it.
    AsksForgotten,
    /// A successor does not know what was taken ahead of the cursor.
    SegmentsForgotten,
    /// Rows that were not taken are purged, since later ones were.
    PurgedAhead,
    /// Every row overtakes others.
    OrderLost,
}

impl Plant {
    pub(crate) const ALL: [Self; 17] = [
        Self::TornCommit,
        Self::FenceOff,
        Self::CallBeforeCommit,
        Self::DedupOff,
        Self::NumberBeforeRow,
        Self::BucketForgotten,
        Self::KeyRenewed,
        Self::InterestNotWidened,
        Self::WrongStore,
        Self::BodyLeftBehind,
        Self::CallsNotLoaded,
        Self::WakeForgotten,
        Self::InstallationForgotten,
        Self::AsksForgotten,
        Self::SegmentsForgotten,
        Self::PurgedAhead,
        Self::OrderLost,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TornCommit => "torn_commit",
            Self::FenceOff => "fence_off",
            Self::CallBeforeCommit => "call_before_commit",
            Self::DedupOff => "dedup_off",
            Self::NumberBeforeRow => "number_before_row",
            Self::BucketForgotten => "bucket_forgotten",
            Self::KeyRenewed => "key_renewed",
            Self::InterestNotWidened => "interest_not_widened",
            Self::WrongStore => "wrong_store",
            Self::BodyLeftBehind => "body_left_behind",
            Self::CallsNotLoaded => "calls_not_loaded",
            Self::WakeForgotten => "wake_forgotten",
            Self::InstallationForgotten => "installation_forgotten",
            Self::AsksForgotten => "asks_forgotten",
            Self::SegmentsForgotten => "segments_forgotten",
            Self::PurgedAhead => "purged_ahead",
            Self::OrderLost => "order_lost",
        }
    }

    /// The rules of which one must be found broken first.
    pub(crate) const fn breaks(self) -> &'static [Rule] {
        match self {
            Self::TornCommit => &[Rule::AppliedOnce, Rule::CountsAddUp, Rule::RowsTaken],
            Self::NumberBeforeRow | Self::PurgedAhead => &[Rule::AppliedOnce],
            Self::SegmentsForgotten => &[Rule::AppliedOnce, Rule::CountsAddUp],
            Self::OrderLost => &[Rule::RowsTaken],
            Self::FenceOff => &[Rule::OneKeeperCommits],
            Self::CallBeforeCommit => &[Rule::CommittedFirst],
            Self::DedupOff => &[Rule::OneRowPerDelivery],
            Self::BucketForgotten => &[Rule::WithinBucket],
            Self::KeyRenewed | Self::InterestNotWidened => &[Rule::LevelsRight],
            Self::WrongStore => &[Rule::NothingLeaks],
            Self::BodyLeftBehind => &[Rule::DeadForAReason],
            Self::CallsNotLoaded
            | Self::WakeForgotten
            | Self::InstallationForgotten
            | Self::AsksForgotten => &[Rule::ComesToRest, Rule::LevelsRight],
        }
    }
}
