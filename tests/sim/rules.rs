//! What must hold, by name, and how it is told that something did not.

use std::fmt;

use storekeeper::clock::Timestamp;

/// A promise of the server that a run checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// Every accepted webhook is applied exactly once.
    AppliedOnce,
    /// One delivery id, one row of the inbox.
    OneRowPerDelivery,
    /// INV-C: no call leaves before its commit.
    CommittedFirst,
    /// INV-E: only the keeper that holds the grant commits.
    OneKeeperCommits,
    /// The cursor, and the number of commits, only grow, and never pass the head.
    CursorGrows,
    /// The rules take every row that is handed to them, and those that must keep their order in it.
    RowsTaken,
    /// Rows taken = applied + naked + parked + dead: none is lost between the counters.
    CountsAddUp,
    /// INV-K: one key, one content, one effect.
    OneKeyOneEffect,
    /// INV-L: the platform never refuses a call for its rate because of us.
    WithinBucket,
    /// A bucket is never negative, nor fuller than full.
    BucketInRange,
    /// Nothing of a store reaches another.
    NothingLeaks,
    /// The rules hand over nothing that the database must refuse.
    CommitAccepted,
    /// In the end every level is what it ought to be.
    LevelsRight,
    /// In the end there is nothing left to do, and nothing is done.
    ComesToRest,
    /// What was given up was given up for a reason that is true.
    DeadForAReason,
    /// The rules do not panic.
    NoPanic,
}

impl Rule {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AppliedOnce => "accepted, applied exactly once",
            Self::OneRowPerDelivery => "one row per delivery id",
            Self::CommittedFirst => "no call before its commit",
            Self::OneKeeperCommits => "one keeper commits",
            Self::CursorGrows => "the cursor grows",
            Self::RowsTaken => "rows are taken, and in their order",
            Self::CountsAddUp => "counts add up",
            Self::OneKeyOneEffect => "one key, one effect",
            Self::WithinBucket => "within the platform's bucket",
            Self::BucketInRange => "bucket in range",
            Self::NothingLeaks => "nothing leaks between stores",
            Self::CommitAccepted => "the database takes every commit",
            Self::LevelsRight => "levels equal the reference",
            Self::ComesToRest => "comes to rest",
            Self::DeadForAReason => "dead for a reason",
            Self::NoPanic => "no panic",
        }
    }
}

/// A promise that was broken.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) at: Timestamp,
    pub(crate) detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "[{}] at {}: {}",
            self.rule.name(),
            self.at,
            self.detail
        )
    }
}
