//! A twin of the shop under attack: the same catalog under the same ids, on a platform of its own. What happens there is
//! delivered to nobody but us, and is what the attacks are made of.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use storekeeper::platform::shopify::bodies::{NEEDED_TOPICS, WANTED_TOPICS};
use storekeeper::sandbox::{
    CancelRequest, EditRequest, FulfilRequest, LevelKey, OrderRequest, RefundLineRequest,
    RefundRequest, RemoveRequest, RestockType, Sandbox, SandboxOptions, ShopOpened, ShopRequest,
};

use super::json::Node;
use crate::sandbox::receiver::Receiver;
use crate::support::client::client;

/// How long the platform may take to deliver; far more than it ever takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A delivery as it should be.
#[derive(Clone, Debug)]
pub(super) struct Original {
    pub(super) topic: &'static str,
    pub(super) body: Node,
}

/// Topics that the emulated platform never sends: what they look like.
fn documented(order: i64) -> Vec<(&'static str, Value)> {
    let reference =
        |id: i64| json!({ "id": format!("gid://shopify/FulfillmentOrder/{id}"), "status": "open" });
    let location = json!({ "id": 60_000_000_001_i64, "name": "Shop", "active": true });
    vec![
        ("locations/create", location.clone()),
        ("locations/update", location),
        ("locations/delete", json!({ "id": 60_000_000_001_i64 })),
        (
            "fulfillment_orders/order_routing_complete",
            json!({ "fulfillment_order": { "id": 1, "order_id": order } }),
        ),
        (
            "fulfillment_orders/cancelled",
            json!({ "fulfillment_order": { "id": 1, "order_id": order }, "replacement_fulfillment_order": reference(2) }),
        ),
        (
            "fulfillment_orders/split",
            json!({ "fulfillment_order": { "id": 1, "order_id": order }, "remaining_fulfillment_order": reference(2) }),
        ),
        (
            "fulfillment_orders/moved",
            json!({ "original_fulfillment_order": { "id": 1, "order_id": order }, "moved_fulfillment_order": { "id": 2, "order_id": order } }),
        ),
    ]
}

/// One delivery at least of every topic that stores subscribe to.
pub(super) async fn originals(request: &ShopRequest, kit: usize) -> (ShopOpened, Vec<Original>) {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let opened = sandbox.open_shop(request).unwrap();
    let receiver = Receiver::start();
    let topics: Vec<&str> = topics().collect();
    sandbox
        .subscribe(&request.domain, &receiver.url(), &topics)
        .unwrap();
    let order = live(&sandbox, request, &opened, kit).await;
    let mut found: Vec<Original> = Vec::new();
    for received in receiver.all() {
        let topic = topics
            .iter()
            .find(|topic| **topic == received.topic)
            .unwrap();
        let topic: &'static str = self::topics().find(|known| known == topic).unwrap();
        found.push(Original {
            topic,
            body: Node::of(&received.body()),
        });
    }
    let sent: BTreeSet<&str> = found.iter().map(|original| original.topic).collect();
    let unsent = documented(order)
        .into_iter()
        .filter(|(topic, _)| !sent.contains(topic));
    let unsent: Vec<_> = unsent
        .map(|(topic, body)| Original {
            topic,
            body: Node::of(&body),
        })
        .collect();
    found.extend(unsent);
    sandbox.stop().await;
    let covered: BTreeSet<&str> = found.iter().map(|original| original.topic).collect();
    let missing: Vec<&str> = self::topics()
        .filter(|topic| !covered.contains(topic))
        .collect();
    assert_eq!(missing, [""; 0], "no delivery to start from");
    (opened, found)
}

/// Every topic that stores subscribe to.
pub(super) fn topics() -> impl Iterator<Item = &'static str> {
    NEEDED_TOPICS.into_iter().chain(WANTED_TOPICS)
}

