//! Webhook bodies: what each topic becomes, what is refused and where, and what a body is about.

use proptest::prelude::*;
use serde_json::{Value, json};
use storekeeper::clock::Timestamp;
use storekeeper::domain::fact::{
    Fact, ItemSnapshot, LevelSnapshot, LineSnapshot, OrderSnapshot, ProductSnapshot, RefundLine,
    RefundSnapshot, Restock, VariantSnapshot,
};
use storekeeper::domain::interest::{Interest, Mentions};
use storekeeper::ids::{
    FulfillmentOrderId, ItemId, LineId, LocationId, OrderId, ProductId, RefundId, VariantId,
};
use storekeeper::platform::shopify::bodies::{NEEDED_TOPICS, WANTED_TOPICS, mentions, parse};

const STAMP: &str = "2021-12-31T19:00:00-05:00";
const ORDER: i64 = 820_982_911_946_154_508;
const LINE: i64 = 866_550_311_766_439_020;
const VARIANT: i64 = 808_950_810;
const PRODUCT: i64 = 632_910_392;

const ORDER_TOPICS: [&str; 6] = [
    "orders/create",
    "orders/updated",
    "orders/paid",
    "orders/cancelled",
    "orders/fulfilled",
    "orders/partially_fulfilled",
];

fn stamp() -> Timestamp {
    Timestamp::parse_rfc3339("2022-01-01T00:00:00Z").unwrap()
}

fn line() -> Value {
    json!({"id": LINE, "admin_graphql_api_id": format!("gid://shopify/LineItem/{LINE}"), "variant_id": VARIANT,
        "product_id": PRODUCT, "sku": "SKU-1", "quantity": 3, "current_quantity": 2, "fulfillable_quantity": 2,
        "price": "199.00", "properties": [], "gift_card": false, "tax_lines": [{"rate": 0.06}]})
}

fn refund() -> Value {
    json!({"id": 890_088_186_047_892_319_i64, "order_id": ORDER, "created_at": STAMP, "note": "damaged",
        "restock": true, "transactions": [{"amount": "41.94"}], "refund_line_items": [
            {"id": 1, "quantity": 2, "line_item_id": LINE, "location_id": 487, "restock_type": "cancel",
                "subtotal": 195.66, "total_tax": 3.98, "line_item": line()}]})
}

fn order() -> Value {
    json!({"id": ORDER, "admin_graphql_api_id": format!("gid://shopify/Order/{ORDER}"), "name": "#9999",
        "test": true, "created_at": STAMP, "updated_at": STAMP, "cancelled_at": null, "location_id": null,
        "financial_status": "paid", "total_price": "388.00", "fulfillment_status": "a word of the future", "customer": {"id": 1, "email": "a@b.c"},
        "line_items": [line(), {"id": 5, "variant_id": null, "product_id": null, "quantity": 1}],
        "refunds": [refund()], "fulfillments": [{}]})
}

fn product() -> Value {
    let variant = |id: i64, policy: &str| json!({"id": id, "inventory_policy": policy, "inventory_item_id": null});
    json!({"id": PRODUCT, "updated_at": STAMP, "status": "active",
        "variants": [variant(1, "deny"), variant(2, "continue"), variant(3, "haggle")]})
}

fn refund_snapshot() -> RefundSnapshot {
    RefundSnapshot {
        refund: RefundId(890_088_186_047_892_319),
        order: OrderId(ORDER),
        lines: vec![RefundLine {
            line: LineId(LINE),
            variant: Some(VariantId(VARIANT)),
            quantity: 2,
            restock: Restock::Cancel,
            location: Some(LocationId(487)),
        }],
    }
}

fn read(topic: &str, body: &Value) -> Result<Fact, String> {
    parse(topic, body.to_string().as_bytes()).map_err(|malformed| malformed.to_string())
}

fn told(topic: &str, body: &Value) -> Option<Mentions> {
    mentions(topic, body.to_string().as_bytes())
}

