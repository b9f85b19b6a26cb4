//! The root fields of mutations, and what each version demands of their input.

use serde_json::Value;

use super::{
    bulk, error::GraphqlError, fulfilment, inventory, node::Node, picks::Pick, subscriptions,
};
use crate::sandbox::{gate::Call, shop::Shop, versions};

/// Most elements of any array of the input.
const ARRAY_MAX: usize = 250;

/// Carries out one root field.
pub(super) fn root(shop: &mut Shop, call: &mut Call, pick: &Pick) -> Result<Node, GraphqlError> {
    let demands_key = versions::demands_keys(call.version) && KEYED.contains(&pick.name.as_str());
    if demands_key && pick.idempotency_key.is_none() {
        return Err(GraphqlError::new(
            "BAD_REQUEST",
            "The @idempotent directive is required for this mutation but was not provided.",
        ));
    }
    Ok(match pick.name.as_str() {
        "inventorySetQuantities" => inventory::set(shop, call, pick),
        "inventoryAdjustQuantities" => inventory::adjust(shop, call, pick),
        "inventoryActivate" => inventory::activate(shop, call, pick),
        "bulkOperationRunQuery" => bulk::run(shop, call, pick),
        "webhookSubscriptionCreate" => subscriptions::create(shop, call, pick),
        "webhookSubscriptionUpdate" => subscriptions::update(shop, call, pick),
        "webhookSubscriptionDelete" => subscriptions::delete(shop, pick),
        _ => fulfilment::relocate(shop, call, pick),
    })
}

/// The mutations that demand an idempotency key since 2026-04.
const KEYED: [&str; 3] = [
    "inventorySetQuantities",
    "inventoryAdjustQuantities",
    "inventoryActivate",
];

/// Refuses input whose fields the version does not know or misses.
pub(super) fn check_inputs(version: &str, picks: &[Pick]) -> Result<(), GraphqlError> {
    for pick in picks {
        let (rows, kind, input) = match pick.name.as_str() {
            "inventorySetQuantities" => (
                "quantities",
                "InventoryQuantityInput",
                "InventorySetQuantitiesInput",
            ),
            "inventoryAdjustQuantities" => (
                "changes",
                "InventoryChangeInput",
                "InventoryAdjustQuantitiesInput",
            ),
            _ => continue,
        };
        let Some(given) = pick
            .arguments
            .get("input")
            .filter(|given| given.is_object())
        else {
            let text = format!("Field '{}' is missing required arguments: input", pick.name);
            return Err(GraphqlError::new("missingRequiredArguments", text));
        };
        let rows = given.get(rows).and_then(Value::as_array);
        let rows = rows.map(Vec::as_slice).unwrap_or_default();
        if rows.len() > ARRAY_MAX {
            let text = format!(
                "The input array size of {} is greater than the maximum allowed of {ARRAY_MAX}.",
                rows.len()
            );
            return Err(GraphqlError::new("MAX_INPUT_SIZE_EXCEEDED", text));
        }
        check_fields(version, given, input, rows, kind)?;
    }
    Ok(())
}

fn check_fields(
    version: &str,
    given: &Value,
    input: &str,
    rows: &[Value],
    kind: &str,
) -> Result<(), GraphqlError> {
    let unknown = |field: &str, owner: &str| {
        let text = format!(
            "Variable $input of type {input}! was provided invalid value for {field} \
             (Field is not defined on {owner})"
        );
        Err(GraphqlError::new("INVALID_VARIABLE", text))
    };
    let any = |field: &str| rows.iter().any(|row| row.get(field).is_some());
    if versions::demands_keys(version) {
        if given.get("ignoreCompareQuantity").is_some() {
            return unknown("ignoreCompareQuantity", input);
        }
        if any("compareQuantity") {
            return unknown("compareQuantity", kind);
        }
        if rows
            .iter()
            .any(|row| row.get("changeFromQuantity").is_none())
        {
            let text = format!("{kind} must include the following argument: changeFromQuantity.");
            return Err(GraphqlError::new("INVALID_FIELD_ARGUMENTS", text));
        }
    } else if !versions::knows_change_from(version) && any("changeFromQuantity") {
        return unknown("changeFromQuantity", kind);
    }
    Ok(())
}
