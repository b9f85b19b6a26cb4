//! The bodies sent have exactly the keys of recorded deliveries.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use storekeeper::sandbox::{
    EditRequest, LevelKey, OrderRequest, RefundLineRequest, RefundRequest, RemoveRequest,
    RestockType, SandboxOptions, ShopRequest,
};

use super::{
    bulk,
    receiver::{DEADLINE, DOMAIN, Received, shop_with},
};
use crate::support::client::client;

/// Every path of a body, `[]` for the elements of a list.
fn paths(value: &Value, prefix: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let dot = if prefix.is_empty() { "" } else { "." };
                let path = format!("{prefix}{dot}{name}");
                paths(field, &path, found);
                found.insert(path);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                paths(element, &format!("{prefix}[]"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The paths below which `other` shows nothing, because there the value is
/// null or empty: nothing can be compared below them.
fn comparable(paths: &BTreeSet<String>, other: &BTreeSet<String>) -> BTreeSet<String> {
    let below = |path: &str, parent: &str| {
        let rest = path.strip_prefix(parent);
        rest.is_some_and(|rest| rest.starts_with('.') || rest.starts_with("[]"))
    };
    let is_leaf =
        |path: &String| other.contains(path) && !other.iter().any(|known| below(known, path));
    let leaves: Vec<&String> = paths.iter().filter(|path| is_leaf(path)).collect();
    let open = |path: &&String| !leaves.iter().any(|leaf| below(path, leaf));
    paths.iter().filter(open).cloned().collect()
}

fn assert_keys(recorded: &BTreeMap<String, BTreeSet<String>>, received: &Received) {
    let wanted = &recorded[&received.topic];
    let mut sent = BTreeSet::new();
    paths(&received.body(), "", &mut sent);
    let (sent, wanted) = (comparable(&sent, wanted), comparable(wanted, &sent));
    assert_eq!(sent, wanted, "{}", received.topic);
}

#[tokio::test]
async fn bodies_have_the_keys_of_recorded_deliveries() {
    let text = include_str!("../fixtures/webhook_keys.json");
    let recorded: BTreeMap<String, BTreeSet<String>> = serde_json::from_str(text).unwrap();
    let topics: Vec<&str> = recorded.keys().map(String::as_str).collect();
    let mut request = ShopRequest::new(DOMAIN);
    request.locations = 2;
    let options = SandboxOptions::default();
    let (sandbox, shop, receiver) = shop_with(options, &request, &topics).await;
    let item = shop.items[0].item;
    let order = OrderRequest::online(&[(item, 3), (shop.items[2].item, 1)]);
    let order = sandbox.place_order(DOMAIN, &order).unwrap();
    let line = sandbox.line_ids(DOMAIN, order)[0];
    let refund = RefundRequest {
        lines: vec![RefundLineRequest {
            line,
            quantity: 1,
            restock_type: RestockType::Cancel,
            location: None,
        }],
        note: Some("Things were damaged".to_owned()),
    };
    sandbox.refund_order(DOMAIN, order, &refund).unwrap();
    let edit = EditRequest {
        add: OrderRequest::online(&[(item, 1)]).lines,
        remove: vec![RemoveRequest {
            line,
            quantity: 1,
            restock: true,
        }],
    };
    sandbox.edit_order(DOMAIN, order, &edit).unwrap();
    sandbox.import(DOMAIN, 1).unwrap();
    bulk::run_to_its_end(&sandbox, &shop.access_token, &receiver).await;
    change_over_http(&sandbox, &shop, order).await;
    sandbox.settle(DEADLINE).await.unwrap();
    let seen: BTreeSet<String> = receiver
        .all()
        .iter()
        .map(|found| found.topic.clone())
        .collect();
    assert_eq!(seen, recorded.keys().cloned().collect());
    for received in receiver.all() {
        assert_keys(&recorded, &received);
    }
}

/// Everything that has no handle in the process.
async fn change_over_http(
    sandbox: &storekeeper::sandbox::Sandbox,
    shop: &storekeeper::sandbox::ShopOpened,
    order: i64,
) {
    let key = LevelKey {
        item: shop.items[1].item,
        location: shop.locations[1],
    };
    let base = format!("{}/sandbox/shops/{DOMAIN}", sandbox.url());
    let item = format!("{base}/items/{}", key.item);
    let untracked = serde_json::json!({ "tracked": false });
    let product = format!("{base}/products/{}", shop.items[3].product);
    let level = format!(
        "{}/admin/api/2026-10/inventory_levels.json?inventory_item_id={}&location_id={}",
        sandbox.shop_url(DOMAIN),
        key.item,
        key.location
    );
    let token = &shop.access_token;
    for request in [
        client().post(item).json(&untracked),
        client().delete(product),
        client()
            .delete(level)
            .header("X-Shopify-Access-Token", token),
        client().delete(format!("{base}/orders/{order}")),
        client().post(format!("{base}/uninstall")),
    ] {
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{response:?}");
        // Whatever is told must be told before the app is gone.
        sandbox.settle(DEADLINE).await.unwrap();
    }
}