/// The body with `value` in place of what `pointer` names.
fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

fn without(mut body: Value, field: &str) -> Value {
    body.as_object_mut().unwrap().remove(field).unwrap();
    body
}

#[test]
fn every_order_topic_tells_the_whole_order() {
    let snapshot = OrderSnapshot {
        order: OrderId(ORDER),
        created_at: stamp(),
        updated_at: stamp(),
        cancelled: false,
        paid: true,
        location: None,
        lines: vec![
            LineSnapshot {
                line: LineId(LINE),
                variant: Some(VariantId(VARIANT)),
                product: Some(ProductId(PRODUCT)),
                quantity: 3,
            },
            LineSnapshot {
                line: LineId(5),
                variant: None,
                product: None,
                quantity: 1,
            },
        ],
        refunds: vec![refund_snapshot()],
    };
    for topic in ORDER_TOPICS {
        assert_eq!(
            read(topic, &order()),
            Ok(Fact::Order(snapshot.clone())),
            "{topic}"
        );
    }
    for (status, paid) in [
        (json!("partially_refunded"), true),
        (json!("refunded"), true),
        (json!("partially_paid"), false),
        (json!("authorized"), false),
        (json!("voided"), false),
        (json!("a word of the future"), false),
        (Value::Null, false),
        (json!(7), false),
    ] {
        let body = with(order(), "/financial_status", status.clone());
        let told = OrderSnapshot {
            paid,
            ..snapshot.clone()
        };
        assert_eq!(
            read("orders/updated", &body),
            Ok(Fact::Order(told)),
            "{status}"
        );
    }
    let at_counter = with(
        with(order(), "/location_id", json!(7)),
        "/cancelled_at",
        json!(STAMP),
    );
    let Ok(Fact::Order(at_counter)) = read("orders/cancelled", &at_counter) else {
        panic!("not an order")
    };
    assert_eq!(
        (at_counter.location, at_counter.cancelled),
        (Some(LocationId(7)), true)
    );
}

#[test]
fn refunds_stand_alone() {
    assert_eq!(
        read("refunds/create", &refund()),
        Ok(Fact::Refund(refund_snapshot()))
    );
    for (word, restock) in [
        (json!("no_restock"), Restock::None),
        (json!("return"), Restock::Return),
        (json!("legacy_restock"), Restock::Legacy),
        (json!("donate"), Restock::None),
        (Value::Null, Restock::None),
    ] {
        let body = with(refund(), "/refund_line_items/0/restock_type", word);
        let Ok(Fact::Refund(refund)) = read("refunds/create", &body) else {
            panic!("not a refund")
        };
        assert_eq!(refund.lines[0].restock, restock);
    }
}

#[test]
fn edits_and_deletions_name_their_order() {
    let edit = json!({"order_edit": {"id": 1, "order_id": ORDER, "line_items": {"additions": [], "removals": []}}});
    assert_eq!(
        read("orders/edited", &edit),
        Ok(Fact::OrderTouched(OrderId(ORDER)))
    );
    assert_eq!(
        read("orders/delete", &json!({"id": ORDER})),
        Ok(Fact::OrderDeleted(OrderId(ORDER)))
    );
}

#[test]
fn levels_keep_untracked_apart_from_none() {
    let body = |available: Value| {
        json!({"inventory_item_id": 271_878_346_596_884_000_i64, "location_id": 24_826_418, "available": available,
            "updated_at": STAMP,
            "admin_graphql_api_id": "gid://shopify/InventoryLevel/24826418?inventory_item_id=271878346596884015"})
    };
    let level = |available| {
        let item = ItemId(271_878_346_596_884_015);
        Ok(Fact::Level(LevelSnapshot {
            item,
            location: LocationId(24_826_418),
            available,
            updated_at: stamp(),
        }))
    };
    for topic in ["inventory_levels/update", "inventory_levels/connect"] {
        assert_eq!(read(topic, &body(Value::Null)), level(None));
        assert_eq!(read(topic, &body(json!(-7))), level(Some(-7)));
        assert!(
            read(topic, &without(body(json!(0)), "available"))
                .unwrap_err()
                .starts_with("available: missing")
        );
    }
    let gone = json!({"inventory_item_id": 5, "location_id": 6});
    let expected = Fact::LevelGone {
        item: ItemId(5),
        location: LocationId(6),
    };
    assert_eq!(read("inventory_levels/disconnect", &gone), Ok(expected));
}

