//! Twenty thousand genuine signatures under bodies that are not: nothing breaks, nothing is lost, nobody waits.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use storekeeper::sandbox::{Answer as Told, Plan, ProductRequest, Products, ShopRequest};
use tokio::time::{Instant, interval};

use super::chance::Chance;
use super::mutate::{mutated, random};
use super::twin::{Original, originals, topics};
use crate::journeys::kit::Kit;
use crate::journeys::shop::Shop;
use crate::support::app::{Answer, sign};
use crate::support::database::TestDb;

/// Bodies sent in all; even indexes are random, odd ones mutations of something genuine.
const BODIES: u64 = 20_000;
/// The seed when none is given.
const SEED: u64 = 20_261_122;
/// Deliveries under way at once.
const AT_ONCE: usize = 48;
/// How long the server may take to get over it; far more than it ever takes.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Why a delivery may have been given up.
const CLASSES: [&str; 5] = [
    "malformed",
    "entity_missing",
    "poison",
    "rejected",
    "ambiguous",
];

/// What a keeper shows of work that is left.
const LEFT: [&str; 4] = ["dirty_bundles", "unsure_levels", "open_calls", "parked"];

const DOMAIN: &str = "toys.myshopify.com";
/// Orders between those that the attacks speak of and those to come.
const ORDERS_APART: usize = 60;
/// A shop whose app is uninstalled by the attacks, as their topic says.
const DOOMED: &str = "doomed.myshopify.com";
/// Stock of the items: two components and their kit, a component and its kit that nobody attacks, and one to delete.
const STOCK: [i64; 6] = [5_000, 5_000, 0, 400, 0, 9];
const KIT: usize = 2;
const SPARED: usize = 4;
const OTHER: usize = 5;

/// Where a delivery goes, and who signs it.
struct Target {
    domain: &'static str,
    secret: String,
}

/// One delivery of the flood.
struct Attack {
    index: u64,
    topic: String,
    body: Vec<u8>,
    triggered_at: Option<&'static str>,
}

impl Attack {
    /// What the seed makes of this index.
    fn of(seed: u64, index: u64, originals: &[Original]) -> Self {
        let mut chance = Chance::of(seed, index);
        let triggered = [
            None,
            Some("2026-11-22T10:00:00.123456789Z"),
            Some("9999-12-31T23:59:59Z"),
            Some("never"),
        ];
        let triggered_at = *chance.pick(&triggered);
        let (topic, body) = if index.is_multiple_of(2) {
            let all: Vec<&str> = topics()
                .chain(["weather/changed", "orders/paid", "shop/redact"])
                .collect();
            ((*chance.pick(&all)).to_owned(), random(&mut chance))
        } else {
            // Topic by topic, for some have many more originals than others.
            let all: Vec<&str> = topics().collect();
            let topic = *chance.pick(&all);
            let of_topic: Vec<&Original> = originals
                .iter()
                .filter(|original| original.topic == topic)
                .collect();
            let body = mutated(&chance.pick(&of_topic).body, &mut chance);
            (topic.to_owned(), body)
        };
        Self {
            index,
            topic,
            body,
            triggered_at,
        }
    }

    async fn send(&self, shop: &Shop, target: &Target) -> Answer {
        let mut request = shop
            .anyone(Method::POST, "/webhooks/shopify")
            .header("x-shopify-topic", &self.topic)
            .header("x-shopify-shop-domain", target.domain)
            .header("x-shopify-webhook-id", format!("hostile-{}", self.index))
            .header("x-shopify-hmac-sha256", sign(&target.secret, &self.body));
        if let Some(triggered_at) = self.triggered_at {
            request = request.header("x-shopify-triggered-at", triggered_at);
        }
        Answer::of(request.body(self.body.clone())).await
    }
}

