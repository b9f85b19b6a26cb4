//! The shops of a run: made on the platform, installed in the server, and judged by the reference.

use reqwest::Method;
use serde_json::{Value, json};
use storekeeper::sandbox::reference::{Component, Mode, Recipe, drift};
use storekeeper::sandbox::{
    Answer, EffectOutcome, Plan, ProductRequest, Products, Sandbox, ShopRequest,
};

use crate::checker::StoreEvidence;
use crate::server::client;

/// Components of each shop; after them come its bundles.
const COMPONENTS: usize = 6;
const BUNDLES: usize = 3;
/// Units of every component at the start, at each location.
const STOCK: i64 = 100_000;

/// What a shop is on the platform.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShopPlan {
    pub(crate) plan: Plan,
    pub(crate) locations: u32,
}

/// A shop that the server keeps.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) domain: String,
    /// Inventory items: components, then bundles.
    pub(crate) items: Vec<i64>,
    pub(crate) locations: Vec<i64>,
    recipes: Vec<Recipe>,
}

impl Shop {
    /// Makes a shop, registers it and defines its bundles.
    pub(crate) async fn open(
        sandbox: &Sandbox,
        (address, admin_token): (&str, &str),
        (number, plan): (usize, ShopPlan),
    ) -> Self {
        let domain = format!("shop-{number}.myshopify.com");
        let product = |position: usize| ProductRequest {
            available: vec![if position < COMPONENTS { STOCK } else { 0 }],
            ..ProductRequest::default()
        };
        let opened = sandbox
            .open_shop(&ShopRequest {
                plan: plan.plan,
                locations: plan.locations,
                products: Products::Listed((0..COMPONENTS + BUNDLES).map(product).collect()),
                ..ShopRequest::new(&domain)
            })
            .unwrap();
        let items: Vec<i64> = opened.items.iter().map(|made| made.item).collect();
        let body = json!({
            "platform": "shopify",
            "domain": domain,
            "api_base_url": sandbox.shop_url(&domain),
            "access_token": opened.access_token,
            "webhook_secrets": [opened.webhook_secret],
        });
        let shown = post(address, "/v1/admin/stores", admin_token, &body).await;
        let path = format!("/v1/stores/{}/bundles", shown["id"].as_str().unwrap());
        let recipes = recipes(&items, sandbox);
        for recipe in &recipes {
            let key = shown["secret_key"].as_str().unwrap();
            post(address, &path, key, &bundle_body(recipe)).await;
        }
        Self {
            domain,
            items,
            locations: opened.locations,
            recipes,
        }
    }

    pub(crate) fn bundles(&self) -> &[i64] {
        &self.items[COMPONENTS..]
    }

    /// Whether every level is right.
    pub(crate) fn is_right(&self, sandbox: &Sandbox) -> bool {
        let log = sandbox.log(&self.domain);
        drift(&log, &sandbox.standing(&self.domain), &self.recipes).is_empty()
    }

    /// Adds what the platform tells to what the database told.
    pub(crate) fn evidence(&self, sandbox: &Sandbox, of_database: StoreEvidence) -> StoreEvidence {
        let log = sandbox.log(&self.domain);
        let wrong = drift(&log, &sandbox.standing(&self.domain), &self.recipes);
        let is_accepted = |answer: &Answer| matches!(answer, Answer::Status { status: 200, body } if body.contains("\"accepted\""));
        let accepted = log.webhooks.iter().filter(|sent| is_accepted(&sent.answer));
        let effects = log.effects.iter();
        let effects = effects.filter(|effect| effect.outcome == EffectOutcome::Applied);
        let refused = log.calls.iter();
        let refused = refused.filter(|call| call.throttled && call.fault.is_none());
        StoreEvidence {
            accepted: accepted.map(|sent| sent.webhook_id.to_string()).collect(),
            effects: effects.map(|effect| effect.key.clone()).collect(),
            throttled: refused.count(),
            drift: wrong.iter().map(|level| format!("{level:?}")).collect(),
            truncated: log.truncated,
            ..of_database
        }
    }
}

/// Kits that share parts; the last one contains the first.
fn recipes(items: &[i64], sandbox: &Sandbox) -> Vec<Recipe> {
    // Orders are stamped with whole seconds, and the first one may be made within this one.
    let from = sandbox.now().whole_seconds();
    let component = |(position, quantity): &(usize, i64)| Component {
        item: items[*position],
        quantity: *quantity,
        optional: false,
    };
    let parts: [&[(usize, i64)]; BUNDLES] = [
        &[(0, 2), (1, 1)],
        &[(2, 1), (3, 3)],
        &[(COMPONENTS, 2), (1, 1), (4, 1)],
    ];
    let recipe = |(kit, parts): (usize, &[(usize, i64)])| Recipe {
        item: items[COMPONENTS + kit],
        mode: Mode::ShipTogether,
        cap: None,
        components: parts.iter().map(component).collect(),
        effective_from: from,
        effective_to: None,
    };
    parts.into_iter().enumerate().map(recipe).collect()
}

fn bundle_body(recipe: &Recipe) -> Value {
    let component =
        |it: &Component| json!({ "item": it.item.to_string(), "quantity": it.quantity });
    json!({
        "title": "Kit",
        "item": recipe.item.to_string(),
        "mode": "ship_together",
        "components": recipe.components.iter().map(component).collect::<Vec<_>>(),
    })
}

async fn post(address: &str, path: &str, token: &str, body: &Value) -> Value {
    let url = format!("http://{address}{path}");
    let request = client().request(Method::POST, url);
    let answer = request.bearer_auth(token).json(body).send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{path}: {status}: {text}");
    serde_json::from_str(&text).unwrap()
}
