//! A merchant's shop on the sandbox platform, installed as a store in a server of the test's own, and the people who
//! act in it.

use std::net::TcpListener;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use storekeeper::app::{App, AppParts};
use storekeeper::clock::Clock;
use storekeeper::config::{Config, Secret};
use storekeeper::ids::IdSource;
use storekeeper::sandbox::reference::Recipe;
use storekeeper::sandbox::{
    CancelRequest, FulfilRequest, LevelKey, Moment, OrderRequest, Plan, ProductRequest, Products,
    RefundLineRequest, RefundRequest, RestockType, Sandbox, SandboxOptions, ShopOpened,
    ShopRequest,
};
use tempfile::TempDir;

use super::kit::Kit;
use crate::support::app::Answer;
use crate::support::client::client;
use crate::support::database::TestDb;
use crate::support::process::Serving;

/// How long anything here may take before the test fails; far more than it ever takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const DOMAIN: &str = "toys.myshopify.com";

/// What a shop is before it opens.
pub(crate) struct ShopBuilder {
    request: ShopRequest,
    products: Vec<ProductRequest>,
    options: SandboxOptions,
    config: Box<Config>,
    in_process: bool,
}

impl ShopBuilder {
    /// One more product, sold as one item.
    pub(crate) fn product(mut self, product: ProductRequest) -> Self {
        self.products.push(product);
        self
    }

    pub(crate) fn locations(mut self, locations: u32) -> Self {
        self.request.locations = locations;
        self
    }

    /// The request as the platform gets it, and how the platform runs.
    pub(crate) fn platform(
        mut self,
        adjust: impl FnOnce(&mut ShopRequest, &mut SandboxOptions),
    ) -> Self {
        adjust(&mut self.request, &mut self.options);
        self
    }

    pub(crate) fn config(mut self, adjust: impl FnOnce(&mut Config)) -> Self {
        adjust(&mut self.config);
        self
    }

    /// Sweeps every second, which is as often as can be set.
    pub(crate) fn sweeping(self) -> Self {
        self.config(|config| config.sweep.interval_ms = 1_000)
    }

    /// The server runs as a process of its own, that can be killed; with the settings that it has by default.
    pub(crate) fn in_its_own_process(mut self) -> Self {
        self.in_process = false;
        self
    }

    /// Opens the shop and installs it.
    pub(crate) fn open(self, database: TestDb) -> Pin<Box<dyn Future<Output = Shop>>> {
        // Boxed, because each test would else hold all of it in its own future.
        Box::pin(self.opened(database))
    }

    async fn opened(mut self, database: TestDb) -> Shop {
        let sandbox = Sandbox::start(self.options).await.unwrap();
        self.request.products = Products::Listed(self.products);
        let opened = sandbox.open_shop(&self.request).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        self.config.server.bind = address;
        self.config.server.workers = 1;
        self.config.keeper.arbiters = 1;
        self.config.database.data_dir = directory.path().to_owned();
        self.config.database.url = Secret::new(database.options.url.as_str());
        let mut shop = Shop {
            sandbox,
            server: Server::Down,
            admin_token: String::new(),
            store: String::new(),
            secret_key: String::new(),
            publishable_key: String::new(),
            opened,
            recipes: Vec::new(),
            client: client(),
            config: self.config,
            in_process: self.in_process,
            _directory: directory,
            database,
        };
        shop.start_server().await;
        shop.install().await;
        shop
    }
}

enum Server {
    Down,
    Here(Box<App>),
    Process(Box<Serving>),
}

/// A shop, the platform that it is on, and the server that keeps its stock.
pub(crate) struct Shop {
    pub(crate) sandbox: Sandbox,
    server: Server,
    admin_token: String,
    /// The server's id of it.
    pub(crate) store: String,
    secret_key: String,
    publishable_key: String,
    pub(crate) opened: ShopOpened,
    /// Every recipe that ever was in force.
    pub(crate) recipes: Vec<Recipe>,
    client: reqwest::Client,
    config: Box<Config>,
    in_process: bool,
    _directory: TempDir,
    pub(crate) database: TestDb,
}

/// The server and its store.
impl Shop {
    /// A shop whose items have this stock at every location, in a server that sweeps only when a bundle is first
    /// defined.
    pub(crate) fn with_stock(stock: &[i64]) -> ShopBuilder {
        let mut config = Box::new(Config::default());
        config.retry.base_delay_ms = 20;
        config.calls.retry_base_ms = 20;
        let product = |available: &i64| ProductRequest {
            available: vec![*available],
            ..ProductRequest::default()
        };
        ShopBuilder {
            request: ShopRequest {
                plan: Plan::Plus,
                ..ShopRequest::new(DOMAIN)
            },
            products: stock.iter().map(product).collect(),
            options: SandboxOptions::default(),
            config,
            in_process: true,
        }
    }

