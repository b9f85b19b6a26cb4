//! Components and bundles of every kind the platform knows.

use reqwest::Method;
use serde_json::json;
use storekeeper::sandbox::ProductRequest;

use super::kit::Kit;
use super::shop::Shop;
use crate::support::database::{TestDb, on_both_databases};

on_both_databases!(
    untracked_and_continued_components_do_not_limit,
    a_component_that_changes_its_kind_limits_or_not,
    a_cap_is_never_exceeded,
    an_optional_component_is_taken_but_never_limits,
    a_native_bundle_is_refused,
    an_unknown_item_is_refused,
);

async fn untracked_and_continued_components_do_not_limit(database: TestDb) {
    let opening = Shop::with_stock(&[50, 0])
        .product(ProductRequest {
            untracked: true,
            ..ProductRequest::default()
        })
        .product(ProductRequest {
            available: vec![1],
            continue_selling: true,
            ..ProductRequest::default()
        });
    let mut shop = opening.open(database).await;
    let components = [(shop.item(0), 1), (shop.item(2), 3), (shop.item(3), 2)];
    let kit = Kit::of(shop.item(1), &components);
    shop.define(&kit).await;
    shop.comes_right().await;
    assert_eq!(shop.level(kit.item()), 50);
    shop.sell(&[(kit.item(), 4)]);
    shop.comes_right().await;
    assert_eq!(shop.level(kit.item()), 46);
    assert_eq!(shop.level(shop.item(3)), -7, "sold on, below nothing");
}

async fn a_component_that_changes_its_kind_limits_or_not(database: TestDb) {
    let mut shop = Shop::with_stock(&[50, 8, 0]).open(database).await;
    let kit = Kit::of(shop.item(2), &[(shop.item(0), 1), (shop.item(1), 1)]);
    shop.define(&kit).await;
    shop.comes_right().await;
    assert_eq!(shop.level(kit.item()), 8);
    let path = format!("/items/{}", shop.item(1));
    shop.control(Method::POST, &path, &json!({ "continue_selling": true }))
        .await;
    shop.comes_right().await;
    assert_eq!(shop.level(kit.item()), 50);
    shop.control(Method::POST, &path, &json!({ "continue_selling": false }))
        .await;
    shop.comes_right().await;
    assert_eq!(shop.level(kit.item()), 8);
    shop.control(Method::POST, &path, &json!({ "tracked": false }))
        .await;
    shop.comes_right().await;
    assert_eq!(shop.level(kit.item()), 50);
}

async fn a_cap_is_never_exceeded(database: TestDb) {
    let mut shop = Shop::with_stock(&[50, 0]).open(database).await;
    let kit = Kit::of(shop.item(1), &[(shop.item(0), 2)]).cap(6);
    shop.define(&kit).await;
    shop.comes_right().await;
    assert_eq!(shop.level(kit.item()), 6);
    shop.sell(&[(kit.item(), 2)]);
    shop.comes_right().await;
    assert_eq!(shop.level(kit.item()), 6, "23 could be made");
    shop.sell(&[(kit.item(), 20)]);
    shop.comes_right().await;
    assert_eq!(shop.level(kit.item()), 3);
}

async fn an_optional_component_is_taken_but_never_limits(database: TestDb) {
    let mut shop = Shop::with_stock(&[50, 3, 0]).open(database).await;
    let kit = Kit::of(shop.item(2), &[(shop.item(0), 1)]).optional(shop.item(1), 1);
    shop.define(&kit).await;
    shop.comes_right().await;
    assert_eq!(shop.level(kit.item()), 50);
    shop.sell(&[(kit.item(), 5)]);
    shop.comes_right().await;
    assert_eq!(shop.level(kit.item()), 45);
    assert_eq!(shop.level(shop.item(1)), -2);
}

async fn a_native_bundle_is_refused(database: TestDb) {
    let opening = Shop::with_stock(&[50]).product(ProductRequest {
        available: vec![0],
        native_bundle: true,
        ..ProductRequest::default()
    });
    let shop = opening.open(database).await;
    let kit = Kit::of(shop.item(1), &[(shop.item(0), 1)]);
    let refused = shop.merchant(Method::POST, "/bundles", &kit.body()).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert_eq!(refused.json()["code"], "native_bundle");
    shop.comes_right().await;
    assert_eq!(shop.level(shop.item(1)), 0);
}

async fn an_unknown_item_is_refused(database: TestDb) {
    let shop = Shop::with_stock(&[50]).open(database).await;
    let kit = Kit::of(shop.item(0), &[(987_654_321, 1)]);
    let refused = shop.merchant(Method::POST, "/bundles", &kit.body()).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert_eq!(refused.json()["code"], "unknown_item");
    assert!(refused.text.contains("987654321"), "{}", refused.text);
}
