//! `/v1/admin/standings`: the definitions of standings, and what each store may take.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::stores::{get as get_record, unknown_store};
use super::{Deed, supervision};
use crate::clock::Timestamp;
use crate::db::admin::standings;
use crate::db::admin::stores::StoreRecord;
use crate::domain::standing::{DAY_MS, Day, Decision, Limits, QuotaRules, Record, Standing};
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{Admin, Behind, StorePath, StrictJson, Viewer, checked_reason};
use crate::http::replies::Tagged;
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::ids::StoreId;
use crate::keeper::KnownStanding;

/// The longest notice of a suspension.
const NOTICE_DAYS_MAX: i64 = 366;
/// What a suspended store's webhooks are answered.
const REFUSED: &str = "refuse_410";

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/v1/admin/standings").route(web::get().to(get_definitions)))
        .service(
            resource("/v1/admin/stores/{store}/standing")
                .route(web::get().to(get_standing))
                .route(web::put().to(set_standing)),
        );
}

/// The published definitions.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Definitions {
    /// Whether standings change by themselves.
    automatic: bool,
    /// Stores are judged once in each window.
    window_ms: i64,
    /// Shares count in windows in which all turns took this part of one thread's time.
    load_percent_min: u64,
    /// The best first; a store is suspended by a person only.
    standings: Vec<Definition>,
    /// The time within which crashes count.
    crashes_within_ms: i64,
    /// A window is calm below this part of each limit.
    calm_percent: u64,
    /// Windows on end beyond a limit before one step to the worse.
    windows_up: u32,
    /// Calm windows on end before one step to the better.
    windows_down: u32,
    /// A worse standing lasts at least so long.
    stay_ms: i64,
    /// Webhooks a UTC day of a store whose plan is not among `plans`; absent: as many as come.
    daily_default: Option<i64>,
    plans: Vec<PlanDocument>,
}

/// A standing: from where on it is deserved, and what it means.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Definition {
    standing: &'static str,
    /// Any of these is enough; absent where no limit leads to it.
    limits: Option<LimitsDocument>,
    /// Share of turns while others wait, of what a store in good standing gets.
    weight_percent: u8,
    /// What becomes of webhooks beyond the day's allowance: `apply`, `coalesce_more`, `hold`, `drop_naked`, or
    /// `refuse_410` of all.
    beyond_allowance: &'static str,
}

/// From where on a standing is deserved.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct LimitsDocument {
    /// Of the time that the turns of all stores took.
    share_percent: u64,
    /// Of the day's allowance, exceeded.
    allowance_percent: u64,
    crashes: u64,
}

/// What a plan allows.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PlanDocument {
    plan: String,
    /// Webhooks a UTC day; absent: as many as come.
    daily: Option<i64>,
}

impl Definitions {
    fn of(quota: &QuotaRules) -> Self {
        let ladder = quota.ladder;
        let plan = |(plan, daily): (&String, &Option<i64>)| PlanDocument {
            plan: plan.clone(),
            daily: *daily,
        };
        Self {
            automatic: ladder.automatic,
            window_ms: ladder.window_ms,
            load_percent_min: ladder.load_percent_min,
            standings: Standing::ALL.map(|one| definition(quota, one)).into(),
            crashes_within_ms: ladder.crashes_within_ms,
            calm_percent: ladder.calm_percent,
            windows_up: ladder.windows_up,
            windows_down: ladder.windows_down,
            stay_ms: ladder.stay_ms,
            daily_default: quota.daily_default,
            plans: quota.plans.iter().map(plan).collect(),
        }
    }
}

fn definition(quota: &QuotaRules, standing: Standing) -> Definition {
    let limits = |limits: Limits| LimitsDocument {
        share_percent: limits.share_percent,
        allowance_percent: limits.allowance_percent,
        crashes: limits.crashes,
    };
    let (limits, weight_percent, beyond_allowance) = match standing {
        Standing::Good => (None, 100, quota.beyond_good.name()),
        Standing::Noisy => {
            let limits = limits(quota.ladder.noisy);
            (
                Some(limits),
                quota.noisy_weight_percent,
                quota.beyond_noisy.name(),
            )
        }
        Standing::Quarantined => {
            let limits = limits(quota.ladder.quarantined);
            let weight = quota.quarantined_weight_percent;
            (Some(limits), weight, quota.beyond_quarantined.name())
        }
        Standing::Suspended => (None, quota.quarantined_weight_percent, REFUSED),
    };
    Definition {
        standing: standing.name(),
        limits,
        weight_percent,
        beyond_allowance,
    }
}

