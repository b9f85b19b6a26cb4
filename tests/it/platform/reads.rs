//! Reads: their questions, their pages, and their pace.

use serde_json::{Value, json};
use storekeeper::clock::Timestamp;
use storekeeper::domain::call::{CallError, Meter, Read, Reply, Request};
use storekeeper::domain::fact::{
    Assignment, Assignments, ItemSnapshot, LevelSnapshot, LocationSnapshot,
};
use storekeeper::ids::{ItemId, LineId, LocationId, OrderId, ProductId, VariantId};
use storekeeper::platform::shopify::bodies::{NEEDED_TOPICS, WANTED_TOPICS};

use super::fake::{CALLBACK, Fake, Step, ok, reply, with_header};

const STAMP: &str = "2026-01-09T19:36:10-05:00";

fn next_link(step: Step, cursor: &str) -> Step {
    let link =
        format!("<https://elsewhere.example/x.json?limit=250&page_info={cursor}>; rel=\"next\"");
    with_header(
        with_header(step, "Link", link),
        "X-Shopify-Shop-Api-Call-Limit",
        "5/40",
    )
}

fn level(item: i64, available: &Value) -> Value {
    json!({"inventory_item_id": item, "location_id": 3, "available": available, "updated_at": STAMP})
}

fn order(id: i64) -> Value {
    json!({"id": id, "created_at": STAMP, "updated_at": STAMP, "line_items": [], "refunds": []})
}

#[tokio::test]
async fn levels_are_read_from_all_pages_no_faster_than_tokens_restore() {
    let first = ok(json!({"inventory_levels": [level(1, &json!(-5)), level(2, &Value::Null)]}));
    let fake = Fake::start(vec![
        next_link(first, "abc"),
        ok(json!({"inventory_levels": [level(1, &json!(7))]})),
    ])
    .await;
    let (answer, waited_ms) = fake
        .send_paced(Request::Read(Read::Levels(vec![ItemId(1), ItemId(2)])))
        .await;
    let updated_at = Timestamp::parse_rfc3339(STAMP).unwrap();
    let snapshot = |item, available| LevelSnapshot {
        item: ItemId(item),
        location: LocationId(3),
        available,
        updated_at,
    };
    let levels = vec![
        snapshot(1, Some(-5)),
        snapshot(2, None),
        snapshot(1, Some(7)),
    ];
    assert_eq!(answer.result, Ok(Reply::Levels(levels)));
    assert_eq!(
        answer.rate.map(|rate| (rate.meter, rate.used, rate.size)),
        Some((Meter::Rest, 5, 40))
    );
    assert_eq!(waited_ms, 500);
    let seen = fake.seen();
    assert_eq!(seen[0].path, "/admin/api/2026-10/inventory_levels.json");
    assert_eq!(
        (
            seen[0].query["inventory_item_ids"].as_str(),
            seen[0].query["limit"].as_str()
        ),
        ("1,2", "250")
    );
    assert_eq!(
        (seen[1].query["page_info"].as_str(), seen[1].query.len()),
        ("abc", 2)
    );
}

#[tokio::test]
async fn levels_without_end_are_given_up() {
    let pages = (0..60).map(|_| next_link(ok(json!({"inventory_levels": []})), "more"));
    let fake = Fake::start(pages.collect()).await;
    let (answer, _) = fake
        .send_paced(Request::Read(Read::Levels(vec![ItemId(1)])))
        .await;
    assert!(matches!(answer.result, Err(CallError::Rejected { .. })));
    assert_eq!(fake.seen().len(), 40);
}

#[tokio::test]
async fn a_level_that_makes_no_sense_is_not_taken_for_none() {
    let fake = Fake::start(vec![ok(
        json!({"inventory_levels": [level(1, &json!(1.5))]}),
    )])
    .await;
    let answer = fake
        .send(Request::Read(Read::Levels(vec![ItemId(1)])))
        .await;
    assert!(matches!(answer.result, Err(CallError::Unavailable { .. })));
}

#[tokio::test]
async fn one_order_is_read_whole_or_is_not_there() {
    let fake = Fake::start(vec![
        ok(json!({"order": order(8)})),
        reply(404, "{\"errors\":\"Not Found\"}"),
    ])
    .await;
    let Ok(Reply::Order(Some(found))) = fake
        .send(Request::Read(Read::Order(OrderId(8))))
        .await
        .result
    else {
        panic!("no order")
    };
    assert_eq!(found.order, OrderId(8));
    assert_eq!(
        fake.send(Request::Read(Read::Order(OrderId(9))))
            .await
            .result,
        Ok(Reply::Order(None))
    );
    assert_eq!(fake.seen()[1].path, "/admin/api/2026-10/orders/9.json");
}

