//! Dead letters looked at, edited, and tried again with another body.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::dashboard::{form_token, read, sign_in_with};
use super::roles::token_of;
use crate::support::app::{Answer, PATIENCE, TestApp, TestStore};

/// What nobody can apply: its id is somebody's address.
pub(super) const BROKEN: &str = r#"{"id":"anne@example.com","line_items":[],"created_at":"2026-11-01T00:00:00Z",
 "updated_at":"2026-11-01T00:00:00Z","total_price":19.90}"#;
/// What was meant.
const MENDED: &str = "{\n  \"id\": 1,\n  \"line_items\": [],\n  \"created_at\": \"2026-11-01T00:00:00Z\",\n  \
                      \"updated_at\": \"2026-11-01T00:00:00Z\",\n  \"total_price\": 19.90\n}\n";

pub(super) fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// A store with one dead letter; gives the letter's id.
pub(super) async fn given_up(app: &TestApp) -> (TestStore, String) {
    let store = app.register("one.myshopify.com", "shpss_1").await;
    let sent = app.platform(&store).body(BROKEN).send().await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    let listed = async {
        loop {
            let page = app.admin().get("/v1/admin/dead-letters").await.json();
            if let Some(id) = page["items"][0]["id"].as_str() {
                return id.to_owned();
            }
            tokio::task::yield_now().await;
        }
    };
    (store, tokio::time::timeout(PATIENCE, listed).await.unwrap())
}

fn path(id: &str, rest: &str) -> String {
    format!("/v1/admin/dead-letters/{id}{rest}")
}

async fn retry(app: &TestApp, id: &str, body: &Value) -> Answer {
    app.admin().post(&path(id, "/retry"), body).await
}

/// What was done last, newest first.
async fn deeds(app: &TestApp) -> Vec<Value> {
    let page = app.admin().get("/v1/admin/audit?limit=10").await.json();
    page["items"].as_array().unwrap().clone()
}

/// Waits until what the store was sent is applied, and nothing is given up.
pub(super) async fn until_applied(app: &TestApp, store: &TestStore) {
    app.keeper_until(store, |keeper| {
        (&keeper["naked"], &keeper["dead_letters"], &keeper["parked"])
            == (&json!(1), &json!(0), &json!(0))
    })
    .await;
}

#[tokio::test]
async fn an_edited_webhook_is_applied_and_the_audit_says_who_changed_what() {
    let app = TestApp::start().await;
    let (store, id) = given_up(&app).await;
    let whole = app.admin().get(&path(&id, "/body")).await;
    assert_eq!(whole.header("cache-control"), "no-store");
    let whole = whole.json();
    assert_eq!(
        (&whole["body"], &whole["sha256"]),
        (&json!(BROKEN), &json!(sha256(BROKEN)))
    );
    assert_eq!(whole["bytes"], BROKEN.len());
    assert_eq!(deeds(&app).await[0]["action"], "read dead letter body");
    let edit =
        json!({"reason": "the app sent an address", "body": MENDED, "replaces": whole["sha256"]});
    let retried = retry(&app, &id, &edit).await;
    assert_eq!(retried.status, 204, "{}", retried.text);
    until_applied(&app, &store).await;
    let deeds = deeds(&app).await;
    assert_eq!(deeds[0]["action"], "edit and retry dead letter");
    assert_eq!(deeds[0]["store"], store.id);
    let detail = deeds[0]["detail"].as_str().unwrap();
    let told = format!(
        "{id}: the app sent an address; changed id; sha256 {} ({} bytes) became {} ({} bytes)",
        sha256(BROKEN),
        BROKEN.len(),
        sha256(MENDED),
        MENDED.len()
    );
    assert_eq!(detail, told);
    assert!(!deeds.iter().any(|deed| deed.to_string().contains("anne")));
    retry(&app, &id, &edit)
        .await
        .assert_problem(StatusCode::NOT_FOUND, "unknown_dead_letter");
    app.stop().await;
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_and_changes_nothing() {
    let app = TestApp::start_with(|config| config.server.body_limit_bytes = 65_536).await;
    let (_store, id) = given_up(&app).await;
    let invalid = StatusCode::UNPROCESSABLE_ENTITY;
    let large = StatusCode::PAYLOAD_TOO_LARGE;
    let too_large = format!("\"{}\"", "x".repeat(65_536));
    for (body, status, code) in [
        (json!({"body": MENDED}), invalid, "invalid_field"),
        (
            json!({"body": MENDED, "reason": " "}),
            invalid,
            "invalid_field",
        ),
        (
            json!({"body": MENDED, "reason": "a\nb"}),
            invalid,
            "invalid_field",
        ),
        (
            json!({"body": "{\"id\":anne}", "reason": "x"}),
            invalid,
            "invalid_field",
        ),
        (json!({"body": "", "reason": "x"}), invalid, "invalid_field"),
        (
            json!({"body": {"id": 1}, "reason": "x"}),
            StatusCode::BAD_REQUEST,
            "malformed_json",
        ),
        (
            json!({"body": too_large, "reason": "x"}),
            large,
            "payload_too_large",
        ),
        (
            json!({"replaces": sha256(BROKEN)}),
            invalid,
            "invalid_field",
        ),
        (
            json!({"body": MENDED, "reason": "x", "replaces": "0"}),
            invalid,
            "invalid_field",
        ),
        (
            json!({"body": MENDED, "reason": "x", "replaces": sha256(MENDED)}),
            StatusCode::PRECONDITION_FAILED,
            "revision_mismatch",
        ),
        (
            json!({"reason": "a\nb"}),
            StatusCode::BAD_REQUEST,
            "malformed_json",
        ),
    ] {
        let refused = retry(&app, &id, &body).await;
        refused.assert_problem(status, code);
        assert!(!refused.text.contains("anne"), "{}", refused.text);
    }
    let no_json = retry(&app, &id, &json!({"body": "{\n\"id\": x}", "reason": "x"})).await;
    assert!(
        no_json.text.contains("line 2, column 7"),
        "{}",
        no_json.text
    );
    let letter = app.admin().get(&path(&id, "")).await;
    assert_eq!(letter.status, 200, "it is as it was");
    assert_eq!(deeds(&app).await[0]["action"], "register store");
    app.stop().await;
}

#[tokio::test]
async fn a_body_that_stays_the_same_is_a_plain_retry() {
    let app = TestApp::start().await;
    let (_store, id) = given_up(&app).await;
    let same = json!({"reason": "once more", "body": BROKEN});
    assert_eq!(retry(&app, &id, &same).await.status, 204);
    let deed = &deeds(&app).await[0];
    assert_eq!(deed["action"], "retry dead letter");
    assert_eq!(deed["detail"], format!("{id}: once more"));
    app.stop().await;
}

#[tokio::test]
async fn who_may_only_look_sees_nobody_and_edits_nothing() {
    let app = TestApp::start().await;
    let (_store, id) = given_up(&app).await;
    let (_token_id, token) = token_of(&app, "viewer").await;
    let viewer = app.with_token(&token);
    let shown = viewer.get(&path(&id, "")).await;
    assert_eq!(shown.json()["webhook"]["body"]["id"], "[redacted]");
    assert_eq!(shown.json()["class"], "malformed");
    for refused in [
        viewer.get(&path(&id, "/body")).await,
        viewer
            .post(
                &path(&id, "/retry"),
                &json!({"reason": "x", "body": MENDED}),
            )
            .await,
    ] {
        refused.assert_problem(StatusCode::FORBIDDEN, "wrong_role");
    }
    let cookie = sign_in_with(&app, &token).await;
    let page = read(&app, &cookie, &format!("/admin/dead-letters/{id}")).await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("anne@"), "{}", page.text);
    assert!(!page.text.contains("/edit"), "{}", page.text);
    let form = read(&app, &cookie, &format!("/admin/dead-letters/{id}/edit")).await;
    form.assert_problem(StatusCode::FORBIDDEN, "wrong_role");
    let sent = format!(
        "form_token={}&replaces={}&reason=x&body=%7B%7D",
        form_token(&page.text),
        sha256(BROKEN)
    );
    let edit = app
        .anyone()
        .request(Method::POST, &format!("/admin/dead-letters/{id}/edit"));
    let refused = Answer::of(edit.header("cookie", &cookie).body(sent)).await;
    refused.assert_problem(StatusCode::FORBIDDEN, "wrong_role");
    let done: Vec<Value> = deeds(&app).await;
    let looked = |deed: &Value| deed["action"] == "read dead letter body";
    assert!(!done.iter().any(looked), "{done:?}");
    app.stop().await;
}

