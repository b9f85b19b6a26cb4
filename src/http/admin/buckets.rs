//! `/v1/admin/keepers/{store}/bucket`: how much a store may call its platform, what waits for that, and what came of the
//! latest calls.
//!
//! Levels are as of now: what the keeper showed with its last commit, leaked since. Before the first keeper since the
//! process started they are what the database remembers.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use crate::clock::Timestamp;
use crate::db::keepers;
use crate::domain::call::Meter;
use crate::domain::store::observation::{
    BucketView, CallEnd, MadeCall, Observation, Throttle, WaitKind, WaitingCall,
};
use crate::domain::store::patience::Kind;
use crate::domain::store::state::BucketMemo;
use crate::http::error::ApiError;
use crate::http::extract::{Behind, StorePath, Viewer};
use crate::http::keeper_row::KeeperRow;
use crate::http::replies::Tagged;
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::ids::StoreId;
use crate::keeper::KeeperState;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/v1/admin/keepers/{store}/bucket").route(web::get().to(get_buckets)));
}

/// A store's calls towards its platform.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Buckets {
    pub(crate) store: String,
    pub(crate) state: &'static str,
    /// The instant of the levels.
    pub(crate) at: String,
    /// Whether a keeper runs; else all is as it left it, or, before the first one since the process started, the levels
    /// are as the database remembers them and nothing else is known.
    pub(crate) in_memory: bool,
    /// What stands before every call: a pause, or a rest after a failure.
    pub(crate) barred: Option<Barrier>,
    pub(crate) buckets: Vec<Bucket>,
    /// What only a call can bring forward, in the order in which it is made.
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) breaker: Breaker,
    /// Since its keeper came into memory, the newest first; at most 8.
    pub(crate) recent_calls: Vec<RecentCall>,
}

/// Why no call is made, whatever the tokens.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Barrier {
    pub(crate) reason: String,
    /// `None`: until somebody acts.
    pub(crate) until: Option<String>,
}

/// One of the platform's rate limits.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Bucket {
    /// `rest`, in requests, or `graphql`, in points.
    pub(crate) name: &'static str,
    /// Units in use now, rounded up.
    pub(crate) used: i64,
    pub(crate) size: i64,
    /// Units of the size that are ours; the rest is left to other clients of the app. Absent without a keeper.
    pub(crate) usable: Option<i64>,
    /// Units restored in a second.
    pub(crate) restore_per_s: i64,
    /// Units that calls under way hold; they come back once these have ended.
    pub(crate) held: i64,
    pub(crate) calls_in_flight: u32,
    /// From when on the next call that waits, or the smallest there is, can be afforded; absent: now.
    pub(crate) next_call_at: Option<String>,
    /// When all of it is there again, if nothing else is called; absent: it is.
    pub(crate) empty_at: Option<String>,
    /// Kinds of calls that wait for it.
    pub(crate) waiting: usize,
    /// When the platform last told size and level; absent: not since its keeper came into memory.
    pub(crate) told_at: Option<String>,
    /// The last refusal for want of tokens since then.
    pub(crate) last_throttle: Option<LastThrottle>,
    #[serde(skip)]
    pub(crate) next_call_ms: i64,
    #[serde(skip)]
    pub(crate) empty_ms: i64,
}

/// The platform refused a call for want of tokens.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct LastThrottle {
    pub(crate) at: String,
    /// Nothing was or is granted before.
    pub(crate) until: String,
    /// `platform`: it said how long to wait; `default`: it did not, and the usual wait is kept.
    pub(crate) source: &'static str,
    /// The wait that it asked for.
    pub(crate) asked_ms: Option<i64>,
    /// What was asked of it, as in `waiting`.
    pub(crate) call: Option<&'static str>,
    #[serde(skip)]
    pub(crate) holds: bool,
}

