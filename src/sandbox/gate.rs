//! Owns the door of the Admin API: addressing, tokens, versions, injected
//! faults and the headers of every answer. What is behind it is `rest` and
//! `graphql`.

use std::{collections::BTreeMap, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::StatusCode,
    web::{self, Bytes, Data, ServiceConfig},
};
use serde_json::{Value, json};

use super::{
    authorize, bulk, graphql,
    ids::LevelKey,
    oauth,
    oracle::CallReceived,
    platform::Platform,
    rest,
    shop::{Action, Shop},
    versions,
};

pub(super) fn configure(config: &mut ServiceConfig) {
    for shop in ["/shops/{domain}", ""] {
        config
            .route(
                &format!("{shop}/admin/oauth/authorize"),
                web::get().to(authorize::authorize),
            )
            .route(
                &format!("{shop}/bulk/{{id}}/{{signature}}.jsonl"),
                web::get().to(bulk::result),
            );
    }
    config
        .route(
            "/shops/{domain}/admin/oauth/access_token",
            web::post().to(oauth::access_token),
        )
        .route(
            "/admin/oauth/access_token",
            web::post().to(oauth::access_token),
        )
        .route(
            "/shops/{domain}/admin/api/{version}/{tail:.*}",
            web::route().to(admin),
        )
        .route("/admin/api/{version}/{tail:.*}", web::route().to(admin));
}

/// One call of an app: what it asks and what is learnt while answering.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) action: Action,
    pub(super) wall_ns: u64,
    pub(super) request_id: String,
    pub(super) version: &'static str,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) body: Bytes,
    pub(super) fault: Option<Fault>,
    /// Levels are shown as they were before their last change.
    pub(super) stale: bool,
    pub(super) http_addresses: bool,
    /// `http://host` of this shop, for links to the next page.
    pub(super) base_url: String,
    pub(super) operation: String,
    pub(super) requested: u64,
    pub(super) actual: u64,
    pub(super) throttled: bool,
    /// Levels shown and levels written, for outsiders to act upon.
    pub(super) read: Vec<LevelKey>,
    pub(super) wrote: Vec<LevelKey>,
    /// Bulk operations created, to be run.
    pub(super) bulk: Vec<i64>,
}

impl Call {
    pub(super) fn is_graphql(&self) -> bool {
        self.path == "graphql.json"
    }

    /// Whether carrying it out changes anything.
    fn is_write(&self) -> bool {
        if self.is_graphql() {
            return graphql::is_mutation(&self.body);
        }
        self.method != "GET"
    }
}

/// An answer before its headers of general use.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub(super) const fn ok(body: Value) -> Self {
        Self::with(200, body)
    }

    pub(super) const fn with(status: u16, body: Value) -> Self {
        Self {
            status,
            body,
            headers: Vec::new(),
        }
    }

    pub(super) fn errors(status: u16, errors: &Value) -> Self {
        Self::with(status, json!({ "errors": errors }))
    }
}

/// What is done to a call on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Refused as if the bucket were full.
    Throttle,
    /// 500 before anything was done.
    Error,
    /// Held and then cut, nothing done.
    Timeout,
    /// Cut at once, nothing done.
    Reset,
    /// Carried out late.
    Slow,
    /// Carried out, then held and cut.
    Ambiguous,
}

impl Fault {
    const fn name(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Slow => "slow",
            Self::Ambiguous => "ambiguous",
        }
    }
}

/// The shop a request speaks to: in the path, or by the `Host` header.
pub(super) fn domain_of(request: &HttpRequest) -> String {
    let named = request.match_info().get("domain").map(str::to_owned);
    named.unwrap_or_else(|| {
        let info = request.connection_info();
        let host = info.host();
        host.split(':').next().unwrap_or(host).to_lowercase()
    })
}

async fn admin(request: HttpRequest, body: Bytes, platform: Data<Platform>) -> HttpResponse {
    let domain = domain_of(&request);
    let asked = request.match_info().get("version").unwrap_or_default();
    let Some(version) = versions::served(asked) else {
        return refuse(404, "Not Found");
    };
    let token = request
        .headers()
        .get("X-Shopify-Access-Token")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if let Some(refusal) = admit(&platform, &domain, token) {
        return refusal;
    }
    let mut call = begin(&platform, &request, body, version);
    let faults = platform.faults();
    let hold = Duration::from_millis(faults.api.timeout_ms);
    match call.fault {
        Some(Fault::Reset) => return cut(&platform, &domain, &call),
        Some(Fault::Timeout) => {
            tokio::time::sleep(hold).await;
            return cut(&platform, &domain, &call);
        }
        Some(Fault::Error) => {
            let errors = json!("Internal Server Error");
            let reply = Reply::errors(500, &errors);
            return finish(&platform, &domain, &call, &reply);
        }
        Some(Fault::Slow) => {
            let late = Duration::from_millis(faults.api.slow_ms);
            hold_keys(&platform, &domain, &call, late).await;
            call.action.now = platform.clock.now();
        }
        Some(Fault::Throttle | Fault::Ambiguous) | None => {}
    }
    let reply = answer(&platform, &domain, &mut call);
    bulk::run(&platform, &domain, std::mem::take(&mut call.bulk));
    let response = finish(&platform, &domain, &call, &reply);
    platform.let_outsiders_act(&domain, &call.read, &call.wrote);
    if call.fault == Some(Fault::Ambiguous) {
        tokio::time::sleep(hold).await;
        return broken();
    }
    response
}

