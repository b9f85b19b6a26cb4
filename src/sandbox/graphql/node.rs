//! Objects and how they are shown: exactly the fields asked for, counting
//! what it costs.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    error::UserError,
    links,
    picks::Pick,
    scalars,
    schema::{self, Shape},
};
use crate::sandbox::{gate::Call, ids::LevelKey, shop::Shop};

/// An object of the graph, by its id.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Shop,
    Item(i64),
    Variant(i64),
    Product(i64),
    Level(LevelKey),
    Location(i64),
    Order(i64),
    Line { order: i64, line: i64 },
    Refund { order: i64, refund: i64 },
    RefundLine { order: i64, refund: i64, line: i64 },
    FulfilmentOrder { order: i64, part: i64 },
    FulfilmentLine { order: i64, part: i64, line: i64 },
    Subscription(i64),
    Bulk(i64),
    Made(Box<Made>),
}

/// An object made for one answer.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) type_name: &'static str,
    pub(super) scalars: Value,
    pub(super) links: Vec<(&'static str, Found)>,
}

/// What a connection is ordered by, ascending.
pub(super) type Key = (i64, i64);

/// What a field leads to.
#[derive(Debug, Clone)]
pub(super) enum Found {
    One(Option<Node>),
    Many(Vec<Option<Node>>),
    Page(Vec<(Key, Node)>),
}

impl Node {
    pub(super) fn made(
        type_name: &'static str,
        scalars: Value,
        links: Vec<(&'static str, Found)>,
    ) -> Self {
        Self::Made(Box::new(Made {
            type_name,
            scalars,
            links,
        }))
    }

    pub(super) const fn type_name(&self) -> &'static str {
        match self {
            Self::Shop => "Shop",
            Self::Item(_) => "InventoryItem",
            Self::Variant(_) => "ProductVariant",
            Self::Product(_) => "Product",
            Self::Level(_) => "InventoryLevel",
            Self::Location(_) => "Location",
            Self::Order(_) => "Order",
            Self::Line { .. } => "LineItem",
            Self::Refund { .. } => "Refund",
            Self::RefundLine { .. } => "RefundLineItem",
            Self::FulfilmentOrder { .. } => "FulfillmentOrder",
            Self::FulfilmentLine { .. } => "FulfillmentOrderLineItem",
            Self::Subscription(_) => "WebhookSubscription",
            Self::Bulk(_) => "BulkOperation",
            Self::Made(made) => made.type_name,
        }
    }
}

/// The payload of a mutation: what it made, and its user errors.
pub(super) fn payload(
    type_name: &'static str,
    scalars: Value,
    mut links: Vec<(&'static str, Found)>,
    errors: &[UserError],
) -> Node {
    let shown = errors.iter().map(|error| {
        let fields = json!({
            "code": error.code, "field": error.field, "message": error.message,
        });
        Some(Node::made("UserError", fields, Vec::new()))
    });
    links.push(("userErrors", Found::Many(shown.collect())));
    Node::made(type_name, scalars, links)
}

/// One showing of objects, with what it has cost so far.
pub(super) struct Showing<'a> {
    pub(super) shop: &'a Shop,
    pub(super) call: &'a mut Call,
    pub(super) cost: u64,
}

