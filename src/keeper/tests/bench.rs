//! A keeper without its threads: steps run on the test's own thread, over a real database, and nobody answers calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sea_orm::ConnectionTrait;
use tokio::sync::mpsc;

use crate::clock::{Clock, ManualClock, Timestamp};
use crate::db::inbox::Delivery;
use crate::db::writer::Writer;
use crate::db::{DatabaseOptions, Db, migrate};
use crate::deps::{Deps, Platform};
use crate::domain::call::{Answer, Call, CallError};
use crate::domain::fact::Fact;
use crate::domain::store::settings::StoreSettings;
use crate::ids::{IdSource, StoreId};
use crate::keeper::arbiters;
use crate::keeper::core::{KeeperCore, Next};
use crate::keeper::exit::{Aftermath, Exit};
use crate::keeper::home::Home;
use crate::keeper::settings::KeeperSettings;
use crate::keeper::shared::Shared;
use crate::keeper::slot::Slot;
use crate::platform::PlatformKind;

pub(super) const STORE: StoreId = StoreId(1);
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Answers no call, counts what it parses, and panics at bodies that say so.
#[derive(Debug, Default)]
pub(super) struct SilentPlatform {
    parsed: AtomicUsize,
}

impl SilentPlatform {
    pub(super) fn parsed(&self) -> usize {
        self.parsed.load(Ordering::SeqCst)
    }
}

impl Platform for SilentPlatform {
    fn name(&self) -> &'static str {
        "shopify"
    }

    fn parse(&self, topic: &str, body: &[u8]) -> Result<Fact, String> {
        self.parsed.fetch_add(1, Ordering::SeqCst);
        assert_ne!(body, br#""panic""#, "told to panic");
        PlatformKind::Shopify
            .parse(topic, body)
            .map_err(|malformed| malformed.to_string())
    }

    fn send<'call>(&'call self, _store: StoreId, _call: &'call Call) -> BoxFuture<'call, Answer> {
        let result = Err(CallError::Busy);
        async move {
            Answer {
                result,
                rate: None,
                platform_time: None,
            }
        }
        .boxed()
    }
}

pub(super) struct Bench {
    pub(super) shared: Arc<Shared>,
    pub(super) slot: Arc<Slot>,
    pub(super) platform: Arc<SilentPlatform>,
    _engine: arbiters::Engine,
    files: tempfile::TempDir,
}

impl Bench {
    pub(super) async fn set_up() -> Self {
        Self::set_up_with(|_| {}).await
    }

    /// With settings that differ from the defaults as `adjust` says.
    pub(super) async fn set_up_with(adjust: impl FnOnce(&mut KeeperSettings)) -> Self {
        Self::set_up_at(Home::here(), adjust).await
    }

    /// With keepers' work done there.
    pub(super) async fn set_up_at(home: Home, adjust: impl FnOnce(&mut KeeperSettings)) -> Self {
        let files = tempfile::tempdir().unwrap();
        let url = url_in(&files);
        let db = Db::connect(&DatabaseOptions::new(&url, files.path()))
            .await
            .unwrap();
        migrate::up(&db).await.unwrap();
        register(&url).await;
        let platform: Arc<SilentPlatform> = Arc::default();
        let deps = Deps {
            clock: Clock::Manual(ManualClock::starting_at(START)),
            ids: Arc::new(IdSource::seeded(3)),
            writer: Writer::start(&db),
            db,
            platform: platform.clone(),
        };
        let (arbiters, engine) = arbiters::start(1).unwrap();
        let (purges, _nobody_purges) = mpsc::channel(1);
        let mut settings = KeeperSettings::new(StoreSettings::default());
        adjust(&mut settings);
        let mut shared = Shared::new(deps, settings, arbiters, purges);
        shared.home = home;
        let shared = Arc::new(shared);
        Self {
            shared,
            slot: Arc::new(Slot::new(STORE)),
            platform,
            _engine: engine,
            files,
        }
    }

    /// A level webhook.
    pub(super) async fn accept(&self, number: u32) {
        let body = r#"{"inventory_item_id":1,"location_id":1,"available":5,"updated_at":"2026-11-01T00:00:00Z"}"#;
        self.accept_body(number, body).await;
    }

    /// A level webhook that says this.
    pub(super) async fn accept_body(&self, number: u32, body: &'static str) {
        self.accept_topic("inventory_levels/update", number, body)
            .await;
    }

    /// A webhook of this topic that says this.
    pub(super) async fn accept_topic(&self, topic: &str, number: u32, body: &'static str) {
        let delivery = Delivery {
            store: STORE,
            topic: topic.to_owned(),
            delivery_id: number.to_string(),
            event_id: None,
            triggered_at: None,
            api_version: None,
            received_at: START,
            body: body.into(),
            shared_digest: None,
        };
        self.shared.deps.writer.accept(delivery).await.unwrap();
    }

    /// What somebody else does to the database.
    pub(super) async fn sql(&self, sql: &str) {
        let url = url_in(&self.files);
        let connection = sea_orm::Database::connect(url).await.unwrap();
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// A keeper as its activation leaves it.
    pub(super) async fn activate(&self) -> Result<Box<KeeperCore>, Exit> {
        self.succeed(&mut Aftermath::default()).await
    }

    /// A successor of one that left this.
    pub(super) async fn succeed(&self, aftermath: &mut Aftermath) -> Result<Box<KeeperCore>, Exit> {
        let (shared, slot) = (Arc::clone(&self.shared), Arc::clone(&self.slot));
        KeeperCore::activate(shared, slot, aftermath).await
    }

    /// A keeper's life up to the point where it has nothing to do.
    pub(super) async fn live(&self) -> Result<(), Exit> {
        let mut core = self.activate().await?;
        loop {
            let (stepped, next) = core.step().await?;
            if matches!(next, Next::WaitUntil(_)) {
                return Ok(());
            }
            core = stepped;
        }
    }
}

fn url_in(files: &tempfile::TempDir) -> String {
    format!("sqlite://{}", files.path().join("store.db").display())
}

async fn register(url: &str) {
    let connection = sea_orm::Database::connect(url).await.unwrap();
    let head = "INSERT INTO inbox_head (store, next_seq, received) VALUES (1, 1, 0)";
    connection.execute_unprepared(head).await.unwrap();
    let row = "INSERT INTO store (id, platform, domain, api_base_url, intake_token_hash, secret_key_hash, \
         publishable_key_hash, status, installed_at, updated_at, key_id) \
         VALUES (1, 'shopify', 'a.example', 'http://127.0.0.1', 'i', 's', 'p', 'active', 0, 0, 'k')";
    connection.execute_unprepared(row).await.unwrap();
    connection.close().await.unwrap();
}
