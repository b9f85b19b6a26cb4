//! `/v1/admin/dead-letters/groups`, `count` and `bulk`: dead letters that are alike, and what becomes of many at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};

use super::dead_letters::{Decision, Settlement, filter_of, place_of_letter, settle_letter};
use super::fingerprint::{Fingerprint, gist};
use crate::clock::Timestamp;
use crate::db::dead_letters::{self, DeadLetter, DeadLetterFilter};
use crate::domain::store::change::DeadLetterClass;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{Behind, Operator, StrictJson, StrictQuery, Viewer, checked_reason};
use crate::http::replies::Tagged;
use crate::http::routes::resource;
use crate::http::state::AppState;

/// Dead letters that one bulk request settles; ask again for the rest.
const BULK_MAX: usize = 250;
/// Between two that one request tries again, so that what failed at once does not come back at once.
const RETRY_EVERY: Duration = Duration::from_millis(20);
/// The newest dead letters that are looked through for groups.
const LETTERS_GROUPED_MAX: usize = 10_000;
/// Dead letters that one query reads.
const READ_PAGE: u64 = 1_000;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/v1/admin/dead-letters/groups").route(web::get().to(group_dead_letters)))
        .service(resource("/v1/admin/dead-letters/count").route(web::get().to(count_dead_letters)))
        .service(resource("/v1/admin/dead-letters/bulk").route(web::post().to(settle_in_bulk)));
}

/// Which dead letters are meant.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LettersFilter {
    pub(crate) store: Option<String>,
    /// `malformed`, `entity_missing`, `poison`, `rejected` or `ambiguous`.
    pub(crate) class: Option<String>,
    /// Only those of this group, as `groups` names it; among the newest 10,000.
    pub(crate) fingerprint: Option<String>,
}

impl LettersFilter {
    fn parse(&self) -> Result<Wanted, ApiError> {
        Ok(Wanted {
            filter: filter_of(self.store.as_deref(), self.class.as_deref())?,
            fingerprint: self
                .fingerprint
                .as_deref()
                .map(fingerprint_of)
                .transpose()?,
        })
    }
}

struct Wanted {
    filter: DeadLetterFilter,
    fingerprint: Option<Fingerprint>,
}

/// The group of this name.
pub(super) fn fingerprint_of(text: &str) -> Result<Fingerprint, ApiError> {
    let malformed = || {
        ApiError::new(
            Problem::MalformedQuery,
            "`fingerprint` is 16 hexadecimal digits",
        )
    };
    Fingerprint::parse(text).ok_or_else(malformed)
}

/// How many.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Count {
    count: u64,
}

/// Dead letters that are alike.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct LetterGroup {
    /// Names the group.
    pub(crate) fingerprint: String,
    pub(crate) class: &'static str,
    /// The reason, without what is particular to each.
    pub(crate) reason: String,
    pub(crate) count: u64,
    /// How many stores they are of.
    pub(crate) stores: usize,
    pub(crate) topics: Vec<String>,
    pub(crate) oldest_at: String,
    pub(crate) newest_at: String,
}

/// All groups.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct LetterGroups {
    /// The largest first.
    pub(crate) groups: Vec<LetterGroup>,
    /// How many dead letters were looked through.
    pub(crate) looked_through: usize,
    /// Whether these are all; else the newest.
    pub(crate) whole: bool,
}

/// Settle many at once.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkBody {
    action: Settlement,
    #[serde(default)]
    store: Option<String>,
    #[serde(default)]
    class: Option<String>,
    /// Only those of this group.
    #[serde(default)]
    fingerprint: Option<String>,
    /// The count as it was shown; when it is another by now, nothing is done.
    expected: u64,
    /// 1 to 500 characters, for the audit.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

/// What a bulk request did.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct BulkResult {
    pub(crate) settled: u64,
    /// Refused or failed; they are as they were.
    pub(crate) failed: u64,
    /// Still to be settled by further requests.
    pub(crate) left: u64,
}