/// Something that only a call can bring forward.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Waiting {
    /// `resend`, `items`, `locations`, `order`, `stranger`, `part`, `assignments`, `adjust`, `levels`, `set` or `sweep`.
    pub(crate) call: &'static str,
    /// The same for people.
    pub(crate) meaning: &'static str,
    /// How many wait, at least.
    pub(crate) count: usize,
    pub(crate) bucket: &'static str,
    /// The most that the next such call costs, in units.
    pub(crate) cost: i64,
    /// From when on that can be afforded; absent: now.
    pub(crate) affordable_at: Option<String>,
    #[serde(skip)]
    pub(crate) wait_ms: i64,
}

/// Levels that are left alone because somebody else keeps changing them back.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct Breaker {
    pub(crate) open_levels: usize,
    /// Until when, at the longest.
    pub(crate) until: Option<String>,
}

/// A call that was made.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RecentCall {
    pub(crate) begun_at: String,
    /// As in `waiting`.
    pub(crate) call: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) bucket: &'static str,
    /// Units charged beforehand.
    pub(crate) cost: i64,
    /// Absent: it is under way.
    pub(crate) took_ms: Option<i64>,
    /// `answered`, `throttled`, `rejected`, `barred` or `failed`.
    pub(crate) end: Option<&'static str>,
}

/// How much a store may call its platform, what waits for that, and what came of the latest calls.
#[utoipa::path(get, path = "/v1/admin/keepers/{store}/bucket", tag = "admin", params(("store" = String, Path)),
    responses((status = 200, description = "Both rate limits, as of now", body = Buckets),
        (status = 304, description = "As `If-None-Match` has it"), (status = 400, description = "`malformed_path`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn get_buckets(
    state: web::Data<AppState>,
    Behind(_viewer, path): Behind<Viewer, StorePath>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let row = state.fleet.row(&state, path.0).await?;
    Ok(Tagged::of(&buckets_of(&state, &row).await?)?.respond(&request))
}

/// A store's calls towards its platform, as of now.
pub(crate) async fn buckets_of(state: &AppState, row: &KeeperRow) -> Result<Buckets, ApiError> {
    let status = state.directory.status(row.store);
    let in_memory = status
        .as_ref()
        .is_some_and(|status| status.state == KeeperState::Running);
    let seen = status.and_then(|status| status.observation);
    let now = state.clock().now();
    let mut shown = Buckets {
        store: row.store.to_string(),
        state: row.state,
        at: now.to_rfc3339(),
        in_memory,
        barred: None,
        buckets: Vec::new(),
        waiting: Vec::new(),
        breaker: Breaker::default(),
        recent_calls: Vec::new(),
    };
    match seen {
        Some(seen) => shown.fill(&seen, now),
        None => shown.buckets = remembered(state, row.store, now).await?,
    }
    Ok(shown)
}

impl Buckets {
    fn fill(&mut self, seen: &Observation, now: Timestamp) {
        self.barred = barrier_of(seen);
        for meter in [Meter::Rest, Meter::Graphql] {
            let view = seen.buckets.get(meter.name());
            let waiting = seen.waiting.iter().filter(|waiting| waiting.meter == meter);
            let bucket = view.map(|view| Bucket::of(meter, view, waiting, now));
            self.buckets.extend(bucket);
        }
        self.waiting = seen
            .waiting
            .iter()
            .map(|each| Waiting::of(each, now))
            .collect();
        let until = seen.contested_until.filter(|until| *until > now);
        self.breaker = Breaker {
            open_levels: until.map_or(0, |_| seen.contested_levels),
            until: until.map(Timestamp::to_rfc3339),
        };
        self.recent_calls = seen.made.iter().map(RecentCall::of).collect();
    }
}

/// What the database remembers, leaked since.
async fn remembered(
    state: &AppState,
    store: StoreId,
    now: Timestamp,
) -> Result<Vec<Bucket>, ApiError> {
    let record = keepers::find(state.db(), store).await?;
    let memos = record.map(|record| record.memo.buckets).unwrap_or_default();
    let bucket = |(meter, memo): (&Meter, &BucketMemo)| {
        let view = BucketView {
            used: memo.used_milli.saturating_add(999).div_euclid(1_000),
            size: memo.size,
            restore_per_s: memo.restore_per_s,
            held: 0,
            usable: memo.size,
            in_flight: 0,
            at: memo.at,
            next_at: now,
            told_at: None,
            throttle: None,
        };
        Bucket {
            usable: None,
            ..Bucket::of(*meter, &view, std::iter::empty(), now)
        }
    };
    Ok(memos.iter().map(bucket).collect())
}

impl Bucket {
    fn of<'seen>(
        meter: Meter,
        view: &BucketView,
        waiting: impl Iterator<Item = &'seen WaitingCall>,
        now: Timestamp,
    ) -> Self {
        let waiting: Vec<_> = waiting.collect();
        let next_at = waiting.iter().map(|each| each.at).min();
        let next_at = later(next_at.unwrap_or(view.next_at), now);
        let empty_at = later(view.empty_at(), now);
        Self {
            name: meter.name(),
            used: view.used_at(now),
            size: view.size,
            usable: Some(view.usable),
            restore_per_s: view.restore_per_s,
            held: view.held,
            calls_in_flight: view.in_flight,
            next_call_at: next_at.map(Timestamp::to_rfc3339),
            empty_at: empty_at.map(Timestamp::to_rfc3339),
            waiting: waiting.len(),
            told_at: view.told_at.map(Timestamp::to_rfc3339),
            last_throttle: view
                .throttle
                .map(|throttle| LastThrottle::of(throttle, now)),
            next_call_ms: next_at.map_or(0, |at| at.millis_since(now)),
            empty_ms: empty_at.map_or(0, |at| at.millis_since(now)),
        }
    }
}

