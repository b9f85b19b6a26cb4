//! The GraphQL door: writes with keys and compare-and-set, reads, costs.

use serde_json::{Value, json};
use storekeeper::sandbox::{
    Cause, EffectOutcome, Faults, OrderRequest, ProductRequest, Products, Sandbox, SandboxOptions,
    ShopOpened, ShopRequest,
};

use super::receiver::DOMAIN;
use crate::support::client::client;

const SET: &str = "mutation Set($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id reason changes { name delta quantityAfterChange item { id } location { id } } }
    userErrors { code field message } } }";

struct Door {
    sandbox: Sandbox,
    shop: ShopOpened,
    version: &'static str,
}

impl Door {
    async fn open(products: Vec<ProductRequest>) -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let mut request = ShopRequest::new(DOMAIN);
        request.locations = 2;
        request.products = Products::Listed(products);
        let shop = sandbox.open_shop(&request).unwrap();
        Self {
            sandbox,
            shop,
            version: "2026-10",
        }
    }

    async fn ask(&self, query: &str, variables: Value) -> Value {
        let base = self.sandbox.shop_url(DOMAIN);
        let url = format!("{base}/admin/api/{}/graphql.json", self.version);
        let request = client()
            .post(url)
            .header("X-Shopify-Access-Token", &self.shop.access_token)
            .json(&json!({ "query": query, "variables": variables }));
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        response.json().await.unwrap()
    }

    fn item(&self, index: usize) -> String {
        format!(
            "gid://shopify/InventoryItem/{}",
            self.shop.items[index].item
        )
    }

    fn location(&self, index: usize) -> String {
        format!("gid://shopify/Location/{}", self.shop.locations[index])
    }

    fn row(&self, item: usize, quantity: i64, from: Value) -> Value {
        json!({
            "inventoryItemId": self.item(item), "locationId": self.location(0),
            "quantity": quantity, "changeFromQuantity": from,
        })
    }

    async fn set(&self, key: &str, rows: Vec<Value>) -> Value {
        let input = json!({ "name": "available", "reason": "correction", "quantities": rows });
        self.ask(SET, json!({ "input": input, "key": key })).await
    }

    fn available(&self, item: usize) -> i64 {
        let levels = self.sandbox.levels(DOMAIN);
        let wanted = (self.shop.items[item].item, self.shop.locations[0]);
        let found = levels
            .iter()
            .find(|(key, _)| (key.item, key.location) == wanted);
        found.unwrap().1.available
    }
}

fn stocked(available: i64) -> ProductRequest {
    ProductRequest {
        available: vec![available],
        ..ProductRequest::default()
    }
}

fn error_code(answer: &Value) -> &Value {
    &answer["data"]["inventorySetQuantities"]["userErrors"][0]["code"]
}

