//! Tokens that die or expire, shops that are frozen, apps that are uninstalled.

use reqwest::Method;
use serde_json::{Value, json};
use storekeeper::clock::Timestamp;
use storekeeper::config::Secret as Setting;
use storekeeper::db::admin::stores::{self, StorePatch, Tokens};
use storekeeper::db::sealing::{KEY_BYTES, Secret};
use storekeeper::ids::StoreId;
use storekeeper::sandbox::{Faults, WebhookFaults};

use super::kit::Kit;
use super::shop::Shop;
use crate::support::database::{TestDb, on_both_databases};

on_both_databases!(
    a_dead_token_pauses_the_store_until_it_gets_another,
    a_frozen_shop_pauses_the_store_until_it_is_resumed,
    an_uninstalled_store_rests_until_it_is_installed_again,
    an_installation_is_noticed_by_a_keeper_that_was_never_told,
    an_installation_is_noticed_by_a_keeper_that_runs,
    a_late_uninstall_changes_nothing,
    an_expiring_token_is_renewed_before_its_end,
);

async fn kit_shop(opening: super::shop::ShopBuilder, database: TestDb) -> (Shop, i64) {
    let mut shop = opening.open(database).await;
    let kit = Kit::of(shop.item(1), &[(shop.item(0), 2)]);
    shop.define(&kit).await;
    shop.comes_right().await;
    (shop, kit.item())
}

fn stock() -> super::shop::ShopBuilder {
    Shop::with_stock(&[100, 0])
}

