//! What each role may do, on the API and on the pages, and what of it is written down.

use reqwest::{Method, StatusCode};
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use super::dashboard::{form_token, read, sign_in_with};
use crate::support::app::{Answer, PATIENCE, TestApp};

/// Makes a token of a role; gives its id and what lets one in.
pub(super) async fn token_of(app: &TestApp, role: &str) -> (String, String) {
    let body = json!({"role": role, "name": format!("Ann the {role}"), "reason": "a test"});
    let made = app.admin().post("/v1/admin/tokens", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    assert_eq!(text("role"), role);
    (text("id"), text("token"))
}

const LETTER: &str = "/v1/admin/dead-letters/00000000-0000-7000-8000-000000000000";

/// What a viewer may read.
const READ: [&str; 19] = [
    "/v1/admin/stores",
    "/v1/admin/stores/1",
    "/v1/admin/keepers",
    "/v1/admin/keepers/1",
    "/v1/admin/keepers/1/why",
    "/v1/admin/keepers/1/inbox",
    "/v1/admin/keepers/1/bucket",
    LETTER,
    "/v1/admin/dead-letters/groups",
    "/v1/admin/dead-letters",
    "/v1/admin/dead-letters/count",
    "/v1/admin/safe-mode",
    "/v1/admin/audit",
    "/v1/admin/supervision",
    "/v1/admin/standings",
    "/v1/admin/stores/1/standing",
    "/v1/admin/stores/1/naked-sweep",
    "/v1/stores/1/bundles",
    "/v1/stores/1/availability?items=1",
];

/// What each door asks for: the least role, a method, an address and a body that does no more than pass it.
fn doors() -> Vec<(&'static str, Method, String, Value)> {
    let reason = || json!({"reason": "a test"});
    let read = |path: &&str| ("viewer", Method::GET, (*path).to_owned(), json!({}));
    let bulk = json!({"action": "discard", "expected": 999});
    let door = |role, path: &str, body| (role, Method::POST, path.to_owned(), body);
    let bundle = json!({"title": "", "item": "1", "mode": "pooled", "components": []});
    let acts = vec![
        door("operator", "/v1/admin/keepers/1/deactivate", reason()),
        door("operator", "/v1/admin/safe-mode/off", reason()),
        door("operator", "/v1/admin/stores/1/naked-sweep", reason()),
        door("operator", "/v1/admin/dead-letters/bulk", bulk),
        ("operator", Method::GET, format!("{LETTER}/body"), json!({})),
        door("operator", &format!("{LETTER}/retry"), reason()),
        door(
            "operator",
            &format!("{LETTER}/retry"),
            json!({"reason": "a test", "body": "{}"}),
        ),
        door("operator", &format!("{LETTER}/discard"), reason()),
        door("operator", "/v1/stores/1/bundles", bundle),
        (
            "admin",
            Method::GET,
            "/v1/admin/tokens".to_owned(),
            json!({}),
        ),
        door(
            "admin",
            "/v1/admin/tokens",
            json!({"role": "viewer", "reason": ""}),
        ),
        door("admin", "/v1/admin/tokens/0/revoke", reason()),
        door("admin", "/v1/admin/stores", json!({})),
        (
            "admin",
            Method::PUT,
            "/v1/admin/stores/9/standing".to_owned(),
            json!({"standing": "good", "reason": "a test"}),
        ),
        (
            "admin",
            Method::PATCH,
            "/v1/admin/stores/9".to_owned(),
            json!({}),
        ),
        (
            "admin",
            Method::DELETE,
            "/v1/admin/stores/9".to_owned(),
            json!({}),
        ),
    ];
    READ.iter().map(read).chain(acts).collect()
}

#[tokio::test]
async fn each_door_opens_from_its_role_upwards() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    let ranks = ["viewer", "operator", "admin"];
    let rank_of = |name: &str| ranks.iter().position(|rank| *rank == name).unwrap();
    for role in ranks {
        let (_id, token) = token_of(&app, role).await;
        for (least, method, path, body) in doors() {
            let caller = app.with_token(&token);
            let answer = caller.send(method.clone(), &path, &body).await;
            if rank_of(role) < rank_of(least) {
                answer.assert_problem(StatusCode::FORBIDDEN, "wrong_role");
                assert!(answer.text.contains(least), "{}", answer.text);
            } else {
                assert!(
                    !matches!(answer.status, 401 | 403),
                    "{role} {method} {path}: {}",
                    answer.text
                );
            }
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_at_once_and_the_last_admin_stays() {
    let app = TestApp::start().await;
    let (id, token) = token_of(&app, "operator").await;
    let cookie = sign_in_with(&app, &token).await;
    let listed = app.admin().get("/v1/admin/tokens").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(&token), "shown once only");
    let live = app.anyone().request(Method::GET, "/admin/live");
    let live = live.header("cookie", &cookie).send().await.unwrap();
    assert_eq!(live.status(), 200);
    let reason = json!({"reason": "she left"});
    let revoke = async |id: &str| {
        let path = format!("/v1/admin/tokens/{id}/revoke");
        app.admin().post(&path, &reason).await
    };
    assert_eq!(revoke(&id).await.status, 204);
    let refused = app.with_token(&token).get("/v1/admin/keepers").await;
    refused.assert_problem(StatusCode::UNAUTHORIZED, "unknown_credentials");
    assert!(read(&app, &cookie, "/admin").await.text.contains("Sign in"));
    let seen = tokio::time::timeout(PATIENCE, live.text()).await;
    assert!(
        seen.expect("the stream ends")
            .unwrap()
            .contains("event: fleet")
    );
    let again = revoke(&id).await;
    again.assert_problem(StatusCode::NOT_FOUND, "unknown_token");
    let first = listed["items"][0]["id"].as_str().unwrap();
    let last = revoke(first).await;
    last.assert_problem(StatusCode::CONFLICT, "last_admin");
    assert_eq!(app.admin().get("/v1/admin/tokens").await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn a_token_is_made_once_under_its_key() {
    let app = TestApp::start().await;
    let ask = async |key: &'static str, name: &str| {
        let body = json!({"role": "viewer", "name": name, "reason": "a test"});
        let request = app.admin().request(Method::POST, "/v1/admin/tokens");
        Answer::of(request.header("idempotency-key", key).json(&body)).await
    };
    let (first, again) = tokio::join!(ask("key-1", "Ann"), ask("key-1", "Ann"));
    assert_eq!((first.status, again.status), (201, 201), "{}", again.text);
    assert_eq!(first.json(), again.json());
    let replayed = [&first, &again]
        .into_iter()
        .filter(|answer| answer.headers.contains_key("idempotency-replayed"));
    assert_eq!(replayed.count(), 1);
    let other = ask("key-1", "Bob").await;
    other.assert_problem(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused");
    let id = first.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/admin/tokens/{id}/revoke");
    let revoked = app.admin().post(&path, &json!({"reason": "a test"})).await;
    assert_eq!(revoked.status, 204, "{}", revoked.text);
    // It is told again, and stays revoked.
    let late = ask("key-1", "Ann").await;
    assert_eq!((late.status, late.json()), (201, first.json()));
    let token = first.json()["token"].as_str().unwrap().to_owned();
    let refused = app.with_token(&token).get("/v1/admin/keepers").await;
    refused.assert_problem(StatusCode::UNAUTHORIZED, "unknown_credentials");
    // Also when nobody remembers the key any more.
    let connection = app.connection().await;
    let forget = "DELETE FROM idempotent_reply WHERE store = 0";
    connection.execute_unprepared(forget).await.unwrap();
    connection.close().await.unwrap();
    let anew = ask("key-1", "Ann").await;
    assert_eq!(anew.status, 201, "{}", anew.text);
    assert_ne!(anew.json()["token"], first.json()["token"]);
    let refused = app.with_token(&token).get("/v1/admin/keepers").await;
    refused.assert_problem(StatusCode::UNAUTHORIZED, "unknown_credentials");
    app.stop().await;
}

#[tokio::test]
async fn tokens_are_listed_in_pages() {
    let app = TestApp::start().await;
    let mut ids = vec![];
    for _ in 0..4 {
        ids.push(token_of(&app, "viewer").await.0);
    }
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/admin/tokens?limit=2{cursor}");
        let page = app.admin().get(&path).await.json();
        let items = page["items"].as_array().unwrap();
        listed.extend(
            items
                .iter()
                .map(|token| token["id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(listed.len(), 5);
    // Those of one millisecond stand in any order.
    listed.drain(..1);
    listed.sort();
    ids.sort();
    assert_eq!(listed, ids);
    // The second is a NUL behind a moment, which databases do not take alike.
    for cursor in ["eA", "MC0A"] {
        let path = format!("/v1/admin/tokens?cursor={cursor}");
        let strange = app.admin().get(&path).await;
        strange.assert_problem(StatusCode::BAD_REQUEST, "malformed_cursor");
    }
    app.stop().await;
}

#[tokio::test]
async fn every_deed_is_written_down_with_who_and_why() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    let (id, token) = token_of(&app, "operator").await;
    let reason = json!({"reason": "stocktaking"});
    let caller = app.with_token(&token);
    let paused = caller.post("/v1/admin/keepers/1/pause", &reason).await;
    assert_eq!(paused.status, 202, "{}", paused.text);
    let audit = app.admin().get("/v1/admin/audit?limit=1").await.json();
    let deed = &audit["items"][0];
    assert_eq!(deed["actor"], format!("Ann the operator ({id}) by api"));
    assert_eq!(
        (&deed["action"], &deed["store"], &deed["detail"]),
        (&json!("pause"), &json!("1"), &json!("stocktaking"))
    );
    let cursor = audit["next"].as_str().unwrap();
    let rest = format!("/v1/admin/audit?cursor={cursor}");
    let rest = app.admin().get(&rest).await.json();
    let actions: Vec<&str> = rest["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|deed| deed["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["create operator token", "register store"]);
    let other = app.admin().get("/v1/admin/audit?store=2").await.json();
    assert_eq!(other["items"], json!([]));
    let long = json!({"reason": "x".repeat(501)});
    let refused = app.admin().post("/v1/admin/keepers/1/resume", &long).await;
    refused.assert_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field");
    let strange = app.admin().get("/v1/admin/audit?cursor=eA").await;
    strange.assert_problem(StatusCode::BAD_REQUEST, "malformed_cursor");
    app.stop().await;
}

#[tokio::test]
async fn a_viewer_sees_no_form_and_may_not_send_one() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    let (_id, token) = token_of(&app, "viewer").await;
    let cookie = sign_in_with(&app, &token).await;
    let page = read(&app, &cookie, "/admin/keepers/1").await;
    assert!(!page.text.contains("name=\"reason\""), "{}", page.text);
    let form = format!("form_token={}&reason=x&verb=pause", form_token(&page.text));
    let post = async |path: &str, form: String| {
        let request = app.anyone().request(Method::POST, path);
        Answer::of(request.header("cookie", &cookie).body(form)).await
    };
    let refused = post("/admin/keepers/1", form.clone()).await;
    refused.assert_problem(StatusCode::FORBIDDEN, "wrong_role");
    let letter = LETTER.replace("/v1", "");
    let verb = form.replace("pause", "discard");
    let refused = post(&letter, verb).await;
    refused.assert_problem(StatusCode::FORBIDDEN, "wrong_role");
    let tokens = read(&app, &cookie, "/admin/tokens").await;
    tokens.assert_problem(StatusCode::FORBIDDEN, "wrong_role");
    let audit = read(&app, &cookie, "/admin/audit").await;
    assert!(audit.text.contains("register store"), "{}", audit.text);
    app.stop().await;
}

/// Whether the token has been revoked meanwhile cannot be known then.
#[tokio::test]
async fn while_the_database_does_not_answer_a_session_is_a_viewers() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    let (_id, token) = token_of(&app, "admin").await;
    let (other, _token) = token_of(&app, "viewer").await;
    let cookie = sign_in_with(&app, &token).await;
    let page = read(&app, &cookie, "/admin/keepers/1").await;
    assert!(page.text.contains("name=\"reason\""), "{}", page.text);
    // Nobody is known by heart after this.
    let path = format!("/v1/admin/tokens/{other}/revoke");
    let revoked = app.admin().post(&path, &json!({"reason": "a test"})).await;
    assert_eq!(revoked.status, 204, "{}", revoked.text);
    let connection = app.connection().await;
    let take_away = "ALTER TABLE operator_token RENAME TO taken_away";
    connection.execute_unprepared(take_away).await.unwrap();
    connection.close().await.unwrap();
    let blind = read(&app, &cookie, "/admin/keepers/1").await;
    assert_eq!(blind.status, 200, "{}", blind.text);
    assert!(!blind.text.contains("name=\"reason\""), "{}", blind.text);
    let form = format!("form_token={}&reason=x&verb=pause", form_token(&page.text));
    let request = app.anyone().request(Method::POST, "/admin/keepers/1");
    let refused = Answer::of(request.header("cookie", &cookie).body(form)).await;
    refused.assert_problem(StatusCode::FORBIDDEN, "wrong_role");
    app.stop().await;
}

#[tokio::test]
async fn an_admin_lets_somebody_in_on_the_page_and_revokes_that() {
    let app = TestApp::start().await;
    let cookie = sign_in_with(&app, app.admin_token()).await;
    let page = read(&app, &cookie, "/admin/tokens").await;
    let send = async |path: &str, form: String| {
        let request = app.anyone().request(Method::POST, path);
        Answer::of(request.header("cookie", &cookie).body(form)).await
    };
    let ours = form_token(&page.text);
    let form = format!("form_token={ours}&role=viewer&name=Bob&reason=a+look");
    let forged = send("/admin/tokens", form.replace(ours, "guess")).await;
    forged.assert_problem(StatusCode::FORBIDDEN, "forged_form");
    let made = send("/admin/tokens", form).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let shown = made.text.split("id=\"created-token\">").nth(1).unwrap();
    let token = shown.split('<').next().unwrap();
    assert_eq!(
        app.with_token(token).get("/v1/admin/stores").await.status,
        200
    );
    let listed = app.admin().get("/v1/admin/tokens").await.json();
    let bob = listed["items"][1]["id"].as_str().unwrap();
    let revoke = format!("form_token={ours}&reason=seen+enough");
    let done = send(&format!("/admin/tokens/{bob}"), revoke).await;
    assert_eq!(done.header("location"), "/admin/tokens?done=revoke");
    let after = app.with_token(token).get("/v1/admin/stores").await;
    after.assert_problem(StatusCode::UNAUTHORIZED, "unknown_credentials");
    app.stop().await;
}
