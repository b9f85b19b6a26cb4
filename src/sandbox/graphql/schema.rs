//! The types the sandbox knows: which fields each has, what they lead to, and
//! from these what a query costs before it runs.

use serde_json::Value;

use super::{error::GraphqlError, picks::Pick};

/// Most elements of one page.
const PAGE_MAX: usize = 250;

/// What a field leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar,
    Object(&'static str),
    List(&'static str),
    Connection(&'static str),
    /// `nodes(ids:)`: as many objects as ids.
    Nodes,
}

use Shape::{Connection, List, Nodes, Object};

struct Type {
    name: &'static str,
    /// Separated by spaces.
    scalars: &'static str,
    links: &'static [(&'static str, Shape)],
}

const fn plain(name: &'static str, scalars: &'static str) -> Type {
    Type {
        name,
        scalars,
        links: &[],
    }
}

const ERRORS: (&str, Shape) = ("userErrors", List("UserError"));
const GROUP: (&str, Shape) = (
    "inventoryAdjustmentGroup",
    Object("InventoryAdjustmentGroup"),
);
const HOOK: (&str, Shape) = ("webhookSubscription", Object("WebhookSubscription"));

const BULK: (&str, Shape) = ("bulkOperation", Object("BulkOperation"));

const TYPES: &[Type] = &[
    Type {
        name: "QueryRoot",
        scalars: "",
        links: &[
            ("shop", Object("Shop")),
            ("node", Object("Node")),
            ("nodes", Nodes),
            ("inventoryItem", Object("InventoryItem")),
            ("inventoryItems", Connection("InventoryItem")),
            ("inventoryLevel", Object("InventoryLevel")),
            ("productVariant", Object("ProductVariant")),
            ("productVariants", Connection("ProductVariant")),
            ("product", Object("Product")),
            ("products", Connection("Product")),
            ("order", Object("Order")),
            ("orders", Connection("Order")),
            ("fulfillmentOrder", Object("FulfillmentOrder")),
            ("location", Object("Location")),
            ("locations", Connection("Location")),
            HOOK,
            ("webhookSubscriptions", Connection("WebhookSubscription")),
            BULK,
            ("currentBulkOperation", Object("BulkOperation")),
        ],
    },
    Type {
        name: "Mutation",
        scalars: "",
        links: &[
            (
                "inventorySetQuantities",
                Object("InventorySetQuantitiesPayload"),
            ),
            (
                "inventoryAdjustQuantities",
                Object("InventoryAdjustQuantitiesPayload"),
            ),
            ("inventoryActivate", Object("InventoryActivatePayload")),
            (
                "webhookSubscriptionCreate",
                Object("WebhookSubscriptionCreatePayload"),
            ),
            (
                "webhookSubscriptionUpdate",
                Object("WebhookSubscriptionUpdatePayload"),
            ),
            (
                "webhookSubscriptionDelete",
                Object("WebhookSubscriptionDeletePayload"),
            ),
            (
                "bulkOperationRunQuery",
                Object("BulkOperationRunQueryPayload"),
            ),
            (
                "fulfillmentOrderMove",
                Object("FulfillmentOrderMovePayload"),
            ),
        ],
    },
    plain(
        "Shop",
        "id name email myshopifyDomain currencyCode ianaTimezone createdAt",
    ),
    plain("Node", "id"),
    Type {
        name: "InventoryItem",
        scalars: "id legacyResourceId sku tracked requiresShipping createdAt updatedAt",
        links: &[
            ("variant", Object("ProductVariant")),
            ("inventoryLevel", Object("InventoryLevel")),
            ("inventoryLevels", Connection("InventoryLevel")),
        ],
    },
    Type {
        name: "InventoryLevel",
        scalars: "id isActive canDeactivate createdAt updatedAt",
        links: &[
            ("item", Object("InventoryItem")),
            ("location", Object("Location")),
            ("quantities", List("InventoryQuantity")),
        ],
    },
    plain("InventoryQuantity", "id name quantity updatedAt"),
    plain(
        "Location",
        "id legacyResourceId name isActive fulfillsOnlineOrders createdAt",
    ),
    Type {
        name: "ProductVariant",
        scalars: "id legacyResourceId title displayName sku price position inventoryPolicy \
                  inventoryQuantity sellableOnlineQuantity requiresComponents createdAt updatedAt",
        links: &[
            ("inventoryItem", Object("InventoryItem")),
            ("product", Object("Product")),
        ],
    },
    Type {
        name: "Product",
        scalars: "id legacyResourceId title handle status vendor productType totalInventory \
                  hasVariantsThatRequiresComponents createdAt updatedAt",
        links: &[("variants", Connection("ProductVariant"))],
    },
    Type {
        name: "Order",
        scalars: "id legacyResourceId name number createdAt updatedAt processedAt cancelledAt \
                  cancelReason closedAt displayFinancialStatus displayFulfillmentStatus test \
                  confirmed currencyCode sourceName",
        links: &[
            ("lineItems", Connection("LineItem")),
            ("refunds", List("Refund")),
            ("fulfillmentOrders", Connection("FulfillmentOrder")),
            ("retailLocation", Object("Location")),
        ],
    },
    Type {
        name: "LineItem",
        scalars: "id sku title name quantity currentQuantity unfulfilledQuantity \
                  refundableQuantity requiresShipping",
        links: &[
            ("variant", Object("ProductVariant")),
            ("product", Object("Product")),
        ],
    },
    Type {
        name: "Refund",
        scalars: "id legacyResourceId createdAt updatedAt note",
        links: &[
            ("refundLineItems", Connection("RefundLineItem")),
            ("order", Object("Order")),
        ],
    },
    Type {
        name: "RefundLineItem",
        scalars: "id quantity restockType restocked",
        links: &[
            ("lineItem", Object("LineItem")),
            ("location", Object("Location")),
        ],
    },
    Type {
        name: "FulfillmentOrder",
        scalars: "id status requestStatus orderId createdAt updatedAt",
        links: &[
            (
                "assignedLocation",
                Object("FulfillmentOrderAssignedLocation"),
            ),
            ("lineItems", Connection("FulfillmentOrderLineItem")),
            ("order", Object("Order")),
        ],
    },
    Type {
        name: "FulfillmentOrderAssignedLocation",
        scalars: "name",
        links: &[("location", Object("Location"))],
    },
    Type {
        name: "FulfillmentOrderLineItem",
        scalars: "id totalQuantity remainingQuantity sku inventoryItemId",
        links: &[
            ("lineItem", Object("LineItem")),
            ("variant", Object("ProductVariant")),
        ],
    },
    Type {
        name: "WebhookSubscription",
        scalars: "id legacyResourceId topic format uri callbackUrl filter includeFields \
                  metafieldNamespaces name createdAt updatedAt",
        links: &[
            ("apiVersion", Object("ApiVersion")),
            ("endpoint", Object("WebhookHttpEndpoint")),
        ],
    },
    plain("ApiVersion", "handle displayName supported"),
    plain("WebhookHttpEndpoint", "callbackUrl"),
    plain(
        "BulkOperation",
        "id status type errorCode createdAt completedAt objectCount rootObjectCount fileSize \
         url partialDataUrl query",
    ),
    Type {
        name: "BulkOperationRunQueryPayload",
        scalars: "",
        links: &[BULK, ERRORS],
    },
    plain("UserError", "code field message"),
    Type {
        name: "InventoryAdjustmentGroup",
        scalars: "id createdAt reason referenceDocumentUri",
        links: &[("changes", List("InventoryChange"))],
    },
    Type {
        name: "InventoryChange",
        scalars: "name delta quantityAfterChange ledgerDocumentUri",
        links: &[
            ("item", Object("InventoryItem")),
            ("location", Object("Location")),
        ],
    },
    Type {
        name: "InventorySetQuantitiesPayload",
        scalars: "",
        links: &[GROUP, ERRORS],
    },
    Type {
        name: "InventoryAdjustQuantitiesPayload",
        scalars: "",
        links: &[GROUP, ERRORS],
    },
    Type {
        name: "InventoryActivatePayload",
        scalars: "",
        links: &[("inventoryLevel", Object("InventoryLevel")), ERRORS],
    },
    Type {
        name: "WebhookSubscriptionCreatePayload",
        scalars: "",
        links: &[HOOK, ERRORS],
    },
    Type {
        name: "WebhookSubscriptionUpdatePayload",
        scalars: "",
        links: &[HOOK, ERRORS],
    },
    Type {
        name: "WebhookSubscriptionDeletePayload",
        scalars: "deletedWebhookSubscriptionId",
        links: &[ERRORS],
    },
    Type {
        name: "FulfillmentOrderMovePayload",
        scalars: "",
        links: &[
            ("originalFulfillmentOrder", Object("FulfillmentOrder")),
            ("movedFulfillmentOrder", Object("FulfillmentOrder")),
            ("remainingFulfillmentOrder", Object("FulfillmentOrder")),
            ERRORS,
        ],
    },
];