/// What a store may take, and what it takes.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct StandingDocument {
    store: String,
    /// `good`, `noisy`, `quarantined` or `suspended`. A keeper's `state` is something else: it tells whether it runs.
    pub(crate) standing: &'static str,
    /// Absent when nothing was ever decided.
    pub(crate) since: Option<String>,
    pub(crate) reason: Option<String>,
    /// A person as the audit names them, or `rules`.
    pub(crate) decided_by: Option<String>,
    /// Until then the rules leave it alone, because a person decided.
    pinned_until: Option<String>,
    /// A suspension, from its notice on.
    pub(crate) suspension: Option<SuspensionDocument>,
    plan: Option<String>,
    /// Webhooks a UTC day; absent: as many as come.
    pub(crate) allowance: Option<i64>,
    pub(crate) beyond_allowance: &'static str,
    /// Share of turns while others wait, of what a store in good standing gets.
    pub(crate) weight_percent: u8,
    /// Webhooks since the UTC day began, as its keeper counted them when it looked last.
    pub(crate) today: i64,
    day_ends_at: String,
    /// How many of them are beyond the allowance: they are what would be held where `beyond_allowance` is `hold`.
    beyond_today: i64,
    /// How many webhooks were dropped today because they concern no bundle and came beyond the allowance, where
    /// `beyond_allowance` is `drop_naked`.
    pub(crate) dropped_today: i64,
    /// Until when webhooks are held; absent: none are.
    pub(crate) held_until: Option<String>,
    /// Webhooks accepted and not yet applied.
    waiting: i64,
    /// What its turns took of the time of all since the process started, in thousandths.
    share_per_mille: u64,
}

/// A suspension.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SuspensionDocument {
    /// From when on its webhooks are answered 410.
    pub(crate) effective_at: String,
    pub(crate) reason: String,
    decided_by: String,
}

/// What a person decides of a store.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StandingBody {
    /// `good`, `noisy`, `quarantined` or `suspended`. Any but the last ends a suspension.
    pub(crate) standing: String,
    /// 1 to 500 characters, for the audit.
    #[schema(min_length = 1, max_length = 500)]
    pub(crate) reason: String,
    /// When a suspension takes effect (RFC 3339), at most 366 days ahead; at once when absent.
    #[serde(default)]
    pub(crate) effective_at: Option<String>,
}

