//! Refusals that pass, or that need a person, by the code that a client sees.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use storekeeper::config::Secret;

use super::dashboard::sign_in;
use crate::support::app::{Answer, PATIENCE, TestApp, TestStore};

const SERVICE_UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

fn kit() -> Value {
    json!({"title": "Kit", "item": "1", "mode": "ship_together", "components": [{"item": "2", "quantity": 1}]})
}

async fn define(app: &TestApp, store: &TestStore) -> Answer {
    let path = format!("/v1/stores/{}/bundles", store.id);
    app.merchant(store).post(&path, &kit()).await
}

/// A platform that lets everybody in and answers nobody.
async fn silent_platform() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

#[tokio::test]
async fn a_command_that_the_platform_holds_up_has_no_known_outcome_and_keeps_others_out() {
    let app = TestApp::start_with(|config| {
        config.keeper.commands_waiting_max = 1;
        config.keeper.command_wait_ms_max = 8_000;
    })
    .await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    let (_platform, url) = silent_platform().await;
    let path = format!("/v1/admin/stores/{}", store.id);
    let patch = json!({"api_base_url": url});
    let moved = app.admin().send(Method::PATCH, &path, &patch).await;
    assert_eq!(moved.status, 200, "{}", moved.text);
    let bundle = "00000000-0000-7000-8000-000000000000";
    let path = format!("/v1/stores/{}/bundles/{bundle}", store.id);
    // Decided at once, so it is let in until the one below waits for the platform.
    let other = async || {
        let request = app.merchant(&store).request(Method::DELETE, &path);
        Answer::of(request).await
    };
    // It is kept out itself while one of the others is being decided.
    let held_up = async || loop {
        let answer = define(&app, &store).await;
        if answer.json()["code"] != "store_busy" {
            return answer;
        }
    };
    // Whoever is held up for as long as the platform takes may miss it, and looks once more.
    let both = async {
        loop {
            let mut holding = std::pin::pin!(held_up());
            let mut kept_out = None;
            let answer = loop {
                tokio::select! {
                    answer = &mut holding => break answer,
                    answer = other(), if kept_out.is_none() => {
                        kept_out = (answer.json()["code"] == "store_busy").then_some(answer);
                    }
                }
            };
            if let Some(kept_out) = kept_out {
                return (answer, kept_out);
            }
        }
    };
    let (held_up, kept_out) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    held_up.assert_problem(SERVICE_UNAVAILABLE, "outcome_unknown");
    kept_out.assert_problem(SERVICE_UNAVAILABLE, "store_busy");
    app.stop().await;
}

#[tokio::test]
async fn a_keeper_that_rests_is_unavailable() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    let reason = json!({"reason": "test"});
    let rest = app
        .admin()
        .post("/v1/admin/keepers/1/quarantine", &reason)
        .await;
    assert_eq!(rest.status, 202, "{}", rest.text);
    app.keeper_until(&store, |keeper| keeper["state"] == "quarantined")
        .await;
    let refused = define(&app, &store).await;
    refused.assert_problem(SERVICE_UNAVAILABLE, "keeper_unavailable");
    app.stop().await;
}

/// This VFS of SQLite takes no locks and syncs as little as the settings ask: they are what is judged.
#[tokio::test]
async fn without_durability_nothing_is_accepted_and_the_server_is_not_ready() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("storekeeper.db");
    let app = TestApp::start_with(|config| {
        let url = format!("sqlite://{}?vfs=unix-none", file.display());
        config.database.url = Secret::new(url);
    })
    .await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    let webhook = app.platform(&store).send().await;
    webhook.assert_problem(SERVICE_UNAVAILABLE, "not_durable");
    let ready = app.anyone().get("/readyz").await;
    ready.assert_problem(SERVICE_UNAVAILABLE, "not_ready");
    app.stop().await;
}

#[tokio::test]
async fn live_streams_are_bounded() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let open = || {
        let request = app.anyone().request(Method::GET, "/admin/live");
        request.header("cookie", &cookie).send()
    };
    let mut streams = Vec::new();
    let refused = tokio::time::timeout(PATIENCE, async {
        loop {
            let stream = open().await.unwrap();
            if stream.status() != 200 {
                return stream;
            }
            streams.push(stream);
        }
    });
    let refused = refused.await.unwrap();
    assert_eq!((refused.status(), streams.len()), (SERVICE_UNAVAILABLE, 64));
    assert!(refused.headers().contains_key("retry-after"));
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "too_many_streams");
    // Whoever leaves makes room.
    streams.clear();
    let admitted = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while open().await.unwrap().status() != 200 {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, admitted).await.unwrap();
    app.stop().await;
}
