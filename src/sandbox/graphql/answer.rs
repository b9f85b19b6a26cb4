//! From a request body to an answer: parse, check, price, charge, carry out,
//! refund what was not used.

use serde_json::{Map, Value, json};

use super::{
    document::Document,
    error::GraphqlError,
    mutations,
    node::Showing,
    picks::{self, Pick},
    queries, schema,
};
use crate::sandbox::{
    gate::{Call, Fault, Reply},
    shop::Shop,
};

/// Dearest single query, points.
const QUERY_COST_MAX: u64 = 1_000;

/// An operation ready to be carried out.
struct Prepared {
    is_mutation: bool,
    picks: Vec<Pick>,
}

impl Prepared {
    const fn root(&self) -> &'static str {
        if self.is_mutation {
            "Mutation"
        } else {
            "QueryRoot"
        }
    }
}

fn prepare(body: &[u8]) -> Result<Prepared, GraphqlError> {
    let request: Value = serde_json::from_slice(body)
        .map_err(|_malformed| super::lexer::syntax("the body is not JSON"))?;
    let text = request.get("query").and_then(Value::as_str);
    let document = Document::parse(text.unwrap_or_default())?;
    let name = request.get("operationName").and_then(Value::as_str);
    let operation = document.operation(name.filter(|name| !name.is_empty()))?;
    let nothing = Map::new();
    let variables = request.get("variables").and_then(Value::as_object);
    Ok(Prepared {
        is_mutation: operation.is_mutation,
        picks: picks::of(&document, operation, variables.unwrap_or(&nothing))?,
    })
}

/// Whether the document changes anything.
pub(in crate::sandbox) fn is_mutation(body: &[u8]) -> bool {
    prepare(body).is_ok_and(|prepared| prepared.is_mutation)
}

/// The idempotency keys the document carries.
pub(in crate::sandbox) fn keys_of(body: &[u8]) -> Vec<String> {
    let picks = prepare(body).map(|prepared| prepared.picks);
    let picks = picks.unwrap_or_default().into_iter();
    picks.filter_map(|pick| pick.idempotency_key).collect()
}

/// Answers a GraphQL call.
pub(in crate::sandbox) fn answer(shop: &mut Shop, call: &mut Call) -> Reply {
    (call.requested, call.actual) = (0, 0);
    if call.method != "POST" {
        return Reply::errors(404, &json!("Not Found"));
    }
    let checked = prepare(&call.body.clone()).and_then(|prepared| {
        schema::check(prepared.root(), &prepared.picks)?;
        if prepared.is_mutation {
            mutations::check_inputs(call.version, &prepared.picks)?;
        }
        Ok(prepared)
    });
    let prepared = match checked {
        Ok(prepared) => prepared,
        Err(error) => return Reply::ok(json!({ "errors": [error.body()] })),
    };
    let names: Vec<&str> = prepared
        .picks
        .iter()
        .map(|pick| pick.name.as_str())
        .collect();
    call.operation = names.join(",");
    call.requested = schema::cost(prepared.root(), &prepared.picks);
    if call.requested > QUERY_COST_MAX {
        let text = format!(
            "Query cost is {}, which exceeds the single query max cost limit ({QUERY_COST_MAX}). \
             See https://shopify.dev/api/usage/rate-limits for more information.",
            call.requested
        );
        let error = GraphqlError::new("MAX_COST_EXCEEDED", text);
        return Reply::ok(json!({ "errors": [error.body()] }));
    }
    let taken = shop.graphql_bucket.take(call.wall_ns, call.requested);
    call.throttled = taken.is_err();
    if call.throttled || call.fault == Some(Fault::Throttle) {
        return throttled(shop, call);
    }
    carry_out(shop, call, &prepared)
}

fn carry_out(shop: &mut Shop, call: &mut Call, prepared: &Prepared) -> Reply {
    let mut answered = Map::new();
    let mut errors = Vec::new();
    for pick in &prepared.picks {
        let value = if pick.name == "__typename" {
            Ok(json!(prepared.root()))
        } else if prepared.is_mutation {
            mutate(shop, call, pick)
        } else {
            Ok(read(shop, call, pick))
        };
        let value = value.unwrap_or_else(|error| {
            errors.push(error.at(&pick.key).body());
            Value::Null
        });
        answered.insert(pick.key.clone(), value);
    }
    let unused = call.requested.saturating_sub(call.actual);
    shop.graphql_bucket.refund(unused);
    let mut body = Map::new();
    body.insert("data".to_owned(), Value::Object(answered));
    if !errors.is_empty() {
        body.insert("errors".to_owned(), Value::Array(errors));
    }
    let actual = json!(call.actual);
    body.insert("extensions".to_owned(), extensions(shop, call, &actual));
    Reply::ok(Value::Object(body))
}

fn read(shop: &Shop, call: &mut Call, pick: &Pick) -> Value {
    let found = queries::root(shop, pick);
    let mut showing = Showing {
        shop,
        call,
        cost: 0,
    };
    let value = showing.found(&found, pick);
    let cost = showing.cost;
    call.actual += cost;
    value
}

fn mutate(shop: &mut Shop, call: &mut Call, pick: &Pick) -> Result<Value, GraphqlError> {
    call.actual += 10;
    let payload = mutations::root(shop, call, pick)?;
    let mut showing = Showing {
        shop,
        call,
        cost: 0,
    };
    let value = showing.object(&payload, &pick.picks);
    let cost = showing.cost;
    call.actual += cost;
    Ok(value)
}

fn throttled(shop: &mut Shop, call: &mut Call) -> Reply {
    if !call.throttled {
        // An injected refusal charges nothing.
        shop.graphql_bucket.refund(call.requested);
    }
    let cost = extensions(shop, call, &Value::Null);
    Reply::ok(json!({
        "errors": [{
            "message": "Throttled",
            "extensions": {
                "code": "THROTTLED",
                "documentation": "https://shopify.dev/api/usage/rate-limits",
            },
        }],
        "extensions": cost,
    }))
}

fn extensions(shop: &mut Shop, call: &Call, actual: &Value) -> Value {
    let bucket = &mut shop.graphql_bucket;
    json!({ "cost": {
        "requestedQueryCost": call.requested,
        "actualQueryCost": actual,
        "throttleStatus": {
            "maximumAvailable": bucket.size(),
            "currentlyAvailable": bucket.free(call.wall_ns),
            "restoreRate": bucket.leak_per_s(),
        },
    }})
}