impl Showing<'_> {
    /// The object with the fields asked for.
    pub(super) fn object(&mut self, node: &Node, picks: &[Pick]) -> Value {
        let type_name = node.type_name();
        let scalars = scalars::of(self.shop, node);
        let mut shown = Map::new();
        for pick in picks {
            if !schema::applies(pick.on.as_deref(), type_name) {
                continue;
            }
            let value = if pick.name == "__typename" {
                json!(type_name)
            } else {
                match schema::shape(type_name, &pick.name) {
                    None | Some(Shape::Scalar) => {
                        let scalar = scalars.get(&pick.name);
                        scalar.cloned().unwrap_or(Value::Null)
                    }
                    Some(
                        Shape::Object(_) | Shape::List(_) | Shape::Connection(_) | Shape::Nodes,
                    ) => {
                        let found = links::of(self.shop, self.call, node, pick);
                        self.found(&found, pick)
                    }
                }
            };
            shown.insert(pick.key.clone(), value);
        }
        Value::Object(shown)
    }

    /// What a field leads to, shown as the field asks.
    pub(super) fn found(&mut self, found: &Found, pick: &Pick) -> Value {
        match found {
            Found::One(None) => Value::Null,
            Found::One(Some(node)) => {
                self.cost += 1;
                self.object(node, &pick.picks)
            }
            Found::Many(nodes) => self.list(nodes, pick),
            Found::Page(rows) => self.page(rows, pick),
        }
    }

    /// A list costs what its dearest element costs; `nodes` each of them.
    fn list(&mut self, nodes: &[Option<Node>], pick: &Pick) -> Value {
        let before = self.cost;
        let (mut dearest, mut all) = (0, 0);
        let shown = nodes
            .iter()
            .map(|node| {
                let Some(node) = node else {
                    return Value::Null;
                };
                self.cost = 0;
                let value = self.object(node, &pick.picks);
                dearest = dearest.max(self.cost);
                all += self.cost + 1;
                value
            })
            .collect();
        self.cost = before + if pick.name == "nodes" { all } else { dearest };
        Value::Array(shown)
    }

    fn page(&mut self, rows: &[(Key, Node)], pick: &Pick) -> Value {
        self.cost += 2;
        let (start, end) = window(rows, pick);
        let shown = rows.get(start..end).unwrap_or_default();
        self.cost += u64::try_from(shown.len()).unwrap_or(0);
        let mut body = Map::new();
        for part in &pick.picks {
            let value = match part.name.as_str() {
                "nodes" => shown
                    .iter()
                    .map(|(_, node)| self.object(node, &part.picks))
                    .collect(),
                "edges" => shown.iter().map(|row| self.edge(row, part)).collect(),
                "pageInfo" => page_info(shown, (start > 0, end < rows.len()), part),
                _ => json!(format!("{}Connection", pick.name)),
            };
            body.insert(part.key.clone(), value);
        }
        Value::Object(body)
    }

    fn edge(&mut self, (key, node): &(Key, Node), edges: &Pick) -> Value {
        let mut body = Map::new();
        for part in &edges.picks {
            let value = match part.name.as_str() {
                "node" => self.object(node, &part.picks),
                _ => json!(cursor(*key)),
            };
            body.insert(part.key.clone(), value);
        }
        Value::Object(body)
    }
}

fn page_info(shown: &[(Key, Node)], (previous, next): (bool, bool), pick: &Pick) -> Value {
    let end = |row: Option<&(Key, Node)>| row.map(|(key, _)| cursor(*key));
    let mut body = Map::new();
    for part in &pick.picks {
        let value = match part.name.as_str() {
            "hasNextPage" => json!(next),
            "hasPreviousPage" => json!(previous),
            "startCursor" => json!(end(shown.first())),
            "endCursor" => json!(end(shown.last())),
            _ => json!("PageInfo"),
        };
        body.insert(part.key.clone(), value);
    }
    Value::Object(body)
}

/// The part of the rows that `first`/`after` or `last`/`before` name.
fn window(rows: &[(Key, Node)], pick: &Pick) -> (usize, usize) {
    let after = pick.text("after").and_then(key_of);
    let before = pick.text("before").and_then(key_of);
    let from = after.map_or(0, |after| rows.partition_point(|(key, _)| *key <= after));
    let to = before.map_or(rows.len(), |before| {
        rows.partition_point(|(key, _)| *key < before)
    });
    match (pick.size("first"), pick.size("last")) {
        (Some(first), _) => (from, to.min(from.saturating_add(first)).max(from)),
        (None, Some(last)) => (to.saturating_sub(last).max(from), to.max(from)),
        (None, None) => (from, to.max(from)),
    }
}

fn cursor((first, second): Key) -> String {
    STANDARD.encode(format!("{first}:{second}"))
}

fn key_of(cursor: &str) -> Option<Key> {
    let text = String::from_utf8(STANDARD.decode(cursor).ok()?).ok()?;
    let (first, second) = text.split_once(':')?;
    Some((first.parse().ok()?, second.parse().ok()?))
}
