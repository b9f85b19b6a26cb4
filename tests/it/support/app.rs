//! The whole server in this process, on a free port, and who speaks to it.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Method, RequestBuilder, StatusCode};
use sea_orm::{Database, DatabaseConnection};
use serde_json::{Value, json};
use sha2::Sha256;
use storekeeper::app::{App, AppParts};
use storekeeper::config::{Config, Secret};
use storekeeper::db::{DatabaseOptions, Db};
use tempfile::TempDir;

use super::client::client;
use super::postgres::chosen_url;

/// How long anything here may take before the test fails; far more than it ever takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server of a test's own.
pub(crate) struct TestApp {
    app: App,
    client: reqwest::Client,
    admin_token: String,
    database: DatabaseOptions,
    _directory: TempDir,
}

/// A store that was registered, with what was shown of it once.
pub(crate) struct TestStore {
    pub(crate) id: String,
    pub(crate) domain: String,
    pub(crate) secret: String,
    pub(crate) intake_path: String,
    pub(crate) secret_key: String,
    pub(crate) publishable_key: String,
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_config| {}).await
    }

    /// Starts with settings of the test's own.
    pub(crate) async fn start_with(adjust: impl FnOnce(&mut Config)) -> Self {
        Self::start_from(|config, _parts| adjust(config)).await
    }

    /// Starts with settings and parts of the test's own.
    pub(crate) async fn start_from(adjust: impl FnOnce(&mut Config, &mut AppParts)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.bind = "127.0.0.1:0".parse().unwrap();
        config.server.workers = 1;
        config.keeper.arbiters = 1;
        config.database.data_dir = directory.path().to_owned();
        if let Some(url) = chosen_url().await {
            config.database.url = Secret::new(url);
        }
        let mut parts = AppParts::of_system();
        adjust(&mut config, &mut parts);
        let database = storekeeper::app::database_options(&config);
        let app = App::start(config, parts).await.unwrap();
        Self {
            database,
            admin_token: app.first_admin_token().unwrap().to_owned(),
            app,
            client: client(),
            _directory: directory,
        }
    }

    /// Somebody without a key.
    pub(crate) fn anyone(&self) -> Caller<'_> {
        Caller {
            app: self,
            token: None,
        }
    }

    /// An operator.
    pub(crate) fn admin(&self) -> Caller<'_> {
        self.with_token(&self.admin_token)
    }

    /// The merchant of a store.
    pub(crate) fn merchant(&self, store: &TestStore) -> Caller<'_> {
        self.with_token(&store.secret_key)
    }

    /// A storefront of a store.
    pub(crate) fn shopper(&self, store: &TestStore) -> Caller<'_> {
        self.with_token(&store.publishable_key)
    }

    pub(crate) fn with_token(&self, token: &str) -> Caller<'_> {
        Caller {
            app: self,
            token: Some(token.to_owned()),
        }
    }

    /// The platform, about to send a store's webhook.
    pub(crate) fn platform(&self, store: &TestStore) -> Webhook<'_> {
        Webhook {
            app: self,
            path: store.intake_path.clone(),
            domain: store.domain.clone(),
            secret: store.secret.clone(),
            topic: "orders/create".to_owned(),
            id: "delivery-1".to_owned(),
            test: false,
            body: b"{\"id\":1}".to_vec(),
        }
    }

    pub(crate) fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// Registers a store whose webhooks are signed with `secret`.
    pub(crate) async fn register(&self, domain: &str, secret: &str) -> TestStore {
        let answer = self
            .admin()
            .post("/v1/admin/stores", &store_body(domain, secret))
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let shown = answer.json();
        let text = |name: &str| shown[name].as_str().unwrap().to_owned();
        let intake_url = text("intake_url");
        TestStore {
            id: text("id"),
            domain: domain.to_owned(),
            secret: secret.to_owned(),
            intake_path: intake_url
                .strip_prefix(self.app.public_url())
                .unwrap()
                .to_owned(),
            secret_key: text("secret_key"),
            publishable_key: text("publishable_key"),
        }
    }

    /// Waits until a store's keeper, as operators see it, is as wanted.
    pub(crate) async fn keeper_until(
        &self,
        store: &TestStore,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let path = format!("/v1/admin/keepers/{}", store.id);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let keeper = self.admin().get(&path).await.json();
            if wanted(&keeper) {
                return keeper;
            }
            assert!(tokio::time::Instant::now() < deadline, "{keeper}");
            tokio::task::yield_now().await;
        }
    }

    /// How many webhooks were ever accepted. Backlog and cursor are read apart, and the keeper shows its cursor a moment
    /// after it has committed it, so the sum counts once it has stayed the same for a while.
    pub(crate) async fn accepted(&self, store: &TestStore) -> i64 {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let (mut sum, mut looks) = (-1, 0);
        while looks < 10 {
            ticks.tick().await;
            let now = self.backlog_and_cursor(store).await;
            looks = if now == sum { looks + 1 } else { 0 };
            sum = now;
        }
        sum
    }

    async fn backlog_and_cursor(&self, store: &TestStore) -> i64 {
        let path = format!("/v1/admin/keepers/{}", store.id);
        let keeper = self.admin().get(&path).await.json();
        keeper["backlog"].as_i64().unwrap() + keeper["observation"]["taken"].as_i64().unwrap_or(0)
    }

    /// The server's database, over connections of the test's own.
    pub(crate) async fn db(&self) -> Db {
        Db::connect(&self.database).await.unwrap()
    }

    /// A connection to the server's database past all that is ours.
    pub(crate) async fn connection(&self) -> DatabaseConnection {
        Database::connect(&self.database.url).await.unwrap()
    }

    pub(crate) fn url(&self) -> String {
        self.app.url()
    }

    pub(crate) async fn stop(self) {
        self.app.stop().await;
    }
}

