//! Installing the demo's stores: shops on the platform, stores in the server, bundles by the merchant's key.

use serde_json::{Value, json};

use super::super::error::CliError;
use super::options::DemoArgs;
use crate::app::App;
use crate::sandbox::reference::{Component, Mode, Recipe};
use crate::sandbox::{Plan, ProductRequest, Products, Sandbox, ShopRequest};

/// Components in each shop's catalog.
const COMPONENTS: usize = 12;
/// Bundles of each shop; the last one contains the first.
const BUNDLES: usize = 4;
/// Products that are in no bundle.
const PLAIN: usize = 6;
/// Units of every component at the start, at each location.
const STOCK: i64 = 500;

/// A store of the demo.
#[derive(Debug)]
pub(super) struct DemoStore {
    pub(super) domain: String,
    /// The server's id of it.
    pub(super) id: String,
    pub(super) noisy: bool,
    /// Inventory items: components, then bundles, then plain ones.
    pub(super) items: Vec<i64>,
    pub(super) locations: Vec<i64>,
    pub(super) recipes: Vec<Recipe>,
}

impl DemoStore {
    pub(super) fn bundles(&self) -> &[i64] {
        self.items
            .get(COMPONENTS..COMPONENTS + BUNDLES)
            .unwrap_or_default()
    }
}

/// Makes the shops and installs them; returns once every bundle is defined.
pub(super) async fn install(
    arguments: &DemoArgs,
    app: &App,
    sandbox: &Sandbox,
) -> Result<Vec<DemoStore>, CliError> {
    let client = reqwest::Client::builder()
        .build()
        .map_err(|error| unreachable_server(app, &error))?;
    let mut stores = Vec::new();
    for number in 1..=arguments.stores {
        let store = open_shop(sandbox, number, number == arguments.stores)?;
        stores.push(register(&client, app, sandbox, store).await?);
    }
    Ok(stores)
}

/// A shop before it is installed.
struct Shop {
    domain: String,
    noisy: bool,
    access_token: String,
    webhook_secret: String,
    items: Vec<i64>,
    locations: Vec<i64>,
}

fn open_shop(sandbox: &Sandbox, number: u32, noisy: bool) -> Result<Shop, CliError> {
    let domain = format!("shop-{number}.myshopify.com");
    let stocked = |title: &str| ProductRequest {
        title: title.to_owned(),
        available: vec![STOCK],
        ..ProductRequest::default()
    };
    let components = (1..=COMPONENTS).map(|part| stocked(&format!("Part {part}")));
    let bundles = (1..=BUNDLES).map(|kit| ProductRequest {
        available: vec![0],
        ..stocked(&format!("Kit {kit}"))
    });
    let plain = (1..=PLAIN).map(|plain| stocked(&format!("Single {plain}")));
    let opened = sandbox.open_shop(&ShopRequest {
        plan: Plan::Standard,
        // Every third shop ships from two places.
        locations: if number.is_multiple_of(3) { 2 } else { 1 },
        products: Products::Listed(components.chain(bundles).chain(plain).collect()),
        ..ShopRequest::new(&domain)
    })?;
    Ok(Shop {
        domain,
        noisy,
        access_token: opened.access_token,
        webhook_secret: opened.webhook_secret,
        items: opened.items.iter().map(|made| made.item).collect(),
        locations: opened.locations,
    })
}

async fn register(
    client: &reqwest::Client,
    app: &App,
    sandbox: &Sandbox,
    shop: Shop,
) -> Result<DemoStore, CliError> {
    let admin_token = app.first_admin_token().unwrap_or_default();
    let body = json!({
        "platform": "shopify",
        "domain": shop.domain,
        "api_base_url": sandbox.shop_url(&shop.domain),
        "access_token": shop.access_token,
        "webhook_secrets": [shop.webhook_secret],
    });
    let answer = post(client, app, "/v1/admin/stores", admin_token, &body).await?;
    let text = |key: &str| {
        answer
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (id, secret_key) = (text("id"), text("secret_key"));
    let recipes = recipes(&shop.items, sandbox);
    for (number, recipe) in recipes.iter().enumerate() {
        let body = bundle_body(number, recipe);
        post(
            client,
            app,
            &format!("/v1/stores/{id}/bundles"),
            &secret_key,
            &body,
        )
        .await?;
    }
    Ok(DemoStore {
        domain: shop.domain,
        id,
        noisy: shop.noisy,
        items: shop.items,
        locations: shop.locations,
        recipes,
    })
}

/// Kits of two to three parts that share some of them; the last one contains the first.
fn recipes(items: &[i64], sandbox: &Sandbox) -> Vec<Recipe> {
    // Orders are stamped with whole seconds, and the first one may be made within this one.
    let from = sandbox.now().whole_seconds();
    let component = |position: usize, quantity: i64| {
        items.get(position).map(|item| Component {
            item: *item,
            quantity,
            optional: false,
        })
    };
    let parts = [
        [component(0, 2), component(1, 1), component(2, 1)],
        [component(2, 1), component(3, 3), None],
        [component(4, 1), component(5, 2), component(6, 1)],
        [component(COMPONENTS, 2), component(1, 1), component(7, 1)],
    ];
    let recipe = |(kit, parts): (usize, [Option<Component>; 3])| Recipe {
        item: items.get(COMPONENTS + kit).copied().unwrap_or_default(),
        mode: Mode::ShipTogether,
        cap: None,
        components: parts.into_iter().flatten().collect(),
        effective_from: from,
        effective_to: None,
    };
    parts.into_iter().enumerate().map(recipe).collect()
}

fn bundle_body(number: usize, recipe: &Recipe) -> Value {
    let component =
        |it: &Component| json!({ "item": it.item.to_string(), "quantity": it.quantity });
    json!({
        "title": format!("Kit {}", number + 1),
        "item": recipe.item.to_string(),
        "mode": "ship_together",
        "components": recipe.components.iter().map(component).collect::<Vec<_>>(),
    })
}

async fn post(
    client: &reqwest::Client,
    app: &App,
    path: &str,
    token: &str,
    body: &Value,
) -> Result<Value, CliError> {
    let request = client
        .post(format!("{}{path}", app.url()))
        .bearer_auth(token)
        .json(body);
    let answer = request
        .send()
        .await
        .map_err(|error| unreachable_server(app, &error))?;
    let status = answer.status();
    let text = answer
        .text()
        .await
        .map_err(|error| unreachable_server(app, &error))?;
    if !status.is_success() {
        return Err(CliError::Refused(format!("{path}: {status}: {text}")));
    }
    serde_json::from_str(&text).map_err(|error| CliError::Refused(format!("{path}: {error}")))
}

fn unreachable_server(app: &App, error: &reqwest::Error) -> CliError {
    CliError::Unreachable {
        url: app.url(),
        reason: error.to_string(),
    }
}
