//! Several locations: where a sale is taken, and what each mode shows.

use reqwest::Method;
use serde_json::{Value, json};
use storekeeper::sandbox::{Faults, OrderRequest, ProductRequest, Quirks, RestockType};

use super::kit::Kit;
use super::shop::Shop;
use crate::support::database::{TestDb, on_both_databases};

on_both_databases!(
    an_online_order_is_taken_where_it_ships_from_and_moves_along,
    a_move_that_only_a_fulfillment_order_tells_of_is_followed,
    a_component_is_stocked_where_an_order_takes_it,
    an_order_cancelled_without_restock_before_it_was_placed_stays_taken,
    an_order_at_the_till_is_taken_there,
    a_pooled_bundle_shows_the_sum,
    a_single_location_bundle_counts_the_first,
);

/// Two locations: two components with stock in both, a kit of one and two of them.
async fn two_places(database: TestDb, mode: fn(Kit) -> Kit) -> (Shop, i64) {
    let stocked = |first, second| ProductRequest {
        available: vec![first, second],
        ..ProductRequest::default()
    };
    let opening = Shop::with_stock(&[])
        .locations(2)
        .product(stocked(10, 40))
        .product(stocked(60, 20))
        .product(stocked(0, 0));
    let mut shop = opening.open(database).await;
    let kit = mode(Kit::of(
        shop.item(2),
        &[(shop.item(0), 1), (shop.item(1), 2)],
    ));
    shop.define(&kit).await;
    shop.comes_right().await;
    (shop, kit.item())
}

async fn an_online_order_is_taken_where_it_ships_from_and_moves_along(database: TestDb) {
    let (shop, kit) = two_places(database, |kit| kit).await;
    assert_eq!(shop.levels(kit), [Some(10), Some(10)]);
    let order = shop.sell(&[(kit, 4)]);
    shop.comes_right().await;
    assert_eq!(shop.levels(shop.item(0)), [Some(6), Some(40)]);
    assert_eq!(shop.levels(kit), [Some(6), Some(10)]);

    move_elsewhere(&shop, order).await;
    shop.comes_right().await;
    assert_eq!(shop.levels(shop.item(0)), [Some(10), Some(36)]);
    assert_eq!(shop.levels(shop.item(1)), [Some(60), Some(12)]);
    assert_eq!(shop.levels(kit), [Some(10), Some(6)]);

    shop.refund(order, 1, RestockType::Cancel);
    shop.comes_right().await;
    assert_eq!(shop.levels(shop.item(0)), [Some(10), Some(37)]);
}

/// What the order takes at the first location ships from the second from now on.
async fn move_elsewhere(shop: &Shop, order: i64) {
    let query = format!(
        r#"{{ order(id: "gid://shopify/Order/{order}") {{ fulfillmentOrders(first: 5) {{ nodes {{ id }} }} }} }}"#
    );
    let answer = shop.graphql(&query).await;
    let name = answer["data"]["order"]["fulfillmentOrders"]["nodes"][0]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned();
    let number = name.rsplit('/').next().unwrap();
    let path = format!("/fulfilment-orders/{number}/move");
    let elsewhere = json!({ "location": shop.location(1) });
    shop.control(Method::POST, &path, &elsewhere).await;
}

async fn a_move_that_only_a_fulfillment_order_tells_of_is_followed(database: TestDb) {
    let (shop, kit) = two_places(database, |kit| kit).await;
    let order = shop.sell(&[(kit, 4)]);
    shop.comes_right().await;
    shop.sandbox.set_faults(Faults {
        quirks: Quirks {
            silent_moves: true,
            ..Quirks::default()
        },
        ..Faults::default()
    });
    move_elsewhere(&shop, order).await;
    shop.comes_right().await;
    assert_eq!(shop.levels(shop.item(0)), [Some(10), Some(36)]);
    assert_eq!(shop.levels(kit), [Some(10), Some(6)]);
}

async fn a_component_is_stocked_where_an_order_takes_it(database: TestDb) {
    let (shop, kit) = two_places(database, |kit| kit).await;
    let (item, there) = (shop.item(0), shop.location(1));
    let path = format!("/inventory_levels.json?inventory_item_id={item}&location_id={there}");
    shop.rival(Method::DELETE, &path).await;
    shop.rests().await;
    assert_eq!(shop.levels(item), [Some(10), None]);
    shop.order(&OrderRequest {
        location: Some(there),
        ..OrderRequest::online(&[(kit, 3)])
    });
    shop.rests().await;
    assert_eq!(shop.levels(item), [Some(10), Some(-3)]);
    let letters = shop
        .operator(Method::GET, "/v1/admin/dead-letters", &Value::Null)
        .await;
    assert_eq!(letters.json()["items"], json!([]));
}

async fn an_order_cancelled_without_restock_before_it_was_placed_stays_taken(database: TestDb) {
    let (shop, kit) = two_places(database, |kit| kit).await;
    let order = shop.sell(&[(kit, 4)]);
    shop.cancel(order, false);
    shop.comes_right().await;
    assert_eq!(shop.levels(shop.item(0)), [Some(6), Some(40)]);
    assert_eq!(shop.levels(kit), [Some(6), Some(10)]);
}

async fn an_order_at_the_till_is_taken_there(database: TestDb) {
    let (shop, kit) = two_places(database, |kit| kit).await;
    let order = shop.order(&OrderRequest {
        location: Some(shop.location(1)),
        ..OrderRequest::online(&[(kit, 3)])
    });
    shop.comes_right().await;
    assert_eq!(shop.levels(shop.item(0)), [Some(10), Some(37)]);
    assert_eq!(shop.levels(shop.item(1)), [Some(60), Some(14)]);
    assert_eq!(shop.levels(kit), [Some(10), Some(7)]);
    shop.cancel(order, true);
    shop.comes_right().await;
    assert_eq!(shop.levels(kit), [Some(10), Some(10)]);
}

async fn a_pooled_bundle_shows_the_sum(database: TestDb) {
    let (shop, kit) = two_places(database, Kit::pooled).await;
    let shown = |shop: &Shop| shop.levels(kit).into_iter().flatten().sum::<i64>();
    assert_eq!(shown(&shop), 40);
    shop.sell(&[(kit, 5)]);
    shop.comes_right().await;
    assert_eq!(shown(&shop), 35);
    shop.count_at(shop.item(1), 1, 0);
    shop.comes_right().await;
    // Which location the sale was taken at decides what the count left: the reference knows.
    let second = shop.levels(shop.item(1)).into_iter().flatten();
    assert_eq!(
        shown(&shop),
        second.map(|units| units.max(0)).sum::<i64>() / 2
    );
}

async fn a_single_location_bundle_counts_the_first(database: TestDb) {
    let (shop, kit) = two_places(database, Kit::single_location).await;
    assert_eq!(shop.levels(kit)[0], Some(10));
    shop.count_at(shop.item(0), 1, 1_000);
    shop.count_at(shop.item(0), 0, 7);
    shop.comes_right().await;
    assert_eq!(shop.levels(kit)[0], Some(7));
}
