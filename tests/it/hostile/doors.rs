//! Every door of the description gets what it should not: it answers a problem that the description names for it, and
//! nothing changes.

use std::collections::BTreeSet;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use storekeeper::http::{BUNDLE_CODES, catalogue};

use crate::support::app::{Answer, TestApp, TestStore};

const NOBODY: &str = "00000000-0000-7000-8000-000000000000";
/// Ids that are none.
const BAD_IDS: [&str; 12] = [
    "0",
    "-1",
    "1.0",
    "x",
    "%20",
    "%00",
    "%FF",
    "%F0%9F%92%A9",
    "1%2F2",
    "1;2",
    "99999999999999999999",
    "%27%20OR%201=1",
];
/// Credentials that open nothing.
const BAD_CREDENTIALS: [&[u8]; 9] = [
    b"",
    b"Bearer",
    b"Bearer ",
    b"Bearer x",
    b"bearer  ska_guess",
    b"Basic YTpi",
    b"Bearer \xff\xfe",
    b"Token x",
    b"Bearer a b",
];
/// What no parameter of a query means.
const BAD_VALUES: [&str; 9] = [
    "",
    "x",
    "-1",
    "0",
    "1e9",
    "1.5",
    "99999999999999999999",
    "%FF",
    "%00",
];
/// Bodies that are no JSON object, or not one that any door takes.
const BAD_BODIES: [&[u8]; 16] = [
    b"",
    b" ",
    b"null",
    b"true",
    b"1",
    b"1e999",
    b"\"x\"",
    b"[]",
    b"[{}]",
    b"{",
    b"{\"a\":}",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"{\"unknown_field\":1}",
    b"{}{}",
    b"{\"reason\":\"a\\u0000b\",\"title\":\"\\n\"}",
];
/// What a field may hold that is of the wrong type, or out of every range.
const BAD_FIELDS: [&str; 13] = [
    "null",
    "true",
    "-1",
    "0",
    "1.5",
    "9223372036854775808",
    "\"\"",
    "\"x\"",
    "\"\\ud800\"",
    "[]",
    "[null]",
    "{}",
    "[[[[[[[[{}]]]]]]]]",
];
/// HEAD is GET without its body, and is served where the description names GET.
const METHODS: [&str; 6] = ["get", "post", "put", "patch", "delete", "trace"];

/// An operation as it is described.
struct Door<'api> {
    method: Method,
    path: &'api str,
    operation: &'api Value,
    /// Its address, with ids of things that are there where there are any.
    address: String,
}

/// One attempt: what is wrong with it, and the request.
type Attempt = (String, RequestBuilder);

impl<'api> Door<'api> {
    fn all(api: &'api Value, store: &TestStore) -> Vec<Self> {
        let paths = api["paths"].as_object().unwrap();
        let of_path = |(path, item): (&'api String, &'api Value)| {
            let operations = item.as_object().unwrap().iter();
            operations
                .map(|(method, operation)| Self {
                    method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
                    path,
                    operation,
                    address: address(path, store),
                })
                .collect::<Vec<_>>()
        };
        paths.iter().flat_map(of_path).collect()
    }

    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn needs_key(&self) -> bool {
        self.operation["security"].is_array()
    }

    fn is_intake(&self) -> bool {
        self.operation["tags"][0] == "intake"
    }

    fn takes_body(&self) -> bool {
        self.operation["requestBody"].is_object() && !self.is_intake()
    }