impl LastThrottle {
    fn of(throttle: Throttle, now: Timestamp) -> Self {
        Self {
            at: throttle.at.to_rfc3339(),
            until: throttle.until.to_rfc3339(),
            source: match throttle.asked_ms {
                Some(_) => "platform",
                None => "default",
            },
            asked_ms: throttle.asked_ms,
            call: throttle.kind.map(Kind::name),
            holds: throttle.until > now,
        }
    }
}

impl Waiting {
    fn of(waiting: &WaitingCall, now: Timestamp) -> Self {
        let at = later(waiting.at, now);
        Self {
            call: waiting.kind.name(),
            meaning: meaning_of(waiting.kind),
            count: waiting.count,
            bucket: waiting.meter.name(),
            cost: waiting.cost,
            affordable_at: at.map(Timestamp::to_rfc3339),
            wait_ms: at.map_or(0, |at| at.millis_since(now)),
        }
    }
}

impl RecentCall {
    fn of(made: &MadeCall) -> Self {
        let took = |(at, _end): (Timestamp, CallEnd)| at.millis_since(made.begun_at).max(0);
        Self {
            begun_at: made.begun_at.to_rfc3339(),
            call: made.kind.name(),
            meaning: meaning_of(made.kind),
            bucket: made.meter.name(),
            cost: made.cost,
            took_ms: made.ended.map(took),
            end: made.ended.map(|(_at, end)| end.name()),
        }
    }
}

/// Why no call is made, whatever the tokens.
fn barrier_of(seen: &Observation) -> Option<Barrier> {
    let wait = seen.waits_for.as_ref()?;
    match wait.kind {
        WaitKind::Person | WaitKind::BackOff => Some(Barrier {
            reason: wait.reason.clone(),
            until: wait.until.map(Timestamp::to_rfc3339),
        }),
        WaitKind::Answer
        | WaitKind::Tokens
        | WaitKind::Call
        | WaitKind::Order
        | WaitKind::Item
        | WaitKind::Locations
        | WaitKind::Contested
        | WaitKind::Parked
        | WaitKind::Schedule => None,
    }
}

/// What a kind of call is for, for people.
const fn meaning_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Resend => "send a write again that got no answer",
        Kind::Items => "look items up",
        Kind::Locations => "read the locations",
        Kind::Order => "read an order",
        Kind::Stranger => "read an order that parked webhooks name",
        Kind::Part => "ask whose fulfillment order it is",
        Kind::Assignments => "ask where an order ships from",
        Kind::Adjust => "take components, or give them back",
        Kind::Levels => "read levels",
        Kind::Set => "write bundles' levels",
        Kind::Sweep => "the sweep",
    }
}

fn later(at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    Some(at).filter(|at| *at > now)
}
