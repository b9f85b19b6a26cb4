//! Webhooks that are lost, repeated, or arrive in any order.

use reqwest::Method;
use serde_json::json;
use storekeeper::sandbox::{Answer, Faults, RestockType, WebhookFaults};

use super::kit::Kit;
use super::shop::Shop;
use crate::support::database::{TestDb, on_both_databases};

on_both_databases!(
    one_sweep_repairs_what_lost_webhooks_would_have_told,
    repeated_and_reordered_webhooks_change_nothing,
    an_import_of_other_products_is_not_even_stored,
);

/// Sales, a refund, a cancellation, an edit from outside: every way in which a level changes.
fn busy_hour(shop: &Shop, kit: i64) {
    let orders = [4, 2, 3, 1].map(|units| shop.sell(&[(kit, units)]));
    shop.sell(&[(shop.item(0), 7), (kit, 1)]);
    shop.refund(orders[0], 1, RestockType::Cancel);
    shop.fulfil(orders[0]);
    shop.refund(orders[0], 2, RestockType::Return);
    shop.cancel(orders[1], true);
    shop.cancel(orders[2], false);
    shop.refund(orders[3], 1, RestockType::NoRestock);
    shop.count(shop.item(1), 55);
    shop.count(kit, 3);
}

async fn one_sweep_repairs_what_lost_webhooks_would_have_told(database: TestDb) {
    let opening = Shop::with_stock(&[200, 80, 0]).config(|config| config.sweep.interval_ms = 2_000);
    let mut shop = opening.open(database).await;
    let kit = Kit::of(shop.item(2), &[(shop.item(0), 2), (shop.item(1), 1)]);
    shop.define(&kit).await;
    shop.comes_right().await;
    let sweeps = |shop: &Shop| {
        let log = shop.log();
        let pages = log.calls.iter().filter(|call| call.path == "orders.json");
        pages.count()
    };
    // Everything happens right after a sweep, so that only the next one can find it.
    let before = sweeps(&shop);
    shop.until("swept again", |shop| sweeps(shop) > before)
        .await;
    shop.comes_right().await;
    let (before, told) = (sweeps(&shop), shop.log().webhooks.len());
    shop.sandbox.set_faults(Faults {
        webhooks: WebhookFaults {
            drop_per_mille: 1_000,
            ..WebhookFaults::default()
        },
        ..Faults::default()
    });
    busy_hour(&shop, kit.item());
    assert_ne!(shop.drift(), []);
    shop.until("repaired", |shop| shop.drift().is_empty()).await;
    // One is enough; on a slow machine another may have begun before all of its repair was written.
    assert!(sweeps(&shop) <= before + 2, "{before} before");
    let all_lost = |log: storekeeper::sandbox::Log| {
        log.webhooks[told..]
            .iter()
            .all(|sent| sent.answer == Answer::Dropped)
    };
    assert!(all_lost(shop.log()));
    shop.comes_right().await;
}

async fn repeated_and_reordered_webhooks_change_nothing(database: TestDb) {
    let mut shop = Shop::with_stock(&[200, 80, 0]).open(database).await;
    let kit = Kit::of(shop.item(2), &[(shop.item(0), 2), (shop.item(1), 1)]);
    shop.define(&kit).await;
    shop.comes_right().await;
    shop.sandbox.set_faults(Faults {
        webhooks: WebhookFaults {
            duplicate_per_mille: 1_000,
            reorder_window_ms: 700,
            omit_optional_per_mille: 300,
            ..WebhookFaults::default()
        },
        ..Faults::default()
    });
    busy_hour(&shop, kit.item());
    busy_hour(&shop, kit.item());
    shop.comes_right().await;
    let log = shop.log();
    let duplicates = log.webhooks.iter().filter(|sent| {
        matches!(&sent.answer, Answer::Status { status: 200, body } if body.contains("duplicate"))
    });
    assert!(duplicates.count() > 10);
    let stamps = log.webhooks.iter().map(|sent| sent.triggered_at);
    assert!(!stamps.is_sorted(), "some overtook others");

    // Days later the platform sends everything again.
    shop.sandbox.heal();
    let all = json!({ "last": 500 });
    shop.control(Method::POST, "/replay", &all).await;
    shop.comes_right().await;
}

async fn an_import_of_other_products_is_not_even_stored(database: TestDb) {
    let mut shop = Shop::with_stock(&[20, 0, 1, 2, 3, 4, 5, 6, 7, 8])
        .open(database)
        .await;
    let kit = Kit::of(shop.item(1), &[(shop.item(0), 2)]);
    shop.define(&kit).await;
    shop.comes_right().await;
    let cursor = |shown: serde_json::Value| shown["cursor"].as_i64().unwrap();
    let before = cursor(shop.observation().await);
    shop.control(Method::POST, "/import", &json!({ "products": 30 }))
        .await;
    shop.comes_right().await;
    // Ten products, three times each; two of them are of the bundle.
    assert_eq!(cursor(shop.observation().await), before + 6);
    let log = shop.log();
    let naked = log.webhooks.iter().filter(|sent| {
        matches!(&sent.answer, Answer::Status { status: 200, body } if body.contains("naked"))
    });
    assert_eq!(naked.count(), 24);
}
