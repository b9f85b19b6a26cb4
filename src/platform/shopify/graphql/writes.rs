//! Stock on the platform: components by delta, bundles by compare-and-set, new levels by activation.
//!
//! A call's id is its idempotency key, so that however often it is sent it takes effect once (INV-K).

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::domain::call::{Adjustment, CallError, Reply, Setting, WRITE_POINTS_MAX};
use crate::ids::{CallId, ItemId, LocationId};
use crate::platform::shopify::errors::{self, RawUserError, classify_user_errors};
use crate::platform::shopify::graphql::gid::Gid;
use crate::platform::shopify::scalar::Scalar;
use crate::platform::shopify::transport::Session;

/// Points: 10 for a mutation, 3 at most for what is selected of it.
const COST: i64 = 13;
const _: () = assert!(COST <= WRITE_POINTS_MAX);

/// The state of stock that is written.
const STATE: &str = "available";
/// Why, in the platform's closed list of reasons.
const REASON: &str = "correction";

const ADJUST: &str = "mutation inventoryAdjustQuantities($input: InventoryAdjustQuantitiesInput!, $key: String!) { \
    inventoryAdjustQuantities(input: $input) @idempotent(key: $key) { \
    inventoryAdjustmentGroup { createdAt } userErrors { code field message } } }";

const SET: &str = "mutation inventorySetQuantities($input: InventorySetQuantitiesInput!, $key: String!) { \
    inventorySetQuantities(input: $input) @idempotent(key: $key) { \
    inventoryAdjustmentGroup { createdAt } userErrors { code field message } } }";

/// Its errors have no code.
const ACTIVATE: &str = "mutation inventoryActivate($inventoryItemId: ID!, $locationId: ID!, $available: Int, $key: String!) { \
    inventoryActivate(inventoryItemId: $inventoryItemId, locationId: $locationId, available: $available) \
    @idempotent(key: $key) { inventoryLevel { updatedAt } userErrors { field message } } }";

#[derive(Serialize)]
struct Keyed<I> {
    input: I,
    key: CallId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AdjustInput {
    name: &'static str,
    reason: &'static str,
    reference_document_uri: String,
    changes: Vec<ChangeInput>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangeInput {
    inventory_item_id: Gid,
    location_id: Gid,
    delta: i64,
    /// Must be told; null says that a delta holds whatever the level is.
    change_from_quantity: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SetInput {
    name: &'static str,
    reason: &'static str,
    reference_document_uri: String,
    quantities: Vec<QuantityInput>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QuantityInput {
    inventory_item_id: Gid,
    location_id: Gid,
    quantity: i64,
    change_from_quantity: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActivateVariables {
    inventory_item_id: Gid,
    location_id: Gid,
    available: i64,
    key: CallId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AdjustData {
    inventory_adjust_quantities: Option<Payload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SetData {
    inventory_set_quantities: Option<Payload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActivateData {
    inventory_activate: Option<Payload>,
}

/// What any of the three returns.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    /// Null when nothing changed.
    inventory_adjustment_group: Option<Stamped>,
    inventory_level: Option<Stamped>,
    #[serde(default, deserialize_with = "errors::entries")]
    user_errors: Vec<RawUserError>,
}

#[derive(Deserialize)]
struct Stamped {
    #[serde(default, alias = "createdAt", alias = "updatedAt")]
    at: Scalar<Timestamp>,
}

/// Adds to and takes from levels.
pub(in crate::platform::shopify) async fn adjust(
    session: &mut Session<'_>,
    key: CallId,
    adjustments: &[Adjustment],
) -> Result<Reply, CallError> {
    let changes = adjustments.iter().map(|adjustment| ChangeInput {
        inventory_item_id: Gid::item(adjustment.item),
        location_id: Gid::location(adjustment.location),
        delta: adjustment.delta,
        change_from_quantity: None,
    });
    let reference_document_uri = reference(key);
    let input = AdjustInput {
        name: STATE,
        reason: REASON,
        reference_document_uri,
        changes: changes.collect(),
    };
    let data: AdjustData = session.graphql(ADJUST, Keyed { input, key }).await?;
    written(session, data.inventory_adjust_quantities)
}

/// Sets levels that are still what they were.
pub(in crate::platform::shopify) async fn set(
    session: &mut Session<'_>,
    key: CallId,
    settings: &[Setting],
) -> Result<Reply, CallError> {
    let quantities = settings.iter().map(|setting| QuantityInput {
        inventory_item_id: Gid::item(setting.item),
        location_id: Gid::location(setting.location),
        quantity: setting.quantity,
        change_from_quantity: setting.change_from,
    });
    let reference_document_uri = reference(key);
    let input = SetInput {
        name: STATE,
        reason: REASON,
        reference_document_uri,
        quantities: quantities.collect(),
    };
    let data: SetData = session.graphql(SET, Keyed { input, key }).await?;
    written(session, data.inventory_set_quantities)
}

/// Stocks an item at a location where it has no level.
pub(in crate::platform::shopify) async fn activate(
    session: &mut Session<'_>,
    key: CallId,
    (item, location): (ItemId, LocationId),
    available: i64,
) -> Result<Reply, CallError> {
    let variables = ActivateVariables {
        inventory_item_id: Gid::item(item),
        location_id: Gid::location(location),
        available,
        key,
    };
    let data: ActivateData = session.graphql(ACTIVATE, variables).await?;
    written(session, data.inventory_activate)
}

/// Kept by the platform beside the change, for people who ask where it came from.
fn reference(key: CallId) -> String {
    format!("gid://storekeeper/Call/{key}")
}

fn written(session: &Session<'_>, payload: Option<Payload>) -> Result<Reply, CallError> {
    let payload = payload.ok_or_else(|| session.lost("reply without a payload"))?;
    classify_user_errors(&payload.user_errors)?;
    let stamped = payload
        .inventory_adjustment_group
        .or(payload.inventory_level);
    Ok(Reply::Written {
        at: stamped.and_then(|stamped| stamped.at.known()),
    })
}