#[tokio::test]
async fn a_set_is_priced_compared_and_done_once_per_key() {
    let door = Door::open(vec![stocked(5), stocked(5)]).await;
    let done = door.set("k1", vec![door.row(0, 8, json!(5))]).await;
    let group = &done["data"]["inventorySetQuantities"]["inventoryAdjustmentGroup"];
    assert_eq!(group["changes"][0]["name"], "available");
    assert_eq!(group["changes"][0]["delta"], 3);
    assert_eq!(group["changes"][1]["name"], "on_hand");
    assert_eq!(group["changes"][0]["item"]["id"], door.item(0));
    let cost = &done["extensions"]["cost"];
    assert_eq!(
        (&cost["requestedQueryCost"], &cost["actualQueryCost"]),
        (&json!(13), &json!(13))
    );
    assert_eq!(cost["throttleStatus"]["currentlyAvailable"], 1987);
    let again = door.set("k1", vec![door.row(0, 8, json!(5))]).await;
    assert_eq!(
        again["data"]["inventorySetQuantities"]["inventoryAdjustmentGroup"]["id"],
        group["id"]
    );
    let other = door.set("k1", vec![door.row(0, 9, json!(8))]).await;
    assert_eq!(error_code(&other), "IDEMPOTENCY_KEY_PARAMETER_MISMATCH");
    let stale = door
        .set(
            "k2",
            vec![door.row(1, 7, json!(5)), door.row(0, 9, json!(5))],
        )
        .await;
    assert_eq!(error_code(&stale), "CHANGE_FROM_QUANTITY_STALE");
    let field = &stale["data"]["inventorySetQuantities"]["userErrors"][0]["field"];
    assert_eq!(
        *field,
        json!(["input", "quantities", "1", "changeFromQuantity"])
    );
    assert_eq!(stale["extensions"]["cost"]["actualQueryCost"], 10);
    assert_eq!(door.available(1), 5, "the whole batch failed");
    let rerun = door
        .set(
            "k2",
            vec![door.row(1, 7, json!(5)), door.row(0, 9, json!(5))],
        )
        .await;
    assert_eq!(error_code(&rerun), "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED");
    let same = door.set("k3", vec![door.row(0, 8, Value::Null)]).await;
    let payload = &same["data"]["inventorySetQuantities"];
    assert_eq!(
        *payload,
        json!({ "inventoryAdjustmentGroup": null, "userErrors": [] })
    );
    let log = door.sandbox.log(DOMAIN);
    let outcomes: Vec<_> = log.effects.iter().map(|effect| effect.outcome).collect();
    use EffectOutcome::{Applied, Refused, Replayed};
    assert_eq!(
        outcomes,
        [Applied, Replayed, Refused, Refused, Refused, Applied]
    );
    let written = log.levels.iter().filter(
        |change| matches!(&change.cause, Cause::ApiWrite { key: Some(key), .. } if key == "k1"),
    );
    assert_eq!(written.count(), 1);
}

#[tokio::test]
async fn what_a_version_demands_is_refused_before_anything_is_done() {
    let mut door = Door::open(vec![stocked(5)]).await;
    let unkeyed = SET.replace("@idempotent(key: $key)", "");
    let input = |row| json!({ "name": "available", "reason": "correction", "quantities": [row] });
    let good = input(door.row(0, 8, json!(5)));
    let answer = door
        .ask(&unkeyed, json!({ "input": good, "key": "k" }))
        .await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST");
    assert_eq!(answer["data"], json!({ "inventorySetQuantities": null }));
    let mut row = door.row(0, 8, json!(5));
    row.as_object_mut().unwrap().remove("changeFromQuantity");
    let answer = door.set("k", vec![row.clone()]).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"],
        "INVALID_FIELD_ARGUMENTS"
    );
    assert!(answer.get("extensions").is_none());
    door.version = "2025-10";
    let answer = door
        .ask(&unkeyed, json!({ "input": input(row), "key": "k" }))
        .await;
    assert_eq!(error_code(&answer), "COMPARE_QUANTITY_REQUIRED");
    let answer = door.ask("{ shop { nothing } }", json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "undefinedField");
    assert_eq!(door.available(0), 5);
}

#[tokio::test]
async fn items_that_may_not_be_written_fail_the_batch_by_index() {
    let native = ProductRequest {
        native_bundle: true,
        ..stocked(5)
    };
    let untracked = ProductRequest {
        untracked: true,
        ..stocked(5)
    };
    let door = Door::open(vec![stocked(5), native, untracked]).await;
    let mut unknown = door.row(0, 1, Value::Null);
    unknown["inventoryItemId"] = json!("gid://shopify/InventoryItem/1");
    unknown["locationId"] = json!("gid://shopify/Location/1");
    let rows = vec![
        door.row(0, 1, json!(5)),
        door.row(1, 1, Value::Null),
        door.row(2, 1, Value::Null),
        unknown,
    ];
    let answer = door.set("k", rows).await;
    let errors = answer["data"]["inventorySetQuantities"]["userErrors"]
        .as_array()
        .unwrap();
    let codes: Vec<_> = errors
        .iter()
        .map(|error| error["code"].as_str().unwrap())
        .collect();
    let wanted = [
        "NON_MUTABLE_INVENTORY_ITEM",
        "INVALID_INVENTORY_ITEM",
        "INVALID_INVENTORY_ITEM",
        "INVALID_LOCATION",
    ];
    assert_eq!(codes, wanted);
    assert_eq!(
        errors[0]["field"],
        json!(["input", "quantities", "1", "inventoryItemId"])
    );
    assert_eq!(door.available(0), 5);
}