/// A week in the life of a shop, ended by its uninstalling the app. Returns an order of the kit.
async fn live(sandbox: &Sandbox, request: &ShopRequest, opened: &ShopOpened, kit: usize) -> i64 {
    let domain = request.domain.as_str();
    let item = |position: usize| opened.items[position].item;
    let place = |lines: &[(i64, i64)]| {
        sandbox
            .place_order(domain, &OrderRequest::online(lines))
            .unwrap()
    };
    let order = place(&[(item(kit), 3), (item(0), 2)]);
    let line = sandbox.line_ids(domain, order)[0];
    let refunded = RefundLineRequest {
        line,
        quantity: 1,
        restock_type: RestockType::Cancel,
        location: None,
    };
    let refund = RefundRequest {
        lines: vec![refunded],
        note: Some("broken".to_owned()),
    };
    sandbox.refund_order(domain, order, &refund).unwrap();
    let edit = EditRequest {
        add: OrderRequest::online(&[(item(kit), 1)]).lines,
        remove: vec![RemoveRequest {
            line,
            quantity: 1,
            restock: true,
        }],
    };
    sandbox.edit_order(domain, order, &edit).unwrap();
    let fulfilled = place(&[(item(kit), 1)]);
    sandbox
        .fulfil_order(domain, fulfilled, &FulfilRequest::default())
        .unwrap();
    let cancelled = place(&[(item(kit), 2)]);
    let cancel = CancelRequest {
        restock: true,
        ..CancelRequest::default()
    };
    sandbox.cancel_order(domain, cancelled, &cancel).unwrap();
    change_stock_and_catalog(sandbox, request, opened, fulfilled).await;
    order
}

/// What other people do, and programs of theirs; the app is uninstalled in the end.
async fn change_stock_and_catalog(
    sandbox: &Sandbox,
    request: &ShopRequest,
    opened: &ShopOpened,
    deleted: i64,
) {
    let domain = request.domain.as_str();
    let item = |position: usize| opened.items[position].item;
    let counted = LevelKey {
        item: item(0),
        location: opened.locations[0],
    };
    sandbox.edit_level(domain, counted, 77).unwrap();
    sandbox.import(domain, 1).unwrap();
    let last = opened.items.len() - 1;
    let base = format!("{}/sandbox/shops/{domain}", sandbox.url());
    for (method, path, body) in [
        (
            Method::POST,
            "/products".to_owned(),
            json!({ "title": "New" }),
        ),
        (
            Method::POST,
            format!("/items/{}", item(1)),
            json!({ "tracked": false, "continue_selling": true }),
        ),
        (
            Method::POST,
            format!("/locations/{}", opened.locations[1]),
            json!({ "active": false }),
        ),
        (
            Method::POST,
            format!("/locations/{}", opened.locations[1]),
            json!({ "active": true }),
        ),
        (
            Method::DELETE,
            format!("/products/{}", opened.items[last].product),
            json!({}),
        ),
        (Method::DELETE, format!("/orders/{deleted}"), json!({})),
    ] {
        control(
            client()
                .request(method, format!("{base}{path}"))
                .json(&body),
        )
        .await;
    }
    disconnect_and_connect(sandbox, domain, opened).await;
    // Whatever is told must be told before the app is gone.
    sandbox.settle(PATIENCE).await.unwrap();
    control(client().post(format!("{base}/uninstall"))).await;
    sandbox.settle(PATIENCE).await.unwrap();
}

/// The second item leaves its second location and comes back.
async fn disconnect_and_connect(sandbox: &Sandbox, domain: &str, opened: &ShopOpened) {
    let token = ("x-shopify-access-token", &opened.access_token);
    let api = format!(
        "{}/admin/api/2026-10/inventory_levels",
        sandbox.shop_url(domain)
    );
    let place = format!(
        "inventory_item_id={}&location_id={}",
        opened.items[1].item, opened.locations[1]
    );
    control(
        client()
            .delete(format!("{api}.json?{place}"))
            .header(token.0, token.1),
    )
    .await;
    let connect =
        json!({ "inventory_item_id": opened.items[1].item, "location_id": opened.locations[1] });
    control(
        client()
            .post(format!("{api}/connect.json"))
            .header(token.0, token.1)
            .json(&connect),
    )
    .await;
}

async fn control(request: reqwest::RequestBuilder) {
    let response = request.send().await.unwrap();
    assert!(response.status().is_success(), "{response:?}");
}