#[tokio::test]
async fn orders_come_page_by_page_and_one_bad_one_does_not_hide_the_rest() {
    let bad = json!({"id": 2, "created_at": STAMP, "updated_at": "yesterday", "line_items": []});
    let first = ok(json!({"orders": [order(1), bad, order(3)]}));
    let fake = Fake::start(vec![next_link(first, "c%2B1"), ok(json!({"orders": []}))]).await;
    let since = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
    let question = |page| Request::Read(Read::OrdersSince { since, page });
    let Ok(Reply::OrdersPage { orders, next }) = fake.send(question(None)).await.result else {
        panic!("no page")
    };
    assert_eq!(
        orders.iter().map(|order| order.order).collect::<Vec<_>>(),
        [OrderId(1), OrderId(3)]
    );
    assert_eq!(next.as_deref(), Some("c+1"));
    let last = fake.send(question(next)).await.result;
    assert_eq!(
        last,
        Ok(Reply::OrdersPage {
            orders: Vec::new(),
            next: None
        })
    );
    let seen = fake.seen();
    let asked = |name: &str| seen[0].query[name].clone();
    assert_eq!(
        (asked("status"), asked("updated_at_min"), asked("since_id")),
        (
            "any".to_owned(),
            "2026-01-01T00:00:00.000Z".to_owned(),
            "0".to_owned()
        )
    );
    let mut names: Vec<_> = seen[1].query.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        (names, seen[1].query["page_info"].as_str()),
        (vec!["fields", "limit", "page_info"], "c+1")
    );
}

#[tokio::test]
async fn locations_are_read() {
    let fake = Fake::start(vec![ok(
        json!({"locations": [{"id": 1, "active": true}, {"id": 2, "active": false}]}),
    )])
    .await;
    let answer = fake.send(Request::Read(Read::Locations)).await;
    let at = |location, active| LocationSnapshot {
        location: LocationId(location),
        active,
    };
    assert_eq!(
        answer.result,
        Ok(Reply::Locations(vec![at(1, true), at(2, false)]))
    );
}

#[tokio::test]
async fn items_are_read_with_what_only_their_variants_know() {
    let node = json!({"id": "gid://shopify/InventoryItem/271878346596884015", "tracked": true,
        "variant": {"id": "gid://shopify/ProductVariant/5", "inventoryPolicy": "CONTINUE",
            "requiresComponents": true, "product": {"id": "gid://shopify/Product/6"}}});
    let bare = json!({"id": "gid://shopify/InventoryItem/8", "tracked": false, "variant": null});
    let fake = Fake::start(vec![ok(json!({"data": {"nodes": [node, null, {}, bare]}}))]).await;
    let asked = [271_878_346_596_884_015, 7, 4, 8].map(ItemId).to_vec();
    let answer = fake.send(Request::Read(Read::Items(asked))).await;
    let whole = ItemSnapshot {
        item: ItemId(271_878_346_596_884_015),
        variant: Some(VariantId(5)),
        product: Some(ProductId(6)),
        tracked: Some(true),
        sells_when_out: Some(true),
        composite: Some(true),
    };
    let bare = ItemSnapshot {
        item: ItemId(8),
        variant: None,
        product: None,
        tracked: Some(false),
        sells_when_out: None,
        composite: None,
    };
    assert_eq!(answer.result, Ok(Reply::Items(vec![whole, bare])));
    assert_eq!(
        fake.seen()[0].body["variables"]["ids"][3],
        "gid://shopify/InventoryItem/8"
    );
}

fn fulfillment_order(
    status: &str,
    location: i64,
    lines: &[(i64, i64, i64)],
    more: Option<&str>,
) -> Value {
    let nodes: Vec<Value> = lines
        .iter()
        .map(|(line, total, remaining)| {
            json!({"totalQuantity": total, "remainingQuantity": remaining,
                "lineItem": {"id": format!("gid://shopify/LineItem/{line}")}})
        })
        .collect();
    json!({"id": "gid://shopify/FulfillmentOrder/1", "status": status,
        "assignedLocation": {"location": {"id": format!("gid://shopify/Location/{location}")}},
        "lineItems": {"nodes": nodes, "pageInfo": {"hasNextPage": more.is_some(), "endCursor": more}}})
}

fn fulfillment_orders(nodes: &[Value], more: Option<&str>) -> Step {
    let page =
        json!({"nodes": nodes, "pageInfo": {"hasNextPage": more.is_some(), "endCursor": more}});
    ok(json!({"data": {"order": {"fulfillmentOrders": page}}}))
}

