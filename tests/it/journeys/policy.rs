//! What a merchant decides for the whole store: units kept back from bundles, and orders that take nothing before they
//! are paid.

use reqwest::Method;
use serde_json::{Value, json};
use storekeeper::sandbox::{Faults, OrderRequest, RestockType, WebhookFaults};

use super::kit::Kit;
use super::shop::{Shop, ShopBuilder};
use crate::support::app::Answer;
use crate::support::database::{TestDb, on_both_databases};

on_both_databases!(
    bundles_leave_the_safety_stock_alone,
    an_order_takes_nothing_before_it_is_paid,
    an_order_keeps_the_rule_under_which_it_was_told_of,
    payments_of_which_no_webhook_told_are_found_by_the_sweep,
);

/// Two razors and a foam.
async fn kit_shop(database: TestDb) -> (Shop, String, i64) {
    opened(Shop::with_stock(&[100, 30, 0]), database).await
}

async fn opened(opening: ShopBuilder, database: TestDb) -> (Shop, String, i64) {
    let mut shop = opening.open(database).await;
    let kit = Kit::of(shop.item(2), &[(shop.item(0), 2), (shop.item(1), 1)]);
    let bundle = shop.define(&kit).await;
    shop.comes_right().await;
    (shop, bundle, kit.item())
}

async fn decide(shop: &Shop, policy: Value) -> Answer {
    let answer = shop.merchant(Method::PUT, "/policy", &policy).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

fn unpaid(item: i64, quantity: i64) -> OrderRequest {
    OrderRequest {
        paid: false,
        ..OrderRequest::online(&[(item, quantity)])
    }
}

async fn pay(shop: &Shop, order: i64) {
    let path = format!("/orders/{order}/pay");
    let paid = shop.control(Method::POST, &path, &json!({})).await;
    assert_eq!(paid["order"]["financial_status"], "paid");
}

/// Levels of both components and of the bundle.
fn levels(shop: &Shop) -> [i64; 3] {
    [0, 1, 2].map(|position| shop.level(shop.item(position)))
}

async fn bundles_leave_the_safety_stock_alone(database: TestDb) {
    let (mut shop, bundle, kit) = kit_shop(database).await;
    assert_eq!(levels(&shop), [100, 30, 30]);
    let foam = shop.item(1).to_string();
    decide(
        &shop,
        json!({"safety_stock": {"usual": 60, "items": [{"item": foam, "units": 5}]}}),
    )
    .await;
    shop.rests().await;
    assert_eq!(
        levels(&shop),
        [100, 30, 20],
        "40 razors are left for two each"
    );

    let path = format!("/bundles/{bundle}/why");
    let why = shop.merchant(Method::GET, &path, &Value::Null).await.json();
    assert_eq!(
        (&why["available"], &why["locations"][0]["limiting"]),
        (&json!(20), &json!(shop.item(0).to_string()))
    );
    let told = &why["locations"][0]["components"];
    assert_eq!(
        (&told[0]["level"], &told[0]["safety_stock"]),
        (&json!(100), &json!(60))
    );
    assert_eq!(told[1]["safety_stock"], 5);
    assert_eq!(shop.availability(kit).await["available"], 20);
    assert_eq!(
        shop.availability(shop.item(0)).await["available"],
        100,
        "alone it sells to the last"
    );

    // It is kept over a restart, and what is sold is taken as ever.
    shop.stop_server().await;
    shop.start_server().await;
    shop.sell(&[(kit, 3)]);
    shop.rests().await;
    assert_eq!(levels(&shop), [94, 27, 17]);

    decide(&shop, json!({})).await;
    shop.comes_right().await;
    assert_eq!(levels(&shop), [94, 27, 27]);
}

async fn an_order_takes_nothing_before_it_is_paid(database: TestDb) {
    let (shop, _, kit) = kit_shop(database).await;
    decide(&shop, json!({"consume_on": "paid"})).await;
    let later = shop.order(&unpaid(kit, 4));
    let never = shop.order(&unpaid(kit, 5));
    shop.sell(&[(kit, 1)]);
    shop.rests().await;
    assert_eq!(levels(&shop), [98, 29, 29], "only the paid one counts");

    pay(&shop, later).await;
    shop.cancel(never, true);
    shop.rests().await;
    assert_eq!(levels(&shop), [90, 25, 25]);

    shop.refund(later, 3, RestockType::Cancel);
    shop.comes_right().await;
    assert_eq!(levels(&shop), [96, 28, 28]);
}

async fn an_order_keeps_the_rule_under_which_it_was_told_of(database: TestDb) {
    let (mut shop, _, kit) = kit_shop(database).await;
    let early = shop.order(&unpaid(kit, 2));
    shop.rests().await;
    assert_eq!(levels(&shop), [96, 28, 28]);
    decide(&shop, json!({"consume_on": "paid"})).await;
    let held = shop.order(&unpaid(kit, 3));
    shop.rests().await;
    decide(&shop, json!({"consume_on": "created"})).await;
    shop.stop_server().await;
    shop.start_server().await;
    shop.fulfil(early);
    shop.next_second().await;
    shop.fulfil(held);
    shop.rests().await;
    assert_eq!(levels(&shop), [96, 28, 28], "it is still to be paid");
    pay(&shop, held).await;
    shop.comes_right().await;
    assert_eq!(levels(&shop), [90, 25, 25]);
}

async fn payments_of_which_no_webhook_told_are_found_by_the_sweep(database: TestDb) {
    let opening = Shop::with_stock(&[100, 30, 0]).sweeping();
    let (shop, _, kit) = opened(opening, database).await;
    decide(&shop, json!({"consume_on": "paid"})).await;
    let known = shop.order(&unpaid(kit, 2));
    shop.rests().await;
    assert_eq!(levels(&shop), [100, 30, 30]);
    shop.sandbox.set_faults(Faults {
        webhooks: WebhookFaults {
            drop_per_mille: 1_000,
            ..WebhookFaults::default()
        },
        ..Faults::default()
    });
    pay(&shop, known).await;
    shop.sell(&[(kit, 3)]);
    shop.until("taken", |shop| levels(shop) == [90, 25, 25])
        .await;
}
