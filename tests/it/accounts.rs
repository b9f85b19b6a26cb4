//! Access tokens that expire are renewed in time, once for everybody who asks.

use std::sync::Arc;

use futures_util::future::join_all;
use storekeeper::app::{AccountError, AccountParts, Accounts, ConnectedPlatform};
use storekeeper::clock::{Clock, Timestamp};
use storekeeper::db::admin::stores::{self, StorePatch, Tokens};
use storekeeper::db::sealing::Secret;
use storekeeper::deps::Platform;
use storekeeper::domain::call::{Bar, Call, CallError, Read, Reply, Request};
use storekeeper::ids::{CallId, StoreId};
use storekeeper::platform::shopify::oauth;
use storekeeper::platform::{
    ClientSettings, PlatformClient, PlatformKind, Secret as PlatformSecret,
};
use storekeeper::sandbox::{Sandbox, SandboxOptions, ShopOpened, ShopRequest};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

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
        let database = TestDb::chosen().await;
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
        account.callback.as_ref().unwrap().uri(),
        format!("https://keeper.example/webhooks/shopify/intake token of {DOMAIN}")
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

/// Something that answers like the platform: each request as `answer` says, once `open` holds. `seen` counts requests.
struct Door {
    url: String,
    seen: watch::Receiver<usize>,
    open: watch::Sender<bool>,
}

impl Door {
    async fn answering(answer: fn(&str) -> (u16, &'static str)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (count, seen) = watch::channel(0);
        let (open, opened) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = vec![0; 16 * 1024];
                let length = stream.read(&mut bytes).await.unwrap();
                let request = String::from_utf8_lossy(&bytes[..length]).into_owned();
                count.send_modify(|count| *count += 1);
                let mut opened = opened.clone();
                opened.wait_for(|open| *open).await.unwrap();
                let (status, body) = answer(&request);
                let reply = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                // Whoever asked may have gone.
                drop(stream.write_all(reply.as_bytes()).await);
            }
        });
        Self { url, seen, open }
    }
}

impl Fixture {
    /// Changes how the store is reached, behind the back of whoever opened its account.
    async fn change(&self, url: &str, tokens: Tokens) {
        let patch = StorePatch {
            api_base_url: Some(url.to_owned()),
            tokens: Some(tokens),
            ..StorePatch::default()
        };
        let TestDb { db, sealer, .. } = &self.database;
        stores::update(db, sealer, self.store, patch, Clock::System.now())
            .await
            .unwrap();
    }

    fn platform(&self) -> ConnectedPlatform {
        let client = PlatformClient::new(&ClientSettings::default(), Clock::System).unwrap();
        ConnectedPlatform {
            kind: PlatformKind::Shopify,
            client: Arc::new(client),
            accounts: Arc::new(self.accounts()),
        }
    }
}

fn lasting(token: &str) -> Tokens {
    Tokens {
        access: Some(Secret::new(token)),
        ..Tokens::default()
    }
}

/// The old refresh token is dead once the platform has answered, so the answer must not be lost.
#[tokio::test]
async fn a_renewal_is_saved_although_whoever_asked_has_gone() {
    let door = Door::answering(|_| {
        let tokens = r#"{"access_token":"renewed","refresh_token":"next","expires_in":3600}"#;
        (200, tokens)
    })
    .await;
    door.open.send_replace(false);
    let fixture = Fixture::expiring_in(AHEAD_MS).await;
    let ending = Tokens {
        refresh: Some(Secret::new("first")),
        expires_at: Some(Clock::System.now().plus_millis(AHEAD_MS / 2)),
        ..lasting("ending")
    };
    fixture.change(&door.url, ending).await;
    let accounts = fixture.accounts();
    let mut seen = door.seen.clone();
    tokio::select! {
        _ = accounts.find(fixture.store) => panic!("the platform has not answered"),
        asked = seen.wait_for(|count| *count == 1) => drop(asked.unwrap()),
    }
    door.open.send_replace(true);
    accounts.settle().await;
    let stored = fixture.stored().await;
    assert_eq!(stored.access, Some(Secret::new("renewed")));
    assert_eq!(stored.refresh, Some(Secret::new("next")));
    let found = accounts.find(fixture.store).await.unwrap();
    assert_eq!(found.access_token.expose(), "renewed");
    assert_eq!(*seen.borrow(), 1, "one renewal serves all");
    fixture.sandbox.stop().await;
}