#[tokio::test]
async fn adjusting_adds_up_and_leaves_out_what_is_zero() {
    let door = Door::open(vec![stocked(5), stocked(5)]).await;
    let query = "mutation A($input: InventoryAdjustQuantitiesInput!, $key: String!) {
        inventoryAdjustQuantities(input: $input) @idempotent(key: $key) {
            inventoryAdjustmentGroup { changes { name delta } } userErrors { code } } }";
    let row = |item: usize, delta: i64| {
        json!({
            "inventoryItemId": door.item(item), "locationId": door.location(0),
            "delta": delta, "changeFromQuantity": null,
        })
    };
    let input =
        |name: &str, rows: Value| json!({ "name": name, "reason": "other", "changes": rows });
    let rows = json!([row(0, -7), row(1, 0)]);
    let variables = json!({ "input": input("available", rows), "key": "a" });
    let answer = door.ask(query, variables).await;
    let changes =
        &answer["data"]["inventoryAdjustQuantities"]["inventoryAdjustmentGroup"]["changes"];
    assert_eq!(changes.as_array().unwrap().len(), 2);
    assert_eq!(door.available(0), -2);
    let variables = json!({ "input": input("on_hand", json!([row(0, 1)])), "key": "b" });
    let answer = door.ask(query, variables).await;
    let code = &answer["data"]["inventoryAdjustQuantities"]["userErrors"][0]["code"];
    assert_eq!(code, "INVALID_NAME");
}