#[test]
fn items_products_and_the_rest() {
    let item = ItemSnapshot {
        item: ItemId(5),
        variant: None,
        product: None,
        tracked: Some(true),
        sells_when_out: None,
        composite: None,
    };
    assert_eq!(
        read(
            "inventory_items/update",
            &json!({"id": "5", "tracked": true})
        ),
        Ok(Fact::Item(item))
    );
    assert_eq!(
        read("inventory_items/delete", &json!({"id": 5})),
        Ok(Fact::ItemGone(ItemId(5)))
    );
    let variant = |id, sells_when_out| VariantSnapshot {
        variant: VariantId(id),
        sells_when_out,
    };
    let expected = ProductSnapshot {
        product: ProductId(PRODUCT),
        updated_at: Some(stamp()),
        variants: vec![variant(1, false), variant(2, true)],
    };
    assert_eq!(
        read("products/update", &product()),
        Ok(Fact::Product(expected))
    );
    assert_eq!(
        read("products/delete", &json!({"id": 5})),
        Ok(Fact::ProductGone(ProductId(5)))
    );
    assert_eq!(
        read("locations/deactivate", &json!({"id": 5})),
        Ok(Fact::LocationsTouched)
    );
    assert_eq!(
        read("app/uninstalled", &json!({"id": 5, "domain": null})),
        Ok(Fact::Uninstalled)
    );
    for topic in [
        "bulk_operations/finish",
        "shop/update",
        "orders/risk_assessment_changed",
        "",
        "orders/",
    ] {
        assert_eq!(read(topic, &json!([1, 2])), Ok(Fact::Unneeded), "{topic}");
    }
}

#[test]
fn fulfillment_orders_name_their_order_or_themselves() {
    let touched = Ok(Fact::OrderTouched(OrderId(9)));
    for body in [
        json!({"fulfillment_order": {"id": 1, "order_id": 9}}),
        json!({"original_fulfillment_order": {"order_id": "gid://shopify/Order/9"}, "moved_fulfillment_order": {}}),
        json!({"order_id": 9}),
    ] {
        assert_eq!(read("fulfillment_orders/moved", &body), touched, "{body}");
    }
    let nameless =
        json!({"fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/1", "status": "open"}});
    let part = Ok(Fact::PartTouched(FulfillmentOrderId(1)));
    assert_eq!(read("fulfillment_orders/split", &nameless), part);
    let routed = read("fulfillment_orders/order_routing_complete", &nameless);
    assert_eq!(routed, Ok(Fact::Unneeded));
}

#[test]
fn what_is_malformed_says_where() {
    let bad = || json!(2.5);
    let refunded = "/refunds/0/refund_line_items/0/quantity";
    let cases = [
        (
            "/line_items/1/quantity",
            json!(-1),
            "line_items[1].quantity: wanted a quantity",
        ),
        (
            "/line_items/0/quantity",
            bad(),
            "line_items[0].quantity: wanted",
        ),
        (
            "/line_items/0/variant_id",
            bad(),
            "line_items[0].variant_id: wanted an id",
        ),
        (
            "/line_items/0/product_id",
            json!([1]),
            "line_items[0].product_id: wanted an id",
        ),
        (
            refunded,
            json!("two"),
            "refunds[0].refund_line_items[0].quantity: wanted",
        ),
        (
            "/updated_at",
            json!("yesterday"),
            "updated_at: wanted an instant",
        ),
        ("/location_id", json!(true), "location_id: wanted an id"),
        ("/line_items", json!("none"), "invalid type"),
        ("/line_items/0", json!([1, 2]), "invalid type"),
    ];
    for (pointer, value, start) in cases {
        let reason = read("orders/create", &with(order(), pointer, value)).unwrap_err();
        assert!(reason.starts_with(start), "{reason} for {start}");
    }
    let nameless = without(without(order(), "admin_graphql_api_id"), "id");
    assert!(
        read("orders/create", &nameless)
            .unwrap_err()
            .starts_with("id: missing")
    );
    assert!(
        read("orders/create", &without(order(), "line_items"))
            .unwrap_err()
            .starts_with("line_items: missing")
    );
}

