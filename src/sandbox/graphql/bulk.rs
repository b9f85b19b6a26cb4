//! `bulkOperationRunQuery`: what a bulk query may ask, and the lines it gives.
//! The whole result is found at once; that it takes a while is played.

use serde_json::{Value, json};

use super::{
    document::Document,
    error::{GraphqlError, UserError},
    links,
    node::{Found, Node, Showing, payload},
    picks::{self, Pick},
    queries,
    schema::{self, Shape},
};
use crate::sandbox::{bulk::BulkResult, gate::Call, ids::gid, shop::Shop};

/// Most connections of one bulk query.
const CONNECTIONS_MAX: usize = 5;
/// How deep connections lie below one another.
const DEPTH_MAX: usize = 2;

pub(super) fn run(shop: &mut Shop, call: &mut Call, pick: &Pick) -> Node {
    let query = pick.text("query").unwrap_or_default();
    let made = prepare(shop, call, query).map(|result| {
        let id = shop.create_bulk(call.action, query, result, &call.base_url);
        call.bulk.push(id);
        Node::Bulk(id)
    });
    let (node, errors) = match made {
        Ok(node) => (Some(node), Vec::new()),
        Err(error) => (None, vec![error]),
    };
    let links = vec![("bulkOperation", Found::One(node))];
    payload("BulkOperationRunQueryPayload", json!({}), links, &errors)
}

fn prepare(shop: &Shop, call: &mut Call, query: &str) -> Result<BulkResult, UserError> {
    let invalid = |text: String| UserError::new("INVALID", &["query"], text);
    let picks = parse(query).map_err(|error| invalid(error.message))?;
    check(&picks).map_err(invalid)?;
    if let Some(running) = shop.bulk_in_the_way(call.version) {
        let names: Vec<String> = running.iter().map(|id| gid("BulkOperation", *id)).collect();
        let text = format!(
            "A bulk query operation for this app and shop is already in progress: {}",
            names.join(", ")
        );
        return Err(UserError {
            field: Value::Null,
            ..UserError::new("OPERATION_IN_PROGRESS", &[], text)
        });
    }
    let mut lines = Lines::default();
    for pick in &picks {
        let found = queries::root(shop, pick);
        let mut showing = Showing {
            shop,
            call: &mut *call,
            cost: 0,
        };
        lines.connection(&mut showing, &found, pick, None);
    }
    Ok(BulkResult {
        lines: lines.text,
        objects: lines.objects,
        roots: lines.roots,
    })
}

fn parse(query: &str) -> Result<Vec<Pick>, GraphqlError> {
    let document = Document::parse(query)?;
    let operation = document.operation(None)?;
    if operation.is_mutation {
        let text = "Bulk queries must be queries";
        return Err(GraphqlError::new("INVALID", text));
    }
    picks::of(&document, operation, &serde_json::Map::new())
}

fn is_connection(parent: &str, pick: &Pick) -> bool {
    matches!(
        schema::shape(parent, &pick.name),
        Some(Shape::Connection(_))
    )
}

/// Checks the platform's rules of bulk queries, then the schema's.
fn check(picks: &[Pick]) -> Result<(), String> {
    if picks.iter().any(|pick| pick.name == "node") {
        return Err("Bulk queries cannot contain a top level `node` field.".to_owned());
    }
    if !picks.iter().any(|pick| is_connection("QueryRoot", pick)) {
        return Err("Bulk queries must contain at least one connection.".to_owned());
    }
    let mut connections = 0;
    for pick in picks {
        match schema::shape("QueryRoot", &pick.name) {
            Some(Shape::Connection(inner)) => check_connection(inner, pick, 0, &mut connections)?,
            Some(Shape::Scalar | Shape::Object(_) | Shape::List(_) | Shape::Nodes) | None => {
                return Err(format!(
                    "Field '{}' is not emulated at the top of a bulk query",
                    pick.name
                ));
            }
        }
    }
    if connections > CONNECTIONS_MAX {
        return Err(format!(
            "Bulk queries cannot contain more than {CONNECTIONS_MAX} connections."
        ));
    }
    Ok(())
}

