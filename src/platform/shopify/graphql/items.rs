//! Settings of items: REST does not tell them together.

use serde::{Deserialize, Serialize};

use crate::domain::call::{CallError, Meter, READ_ITEMS_MAX, READ_POINTS_MAX, Reply};
use crate::domain::fact::ItemSnapshot;
use crate::ids::{ItemId, ProductId, VariantId};
use crate::platform::shopify::graphql::gid::Gid;
use crate::platform::shopify::scalar::{Id, Policy, Scalar};
use crate::platform::shopify::transport::Session;

const ITEMS: &str = "query inventoryItems($ids: [ID!]!) { nodes(ids: $ids) { ... on InventoryItem { id tracked \
    variant { id inventoryPolicy requiresComponents product { id } } } } }";

/// Points: for each item itself, its variant and its product.
const COST: i64 = 3 * 50 + 1;
const _: () = assert!(COST <= READ_POINTS_MAX && READ_ITEMS_MAX == 50);

const ITEM: &str = "query inventoryItem($id: ID!) { inventoryItem(id: $id) { id tracked \
    variant { id inventoryPolicy requiresComponents product { id } } } }";

#[derive(Serialize)]
struct OneVariable {
    id: Gid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OneData {
    inventory_item: Option<ItemNode>,
}

#[derive(Serialize)]
struct Variables {
    ids: Vec<Gid>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    nodes: Vec<Option<ItemNode>>,
}

#[derive(Deserialize)]
struct ItemNode {
    #[serde(default)]
    id: Scalar<Id>,
    #[serde(default)]
    tracked: Scalar<bool>,
    variant: Option<VariantNode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VariantNode {
    #[serde(default)]
    id: Scalar<Id>,
    #[serde(default)]
    inventory_policy: Scalar<Policy>,
    #[serde(default)]
    requires_components: Scalar<bool>,
    product: Option<ProductNode>,
}

#[derive(Deserialize)]
struct ProductNode {
    #[serde(default)]
    id: Scalar<Id>,
}

/// Those of `items` that exist.
pub(in crate::platform::shopify) async fn read(
    session: &mut Session<'_>,
    items: &[ItemId],
) -> Result<Reply, CallError> {
    if items.is_empty() {
        return Ok(Reply::Items(Vec::new()));
    }
    let ids = items.iter().copied().map(Gid::item).collect();
    let nodes = match session.graphql::<Data>(ITEMS, Variables { ids }).await {
        Ok(data) => data.nodes,
        // Emulated platforms often know `inventoryItem` alone, and one bad id spoils the question about all.
        Err(CallError::Rejected { .. } | CallError::Unavailable { .. }) => {
            one_by_one(session, items).await?
        }
        Err(error) => return Err(error),
    };
    let found = nodes
        .into_iter()
        .flatten()
        .filter_map(ItemNode::into_snapshot);
    Ok(Reply::Items(found.collect()))
}

/// The same, with a question for each item.
async fn one_by_one(
    session: &mut Session<'_>,
    items: &[ItemId],
) -> Result<Vec<Option<ItemNode>>, CallError> {
    let mut nodes = Vec::new();
    for item in items {
        session.pace(Meter::Graphql).await;
        let id = Gid::item(*item);
        let data: OneData = session.graphql(ITEM, OneVariable { id }).await?;
        nodes.push(data.inventory_item);
    }
    Ok(nodes)
}

impl ItemNode {
    /// `None` for a node of another type.
    fn into_snapshot(self) -> Option<ItemSnapshot> {
        let Id(item) = self.id.known()?;
        let variant = self.variant.as_ref();
        let product = variant.and_then(|variant| variant.product.as_ref());
        Some(ItemSnapshot {
            item: ItemId(item),
            variant: variant
                .and_then(|variant| variant.id.known())
                .map(|Id(id)| VariantId(id)),
            product: product
                .and_then(|product| product.id.known())
                .map(|Id(id)| ProductId(id)),
            tracked: self.tracked.known(),
            sells_when_out: variant
                .and_then(|variant| variant.inventory_policy.known())
                .and_then(Policy::sells_when_out),
            composite: variant.and_then(|variant| variant.requires_components.known()),
        })
    }
}