#[test]
fn a_global_id_stands_in_for_a_number_that_tools_spoilt() {
    for number in [
        Value::Null,
        json!(820_982_911_946_154_500_i64),
        json!(8.209_829_119_461_546e17),
    ] {
        let Ok(Fact::Order(snapshot)) = read("orders/create", &with(order(), "/id", number)) else {
            panic!("not an order")
        };
        assert_eq!(snapshot.order, OrderId(ORDER));
    }
}

#[test]
fn what_is_not_one_object_is_malformed() {
    for body in [json!([order()]), json!("order"), Value::Null, json!(1)] {
        assert!(read("orders/create", &body).is_err(), "{body}");
    }
    for broken in [
        "",
        "{",
        "nonsense",
        "{\"id\":1e999}",
        "{\"id\":1}{}",
        "\u{feff}{}",
        "{\"id\":1,\"id\":2}",
    ] {
        assert!(
            parse("orders/delete", broken.as_bytes()).is_err(),
            "{broken}"
        );
    }
    let deep = format!("{{\"line_items\":{}", "[".repeat(200_000));
    assert!(parse("orders/create", deep.as_bytes()).is_err());
}

#[test]
fn bodies_that_name_their_lines_or_items_may_be_naked() {
    let mut order = order();
    let lines = order["line_items"].as_array_mut().unwrap();
    lines.retain(|line| !line["variant_id"].is_null());
    let order_mentions = told("orders/create", &order).unwrap();
    assert_eq!(order_mentions.orders, [OrderId(ORDER)]);
    assert_eq!(
        order_mentions.variants,
        [VariantId(VARIANT), VariantId(VARIANT)]
    );
    assert_eq!(
        order_mentions.products,
        [ProductId(PRODUCT), ProductId(PRODUCT)]
    );
    let refund_mentions = told("refunds/create", &refund()).unwrap();
    assert_eq!(
        (refund_mentions.orders, refund_mentions.variants),
        (vec![OrderId(ORDER)], vec![VariantId(VARIANT)])
    );
    let product_mentions = told("products/update", &product()).unwrap();
    assert_eq!(
        product_mentions.variants,
        [VariantId(1), VariantId(2), VariantId(3)]
    );
    let level = json!({"inventory_item_id": 5, "location_id": 6});
    assert_eq!(
        told("inventory_levels/update", &level).unwrap().items,
        [ItemId(5)]
    );
    assert_eq!(
        told("inventory_items/delete", &json!({"id": 5}))
            .unwrap()
            .items,
        [ItemId(5)]
    );
    assert_eq!(
        told("products/delete", &json!({"id": 5})).unwrap().products,
        [ProductId(5)]
    );
}

#[test]
fn an_order_with_a_line_of_no_variant_is_stored_as_the_variant_may_have_been_deleted() {
    let deleted = json!([{"id": 5, "variant_id": null, "quantity": 1}]);
    let order = with(order(), "/line_items", deleted);
    assert_eq!(told("orders/create", &order), None);
}

