//! Calls that fail, hang, are cut off, refused, or must wait for the bucket.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;
use storekeeper::sandbox::{ApiFaults, EffectOutcome, Faults, Plan};

use super::kit::Kit;
use super::shop::Shop;
use crate::support::database::{TestDb, on_both_databases};

on_both_databases!(
    a_write_without_an_answer_takes_effect_once,
    a_platform_in_trouble_does_not_lead_astray,
    a_small_bucket_is_never_overdrawn,
    a_throttle_is_told_with_what_asked_for_it,
);

async fn kit_shop(plan: Plan, database: TestDb) -> (Shop, i64) {
    let opening = Shop::with_stock(&[900, 400, 0]).platform(|request, _| request.plan = plan);
    let mut shop = opening.open(database).await;
    let kit = Kit::of(shop.item(2), &[(shop.item(0), 2), (shop.item(1), 1)]);
    shop.define(&kit).await;
    shop.comes_right().await;
    (shop, kit.item())
}

/// How often each key was carried out.
pub(super) fn applied_by_key(shop: &Shop) -> BTreeMap<String, usize> {
    let mut applied = BTreeMap::new();
    for effect in shop.log().effects {
        if effect.outcome == EffectOutcome::Applied {
            *applied.entry(effect.key).or_default() += 1;
        }
    }
    applied
}

async fn a_write_without_an_answer_takes_effect_once(database: TestDb) {
    let (shop, kit) = kit_shop(Plan::Plus, database).await;
    let ambiguous = |per_mille| Faults {
        api: ApiFaults {
            ambiguous_per_mille: per_mille,
            ..ApiFaults::default()
        },
        ..Faults::default()
    };
    shop.sandbox.set_faults(ambiguous(1_000));
    shop.sell(&[(kit, 3)]);
    shop.until("lost an answer", |shop| {
        shop.log()
            .calls
            .iter()
            .any(|call| call.fault == Some("ambiguous"))
    })
    .await;
    shop.sandbox.set_faults(ambiguous(400));
    for _ in 0..5 {
        shop.sell(&[(kit, 1)]);
    }
    shop.sandbox.settle(super::shop::PATIENCE).await.unwrap();
    shop.sandbox.heal();
    shop.comes_right().await;
    assert_eq!(shop.level(kit), 392);
    assert!(applied_by_key(&shop).values().all(|times| *times == 1));
    let log = shop.log();
    let replayed = log
        .effects
        .iter()
        .filter(|effect| effect.outcome == EffectOutcome::Replayed);
    assert!(replayed.count() > 0, "it asked again under the same key");
}

async fn a_platform_in_trouble_does_not_lead_astray(database: TestDb) {
    let (shop, kit) = kit_shop(Plan::Plus, database).await;
    shop.sandbox.set_faults(Faults {
        api: ApiFaults {
            throttle_per_mille: 100,
            error_per_mille: 100,
            reset_per_mille: 100,
            slow_per_mille: 200,
            slow_ms: 50,
            ambiguous_per_mille: 200,
            stale_read_per_mille: 200,
            ..ApiFaults::default()
        },
        ..Faults::default()
    });
    let before = shop.log().calls.len();
    for units in 1..=8 {
        let calls = shop.log().calls.len();
        shop.sell(&[(kit, units)]);
        shop.until("called", |shop| shop.log().calls.len() > calls)
            .await;
    }
    shop.count(shop.item(1), 333);
    shop.until("failed often", |shop| {
        let log = shop.log();
        let failed = log.calls[before..]
            .iter()
            .filter(|call| call.fault.is_some());
        failed.count() >= 3
    })
    .await;
    shop.sandbox.heal();
    shop.comes_right().await;
    assert!(applied_by_key(&shop).values().all(|times| *times == 1));
}

async fn a_small_bucket_is_never_overdrawn(database: TestDb) {
    let (shop, kit) = kit_shop(Plan::Standard, database).await;
    let fullest = |shop: &Shop| {
        let log = shop.log();
        let rest = log.calls.iter().filter(|call| call.bucket_size == 40);
        rest.map(|call| call.bucket_used).max().unwrap_or(0)
    };
    // Each sale is taken before the next, so each costs its own calls.
    let mut sold = 0;
    while fullest(&shop) < 35 && sold < 60 {
        shop.sell(&[(kit, 1)]);
        sold += 1;
        let taken = 900 - 2 * sold;
        shop.until("took the components", |shop| {
            shop.level(shop.item(0)) == taken
        })
        .await;
        shop.rests().await;
    }
    assert!(fullest(&shop) >= 35, "the bucket never was nearly full");
    shop.sell(&[(kit, 1)]);
    shop.comes_right().await;
}

/// The store's calls as operators see them.
async fn buckets(shop: &Shop) -> Value {
    let path = format!("/v1/admin/keepers/{}/bucket", shop.store);
    let answer = shop.operator(Method::GET, &path, &Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

async fn a_throttle_is_told_with_what_asked_for_it(database: TestDb) {
    let (shop, kit) = kit_shop(Plan::Standard, database).await;
    let told = buckets(&shop).await;
    assert!(
        !told["recent_calls"].as_array().unwrap().is_empty(),
        "{told}"
    );
    let is_told = |bucket: &Value| bucket["told_at"].is_string();
    assert!(
        told["buckets"].as_array().unwrap().iter().any(is_told),
        "{told}"
    );
    shop.sandbox.set_faults(Faults {
        api: ApiFaults {
            throttle_per_mille: 1_000,
            ..ApiFaults::default()
        },
        ..Faults::default()
    });
    shop.sell(&[(kit, 1)]);
    let throttled = async {
        loop {
            let told = buckets(&shop).await;
            let all = told["buckets"].as_array().unwrap();
            if let Some(bucket) = all.iter().find(|one| one["last_throttle"].is_object()) {
                return bucket["last_throttle"].clone();
            }
            tokio::task::yield_now().await;
        }
    };
    let throttle = tokio::time::timeout(super::shop::PATIENCE, throttled).await;
    let throttle = throttle.unwrap();
    let source = if throttle["asked_ms"].is_null() {
        "default"
    } else {
        "platform"
    };
    assert_eq!(throttle["source"], source, "{throttle}");
    assert!(throttle["call"].is_string(), "{throttle}");
    shop.sandbox.heal();
    shop.comes_right().await;
}
