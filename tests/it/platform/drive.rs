//! The client against the sandbox platform: what one asks is what the other answers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use storekeeper::clock::{Clock, Timestamp};
use storekeeper::domain::call::{
    Adjustment, Answer, Call, CallError, Meter, Read, Reply, Request, Setting, UserErrorCode, Write,
};
use storekeeper::domain::fact::{Assignment, Assignments, Fact, LevelSnapshot};
use storekeeper::ids::{CallId, ItemId, LineId, LocationId, OrderId, StoreId};
use storekeeper::platform::shopify::bodies::{NEEDED_TOPICS, WANTED_TOPICS, mentions, parse};
use storekeeper::platform::shopify::client::ShopifyClient;
use storekeeper::platform::shopify::{headers, signature};
use storekeeper::platform::{Account, Callback, ClientSettings, PlatformKind, Secret};
use storekeeper::sandbox::{
    ApiFaults, CancelRequest, EffectOutcome, Faults, OrderRequest, Plan, ProductRequest, Products,
    Sandbox, SandboxOptions, ShopOpened, ShopRequest,
};
use uuid::Uuid;

use super::fake::{Fake, Seen, reply};

const DOMAIN: &str = "drive.myshopify.com";
const CALLBACK: &str = "http://127.0.0.1:9/webhooks/shopify/t0k3n";

/// A shop with two locations and four products of 10 and 5 units: tracked, untracked, native bundle, sold on.
struct Drive {
    sandbox: Sandbox,
    shop: ShopOpened,
    client: ShopifyClient,
    account: Account,
}

impl Drive {
    async fn start() -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let product = || ProductRequest {
            available: vec![10, 5],
            ..ProductRequest::default()
        };
        let products = vec![
            product(),
            ProductRequest {
                untracked: true,
                ..product()
            },
            ProductRequest {
                native_bundle: true,
                ..product()
            },
            ProductRequest {
                continue_selling: true,
                ..product()
            },
        ];
        let mut request = ShopRequest::new(DOMAIN);
        request.locations = 2;
        request.plan = Plan::Plus;
        request.products = Products::Listed(products);
        let shop = sandbox.open_shop(&request).unwrap();
        let account = Account {
            store: StoreId(1),
            platform: PlatformKind::Shopify,
            api_base_url: sandbox.shop_url(DOMAIN),
            access_token: Secret::new(shop.access_token.clone()),
            callback: Some(Callback::by_domain(CALLBACK)),
        };
        let client = ShopifyClient::new(&ClientSettings::default(), Clock::System).unwrap();
        Self {
            sandbox,
            shop,
            client,
            account,
        }
    }

    fn item(&self, index: usize) -> ItemId {
        ItemId(self.shop.items[index].item)
    }

    fn location(&self, index: usize) -> LocationId {
        LocationId(self.shop.locations[index])
    }

    async fn send(&self, key: u128, request: Request) -> Answer {
        let call = Call {
            id: CallId(Uuid::from_u128(key)),
            request,
        };
        self.client.send(&self.account, &call).await
    }

    async fn read(&self, read: Read) -> Result<Reply, CallError> {
        self.send(0, Request::Read(read)).await.result
    }

    async fn levels(&self) -> BTreeMap<(ItemId, LocationId), Option<i64>> {
        let items = (0..self.shop.items.len())
            .map(|index| self.item(index))
            .collect();
        let Ok(Reply::Levels(levels)) = self.read(Read::Levels(items)).await else {
            panic!("no levels")
        };
        levels
            .iter()
            .map(
                |LevelSnapshot {
                     item,
                     location,
                     available,
                     ..
                 }| ((*item, *location), *available),
            )
            .collect()
    }

    fn adjust(&self, index: usize, delta: i64) -> Request {
        let (item, location) = (self.item(index), self.location(0));
        Request::Write(Write::Adjust(vec![Adjustment {
            item,
            location,
            delta,
            cells: Vec::new(),
        }]))
    }

    fn set(&self, change_from: i64, quantity: i64) -> Request {
        let setting = |index, change_from| Setting {
            item: self.item(index),
            location: self.location(0),
            quantity,
            change_from,
        };
        Request::Write(Write::Set(vec![setting(3, 10), setting(0, change_from)]))
    }

    fn place(&self, quantity: i64) -> OrderId {
        let line = (self.shop.items[0].item, quantity);
        OrderId(
            self.sandbox
                .place_order(DOMAIN, &OrderRequest::online(&[line]))
                .unwrap(),
        )
    }
}