#[tokio::test]
async fn reads_show_exactly_what_was_picked() {
    let door = Door::open(vec![stocked(5), stocked(6)]).await;
    let order = OrderRequest::online(&[(door.shop.items[0].item, 2)]);
    let order = door.sandbox.place_order(DOMAIN, &order).unwrap();
    let query = "query Q($ids: [ID!]!, $more: Boolean = false, $order: ID!) {
        things: nodes(ids: $ids) { __typename ...Stock }
        order(id: $order) {
            lineItems(first: 5) { nodes { quantity currentQuantity variant { inventoryItem { id } } } }
            fulfillmentOrders(first: 5) { nodes { status assignedLocation { location { id } }
                lineItems(first: 5) { nodes { totalQuantity remainingQuantity } } } } } }
        fragment Stock on InventoryItem { tracked sku @include(if: $more)
            inventoryLevels(first: 1) { nodes { location { id isActive }
                quantities(names: [\"available\", \"committed\"]) { name quantity } }
                pageInfo { hasNextPage endCursor } }
            variant { inventoryPolicy requiresComponents product { title } } }";
    let variables = json!({
        "ids": [door.item(0), "gid://shopify/InventoryItem/1"],
        "order": format!("gid://shopify/Order/{order}"),
    });
    let answer = door.ask(query, variables).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    let item = &answer["data"]["things"][0];
    assert_eq!(answer["data"]["things"][1], Value::Null);
    assert_eq!(item["__typename"], "InventoryItem");
    assert!(item.get("sku").is_none());
    let levels = &item["inventoryLevels"];
    assert_eq!(levels["pageInfo"]["hasNextPage"], true);
    assert_eq!(levels["nodes"][0]["location"]["id"], door.location(0));
    let wanted = json!([
        { "name": "available", "quantity": 3 },
        { "name": "committed", "quantity": 2 },
    ]);
    assert_eq!(levels["nodes"][0]["quantities"], wanted);
    let line = &answer["data"]["order"]["lineItems"]["nodes"][0];
    assert_eq!(line["variant"]["inventoryItem"]["id"], door.item(0));
    let part = &answer["data"]["order"]["fulfillmentOrders"]["nodes"][0];
    assert_eq!(part["assignedLocation"]["location"]["id"], door.location(0));
    assert_eq!(part["lineItems"]["nodes"][0]["remainingQuantity"], 2);
    let search =
        "query($q: String!) { inventoryItems(first: 10, query: $q) { edges { node { id } } } }";
    let wanted = format!("id:{} OR id:{}", door.shop.items[1].item, 7);
    let found = door.ask(search, json!({ "q": wanted })).await;
    let edges = found["data"]["inventoryItems"]["edges"].as_array().unwrap();
    assert_eq!(edges.len(), 1);
    assert_eq!(edges[0]["node"]["id"], door.item(1));
}

#[tokio::test]
async fn orders_are_paged_by_their_last_change() {
    let door = Door::open(vec![stocked(50)]).await;
    let request = OrderRequest::online(&[(door.shop.items[0].item, 1)]);
    for _ in 0..3 {
        door.sandbox.place_order(DOMAIN, &request).unwrap();
    }
    let query = "query($after: String) { orders(first: 2, after: $after, sortKey: UPDATED_AT,
        query: \"updated_at:>='2020-01-01T00:00:00Z'\") { nodes { id } pageInfo { hasNextPage endCursor } } }";
    let first = door.ask(query, json!({})).await;
    let page = &first["data"]["orders"];
    assert_eq!(page["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(page["pageInfo"]["hasNextPage"], true);
    let second = door
        .ask(query, json!({ "after": page["pageInfo"]["endCursor"] }))
        .await;
    let page = &second["data"]["orders"];
    assert_eq!(page["nodes"].as_array().unwrap().len(), 1);
    assert_eq!(page["pageInfo"]["hasNextPage"], false);
}

#[tokio::test]
async fn points_run_out_and_dear_queries_are_refused() {
    let door = Door::open(vec![stocked(5)]).await;
    let dear = "{ products(first: 250) { nodes { id variants(first: 250) { nodes { id } } } } }";
    let refused = door.ask(dear, json!({})).await;
    assert_eq!(
        refused["errors"][0]["extensions"]["code"],
        "MAX_COST_EXCEEDED"
    );
    let mut faults = Faults::default();
    faults.api.throttle_per_mille = 1000;
    door.sandbox.set_faults(faults);
    let refused = door.ask("{ shop { id } }", json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "THROTTLED");
    assert_eq!(
        refused["extensions"]["cost"]["actualQueryCost"],
        Value::Null
    );
    door.sandbox.set_faults(Faults::default());
    let calls = door.sandbox.log(DOMAIN).calls;
    assert!(
        calls.iter().all(|call| !call.throttled),
        "not the caller's fault"
    );
    // Each asks for 502 points: together more than the bucket holds.
    let wide = "{ products(first: 250) { nodes { id title } } inventoryItems(first: 248) { nodes { id } } }";
    let asks = (0..5).map(|_| door.ask(wide, json!({})));
    let answers = futures_util::future::join_all(asks).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer["extensions"]["cost"]["requestedQueryCost"] == 502)
    );
    assert!(
        answers.iter().all(|answer| answer.get("errors").is_none()),
        "unused points come back"
    );
}

#[tokio::test]
async fn subscriptions_are_made_listed_and_deleted() {
    let door = Door::open(vec![stocked(5)]).await;
    let create = "mutation($topic: WebhookSubscriptionTopic!, $uri: String!) {
        webhookSubscriptionCreate(topic: $topic, webhookSubscription: { uri: $uri, format: JSON }) {
            webhookSubscription { id topic uri endpoint { __typename ... on WebhookHttpEndpoint { callbackUrl } } }
            userErrors { field message } } }";
    let variables = json!({ "topic": "INVENTORY_LEVELS_UPDATE", "uri": "https://a.example/hook" });
    let made = door.ask(create, variables.clone()).await;
    let made = &made["data"]["webhookSubscriptionCreate"]["webhookSubscription"];
    assert_eq!(made["topic"], "INVENTORY_LEVELS_UPDATE");
    assert_eq!(made["endpoint"]["callbackUrl"], "https://a.example/hook");
    let twice = door.ask(create, variables).await;
    let error = &twice["data"]["webhookSubscriptionCreate"]["userErrors"][0];
    assert_eq!(
        error["message"],
        "Address for this topic has already been taken"
    );
    assert_eq!(
        error["field"],
        json!(["webhookSubscription", "callbackUrl"])
    );
    let list = "{ webhookSubscriptions(first: 10) { nodes { id topic } } }";
    let listed = door.ask(list, json!({})).await;
    assert_eq!(
        listed["data"]["webhookSubscriptions"]["nodes"][0]["id"],
        made["id"]
    );
    let delete = "mutation($id: ID!) { webhookSubscriptionDelete(id: $id) {
        deletedWebhookSubscriptionId userErrors { field message } } }";
    let gone = door.ask(delete, json!({ "id": made["id"] })).await;
    let gone = &gone["data"]["webhookSubscriptionDelete"];
    assert_eq!(gone["deletedWebhookSubscriptionId"], made["id"]);
    let again = door.ask(delete, json!({ "id": made["id"] })).await;
    let error = &again["data"]["webhookSubscriptionDelete"]["userErrors"][0];
    assert_eq!(error["message"], "Webhook subscription does not exist");
}