/// What became of the flood at the door, by store and outcome.
type Tally = BTreeMap<(&'static str, String), u64>;

fn told(tally: &Tally, domain: &'static str, outcome: &str) -> u64 {
    tally
        .get(&(domain, outcome.to_owned()))
        .copied()
        .unwrap_or(0)
}

#[tokio::test]
async fn twenty_thousand_bodies_bring_nothing_down() {
    let seed = SEED;
    println!("seed {seed}");
    let (shop, kit, spared) = shop_with_two_kits().await;
    let (twin, originals) = originals(&catalog(), KIT).await;
    let ids = |opened: &[storekeeper::sandbox::ItemMade]| {
        opened.iter().map(|made| made.item).collect::<Vec<_>>()
    };
    assert_eq!(
        ids(&twin.items),
        ids(&shop.opened.items),
        "the attacks name what is in bundles"
    );
    let doomed = install_doomed(&shop).await;

    let started = Instant::now();
    let tally = flood(&shop, &doomed, seed, &originals).await;
    println!("{tally:?} in {:?}", started.elapsed());
    let keeper = is_taken(&shop, &shop.store, DOMAIN, &tally).await;
    println!("taken in {:?}: {keeper}", started.elapsed());
    is_taken(&shop, &doomed.store, DOOMED, &tally).await;
    dead_letters_say_why(&shop, &keeper).await;

    good_webhooks_are_applied(&shop, &kit, &spared).await;
    println!("right in {:?}", started.elapsed());
    for store in [&shop.store, &doomed.store] {
        assert_eq!(keeper_of(&shop, store).await["restarts"], 0, "seed {seed}");
    }
}

fn catalog() -> ShopRequest {
    let product = |available: &i64| ProductRequest {
        available: vec![*available],
        ..ProductRequest::default()
    };
    ShopRequest {
        plan: Plan::Enterprise,
        locations: 2,
        products: Products::Listed(STOCK.iter().map(product).collect()),
        ..ShopRequest::new(DOMAIN)
    }
}

async fn shop_with_two_kits() -> (Shop, Kit, Kit) {
    let opening = Shop::with_stock(&STOCK).platform(|request, _options| *request = catalog());
    let mut shop = opening.open(TestDb::chosen().await).await;
    let kit = Kit::of(shop.item(KIT), &[(shop.item(0), 2), (shop.item(1), 1)]);
    let spared = Kit::of(shop.item(SPARED), &[(shop.item(3), 2)]);
    shop.define(&kit).await;
    shop.define(&spared).await;
    shop.comes_right().await;
    // The orders that the attacks speak of.
    for units in 1..4 {
        shop.sell(&[(kit.item(), units)]);
    }
    // So that no attack hits the orders to come by being a little off.
    for _ in 0..ORDERS_APART {
        shop.sell(&[(shop.item(OTHER), 1)]);
    }
    shop.comes_right().await;
    shop.comes_right().await;
    (shop, kit, spared)
}

/// A store that will be told, truly signed, that its app is uninstalled.
struct Doomed {
    store: String,
    secret: String,
}

async fn install_doomed(shop: &Shop) -> Doomed {
    let opened = shop.sandbox.open_shop(&ShopRequest::new(DOOMED)).unwrap();
    let body = json!({
        "platform": "shopify", "domain": DOOMED, "api_base_url": shop.sandbox.shop_url(DOOMED),
        "access_token": opened.access_token, "webhook_secrets": [opened.webhook_secret],
    });
    let answer = shop.operator(Method::POST, "/v1/admin/stores", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    Doomed {
        store: answer.json()["id"].as_str().unwrap().to_owned(),
        secret: opened.webhook_secret,
    }
}

/// Sends everything; whatever is truly signed is answered 200.
async fn flood(shop: &Shop, doomed: &Doomed, seed: u64, originals: &[Original]) -> Tally {
    let living = Target {
        domain: DOMAIN,
        secret: shop.opened.webhook_secret.clone(),
    };
    let dying = Target {
        domain: DOOMED,
        secret: doomed.secret.clone(),
    };
    let send = async |index| {
        let attack = Attack::of(seed, index, originals);
        let target = if attack.topic == "app/uninstalled" {
            &dying
        } else {
            &living
        };
        let answer = attack.send(shop, target).await;
        let shown =
            || String::from_utf8_lossy(&attack.body[..attack.body.len().min(300)]).into_owned();
        assert_eq!(
            answer.status,
            200,
            "seed {seed} index {index} {}: {} to {}",
            attack.topic,
            answer.text,
            shown()
        );
        (
            target.domain,
            answer.json()["outcome"].as_str().unwrap().to_owned(),
        )
    };
    let answers = stream::iter(0..BODIES).map(send).buffer_unordered(AT_ONCE);
    let count = |mut tally: Tally, answered| async {
        *tally.entry(answered).or_default() += 1;
        tally
    };
    answers.fold(Tally::new(), count).await
}

async fn keeper_of(shop: &Shop, store: &str) -> Value {
    let path = format!("/v1/admin/keepers/{store}");
    let answer = shop.operator(Method::GET, &path, &Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// Waits until every webhook of a store has come to an end: applied, naked, dead, or parked for a while; none twice.
async fn is_taken(shop: &Shop, store: &str, domain: &'static str, tally: &Tally) -> Value {
    let ticks = &mut interval(LOOK_EVERY);
    let deadline = Instant::now() + PATIENCE;
    loop {
        ticks.tick().await;
        let keeper = keeper_of(shop, store).await;
        let number = |name: &str| keeper[name].as_u64().unwrap_or(0);
        let ends = ["applied", "naked", "parked", "dead_letters"].map(number);
        let of = |outcome| told(tally, domain, outcome) + told_platform(shop, domain, outcome);
        let sent = of("accepted") + of("naked");
        if number("backlog") == 0 && ends.iter().sum::<u64>() == sent {
            return keeper;
        }
        assert!(Instant::now() < deadline, "{ends:?} of {sent}: {keeper:#}");
    }
}

/// How many of the platform's own deliveries were answered with this outcome.
fn told_platform(shop: &Shop, domain: &str, outcome: &str) -> u64 {
    let log = shop.sandbox.log(domain);
    let is_outcome =
        |told: &Told| matches!(told, Told::Status { body, .. } if body.contains(outcome));
    let found = log.webhooks.iter().filter(|sent| is_outcome(&sent.answer));
    u64::try_from(found.count()).unwrap()
}

/// Every dead letter has one of the known classes, and a delivery that was given up has its letter. Parked deliveries
/// may still be given up while this counts.
async fn dead_letters_say_why(shop: &Shop, keeper: &Value) {
    let count = async |query: &str| {
        let path = format!("/v1/admin/dead-letters/count?store={}{query}", shop.store);
        let answer = shop.operator(Method::GET, &path, &Value::Null).await;
        answer.json()["count"].as_u64().unwrap()
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = count("").await;
        let mut of_classes = BTreeMap::new();
        for class in CLASSES {
            of_classes.insert(class, count(&format!("&class={class}")).await);
        }
        let sum: u64 = of_classes.values().sum();
        if sum == before {
            println!("{of_classes:?}");
            assert!(
                sum >= keeper["dead_letters"].as_u64().unwrap(),
                "{keeper:#}"
            );
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{before} in all, but {of_classes:?}"
        );
    }
}

/// The store goes on: what is sold now is taken from its components, and its kits show what these really allow.
async fn good_webhooks_are_applied(shop: &Shop, kit: &Kit, spared: &Kit) {
    let sold = stock(shop, 3) - 14;
    shop.sell(&[(spared.item(), 7)]);
    is_right(shop, "what nobody attacked", |shop| {
        stock(shop, 3) == sold && shows_the_truth(shop, SPARED, &[(3, 2)])
    })
    .await;
    shop.sell(&[(kit.item(), 5)]);
    is_right(shop, "what was attacked", |shop| {
        shows_the_truth(shop, KIT, &[(0, 2), (1, 1)])
    })
    .await;
}

/// Waits until nothing is left to be done but for orders that the attacks made up, and something holds then. What these
/// consist of is asked again and again, ever more seldom, for the platform may know of them later.
async fn is_right(shop: &Shop, what: &str, holds: impl Fn(&Shop) -> bool) {
    let ticks = &mut interval(LOOK_EVERY);
    let deadline = Instant::now() + PATIENCE;
    loop {
        ticks.tick().await;
        let keeper = keeper_of(shop, &shop.store).await;
        let shown = &keeper["observation"];
        let left = LEFT.iter().filter(|name| shown[**name] != 0).count();
        let rests = left == 0 && keeper["backlog"] == 0 && shop.sandbox.pending() == 0;
        if rests && holds(shop) {
            return;
        }
        let stock = [0, 1, KIT, 3, SPARED].map(|position| shop.levels(shop.item(position)));
        assert!(Instant::now() < deadline, "{what}: {stock:?}; {keeper:#}");
    }
}

/// What the platform has of an item, at all locations.
fn stock(shop: &Shop, position: usize) -> i64 {
    shop.levels(shop.item(position)).into_iter().flatten().sum()
}

/// Whether a kit has at every location what its components allow there, as the platform has them.
fn shows_the_truth(shop: &Shop, kit: usize, components: &[(usize, i64)]) -> bool {
    let shown = shop.levels(shop.item(kit));
    shown.iter().enumerate().all(|(location, shown)| {
        let allows = |(position, quantity): &(usize, i64)| {
            let level = shop.levels(shop.item(*position))[location];
            level.map(|units| units.div_euclid(*quantity).max(0))
        };
        components.iter().filter_map(allows).min() == *shown
    })
}
