//! Tokens: asked for, refreshed, refused.

use serde_json::json;
use storekeeper::clock::{Clock, ManualClock, Timestamp};
use storekeeper::platform::Secret;
use storekeeper::platform::shopify::oauth::{App, OAuthError};

use super::fake::{Fake, Step, client, ok, reply};

fn app() -> App {
    App {
        client_id: "client".to_owned(),
        client_secret: Secret::new("shpss_hush"),
    }
}

#[tokio::test]
async fn tokens_are_refreshed_and_expire_by_our_clock() {
    let tokens = json!({"access_token": "new", "refresh_token": "next", "expires_in": 3600,
        "refresh_token_expires_in": 7_776_000, "scope": "read_orders,write_inventory"});
    let fake = Fake::start(vec![
        ok(tokens),
        ok(json!({"access_token": "for good", "scope": ""})),
    ])
    .await;
    let clock = Clock::Manual(ManualClock::starting_at(Timestamp::from_millis(1_000)));
    let client = client(clock);
    let tokens = client
        .refresh_tokens(&fake.url, &app(), &Secret::new("old"))
        .await
        .unwrap();
    assert_eq!(
        (tokens.access_token.expose(), tokens.scopes.as_str()),
        ("new", "read_orders,write_inventory")
    );
    assert_eq!(tokens.refresh_token, Some(Secret::new("next")));
    assert_eq!(tokens.expires_at, Some(Timestamp::from_millis(3_601_000)));
    let lasting = client
        .exchange_code(&fake.url, &app(), "c0de")
        .await
        .unwrap();
    assert_eq!((lasting.refresh_token, lasting.expires_at), (None, None));

    let seen = fake.seen();
    assert!(
        seen.iter()
            .all(|seen| seen.path == "/admin/oauth/access_token")
    );
    let refresh = json!({"client_id": "client", "client_secret": "shpss_hush", "grant_type": "refresh_token",
        "refresh_token": "old"});
    assert_eq!(seen[0].body, refresh);
    assert_eq!(seen[1].body["code"], "c0de");
}

#[tokio::test]
async fn a_refusal_differs_from_an_outage_and_shows_no_token() {
    let quoted = "{\"access_token\": 1, \"refresh_token\": \"leak\"}";
    let script = vec![
        reply(400, "{\"error\":\"invalid_grant\"}"),
        reply(503, ""),
        Step::Close,
        reply(200, quoted),
    ];
    let fake = Fake::start(script).await;
    let client = client(Clock::System);
    let ask = || async {
        client
            .refresh_tokens(&fake.url, &app(), &Secret::new("old"))
            .await
            .unwrap_err()
    };
    assert_eq!(ask().await, OAuthError::Refused { status: 400 });
    for _ in 0..3 {
        let error = ask().await;
        assert!(
            matches!(&error, OAuthError::Unavailable(reason) if !reason.contains("leak")),
            "{error:?}"
        );
    }
}
