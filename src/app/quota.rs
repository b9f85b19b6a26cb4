//! From the configuration to the published rules of allowances and standings.

use super::settings::signed;
use crate::config::{BeyondConfig, QuotaConfig, StandingConfig};
use crate::domain::standing::{Beyond, LadderRules, Limits, QuotaRules};

pub(super) fn quota_rules(quota: &QuotaConfig, standing: &StandingConfig) -> QuotaRules {
    // The configuration was checked before it came here.
    let plans = quota.plans().unwrap_or_default();
    let percent = |percent: u32| u8::try_from(percent).unwrap_or(100);
    QuotaRules {
        daily_default: allowance(quota.daily_default),
        plans: plans
            .into_iter()
            .map(|(plan, webhooks)| (plan, allowance(webhooks)))
            .collect(),
        beyond_good: beyond(quota.beyond_good),
        beyond_noisy: beyond(quota.beyond_noisy),
        beyond_quarantined: beyond(quota.beyond_quarantined),
        coalesce_ms: quota.coalesce_ms,
        noisy_weight_percent: percent(standing.noisy_weight_percent),
        quarantined_weight_percent: percent(standing.quarantined_weight_percent),
        ladder: ladder_rules(standing),
    }
}

fn ladder_rules(standing: &StandingConfig) -> LadderRules {
    LadderRules {
        automatic: standing.automatic,
        window_ms: signed(standing.window_ms),
        load_percent_min: standing.load_percent_min.into(),
        noisy: Limits {
            share_percent: standing.noisy_share_percent.into(),
            allowance_percent: standing.noisy_allowance_percent.into(),
            crashes: standing.noisy_crashes.into(),
        },
        quarantined: Limits {
            share_percent: standing.quarantined_share_percent.into(),
            allowance_percent: standing.quarantined_allowance_percent.into(),
            crashes: standing.quarantined_crashes.into(),
        },
        crashes_within_ms: signed(standing.crashes_within_ms),
        calm_percent: standing.calm_percent.into(),
        windows_up: standing.windows_up,
        windows_down: standing.windows_down,
        stay_ms: signed(standing.stay_ms),
    }
}

/// 0 is no bound.
fn allowance(webhooks: u64) -> Option<i64> {
    (webhooks > 0).then(|| signed(webhooks))
}

const fn beyond(beyond: BeyondConfig) -> Beyond {
    match beyond {
        BeyondConfig::Apply => Beyond::Apply,
        BeyondConfig::CoalesceMore => Beyond::CoalesceMore,
        BeyondConfig::Hold => Beyond::Hold,
        BeyondConfig::DropNaked => Beyond::DropNaked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_defaults_of_the_rules_and_of_the_configuration_agree() {
        let Config {
            quota, standing, ..
        } = Config::default();
        assert_eq!(quota_rules(&quota, &standing), QuotaRules::default());
    }

    #[test]
    fn plans_are_named_with_their_webhooks() {
        let quota = |plans: &[&str]| QuotaConfig {
            plans: plans.iter().map(ToString::to_string).collect(),
            daily_default: 7,
            ..QuotaConfig::default()
        };
        let of = |plans: &[&str], plan| {
            let rules = quota_rules(&quota(plans), &StandingConfig::default());
            rules.allowance(plan)
        };
        let plans = ["basic=20_000", "plus = 0", "a=b=5"];
        assert_eq!(
            [
                Some("basic"),
                Some("plus"),
                Some("a=b"),
                Some("other"),
                None
            ]
            .map(|plan| of(&plans, plan)),
            [Some(20_000), None, Some(5), Some(7), Some(7)]
        );
        for refused in [vec!["basic"], vec!["=5"], vec!["a=x"], vec!["a=1", "a=2"]] {
            assert_eq!(quota(&refused).plans(), None, "{refused:?}");
        }
    }
}
