//! `/v1/stores/{store}/availability`: what a storefront may sell, per item and location, bundle or plain.

use std::collections::BTreeSet;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use crate::domain::bundle::{Stock, Wanted, wanted_levels};
use crate::domain::store::BundleView;
use crate::http::bundle_documents::{stock_at, units};
use crate::http::bundles::board_of;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{Behind, Shopper, StorePath, StrictQuery, parse_id};
use crate::http::replies::Tagged;
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::ids::ItemId;
use crate::keeper::Board;

/// Items that one question may name.
const ITEMS_MAX: usize = 100;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.service(
        resource("/v1/stores/{store}/availability")
            .route(web::get().to(availability))
            .route(web::method(actix_web::http::Method::OPTIONS).to(preflight))
            .wrap(from_fn(allow_any_origin)),
    );
}

/// What is asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AvailabilityQuery {
    /// Inventory items, separated by commas; 1 to 100.
    pub(crate) items: String,
}

/// What may be sold.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AvailabilityDocument {
    items: Vec<ItemAvailability>,
    /// The instant of the numbers.
    at: String,
}

/// One item's availability.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ItemAvailability {
    item: String,
    kind: ItemKind,
    /// Over all active locations, never negative; `null`: unlimited or unknown.
    available: Option<i64>,
    unlimited: bool,
    locations: Vec<LocationAvailability>,
}

/// What an item is to us.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ItemKind {
    Bundle,
    Plain,
    /// Not part of any bundle, so that nothing is known of it here.
    Unknown,
}

/// An item's availability at a location.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct LocationAvailability {
    location: String,
    available: Option<i64>,
    unlimited: bool,
}

/// What may be sold of some items, per location.
#[utoipa::path(get, path = "/v1/stores/{store}/availability", tag = "storefront",
    params(("store" = String, Path), AvailabilityQuery),
    responses((status = 200, description = "In the order asked for", body = AvailabilityDocument),
        (status = 304, description = "As `If-None-Match` has it"),
        (status = 400, description = "`malformed_query`, `malformed_path`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 503, description = "`keeper_unavailable`, with `Retry-After`")))]
pub(crate) async fn availability(
    state: web::Data<AppState>,
    Behind(shopper, query): Behind<Shopper, StrictQuery<AvailabilityQuery>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let items = parse_items(&query.0.items)?;
    let board = board_of(&state, shopper.store).await?;
    let items = items
        .into_iter()
        .map(|item| of_item(&board, item))
        .collect();
    let document = AvailabilityDocument {
        items,
        at: board.at.to_rfc3339(),
    };
    Ok(Tagged::of(&document)?.respond(&request))
}

/// Answer a browser, which asks before it sends a key from another origin.
#[utoipa::path(options, path = "/v1/stores/{store}/availability", tag = "storefront",
    params(("store" = String, Path)),
    responses((status = 204, description = "Any origin may ask, with `GET` and a key"),
        (status = 400, description = "`malformed_path`")))]
pub(crate) async fn preflight(_path: StorePath) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET"))
        .insert_header((
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, if-none-match, x-request-id",
        ))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
        .finish()
}

/// Lets scripts of every origin read the answer, a refusal too. A publishable key is public, and no cookie is ever
/// looked at here.
async fn allow_any_origin(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::HeaderValue::from_static("*"),
    );
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        header::HeaderValue::from_static("etag, retry-after, x-request-id"),
    );
    Ok(response)
}

pub(crate) fn parse_items(text: &str) -> Result<Vec<ItemId>, ApiError> {
    let malformed = || {
        ApiError::new(
            Problem::MalformedQuery,
            format!("`items` names 1 to {ITEMS_MAX} item ids, separated by commas"),
        )
    };
    let mut seen = BTreeSet::new();
    let mut items = Vec::new();
    for part in text.split(',') {
        let item = parse_id(part.trim()).map(ItemId).ok_or_else(malformed)?;
        if seen.insert(item) {
            items.push(item);
        }
        if items.len() > ITEMS_MAX {
            return Err(malformed());
        }
    }
    Ok(items)
}

fn of_item(board: &Board, item: ItemId) -> ItemAvailability {
    match board.bundle(item) {
        Some(view) => of_bundle(board, view),
        None => of_plain(board, item),
    }
}

fn of_bundle(board: &Board, view: &BundleView) -> ItemAvailability {
    let level = |item, location| stock_at(board, item, location);
    let wanted = wanted_levels(
        &view.bundle,
        &view.limiting_needs,
        board.active_locations(),
        &level,
        &board.policy().safety_stock,
    );
    let locations = match &wanted {
        Wanted::Levels(levels) => levels
            .iter()
            .map(|(location, units)| (*location, Stock::Units(*units)))
            .collect(),
        Wanted::Unlimited => board
            .active_locations()
            .iter()
            .map(|location| (*location, Stock::Unlimited))
            .collect(),
    };
    assemble(view.bundle.item, ItemKind::Bundle, locations)
}

fn of_plain(board: &Board, item: ItemId) -> ItemAvailability {
    if board.leaf(item).is_none() {
        return assemble(item, ItemKind::Unknown, Vec::new());
    }
    let at = |location| stock_at(board, item, location).map(|stock| (location, stock));
    assemble(
        item,
        ItemKind::Plain,
        board
            .active_locations()
            .iter()
            .copied()
            .filter_map(at)
            .collect(),
    )
}

fn assemble(
    item: ItemId,
    kind: ItemKind,
    levels: Vec<(crate::ids::LocationId, Stock)>,
) -> ItemAvailability {
    let unlimited = levels.iter().any(|(_, stock)| *stock == Stock::Unlimited);
    let known = !matches!(kind, ItemKind::Unknown);
    let total = levels
        .iter()
        .filter_map(|(_, stock)| units(*stock))
        .map(|units| units.max(0))
        .sum();
    ItemAvailability {
        item: item.to_string(),
        kind,
        available: (known && !unlimited).then_some(total),
        unlimited,
        locations: levels
            .into_iter()
            .map(|(location, stock)| at_location(location, stock))
            .collect(),
    }
}

fn at_location(location: crate::ids::LocationId, stock: Stock) -> LocationAvailability {
    LocationAvailability {
        location: location.to_string(),
        available: units(stock).map(|units| units.max(0)),
        unlimited: stock == Stock::Unlimited,
    }
}