    /// The names of its parameters of one kind.
    fn parameters(&self, place: &str) -> Vec<&'api str> {
        let all = self.operation["parameters"].as_array();
        let of_place = all
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == place);
        of_place
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect()
    }

    /// The codes that the description names for a status.
    fn codes(&self, status: u16) -> Option<BTreeSet<&'api str>> {
        let response = &self.operation["responses"][status.to_string()];
        let description = response["description"].as_str()?;
        let mut named: BTreeSet<&str> = description.split('`').skip(1).step_by(2).collect();
        if description.contains("the rule that it breaks") {
            named.extend(BUNDLE_CODES);
        }
        Some(named)
    }

    /// Checks that a refusal is one that the description names.
    fn judge(&self, wrong: &str, answer: &Answer) -> Result<(), String> {
        let complain = |why: &str| {
            Err(format!(
                "{}, {wrong}: {why}: {} {}",
                self.name(),
                answer.status,
                answer.text
            ))
        };
        if answer.status >= 500 {
            return complain("the server's fault");
        }
        let Some(codes) = self.codes(answer.status) else {
            return complain("a status that is not described");
        };
        if answer.status < 400 {
            return Ok(());
        }
        if answer.header("content-type") != "application/problem+json" {
            return complain("not a problem document");
        }
        let document = answer.json();
        let code = document["code"].as_str().unwrap_or_default();
        let known = catalogue()
            .any(|problem| problem.code() == code && problem.status().as_u16() == answer.status);
        if !known || document["status"] != answer.status {
            return complain("not in the catalogue");
        }
        if !codes.contains(code) {
            return complain("a code that is not described");
        }
        Ok(())
    }
}

fn address(path: &str, store: &TestStore) -> String {
    let token = store.intake_path.rsplit('/').next().unwrap();
    [
        ("{platform}", "shopify"),
        ("{store}", &store.id),
        ("{verb}", "pause"),
        ("{bundle}", NOBODY),
        ("{id}", NOBODY),
        ("{intake_token}", token),
    ]
    .into_iter()
    .fold(path.to_owned(), |path, (name, value)| {
        path.replace(name, value)
    })
}

/// Everything that a refusal must leave as it was.
async fn state_of(app: &TestApp, store: &TestStore) -> Vec<Value> {
    let mut seen = Vec::new();
    let of_store = [
        format!("/v1/admin/stores/{}", store.id),
        format!("/v1/stores/{}/bundles", store.id),
        "/v1/admin/stores".to_owned(),
        "/v1/admin/dead-letters".to_owned(),
    ];
    for path in of_store {
        seen.push(app.admin().get(&path).await.json());
    }
    let keeper = app
        .admin()
        .get(&format!("/v1/admin/keepers/{}", store.id))
        .await
        .json();
    seen.extend(
        [
            "applied",
            "naked",
            "parked",
            "dead_letters",
            "backlog",
            "restarts",
        ]
        .map(|name| keeper[name].clone()),
    );
    seen.push(keeper["observation"]["paused"].clone());
    seen
}

/// What a door may answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// That it does not know who asks, and nothing else.
    Stranger,
    /// Any refusal.
    Strict,
    /// As if nothing were wrong.
    Lenient,
}

async fn barrage(mood: Mood, make: impl Fn(&TestApp, &Door<'_>) -> Vec<Attempt>) {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    app.keeper_until(&store, |keeper| {
        keeper["state"] == "running" && !keeper["observation"].is_null()
    })
    .await;
    let api = app.anyone().get("/openapi.json").await.json();
    let before = state_of(&app, &store).await;
    let (mut attempts, mut complaints) = (0, Vec::new());
    for door in Door::all(&api, &store) {
        for (wrong, request) in make(&app, &door) {
            attempts += 1;
            let answer = Answer::of(request).await;
            complaints.extend(door.judge(&wrong, &answer).err());
            if mood == Mood::Stranger && answer.status != 401 {
                complaints.push(format!("{}, {wrong}: {}", door.name(), answer.text));
            }
            if mood == Mood::Strict && answer.status < 400 {
                complaints.push(format!("{}, {wrong}: taken: {}", door.name(), answer.text));
            }
        }
        let after = state_of(&app, &store).await;
        if after != before {
            complaints.push(format!(
                "{}: changed something: {after:?}, was {before:?}",
                door.name()
            ));
            break;
        }
    }
    println!("{attempts} attempts");
    assert!(attempts > 20, "nothing was tried");
    assert!(
        complaints.is_empty(),
        "{} of {attempts}:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
    app.stop().await;
}