#[tokio::test]
async fn a_moved_fulfilment_order_takes_its_stock_along() {
    let door = Door::open(vec![stocked(5)]).await;
    let order = OrderRequest::online(&[(door.shop.items[0].item, 2)]);
    let order = door.sandbox.place_order(DOMAIN, &order).unwrap();
    let query =
        "query($id: ID!) { order(id: $id) { fulfillmentOrders(first: 1) { nodes { id } } } }";
    let id = format!("gid://shopify/Order/{order}");
    let found = door.ask(query, json!({ "id": id })).await;
    let part = &found["data"]["order"]["fulfillmentOrders"]["nodes"][0]["id"];
    let relocate = "mutation($id: ID!, $to: ID!) { fulfillmentOrderMove(id: $id, newLocationId: $to) {
        movedFulfillmentOrder { id assignedLocation { location { id } } } userErrors { message } } }";
    let moved = door
        .ask(relocate, json!({ "id": part, "to": door.location(1) }))
        .await;
    let moved = &moved["data"]["fulfillmentOrderMove"];
    assert_eq!(moved["userErrors"], json!([]));
    let location = &moved["movedFulfillmentOrder"]["assignedLocation"]["location"]["id"];
    assert_eq!(*location, door.location(1));
    let levels: Vec<_> = door
        .sandbox
        .levels(DOMAIN)
        .into_iter()
        .map(|(_, level)| level)
        .collect();
    assert_eq!((levels[0].available, levels[0].committed), (5, 0));
    assert_eq!((levels[1].available, levels[1].committed), (3, 2));
}

#[tokio::test]
async fn a_write_that_is_cut_off_is_done_once_and_an_editor_comes_between() {
    let door = Door::open(vec![stocked(5)]).await;
    let mut faults = Faults::default();
    faults.api.ambiguous_per_mille = 1000;
    door.sandbox.set_faults(faults.clone());
    let url = format!(
        "{}/admin/api/2026-10/graphql.json",
        door.sandbox.shop_url(DOMAIN)
    );
    let input = json!({
        "name": "available", "reason": "correction", "quantities": [door.row(0, 9, json!(5))],
    });
    let cut = client()
        .post(url)
        .header("X-Shopify-Access-Token", &door.shop.access_token)
        .json(&json!({ "query": SET, "variables": { "input": input, "key": "k" } }))
        .send()
        .await;
    let cut = match cut {
        Ok(response) => response.bytes().await.is_err(),
        Err(_) => true,
    };
    assert!(cut);
    assert_eq!(door.available(0), 9);
    faults.api.ambiguous_per_mille = 0;
    faults.outsiders.editor_per_mille = 1000;
    faults.outsiders.editor_units_max = 3;
    door.sandbox.set_faults(faults);
    let again = door.set("k", vec![door.row(0, 9, json!(5))]).await;
    assert_eq!(
        again["data"]["inventorySetQuantities"]["userErrors"],
        json!([])
    );
    assert_eq!(door.available(0), 9);
    let query = "query($id: ID!) { inventoryItem(id: $id) { inventoryLevels(first: 1) { nodes {
        quantities(names: [\"available\"]) { quantity } } } } }";
    for _ in 0..20 {
        door.ask(query, json!({ "id": door.item(0) })).await;
    }
    let edits = door.sandbox.log(DOMAIN).levels;
    let edits = edits
        .iter()
        .filter(|change| matches!(change.cause, Cause::OutsideEdit { .. }));
    assert!(edits.count() > 5);
}
