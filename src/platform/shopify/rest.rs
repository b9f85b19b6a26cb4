//! Reads over REST: levels, orders, locations. Their resources have the shapes of webhook bodies.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::domain::call::{CallError, Meter, Reply};
use crate::domain::fact::{LocationSnapshot, OrderSnapshot};
use crate::ids::{ItemId, LocationId, OrderId};
use crate::platform::Malformed;
use crate::platform::shopify::bodies::{LevelBody, OrderBody};
use crate::platform::shopify::errors;
use crate::platform::shopify::scalar::{Id, Object, Scalar};
use crate::platform::shopify::transport::Session;

/// Entries of a page: the platform's maximum.
const PAGE_LIMIT: &str = "250";
/// Pages of one answer: 50 items at 200 locations.
const PAGES_MAX: usize = 40;
/// What we read of an order; the rest is most of its size.
const ORDER_FIELDS: &str = "id,admin_graphql_api_id,created_at,updated_at,cancelled_at,financial_status,location_id,\
    line_items,refunds";

#[derive(Deserialize)]
struct LevelsPage {
    inventory_levels: Vec<Object<LevelBody>>,
}

#[derive(Deserialize)]
struct LocationsPage {
    locations: Vec<Object<LocationBody>>,
}

#[derive(Deserialize)]
struct OrderReply {
    order: Object<OrderBody>,
}

#[derive(Deserialize)]
struct OrdersPage {
    orders: Vec<Object<OrderBody>>,
}

#[derive(Deserialize)]
struct LocationBody {
    #[serde(default)]
    id: Scalar<Id>,
    #[serde(default)]
    active: Scalar<bool>,
}

impl LocationBody {
    fn into_snapshot(self) -> Result<LocationSnapshot, Malformed> {
        let Id(location) = self.id.required("id")?;
        Ok(LocationSnapshot {
            location: LocationId(location),
            // Only a location that is switched off has to say so.
            active: self.active.known().unwrap_or(true),
        })
    }
}

/// All levels of `items`, of every page. No ids, no levels: the platform would refuse the question.
pub(super) async fn levels(
    session: &mut Session<'_>,
    items: &[ItemId],
) -> Result<Reply, CallError> {
    if items.is_empty() {
        return Ok(Reply::Levels(Vec::new()));
    }
    let ids: Vec<String> = items.iter().map(ToString::to_string).collect();
    let ids = ids.join(",");
    let pages: Vec<LevelsPage> = all_pages(
        session,
        "inventory_levels.json",
        &[("inventory_item_ids", &ids), ("limit", PAGE_LIMIT)],
    )
    .await?;
    let bodies = pages.into_iter().flat_map(|page| page.inventory_levels);
    let levels: Result<_, Malformed> = bodies.map(|Object(body)| body.into_snapshot()).collect();
    levels
        .map(Reply::Levels)
        .map_err(|malformed| session.lost(malformed.to_string()))
}

/// All locations.
pub(super) async fn locations(session: &mut Session<'_>) -> Result<Reply, CallError> {
    let pages: Vec<LocationsPage> =
        all_pages(session, "locations.json", &[("limit", PAGE_LIMIT)]).await?;
    let bodies = pages.into_iter().flat_map(|page| page.locations);
    let locations: Result<_, Malformed> = bodies.map(|Object(body)| body.into_snapshot()).collect();
    locations
        .map(Reply::Locations)
        .map_err(|malformed| session.lost(malformed.to_string()))
}

/// One order, or that there is none.
pub(super) async fn order(session: &mut Session<'_>, order: OrderId) -> Result<Reply, CallError> {
    let resource = format!("orders/{order}.json");
    let found = session
        .get_one::<OrderReply>(&resource, &[("fields", ORDER_FIELDS)])
        .await?;
    let Some(OrderReply {
        order: Object(body),
    }) = found
    else {
        return Ok(Reply::Order(None));
    };
    let snapshot = body
        .into_snapshot()
        .map_err(|malformed| session.lost(malformed.to_string()))?;
    Ok(Reply::Order(Some(Box::new(snapshot))))
}

/// One page of the orders in any state that were updated at or after `since`.
pub(super) async fn orders_since(
    session: &mut Session<'_>,
    since: Timestamp,
    page: Option<&str>,
) -> Result<Reply, CallError> {
    let since = since.to_rfc3339();
    // A cursor remembers the question, and the platform refuses to hear it again.
    let question = match page {
        Some(page) => vec![
            ("page_info", page),
            ("limit", PAGE_LIMIT),
            ("fields", ORDER_FIELDS),
        ],
        None => vec![
            ("status", "any"),
            ("updated_at_min", since.as_str()),
            // Oldest id first, and not otherwise sorted: an order that changes meanwhile keeps its place.
            ("since_id", "0"),
            ("limit", PAGE_LIMIT),
            ("fields", ORDER_FIELDS),
        ],
    };
    let (OrdersPage { orders }, next) = session.get_page("orders.json", &question).await?;
    let orders = orders
        .into_iter()
        .filter_map(|Object(body)| readable(body))
        .collect();
    Ok(Reply::OrdersPage { orders, next })
}

/// One order that we cannot read must not keep a sweep from all the others.
fn readable(body: OrderBody) -> Option<OrderSnapshot> {
    match body.into_snapshot() {
        Ok(snapshot) => Some(snapshot),
        Err(malformed) => {
            tracing::error!(%malformed, "skipped an order that cannot be read");
            None
        }
    }
}

async fn all_pages<P: DeserializeOwned>(
    session: &mut Session<'_>,
    resource: &str,
    question: &[(&str, &str)],
) -> Result<Vec<P>, CallError> {
    let (first, mut next) = session.get_page::<P>(resource, question).await?;
    let mut pages = vec![first];
    while let Some(cursor) = next {
        if pages.len() >= PAGES_MAX {
            return Err(errors::rejected(
                "TOO_MANY_PAGES",
                "the answer has more pages than are read",
            ));
        }
        session.pace(Meter::Rest).await;
        let question = [("page_info", cursor.as_str()), ("limit", PAGE_LIMIT)];
        let (page, following) = session.get_page::<P>(resource, &question).await?;
        pages.push(page);
        next = following;
    }
    Ok(pages)
}