#[tokio::test]
async fn who_has_no_key_learns_and_changes_nothing() {
    barrage(Mood::Stranger, |app, door| {
        if !door.needs_key() {
            return Vec::new();
        }
        // The rest is right, so that only who asks is wrong.
        let query = if door.path.ends_with("/availability") {
            "?items=1"
        } else {
            ""
        };
        let address = format!("{}{query}", door.address);
        let attempt = |credentials: &&[u8]| {
            let value = HeaderValue::from_bytes(credentials).unwrap();
            let request = app.anyone().request(door.method.clone(), &address);
            let request = request.header(AUTHORIZATION, value).json(&json!({}));
            (format!("credentials {credentials:?}"), request)
        };
        let bare = app
            .anyone()
            .request(door.method.clone(), &address)
            .json(&json!({}));
        let long = app
            .with_token(&"x".repeat(5_000))
            .request(door.method.clone(), &address);
        let others = [
            ("no credentials".to_owned(), bare),
            ("a long token".to_owned(), long),
        ];
        BAD_CREDENTIALS.iter().map(attempt).chain(others).collect()
    })
    .await;
}

#[tokio::test]
async fn an_address_of_nothing_is_refused() {
    barrage(Mood::Strict, |app, door| {
        let mut attempts = Vec::new();
        for parameter in door.parameters("path") {
            let long = "9".repeat(4_000);
            for id in BAD_IDS.iter().copied().chain([long.as_str()]) {
                let address = door.path.replace(&format!("{{{parameter}}}"), id);
                let address = address
                    .replace("{store}", "1")
                    .replace("{verb}", "pause")
                    .replace("{platform}", "shopify");
                let address = address
                    .replace("{bundle}", NOBODY)
                    .replace("{id}", NOBODY)
                    .replace("{intake_token}", "t");
                let request = app.admin().request(door.method.clone(), &address);
                attempts.push((format!("{parameter} {id:.20}"), request.json(&json!({}))));
            }
        }
        attempts
    })
    .await;
}

#[tokio::test]
async fn a_query_of_no_meaning_is_refused() {
    barrage(Mood::Lenient, |app, door| {
        let mut attempts = Vec::new();
        let mut ask = |query: String| {
            let address = format!("{}?{query}", door.address);
            attempts.push((
                format!("query {query:.40}"),
                app.admin().request(door.method.clone(), &address),
            ));
        };
        for parameter in door.parameters("query") {
            for value in BAD_VALUES {
                ask(format!("{parameter}={value}"));
            }
            ask(format!("{parameter}=1&{parameter}=2"));
            ask(format!("{parameter}={}", "9".repeat(6_000)));
            ask(format!("{parameter}[]=1"));
        }
        if !door.parameters("query").is_empty() {
            ask("unknown=1".to_owned());
            ask("%=%&&&=".to_owned());
        }
        attempts
    })
    .await;
}

#[tokio::test]
async fn a_body_of_no_meaning_is_refused() {
    barrage(Mood::Strict, |app, door| {
        if !door.takes_body() {
            return Vec::new();
        }
        let ask = || app.admin().request(door.method.clone(), &door.address);
        let with = |body: Vec<u8>| ask().header(CONTENT_TYPE, "application/json").body(body);
        let mut attempts: Vec<Attempt> = vec![
            ("no body".to_owned(), ask()),
            (
                "a form".to_owned(),
                ask()
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body("reason=x"),
            ),
            ("no media type".to_owned(), ask().body("{}")),
            (
                "a media type of no meaning".to_owned(),
                ask()
                    .header(CONTENT_TYPE, HeaderValue::from_bytes(b"\xff/json").unwrap())
                    .body("{}"),
            ),
            ("too large".to_owned(), with(vec![b' '; 300 * 1024])),
            (
                "too deep".to_owned(),
                with("[".repeat(100_000).into_bytes()),
            ),
            (
                "a huge text".to_owned(),
                with(format!("{{\"title\":\"{}\"}}", "x".repeat(200_000)).into_bytes()),
            ),
        ];
        for body in BAD_BODIES {
            attempts.push((
                format!("body {}", String::from_utf8_lossy(body)),
                with(body.to_vec()),
            ));
        }
        attempts
    })
    .await;
}