/// The definitions of standings and daily allowances, as they are configured.
#[utoipa::path(get, path = "/v1/admin/standings", tag = "admin",
    responses((status = 200, description = "The definitions, with their `ETag`", body = Definitions),
        (status = 304, description = "As `If-None-Match` has it"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn get_definitions(
    state: web::Data<AppState>,
    _viewer: Viewer,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    Ok(Tagged::of(&Definitions::of(state.directory.quota()))?.respond(&request))
}

/// A store's standing, and what a worse one would mean for it.
#[utoipa::path(get, path = "/v1/admin/stores/{store}/standing", tag = "admin", params(("store" = String, Path)),
    responses((status = 200, description = "As of now, with its `ETag`", body = StandingDocument),
        (status = 304, description = "As `If-None-Match` has it"), (status = 400, description = "`malformed_path`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn get_standing(
    state: web::Data<AppState>,
    Behind(_viewer, path): Behind<Viewer, StorePath>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    Ok(Tagged::of(&standing_of(&state, path.0).await?)?.respond(&request))
}

/// Decide a store's standing: suspend it, with notice or at once, or release it. Until the UTC day is over, the rules
/// leave alone what a person decided. The webhooks of a suspended store are answered 410, so that the platform ends
/// them by itself; those that were accepted before are applied.
#[utoipa::path(put, path = "/v1/admin/stores/{store}/standing", tag = "admin", request_body = StandingBody,
    params(("store" = String, Path)),
    responses((status = 200, description = "Decided", body = StandingDocument),
        (status = 400, description = "`malformed_json`, `malformed_path`, `empty_body`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"), (status = 422, description = "`invalid_field`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn set_standing(
    state: web::Data<AppState>,
    body: StrictJson<Behind<Admin, StorePath>, StandingBody>,
) -> Result<HttpResponse, ApiError> {
    let Behind(admin, path) = body.who;
    decide(&state, &admin.by_api(), path.0, body.value).await?;
    let document = standing_of(&state, path.0).await?;
    Ok(Tagged::of(&document)?.with_status(StatusCode::OK))
}

/// Decides a store's standing, durably and in the audit, and tells all who mind it.
pub(crate) async fn decide(
    state: &AppState,
    actor: &str,
    store: StoreId,
    body: StandingBody,
) -> Result<(), ApiError> {
    let now = state.clock().now();
    let decision = checked(body, actor, now)?;
    let from = decision.effective_at.filter(|from| *from > now);
    let from = from.map_or_else(String::new, |from| format!(" from {}", from.to_rfc3339()));
    let detail = format!("{}{from}: {}", decision.to.name(), decision.reason);
    let deed = Deed {
        actor,
        action: "set standing",
        store: Some(store),
        detail: &detail,
    };
    let deed = deed.entry(state);
    let decided = |record: &Record| Some(record.decided(decision, now));
    let changed = standings::change(state.db(), store, deed, decided).await;
    changed.map_err(unknown_store)?;
    state.forget_stores();
    relearn(state, store).await
}

/// Tells a store's keeper what decides how much it may take, as the database has it.
pub(crate) async fn relearn(state: &AppState, store: StoreId) -> Result<(), ApiError> {
    loop {
        let told = state.directory.standing_told(store);
        let known = KnownStanding {
            record: standings::find(state.db(), store).await?,
            plan: get_record(state, store).await?.plan,
        };
        // Otherwise somebody changed it meanwhile: what was read may be from before that.
        if state.directory.learn_standing(store, known, told) {
            return Ok(());
        }
    }
}

fn checked(body: StandingBody, actor: &str, now: Timestamp) -> Result<Decision, ApiError> {
    let invalid = |detail: &'static str| ApiError::new(Problem::InvalidField, detail);
    checked_reason(&body.reason)?;
    let to = Standing::from_name(&body.standing)
        .ok_or_else(|| invalid("`standing` is one of good, noisy, quarantined and suspended"))?;
    let effective_at = match body.effective_at {
        None => None,
        Some(text) => {
            let at = Timestamp::parse_rfc3339(&text);
            let at = at.ok_or_else(|| invalid("`effective_at` is an instant as in RFC 3339"))?;
            Some(at)
        }
    };
    let is_far = |at: Timestamp| at.millis_since(now) > NOTICE_DAYS_MAX * DAY_MS;
    if effective_at.is_some_and(is_far) {
        return Err(invalid("`effective_at` is at most 366 days ahead"));
    }
    if effective_at.is_some() && to != Standing::Suspended {
        return Err(invalid("only a suspension has an `effective_at`"));
    }
    Ok(Decision {
        to,
        effective_at,
        reason: body.reason,
        by: actor.to_owned(),
    })
}

/// A store's standing, with what it takes.
pub(crate) async fn standing_of(
    state: &AppState,
    store: StoreId,
) -> Result<StandingDocument, ApiError> {
    let store = get_record(state, store).await?;
    let record = standings::find(state.db(), store.id).await?;
    let waiting = state.fleet.row(state, store.id).await?.backlog;
    Ok(document(state, &store, record, waiting))
}

fn document(
    state: &AppState,
    store: &StoreRecord,
    record: Record,
    waiting: i64,
) -> StandingDocument {
    let now = state.clock().now();
    let terms = state
        .directory
        .quota()
        .terms(store.plan.as_deref(), &record, now);
    let status = state.directory.status(store.id);
    let today = status.and_then(|status| status.today);
    let today = today.and_then(|today| today.still(now));
    let held_until = today.and_then(|today| today.held_until);
    let rows = today.map_or(0, |today| match held_until {
        // While all is held, its keeper looks for no more.
        Some(_) => today.taken.saturating_add(waiting),
        None => today.rows,
    });
    let beyond = terms
        .allowance
        .map_or(0, |allowance| (rows - allowance).max(0));
    let decided = Some(&record).filter(|record| record.since != Timestamp::EPOCH);
    StandingDocument {
        store: store.id.to_string(),
        standing: terms.standing.name(),
        since: decided.map(|record| record.since.to_rfc3339()),
        reason: decided.map(|record| record.reason.clone()),
        decided_by: decided.map(|record| record.by.clone()),
        pinned_until: record
            .pinned_until
            .filter(|until| *until > now)
            .map(Timestamp::to_rfc3339),
        suspension: record.suspension.map(|suspension| SuspensionDocument {
            effective_at: suspension.at.to_rfc3339(),
            reason: suspension.reason,
            decided_by: suspension.by,
        }),
        plan: store.plan.clone(),
        allowance: terms.allowance,
        beyond_allowance: match terms.standing {
            Standing::Suspended => REFUSED,
            Standing::Good | Standing::Noisy | Standing::Quarantined => terms.beyond.name(),
        },
        weight_percent: terms.weight_percent,
        today: rows,
        day_ends_at: Day::end_of(now).to_rfc3339(),
        beyond_today: beyond,
        dropped_today: today.map_or(0, |today| today.dropped),
        held_until: held_until.map(Timestamp::to_rfc3339),
        waiting,
        share_per_mille: supervision::share_of(state, store.id),
    }
}
