//! Writing stock: set, adjust and activate, all of a batch or nothing of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    error::UserError,
    idempotent::{Outcome, once},
    node::{Found, Node, payload},
    picks::Pick,
};
use crate::sandbox::{
    clock::Moment,
    gate::Call,
    idempotency::Applied,
    ids::{Kind, LevelKey, gid, parse_gid},
    levels::{Shift, StockState},
    oracle::Cause,
    shop::Shop,
    versions,
};

const SET_MAX: i64 = 1_000_000_000;
const ADJUST_MAX: i64 = 2_000_000_000;
const REASONS: [&str; 17] = [
    "correction",
    "cycle_count_available",
    "damaged",
    "movement_canceled",
    "movement_created",
    "movement_received",
    "movement_updated",
    "other",
    "promotion",
    "quality_control",
    "received",
    "reservation_created",
    "reservation_deleted",
    "reservation_updated",
    "restock",
    "safety_stock",
    "shrinkage",
];

/// One row of a batch that passed every check.
struct Row {
    key: LevelKey,
    delta: i64,
}

/// The parts of a batch that do not depend on its rows.
struct Batch<'a> {
    input: &'a Value,
    rows_name: &'static str,
    /// The name the rows speak of, such as `available`.
    name: &'a str,
    version: &'static str,
}

impl Batch<'_> {
    fn rows(&self) -> &[Value] {
        let rows = self.input.get(self.rows_name).and_then(Value::as_array);
        rows.map(Vec::as_slice).unwrap_or_default()
    }

    fn error(&self, index: usize, field: &str, code: &'static str, text: &str) -> UserError {
        let index = index.to_string();
        UserError::new(code, &["input", self.rows_name, &index, field], text)
    }

    fn state(&self) -> StockState {
        StockState::parse(self.name).unwrap_or(StockState::Available)
    }
}

pub(super) fn set(shop: &mut Shop, call: &mut Call, pick: &Pick) -> Node {
    let outcome = once(shop, call, pick, |shop, call| {
        let input = pick.arguments.get("input").unwrap_or(&Value::Null);
        let batch = batch(input, "quantities", call.version);
        if !["available", "on_hand"].contains(&batch.name) {
            return Err(vec![bad_name("available, on_hand")]);
        }
        carry_out(shop, call, &batch, set_row)
    });
    group_payload("InventorySetQuantitiesPayload", &outcome)
}

pub(super) fn adjust(shop: &mut Shop, call: &mut Call, pick: &Pick) -> Node {
    let outcome = once(shop, call, pick, |shop, call| {
        let input = pick.arguments.get("input").unwrap_or(&Value::Null);
        let batch = batch(input, "changes", call.version);
        let adjustable = StockState::parse(batch.name);
        if adjustable.is_none_or(|state| state == StockState::Committed) {
            return Err(vec![bad_name(
                "available, damaged, incoming, quality_control, reserved, safety_stock",
            )]);
        }
        carry_out(shop, call, &batch, adjust_row)
    });
    group_payload("InventoryAdjustQuantitiesPayload", &outcome)
}

fn batch<'a>(input: &'a Value, rows_name: &'static str, version: &'static str) -> Batch<'a> {
    Batch {
        input,
        rows_name,
        name: input
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default(),
        version,
    }
}

fn bad_name(valid: &str) -> UserError {
    let text = format!("The specified quantity name is invalid. Valid values are: {valid}.");
    UserError::new("INVALID_NAME", &["input", "name"], text)
}

