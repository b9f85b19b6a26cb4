//! Orders, refunds and fulfilments posted through the REST Admin API.

use serde_json::{Value, json};
use storekeeper::sandbox::{Sandbox, SandboxOptions, ShopOpened, ShopRequest};

use super::receiver::DOMAIN;
use crate::support::client::client;

struct Door {
    sandbox: Sandbox,
    shop: ShopOpened,
}

impl Door {
    async fn open() -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let mut request = ShopRequest::new(DOMAIN);
        request.locations = 2;
        let shop = sandbox.open_shop(&request).unwrap();
        Self { sandbox, shop }
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let base = self.sandbox.shop_url(DOMAIN);
        let request = client()
            .post(format!("{base}/admin/api/2026-10/{path}"))
            .header("X-Shopify-Access-Token", &self.shop.access_token)
            .json(&body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let base = self.sandbox.shop_url(DOMAIN);
        let request = client()
            .get(format!("{base}/admin/api/2026-10/{path}"))
            .header("X-Shopify-Access-Token", &self.shop.access_token);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// An order of so many of the first variant and of the second.
    async fn order(&self, first: i64, second: i64) -> Value {
        let line = |index: usize, quantity: i64| json!({ "variant_id": self.shop.items[index].variant, "quantity": quantity });
        let order = json!({ "order": {
            "line_items": [line(0, first), line(1, second)],
            "inventory_behaviour": "decrement_ignoring_policy",
            "email": "jane@example.com",
        }});
        let (status, body) = self.post("orders.json", order).await;
        assert_eq!(status, 201, "{body}");
        body["order"].clone()
    }

    /// `(available, on hand)` of an item, over all locations.
    fn stock(&self, index: usize) -> (i64, i64) {
        let levels = self.sandbox.levels(DOMAIN);
        let own = levels
            .iter()
            .filter(|(key, _)| key.item == self.shop.items[index].item);
        own.fold((0, 0), |sum, (_, level)| {
            (sum.0 + level.available, sum.1 + level.on_hand())
        })
    }
}

#[tokio::test]
async fn an_order_takes_stock_and_its_refund_gives_it_back() {
    let door = Door::open().await;
    let before = door.stock(0);
    let order = door.order(3, 1).await;
    assert_eq!(order["financial_status"], "paid");
    assert_eq!(door.stock(0), (before.0 - 3, before.1));
    let line = &order["line_items"][0]["id"];
    let refund = json!({ "refund": { "note": "wrong size", "refund_line_items": [
        { "line_item_id": line, "quantity": 2, "restock_type": "cancel" },
        { "line_item_id": line, "quantity": 1 },
    ]}});
    let path = format!("orders/{}/refunds.json", order["id"]);
    let (status, made) = door.post(&path, refund.clone()).await;
    assert_eq!(status, 201, "{made}");
    let lines = &made["refund"]["refund_line_items"];
    assert_eq!(lines[0]["restock_type"], "cancel");
    assert_eq!(lines[1]["restock_type"], "no_restock");
    assert_eq!(made["refund"]["note"], "wrong size");
    assert_eq!(door.stock(0).0, before.0 - 1);
    let (status, again) = door.post(&path, refund).await;
    assert_eq!(status, 422);
    let text = "Quantity cannot refund more items than were purchased";
    assert_eq!(again["errors"], json!([text]));
}

#[tokio::test]
async fn a_fulfilment_order_is_sent_in_part_and_then_whole() {
    let door = Door::open().await;
    let before = door.stock(0);
    let order = door.order(3, 2).await;
    let waiting = door
        .get(&format!("orders/{}/fulfillment_orders.json", order["id"]))
        .await;
    let part = waiting["fulfillment_orders"][0].clone();
    let named = json!({
        "fulfillment_order_id": part["id"],
        "fulfillment_order_line_items": [{ "id": part["line_items"][0]["id"], "quantity": 1 }],
    });
    let parcel =
        |rows: Value| json!({ "fulfillment": { "line_items_by_fulfillment_order": rows } });
    let first = door.post("fulfillments.json", parcel(json!([named]))).await;
    assert_eq!(first.0, 201, "{}", first.1);
    assert_eq!(first.1["fulfillment"]["line_items"][0]["quantity"], 1);
    assert_eq!(door.stock(0).1, before.1 - 1);
    let all = json!([{ "fulfillment_order_id": part["id"] }]);
    let rest = door.post("fulfillments.json", parcel(all.clone())).await;
    assert_eq!(rest.0, 201, "{}", rest.1);
    let sent = rest.1["fulfillment"]["line_items"].as_array().unwrap();
    let units: Vec<i64> = sent
        .iter()
        .map(|line| line["quantity"].as_i64().unwrap())
        .collect();
    assert_eq!(units, [2, 2], "one parcel holds both lines");
    let shown = door.get(&format!("orders/{}.json", order["id"])).await;
    assert_eq!(shown["order"]["fulfillment_status"], "fulfilled");
    assert_eq!(door.stock(0), (before.0 - 3, before.1 - 3));
    let closed = door.post("fulfillments.json", parcel(all)).await;
    assert_eq!(closed.0, 422);
}

#[tokio::test]
async fn what_is_not_emulated_or_unknown_is_refused() {
    let door = Door::open().await;
    let variant = door.shop.items[0].variant;
    let order = |variant: i64, extra: Value| {
        let mut order = json!({ "line_items": [{ "variant_id": variant, "quantity": 1 }] });
        order
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        json!({ "order": order })
    };
    let decrement = json!({ "inventory_behaviour": "decrement_obeying_policy" });
    let huge = json!({
        "inventory_behaviour": "decrement_obeying_policy",
        "line_items": [{ "variant_id": variant, "quantity": 1_000_000 }],
    });
    for (path, body, status) in [
        ("orders.json", json!({}), 400),
        (
            "orders.json",
            order(variant, json!({ "inventory_behaviour": "bypass" })),
            422,
        ),
        ("orders.json", order(1, decrement), 422),
        ("orders.json", order(variant, huge), 422),
        (
            "orders/1/refunds.json",
            json!({ "refund": { "refund_line_items": [] } }),
            404,
        ),
        ("fulfillments.json", json!({ "fulfillment": {} }), 422),
    ] {
        let (got, answer) = door.post(path, body).await;
        assert_eq!(got, status, "{path}: {answer}");
        assert!(answer.get("errors").is_some(), "{answer}");
    }
}
