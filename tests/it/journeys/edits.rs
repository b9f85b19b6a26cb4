//! Other hands in the shop: edits of components and of bundles, and a program that sets ours back.

use reqwest::Method;
use serde_json::{Value, json};
use storekeeper::sandbox::{Cause, Faults, Fight, Outsider, OutsiderFaults};

use super::kit::Kit;
use super::shop::Shop;
use crate::support::database::{TestDb, on_both_databases};

on_both_databases!(
    an_edit_of_a_component_changes_its_bundles,
    an_edit_of_a_bundle_is_put_right,
    an_editor_between_read_and_write_is_not_overwritten,
    a_rival_program_is_not_fought_for_ever,
    a_merchant_is_shown_what_nobody_else_will_mend,
);

async fn two_kits(database: TestDb) -> (Shop, [i64; 2]) {
    let mut shop = Shop::with_stock(&[60, 20, 0, 0]).open(database).await;
    let kits = [
        Kit::of(shop.item(2), &[(shop.item(0), 2), (shop.item(1), 1)]),
        Kit::of(shop.item(3), &[(shop.item(0), 3)]),
    ];
    for kit in &kits {
        shop.define(kit).await;
    }
    shop.comes_right().await;
    let items = kits.map(|kit| kit.item());
    assert_eq!(items.map(|kit| shop.level(kit)), [20, 20]);
    (shop, items)
}

async fn an_edit_of_a_component_changes_its_bundles(database: TestDb) {
    let (shop, kits) = two_kits(database).await;
    shop.count(shop.item(0), 9);
    shop.comes_right().await;
    assert_eq!(kits.map(|kit| shop.level(kit)), [4, 3]);
    assert_eq!(
        shop.level(shop.item(0)),
        9,
        "a count is the merchant's word"
    );
}

async fn an_edit_of_a_bundle_is_put_right(database: TestDb) {
    let (shop, kits) = two_kits(database).await;
    shop.count(kits[0], 500);
    shop.comes_right().await;
    assert_eq!(shop.level(kits[0]), 20);
    assert_eq!(shop.level(shop.item(0)), 60, "it sold nothing");
}

async fn an_editor_between_read_and_write_is_not_overwritten(database: TestDb) {
    let (shop, kits) = two_kits(database).await;
    shop.sandbox.set_faults(Faults {
        outsiders: OutsiderFaults {
            editor_per_mille: 700,
            editor_units_max: 5,
            ..OutsiderFaults::default()
        },
        ..Faults::default()
    });
    let by = Outsider::Editor;
    let edits = |shop: &Shop| {
        let log = shop.log();
        let edits = log
            .levels
            .iter()
            .filter(|change| change.cause == Cause::OutsideEdit { by });
        edits.count()
    };
    while edits(&shop) < 5 {
        let calls = shop.log().calls.len();
        shop.sell(&[(kits[0], 1), (kits[1], 1)]);
        shop.until("called", |shop| shop.log().calls.len() > calls)
            .await;
    }
    shop.sandbox.heal();
    shop.comes_right().await;
}

async fn a_rival_program_is_not_fought_for_ever(database: TestDb) {
    let (shop, kits) = two_kits(database).await;
    let writes = |shop: &Shop| {
        let log = shop.log();
        let sets = log
            .calls
            .iter()
            .filter(|call| call.operation.contains("inventorySetQuantities"));
        sets.count()
    };
    let before = writes(&shop);
    shop.sandbox.set_faults(Faults {
        outsiders: OutsiderFaults {
            fights: vec![Fight {
                domain: shop.opened.domain.clone(),
                item: kits[0],
                available: 7,
                rounds_max: 1_000,
            }],
            ..OutsiderFaults::default()
        },
        ..Faults::default()
    });
    shop.count(kits[0], 7);
    shop.until("gave in", |shop| writes(shop) >= before + 20)
        .await;
    // Other bundles go on meanwhile.
    shop.count(shop.item(0), 30);
    shop.until("kept the other bundle right", |shop| {
        shop.level(kits[1]) == 10
    })
    .await;
    assert!(writes(&shop) <= before + 25, "{}", writes(&shop) - before);

    shop.shows("contested", |shown| shown["contested_levels"] == 1)
        .await;
    let attention = shop.merchant(Method::GET, "/attention", &Value::Null).await;
    let contested = &attention.json()["contested"];
    assert_eq!(contested[0]["item"], kits[0].to_string(), "{contested}");
    shop.until_alarm("contested_levels").await;
}

async fn a_merchant_is_shown_what_nobody_else_will_mend(database: TestDb) {
    let (shop, kits) = two_kits(database).await;
    let attention = || shop.merchant(Method::GET, "/attention", &Value::Null);
    let nothing = attention().await.json();
    for kind in ["oversold", "contested", "cancelled_without_restock"] {
        assert_eq!(nothing[kind], json!([]), "{kind}");
    }
    // Of the second component there are 20 and 24 are sold.
    shop.sell(&[(kits[0], 23)]);
    let lost = shop.sell(&[(kits[0], 1)]);
    shop.cancel(lost, false);
    let returned = shop.sell(&[(kits[1], 1)]);
    shop.cancel(returned, true);
    shop.comes_right().await;
    let shown = attention().await.json();
    let component = shop.item(1).to_string();
    let lacking =
        json!([{"item": component, "location": shop.location(0).to_string(), "units": 4}]);
    assert_eq!(shown["oversold"], lacking);
    assert_eq!(
        shown["cancelled_without_restock"],
        json!([lost.to_string()])
    );
}
