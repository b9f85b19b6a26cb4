//! What follows from a store's plan and standing.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::domain::standing::{LadderRules, Limits, Record, Standing};

/// What becomes of webhooks beyond the allowance. All are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Beyond {
    /// They are applied like all others.
    #[default]
    Apply,
    /// They are applied after longer rests, so that more of them share a turn and a commit.
    CoalesceMore,
    /// They are kept, and applied when the day is over or a person says so.
    Hold,
    /// Those that concern no bundle are dropped as early as that can be told; the others are applied like all others.
    DropNaked,
}

impl Beyond {
    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::CoalesceMore => "coalesce_more",
            Self::Hold => "hold",
            Self::DropNaked => "drop_naked",
        }
    }
}

/// The published definitions of standings and allowances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaRules {
    /// Webhooks a day of a store whose plan is not among `plans`; `None`: as many as come.
    pub daily_default: Option<i64>,
    /// Webhooks a day by the name of a plan.
    pub plans: BTreeMap<String, Option<i64>>,
    pub beyond_good: Beyond,
    pub beyond_noisy: Beyond,
    pub beyond_quarantined: Beyond,
    /// Milliseconds that a store rests between turns beyond its allowance, where [`Beyond::CoalesceMore`] holds.
    pub coalesce_ms: u64,
    /// Share of turns of a noisy store, in percent of what a store in good standing gets: 1 to 100.
    pub noisy_weight_percent: u8,
    /// The same for one that is quarantined or suspended.
    pub quarantined_weight_percent: u8,
    pub ladder: LadderRules,
}

impl Default for QuotaRules {
    fn default() -> Self {
        Self {
            daily_default: None,
            plans: BTreeMap::new(),
            beyond_good: Beyond::Apply,
            beyond_noisy: Beyond::CoalesceMore,
            beyond_quarantined: Beyond::Hold,
            coalesce_ms: 250,
            noisy_weight_percent: 50,
            quarantined_weight_percent: 10,
            ladder: LadderRules {
                automatic: true,
                window_ms: 60_000,
                load_percent_min: 25,
                noisy: Limits {
                    share_percent: 50,
                    allowance_percent: 100,
                    crashes: 5,
                },
                quarantined: Limits {
                    share_percent: 90,
                    allowance_percent: 200,
                    crashes: 20,
                },
                crashes_within_ms: 3_600_000,
                calm_percent: 80,
                windows_up: 3,
                windows_down: 10,
                stay_ms: 1_800_000,
            },
        }
    }
}

/// What a store may take now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    pub standing: Standing,
    /// 1 to 100: never nothing.
    pub weight_percent: u8,
    /// Webhooks a UTC day; `None`: as many as come.
    pub allowance: Option<i64>,
    pub beyond: Beyond,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            standing: Standing::Good,
            weight_percent: 100,
            allowance: None,
            beyond: Beyond::Apply,
        }
    }
}

impl Terms {
    /// Whether the store's webhooks are refused.
    #[must_use]
    pub const fn is_suspended(&self) -> bool {
        matches!(self.standing, Standing::Suspended)
    }
}

impl QuotaRules {
    /// The terms of a store.
    #[must_use]
    pub fn terms(&self, plan: Option<&str>, record: &Record, now: Timestamp) -> Terms {
        let standing = record.standing(now);
        let (weight_percent, beyond) = match standing {
            Standing::Good => (100, self.beyond_good),
            Standing::Noisy => (self.noisy_weight_percent, self.beyond_noisy),
            // What a suspended store had accepted before is worked off.
            Standing::Quarantined | Standing::Suspended => {
                (self.quarantined_weight_percent, self.beyond_quarantined)
            }
        };
        Terms {
            standing,
            weight_percent: weight_percent.clamp(1, 100),
            allowance: self.allowance(plan),
            beyond,
        }
    }

    /// Webhooks that a plan allows a day; `None`: as many as come.
    #[must_use]
    pub fn allowance(&self, plan: Option<&str>) -> Option<i64> {
        let named = plan.and_then(|plan| self.plans.get(plan));
        named.map_or(self.daily_default, |allowance| *allowance)
    }
}
