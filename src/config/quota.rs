//! `[quota]`.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Value;

use super::setting::{Range, SettingValue, settings};

/// What becomes of webhooks beyond the allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BeyondConfig {
    /// Applied like all others.
    Apply,
    /// Applied after longer rests.
    CoalesceMore,
    /// Kept until the day is over.
    Hold,
    /// Dropped if they concern no bundle, else applied.
    DropNaked,
}

impl SettingValue for BeyondConfig {
    fn to_value(&self) -> Value {
        Value::from(match self {
            Self::Apply => "apply",
            Self::CoalesceMore => "coalesce_more",
            Self::Hold => "hold",
            Self::DropNaked => "drop_naked",
        })
    }
}

const BEYOND: Range = Range::OneOf(&["apply", "coalesce_more", "hold", "drop_naked"]);

settings! {
    /// How many webhooks a store may have in a UTC day, by its plan. All are accepted; those beyond its allowance may
    /// be treated otherwise. Naked ones, which concern no bundle, do not count.
    ["quota"]
    pub struct QuotaConfig {
        /// Webhooks a day of a store whose plan is not named in `plans`. 0: as many as come.
        daily_default: u64 = 0, "webhooks", Range::Between(0, 1_000_000_000_000);
        /// Webhooks a day by the store's plan, as `plan=webhooks`; 0: as many as come.
        plans: Vec<String> = Vec::new(), "plan=webhooks", Range::Any;
        /// What becomes of webhooks beyond the allowance of a store in good standing: `apply`, like all others;
        /// `coalesce_more`, after longer rests, so that more of them share a turn; `hold`, kept until the day is over;
        /// `drop_naked`, dropped if they concern no bundle, those that wait already too, and else applied.
        beyond_good: BeyondConfig = BeyondConfig::Apply, "word", BEYOND;
        /// The same of a noisy store.
        beyond_noisy: BeyondConfig = BeyondConfig::CoalesceMore, "word", BEYOND;
        /// The same of a quarantined store, and of what a suspended one had before its suspension.
        beyond_quarantined: BeyondConfig = BeyondConfig::Hold, "word", BEYOND;
        /// How long a store rests between turns where `coalesce_more` holds.
        coalesce_ms: u64 = 250, "milliseconds", Range::Between(1, 10_000);
    }
}

impl QuotaConfig {
    /// The plans by name; 0: as many as come. `None`: one of them cannot be understood, or stands there twice.
    #[must_use]
    pub fn plans(&self) -> Option<BTreeMap<String, u64>> {
        let mut plans = BTreeMap::new();
        for entry in &self.plans {
            let (plan, webhooks) = entry.rsplit_once('=')?;
            let webhooks = webhooks.trim().replace('_', "").parse().ok()?;
            let plan = plan.trim();
            let is_new = plans.insert(plan.to_owned(), webhooks).is_none();
            if plan.is_empty() || !is_new {
                return None;
            }
        }
        Some(plans)
    }

    pub(super) fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let reason = "must be made of plan=webhooks, each plan once";
        self.plans().is_none().then_some(("quota.plans", reason))
    }
}
