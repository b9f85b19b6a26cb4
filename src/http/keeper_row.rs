//! One store's keeper as operators see it: its state, its counters, and what it waits for.

use crate::clock::Timestamp;
use crate::db::fleet::StoreCounts;
use crate::domain::standing::Standing;
use crate::domain::store::observation::BucketView;
use crate::domain::store::state::Pause;
use crate::http::why::{Situation, why};
use crate::ids::StoreId;
use crate::keeper::{KeeperState, KeeperStatus, SafeModeStatus};

/// The state of a keeper that runs, but makes no calls.
pub(crate) const PAUSED: &str = "paused";

/// The state of a keeper that has work in hand and moves nothing.
const STUCK: &str = "stuck";

/// The states that a list can be narrowed to.
pub(crate) const STATE_NAMES: [&str; 7] = [
    "running",
    PAUSED,
    STUCK,
    "starting",
    "restarting",
    "quarantined",
    "stopped",
];

/// One store's keeper in a list.
#[derive(Clone, Debug)]
pub(crate) struct KeeperRow {
    pub(crate) store: StoreId,
    pub(crate) domain: String,
    pub(crate) state: &'static str,
    /// How the store stands; good until a keeper of it learnt otherwise.
    pub(crate) standing: &'static str,
    pub(crate) backlog: i64,
    pub(crate) oldest_age_ms: Option<i64>,
    pub(crate) applied: i64,
    pub(crate) naked: i64,
    pub(crate) parked: i64,
    pub(crate) dead: i64,
    pub(crate) restarts: u64,
    pub(crate) last_error: Option<String>,
    /// Why it waits, unless it rests.
    pub(crate) waits_for: Option<String>,
    /// When that ends, in words.
    pub(crate) waits_until: Option<String>,
    pub(crate) buckets: Vec<BucketLine>,
}

/// A bucket towards the platform.
#[derive(Clone, Debug)]
pub(crate) struct BucketLine {
    pub(crate) name: String,
    pub(crate) used: i64,
    pub(crate) size: i64,
}

impl BucketLine {
    /// What it counts, for people.
    pub(crate) fn label(&self) -> &str {
        match self.name.as_str() {
            "graphql" => "GraphQL points",
            "rest" => "REST requests",
            other => other,
        }
    }

    /// From where on it is nearly full.
    pub(crate) fn high(&self) -> i64 {
        self.size.saturating_mul(4) / 5
    }
}

impl KeeperRow {
    pub(crate) fn oldest_age(&self) -> String {
        age_text(self.oldest_age_ms)
    }
}

/// An age as people read it.
pub(crate) fn age_text(age_ms: Option<i64>) -> String {
    let Some(age_ms) = age_ms else {
        return "–".to_owned();
    };
    let seconds = age_ms.max(0) / 1_000;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Why a keeper that runs makes no calls.
fn pause_of(status: &KeeperStatus) -> Option<&Pause> {
    match status.state {
        KeeperState::Running => status.observation.as_ref()?.paused.as_ref(),
        KeeperState::Starting
        | KeeperState::Restarting { .. }
        | KeeperState::Quarantined { .. }
        | KeeperState::Stopped => None,
    }
}

pub(super) fn is_working(status: &KeeperStatus) -> bool {
    status.stuck.is_none()
        && match status.state {
            KeeperState::Starting => true,
            KeeperState::Running => pause_of(status).is_none(),
            KeeperState::Restarting { .. }
            | KeeperState::Quarantined { .. }
            | KeeperState::Stopped => false,
        }
}

pub(super) fn is_ailing(status: &KeeperStatus) -> bool {
    status.stuck.is_some()
        || match status.state {
            KeeperState::Restarting { .. } | KeeperState::Quarantined { .. } => true,
            // What an admin or the merchant wanted is no ailment.
            KeeperState::Running => matches!(pause_of(status), Some(Pause::Barred(_))),
            KeeperState::Starting | KeeperState::Stopped => false,
        }
}

/// A keeper's state as operators see it.
pub(crate) fn state_name(status: Option<&KeeperStatus>) -> &'static str {
    match status {
        None => KeeperState::Stopped.name(),
        Some(status) if status.stuck.is_some() => STUCK,
        Some(status) if pause_of(status).is_some() => PAUSED,
        Some(status) => status.state.name(),
    }
}

/// What went wrong last; for a keeper that never failed but is barred by its platform, that.
fn trouble_of(status: &KeeperStatus) -> Option<String> {
    let bar = || match pause_of(status)? {
        Pause::Barred(_) => {
            let wait = status.observation.as_ref()?.waits_for.as_ref()?;
            Some(format!("waits for {}", wait.reason))
        }
        // What an admin or the merchant wanted is no error.
        Pause::ByAdmin { .. } | Pause::Uninstalled => None,
    };
    status.last_error.clone().or_else(bar)
}

pub(super) fn row_of(
    counts: &StoreCounts,
    status: Option<&KeeperStatus>,
    domain: String,
    safe_mode: Option<SafeModeStatus>,
    at: Timestamp,
) -> KeeperRow {
    let oldest_age_ms = counts
        .oldest_received_at
        .map(|oldest| at.millis_since(oldest).max(0));
    let wait = why(&Situation {
        now: at,
        status,
        safe_mode,
        backlog: counts.backlog,
        oldest_age_ms,
        parked: counts.parked,
        // The page tells of it, and every list is on one that does.
        is_storm: false,
        // Both take a look of their own; lists do without.
        turn: None,
        decided: None,
    });
    let wait = Some(wait).filter(|wait| !wait.cause.is_rest());
    let observation = status.and_then(|status| status.observation.as_deref());
    let buckets = observation.map(|observation| &observation.buckets);
    let bucket = |(name, bucket): (&String, &BucketView)| BucketLine {
        name: name.clone(),
        used: bucket.used_at(at),
        size: bucket.size,
    };
    KeeperRow {
        store: counts.store,
        domain,
        state: state_name(status),
        standing: status
            .map_or(Standing::Good, |status| status.standing(at))
            .name(),
        backlog: counts.backlog,
        oldest_age_ms,
        applied: counts.applied,
        naked: counts.naked,
        parked: counts.parked,
        dead: counts.dead,
        restarts: status.map_or(0, |status| status.restarts),
        last_error: status.and_then(trouble_of),
        waits_until: wait.as_ref().and_then(|wait| wait.eta(at)),
        waits_for: wait.map(|wait| wait.sentence),
        buckets: buckets
            .map(|buckets| buckets.iter().map(bucket).collect())
            .unwrap_or_default(),
    }
}
