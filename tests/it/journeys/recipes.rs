//! Which recipe an order consumes by: the one in force when it was made, whatever comes later and however late it is
//! told.

use reqwest::Method;
use serde_json::Value;
use storekeeper::sandbox::{Faults, RestockType, WebhookFaults};

use super::kit::Kit;
use super::shop::Shop;
use crate::support::database::{TestDb, on_both_databases};

on_both_databases!(
    an_order_from_before_the_bundle_never_consumes_and_never_restores,
    a_late_webhook_consumes_by_the_old_recipe,
    a_refund_after_the_bundle_was_deleted_restores_what_was_taken,
    a_bundle_in_a_bundle_sells_down_to_its_leaves,
    a_bundle_that_would_contain_itself_is_refused,
);

/// Long enough that nothing arrives before the test lets it.
const NEVER_MS: u64 = 3_600_000;

fn held_back() -> Faults {
    Faults {
        webhooks: WebhookFaults {
            delay_min_ms: NEVER_MS,
            delay_max_ms: NEVER_MS,
            ..WebhookFaults::default()
        },
        ..Faults::default()
    }
}

async fn an_order_from_before_the_bundle_never_consumes_and_never_restores(database: TestDb) {
    let mut shop = Shop::with_stock(&[100, 30, 0, 0]).open(database).await;
    // Another bundle makes the subscriptions, so that the early orders are told of.
    let other = Kit::of(shop.item(3), &[(shop.item(1), 1)]);
    shop.define(&other).await;
    shop.comes_right().await;
    let [sent, cancelled, refunded] = [2, 3, 4].map(|units| shop.sell(&[(shop.item(2), units)]));
    shop.comes_right().await;
    shop.next_second().await;

    let kit = Kit::of(shop.item(2), &[(shop.item(0), 2), (shop.item(1), 1)]);
    shop.define(&kit).await;
    shop.comes_right().await;
    shop.fulfil(sent);
    shop.refund(sent, 1, RestockType::Return);
    shop.cancel(cancelled, true);
    shop.refund(refunded, 2, RestockType::Cancel);
    shop.comes_right().await;
    assert_eq!(
        [shop.level(shop.item(0)), shop.level(shop.item(1))],
        [100, 30]
    );
    assert_eq!(shop.level(kit.item()), 30);
}

async fn a_late_webhook_consumes_by_the_old_recipe(database: TestDb) {
    let mut shop = Shop::with_stock(&[100, 100, 0]).open(database).await;
    let old = Kit::of(shop.item(2), &[(shop.item(0), 3)]);
    let bundle = shop.define(&old).await;
    shop.comes_right().await;

    shop.sandbox.set_faults(held_back());
    let order = shop.sell(&[(old.item(), 2)]);
    shop.next_second().await;
    let new = Kit::of(shop.item(2), &[(shop.item(1), 5)]);
    shop.redefine(&bundle, &new).await;
    shop.sell(&[(new.item(), 1)]);
    assert_eq!(
        [shop.level(shop.item(0)), shop.level(shop.item(1))],
        [100, 100]
    );
    shop.sandbox.heal();
    shop.comes_right().await;
    assert_eq!(
        [shop.level(shop.item(0)), shop.level(shop.item(1))],
        [94, 95]
    );
    assert_eq!(shop.level(new.item()), 19);

    shop.refund(order, 1, RestockType::Cancel);
    shop.comes_right().await;
    assert_eq!(
        [shop.level(shop.item(0)), shop.level(shop.item(1))],
        [97, 95]
    );
}

async fn a_refund_after_the_bundle_was_deleted_restores_what_was_taken(database: TestDb) {
    let mut shop = Shop::with_stock(&[100, 0]).open(database).await;
    let kit = Kit::of(shop.item(1), &[(shop.item(0), 4)]);
    let bundle = shop.define(&kit).await;
    shop.comes_right().await;
    let order = shop.sell(&[(kit.item(), 5)]);
    shop.comes_right().await;
    assert_eq!(shop.level(shop.item(0)), 80);
    shop.next_second().await;

    shop.undefine(&bundle, kit.item()).await;
    let path = format!("/bundles/{bundle}");
    let gone = shop.merchant(Method::GET, &path, &Value::Null).await;
    assert_eq!(gone.status, 404);
    shop.refund(order, 2, RestockType::Cancel);
    shop.comes_right().await;
    assert_eq!(shop.level(shop.item(0)), 88);

    shop.next_second().await;
    shop.sell(&[(kit.item(), 1)]);
    shop.comes_right().await;
    assert_eq!(shop.level(shop.item(0)), 88, "it is no bundle any more");
}

async fn a_bundle_in_a_bundle_sells_down_to_its_leaves(database: TestDb) {
    let mut shop = Shop::with_stock(&[100, 40, 0, 0]).open(database).await;
    let inner = Kit::of(shop.item(2), &[(shop.item(0), 2), (shop.item(1), 1)]);
    shop.define(&inner).await;
    let outer = Kit::of(shop.item(3), &[(inner.item(), 2), (shop.item(0), 1)]);
    shop.define(&outer).await;
    shop.comes_right().await;
    assert_eq!(
        [shop.level(inner.item()), shop.level(outer.item())],
        [40, 20]
    );

    let order = shop.sell(&[(outer.item(), 3)]);
    shop.comes_right().await;
    assert_eq!(
        [shop.level(shop.item(0)), shop.level(shop.item(1))],
        [85, 34]
    );
    assert_eq!(
        [shop.level(inner.item()), shop.level(outer.item())],
        [34, 17]
    );

    shop.sell(&[(inner.item(), 4)]);
    shop.refund(order, 1, RestockType::Cancel);
    shop.comes_right().await;
    assert_eq!(
        [shop.level(shop.item(0)), shop.level(shop.item(1))],
        [82, 32]
    );
    assert_eq!(
        [shop.level(inner.item()), shop.level(outer.item())],
        [32, 16]
    );
}

async fn a_bundle_that_would_contain_itself_is_refused(database: TestDb) {
    let mut shop = Shop::with_stock(&[100, 0, 0]).open(database).await;
    let inner = Kit::of(shop.item(1), &[(shop.item(0), 1)]);
    let bundle = shop.define(&inner).await;
    let outer = Kit::of(shop.item(2), &[(inner.item(), 1)]);
    shop.define(&outer).await;
    let circle = Kit::of(inner.item(), &[(outer.item(), 1)]);
    let path = format!("/bundles/{bundle}");
    let refused = shop.merchant(Method::PUT, &path, &circle.body()).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert_eq!(refused.json()["code"], "component_cycle");
    shop.comes_right().await;
    assert_eq!(shop.level(outer.item()), 100);
}
