//! Writes, and every way in which a call can fail.

use serde_json::{Value, json};
use storekeeper::clock::Timestamp;
use storekeeper::domain::call::{
    Adjustment, Answer, Bar, CallError, Cost, Meter, RateReport, Read, Reply, Request, Setting,
    UserErrorCode, Write,
};
use storekeeper::ids::{ItemId, LocationId, OrderId};

use super::fake::{
    CALLBACK, Fake, KEY, Step, TOKEN, account, call, client, ok, reply, with_header,
};

const AT: &str = "2026-11-22T05:36:21Z";

fn adjust() -> Request {
    Request::Write(Write::Adjust(vec![
        Adjustment {
            item: ItemId(271_878_346_596_884_015),
            location: LocationId(24),
            delta: -3,
            cells: Vec::new(),
        },
        Adjustment {
            item: ItemId(9),
            location: LocationId(24),
            delta: 2,
            cells: Vec::new(),
        },
    ]))
}

fn set() -> Request {
    let settings = [(5, 7), (6, 0)];
    Request::Write(Write::Set(
        settings
            .map(|(quantity, change_from)| Setting {
                item: ItemId(quantity),
                location: LocationId(2),
                quantity,
                change_from,
            })
            .to_vec(),
    ))
}

fn activate() -> Request {
    Request::Write(Write::Activate {
        item: ItemId(5),
        location: LocationId(6),
        available: 4,
    })
}

fn read() -> Request {
    Request::Read(Read::Order(OrderId(1)))
}

fn cost(requested: i64, actual: Option<i64>, available: i64) -> Value {
    json!({"cost": {"requestedQueryCost": requested, "actualQueryCost": actual,
        "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": available, "restoreRate": 100.0}}})
}

fn written(root: &str) -> Value {
    let group = json!({"inventoryAdjustmentGroup": {"createdAt": AT}, "userErrors": []});
    json!({"data": {root: group}, "extensions": cost(13, Some(10), 1990)})
}

fn user_error(root: &str, error: &Value) -> Value {
    json!({"data": {root: {"inventoryAdjustmentGroup": null, "userErrors": [error]}}})
}

async fn answer_to(request: Request, step: Step) -> Answer {
    Fake::start(vec![step]).await.send(request).await
}

#[tokio::test]
async fn an_adjustment_goes_out_whole_and_its_reply_is_read() {
    let dated = with_header(
        ok(written("inventoryAdjustQuantities")),
        "Date",
        "Sun, 22 Nov 2026 05:36:22 GMT",
    );
    let fake = Fake::start(vec![with_header(dated, "X-Shopify-API-Version", "2027-01")]).await;
    let answer = fake.send(adjust()).await;
    assert_eq!(
        answer.result,
        Ok(Reply::Written {
            at: Timestamp::parse_rfc3339(AT)
        })
    );
    assert_eq!(
        answer.platform_time,
        Timestamp::parse_rfc3339("2026-11-22T05:36:22Z")
    );
    let points = Some(Cost {
        requested: 13,
        actual: Some(10),
    });
    let rate = RateReport {
        meter: Meter::Graphql,
        used: 10,
        size: 2000,
        restore_per_s: Some(100),
        cost: points,
    };
    assert_eq!(answer.rate, Some(rate));

    let seen = fake.seen().remove(0);
    assert_eq!(
        (seen.method.as_str(), seen.path.as_str()),
        ("POST", "/admin/api/2026-10/graphql.json")
    );
    assert_eq!(seen.headers["x-shopify-access-token"], TOKEN);
    let document = seen.body["query"].as_str().unwrap();
    assert!(document.contains("inventoryAdjustQuantities(input: $input) @idempotent(key: $key)"));
    let change = |item: i64, delta: i64| {
        json!({"inventoryItemId": format!("gid://shopify/InventoryItem/{item}"),
            "locationId": "gid://shopify/Location/24", "delta": delta, "changeFromQuantity": null})
    };
    let input = json!({"name": "available", "reason": "correction",
        "referenceDocumentUri": format!("gid://storekeeper/Call/{KEY}"),
        "changes": [change(271_878_346_596_884_015, -3), change(9, 2)]});
    assert_eq!(seen.body["variables"], json!({"input": input, "key": KEY}));
}