/// Group dead letters that are alike: of one class, for one reason but for numbers and names.
#[utoipa::path(get, path = "/v1/admin/dead-letters/groups", tag = "admin", params(LettersFilter),
    responses((status = 200, description = "The groups, the largest first", body = LetterGroups),
        (status = 304, description = "As `If-None-Match` has it"),
        (status = 400, description = "`malformed_query`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn group_dead_letters(
    state: web::Data<AppState>,
    Behind(_viewer, query): Behind<Viewer, StrictQuery<LettersFilter>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    Ok(Tagged::of(&groups(&state, &query.0).await?)?.respond(&request))
}

/// Count dead letters: what a bulk request would settle.
#[utoipa::path(get, path = "/v1/admin/dead-letters/count", tag = "admin", params(LettersFilter),
    responses((status = 200, description = "How many, with its `ETag`", body = Count),
        (status = 304, description = "As `If-None-Match` has it"), (status = 400, description = "`malformed_query`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn count_dead_letters(
    state: web::Data<AppState>,
    Behind(_viewer, query): Behind<Viewer, StrictQuery<LettersFilter>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (count, _first) = meant(&state, &query.0.parse()?).await?;
    Ok(Tagged::of(&Count { count })?.respond(&request))
}

/// Settle dead letters by filter: count first, then say the count; at most 250 for each request, and at most 50 a
/// second are tried again.
#[utoipa::path(post, path = "/v1/admin/dead-letters/bulk", tag = "admin", request_body = BulkBody,
    responses((status = 200, description = "What was done", body = BulkResult),
        (status = 400, description = "`malformed_json`, `malformed_query`, `empty_body`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 412, description = "`revision_mismatch`: the count is another by now"),
        (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"), (status = 415, description = "`unsupported_media_type`"), (status = 422, description = "`invalid_field`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn settle_in_bulk(
    state: web::Data<AppState>,
    body: StrictJson<Operator, BulkBody>,
) -> Result<HttpResponse, ApiError> {
    let actor = body.who.by_api();
    let BulkBody {
        action,
        store,
        class,
        fingerprint,
        expected,
        reason,
    } = body.value;
    let decision = Decision {
        actor: &actor,
        settlement: action,
        reason: reason
            .as_deref()
            .map(checked_reason)
            .transpose()?
            .unwrap_or_default(),
    };
    let filter = LettersFilter {
        store,
        class,
        fingerprint,
    };
    let result = settle_meant(&state, &filter, expected, decision).await?;
    Ok(HttpResponse::Ok().json(result))
}

/// Settles those that are meant, provided that they are as many as expected.
pub(crate) async fn settle_meant(
    state: &AppState,
    filter: &LettersFilter,
    expected: u64,
    decision: Decision<'_>,
) -> Result<BulkResult, ApiError> {
    let (count, letters) = meant(state, &filter.parse()?).await?;
    if count != expected {
        return Err(ApiError::new(
            Problem::RevisionMismatch,
            format!("there are {count} by now"),
        ));
    }
    let taken = u64::try_from(letters.len()).unwrap_or(u64::MAX);
    let mut result = BulkResult {
        settled: 0,
        failed: 0,
        left: count.saturating_sub(taken),
    };
    let mut pace = interval(RETRY_EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for letter in letters {
        if decision.settlement == Settlement::Retry {
            pace.tick().await;
        }
        match settle_letter(state, letter, decision).await {
            Ok(()) => result.settled += 1,
            Err(_refused) => result.failed += 1,
        }
    }
    Ok(result)
}

/// How many are meant, and the first of them that a request settles.
async fn meant(state: &AppState, wanted: &Wanted) -> Result<(u64, Vec<DeadLetter>), ApiError> {
    let Some(fingerprint) = &wanted.fingerprint else {
        let count = dead_letters::count(state.db(), wanted.filter).await?;
        let first = u64::try_from(BULK_MAX).unwrap_or(u64::MAX);
        let first = dead_letters::list(state.db(), wanted.filter, None, first).await?;
        return Ok((count, first));
    };
    let (newest, _whole) = newest(state, wanted.filter).await?;
    let mut alike: Vec<DeadLetter> = newest
        .into_iter()
        .filter(|letter| fingerprint_of_letter(letter) == *fingerprint)
        .collect();
    let count = u64::try_from(alike.len()).unwrap_or(u64::MAX);
    alike.truncate(BULK_MAX);
    Ok((count, alike))
}

/// The newest that are meant, and whether these are all.
async fn newest(
    state: &AppState,
    filter: DeadLetterFilter,
) -> Result<(Vec<DeadLetter>, bool), ApiError> {
    let mut letters: Vec<DeadLetter> = Vec::new();
    while letters.len() < LETTERS_GROUPED_MAX {
        let after = letters.last().map(place_of_letter);
        let page = dead_letters::list(state.db(), filter, after, READ_PAGE).await?;
        if page.is_empty() {
            return Ok((letters, true));
        }
        letters.extend(page);
    }
    Ok((letters, false))
}

pub(super) fn fingerprint_of_letter(letter: &DeadLetter) -> Fingerprint {
    Fingerprint::of(letter.record.class, &gist(&letter.record.reason))
}

/// What is gathered of a group.
struct Gathered {
    class: DeadLetterClass,
    gist: String,
    count: u64,
    stores: BTreeSet<i64>,
    topics: BTreeSet<String>,
    oldest_at: Timestamp,
    newest_at: Timestamp,
}

/// The groups of those that are meant.
pub(crate) async fn groups(
    state: &AppState,
    filter: &LettersFilter,
) -> Result<LetterGroups, ApiError> {
    let wanted = filter.parse()?;
    let (letters, whole) = newest(state, wanted.filter).await?;
    let looked_through = letters.len();
    let mut gathered: BTreeMap<Fingerprint, Gathered> = BTreeMap::new();
    for letter in letters {
        let gist = gist(&letter.record.reason);
        let fingerprint = Fingerprint::of(letter.record.class, &gist);
        if wanted
            .fingerprint
            .as_ref()
            .is_some_and(|wanted| *wanted != fingerprint)
        {
            continue;
        }
        gather(&mut gathered, fingerprint, gist, letter);
    }
    let mut groups: Vec<LetterGroup> = gathered.into_iter().map(LetterGroup::from).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    Ok(LetterGroups {
        groups,
        looked_through,
        whole,
    })
}

/// Adds one, older than all before it.
fn gather(
    gathered: &mut BTreeMap<Fingerprint, Gathered>,
    fingerprint: Fingerprint,
    gist: String,
    letter: DeadLetter,
) {
    let at = letter.record.at;
    let group = gathered.entry(fingerprint).or_insert_with(|| Gathered {
        class: letter.record.class,
        gist,
        count: 0,
        stores: BTreeSet::new(),
        topics: BTreeSet::new(),
        oldest_at: at,
        newest_at: at,
    });
    group.count += 1;
    group.oldest_at = at;
    group.stores.insert(letter.store.0);
    group.topics.extend(letter.topic);
}

impl From<(Fingerprint, Gathered)> for LetterGroup {
    fn from((fingerprint, group): (Fingerprint, Gathered)) -> Self {
        Self {
            fingerprint: fingerprint.as_str().to_owned(),
            class: group.class.name(),
            reason: group.gist,
            count: group.count,
            stores: group.stores.len(),
            topics: group.topics.into_iter().collect(),
            oldest_at: group.oldest_at.to_rfc3339(),
            newest_at: group.newest_at.to_rfc3339(),
        }
    }
}
