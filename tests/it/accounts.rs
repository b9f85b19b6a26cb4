//! Access tokens that expire are renewed in time, once for everybody who asks.

use std::sync::Arc;

use futures_util::future::join_all;
use storekeeper::app::{AccountError, AccountParts, Accounts};
use storekeeper::clock::{Clock, Timestamp};
use storekeeper::db::admin::stores::{self, StorePatch, Tokens};
use storekeeper::db::sealing::Secret;
use storekeeper::ids::StoreId;
use storekeeper::platform::shopify::oauth;
use storekeeper::platform::{ClientSettings, PlatformClient, Secret as PlatformSecret};
use storekeeper::sandbox::{Sandbox, SandboxOptions, ShopOpened, ShopRequest};

use crate::support::database::TestDb;

const DOMAIN: &str = "expiring.myshopify.com";
const AHEAD_MS: i64 = 300_000;

/// A store whose token expires, on a platform that renews it.
struct Fixture {
    database: TestDb,
    sandbox: Sandbox,
    opened: ShopOpened,
    store: StoreId,
}

impl Fixture {
    /// The token ends so many milliseconds from now.
    async fn expiring_in(millis: i64) -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let request = ShopRequest {
            token_ttl_s: Some(3_600),
            ..ShopRequest::new(DOMAIN)
        };
        let opened = sandbox.open_shop(&request).unwrap();
        let database = TestDb::sqlite().await;
        let store = database.store(DOMAIN).await;
        let fixture = Self {
            database,
            sandbox,
            opened,
            store,
        };
        let refresh = fixture.opened.refresh_token.clone().unwrap();
        fixture
            .set_tokens(&refresh, Clock::System.now().plus_millis(millis))
            .await;
        fixture
    }

    async fn set_tokens(&self, refresh: &str, expires_at: Timestamp) {
        let tokens = Tokens {
            access: Some(Secret::new(self.opened.access_token.clone())),
            refresh: Some(Secret::new(refresh)),
            expires_at: Some(expires_at),
        };
        let patch = StorePatch {
            api_base_url: Some(self.sandbox.shop_url(DOMAIN)),
            tokens: Some(tokens),
            ..StorePatch::default()
        };
        let TestDb { db, sealer, .. } = &self.database;
        stores::update(db, sealer, self.store, patch, Clock::System.now())
            .await
            .unwrap();
    }

    async fn stored(&self) -> Tokens {
        stores::load_tokens(&self.database.db, &self.database.sealer, self.store)
            .await
            .unwrap()
    }

    fn accounts(&self) -> Accounts {
        let client = PlatformClient::new(&ClientSettings::default(), Clock::System).unwrap();
        Accounts::new(AccountParts {
            clock: Clock::System,
            db: self.database.db.clone(),
            sealer: self.database.sealer.clone(),
            client: Arc::new(client),
            shopify_app: Some(oauth::App {
                client_id: "app".to_owned(),
                client_secret: PlatformSecret::new(self.opened.webhook_secret.clone()),
            }),
            public_url: "https://keeper.example".to_owned(),
            renewal_ahead_ms: AHEAD_MS,
        })
    }
}

#[tokio::test]
async fn a_token_that_is_about_to_end_is_renewed_once_for_all_callers() {
    let fixture = Fixture::expiring_in(AHEAD_MS / 2).await;
    let accounts = fixture.accounts();
    let found = join_all((0..20).map(|_| accounts.find(fixture.store))).await;
    let tokens: Vec<String> = found
        .into_iter()
        .map(|account| account.unwrap().access_token.expose().to_owned())
        .collect();
    assert_ne!(tokens[0], fixture.opened.access_token);
    assert!(
        tokens.iter().all(|token| *token == tokens[0]),
        "one renewal serves all"
    );

    let stored = fixture.stored().await;
    assert_eq!(stored.access.unwrap().expose(), tokens[0]);
    assert_ne!(
        stored.refresh.unwrap().expose(),
        fixture.opened.refresh_token.clone().unwrap()
    );
    assert!(stored.expires_at.unwrap().millis_since(Clock::System.now()) > AHEAD_MS);
    let account = accounts.find(fixture.store).await.unwrap();
    assert_eq!(
        account.callback_uri.as_deref(),
        Some("https://keeper.example/webhooks/shopify")
    );
    fixture.sandbox.stop().await;
}

#[tokio::test]
async fn a_token_with_time_left_is_used_as_it_is() {
    let fixture = Fixture::expiring_in(AHEAD_MS * 2).await;
    let account = fixture.accounts().find(fixture.store).await.unwrap();
    assert_eq!(account.access_token.expose(), fixture.opened.access_token);
    fixture.sandbox.stop().await;
}

#[tokio::test]
async fn a_refused_renewal_leaves_the_token_until_it_ends() {
    let fixture = Fixture::expiring_in(AHEAD_MS).await;
    fixture
        .set_tokens(
            "no such refresh token",
            Clock::System.now().plus_millis(AHEAD_MS / 2),
        )
        .await;
    let account = fixture.accounts().find(fixture.store).await.unwrap();
    assert_eq!(account.access_token.expose(), fixture.opened.access_token);

    fixture
        .set_tokens("no such refresh token", Clock::System.now().plus_millis(-1))
        .await;
    let refused = fixture.accounts().find(fixture.store).await.unwrap_err();
    assert!(matches!(refused, AccountError::RenewalRefused), "{refused}");
    fixture.sandbox.stop().await;
}

#[tokio::test]
async fn what_was_changed_is_seen_once_the_old_is_forgotten() {
    let fixture = Fixture::expiring_in(AHEAD_MS * 2).await;
    let accounts = fixture.accounts();
    accounts.find(fixture.store).await.unwrap();
    let patch = StorePatch {
        tokens: Some(Tokens {
            access: Some(Secret::new("changed")),
            ..Tokens::default()
        }),
        ..StorePatch::default()
    };
    let TestDb { db, sealer, .. } = &fixture.database;
    stores::update(db, sealer, fixture.store, patch, Clock::System.now())
        .await
        .unwrap();
    accounts.forget(fixture.store).await;
    assert_eq!(
        accounts
            .find(fixture.store)
            .await
            .unwrap()
            .access_token
            .expose(),
        "changed"
    );
    let unknown = accounts.find(StoreId(999)).await.unwrap_err();
    assert!(matches!(unknown, AccountError::UnknownStore), "{unknown}");
    fixture.sandbox.stop().await;
}