/// What registers a store.
pub(crate) fn store_body(domain: &str, secret: &str) -> Value {
    json!({
        "platform": "shopify", "domain": domain, "api_base_url": "http://127.0.0.1:9",
        "access_token": "shpat_test", "webhook_secrets": [secret],
    })
}

/// Somebody who asks.
pub(crate) struct Caller<'app> {
    app: &'app TestApp,
    token: Option<String>,
}

impl Caller<'_> {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .app
            .client
            .request(method, format!("{}{path}", self.app.url()));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(method, path).json(body)).await
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// Checks that it is a whole problem document of this status and code.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: StatusCode, code: &str) {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.text
        );
        let document = self.json();
        assert_eq!(document["code"], code, "{}", self.text);
        assert_eq!(self.status, status.as_u16(), "{}", self.text);
        assert_eq!(document["status"], self.status);
        assert_eq!(document["request_id"], self.header("x-request-id"));
        for member in ["type", "title", "detail"] {
            assert!(
                document[member]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{member}"
            );
        }
        let may_pass = matches!(self.status, 429 | 503);
        assert_eq!(!self.header("retry-after").is_empty(), may_pass);
    }
}

/// A webhook on its way.
pub(crate) struct Webhook<'app> {
    app: &'app TestApp,
    path: String,
    domain: String,
    secret: String,
    topic: String,
    id: String,
    test: bool,
    body: Vec<u8>,
}

impl Webhook<'_> {
    pub(crate) fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    pub(crate) fn domain(mut self, domain: &str) -> Self {
        domain.clone_into(&mut self.domain);
        self
    }

    pub(crate) fn secret(mut self, secret: &str) -> Self {
        secret.clone_into(&mut self.secret);
        self
    }

    pub(crate) fn topic(mut self, topic: &str) -> Self {
        topic.clone_into(&mut self.topic);
        self
    }

    pub(crate) fn id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    pub(crate) fn test(mut self) -> Self {
        self.test = true;
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// As the platform would send it; a test may take something away.
    pub(crate) fn request(&self) -> RequestBuilder {
        let mut request = self.app.anyone().request(Method::POST, &self.path);
        for (name, value) in [
            ("x-shopify-topic", self.topic.as_str()),
            ("x-shopify-shop-domain", self.domain.as_str()),
            ("x-shopify-webhook-id", self.id.as_str()),
            ("x-shopify-api-version", "2026-10"),
            (
                "x-shopify-hmac-sha256",
                sign(&self.secret, &self.body).as_str(),
            ),
        ] {
            request = request.header(name, value);
        }
        if self.test {
            request = request.header("x-shopify-test", "true");
        }
        request.body(self.body.clone())
    }

    pub(crate) async fn send(&self) -> Answer {
        Answer::of(self.request()).await
    }
}

/// As Shopify signs.
pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}