#[tokio::test]
async fn a_setting_is_compared_and_tells_which_entry_was_stale() {
    let stale = json!({"code": "CHANGE_FROM_QUANTITY_STALE", "message": "does not match",
        "field": ["input", "quantities", "1", "changeFromQuantity"]});
    let nothing = json!({"data": {"inventorySetQuantities": {"inventoryAdjustmentGroup": null, "userErrors": []}}});
    let fake = Fake::start(vec![
        ok(user_error("inventorySetQuantities", &stale)),
        ok(nothing),
    ])
    .await;
    let Err(CallError::Rejected { errors }) = fake.send(set()).await.result else {
        panic!("not rejected")
    };
    assert_eq!(
        (errors[0].entry, &errors[0].code, errors.len()),
        (Some(1), &UserErrorCode::Stale, 1)
    );
    assert_eq!(
        fake.send(set()).await.result,
        Ok(Reply::Written { at: None })
    );
    let quantities = &fake.seen()[0].body["variables"]["input"]["quantities"];
    assert_eq!(
        (
            &quantities[0]["quantity"],
            &quantities[0]["changeFromQuantity"]
        ),
        (&json!(5), &json!(7))
    );
}

#[tokio::test]
async fn errors_that_are_null_are_none() {
    let group = json!({"inventoryAdjustmentGroup": {"createdAt": AT}, "userErrors": null});
    let body = json!({"data": {"inventoryAdjustQuantities": group}, "errors": null});
    let answer = answer_to(adjust(), ok(body)).await;
    assert!(
        matches!(answer.result, Ok(Reply::Written { at: Some(_) })),
        "{:?}",
        answer.result
    );
}

#[tokio::test]
async fn an_activation_is_keyed_and_knows_that_it_was_made_before() {
    let level = json!({"data": {"inventoryActivate": {"inventoryLevel": {"updatedAt": AT}, "userErrors": []}}});
    let active = json!({"data": {"inventoryActivate": {"inventoryLevel": null, "userErrors": [{"field": null,
        "message": "Not allowed to set available quantity when the item is already active at the location."}]}}});
    let fake = Fake::start(vec![ok(level), ok(active)]).await;
    assert_eq!(
        fake.send(activate()).await.result,
        Ok(Reply::Written {
            at: Timestamp::parse_rfc3339(AT)
        })
    );
    let Err(CallError::Rejected { errors }) = fake.send(activate()).await.result else {
        panic!("not rejected")
    };
    assert_eq!(errors[0].code, UserErrorCode::AlreadyStocked);
    let body = fake.seen()[0].body.clone();
    let variables = json!({"inventoryItemId": "gid://shopify/InventoryItem/5",
        "locationId": "gid://shopify/Location/6", "available": 4, "key": KEY});
    assert_eq!(body["variables"], variables);
    assert!(
        body["query"]
            .as_str()
            .unwrap()
            .contains("@idempotent(key: $key)")
    );
}

#[tokio::test]
async fn statuses_are_judged_alike_for_both_doors() {
    for request in [adjust(), read()] {
        for (status, bar) in [
            (401, Bar::TokenDead),
            (402, Bar::Frozen),
            (403, Bar::ScopeMissing),
            (423, Bar::Locked),
            (430, Bar::Locked),
        ] {
            let answer = answer_to(request.clone(), reply(status, "{\"errors\":\"no\"}")).await;
            assert_eq!(answer.result, Err(CallError::Barred(bar)), "{status}");
        }
        let limited = with_header(reply(429, "{}"), "Retry-After", "2.5");
        let limited = with_header(limited, "X-Shopify-Shop-Api-Call-Limit", "40/40");
        let answer = answer_to(request, limited).await;
        assert_eq!(
            answer.result,
            Err(CallError::Throttled {
                wait_ms: Some(2500)
            })
        );
        assert_eq!(
            answer.rate.map(|rate| (rate.meter, rate.used)),
            Some((Meter::Rest, 40))
        );
    }
}