fn check_connection(
    inner: &str,
    pick: &Pick,
    depth: usize,
    connections: &mut usize,
) -> Result<(), String> {
    *connections += 1;
    if depth > DEPTH_MAX {
        return Err(format!(
            "Bulk queries cannot contain connections with a nesting depth greater than {DEPTH_MAX}."
        ));
    }
    if pick.picks.iter().any(|part| part.name != "edges") {
        return Err(format!(
            "Connection '{}' must be asked for as edges {{ node }}",
            pick.name
        ));
    }
    for fields in schema::node_picks(pick) {
        let (nested, plain) = split(inner, fields);
        let shows_id = plain
            .iter()
            .any(|field| field.name == "id" && field.key == "id");
        if !nested.is_empty() && !shows_id {
            return Err(format!(
                "The parent 'node' field for a nested connection must select the 'id' field \
                 without an alias. Connection fields without 'id': {}.",
                pick.name
            ));
        }
        for field in nested {
            if let Some(Shape::Connection(below)) = schema::shape(inner, &field.name) {
                check_connection(below, field, depth + 1, connections)?;
            }
        }
        check_plain(inner, &plain)?;
    }
    Ok(())
}

fn check_plain(inner: &str, plain: &[Pick]) -> Result<(), String> {
    schema::check(inner, plain).map_err(|error| error.message)?;
    if plain.iter().any(|field| hides_connection(inner, field)) {
        return Err("A connection within an object or a list of a node is not emulated".to_owned());
    }
    Ok(())
}

fn hides_connection(parent: &str, field: &Pick) -> bool {
    match schema::shape(parent, &field.name) {
        Some(Shape::Connection(_) | Shape::Nodes) => true,
        Some(Shape::Object(inner) | Shape::List(inner)) => {
            let mut fields = field.picks.iter();
            fields.any(|below| hides_connection(inner, below))
        }
        Some(Shape::Scalar) | None => false,
    }
}

/// A node's connections, each of them lines of its own, and its other fields.
fn split<'p>(type_name: &str, fields: &'p [Pick]) -> (Vec<&'p Pick>, Vec<Pick>) {
    let (nested, plain): (Vec<&Pick>, Vec<&Pick>) = fields
        .iter()
        .partition(|field| is_connection(type_name, field));
    (nested, plain.into_iter().cloned().collect())
}

#[derive(Default)]
struct Lines {
    text: String,
    objects: usize,
    roots: usize,
}

impl Lines {
    /// A line for each node of a connection, and after it those below it.
    fn connection(
        &mut self,
        showing: &mut Showing<'_>,
        found: &Found,
        pick: &Pick,
        parent: Option<&Value>,
    ) {
        let Found::Page(rows) = found else {
            return;
        };
        for (_, node) in rows {
            for fields in schema::node_picks(pick) {
                self.node(showing, node, fields, parent);
            }
        }
    }

    fn node(
        &mut self,
        showing: &mut Showing<'_>,
        node: &Node,
        fields: &[Pick],
        parent: Option<&Value>,
    ) {
        let (nested, plain) = split(node.type_name(), fields);
        let mut line = showing.object(node, &plain);
        let id = line.get("id").cloned();
        match (&mut line, parent) {
            (Value::Object(shown), Some(parent)) => {
                shown.insert("__parentId".to_owned(), parent.clone());
            }
            (_, Some(_)) => {}
            (_, None) => self.roots += 1,
        }
        self.text.push_str(&line.to_string());
        self.text.push('\n');
        self.objects += 1;
        for field in nested {
            let found = links::of(showing.shop, showing.call, node, field);
            self.connection(showing, &found, field, id.as_ref());
        }
    }
}
