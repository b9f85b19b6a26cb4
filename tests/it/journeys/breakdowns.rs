//! Servers that stop, and servers that are killed, in the middle of it all.

use serde_json::Value;
use storekeeper::sandbox::{Log, RestockType};

use super::calls::applied_by_key;
use super::kit::Kit;
use super::shop::{Shop, ShopBuilder};
use crate::support::database::{TestDb, on_both_databases};

on_both_databases!(
    a_killed_server_loses_nothing_and_does_nothing_twice,
    a_stopped_server_goes_on_where_it_was,
    a_restarted_keeper_goes_on_where_it_was,
    a_store_without_work_leaves_memory_until_it_is_told_something,
);

/// What has just happened when the server is killed: a sale was told of, a call came, a write took effect.
const KILLED_AFTER: [fn(&Log) -> usize; 4] = [
    |log| log.webhooks.len(),
    |log| log.calls.len(),
    |log| log.effects.len(),
    |log| log.calls.len() + log.webhooks.len() / 12,
];
const SALES_PER_KILL: i64 = 6;

async fn kit_shop(opening: ShopBuilder, database: TestDb) -> (Shop, i64) {
    let mut shop = opening.open(database).await;
    let kit = Kit::of(shop.item(2), &[(shop.item(0), 2), (shop.item(1), 1)]);
    shop.define(&kit).await;
    shop.comes_right().await;
    (shop, kit.item())
}

fn stock() -> ShopBuilder {
    Shop::with_stock(&[900, 400, 0])
}

async fn a_killed_server_loses_nothing_and_does_nothing_twice(database: TestDb) {
    let (mut shop, kit) = kit_shop(stock().in_its_own_process(), database).await;
    for reached in KILLED_AFTER {
        let before = reached(&shop.log());
        for _ in 0..SALES_PER_KILL {
            shop.sell(&[(kit, 1)]);
        }
        shop.until("so far", |shop| reached(&shop.log()) > before)
            .await;
        shop.kill_server().await;
        // Told to nobody, for now.
        let order = shop.sell(&[(kit, 2)]);
        shop.refund(order, 1, RestockType::Cancel);
        shop.start_server().await;
        shop.sandbox.heal();
    }
    shop.comes_right().await;
    let kills = i64::try_from(KILLED_AFTER.len()).unwrap();
    let sold = kills * (SALES_PER_KILL + 1);
    assert_eq!(shop.level(shop.item(0)), 900 - 2 * sold);
    assert_eq!(shop.level(kit), 400 - sold);
    assert!(applied_by_key(&shop).values().all(|times| *times == 1));
}

async fn a_stopped_server_goes_on_where_it_was(database: TestDb) {
    let (mut shop, kit) = kit_shop(stock(), database).await;
    for _ in 0..SALES_PER_KILL {
        shop.sell(&[(kit, 1)]);
    }
    shop.stop_server().await;
    shop.sell(&[(kit, 1)]);
    shop.start_server().await;
    shop.sandbox.heal();
    shop.comes_right().await;
    assert_eq!(shop.level(kit), 400 - SALES_PER_KILL - 1);
}

async fn a_restarted_keeper_goes_on_where_it_was(database: TestDb) {
    let (shop, kit) = kit_shop(stock(), database).await;
    for verb in ["restart", "deactivate", "restart"] {
        for _ in 0..SALES_PER_KILL {
            shop.sell(&[(kit, 1)]);
        }
        let path = format!("/v1/admin/keepers/{}/{verb}", shop.store);
        let body = serde_json::json!({ "reason": "to see what happens" });
        let answer = shop.operator(reqwest::Method::POST, &path, &body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
    }
    shop.comes_right().await;
    assert_eq!(shop.level(kit), 400 - 3 * SALES_PER_KILL);
    assert!(applied_by_key(&shop).values().all(|times| *times == 1));
    assert_ne!(shop.keeper().await["state"], Value::Null);
}

async fn a_store_without_work_leaves_memory_until_it_is_told_something(database: TestDb) {
    let opening = stock().config(|config| {
        config.keeper.idle_ms = 1_000;
        config.keeper.scan_interval_ms = 50;
    });
    let (shop, kit) = kit_shop(opening, database).await;
    shop.sell(&[(kit, 1)]);
    shop.comes_right().await;
    let activated = shop.keeper().await["activated_at"].clone();
    shop.until_keeper("stopped").await;
    // Many searches for stores with something to do pass, and none finds it.
    let later = shop.sandbox.now().plus_ms(1_000);
    shop.until("a second later", |shop| shop.sandbox.now() > later)
        .await;
    let keeper = shop.keeper().await;
    assert_eq!(keeper["state"], "stopped", "{keeper:#}");
    assert_eq!(keeper["activated_at"], activated, "{keeper:#}");

    shop.sell(&[(kit, 1)]);
    shop.comes_right().await;
    assert_eq!(shop.level(kit), 398);
}