fn code_of(result: Result<Reply, CallError>) -> (Option<usize>, UserErrorCode) {
    match result {
        Err(CallError::Rejected { errors }) => (errors[0].entry, errors[0].code.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn levels_items_and_locations_are_what_the_shop_holds() {
    let drive = Drive::start().await;
    let levels = drive.levels().await;
    assert_eq!(levels[&(drive.item(0), drive.location(0))], Some(10));
    assert_eq!(levels[&(drive.item(0), drive.location(1))], Some(5));
    assert_eq!(levels[&(drive.item(1), drive.location(0))], None);
    let items = (0..4)
        .map(|index| drive.item(index))
        .chain([ItemId(1)])
        .collect();
    let Ok(Reply::Items(items)) = drive.read(Read::Items(items)).await else {
        panic!("no items")
    };
    assert_eq!(items.len(), 4);
    let told: Vec<_> = items
        .iter()
        .map(|item| (item.tracked, item.sells_when_out, item.composite))
        .collect();
    let of =
        |tracked, sells_when_out, composite| (Some(tracked), Some(sells_when_out), Some(composite));
    let expected = [
        of(true, false, false),
        of(false, false, false),
        of(true, false, true),
        of(true, true, false),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        items[0].variant.map(|variant| variant.0),
        Some(drive.shop.items[0].variant)
    );
    assert_eq!(
        items[0].product.map(|product| product.0),
        Some(drive.shop.items[0].product)
    );
    let Ok(Reply::Locations(locations)) = drive.read(Read::Locations).await else {
        panic!("no locations")
    };
    assert!(locations.iter().all(|location| location.active));
    assert_eq!(
        locations
            .iter()
            .map(|location| location.location.0)
            .collect::<Vec<_>>(),
        drive.shop.locations
    );
}

#[tokio::test]
async fn one_key_adjusts_once() {
    let drive = Drive::start().await;
    let place = (drive.item(0), drive.location(0));
    for _ in 0..3 {
        let answer = drive.send(1, drive.adjust(0, -4)).await;
        assert!(
            matches!(answer.result, Ok(Reply::Written { .. })),
            "{:?}",
            answer.result
        );
        let cost = answer.rate.and_then(|rate| rate.cost).unwrap();
        assert!(cost.requested <= drive.adjust(0, -4).cost_max(), "{cost:?}");
        assert!(answer.platform_time.is_some());
    }
    assert_eq!(drive.levels().await[&place], Some(6));
    drive.send(2, drive.adjust(0, -4)).await;
    assert_eq!(drive.levels().await[&place], Some(2));
    let other = drive.send(2, drive.adjust(0, 9)).await.result;
    let mismatch = UserErrorCode::Other("IDEMPOTENCY_KEY_PARAMETER_MISMATCH".to_owned());
    assert_eq!(code_of(other), (None, mismatch));
}

#[tokio::test]
async fn a_set_holds_only_against_the_level_it_was_made_for() {
    let drive = Drive::start().await;
    let stale = drive.send(1, drive.set(9, 3)).await.result;
    assert_eq!(code_of(stale), (Some(1), UserErrorCode::Stale));
    let levels = drive.levels().await;
    assert_eq!(
        levels[&(drive.item(3), drive.location(0))],
        Some(10),
        "nothing of the batch took effect"
    );
    assert!(matches!(
        drive.send(2, drive.set(10, 3)).await.result,
        Ok(Reply::Written { at: Some(_) })
    ));
    let levels = drive.levels().await;
    assert_eq!(levels[&(drive.item(0), drive.location(0))], Some(3));
    assert_eq!(levels[&(drive.item(3), drive.location(0))], Some(3));
}

#[tokio::test]
async fn what_cannot_be_written_says_so() {
    let drive = Drive::start().await;
    assert_eq!(
        code_of(drive.send(1, drive.adjust(2, 1)).await.result).1,
        UserErrorCode::ItemUnusable
    );
    let active = Write::Activate {
        item: drive.item(0),
        location: drive.location(0),
        available: 1,
    };
    assert_eq!(
        code_of(drive.send(2, Request::Write(active)).await.result).1,
        UserErrorCode::AlreadyStocked
    );
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_repeated_under_its_key() {
    let drive = Drive::start().await;
    let api = ApiFaults {
        ambiguous_per_mille: 1000,
        ..ApiFaults::default()
    };
    drive.sandbox.set_faults(Faults {
        api,
        ..Faults::default()
    });
    let lost = drive.send(1, drive.adjust(0, -4)).await.result;
    assert!(matches!(lost, Err(CallError::Ambiguous { .. })), "{lost:?}");
    drive.sandbox.heal();
    assert!(matches!(
        drive.send(1, drive.adjust(0, -4)).await.result,
        Ok(Reply::Written { .. })
    ));
    assert_eq!(
        drive.levels().await[&(drive.item(0), drive.location(0))],
        Some(6)
    );
    let effects = drive.sandbox.log(DOMAIN).effects;
    assert_eq!(
        effects
            .iter()
            .filter(|effect| effect.outcome == EffectOutcome::Applied)
            .count(),
        1
    );
}

#[tokio::test]
async fn faults_of_the_door_fall_into_their_classes() {
    let drive = Drive::start().await;
    let with = |api| {
        drive.sandbox.set_faults(Faults {
            api,
            ..Faults::default()
        });
    };
    with(ApiFaults {
        throttle_per_mille: 1000,
        ..ApiFaults::default()
    });
    for request in [Request::Read(Read::Locations), drive.adjust(0, 1)] {
        let result = drive.send(1, request).await.result;
        assert!(
            matches!(result, Err(CallError::Throttled { wait_ms: Some(1..) })),
            "{result:?}"
        );
    }
    with(ApiFaults {
        error_per_mille: 1000,
        ..ApiFaults::default()
    });
    assert!(matches!(
        drive.read(Read::Locations).await,
        Err(CallError::Unavailable { .. })
    ));
    assert!(matches!(
        drive.send(2, drive.adjust(0, 1)).await.result,
        Err(CallError::Ambiguous { .. })
    ));
    with(ApiFaults {
        reset_per_mille: 1000,
        ..ApiFaults::default()
    });
    assert!(matches!(
        drive.read(Read::Locations).await,
        Err(CallError::Unavailable { .. })
    ));
    drive.sandbox.heal();
    let stranger = Account {
        access_token: Secret::new("shpat_wrong"),
        ..drive.account.clone()
    };
    let call = Call {
        id: CallId(Uuid::nil()),
        request: Request::Read(Read::Locations),
    };
    assert!(matches!(
        drive.client.send(&stranger, &call).await.result,
        Err(CallError::Barred(_))
    ));
}

#[tokio::test]
async fn orders_are_swept_page_by_page_oldest_first() {
    let drive = Drive::start().await;
    let placed: Vec<OrderId> = (0..260).map(|_| drive.place(1)).collect();
    let (mut swept, mut page, mut pages) = (Vec::new(), None, 0);
    loop {
        let question = Request::Read(Read::OrdersSince {
            since: Timestamp::EPOCH,
            page,
        });
        let answer = drive.send(0, question).await;
        assert_eq!(answer.rate.map(|rate| rate.meter), Some(Meter::Rest));
        let Ok(Reply::OrdersPage { orders, next }) = answer.result else {
            panic!("no page")
        };
        swept.extend(orders.iter().map(|order| order.order));
        pages += 1;
        page = next;
        if page.is_none() {
            break;
        }
    }
    assert_eq!((swept, pages), (placed.clone(), 2));
    let Ok(Reply::Order(Some(one))) = drive.read(Read::Order(placed[7])).await else {
        panic!("no order")
    };
    assert_eq!((one.order, one.lines[0].quantity), (placed[7], 1));
    assert_eq!(
        one.lines[0].variant.map(|variant| variant.0),
        Some(drive.shop.items[0].variant)
    );
    assert_eq!(
        drive.read(Read::Order(OrderId(1))).await,
        Ok(Reply::Order(None))
    );
}

#[tokio::test]
async fn assignments_tell_where_an_order_ships_from() {
    let drive = Drive::start().await;
    let order = drive.place(3);
    let line = LineId(drive.sandbox.line_ids(DOMAIN, order.0)[0]);
    let expected = vec![Assignment {
        line,
        location: drive.location(0),
        quantity: 3,
    }];
    assert_eq!(
        drive.read(Read::Assignments(order)).await,
        Ok(Reply::Assignments(Assignments {
            current: expected.clone(),
            former: Vec::new(),
        }))
    );
    assert_eq!(
        drive.read(Read::Assignments(OrderId(1))).await,
        Ok(Reply::Assignments(Assignments::default()))
    );
    let without_restock = CancelRequest {
        restock: false,
        ..CancelRequest::default()
    };
    let cancelled = drive
        .sandbox
        .cancel_order(DOMAIN, order.0, &without_restock);
    cancelled.expect("a cancelled order");
    assert_eq!(
        drive.read(Read::Assignments(order)).await,
        Ok(Reply::Assignments(Assignments {
            current: Vec::new(),
            former: expected,
        }))
    );
}

#[tokio::test]
async fn subscriptions_are_made_once() {
    let drive = Drive::start().await;
    let all = u32::try_from(NEEDED_TOPICS.len() + WANTED_TOPICS.len()).unwrap();
    assert_eq!(
        drive.read(Read::Subscriptions).await,
        Ok(Reply::Subscriptions { created: all })
    );
    assert_eq!(
        drive.read(Read::Subscriptions).await,
        Ok(Reply::Subscriptions { created: 0 })
    );
}

/// Asks the platform by hand; gives the data of its reply.
async fn ask(drive: &Drive, body: &serde_json::Value) -> serde_json::Value {
    let base = drive.sandbox.shop_url(DOMAIN);
    let request = crate::support::client::client()
        .post(format!("{base}/admin/api/2026-10/graphql.json"))
        .header("x-shopify-access-token", &drive.shop.access_token)
        .json(body);
    let reply: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
    assert!(reply["errors"].is_null(), "{reply}");
    reply["data"].clone()
}

/// The addresses that the platform has subscriptions to, each with how many.
async fn subscribed(drive: &Drive) -> BTreeMap<String, usize> {
    let query = "{ webhookSubscriptions(first: 100) { nodes { uri } } }";
    let data = ask(drive, &serde_json::json!({ "query": query })).await;
    let mut uris = BTreeMap::new();
    for node in data["webhookSubscriptions"]["nodes"].as_array().unwrap() {
        *uris
            .entry(node["uri"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    uris
}

#[tokio::test]
async fn subscriptions_move_to_the_stores_own_address() {
    const ELSEWHERE: &str = "http://127.0.0.1:9/other";
    const ROOT: &str = "http://127.0.0.1:9/webhooks/shopify";
    const CREATE: &str = "mutation($topic: WebhookSubscriptionTopic!, $uri: String!) { \
        webhookSubscriptionCreate(topic: $topic, webhookSubscription: {uri: $uri, format: JSON}) { \
        userErrors { message } } }";
    let mut drive = Drive::start().await;
    for root in [ELSEWHERE, ROOT] {
        drive.account.callback = Some(Callback::by_domain(root));
        drive.read(Read::Subscriptions).await.unwrap();
    }
    // Some are there already, as when the move before was cut short.
    let own = Callback::by_token(ROOT, Secret::new("t0k3n"));
    for topic in ["ORDERS_CREATE", "ORDERS_UPDATED"] {
        let variables = serde_json::json!({"topic": topic, "uri": own.uri()});
        let body = serde_json::json!({"query": CREATE, "variables": variables});
        let errors = &ask(&drive, &body).await["webhookSubscriptionCreate"]["userErrors"];
        assert_eq!(errors, &serde_json::json!([]));
    }
    let all = NEEDED_TOPICS.len() + WANTED_TOPICS.len();
    let others = (ELSEWHERE.to_owned(), all);
    let before = [others.clone(), (ROOT.to_owned(), all), (own.uri(), 2)];
    assert_eq!(subscribed(&drive).await, BTreeMap::from(before));

    drive.account.callback = Some(own.clone());
    for _ in 0..2 {
        assert_eq!(
            drive.read(Read::Subscriptions).await,
            Ok(Reply::Subscriptions { created: 0 })
        );
        let after = [others.clone(), (own.uri(), all)];
        assert_eq!(subscribed(&drive).await, BTreeMap::from(after));
    }
}

/// Checks one webhook as intake and keeper would; returns its topic.
fn understand(seen: &Seen, secrets: &[Secret], order: OrderId) -> String {
    let headers = headers::parse(|name| seen.headers.get(name).map(String::as_str)).unwrap();
    assert_eq!(headers.shop_domain, DOMAIN);
    assert!(
        !headers.webhook_id.is_empty()
            && headers.event_id.is_some()
            && headers.triggered_at.is_some()
    );
    assert_eq!(
        signature::verify(&seen.raw, headers.signature, secrets),
        Ok(1)
    );
    let fact = parse(headers.topic, &seen.raw).unwrap();
    assert_ne!(fact, Fact::Unneeded, "{}", headers.topic);
    if let Fact::Order(snapshot) = &fact {
        assert_eq!((snapshot.order, snapshot.lines[0].quantity), (order, 2));
    }
    if let Fact::Refund(refund) = &fact {
        assert!(refund.order == order && refund.lines[0].restock.gives_back());
    }
    let always_stored = matches!(
        fact,
        Fact::OrderTouched(_)
            | Fact::PartTouched(_)
            | Fact::OrderDeleted(_)
            | Fact::LocationsTouched
    );
    assert_eq!(
        mentions(headers.topic, &seen.raw).is_none(),
        always_stored,
        "{}",
        headers.topic
    );
    headers.topic.to_owned()
}

#[tokio::test]
async fn every_webhook_of_the_platform_verifies_and_is_understood() {
    let drive = Drive::start().await;
    let receiver = Fake::start((0..200).map(|_| reply(200, "")).collect()).await;
    let topics: Vec<&str> = NEEDED_TOPICS
        .iter()
        .chain(&WANTED_TOPICS)
        .copied()
        .collect();
    drive
        .sandbox
        .subscribe(DOMAIN, &receiver.url, &topics)
        .unwrap();
    let order = drive.place(2);
    let restocked = CancelRequest {
        restock: true,
        ..CancelRequest::default()
    };
    drive
        .sandbox
        .cancel_order(DOMAIN, order.0, &restocked)
        .unwrap();
    drive.sandbox.import(DOMAIN, 2).unwrap();
    drive.sandbox.settle(Duration::from_secs(20)).await.unwrap();

    let secrets = [
        Secret::new("another"),
        Secret::new(drive.shop.webhook_secret.clone()),
    ];
    let sent: BTreeSet<String> = receiver
        .seen()
        .iter()
        .map(|seen| understand(seen, &secrets, order))
        .collect();
    for topic in [
        "orders/create",
        "orders/cancelled",
        "refunds/create",
        "inventory_levels/update",
    ] {
        assert!(sent.contains(topic), "{topic} not among {sent:?}");
    }
    assert!(
        sent.iter().any(|topic| topic.starts_with("products/")),
        "{sent:?}"
    );
}