/// What a field of a type leads to; none when the type has no such field.
pub(super) fn shape(parent: &str, field: &str) -> Option<Shape> {
    if field == "__typename" {
        return Some(Shape::Scalar);
    }
    let found = TYPES.iter().find(|known| known.name == parent)?;
    if found.scalars.split_whitespace().any(|known| known == field) {
        return Some(Shape::Scalar);
    }
    let mut links = found.links.iter();
    let link = links.find(|(known, _)| *known == field);
    link.map(|(_, shape)| *shape)
}

/// Whether a fragment on `condition` applies to an object of `type_name`.
pub(super) fn applies(condition: Option<&str>, type_name: &str) -> bool {
    condition.is_none_or(|on| on == type_name || INTERFACES.contains(&on))
}

const INTERFACES: [&str; 4] = [
    "Node",
    "LegacyInteroperability",
    "WebhookSubscriptionEndpoint",
    "DisplayableError",
];

/// Checks every field against the schema.
pub(super) fn check(parent: &str, picks: &[Pick]) -> Result<(), GraphqlError> {
    for pick in picks {
        let condition = pick.on.as_deref();
        let owner = condition
            .filter(|on| !INTERFACES.contains(on))
            .unwrap_or(parent);
        let Some(shape) = shape(owner, &pick.name) else {
            let text = format!("Field '{}' doesn't exist on type '{owner}'", pick.name);
            return Err(GraphqlError::new("undefinedField", text));
        };
        if (shape == Shape::Scalar) != pick.picks.is_empty() {
            let text = format!("Field '{}' has the wrong kind of selection", pick.name);
            return Err(GraphqlError::new("selectionMismatch", text));
        }
        match shape {
            Shape::Scalar => {}
            Object(inner) | List(inner) => check(inner, &pick.picks)?,
            Nodes => check("Node", &pick.picks)?,
            Connection(inner) => check_connection(inner, pick)?,
        }
    }
    Ok(())
}