    pub(crate) async fn start_server(&mut self) {
        let token = if self.in_process {
            let parts = AppParts {
                clock: Clock::System,
                ids: Arc::new(IdSource::from_os()),
                before_apply: None,
            };
            let app = App::start(Config::clone(&self.config), parts)
                .await
                .unwrap();
            let token = app.first_admin_token().map(str::to_owned);
            self.server = Server::Here(Box::new(app));
            token
        } else {
            let data_dir: &Path = &self.config.database.data_dir;
            let flags = ["--database-url", &self.database.options.url];
            let address = self.config.server.bind.to_string();
            let serving = Serving::start_at(&address, data_dir, &flags).await;
            let token = serving.admin_token.clone();
            self.server = Server::Process(Box::new(serving));
            token
        };
        self.admin_token = token.unwrap_or_else(|| std::mem::take(&mut self.admin_token));
    }

    /// Ends the server as its operator would.
    pub(crate) async fn stop_server(&mut self) {
        match std::mem::replace(&mut self.server, Server::Down) {
            Server::Down => {}
            Server::Here(app) => app.stop().await,
            Server::Process(serving) => assert_eq!(serving.end_with("-TERM").await, Some(0)),
        }
    }

    /// Ends the server's process at once, whatever it is doing.
    pub(crate) async fn kill_server(&mut self) {
        match std::mem::replace(&mut self.server, Server::Down) {
            Server::Process(serving) => assert_eq!(serving.end_with("-KILL").await, None),
            Server::Down | Server::Here(_) => panic!("only a process can be killed"),
        }
    }

    async fn install(&mut self) {
        let body = json!({
            "platform": "shopify",
            "domain": DOMAIN,
            "api_base_url": self.sandbox.shop_url(DOMAIN),
            "access_token": self.opened.access_token,
            "webhook_secrets": [self.opened.webhook_secret],
        });
        let answer = self.operator(Method::POST, "/v1/admin/stores", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let shown = answer.json();
        let text = |name: &str| shown[name].as_str().unwrap().to_owned();
        self.store = text("id");
        self.secret_key = text("secret_key");
        self.publishable_key = text("publishable_key");
    }

    /// An operator asks something of the server.
    pub(crate) async fn operator(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.ask(&self.admin_token, method, path, body).await
    }

    /// The merchant asks something of the server, below the store's own path.
    pub(crate) async fn merchant(&self, method: Method, path: &str, body: &Value) -> Answer {
        let path = format!("/v1/stores/{}{path}", self.store);
        self.ask(&self.secret_key, method, &path, body).await
    }

    /// A storefront asks what may be sold.
    pub(crate) async fn availability(&self, item: i64) -> Value {
        let path = format!("/v1/stores/{}/availability?items={item}", self.store);
        let answer = self
            .ask(&self.publishable_key, Method::GET, &path, &Value::Null)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["items"][0].clone()
    }

    async fn ask(&self, key: &str, method: Method, path: &str, body: &Value) -> Answer {
        let mut request = self.anyone(method, path).bearer_auth(key);
        if !body.is_null() {
            request = request.json(body);
        }
        Answer::of(request).await
    }

    /// Somebody without a key, about to ask something of the server.
    pub(crate) fn anyone(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.config.server.bind);
        self.client.request(method, url)
    }

    /// Defines a bundle; returns its id.
    pub(crate) async fn define(&mut self, kit: &Kit) -> String {
        let answer = self.merchant(Method::POST, "/bundles", &kit.body()).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let shown = answer.json();
        self.recipes.push(kit.recipe(effective_from(&shown)));
        shown["id"].as_str().unwrap().to_owned()
    }

    /// Gives a bundle another recipe.
    pub(crate) async fn redefine(&mut self, bundle: &str, kit: &Kit) {
        let path = format!("/bundles/{bundle}");
        let answer = self.merchant(Method::PUT, &path, &kit.body()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let recipe = kit.recipe(effective_from(&answer.json()));
        self.end_recipe(kit.item(), recipe.effective_from);
        self.recipes.push(recipe);
    }

    /// Deletes the bundle of an item.
    pub(crate) async fn undefine(&mut self, bundle: &str, item: i64) {
        let path = format!("/bundles/{bundle}");
        let answer = self.merchant(Method::DELETE, &path, &Value::Null).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
        self.end_recipe(item, self.sandbox.now().whole_seconds());
    }

    fn end_recipe(&mut self, item: i64, at: Moment) {
        let open = self
            .recipes
            .iter_mut()
            .filter(|recipe| recipe.item == item && recipe.effective_to.is_none());
        open.for_each(|recipe| recipe.effective_to = Some(at));
    }
}

/// People at work in the shop.
impl Shop {
    /// The inventory item of the product at this position.
    pub(crate) fn item(&self, position: usize) -> i64 {
        self.opened.items[position].item
    }