/// A renamed shop, a wrong address, a broken proxy: nothing of what was asked for is at fault.
#[tokio::test]
async fn a_refusal_at_the_door_is_nobodys_fault() {
    let since = Timestamp::from_millis(0);
    let questions = [
        Read::Levels(vec![ItemId(1)]),
        Read::Items(vec![ItemId(1)]),
        Read::OrdersSince { since, page: None },
        Read::Assignments(OrderId(1)),
        Read::Locations,
        Read::Subscriptions,
    ];
    let writes = [adjust(), set(), activate()];
    for request in questions.into_iter().map(Request::Read).chain(writes) {
        for status in [301, 303, 400, 404, 406, 422] {
            let step = reply(status, "{\"errors\":\"Not Found\"}");
            let result = answer_to(request.clone(), step).await.result;
            assert!(
                matches!(result, Err(CallError::Unavailable { .. })),
                "{request:?}, {status}: {result:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_order_is_missing_only_when_the_platform_says_so() {
    let unprocessable = reply(422, "{\"errors\":[\"no\"]}");
    let result = answer_to(read(), unprocessable).await.result;
    assert!(matches!(result, Err(CallError::Rejected { .. })));
    for status in [303, 400, 404, 406, 422] {
        let result = answer_to(read(), reply(status, "<html>")).await.result;
        assert!(
            matches!(result, Err(CallError::Unavailable { .. })),
            "{status}: {result:?}"
        );
    }
}

#[tokio::test]
async fn a_throttled_query_says_how_long_to_wait() {
    let throttled = json!({"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
        "extensions": cost(752, None, 402)});
    let answer = answer_to(adjust(), ok(throttled)).await;
    assert_eq!(
        answer.result,
        Err(CallError::Throttled {
            wait_ms: Some(3500)
        })
    );
    assert_eq!(answer.rate.map(|rate| rate.used), Some(1598));
}

#[tokio::test]
async fn a_lost_answer_leaves_a_doubt_about_writes_only() {
    let steps = || {
        [
            Step::Close,
            Step::CutOff,
            Step::Hang,
            reply(500, "{}"),
            reply(503, "busy"),
            ok(json!([])),
            reply(200, "<html>"),
        ]
    };
    for (index, step) in steps().into_iter().enumerate() {
        let result = answer_to(adjust(), step).await.result;
        assert!(
            matches!(result, Err(CallError::Ambiguous { .. })),
            "{index}: {result:?}"
        );
    }
    for (index, step) in steps().into_iter().enumerate() {
        let result = answer_to(read(), step).await.result;
        assert!(
            matches!(result, Err(CallError::Unavailable { .. })),
            "{index}: {result:?}"
        );
    }
}

#[tokio::test]
async fn what_was_never_sent_leaves_no_doubt() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for url in [closed.as_str(), "http://shop.invalid", "nonsense"] {
        let client = client(storekeeper::clock::Clock::System);
        let result = client.send(&account(url), &call(adjust())).await.result;
        assert!(
            matches!(result, Err(CallError::Unavailable { .. })),
            "{url}: {result:?}"
        );
    }
}

#[tokio::test]
async fn an_endless_reply_is_given_up() {
    let endless = || reply(200, "x".repeat(65 * 1024));
    assert!(matches!(
        answer_to(read(), endless()).await.result,
        Err(CallError::Rejected { .. })
    ));
    assert!(matches!(
        answer_to(adjust(), endless()).await.result,
        Err(CallError::Ambiguous { .. })
    ));
}

#[tokio::test]
async fn keys_tell_what_became_of_earlier_attempts() {
    let coded = |code: &str| {
        ok(user_error(
            "inventoryAdjustQuantities",
            &json!({"code": code, "field": null, "message": ""}),
        ))
    };
    assert_eq!(
        answer_to(adjust(), coded("IDEMPOTENCY_CONCURRENT_REQUEST"))
            .await
            .result,
        Err(CallError::Busy)
    );
    let Err(CallError::Rejected { errors }) =
        answer_to(adjust(), coded("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"))
            .await
            .result
    else {
        panic!("not rejected")
    };
    assert_eq!(errors[0].code, UserErrorCode::PreviousAttemptFailed);
}

#[test]
fn an_account_prints_without_its_keys() {
    let printed = format!("{:?}", account("https://a.example"));
    assert!(printed.contains("https://a.example"));
    assert!(!printed.contains(TOKEN) && !printed.contains(CALLBACK));
}