#[tokio::test]
async fn assignments_are_summed_over_fulfillment_orders_and_pages() {
    let closed = fulfillment_order("CLOSED", 1, &[(11, 2, 0)], None);
    let cancelled = fulfillment_order("CANCELLED", 2, &[(11, 3, 0), (12, 5, 1)], None);
    let long = fulfillment_order("OPEN", 1, &[(11, 1, 1)], Some("lines"));
    let rest = fulfillment_order("OPEN", 1, &[(13, 4, 4)], None);
    let homeless = json!({"id": "gid://shopify/FulfillmentOrder/9", "status": "OPEN",
        "assignedLocation": {"location": null}, "lineItems": {"nodes": [], "pageInfo": null}});
    let fake = Fake::start(vec![
        fulfillment_orders(&[closed, cancelled, long], Some("orders")),
        ok(json!({"data": {"fulfillmentOrder": rest}})),
        fulfillment_orders(&[homeless], None),
    ])
    .await;
    let (answer, waited_ms) = fake
        .send_paced(Request::Read(Read::Assignments(OrderId(77))))
        .await;
    let assign = |line, location, quantity| Assignment {
        line: LineId(line),
        location: LocationId(location),
        quantity,
    };
    assert_eq!(
        answer.result,
        Ok(Reply::Assignments(Assignments {
            current: vec![assign(11, 1, 3), assign(12, 2, 1), assign(13, 1, 4)],
            former: vec![assign(12, 2, 5), assign(11, 2, 3)],
        }))
    );
    // Nothing told what the pages cost, so each is taken to have cost a second.
    assert_eq!(waited_ms, 2000);
    let variables: Vec<Value> = fake
        .seen()
        .iter()
        .map(|seen| seen.body["variables"].clone())
        .collect();
    assert_eq!(
        variables[0],
        json!({"order": "gid://shopify/Order/77", "after": null})
    );
    assert_eq!(
        variables[1],
        json!({"fulfillmentOrder": "gid://shopify/FulfillmentOrder/1", "after": "lines"})
    );
    assert_eq!(variables[2]["after"], "orders");
}

#[tokio::test]
async fn subscriptions_that_lack_are_created() {
    let elsewhere = json!({"id": "a", "topic": "ORDERS_CREATE", "uri": "https://app.example/old"});
    let here = json!({"id": "b", "topic": "ORDERS_UPDATED", "uri": CALLBACK});
    let mut script = vec![ok(
        json!({"data": {"webhookSubscriptions": {"nodes": [elsewhere, here],
        "pageInfo": {"hasNextPage": false, "endCursor": null}}}}),
    )];
    let created =
        |errors: Value| ok(json!({"data": {"webhookSubscriptionCreate": {"userErrors": errors}}}));
    script.push(created(
        json!([{"field": null, "message": "Address for this topic has already been taken"}]),
    ));
    let topics = NEEDED_TOPICS.len() + WANTED_TOPICS.len();
    script.extend((2..topics).map(|_| created(json!([]))));
    let fake = Fake::start(script).await;
    let (answer, _) = fake.send_paced(Request::Read(Read::Subscriptions)).await;
    let lacking = u32::try_from(topics - 1).unwrap();
    assert_eq!(answer.result, Ok(Reply::Subscriptions { created: lacking }));
    let seen = fake.seen();
    let variables = json!({"topic": "ORDERS_CREATE", "webhookSubscription": {"uri": CALLBACK, "format": "JSON"}});
    assert_eq!(seen[1].body["variables"], variables);
    assert!(
        seen.iter()
            .all(|seen| seen.body["variables"]["topic"] != "ORDERS_UPDATED")
    );
}

/// A list without subscriptions, then `refusal` for one topic and success for all others.
fn refusing(refused: &str) -> Vec<Step> {
    let topics = NEEDED_TOPICS.iter().chain(&WANTED_TOPICS);
    let list = json!({"data": {"webhookSubscriptions": {"nodes": [], "pageInfo": null}}});
    let created = topics.map(|topic| {
        let refusal = json!([{"field": ["topic"], "message": "Topic is not allowed"}]);
        let errors = if *topic == refused {
            refusal
        } else {
            json!([])
        };
        json!({"data": {"webhookSubscriptionCreate": {"userErrors": errors}}})
    });
    std::iter::once(list).chain(created).map(ok).collect()
}

#[tokio::test]
async fn a_topic_that_is_refused_keeps_no_other_from_being_created() {
    let fake = Fake::start(refusing("orders/create")).await;
    let (answer, _) = fake.send_paced(Request::Read(Read::Subscriptions)).await;
    assert!(matches!(answer.result, Err(CallError::Rejected { .. })));
    assert_eq!(
        fake.seen().len(),
        1 + NEEDED_TOPICS.len() + WANTED_TOPICS.len()
    );
}

#[tokio::test]
async fn a_topic_that_is_only_wanted_may_be_refused() {
    let fake = Fake::start(refusing(WANTED_TOPICS[0])).await;
    let (answer, _) = fake.send_paced(Request::Read(Read::Subscriptions)).await;
    let created = u32::try_from(NEEDED_TOPICS.len() + WANTED_TOPICS.len() - 1).unwrap();
    assert_eq!(answer.result, Ok(Reply::Subscriptions { created }));
}
