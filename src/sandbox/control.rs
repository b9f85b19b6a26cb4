//! Owns the control routes under `/sandbox`: shoppers, merchants, other apps,
//! faults and the oracle, for tests in other processes. Loopback only, no key.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{self, Data, Json, Path, Query, ServiceConfig},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    bodies,
    edits::EditRequest,
    faults::Faults,
    fulfilment::FulfilRequest,
    ids::{LevelKey, text_or_number},
    options::{ProductRequest, ShopRequest},
    orders::{CancelRequest, OrderRequest},
    platform::Platform,
    refunds::RefundRequest,
    shop::{Refused, Secret, Shop},
    subscriptions::{Wanted, slash_topic},
    versions,
};

pub(super) fn configure(config: &mut ServiceConfig) {
    let shop = web::scope("/shops/{domain}")
        .route("/orders", web::post().to(place))
        .route("/orders/{order}", web::get().to(show_order))
        .route("/orders/{order}", web::delete().to(delete))
        .route("/orders/{order}/cancel", web::post().to(cancel))
        .route("/orders/{order}/pay", web::post().to(pay))
        .route("/orders/{order}/refund", web::post().to(refund))
        .route("/orders/{order}/fulfil", web::post().to(fulfil))
        .route("/orders/{order}/edit", web::post().to(edit))
        .route("/fulfilment-orders/{order}/move", web::post().to(relocate))
        .route("/levels", web::post().to(edit_level))
        .route("/levels", web::get().to(levels))
        .route("/items/{item}", web::post().to(change_item))
        .route("/products", web::post().to(add_product))
        .route("/products/{product}", web::delete().to(delete_product))
        .route("/locations/{location}", web::post().to(change_location))
        .route("/import", web::post().to(import))
        .route("/subscriptions", web::post().to(subscribe))
        .route("/replay", web::post().to(replay))
        .route("/log", web::get().to(log))
        .route("/uninstall", web::post().to(uninstall))
        .route("/install", web::post().to(install))
        .route("/freeze", web::post().to(freeze))
        .route("/secrets/rotate", web::post().to(rotate))
        .route("/secrets/revoke", web::post().to(revoke));
    config.service(
        web::scope("/sandbox")
            .route("/shops", web::post().to(open_shop))
            .route("/shops", web::get().to(list_shops))
            .route("/faults", web::put().to(set_faults))
            .route("/faults", web::get().to(show_faults))
            .route("/heal", web::post().to(heal))
            .route("/pending", web::get().to(pending))
            .service(shop),
    );
}

/// The platform's answer to a control call.
fn answer(outcome: Result<Value, Refused>, status: StatusCode) -> HttpResponse {
    match outcome {
        Ok(body) => HttpResponse::build(status).json(body),
        Err(refused) => {
            let status = StatusCode::from_u16(refused.status);
            HttpResponse::build(status.unwrap_or(StatusCode::BAD_REQUEST))
                .json(json!({ "errors": refused.errors }))
        }
    }
}

async fn open_shop(platform: Data<Platform>, request: Json<ShopRequest>) -> HttpResponse {
    let opened = platform.open_shop(&request).map(|opened| json!(opened));
    answer(opened, StatusCode::CREATED)
}

async fn list_shops(platform: Data<Platform>) -> HttpResponse {
    answer(Ok(json!({ "shops": platform.domains() })), StatusCode::OK)
}

async fn place(
    platform: Data<Platform>,
    path: Path<String>,
    request: Json<OrderRequest>,
) -> HttpResponse {
    let placed = platform.act(&path, |shop, action| {
        let id = shop.place_order(action, &request)?;
        order_body(shop, id)
    });
    answer(placed, StatusCode::CREATED)
}

fn order_body(shop: &Shop, id: i64) -> Result<Value, Refused> {
    let order = shop.orders.get(&id).ok_or_else(Refused::not_found)?;
    Ok(json!({ "order": bodies::order(shop, order) }))
}