#[tokio::test]
async fn tokens_stored_during_a_renewal_stay() {
    let door = Door::answering(|_| (200, r#"{"access_token":"renewed","expires_in":3600}"#)).await;
    door.open.send_replace(false);
    let fixture = Fixture::expiring_in(AHEAD_MS).await;
    let ending = Tokens {
        refresh: Some(Secret::new("first")),
        expires_at: Some(Clock::System.now().plus_millis(AHEAD_MS / 2)),
        ..lasting("ending")
    };
    fixture.change(&door.url, ending).await;
    let accounts = fixture.accounts();
    let mut seen = door.seen.clone();
    let installing = async {
        drop(seen.wait_for(|count| *count == 1).await.unwrap());
        fixture.change(&door.url, lasting("installed anew")).await;
        door.open.send_replace(true);
    };
    let (found, ()) = tokio::join!(accounts.find(fixture.store), installing);
    found.unwrap();
    let stored = fixture.stored().await;
    assert_eq!(stored.access, Some(Secret::new("installed anew")));
    fixture.sandbox.stop().await;
}

#[tokio::test]
async fn a_token_that_was_changed_unnoticed_is_found_when_the_old_one_is_refused() {
    let door = Door::answering(|request| {
        if request.contains("x-shopify-access-token: good") {
            (200, r#"{"locations":[]}"#)
        } else {
            (401, r#"{"errors":"Invalid API key or access token"}"#)
        }
    })
    .await;
    let fixture = Fixture::expiring_in(AHEAD_MS).await;
    let platform = fixture.platform();
    let call = Call {
        id: CallId(uuid::Uuid::from_u128(1)),
        request: Request::Read(Read::Locations),
    };
    fixture.change(&door.url, lasting("dead")).await;
    let answer = platform.send(fixture.store, &call).await;
    assert_eq!(answer.result, Err(CallError::Barred(Bar::TokenDead)));
    assert_eq!(*door.seen.borrow(), 1, "the same token is not tried again");

    platform.accounts.find(fixture.store).await.unwrap();
    fixture.change(&door.url, lasting("good")).await;
    let answer = platform.send(fixture.store, &call).await;
    assert_eq!(answer.result, Ok(Reply::Locations(Vec::new())));
    assert_eq!(*door.seen.borrow(), 3);

    fixture.change(&door.url, lasting("good too")).await;
    platform.forget(fixture.store).await;
    let account = platform.accounts.find(fixture.store).await.unwrap();
    assert_eq!(account.access_token.expose(), "good too");
    fixture.sandbox.stop().await;
}

fn locations() -> Call {
    Call {
        id: CallId(uuid::Uuid::from_u128(1)),
        request: Request::Read(Read::Locations),
    }
}

#[tokio::test]
async fn a_token_that_is_refused_before_its_end_is_renewed_and_the_call_made_again() {
    let fixture = Fixture::expiring_in(AHEAD_MS * 2).await;
    let refresh = fixture.opened.refresh_token.clone().unwrap();
    let ended_early = Tokens {
        refresh: Some(Secret::new(refresh)),
        expires_at: Some(Clock::System.now().plus_millis(AHEAD_MS * 2)),
        ..lasting("ended early")
    };
    let url = fixture.sandbox.shop_url(DOMAIN);
    fixture.change(&url, ended_early).await;
    let answer = fixture.platform().send(fixture.store, &locations()).await;
    assert!(
        matches!(&answer.result, Ok(Reply::Locations(found)) if !found.is_empty()),
        "{answer:?}"
    );
    let stored = fixture.stored().await;
    assert_ne!(stored.access, Some(Secret::new("ended early")));
    fixture.sandbox.stop().await;
}

/// Sends so many calls at once with a token that this platform refuses; gives their answers and how much it was asked.
async fn sent_at_once(
    calls: usize,
    answer: fn(&str) -> (u16, &'static str),
) -> (Vec<Result<Reply, CallError>>, usize) {
    let door = Door::answering(answer).await;
    let fixture = Fixture::expiring_in(AHEAD_MS).await;
    let refused = Tokens {
        refresh: Some(Secret::new("refresh")),
        expires_at: Some(Clock::System.now().plus_millis(AHEAD_MS * 2)),
        ..lasting("refused")
    };
    fixture.change(&door.url, refused).await;
    let platform = fixture.platform();
    // All of them begin with the same token.
    platform.accounts.find(fixture.store).await.unwrap();
    let call = locations();
    let answers = join_all((0..calls).map(|_| platform.send(fixture.store, &call))).await;
    fixture.sandbox.stop().await;
    let seen = *door.seen.borrow();
    (
        answers.into_iter().map(|answer| answer.result).collect(),
        seen,
    )
}

const REFUSED: (u16, &str) = (401, r#"{"errors":"Invalid API key or access token"}"#);
const RENEWED: (u16, &str) = (200, r#"{"access_token":"renewed","expires_in":3600}"#);

#[tokio::test]
async fn one_renewal_serves_all_whose_token_was_refused() {
    let (answers, seen) = sent_at_once(8, |request| {
        if request.contains("/oauth/access_token") {
            RENEWED
        } else if request.contains("x-shopify-access-token: renewed") {
            (200, r#"{"locations":[]}"#)
        } else {
            REFUSED
        }
    })
    .await;
    assert_eq!(answers, vec![Ok(Reply::Locations(Vec::new())); 8]);
    assert_eq!(seen, 8 + 1 + 8);
}

#[tokio::test]
async fn a_renewed_token_that_is_refused_too_is_dead() {
    let (answers, seen) = sent_at_once(1, |request| {
        if request.contains("/oauth/access_token") {
            RENEWED
        } else {
            REFUSED
        }
    })
    .await;
    assert_eq!(answers, [Err(CallError::Barred(Bar::TokenDead))]);
    assert_eq!(seen, 3);
}

#[tokio::test]
async fn while_nobody_can_tell_whether_a_token_is_renewed_it_is_not_dead() {
    let (answers, _) = sent_at_once(1, |request| {
        if request.contains("/oauth/access_token") {
            (503, "")
        } else {
            REFUSED
        }
    })
    .await;
    assert!(
        matches!(answers[..], [Err(CallError::Unavailable { .. })]),
        "{answers:?}"
    );
}