/// The refusal of a caller without rights; none when it may go on.
fn admit(platform: &Platform, domain: &str, token: &str) -> Option<HttpResponse> {
    let now_ns = platform.clock.wall_ns();
    let verdict = platform.look(domain, |shop| {
        match (shop.frozen, shop.tokens.admits(now_ns, token)) {
            (true, _) => Some((402, "Unavailable Shop")),
            (false, false) => Some((
                401,
                "[API] Invalid API key or access token (unrecognized login or wrong password)",
            )),
            (false, true) => None,
        }
    });
    match verdict {
        None => Some(refuse(404, "Not Found")),
        Some(refusal) => refusal.map(|(status, text)| refuse(status, text)),
    }
}

fn begin(platform: &Platform, request: &HttpRequest, body: Bytes, version: &'static str) -> Call {
    let query = web::Query::<BTreeMap<String, String>>::from_query(request.query_string());
    let path = request.match_info().get("tail").unwrap_or_default();
    let shop_path = request
        .path()
        .split_once("/admin/")
        .map_or("", |(before, _)| before);
    let host = request.connection_info().host().to_owned();
    let mut call = Call {
        action: platform.action(),
        wall_ns: platform.clock.wall_ns(),
        request_id: platform.chance.uuid().to_string(),
        version,
        method: request.method().as_str().to_owned(),
        path: path.to_owned(),
        query: query.map(web::Query::into_inner).unwrap_or_default(),
        body,
        fault: None,
        stale: false,
        http_addresses: platform.options.http_addresses,
        base_url: format!("http://{host}{shop_path}"),
        operation: String::new(),
        requested: 1,
        actual: 1,
        throttled: false,
        read: Vec::new(),
        wrote: Vec::new(),
        bulk: Vec::new(),
    };
    call.fault = draw_fault(platform, &call);
    let stale = platform.faults().api.stale_read_per_mille;
    call.stale = !call.is_write() && platform.chance.per_mille(stale);
    call
}

fn draw_fault(platform: &Platform, call: &Call) -> Option<Fault> {
    let faults = platform.faults();
    let api = &faults.api;
    let shares = [
        (Fault::Throttle, api.throttle_per_mille),
        (Fault::Error, api.error_per_mille),
        (Fault::Timeout, api.timeout_per_mille),
        (Fault::Reset, api.reset_per_mille),
        (Fault::Ambiguous, api.ambiguous_per_mille),
        (Fault::Slow, api.slow_per_mille),
    ];
    let mut drawn = shares
        .into_iter()
        .filter(|(_, share)| platform.chance.per_mille(*share));
    let fault = drawn.next().map(|(fault, _)| fault);
    fault.filter(|fault| *fault != Fault::Ambiguous || call.is_write())
}

/// Waits while the call's idempotency keys count as running.
async fn hold_keys(platform: &Platform, domain: &str, call: &Call, late: Duration) {
    let keys = if call.is_graphql() {
        graphql::keys_of(&call.body)
    } else {
        Vec::new()
    };
    let begun = platform.look(domain, |shop| shop.keys.begin(&keys));
    tokio::time::sleep(late).await;
    if begun == Some(true) {
        platform.look(domain, |shop| shop.keys.end(&keys));
    }
}

/// Carries the call out under the shop's lock.
fn answer(platform: &Platform, domain: &str, call: &mut Call) -> Reply {
    let answered = platform.act(domain, |shop, _| {
        Ok(if call.is_graphql() {
            graphql::answer(shop, call)
        } else {
            rest::answer(shop, call)
        })
    });
    answered.unwrap_or_else(|refused| Reply::errors(refused.status, &refused.errors))
}

/// Logs the call and dresses its answer.
fn finish(platform: &Platform, domain: &str, call: &Call, reply: &Reply) -> HttpResponse {
    platform.look(domain, |shop| log(shop, call, reply.status));
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponseBuilder::new(status);
    response
        .insert_header(("X-Request-Id", call.request_id.clone()))
        .insert_header(("X-Shopify-API-Version", call.version))
        .insert_header(("Date", platform.clock.now().http_date()));
    for (name, value) in &reply.headers {
        response.insert_header((*name, value.clone()));
    }
    if reply.status == 204 {
        return response.finish();
    }
    response.json(&reply.body)
}

fn log(shop: &mut Shop, call: &Call, status: u16) {
    let bucket = if call.is_graphql() {
        &mut shop.graphql_bucket
    } else {
        &mut shop.rest_bucket
    };
    let (bucket_used, bucket_size) = (bucket.used(call.wall_ns), bucket.size());
    shop.log.call(CallReceived {
        at: call.action.now,
        wall_ns: call.wall_ns,
        request_id: call.request_id.clone(),
        method: call.method.clone(),
        path: call.path.clone(),
        operation: call.operation.clone(),
        status,
        bucket_used,
        bucket_size,
        requested: call.requested,
        actual: call.actual,
        throttled: call.throttled,
        fault: call.fault.map(Fault::name),
    });
}

fn cut(platform: &Platform, domain: &str, call: &Call) -> HttpResponse {
    platform.look(domain, |shop| log(shop, call, 0));
    broken()
}

/// A response that breaks off: the caller sees a cut connection.
fn broken() -> HttpResponse {
    let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let body = futures_util::stream::once(std::future::ready(Err::<Bytes, _>(reset)));
    HttpResponse::Ok()
        .insert_header(("Content-Length", "64"))
        .streaming(body)
}

fn refuse(status: u16, text: &str) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    HttpResponse::build(status).json(json!({ "errors": text }))
}