#[test]
fn bodies_that_do_not_are_always_stored() {
    let unnamed_line = with(order(), "/line_items/0", json!({"id": 5, "quantity": 1}));
    let unnamed_refund = with(
        refund(),
        "/refund_line_items/0",
        json!({"line_item_id": LINE, "quantity": 1}),
    );
    let cases = [
        ("orders/create", without(order(), "line_items")),
        ("orders/create", unnamed_line),
        (
            "orders/create",
            with(order(), "/line_items/0/variant_id", json!(1.5)),
        ),
        ("orders/edited", json!({"order_edit": {"order_id": ORDER}})),
        ("orders/delete", json!({"id": ORDER})),
        ("refunds/create", unnamed_refund),
        ("products/update", without(product(), "variants")),
        ("locations/create", json!({"id": 1})),
        ("fulfillment_orders/moved", json!({"order_id": 1})),
        ("app/uninstalled", json!({"id": 1})),
        ("customers/redact", json!({"id": 1})),
    ];
    for (topic, body) in cases {
        assert_eq!(told(topic, &body), None, "{topic} {body}");
    }
    assert_eq!(mentions("orders/create", b"not json"), None);
}

fn any_topic() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        NEEDED_TOPICS
            .iter()
            .chain(&WANTED_TOPICS)
            .copied()
            .collect::<Vec<_>>(),
    )
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(STAMP)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let names = [
            "id",
            "line_items",
            "refunds",
            "refund_line_items",
            "line_item",
            "quantity",
            "variants",
            "order_edit",
            "order_id",
            "variant_id",
            "available",
            "inventory_item_id",
            "updated_at",
            "created_at",
        ];
        let name = prop::sample::select(names.to_vec());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name.prop_map(str::to_owned), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_order() -> impl Strategy<Value = Value> {
    let variant = prop_oneof![3 => (1_i64..50).prop_map(Value::from), 1 => Just(Value::Null)];
    let lines = prop::collection::vec((1_i64..9, variant, 1_i64..50), 0..6);
    (1_i64..50, lines).prop_map(|(id, lines)| {
        let lines: Vec<Value> = lines
            .into_iter()
            .map(|(line, variant, product)| {
                json!({"id": line, "variant_id": variant, "product_id": product, "quantity": 1})
            })
            .collect();
        json!({"id": id, "created_at": STAMP, "updated_at": STAMP, "line_items": lines, "refunds": []})
    })
}

proptest! {
    #[test]
    fn no_body_brings_a_panic(topic in any_topic(), body in any_json()) {
        let text = body.to_string();
        let _fact = parse(topic, text.as_bytes());
        let _mentions = mentions(topic, text.as_bytes());
    }

    #[test]
    fn no_damage_to_a_body_brings_a_panic(cut in 0_usize..2000, flip in 0_usize..2000, byte: u8) {
        let mut bytes = order().to_string().into_bytes();
        let length = bytes.len();
        bytes[flip % length] = byte;
        let _fact = parse("orders/create", &bytes);
        bytes.truncate(cut % length);
        prop_assert!(parse("orders/create", &bytes).is_err());
    }

    #[test]
    fn an_order_with_a_line_of_ours_is_never_naked(body in any_order(), cared in 1_i64..50) {
        let Ok(Fact::Order(snapshot)) = read("orders/updated", &body) else { panic!("not an order") };
        let nameless = snapshot.lines.iter().any(|line| line.variant.is_none());
        let told = told("orders/updated", &body);
        prop_assert_eq!(told.is_none(), nameless);
        let Some(told) = told else { return Ok(()) };
        let mut by_variant = Interest::default();
        by_variant.insert_variant(VariantId(cared));
        let sold = snapshot.lines.iter().any(|line| line.variant == Some(VariantId(cared)));
        prop_assert_eq!(by_variant.is_naked("orders/updated", &told), !sold);
        let mut by_order = Interest::default();
        by_order.insert_order(snapshot.order);
        prop_assert!(!by_order.is_naked("orders/updated", &told));
    }
}