#[tokio::test]
async fn the_form_keeps_what_was_typed_until_it_is_taken() {
    let app = TestApp::start().await;
    let (store, id) = given_up(&app).await;
    let cookie = sign_in_with(&app, app.admin_token()).await;
    let address = format!("/admin/dead-letters/{id}/edit");
    let page = read(&app, &cookie, &address).await;
    assert_eq!(deeds(&app).await[0]["action"], "read dead letter body");
    assert!(
        page.text.contains("total_price&#34;: 19.90\n"),
        "to the letter: {}",
        page.text
    );
    let send = async |body: &str, token: &str, replaces: &str| {
        let fields = [
            ("form_token", token),
            ("replaces", replaces),
            ("reason", "stocktaking"),
            ("body", body),
        ];
        let form = url_encoded(&fields);
        let request = app.anyone().request(Method::POST, &address);
        Answer::of(request.header("cookie", &cookie).body(form)).await
    };
    let (token, replaces) = (form_token(&page.text), sha256(BROKEN));
    send(MENDED, "guess", &replaces)
        .await
        .assert_problem(StatusCode::FORBIDDEN, "forged_form");
    for (body, seen, status, said) in [
        ("{\"typed\":", &replaces, 422, "`body` is no JSON"),
        ("{\"typed\":1}", &sha256(MENDED), 412, "another body"),
    ] {
        let again = send(body, token, seen).await;
        assert_eq!(again.status, status, "{}", again.text);
        let escaped_words = said.replace('`', "&#96;");
        assert!(
            again.text.contains(said) || again.text.contains(&escaped_words),
            "{}",
            again.text
        );
        assert!(again.text.contains("{&#34;typed&#34;:"), "{}", again.text);
        assert!(
            again.text.contains("value=\"stocktaking\""),
            "{}",
            again.text
        );
    }
    let done = send(&MENDED.replace('\n', "\r\n"), token, &replaces).await;
    assert_eq!(done.status, 303, "{}", done.text);
    let page = read(&app, &cookie, done.header("location")).await;
    let notice = "It waits to be applied with its new body.";
    assert!(page.text.contains(notice), "{}", page.text);
    until_applied(&app, &store).await;
    let detail = deeds(&app).await[0]["detail"].clone();
    let detail = detail.as_str().unwrap();
    assert!(
        detail.contains(&sha256(MENDED)),
        "as it was typed: {detail}"
    );
    app.stop().await;
}

/// As browsers send forms.
fn url_encoded(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| {
        let byte = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        };
        text.bytes().map(byte).collect::<String>()
    };
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}