type RowCheck = fn(&Shop, &Batch<'_>, usize, &Value, LevelKey) -> Result<Row, UserError>;

/// Checks every row, then applies all of them or none.
fn carry_out(shop: &mut Shop, call: &mut Call, batch: &Batch<'_>, check: RowCheck) -> Outcome {
    let reason = batch.input.get("reason").and_then(Value::as_str);
    let reason = reason.unwrap_or_default();
    if !REASONS.contains(&reason) {
        let valid = REASONS.join(", ");
        let text = format!("The specified reason is invalid. Valid values are: {valid}.");
        return Err(vec![UserError::new(
            "INVALID_REASON",
            &["input", "reason"],
            text,
        )]);
    }
    let (mut errors, mut rows, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (index, given) in batch.rows().iter().enumerate() {
        match level_of(shop, batch, index, given) {
            Err(found) => errors.extend(found),
            Ok(key) if !seen.insert(key) => errors.push(batch.error(
                index,
                "inventoryItemId",
                "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
                "The combination of inventoryItemId and locationId must be unique.",
            )),
            Ok(key) => match check(shop, batch, index, given, key) {
                Err(error) => errors.push(error),
                Ok(row) => rows.push(row),
            },
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    rows.retain(|row| row.delta != 0);
    Ok(apply(shop, call, batch, &rows))
}

/// The level a row speaks of; every reason why it may not be written.
fn level_of(
    shop: &Shop,
    batch: &Batch<'_>,
    index: usize,
    given: &Value,
) -> Result<LevelKey, Vec<UserError>> {
    let id = |kind: &str, field: &str| {
        let text = given.get(field).and_then(Value::as_str)?;
        parse_gid(kind, text)
    };
    let item = id("InventoryItem", "inventoryItemId");
    let item = item.and_then(|id| shop.catalog.items.get(&id));
    let location = id("Location", "locationId");
    let location = location.and_then(|id| shop.catalog.locations.get(&id));
    let location = location.filter(|place| place.active);
    let at_item = |code, text: &str| batch.error(index, "inventoryItemId", code, text);
    let mut errors = Vec::new();
    if item.is_none() {
        let text = "The specified inventory item could not be found.";
        errors.push(at_item("INVALID_INVENTORY_ITEM", text));
    }
    if location.is_none() {
        let text = "The specified location could not be found.";
        errors.push(batch.error(index, "locationId", "INVALID_LOCATION", text));
    }
    let (Some(item), Some(location)) = (item, location) else {
        return Err(errors);
    };
    let key = LevelKey {
        item: item.id,
        location: location.id,
    };
    let native = shop.catalog.variant_of(item.id);
    if native.is_some_and(|variant| variant.native_bundle) {
        return Err(vec![at_item(
            "NON_MUTABLE_INVENTORY_ITEM",
            "The specified inventory item is not allowed to be adjusted via API. Example: if the inventory item is a parent bundle.",
        )]);
    }
    if !item.tracked {
        // The code is inferred: recordings show no untracked item.
        let text = "The specified inventory item does not have inventory tracking enabled.";
        return Err(vec![at_item("INVALID_INVENTORY_ITEM", text)]);
    }
    if !shop.levels.contains_key(&key) {
        let text = "The specified inventory item is not stocked at the location.";
        return Err(vec![at_item("ITEM_NOT_STOCKED_AT_LOCATION", text)]);
    }
    Ok(key)
}

fn set_row(
    shop: &Shop,
    batch: &Batch<'_>,
    index: usize,
    given: &Value,
    key: LevelKey,
) -> Result<Row, UserError> {
    let quantity = given.get("quantity").and_then(Value::as_i64).unwrap_or(0);
    if quantity > SET_MAX {
        let text = "The quantity can't be higher than 1,000,000,000.";
        return Err(batch.error(index, "quantity", "INVALID_QUANTITY_TOO_HIGH", text));
    }
    if quantity < -SET_MAX {
        let text = "The quantity can't be lower than -1,000,000,000.";
        return Err(batch.error(index, "quantity", "INVALID_QUANTITY_TOO_LOW", text));
    }
    if batch.name == "on_hand" && quantity < 0 {
        let text = "The quantity can't be negative.";
        return Err(batch.error(index, "quantity", "INVALID_QUANTITY_NEGATIVE", text));
    }
    let present = present(shop, batch, key);
    compare(batch, index, given, present)?;
    Ok(Row {
        key,
        delta: quantity - present,
    })
}

fn adjust_row(
    shop: &Shop,
    batch: &Batch<'_>,
    index: usize,
    given: &Value,
    key: LevelKey,
) -> Result<Row, UserError> {
    let delta = given.get("delta").and_then(Value::as_i64).unwrap_or(0);
    let present = present(shop, batch, key);
    if present.saturating_add(delta) > ADJUST_MAX {
        let text = "The quantity can't be higher than 2,000,000,000.";
        return Err(batch.error(index, "delta", "INVALID_QUANTITY_TOO_HIGH", text));
    }
    if present.saturating_add(delta) < -ADJUST_MAX {
        let text = "The quantity can't be lower than -2,000,000,000.";
        return Err(batch.error(index, "delta", "INVALID_QUANTITY_TOO_LOW", text));
    }
    if let Some(expected) = given.get("changeFromQuantity").and_then(Value::as_i64)
        && expected != present
    {
        return Err(stale(batch, index));
    }
    Ok(Row { key, delta })
}

/// The quantity a batch speaks of, as it is.
fn present(shop: &Shop, batch: &Batch<'_>, key: LevelKey) -> i64 {
    shop.levels.get(&key).map_or(0, |level| match batch.name {
        "on_hand" => level.on_hand(),
        _ => level.get(batch.state()),
    })
}

/// Compare-and-set, in the form the version knows.
fn compare(batch: &Batch<'_>, index: usize, given: &Value, present: i64) -> Result<(), UserError> {
    if let Some(expected) = given.get("changeFromQuantity") {
        return match expected.as_i64() {
            Some(expected) if expected != present => Err(stale(batch, index)),
            Some(_) | None => Ok(()),
        };
    }
    let ignore = batch
        .input
        .get("ignoreCompareQuantity")
        .and_then(Value::as_bool);
    if versions::demands_keys(batch.version) || ignore == Some(true) {
        return Ok(());
    }
    let expected = given.get("compareQuantity").and_then(Value::as_i64);
    match expected {
        None => Err(batch.error(
            index,
            "compareQuantity",
            "COMPARE_QUANTITY_REQUIRED",
            "The compareQuantity argument must be given to each quantity or ignored using ignoreCompareQuantity.",
        )),
        Some(expected) if expected != present => Err(batch.error(
            index,
            "compareQuantity",
            "COMPARE_QUANTITY_STALE",
            "The compareQuantity value does not match persisted value.",
        )),
        Some(_) => Ok(()),
    }
}

fn stale(batch: &Batch<'_>, index: usize) -> UserError {
    let text = "The changeFromQuantity value does not match persisted value.";
    batch.error(
        index,
        "changeFromQuantity",
        "CHANGE_FROM_QUANTITY_STALE",
        text,
    )
}

fn apply(shop: &mut Shop, call: &mut Call, batch: &Batch<'_>, rows: &[Row]) -> Applied {
    let text = |name: &str| batch.input.get(name).and_then(Value::as_str);
    let mut applied = Applied {
        at_nanos: call.action.now.nanos(),
        reason: text("reason").unwrap_or_default().to_owned(),
        reference: text("referenceDocumentUri").map(str::to_owned),
        ..Applied::default()
    };
    if rows.is_empty() {
        return applied;
    }
    applied.group = Some(shop.ids.next(Kind::AdjustmentGroup));
    let state = batch.state();
    for row in rows {
        let cause = Cause::ApiWrite {
            key: call_key(call),
            request_id: call.request_id.clone(),
        };
        let shift = Shift {
            state,
            delta: row.delta,
            cause,
        };
        shop.shift(call.action, row.key, shift);
        let change = |name: &str| (name.to_owned(), row.key, row.delta);
        applied.changes.push(change(state.name()));
        if state.is_on_hand() {
            applied.changes.push(change("on_hand"));
        }
        call.wrote.push(row.key);
    }
    shop.announce_levels(call.action);
    applied
}

/// The first key of the call; a document with several writes is rare.
fn call_key(call: &Call) -> Option<String> {
    super::keys_of(&call.body).into_iter().next()
}

fn group_payload(type_name: &'static str, outcome: &Outcome) -> Node {
    let (group, errors) = match outcome {
        Ok(applied) => (group(applied), [].as_slice()),
        Err(errors) => (None, errors.as_slice()),
    };
    let links = vec![("inventoryAdjustmentGroup", Found::One(group))];
    payload(type_name, json!({}), links, errors)
}

fn group(applied: &Applied) -> Option<Node> {
    let id = applied.group?;
    let changes = applied.changes.iter().map(|(name, key, delta)| {
        let scalars = json!({
            "name": name, "delta": delta,
            "quantityAfterChange": null, "ledgerDocumentUri": null,
        });
        let links = vec![
            ("item", Found::One(Some(Node::Item(key.item)))),
            ("location", Found::One(Some(Node::Location(key.location)))),
        ];
        Some(Node::made("InventoryChange", scalars, links))
    });
    let scalars = json!({
        "id": gid("InventoryAdjustmentGroup", id),
        "createdAt": Moment::from_nanos(applied.at_nanos).utc(),
        "reason": applied.reason,
        "referenceDocumentUri": applied.reference,
    });
    let links = vec![("changes", Found::Many(changes.collect()))];
    Some(Node::made("InventoryAdjustmentGroup", scalars, links))
}

/// Stocks an item at a location, with a first quantity if one is given.
pub(super) fn activate(shop: &mut Shop, call: &mut Call, pick: &Pick) -> Node {
    let id = |kind: &str, field: &str| parse_gid(kind, pick.text(field)?);
    let key = LevelKey {
        item: id("InventoryItem", "inventoryItemId").unwrap_or_default(),
        location: id("Location", "locationId").unwrap_or_default(),
    };
    let outcome = once(shop, call, pick, |shop, call| {
        if !shop.catalog.items.contains_key(&key.item) {
            let text = "The product couldn't be stocked because it wasn't found.";
            return Err(vec![plain(&["inventoryItemId"], text)]);
        }
        if !shop.catalog.locations.contains_key(&key.location) {
            let text = "The product couldn't be stocked because the location wasn't found.";
            return Err(vec![plain(&["locationId"], text)]);
        }
        let number = |field| pick.arguments.get(field).and_then(Value::as_i64);
        let first = number("available").or(number("onHand"));
        if !shop.connect(call.action, key) && first.is_some() {
            let text = "Not allowed to set available quantity when the item is already active at the location.";
            return Err(vec![plain(&["available"], text)]);
        }
        let cause = Cause::ApiWrite {
            key: pick.idempotency_key.clone(),
            request_id: call.request_id.clone(),
        };
        shop.shift(
            call.action,
            key,
            Shift::available(first.unwrap_or(0), cause),
        );
        shop.announce_levels(call.action);
        Ok(Applied::default())
    });
    let level = shop.levels.get(&key).map(|_| Node::Level(key));
    let (level, errors) = match &outcome {
        Ok(_) => (level, [].as_slice()),
        Err(errors) => (None, errors.as_slice()),
    };
    let links = vec![("inventoryLevel", Found::One(level))];
    payload("InventoryActivatePayload", json!({}), links, errors)
}

fn plain(field: &[&str], text: &str) -> UserError {
    UserError {
        code: None,
        field: json!(field),
        message: text.to_owned(),
    }
}
