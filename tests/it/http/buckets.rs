//! How much a store may call its platform, as operators see it.

use serde_json::{Value, json};

use super::dashboard::{read, sign_in};
use crate::support::app::{PATIENCE, TestApp, TestStore};

fn path(store: &TestStore) -> String {
    format!("/v1/admin/keepers/{}/bucket", store.id)
}

async fn until(app: &TestApp, store: &TestStore, wanted: impl Fn(&Value) -> bool) -> Value {
    let told = async {
        loop {
            let told = app.admin().get(&path(store)).await.json();
            if wanted(&told) {
                return told;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap()
}

#[tokio::test]
async fn a_store_is_known_before_its_platform_was_called() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    let told = app.admin().get(&path(&store)).await;
    assert_eq!(told.status, 200, "{}", told.text);
    let unknown = app.admin().get("/v1/admin/keepers/99/bucket").await;
    assert_eq!(unknown.status, 404);
    app.stop().await;
}

#[tokio::test]
async fn both_limits_are_told_as_of_now_also_when_the_keeper_has_gone() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    assert_eq!(app.platform(&store).send().await.status, 200);
    // Nobody answers at the address of its platform, so the sweep is tried and rests.
    let is_kept = |told: &Value| told["in_memory"] == true && told["buckets"][0]["usable"].is_i64();
    let told = until(&app, &store, is_kept).await;
    let [rest, graphql] = [&told["buckets"][0], &told["buckets"][1]];
    assert_eq!(
        (
            &rest["name"],
            &rest["size"],
            &rest["usable"],
            &rest["restore_per_s"]
        ),
        (&json!("rest"), &json!(40), &json!(36), &json!(2)),
        "{told}"
    );
    assert_eq!(
        (&graphql["name"], &graphql["size"], &graphql["usable"]),
        (&json!("graphql"), &json!(2_000), &json!(1_800)),
        "{told}"
    );
    assert_eq!(rest["last_throttle"], Value::Null);
    let cookie = sign_in(&app).await;
    let page = read(&app, &cookie, "/admin/keepers/1/bucket").await;
    assert_eq!(page.status, 200, "{}", page.text);
    for said in [
        "REST",
        "GraphQL",
        "of 40 requests left",
        "of 2000 points left",
    ] {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    let gone = json!({"reason": "a test"});
    let ended = app
        .admin()
        .post("/v1/admin/keepers/1/deactivate", &gone)
        .await;
    assert_eq!(ended.status, 202, "{}", ended.text);
    let told = until(&app, &store, |told| told["in_memory"] == false).await;
    assert_eq!(told["buckets"][1]["usable"], 1_800, "{told}");
    app.stop().await;
}
