//! `/v1/admin/supervision`: threads and the keepers on them, what is in hand, who crashed, and who takes how much.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use crate::clock::Timestamp;
use crate::http::error::ApiError;
use crate::http::extract::Viewer;
use crate::http::keeper_row::age_text;
use crate::http::replies::Tagged;
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::ids::StoreId;
use crate::keeper::{ArbiterLoad, KeeperState, KeeperStatus, LifecycleEvent, LifecycleStep};

/// Stores that each list holds at most.
const LISTED_MAX: usize = 20;
/// A share or an index in full.
const PER_MILLE: u128 = 1_000;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/v1/admin/supervision").route(web::get().to(get_supervision)));
}

/// The tree of supervision, and the shares.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Supervision {
    pub(crate) arbiters: Vec<ArbiterDocument>,
    /// Threads of keepers that do not answer.
    pub(crate) arbiters_silent: usize,
    /// What keepers have in hand, the longest first; at most 20.
    pub(crate) in_hand: Vec<InHandDocument>,
    /// The stores whose keepers crashed most since the process started; at most 20.
    pub(crate) crashed: Vec<CrashedDocument>,
    /// The stores whose turns took most since the process started; at most 20.
    pub(crate) shares: Vec<ShareDocument>,
    /// Jain's index of the shares of all stores that took a turn, in thousandths: 1000 when all took the same, 1000
    /// over their number when one took all. Absent before the first turn.
    pub(crate) fairness_per_mille: Option<u64>,
    /// Restarts, quarantines and moves to another thread of late, the newest first; at most 20.
    pub(crate) events: Vec<EventDocument>,
}

/// A thread of keepers.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct ArbiterDocument {
    pub(crate) arbiter: usize,
    /// Keepers, and guards of keepers that rest.
    pub(crate) keepers: usize,
    pub(crate) running: usize,
    pub(crate) restarting: usize,
    pub(crate) quarantined: usize,
    pub(crate) stuck: usize,
    /// Of its keepers, since the process started.
    pub(crate) restarts: u64,
    /// What the turns of its keepers took since the process started, also those before they moved here.
    pub(crate) busy_ms: u64,
    /// What of its time its keepers keep it busy with, in thousandths, averaged over the last half minute or so.
    pub(crate) load_per_mille: u64,
}

impl ArbiterDocument {
    pub(crate) const fn load_percent(&self) -> u64 {
        self.load_per_mille / 10
    }
}

/// What a keeper has in hand.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct InHandDocument {
    pub(crate) store: String,
    pub(crate) arbiter: usize,
    pub(crate) doing: &'static str,
    pub(crate) age_ms: i64,
    pub(crate) stuck: bool,
}

impl InHandDocument {
    pub(crate) fn age(&self) -> String {
        age_text(Some(self.age_ms))
    }
}

/// A store whose keeper crashed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct CrashedDocument {
    pub(crate) store: String,
    pub(crate) restarts: u64,
    /// What a panic said, or why a commit was refused.
    pub(crate) last_error: Option<String>,
}

/// What a store takes of all turns.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ShareDocument {
    pub(crate) store: String,
    /// `good`, `noisy`, `quarantined` or `suspended`.
    pub(crate) standing: &'static str,
    pub(crate) turns: u64,
    pub(crate) busy_ms: u64,
    /// Of the time of all turns, in thousandths.
    pub(crate) share_per_mille: u64,
}

impl ShareDocument {
    pub(crate) fn percent(&self) -> String {
        format!(
            "{}.{} %",
            self.share_per_mille / 10,
            self.share_per_mille % 10
        )
    }
}

/// What happened to a keeper.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct EventDocument {
    pub(crate) at: String,
    pub(crate) store: String,
    pub(crate) step: &'static str,
    pub(crate) detail: String,
}