async fn show_order(platform: Data<Platform>, path: Path<(String, i64)>) -> HttpResponse {
    let shown = platform.act(&path.0, |shop, _| order_body(shop, path.1));
    answer(shown, StatusCode::OK)
}

async fn delete(platform: Data<Platform>, path: Path<(String, i64)>) -> HttpResponse {
    let deleted = platform.act(&path.0, |shop, action| shop.delete_order(action, path.1));
    answer(deleted.map(|()| json!({})), StatusCode::OK)
}

async fn cancel(
    platform: Data<Platform>,
    path: Path<(String, i64)>,
    request: Option<Json<CancelRequest>>,
) -> HttpResponse {
    let request = request.map(Json::into_inner).unwrap_or_default();
    let cancelled = platform.act(&path.0, |shop, action| {
        shop.cancel_order(action, path.1, &request)?;
        order_body(shop, path.1)
    });
    answer(cancelled, StatusCode::OK)
}

async fn pay(platform: Data<Platform>, path: Path<(String, i64)>) -> HttpResponse {
    let paid = platform.act(&path.0, |shop, action| {
        shop.pay_order(action, path.1)?;
        order_body(shop, path.1)
    });
    answer(paid, StatusCode::OK)
}

async fn refund(
    platform: Data<Platform>,
    path: Path<(String, i64)>,
    request: Json<RefundRequest>,
) -> HttpResponse {
    let refunded = platform.act(&path.0, |shop, action| {
        let id = shop.refund_order(action, path.1, &request)?;
        let order = shop.orders.get(&path.1).ok_or_else(Refused::not_found)?;
        let found = order.refunds.iter().find(|refund| refund.id == id);
        Ok(json!({ "refund": found.map(|refund| bodies::refund(order, refund)) }))
    });
    answer(refunded, StatusCode::CREATED)
}

async fn fulfil(
    platform: Data<Platform>,
    path: Path<(String, i64)>,
    request: Option<Json<FulfilRequest>>,
) -> HttpResponse {
    let request = request.map(Json::into_inner).unwrap_or_default();
    let sent = platform.act(&path.0, |shop, action| {
        shop.fulfil_order(action, path.1, &request)?;
        order_body(shop, path.1)
    });
    answer(sent, StatusCode::OK)
}

async fn edit(
    platform: Data<Platform>,
    path: Path<(String, i64)>,
    request: Json<EditRequest>,
) -> HttpResponse {
    let edited = platform.act(&path.0, |shop, action| {
        shop.edit_order(action, path.1, &request)?;
        order_body(shop, path.1)
    });
    answer(edited, StatusCode::OK)
}

#[derive(Deserialize)]
struct MoveRequest {
    #[serde(with = "text_or_number")]
    location: i64,
}

async fn relocate(
    platform: Data<Platform>,
    path: Path<(String, i64)>,
    request: Json<MoveRequest>,
) -> HttpResponse {
    let moved = platform.act(&path.0, |shop, action| {
        let moved = shop.move_fulfilment(action, path.1, request.location)?;
        Ok(json!({ "order": moved.order, "moved": moved.moved, "original": moved.original }))
    });
    answer(moved, StatusCode::OK)
}

#[derive(Deserialize)]
struct LevelEdit {
    #[serde(with = "text_or_number")]
    item: i64,
    #[serde(with = "text_or_number")]
    location: i64,
    available: i64,
}

async fn edit_level(
    platform: Data<Platform>,
    path: Path<String>,
    request: Json<LevelEdit>,
) -> HttpResponse {
    let key = LevelKey {
        item: request.item,
        location: request.location,
    };
    let edited = platform.edit_level(&path, key, request.available);
    answer(edited.map(|()| json!({})), StatusCode::OK)
}