fn check_connection(inner: &str, pick: &Pick) -> Result<(), GraphqlError> {
    let size = pick.size("first").or(pick.size("last"));
    let Some(size) = size else {
        let text = format!("you must provide one of first or last for {}", pick.name);
        return Err(GraphqlError::new("BAD_REQUEST", text));
    };
    if size > PAGE_MAX {
        let text = format!("first cannot exceed {PAGE_MAX}");
        return Err(GraphqlError::new("BAD_REQUEST", text));
    }
    for part in &pick.picks {
        match part.name.as_str() {
            "nodes" => check(inner, &part.picks)?,
            "edges" => {
                for edge in part.picks.iter().filter(|edge| edge.name == "node") {
                    check(inner, &edge.picks)?;
                }
            }
            "pageInfo" | "__typename" => {}
            other => {
                let text = format!("Field '{other}' doesn't exist on type '{inner}Connection'");
                return Err(GraphqlError::new("undefinedField", text));
            }
        }
    }
    Ok(())
}

/// What the fields cost at most: an object 1, a connection 2 and its page,
/// a list what one of its elements costs, a mutation 10.
pub(super) fn cost(parent: &str, picks: &[Pick]) -> u64 {
    let of = |pick: &Pick| {
        let owner = pick.on.as_deref().unwrap_or(parent);
        let base = if parent == "Mutation" { 9 } else { 0 };
        match shape(owner, &pick.name) {
            None | Some(Shape::Scalar) => 0,
            Some(Object(inner)) => base + 1 + cost(inner, &pick.picks),
            Some(List(inner)) => cost(inner, &pick.picks),
            Some(Nodes) => ids(pick) * (1 + cost("Node", &pick.picks)),
            Some(Connection(inner)) => {
                let size = pick.size("first").or(pick.size("last")).unwrap_or(0);
                let each: u64 = node_picks(pick).map(|picks| cost(inner, picks)).sum();
                2 + u64::try_from(size).unwrap_or(u64::MAX) * (1 + each)
            }
        }
    };
    let everywhere: u64 = picks.iter().filter(|pick| pick.on.is_none()).map(of).sum();
    let conditions: std::collections::BTreeSet<&str> =
        picks.iter().filter_map(|pick| pick.on.as_deref()).collect();
    let dearest = conditions
        .into_iter()
        .map(|on| {
            let fitting = picks.iter().filter(|pick| pick.on.as_deref() == Some(on));
            fitting.map(of).sum::<u64>()
        })
        .max();
    everywhere + dearest.unwrap_or(0)
}

fn ids(pick: &Pick) -> u64 {
    let count = pick.arguments.get("ids").and_then(Value::as_array);
    count.map_or(0, |ids| u64::try_from(ids.len()).unwrap_or(u64::MAX))
}

/// The selections of a connection's nodes, under `nodes` and under `edges`.
pub(super) fn node_picks(connection: &Pick) -> impl Iterator<Item = &Vec<Pick>> {
    connection.picks.iter().flat_map(|part| {
        let direct = (part.name == "nodes").then_some(&part.picks);
        let edges = (part.name == "edges").then_some(&part.picks);
        let under = edges.into_iter().flatten();
        let nodes = under
            .filter(|edge| edge.name == "node")
            .map(|edge| &edge.picks);
        direct.into_iter().chain(nodes)
    })
}