/// The threads of keepers, what is in hand there, who crashed, and how turns are shared among stores.
#[utoipa::path(get, path = "/v1/admin/supervision", tag = "admin",
    responses((status = 200, description = "As of now", body = Supervision),
        (status = 304, description = "As `If-None-Match` has it"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn get_supervision(
    state: web::Data<AppState>,
    _viewer: Viewer,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    Ok(Tagged::of(&supervision(&state))?.respond(&request))
}

/// As of now.
pub(crate) fn supervision(state: &AppState) -> Supervision {
    let statuses = state.directory.statuses();
    let shares = shares(&statuses, state.clock().now());
    Supervision {
        arbiters: arbiters(&statuses, &state.directory.arbiter_loads()),
        arbiters_silent: state.directory.silent_arbiters(),
        in_hand: in_hand(&statuses, state.clock().now()),
        crashed: crashed(&statuses),
        fairness_per_mille: fairness(statuses.iter().map(|status| status.busy_us)),
        shares,
        events: events(state.directory.lifecycle()),
    }
}

fn arbiters(statuses: &[KeeperStatus], loads: &[ArbiterLoad]) -> Vec<ArbiterDocument> {
    let mut arbiters: BTreeMap<usize, ArbiterDocument> = BTreeMap::new();
    for status in statuses {
        let arbiter = arbiters.entry(status.arbiter).or_default();
        arbiter.arbiter = status.arbiter;
        arbiter.restarts += status.restarts;
        arbiter.busy_ms += status.busy_us / 1_000;
        arbiter.stuck += usize::from(status.stuck.is_some());
        let counter = match status.state {
            KeeperState::Stopped => continue,
            KeeperState::Starting | KeeperState::Running => &mut arbiter.running,
            KeeperState::Restarting { .. } => &mut arbiter.restarting,
            KeeperState::Quarantined { .. } => &mut arbiter.quarantined,
        };
        *counter += 1;
        arbiter.keepers += 1;
    }
    for load in loads {
        let arbiter = arbiters.entry(load.arbiter).or_default();
        arbiter.arbiter = load.arbiter;
        arbiter.load_per_mille = load.busy_per_mille;
    }
    arbiters.into_values().collect()
}

fn in_hand(statuses: &[KeeperStatus], now: Timestamp) -> Vec<InHandDocument> {
    let document = |status: &KeeperStatus| {
        let in_hand = status.in_hand?;
        Some(InHandDocument {
            store: status.store.to_string(),
            arbiter: status.arbiter,
            doing: in_hand.doing.text(),
            age_ms: now.millis_since(in_hand.since).max(0),
            stuck: status.stuck.is_some(),
        })
    };
    let mut in_hand: Vec<_> = statuses.iter().filter_map(document).collect();
    in_hand.sort_by_key(|document| Reverse(document.age_ms));
    in_hand.truncate(LISTED_MAX);
    in_hand
}

fn crashed(statuses: &[KeeperStatus]) -> Vec<CrashedDocument> {
    let mut crashed: Vec<_> = statuses
        .iter()
        .filter(|status| status.restarts > 0)
        .collect();
    crashed.sort_by_key(|status| Reverse(status.restarts));
    let document = |status: &KeeperStatus| CrashedDocument {
        store: status.store.to_string(),
        restarts: status.restarts,
        last_error: status.last_error.clone(),
    };
    crashed.into_iter().take(LISTED_MAX).map(document).collect()
}

fn shares(statuses: &[KeeperStatus], now: Timestamp) -> Vec<ShareDocument> {
    let whole: u128 = statuses
        .iter()
        .map(|status| u128::from(status.busy_us))
        .sum();
    let mut busy: Vec<_> = statuses.iter().filter(|status| status.turns > 0).collect();
    busy.sort_by_key(|status| Reverse(status.busy_us));
    let document = |status: &KeeperStatus| ShareDocument {
        store: status.store.to_string(),
        standing: status.standing(now).name(),
        turns: status.turns,
        busy_ms: status.busy_us / 1_000,
        share_per_mille: part(u128::from(status.busy_us), whole),
    };
    busy.into_iter().take(LISTED_MAX).map(document).collect()
}

/// What a store's turns took of the time of all since the process started, in thousandths.
pub(super) fn share_of(state: &AppState, store: StoreId) -> u64 {
    let statuses = state.directory.statuses();
    let busy = statuses
        .iter()
        .map(|status| (status.store, u128::from(status.busy_us)));
    let (mut own, mut whole) = (0, 0_u128);
    for (other, busy_us) in busy {
        whole = whole.saturating_add(busy_us);
        if other == store {
            own = busy_us;
        }
    }
    part(own, whole)
}

fn part(of: u128, whole: u128) -> u64 {
    let part = of.saturating_mul(PER_MILLE) / whole.max(1);
    u64::try_from(part).unwrap_or(u64::MAX)
}

/// Jain's index: the square of the sum over the number times the sum of the squares.
fn fairness(taken: impl Iterator<Item = u64>) -> Option<u64> {
    let taken: Vec<u128> = taken.filter(|taken| *taken > 0).map(u128::from).collect();
    let count = u128::try_from(taken.len())
        .ok()
        .filter(|count| *count > 0)?;
    let add = |sum: u128, more: u128| sum.saturating_add(more);
    let sum = taken.iter().copied().fold(0, add);
    let squares = taken.iter().map(|taken| taken.saturating_mul(*taken));
    let squares = squares.fold(0, add);
    Some(part(sum.saturating_mul(sum), count.saturating_mul(squares)))
}

fn events(events: Vec<LifecycleEvent>) -> Vec<EventDocument> {
    let name = |step| match step {
        LifecycleStep::Restarting => Some("restarting"),
        LifecycleStep::Quarantined => Some("quarantined"),
        LifecycleStep::Released => Some("released"),
        LifecycleStep::Moved => Some("moved"),
        // Come and go all the time.
        LifecycleStep::Activated | LifecycleStep::Ended => None,
    };
    let document = |event: LifecycleEvent| {
        Some(EventDocument {
            step: name(event.step)?,
            at: event.at.to_rfc3339(),
            store: event.store.to_string(),
            detail: event.detail,
        })
    };
    let newest_first = events.into_iter().rev();
    newest_first.filter_map(document).take(LISTED_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_one_when_all_take_the_same_and_falls_with_the_greedy() {
        let index = |taken: &[u64]| fairness(taken.iter().copied());
        assert_eq!(index(&[]), None);
        assert_eq!(index(&[0]), None);
        assert_eq!(
            index(&[7, 7, 7, 0]),
            Some(1_000),
            "who took nothing wanted nothing"
        );
        assert_eq!(index(&[1_000_000, 1, 1, 1]), Some(250));
        assert_eq!(index(&[1, 2, 3]), Some(857));
        assert_eq!(index(&[1 << 50, 1 << 50]), Some(1_000));
    }
}
