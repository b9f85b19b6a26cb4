//! Selling, refunding, cancelling and editing.

use storekeeper::sandbox::{EditRequest, LineRequest, RemoveRequest, RestockType};

use super::kit::Kit;
use super::shop::Shop;
use crate::support::database::{TestDb, on_both_databases};

on_both_databases!(
    a_bundle_and_its_components_are_sold,
    a_refund_gives_back_what_it_says,
    a_cancellation_gives_back_once,
    an_order_edit_adds_and_removes_bundles,
    negative_stock_offers_nothing,
);

/// Items: two components, a kit of two of the first and one of the second.
async fn kit_shop(database: TestDb) -> (Shop, i64) {
    let mut shop = Shop::with_stock(&[100, 30, 0]).open(database).await;
    let kit = Kit::of(shop.item(2), &[(shop.item(0), 2), (shop.item(1), 1)]);
    shop.define(&kit).await;
    shop.comes_right().await;
    assert_eq!(shop.level(kit.item()), 30);
    (shop, kit.item())
}

async fn a_bundle_and_its_components_are_sold(database: TestDb) {
    let (shop, kit) = kit_shop(database).await;
    shop.sell(&[(kit, 3)]);
    shop.comes_right().await;
    assert_eq!(
        [shop.level(shop.item(0)), shop.level(shop.item(1))],
        [94, 27]
    );
    assert_eq!(shop.level(kit), 27);

    shop.sell(&[(shop.item(0), 90)]);
    shop.comes_right().await;
    assert_eq!(shop.level(shop.item(0)), 4);
    assert_eq!(shop.level(kit), 2);

    shop.sell(&[(kit, 1), (shop.item(1), 2), (kit, 1)]);
    shop.comes_right().await;
    assert_eq!(
        [shop.level(shop.item(0)), shop.level(shop.item(1))],
        [0, 23]
    );
    assert_eq!(shop.level(kit), 0);
}

async fn a_refund_gives_back_what_it_says(database: TestDb) {
    let (shop, kit) = kit_shop(database).await;
    let order = shop.sell(&[(kit, 5)]);
    shop.comes_right().await;
    assert_eq!(shop.level(kit), 25);

    shop.refund(order, 1, RestockType::NoRestock);
    shop.comes_right().await;
    assert_eq!(shop.level(kit), 25, "nothing came back");

    shop.refund(order, 1, RestockType::Cancel);
    shop.comes_right().await;
    assert_eq!(shop.level(kit), 26);

    shop.fulfil(order);
    shop.refund(order, 2, RestockType::Return);
    shop.comes_right().await;
    assert_eq!(shop.level(kit), 28);
    assert_eq!(
        [shop.level(shop.item(0)), shop.level(shop.item(1))],
        [96, 28]
    );
}

async fn a_cancellation_gives_back_once(database: TestDb) {
    let (shop, kit) = kit_shop(database).await;
    let order = shop.sell(&[(kit, 4)]);
    shop.comes_right().await;
    shop.cancel(order, true);
    shop.comes_right().await;
    assert_eq!(shop.level(kit), 30);
    // The platform tells of it by three topics; told again, it is the same cancellation.
    shop.control(
        reqwest::Method::POST,
        "/replay",
        &serde_json::json!({ "last": 20 }),
    )
    .await;
    shop.comes_right().await;
    assert_eq!(
        [shop.level(shop.item(0)), shop.level(shop.item(1))],
        [100, 30]
    );

    let kept = shop.sell(&[(kit, 4)]);
    shop.comes_right().await;
    shop.cancel(kept, false);
    shop.comes_right().await;
    assert_eq!(
        [shop.level(shop.item(0)), shop.level(shop.item(1))],
        [92, 26]
    );
    assert_eq!(shop.level(kit), 26, "the goods stay away");
}

async fn an_order_edit_adds_and_removes_bundles(database: TestDb) {
    let (shop, kit) = kit_shop(database).await;
    let order = shop.sell(&[(shop.item(1), 1), (kit, 2)]);
    shop.comes_right().await;
    assert_eq!(shop.level(kit), 27);

    let add = LineRequest {
        item: kit,
        quantity: 3,
    };
    shop.edit_order(
        order,
        &EditRequest {
            add: vec![add],
            remove: Vec::new(),
        },
    );
    shop.comes_right().await;
    assert_eq!(shop.level(kit), 24);

    let remove = |position, quantity, restock| RemoveRequest {
        line: shop.line(order, position),
        quantity,
        restock,
    };
    let remove = vec![remove(1, 2, true), remove(2, 1, false)];
    shop.edit_order(
        order,
        &EditRequest {
            add: Vec::new(),
            remove,
        },
    );
    shop.comes_right().await;
    assert_eq!(shop.level(kit), 26, "two came back, one did not");
}

async fn negative_stock_offers_nothing(database: TestDb) {
    let (shop, kit) = kit_shop(database).await;
    shop.sell(&[(kit, 33)]);
    shop.comes_right().await;
    assert_eq!(
        [shop.level(shop.item(0)), shop.level(shop.item(1))],
        [34, -3]
    );
    assert_eq!(shop.level(kit), 0);
    shop.count(shop.item(1), 5);
    shop.comes_right().await;
    assert_eq!(shop.level(kit), 5);
}