    pub(crate) fn location(&self, position: usize) -> i64 {
        self.opened.locations[position]
    }

    /// Somebody buys online.
    pub(crate) fn sell(&self, lines: &[(i64, i64)]) -> i64 {
        self.order(&OrderRequest::online(lines))
    }

    pub(crate) fn order(&self, order: &OrderRequest) -> i64 {
        self.sandbox.place_order(DOMAIN, order).unwrap()
    }

    pub(crate) fn line(&self, order: i64, position: usize) -> i64 {
        self.sandbox.line_ids(DOMAIN, order)[position]
    }

    /// Refunds units of an order's first line.
    pub(crate) fn refund(&self, order: i64, quantity: i64, restock_type: RestockType) {
        let line = RefundLineRequest {
            line: self.line(order, 0),
            quantity,
            restock_type,
            location: None,
        };
        let request = RefundRequest {
            lines: vec![line],
            note: None,
        };
        self.sandbox.refund_order(DOMAIN, order, &request).unwrap();
    }

    pub(crate) fn cancel(&self, order: i64, restock: bool) {
        let request = CancelRequest {
            restock,
            ..CancelRequest::default()
        };
        self.sandbox.cancel_order(DOMAIN, order, &request).unwrap();
    }

    pub(crate) fn fulfil(&self, order: i64) {
        let everything = FulfilRequest::default();
        self.sandbox
            .fulfil_order(DOMAIN, order, &everything)
            .unwrap();
    }

    /// Somebody else types a number.
    pub(crate) fn count(&self, item: i64, available: i64) {
        self.count_at(item, 0, available);
    }

    pub(crate) fn count_at(&self, item: i64, location: usize, available: i64) {
        let location = self.location(location);
        let key = LevelKey { item, location };
        self.sandbox.edit_level(DOMAIN, key, available).unwrap();
    }

    /// What the platform shows of an item, location by location; nothing where it is not stocked.
    pub(crate) fn levels(&self, item: i64) -> Vec<Option<i64>> {
        let standing = self.sandbox.standing(DOMAIN);
        let at = |location: &i64| {
            let key = LevelKey {
                item,
                location: *location,
            };
            standing.available.get(&key).copied()
        };
        self.opened.locations.iter().map(at).collect()
    }

    /// What the platform shows of an item at the first location.
    pub(crate) fn level(&self, item: i64) -> i64 {
        self.levels(item)[0].unwrap()
    }

    pub(crate) fn log(&self) -> storekeeper::sandbox::Log {
        self.sandbox.log(DOMAIN)
    }

    pub(crate) fn standing(&self) -> storekeeper::sandbox::reference::Standing {
        self.sandbox.standing(DOMAIN)
    }

    pub(crate) fn edit_order(&self, order: i64, edit: &storekeeper::sandbox::EditRequest) {
        self.sandbox.edit_order(DOMAIN, order, edit).unwrap();
    }

    /// Works one of the platform's own controls.
    pub(crate) async fn control(&self, method: Method, path: &str, body: &Value) -> Value {
        let url = format!("{}/sandbox/shops/{DOMAIN}{path}", self.sandbox.url());
        let answer = Answer::of(self.client.request(method, url).json(body)).await;
        assert!(answer.status < 300, "{}", answer.text);
        answer.json()
    }

    /// Asks the platform as an app would.
    /// Somebody else's app asks something of the platform.
    pub(crate) async fn rival(&self, method: Method, path: &str) {
        let url = format!("{}/admin/api/2026-10{path}", self.sandbox.shop_url(DOMAIN));
        let request = self
            .client
            .request(method, url)
            .header("x-shopify-access-token", &self.opened.access_token);
        let answer = Answer::of(request).await;
        assert!(answer.status < 300, "{}", answer.text);
    }

    pub(crate) async fn graphql(&self, query: &str) -> Value {
        let url = format!(
            "{}/admin/api/2026-10/graphql.json",
            self.sandbox.shop_url(DOMAIN)
        );
        let request = self
            .client
            .post(url)
            .header("x-shopify-access-token", &self.opened.access_token)
            .json(&json!({ "query": query }));
        Answer::of(request).await.json()
    }
}

fn effective_from(bundle: &Value) -> Moment {
    Moment::parse(bundle["effective_from"].as_str().unwrap()).unwrap()
}