/// What an operator is told that the store waits for.
async fn waits_for(shop: &Shop) -> String {
    let path = format!("/v1/admin/keepers/{}/why", shop.store);
    let answer = shop.operator(Method::GET, &path, &Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["reasons"].to_string()
}

/// Tells the store of an order by hand: the app has no subscriptions any more.
async fn tell(shop: &Shop, order: i64) {
    let path = format!("/orders/{order}");
    let shown = shop.control(Method::GET, &path, &json!({})).await;
    let answer = shop.webhook("orders/create", None, &shown["order"]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

async fn give_token(shop: &Shop, token: &str) {
    let path = format!("/v1/admin/stores/{}", shop.store);
    let body = json!({ "access_token": token });
    let answer = shop.operator(Method::PATCH, &path, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

async fn a_dead_token_pauses_the_store_until_it_gets_another(database: TestDb) {
    let (shop, kit) = kit_shop(stock(), database).await;
    // The platform ends the token, and the webhook that says why is lost.
    shop.sandbox.set_faults(Faults {
        webhooks: WebhookFaults {
            drop_per_mille: 1_000,
            ..WebhookFaults::default()
        },
        ..Faults::default()
    });
    let sold = shop.sell(&[(kit, 3)]);
    shop.control(Method::POST, "/uninstall", &json!({})).await;
    shop.sandbox.heal();
    tell(&shop, sold).await;
    shop.shows("paused", |shown| !shown["paused"].is_null())
        .await;
    let why = waits_for(&shop).await;
    assert!(why.contains("the platform refuses every call"), "{why}");
    assert!(why.contains("token"), "{why}");

    // What happens meanwhile is taken in, and made good afterwards.
    let sold = shop.sell(&[(kit, 1)]);
    tell(&shop, sold).await;
    shop.shows("took it in", |shown| shown["cursor"] == 2).await;
    assert_eq!(shop.level(shop.item(0)), 100);
    let granted = shop.control(Method::POST, "/install", &json!({})).await;
    give_token(&shop, granted["access_token"].as_str().unwrap()).await;
    shop.until("made it good", |shop| shop.drift().is_empty())
        .await;
    assert_eq!(shop.level(shop.item(0)), 92);
    assert!(shop.observation().await["paused"].is_null());
}

async fn a_frozen_shop_pauses_the_store_until_it_is_resumed(database: TestDb) {
    let (shop, kit) = kit_shop(stock(), database).await;
    shop.control(Method::POST, "/freeze", &json!({ "frozen": true }))
        .await;
    shop.sell(&[(kit, 3)]);
    shop.shows("paused", |shown| !shown["paused"].is_null())
        .await;
    let why = waits_for(&shop).await;
    assert!(why.contains("the shop is frozen"), "{why}");
    shop.control(Method::POST, "/freeze", &json!({ "frozen": false }))
        .await;
    resume(&shop).await;
    shop.comes_right().await;
    assert_eq!(shop.level(shop.item(0)), 94);
}

async fn resume(shop: &Shop) {
    let path = format!("/v1/admin/keepers/{}/resume", shop.store);
    let body = json!({ "reason": "the bill was paid" });
    let answer = shop.operator(Method::POST, &path, &body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
}

async fn an_uninstalled_store_rests_until_it_is_installed_again(database: TestDb) {
    let (shop, kit) = kit_shop(stock().sweeping(), database).await;
    shop.control(Method::POST, "/uninstall", &json!({})).await;
    shop.sandbox.settle(super::shop::PATIENCE).await.unwrap();
    shop.shows("paused", |shown| !shown["paused"].is_null())
        .await;
    // Nobody is subscribed any more.
    shop.sell(&[(kit, 3)]);
    let granted = shop.control(Method::POST, "/install", &json!({})).await;
    give_token(&shop, granted["access_token"].as_str().unwrap()).await;
    shop.until("found the sale", |shop| shop.drift().is_empty())
        .await;
    assert_eq!(shop.level(shop.item(0)), 94);

    // And is told of things again.
    let told = shop.log().webhooks.len();
    shop.sell(&[(kit, 1)]);
    shop.comes_right().await;
    assert!(shop.log().webhooks.len() > told);
}

/// The process dies with the new token written, and before it tells the keeper.
async fn an_installation_is_noticed_by_a_keeper_that_was_never_told(database: TestDb) {
    install_untold(database, true).await;
}

/// Whoever installed the app anew goes away before the keeper is told, and the server runs on.
async fn an_installation_is_noticed_by_a_keeper_that_runs(database: TestDb) {
    install_untold(database, false).await;
}

async fn install_untold(database: TestDb, restarts: bool) {
    let opening = stock().sweeping().config(|config| {
        // The database's own sealer in the test has this key.
        config.secrets.key = Setting::new("07".repeat(KEY_BYTES));
    });
    let (mut shop, kit) = kit_shop(opening, database).await;
    shop.control(Method::POST, "/uninstall", &json!({})).await;
    shop.sandbox.settle(super::shop::PATIENCE).await.unwrap();
    shop.shows("paused", |shown| !shown["paused"].is_null())
        .await;
    shop.sell(&[(kit, 3)]);
    if restarts {
        shop.stop_server().await;
    }
    let granted = shop.control(Method::POST, "/install", &json!({})).await;
    let patch = StorePatch {
        tokens: Some(Tokens {
            access: granted["access_token"].as_str().map(Secret::new),
            ..Tokens::default()
        }),
        installed_anew: true,
        ..StorePatch::default()
    };
    write_down(&shop, patch).await;
    if restarts {
        shop.start_server().await;
    }
    shop.until("found the sale", |shop| shop.drift().is_empty())
        .await;
    assert_eq!(shop.level(shop.item(0)), 94);
    assert!(shop.observation().await["paused"].is_null());
}

async fn a_late_uninstall_changes_nothing(database: TestDb) {
    let (shop, kit) = kit_shop(stock(), database).await;
    let body = json!({ "id": 1, "domain": shop.opened.domain });
    let long_ago = Some("2020-01-01T00:00:00Z");
    let answer = shop.webhook("app/uninstalled", long_ago, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    shop.sell(&[(kit, 3)]);
    shop.comes_right().await;
    assert_eq!(shop.level(shop.item(0)), 94);
    assert!(shop.observation().await["paused"].is_null());

    let now = shop.sandbox.now().precise();
    shop.webhook("app/uninstalled", Some(&now), &body).await;
    shop.shows("paused", |shown| !shown["paused"].is_null())
        .await;
}

async fn an_expiring_token_is_renewed_before_its_end(database: TestDb) {
    const LIFE_S: u64 = 3;
    const APP_SECRET: &str = "shpss_of_the_app";
    let opening = stock()
        .platform(|request, _| {
            request.token_ttl_s = Some(LIFE_S);
            request.webhook_secret = Some(APP_SECRET.to_owned());
        })
        .config(|config| {
            // The database's own sealer in the test has this key.
            config.secrets.key = Setting::new("07".repeat(KEY_BYTES));
            config.platform.shopify.client_id = "app".to_owned();
            config.platform.shopify.client_secret = Setting::new(APP_SECRET);
            config.platform.shopify.token_renewal_ahead_ms = 1_000;
        });
    let mut shop = opening.open(database).await;
    keep_refresh_token(&shop, LIFE_S).await;
    let kit = Kit::of(shop.item(1), &[(shop.item(0), 2)]);
    shop.define(&kit).await;
    shop.comes_right().await;
    for round in 1..=2 {
        let after = shop.sandbox.now().plus_ms(3_100);
        shop.until("the token ended", |shop| shop.sandbox.now() > after)
            .await;
        shop.sell(&[(kit.item(), 1)]);
        shop.comes_right().await;
        assert_eq!(shop.level(shop.item(0)), 100 - 2 * round);
    }
}

/// As an installation leaves it; the platform's own consent page is not part of this test.
async fn keep_refresh_token(shop: &Shop, life_s: u64) {
    let life_ms = i64::try_from(life_s * 1_000).unwrap();
    let tokens = Tokens {
        access: Some(Secret::new(&shop.opened.access_token)),
        refresh: shop.opened.refresh_token.as_deref().map(Secret::new),
        expires_at: Some(Timestamp::from_millis(now_ms(shop) + life_ms)),
    };
    let patch = StorePatch {
        tokens: Some(tokens),
        ..StorePatch::default()
    };
    write_down(shop, patch).await;
}

/// Changes the store's row, as the server does, and tells nobody.
async fn write_down(shop: &Shop, patch: StorePatch) {
    let database = &shop.database;
    let store = StoreId(shop.store.parse().unwrap());
    let now = Timestamp::from_millis(now_ms(shop));
    stores::update(&database.db, &database.sealer, store, patch, now)
        .await
        .unwrap();
}

fn now_ms(shop: &Shop) -> i64 {
    shop.sandbox.now().nanos() / 1_000_000
}
