//! What the server tells people of stock is what the platform shows.

use reqwest::Method;
use serde_json::{Value, json};

use super::kit::Kit;
use super::shop::Shop;
use crate::support::database::{TestDb, on_both_databases};

on_both_databases!(why_and_availability_agree_with_the_platform);

async fn why_and_availability_agree_with_the_platform(database: TestDb) {
    let opening = Shop::with_stock(&[90, 30, 0]).locations(2);
    let mut shop = opening.open(database).await;
    let kit = Kit::of(shop.item(2), &[(shop.item(0), 2), (shop.item(1), 1)]);
    let bundle = shop.define(&kit).await;
    shop.comes_right().await;
    agrees(&shop, &kit, &bundle).await;
    shop.sell(&[(kit.item(), 4), (shop.item(0), 5)]);
    shop.count_at(shop.item(1), 1, -2);
    shop.comes_right().await;
    agrees(&shop, &kit, &bundle).await;

    let why = why(&shop, &bundle).await;
    let locations = why["locations"].as_array().unwrap();
    assert_eq!(locations[0]["limiting"], shop.item(1).to_string());
    assert_eq!(locations[1]["available"], 0, "{why:#}");
    let unknown = shop.availability(987_654_321).await;
    assert_eq!(unknown["kind"], "unknown");
}

async fn why(shop: &Shop, bundle: &str) -> Value {
    let path = format!("/bundles/{bundle}/why");
    let answer = shop.merchant(Method::GET, &path, &Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

async fn agrees(shop: &Shop, kit: &Kit, bundle: &str) {
    let levels = shop.levels(kit.item());
    let why = why(shop, bundle).await;
    let sum = levels.iter().flatten().sum::<i64>();
    assert_eq!(why["available"], sum, "{why:#}");
    for (position, level) in levels.iter().enumerate() {
        let told = &why["locations"][position];
        assert_eq!(told["location"], shop.location(position).to_string());
        assert_eq!(told["wanted"], json!(level));
        for component in told["components"].as_array().unwrap() {
            let item = component["item"].as_str().unwrap().parse().unwrap();
            assert_eq!(component["level"], json!(shop.levels(item)[position]));
        }
    }
    for item in [kit.item(), shop.item(0), shop.item(1)] {
        let told = shop.availability(item).await;
        let shown = shop.levels(item);
        let sum = shown
            .iter()
            .flatten()
            .map(|units| units.max(&0))
            .sum::<i64>();
        assert_eq!(told["available"], sum, "{told:#}");
    }
}
