//! Owns bulk operations: what was asked, how far it is, its result, and the
//! webhook that tells of its end. What a query may ask, and what its lines
//! are, is `graphql`'s.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse, rt,
    web::{Bytes, Data},
};
use serde_json::{Value, json};

use super::{
    clock::Moment,
    gate::domain_of,
    ids::{Kind, gid},
    platform::Platform,
    shop::{Action, Shop, Subject},
    versions,
};

/// How long an operation runs, milliseconds of platform time.
const RUN_MS: u64 = 250;
/// How long a result can be fetched, milliseconds of platform time: 7 days.
const RESULT_TTL_MS: i64 = 7 * 24 * 3_600 * 1_000;
/// Most operations a shop remembers; the oldest are forgotten first.
const KEPT_MAX: usize = 50;
/// Most operations of a type at once, since 2026-01 and before.
const RUNNING_MAX: usize = 5;
const RUNNING_MAX_BEFORE: usize = 1;

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BulkStatus {
    Created,
    Running,
    Completed,
}

impl BulkStatus {
    /// As webhooks write it; GraphQL writes it in capitals.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Completed => "completed",
        }
    }
}

/// One bulk query.
#[derive(Debug)]
pub(super) struct BulkOperation {
    pub(super) id: i64,
    pub(super) query: String,
    pub(super) status: BulkStatus,
    pub(super) created_at: Moment,
    pub(super) completed_at: Option<Moment>,
    result: BulkResult,
    url: String,
    /// What makes the result's address unguessable.
    signature: String,
}

/// What a bulk query found.
#[derive(Debug)]
pub(super) struct BulkResult {
    /// JSONL.
    pub(super) lines: String,
    /// Lines.
    pub(super) objects: usize,
    /// Lines without a parent.
    pub(super) roots: usize,
}

impl BulkOperation {
    /// All fields as GraphQL shows them; counts appear when it has completed.
    pub(super) fn scalars(&self) -> Value {
        let done = self.status == BulkStatus::Completed;
        let count = |number: usize| if done { number } else { 0 }.to_string();
        let size = self.result.lines.len();
        json!({
            "id": gid("BulkOperation", self.id),
            "status": self.status.name().to_uppercase(),
            "type": "QUERY",
            "errorCode": null,
            "createdAt": self.created_at.utc(),
            "completedAt": self.completed_at.map(Moment::utc),
            "objectCount": count(self.result.objects),
            "rootObjectCount": count(self.result.roots),
            "fileSize": done.then(|| size.to_string()),
            "url": (done && self.result.objects > 0).then_some(&self.url),
            "partialDataUrl": null,
            "query": self.query,
        })
    }

    fn is_fetchable(&self, now: Moment, signature: &str) -> bool {
        let fresh = |done: Moment| now < done.plus_ms(RESULT_TTL_MS);
        self.signature == signature && self.completed_at.is_some_and(fresh)
    }
}

impl Shop {
    /// The operations under way, when the version allows no more of them.
    pub(super) fn bulk_in_the_way(&self, version: &str) -> Option<Vec<i64>> {
        let most = if versions::runs_bulk_together(version) {
            RUNNING_MAX
        } else {
            RUNNING_MAX_BEFORE
        };
        let under_way = self.bulk.values();
        let ids: Vec<i64> = under_way
            .filter(|found| found.status != BulkStatus::Completed)
            .map(|found| found.id)
            .collect();
        (ids.len() >= most).then_some(ids)
    }

    /// Makes an operation whose result is known already, but not told yet.
    pub(super) fn create_bulk(
        &mut self,
        action: Action,
        query: &str,
        result: BulkResult,
        base_url: &str,
    ) -> i64 {
        let id = self.ids.next(Kind::BulkOperation);
        let signature = action.event_id.simple().to_string();
        let operation = BulkOperation {
            id,
            query: query.to_owned(),
            status: BulkStatus::Created,
            created_at: action.now,
            completed_at: None,
            result,
            url: format!("{base_url}/bulk/{id}/{signature}.jsonl"),
            signature,
        };
        self.bulk.insert(id, operation);
        while self.bulk.len() > KEPT_MAX {
            self.bulk.pop_first();
        }
        id
    }

    fn begin_bulk(&mut self, id: i64) {
        if let Some(found) = self.bulk.get_mut(&id) {
            found.status = BulkStatus::Running;
        }
    }

    fn finish_bulk(&mut self, action: Action, id: i64) {
        let Some(found) = self.bulk.get_mut(&id) else {
            return;
        };
        found.status = BulkStatus::Completed;
        found.completed_at = Some(action.now);
        let body = json!({
            "admin_graphql_api_id": gid("BulkOperation", id),
            "completed_at": action.now.local(),
            "created_at": found.created_at.local(),
            "error_code": null,
            "status": found.status.name(),
            "type": "query",
        });
        let subject = Subject::Fixed(id, body);
        self.emit(action, "bulk_operations/finish", subject);
    }
}

/// Lets operations that were just created run, and end after a while.
pub(super) fn run(platform: &Data<Platform>, domain: &str, ids: Vec<i64>) {
    if ids.is_empty() {
        return;
    }
    let (platform, domain) = (platform.clone(), domain.to_owned());
    rt::spawn(async move {
        platform.look(&domain, |shop| {
            for id in &ids {
                shop.begin_bulk(*id);
            }
        });
        let lasts: Duration = platform.clock.wall_delay(RUN_MS);
        tokio::time::sleep(lasts).await;
        for id in ids {
            // Each ends for itself: its webhook has an event id of its own.
            drop(platform.act(&domain, |shop, action| {
                shop.finish_bulk(action, id);
                Ok(())
            }));
        }
    });
}

/// A result, for whoever knows its address; it asks for no token.
pub(super) async fn result(request: HttpRequest, platform: Data<Platform>) -> HttpResponse {
    let domain = domain_of(&request);
    let part = |name: &str| request.match_info().get(name).unwrap_or_default();
    let (id, signature) = (part("id").parse::<i64>(), part("signature"));
    let now = platform.clock.now();
    let lines = platform.look(&domain, |shop| {
        let found = id.ok().and_then(|id| shop.bulk.get(&id));
        let found = found.filter(|found| found.is_fetchable(now, signature));
        found.map(|found| Bytes::from(found.result.lines.clone()))
    });
    match lines.flatten() {
        Some(lines) => HttpResponse::Ok()
            .content_type("application/jsonl")
            .body(lines),
        None => HttpResponse::NotFound().finish(),
    }
}