async fn levels(platform: Data<Platform>, path: Path<String>) -> HttpResponse {
    let shown = platform.act(&path, |shop, _| {
        let levels = shop.levels.iter().map(|(key, level)| {
            let mut body = json!(level);
            if let Value::Object(fields) = &mut body {
                fields.insert("item".to_owned(), json!(key.item));
                fields.insert("location".to_owned(), json!(key.location));
                fields.insert("on_hand".to_owned(), json!(level.on_hand()));
                fields.insert("tracked".to_owned(), json!(shop.is_tracked(key.item)));
            }
            body
        });
        Ok(json!({ "levels": levels.collect::<Vec<Value>>() }))
    });
    answer(shown, StatusCode::OK)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemChange {
    tracked: Option<bool>,
    continue_selling: Option<bool>,
    native_bundle: Option<bool>,
}

async fn change_item(
    platform: Data<Platform>,
    path: Path<(String, i64)>,
    request: Json<ItemChange>,
) -> HttpResponse {
    let changed = platform.act(&path.0, |shop, action| {
        if !shop.catalog.items.contains_key(&path.1) {
            return Err(Refused::not_found());
        }
        if let Some(tracked) = request.tracked {
            shop.set_tracked(action, path.1, tracked);
        }
        if let Some(continues) = request.continue_selling {
            shop.set_continue_selling(action, path.1, continues);
        }
        if let Some(native) = request.native_bundle {
            shop.set_native_bundle(action, path.1, native);
        }
        Ok(json!({}))
    });
    answer(changed, StatusCode::OK)
}

async fn add_product(
    platform: Data<Platform>,
    path: Path<String>,
    request: Json<ProductRequest>,
) -> HttpResponse {
    let added = platform.act(&path, |shop, action| {
        let product = shop.publish_product(action, &request, &platform.chance);
        let found = shop.catalog.products.get(&product);
        Ok(json!({ "product": found.map(|found| bodies::product(shop, found)) }))
    });
    answer(added, StatusCode::CREATED)
}

async fn delete_product(platform: Data<Platform>, path: Path<(String, i64)>) -> HttpResponse {
    let deleted = platform.act(&path.0, |shop, action| {
        let known = shop.delete_product(action, path.1);
        known.then(|| json!({})).ok_or_else(Refused::not_found)
    });
    answer(deleted, StatusCode::OK)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LocationChange {
    active: bool,
}

async fn change_location(
    platform: Data<Platform>,
    path: Path<(String, i64)>,
    request: Json<LocationChange>,
) -> HttpResponse {
    let changed = platform.act(&path.0, |shop, action| {
        let known = shop.set_location_active(action, path.1, request.active);
        known.then(|| json!({})).ok_or_else(Refused::not_found)
    });
    answer(changed, StatusCode::OK)
}

#[derive(Deserialize)]
struct ImportRequest {
    products: u32,
}

async fn import(
    platform: Data<Platform>,
    path: Path<String>,
    request: Json<ImportRequest>,
) -> HttpResponse {
    let imported = platform.act(&path, |shop, action| {
        shop.import(action, request.products);
        Ok(json!({}))
    });
    answer(imported, StatusCode::OK)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubscribeRequest {
    address: String,
    topics: Vec<String>,
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    app_config: bool,
}

async fn subscribe(
    platform: Data<Platform>,
    path: Path<String>,
    request: Json<SubscribeRequest>,
) -> HttpResponse {
    let http = platform.options.http_addresses;
    let subscribed = platform.act(&path, |shop, action| {
        let made: Result<Vec<i64>, Refused> = request
            .topics
            .iter()
            .map(|topic| {
                let wanted = Wanted {
                    topic: slash_topic(topic),
                    address: request.address.clone(),
                    format: "json".to_owned(),
                    fields: request.fields.clone(),
                    api_version: versions::NEWEST.to_owned(),
                    app_config: request.app_config,
                    ..Wanted::default()
                };
                let made = shop.subscribe(action, wanted, http);
                made.map_err(|refusal| Refused::field(refusal.rest_field(), refusal.text()))
            })
            .collect();
        Ok(json!({ "subscriptions": made? }))
    });
    answer(subscribed, StatusCode::CREATED)
}

#[derive(Deserialize)]
struct ReplayRequest {
    last: u32,
}

async fn replay(
    platform: Data<Platform>,
    path: Path<String>,
    request: Json<ReplayRequest>,
) -> HttpResponse {
    platform.replay(&path, request.last);
    answer(Ok(json!({})), StatusCode::OK)
}

/// Which parts of the log, and from which entry of each on.
#[derive(Deserialize)]
struct LogQuery {
    kind: Option<String>,
    #[serde(default)]
    from: usize,
}

async fn log(platform: Data<Platform>, path: Path<String>, query: Query<LogQuery>) -> HttpResponse {
    let shown = platform.act(&path, |shop, _| {
        let log = &shop.log;
        let mut body = serde_json::Map::new();
        body.insert("truncated".to_owned(), json!(log.truncated));
        let wanted = |kind: &str| query.kind.as_deref().is_none_or(|asked| asked == kind);
        let mut add = |kind: &str, part: &dyn Fn() -> Value| {
            if wanted(kind) {
                body.insert(kind.to_owned(), part());
            }
        };
        add("levels", &|| later(&log.levels, query.from));
        add("movements", &|| later(&log.movements, query.from));
        add("webhooks", &|| later(&log.webhooks, query.from));
        add("calls", &|| later(&log.calls, query.from));
        add("effects", &|| later(&log.effects, query.from));
        Ok(Value::Object(body))
    });
    answer(shown, StatusCode::OK)
}

/// The entries of one kind from the given one on.
fn later<T: serde::Serialize>(entries: &[T], from: usize) -> Value {
    json!(entries.get(from..).unwrap_or_default())
}

async fn uninstall(platform: Data<Platform>, path: Path<String>) -> HttpResponse {
    let gone = platform.act(&path, |shop, action| {
        shop.uninstall(action);
        Ok(json!({}))
    });
    platform.look(&path, |shop| shop.forget_subscriptions());
    answer(gone, StatusCode::OK)
}

async fn install(platform: Data<Platform>, path: Path<String>) -> HttpResponse {
    let installed = platform.act(&path, |shop, _| {
        let (access, refresh) = platform.issue_tokens(shop);
        Ok(json!({ "access_token": access, "refresh_token": refresh }))
    });
    answer(installed, StatusCode::OK)
}

#[derive(Deserialize)]
struct FreezeRequest {
    frozen: bool,
}

async fn freeze(
    platform: Data<Platform>,
    path: Path<String>,
    request: Json<FreezeRequest>,
) -> HttpResponse {
    let frozen = platform.act(&path, |shop, _| {
        shop.frozen = request.frozen;
        Ok(json!({}))
    });
    answer(frozen, StatusCode::OK)
}

async fn rotate(platform: Data<Platform>, path: Path<String>) -> HttpResponse {
    let text = platform.chance.secret("shpss_");
    let rotated = platform.act(&path, |shop, _| {
        shop.secrets.push(Secret {
            text: text.clone(),
            revoked: false,
        });
        Ok(json!({ "webhook_secret": text }))
    });
    answer(rotated, StatusCode::OK)
}

async fn revoke(platform: Data<Platform>, path: Path<String>) -> HttpResponse {
    let revoked = platform.act(&path, |shop, _| {
        if shop.revoke_oldest_secret() {
            return Ok(json!({}));
        }
        Err(Refused::unprocessable("the last secret cannot be revoked"))
    });
    answer(revoked, StatusCode::OK)
}

async fn set_faults(platform: Data<Platform>, faults: Json<Faults>) -> HttpResponse {
    platform.set_faults(faults.into_inner());
    answer(Ok(json!(*platform.faults())), StatusCode::OK)
}

async fn show_faults(platform: Data<Platform>) -> HttpResponse {
    answer(Ok(json!(*platform.faults())), StatusCode::OK)
}

async fn heal(platform: Data<Platform>) -> HttpResponse {
    platform.set_faults(Faults::default());
    platform.queue.hurry();
    answer(Ok(json!({})), StatusCode::OK)
}

async fn pending(platform: Data<Platform>) -> HttpResponse {
    let body = json!({ "pending": platform.queue.pending() });
    answer(Ok(body), StatusCode::OK)
}
