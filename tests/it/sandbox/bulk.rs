//! Bulk queries: their lines, their limits, their end.

use serde_json::{Value, json};
use storekeeper::sandbox::{Sandbox, SandboxOptions, ShopOpened, ShopRequest};

use super::receiver::{DEADLINE, DOMAIN, Receiver, shop_with};
use crate::support::client::client;

const TOPIC: &str = "bulk_operations/finish";
const RUN: &str = "mutation Run($query: String!) {
  bulkOperationRunQuery(query: $query) {
    bulkOperation { id status objectCount url } userErrors { code field message } } }";
const LEVELS: &str = r#"{ inventoryItems { edges { node { id sku
  inventoryLevels { edges { node { id location { id } quantities(names: ["available"]) { name quantity } } } } } } } }"#;

struct Door {
    sandbox: Sandbox,
    shop: ShopOpened,
    receiver: Receiver,
}

impl Door {
    async fn open() -> Self {
        let mut request = ShopRequest::new(DOMAIN);
        request.locations = 2;
        let options = SandboxOptions::default();
        let (sandbox, shop, receiver) = shop_with(options, &request, &[TOPIC]).await;
        Self {
            sandbox,
            shop,
            receiver,
        }
    }

    async fn ask(&self, version: &str, query: &str, variables: Value) -> Value {
        let base = self.sandbox.shop_url(DOMAIN);
        let request = client()
            .post(format!("{base}/admin/api/{version}/graphql.json"))
            .header("X-Shopify-Access-Token", &self.shop.access_token)
            .json(&json!({ "query": query, "variables": variables }));
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].clone()
    }

    async fn finished(&self) -> Value {
        finished(&self.receiver).await
    }
}

/// The body of the webhook that tells of the end.
pub(super) async fn finished(receiver: &Receiver) -> Value {
    let told = async {
        loop {
            if let Some(told) = receiver.of(TOPIC).first() {
                return told.body();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, told).await.unwrap()
}

/// Starts an operation whose end `receiver` is told of, and waits for that.
pub(super) async fn run_to_its_end(sandbox: &Sandbox, token: &str, receiver: &Receiver) {
    let url = format!(
        "{}/admin/api/2026-10/graphql.json",
        sandbox.shop_url(DOMAIN)
    );
    let request = client()
        .post(url)
        .header("X-Shopify-Access-Token", token)
        .json(&json!({ "query": RUN, "variables": { "query": LEVELS } }));
    assert!(request.send().await.unwrap().status().is_success());
    finished(receiver).await;
}

#[tokio::test]
async fn every_level_comes_as_a_line_below_its_item() {
    let door = Door::open().await;
    let ran = door.ask("2026-10", RUN, json!({ "query": LEVELS })).await;
    let ran = &ran["bulkOperationRunQuery"];
    assert_eq!(ran["userErrors"], json!([]));
    let id = ran["bulkOperation"]["id"].clone();
    assert_eq!(ran["bulkOperation"]["status"], "CREATED");
    assert_eq!(ran["bulkOperation"]["url"], Value::Null);
    let told = door.finished().await;
    assert_eq!(told["admin_graphql_api_id"], id);
    assert_eq!(told["status"], "completed");
    let query = "query Ask($id: ID!) { node(id: $id) { ... on BulkOperation { status objectCount
      rootObjectCount fileSize url } } currentBulkOperation { id } bulkOperation(id: $id) { id } }";
    let seen = door.ask("2026-10", query, json!({ "id": id })).await;
    assert_eq!(seen["currentBulkOperation"]["id"], id);
    assert_eq!(seen["bulkOperation"]["id"], id);
    let operation = &seen["node"];
    assert_eq!(operation["status"], "COMPLETED");
    let url = operation["url"].as_str().unwrap();
    let fetched = client().get(url).send().await.unwrap();
    assert_eq!(fetched.headers()["content-type"], "application/jsonl");
    let text = fetched.text().await.unwrap();
    assert_eq!(operation["fileSize"], text.len().to_string());
    assert_lines(&door, operation, &text);
    let forged = url.replace(".jsonl", "0.jsonl");
    let refused = client().get(forged).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 404);
}

/// The lines are the shop's items and levels, each level after its item.
fn assert_lines(door: &Door, operation: &Value, text: &str) {
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (mut items, mut levels) = (Vec::new(), Vec::new());
    for line in &lines {
        let Some(parent) = line.get("__parentId") else {
            items.push(line["id"].as_str().unwrap().to_owned());
            continue;
        };
        assert!(items.iter().any(|item| parent == item), "{line}");
        let place = line["location"]["id"].as_str().unwrap();
        let quantity = line["quantities"][0]["quantity"].as_i64().unwrap();
        levels.push((
            parent.as_str().unwrap().to_owned(),
            place.to_owned(),
            quantity,
        ));
    }
    let mut wanted: Vec<(String, String, i64)> = door
        .sandbox
        .levels(DOMAIN)
        .iter()
        .map(|(key, level)| {
            let item = format!("gid://shopify/InventoryItem/{}", key.item);
            let place = format!("gid://shopify/Location/{}", key.location);
            (item, place, level.available)
        })
        .collect();
    levels.sort();
    wanted.sort();
    assert_eq!(levels, wanted);
    assert_eq!(items.len(), door.shop.items.len());
    assert_eq!(operation["objectCount"], lines.len().to_string());
    assert_eq!(operation["rootObjectCount"], items.len().to_string());
}

#[tokio::test]
async fn no_more_run_at_once_than_the_version_allows() {
    let door = Door::open().await;
    // Two fields of one document: no time passes between them.
    let twice = "mutation Twice($query: String!) {
      first: bulkOperationRunQuery(query: $query) { bulkOperation { id } userErrors { code } }
      second: bulkOperationRunQuery(query: $query) { bulkOperation { id } userErrors { code field message } } }";
    let variables = json!({ "query": LEVELS });
    let old = door.ask("2025-10", twice, variables.clone()).await;
    let running = old["first"]["bulkOperation"]["id"].as_str().unwrap();
    assert_eq!(old["second"]["bulkOperation"], Value::Null);
    let error = &old["second"]["userErrors"][0];
    assert_eq!(error["code"], "OPERATION_IN_PROGRESS");
    let text = "A bulk query operation for this app and shop is already in progress: ";
    assert_eq!(error["message"], format!("{text}{running}"));
    // When it has ended, there is room again; a newer version has more of it.
    door.finished().await;
    let new = door.ask("2026-01", twice, variables).await;
    assert!(new["first"]["bulkOperation"]["id"].is_string(), "{new}");
    assert!(new["second"]["bulkOperation"]["id"].is_string(), "{new}");
}

#[tokio::test]
async fn queries_that_are_no_bulk_queries_are_refused() {
    let door = Door::open().await;
    for query in [
        "",
        "{ shop { name } }",
        "{ node(id: \"gid://shopify/Shop/1\") { id } }",
        "{ products { nodes { id } } }",
        "{ products { edges { node { title variants { edges { node { id } } } } } } }",
        "{ products { edges { node { id colour } } } }",
        "mutation { inventoryActivate { userErrors { code } } }",
    ] {
        let answer = door.ask("2026-10", RUN, json!({ "query": query })).await;
        let answer = &answer["bulkOperationRunQuery"];
        assert_eq!(answer["bulkOperation"], Value::Null, "{query}");
        assert_eq!(answer["userErrors"][0]["code"], "INVALID", "{query}");
        assert_eq!(
            answer["userErrors"][0]["field"],
            json!(["query"]),
            "{query}"
        );
    }
}
