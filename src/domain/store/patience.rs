//! Urgency with patience: the most urgent call is made first, and none is passed over for ever.
//!
//! Whatever is asked again and again (an order that the platform never routes, a flood of new ones) must not use up the
//! tokens of everything less urgent. A kind of call that was wanted and passed over too often goes first, and until it
//! can be afforded nothing else is charged to its rate limit. The counts survive a restart: a keeper that ends after
//! each call would begin with the most urgent kind every time.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// After this many other calls a kind goes first.
const PATIENCE: u32 = 8;

/// Kinds of calls, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Resend,
    Items,
    Locations,
    Order,
    Stranger,
    Part,
    Assignments,
    Adjust,
    Levels,
    Set,
    Sweep,
}

impl Kind {
    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resend => "resend",
            Self::Items => "items",
            Self::Locations => "locations",
            Self::Order => "order",
            Self::Stranger => "stranger",
            Self::Part => "part",
            Self::Assignments => "assignments",
            Self::Adjust => "adjust",
            Self::Levels => "levels",
            Self::Set => "set",
            Self::Sweep => "sweep",
        }
    }
}

/// How often each kind was wanted while another was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PassedOver(BTreeMap<Kind, u32>);

impl PassedOver {
    /// A call was made; those of `wanted` that it was not have been passed over once more.
    pub(super) fn made(&mut self, made: Kind, wanted: &BTreeSet<Kind>) {
        self.0.retain(|kind, _| wanted.contains(kind));
        for kind in wanted {
            let times = self.0.entry(*kind).or_default();
            *times = times.saturating_add(1);
        }
        self.0.remove(&made);
    }

    /// How long a kind has been waiting beyond its patience; 0: it goes by its urgency.
    #[must_use]
    pub(super) fn impatience(&self, kind: Kind) -> u32 {
        let times = self.0.get(&kind).copied().unwrap_or(0);
        times.saturating_add(1).saturating_sub(PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_passed_over_too_often_becomes_impatient() {
        let wanted = BTreeSet::from([Kind::Assignments, Kind::Sweep]);
        let mut passed_over = PassedOver::default();
        for _ in 1..PATIENCE {
            assert_eq!(passed_over.impatience(Kind::Sweep), 0);
            passed_over.made(Kind::Assignments, &wanted);
        }
        assert_eq!(passed_over.impatience(Kind::Sweep), 0);
        passed_over.made(Kind::Assignments, &wanted);
        assert!(passed_over.impatience(Kind::Sweep) > 0);
        assert_eq!(passed_over.impatience(Kind::Assignments), 0);
        passed_over.made(Kind::Sweep, &wanted);
        assert_eq!(passed_over.impatience(Kind::Sweep), 0);
    }

    #[test]
    fn who_wants_nothing_any_more_waits_for_nothing() {
        let mut passed_over = PassedOver::default();
        let wanted = BTreeSet::from([Kind::Set, Kind::Sweep]);
        for _ in 0..=PATIENCE {
            passed_over.made(Kind::Set, &wanted);
        }
        passed_over.made(Kind::Set, &BTreeSet::from([Kind::Set]));
        assert_eq!(passed_over, PassedOver::default());
    }
}