/// A body that each door would take, so that one wrong field is the only thing wrong.
fn good_body(path: &str) -> Value {
    match path {
        "/v1/admin/stores" => json!({
            "platform": "shopify", "domain": "two.myshopify.com", "api_base_url": "http://127.0.0.1:9",
            "access_token": "shpat_test", "webhook_secrets": ["shpss_2"],
        }),
        "/v1/admin/stores/{store}" => json!({ "name": "One" }),
        "/v1/admin/dead-letters/bulk" => json!({ "action": "discard", "expected": 5 }),
        path if path.contains("/bundles") => json!({
            "title": "Kit", "item": "1", "mode": "pooled", "cap": 3,
            "components": [{ "item": "2", "quantity": 1, "optional": false }],
        }),
        _ => json!({ "reason": "because" }),
    }
}

#[tokio::test]
async fn a_field_of_the_wrong_type_is_refused() {
    barrage(Mood::Strict, |app, door| {
        if !door.takes_body() {
            return Vec::new();
        }
        let mut attempts = Vec::new();
        let body = good_body(door.path);
        for field in body.as_object().unwrap().keys() {
            for wrong in BAD_FIELDS {
                // What is allowed here would be done, and is tried elsewhere.
                if is_allowed(field, wrong) {
                    continue;
                }
                let text = body.to_string().replace(
                    &format!("\"{field}\":{}", body[field]),
                    &format!("\"{field}\":{wrong}"),
                );
                let request = app.admin().request(door.method.clone(), &door.address);
                let request = request.header(CONTENT_TYPE, "application/json").body(text);
                attempts.push((format!("{field} {wrong}"), request));
            }
        }
        attempts
    })
    .await;
}

/// Whether a field may hold this.
fn is_allowed(field: &str, value: &str) -> bool {
    match field {
        "reason" | "title" | "name" | "access_token" => {
            matches!(value, "\"x\"") || (field == "name" && value == "null")
        }
        "cap" => matches!(value, "null" | "0"),
        "domain" => value == "\"x\"",
        // Webhooks may be signed with the secret of the whole app instead.
        "webhook_secrets" => value == "[]",
        // As many as there are: nothing is done.
        "expected" => value == "0",
        _ => false,
    }
}

#[tokio::test]
async fn a_header_of_no_meaning_is_refused_or_ignored() {
    barrage(Mood::Lenient, |app, door| {
        let mut attempts = Vec::new();
        let values: [&[u8]; 6] = [
            b"",
            b"two words",
            b"\xff\xfe",
            b"\"x",
            b"W/",
            &[b'x'; 4_000],
        ];
        for header in door.parameters("header") {
            for value in values {
                // An address of nothing, so that a header that is let through has no effect.
                let address = door.address.replace("/stores/1", "/stores/404");
                let request = app.admin().request(door.method.clone(), &address);
                let request = request
                    .header(header, HeaderValue::from_bytes(value).unwrap())
                    .json(&json!({}));
                attempts.push((
                    format!("{header} {:.20}", String::from_utf8_lossy(value)),
                    request,
                ));
            }
        }
        attempts
    })
    .await;
}

#[tokio::test]
async fn a_method_that_is_not_described_is_refused() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    let api = app.anyone().get("/openapi.json").await.json();
    for (path, item) in api["paths"].as_object().unwrap() {
        for method in METHODS {
            if item[method].is_object() {
                continue;
            }
            let sent = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answer = Answer::of(app.admin().request(sent, &address(path, &store))).await;
            let described = item
                .as_object()
                .unwrap()
                .keys()
                .all(|known| answer.header("allow").contains(&known.to_uppercase()));
            assert!(
                answer.status == 405 && described,
                "{method} {path}: {} {:?} {}",
                answer.status,
                answer.headers.get("allow"),
                answer.text
            );
        }
    }
    app.stop().await;
}
