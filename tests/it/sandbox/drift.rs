//! The drift reference against a platform that an app keeps right, or not.

use serde_json::json;
use storekeeper::sandbox::{
    CancelRequest, LevelKey, OrderRequest, ProductRequest, Products, Sandbox, SandboxOptions,
    ShopOpened, ShopRequest,
    reference::{Component, Mode, Recipe, drift},
};

use super::receiver::DOMAIN;
use crate::support::client::client;

/// What an app does: sets a level to what it computed.
async fn write(sandbox: &Sandbox, shop: &ShopOpened, item: i64, available: i64) {
    let url = format!(
        "{}/admin/api/2026-10/inventory_levels/set.json",
        sandbox.shop_url(DOMAIN)
    );
    let body = json!({
        "inventory_item_id": item, "location_id": shop.locations[0], "available": available,
    });
    let request = client().post(url).json(&body);
    let request = request.header("X-Shopify-Access-Token", &shop.access_token);
    let response = request.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
}

#[tokio::test]
async fn drift_is_what_the_app_has_not_yet_put_right() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let stocked = |available| ProductRequest {
        available: vec![available],
        ..ProductRequest::default()
    };
    let mut request = ShopRequest::new(DOMAIN);
    request.products = Products::Listed(vec![stocked(10), stocked(200), stocked(50)]);
    let shop = sandbox.open_shop(&request).unwrap();
    let [kit, razor, foam] = [0, 1, 2].map(|index: usize| shop.items[index].item);
    let component = |item, quantity| Component {
        item,
        quantity,
        optional: false,
    };
    let recipes = [Recipe {
        item: kit,
        mode: Mode::ShipTogether,
        cap: None,
        components: vec![component(razor, 2), component(foam, 1)],
        effective_from: sandbox.now().whole_seconds(),
        effective_to: None,
    }];
    let differing = || -> Vec<(i64, i64)> {
        let found = drift(&sandbox.log(DOMAIN), &sandbox.standing(DOMAIN), &recipes);
        let found = found.iter();
        found
            .map(|drift| (drift.key.item, drift.expected))
            .collect()
    };
    assert_eq!(differing(), [(kit, 50)]);
    write(&sandbox, &shop, kit, 50).await;
    assert_eq!(differing(), []);
    let order = OrderRequest::online(&[(kit, 3), (foam, 1)]);
    let order = sandbox.place_order(DOMAIN, &order).unwrap();
    assert_eq!(differing(), [(razor, 194), (foam, 46), (kit, 46)]);
    write(&sandbox, &shop, razor, 194).await;
    write(&sandbox, &shop, foam, 46).await;
    write(&sandbox, &shop, kit, 46).await;
    assert_eq!(differing(), []);
    let cancel = CancelRequest::default();
    sandbox.cancel_order(DOMAIN, order, &cancel).unwrap();
    let key = LevelKey {
        item: razor,
        location: shop.locations[0],
    };
    sandbox.edit_level(DOMAIN, key, 90).unwrap();
    // The edit took 104 from 194; the cancellation gives 6 back.
    assert_eq!(differing(), [(razor, 96), (foam, 50), (kit, 48)]);
}
