//! A server's inside without its doors: a real database in a temporary file, real keepers, a manual clock, and a
//! platform that answers as it is told.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::postgres::chosen_url;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sea_orm::ConnectionTrait;
use storekeeper::clock::{Clock, ManualClock, Timestamp};
use storekeeper::db::inbox::Delivery;
use storekeeper::db::writer::Writer;
use storekeeper::db::{DatabaseOptions, Db, migrate};
use storekeeper::deps::{Deps, Platform};
use storekeeper::domain::bundle::Mode;
use storekeeper::domain::call::{Answer, Call, Read, Reply, Request};
use storekeeper::domain::fact::{Assignments, Fact, ItemSnapshot, LevelSnapshot, LocationSnapshot};
use storekeeper::domain::interest::Mentions;
use storekeeper::domain::store::command::{BundleDraft, Command, DraftComponent};
use storekeeper::domain::store::settings::StoreSettings;
use storekeeper::ids::{BundleId, IdSource, ItemId, LocationId, ProductId, StoreId, VariantId};
use storekeeper::keeper::{Directory, KeeperSettings, KeeperState, LifecycleStep};
use storekeeper::platform::PlatformKind;
use tokio::sync::watch;

/// Where the manual clock starts.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// How long a test waits for a condition before it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

pub(crate) const STORE: StoreId = StoreId(1);

/// The inside of a server.
pub(crate) struct Rig {
    pub(crate) clock: ManualClock,
    pub(crate) db: Db,
    pub(crate) writer: Writer,
    pub(crate) platform: Arc<ScriptedPlatform>,
    pub(crate) directory: Directory,
    deliveries: AtomicUsize,
    url: String,
    _files: tempfile::TempDir,
}

impl Rig {
    /// Two stores, and settings that differ from the defaults as `adjust` says.
    pub(crate) async fn start(adjust: impl FnOnce(&mut KeeperSettings)) -> Self {
        Self::start_with(2, adjust).await
    }

    /// Stores 1 to `stores`.
    pub(crate) async fn start_with(stores: i64, adjust: impl FnOnce(&mut KeeperSettings)) -> Self {
        let files = tempfile::tempdir().expect("a temporary directory");
        let url = chosen_url()
            .await
            .unwrap_or_else(|| format!("sqlite://{}", files.path().join("store.db").display()));
        let db = Db::connect(&DatabaseOptions::new(&url, files.path()))
            .await
            .expect("a database");
        migrate::up(&db).await.expect("a schema");
        let stores: Vec<_> = (1..=stores).map(StoreId).collect();
        register(&url, &stores).await;
        let writer = Writer::start(&db);
        let clock = ManualClock::starting_at(START);
        let platform = Arc::new(ScriptedPlatform::new());
        let deps = Deps {
            clock: Clock::Manual(clock.clone()),
            ids: Arc::new(IdSource::seeded(7)),
            db: db.clone(),
            writer: writer.clone(),
            platform: platform.clone(),
        };
        let mut settings = KeeperSettings::new(StoreSettings::default());
        settings.arbiters = 2;
        // Decisions are cut by resources and rows only, so that turns are the same on a slow machine.
        settings.turn_decide_us_max = 60_000_000;
        adjust(&mut settings);
        let directory = Directory::start(deps, settings).expect("threads");
        Self {
            clock,
            db,
            writer,
            platform,
            directory,
            deliveries: AtomicUsize::new(0),
            url,
            _files: files,
        }
    }

    /// A level webhook arrives and is durable; nobody rings.
    pub(crate) async fn accept_level(&self, store: StoreId, item: i64) {
        let body = format!(
            r#"{{"inventory_item_id":{item},"location_id":1,"available":5,"updated_at":"2026-11-01T00:00:00Z"}}"#
        );
        self.accept(store, "inventory_levels/update", body).await;
    }

    /// Does something to the database that the server never does.
    pub(crate) async fn sql(&self, statement: &str) {
        let connection = sea_orm::Database::connect(&self.url).await;
        let connection = connection.expect("a connection");
        let done = connection.execute_unprepared(statement).await;
        done.expect("a statement");
        connection.close().await.expect("closed");
    }

    /// A webhook arrives that is not what its topic promises; nobody rings.
    pub(crate) async fn accept_malformed(&self, store: StoreId) {
        self.accept(store, "orders/create", "{}".to_owned()).await;
    }

    pub(crate) async fn accept(&self, store: StoreId, topic: &str, body: String) {
        let number = self.deliveries.fetch_add(1, Ordering::Relaxed);
        let delivery = Delivery {
            store,
            topic: topic.to_owned(),
            delivery_id: format!("delivery-{number}"),
            event_id: None,
            triggered_at: None,
            api_version: None,
            received_at: self.clock.now(),
            body: body.into(),
            shared_digest: None,
        };
        self.writer.accept(delivery).await.expect("accepted");
    }

    /// So many level webhooks arrive, and somebody rings.
    pub(crate) async fn deliver(&self, store: StoreId, rows: i64) {
        for item in 0..rows {
            self.accept_level(store, 500 + item).await;
        }
        self.directory.ring(store);
    }

    /// How far the store's keeper is, as of its last commit.
    pub(crate) fn cursor(&self, store: StoreId) -> i64 {
        let observation = self
            .directory
            .status(store)
            .and_then(|status| status.observation);
        observation.map_or(0, |observation| observation.cursor)
    }

    pub(crate) fn state(&self, store: StoreId) -> KeeperState {
        self.directory
            .status(store)
            .map_or(KeeperState::Stopped, |status| status.state)
    }

    /// How often a keeper of this store was brought to life.
    pub(crate) fn activations(&self, store: StoreId) -> usize {
        let events = self.directory.lifecycle();
        let activated = events
            .iter()
            .filter(|event| event.store == store && event.step == LifecycleStep::Activated);
        activated.count()
    }

    /// Waits until the store's keeper has crashed, then lets the time come at which it is started anew.
    pub(crate) async fn let_restart(&self, store: StoreId) {
        eventually("a crash", || {
            matches!(self.state(store), KeeperState::Restarting { .. })
        })
        .await;
        let KeeperState::Restarting { until } = self.state(store) else {
            panic!("it does not rest any more")
        };
        self.clock
            .advance_millis(until.millis_since(self.clock.now()));
        let rests = KeeperState::Restarting { until };
        eventually("the end of its rest", || self.state(store) != rests).await;
    }

    /// Lets so much time pass that a keeper without work is deactivated, also when it finds work on the way.
    pub(crate) async fn pass_time_until_stopped(&self) {
        let a_minute_a_look = || {
            self.clock.advance_millis(60_000);
            self.state(STORE) == KeeperState::Stopped
        };
        eventually("deactivation", a_minute_a_look).await;
    }

    /// Lets time pass until `awaited` is there.
    pub(crate) async fn pass_time<Awaited: Future>(&self, awaited: Awaited) -> Awaited::Output {
        let passing = async {
            let mut looks = tokio::time::interval(BETWEEN_LOOKS);
            loop {
                looks.tick().await;
                self.clock.advance_millis(50);
            }
        };
        let until_there = async {
            tokio::select! {
                output = awaited => output,
                () = passing => unreachable!("time passes for ever"),
            }
        };
        tokio::time::timeout(PATIENCE, until_there)
            .await
            .expect("time passes, and nothing happens")
    }
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        while !condition() {
            looks.tick().await;
        }
    };
    let holds = tokio::time::timeout(PATIENCE, waiting).await.is_ok();
    assert!(holds, "waited in vain for {what}");
}

async fn register(url: &str, stores: &[StoreId]) {
    let connection = sea_orm::Database::connect(url).await.expect("a connection");
    for store in stores {
        let head =
            format!("INSERT INTO inbox_head (store, next_seq, received) VALUES ({store}, 1, 0)");
        connection
            .execute_unprepared(&head)
            .await
            .expect("an inbox");
        let row = format!(
            "INSERT INTO store (id, platform, domain, api_base_url, intake_token_hash, secret_key_hash, \
             publishable_key_hash, status, installed_at, updated_at, key_id) VALUES ({store}, 'shopify', \
             'store-{store}.example', 'http://127.0.0.1', 'i{store}', 's{store}', 'p{store}', 'active', {now}, {now}, 'k')",
            now = START.as_millis(),
        );
        connection.execute_unprepared(&row).await.expect("a store");
    }
    connection.close().await.expect("closed");
}

/// A bundle of two units of item 1, sold as item 100.
pub(crate) fn draft(id: u128) -> Command {
    Command::PutBundle(BundleDraft {
        id: BundleId(uuid::Uuid::from_u128(id)),
        replaces: false,
        title: "Two of one".to_owned(),
        item: ItemId(100),
        mode: Mode::ShipTogether,
        cap: None,
        components: vec![DraftComponent {
            item: ItemId(1),
            quantity: 2,
            optional: false,
        }],
        seen: None,
        arrived_at: START,
    })
}

/// Holds whatever passes it until it is opened.
#[derive(Default)]
pub(crate) struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
    reached: AtomicBool,
}

impl Gate {
    pub(crate) fn pass(&self) {
        self.reached.store(true, Ordering::SeqCst);
        let is_open = self.is_open.lock().expect("not poisoned");
        drop(self.opened.wait_while(is_open, |is_open| !*is_open));
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.reached.load(Ordering::SeqCst)
    }

    pub(crate) fn open(&self) {
        *self.is_open.lock().expect("not poisoned") = true;
        self.opened.notify_all();
    }
}

/// Holds turns that have begun, and their threads go on, until it lets go of them.
pub(crate) struct TurnHold {
    lets_go: watch::Sender<bool>,
    held: AtomicUsize,
}

impl TurnHold {
    /// Holds the turns of the stores that are `meant`.
    pub(crate) fn over(
        settings: &mut KeeperSettings,
        meant: impl Fn(StoreId) -> bool + Send + Sync + 'static,
    ) -> Arc<Self> {
        let hold = Arc::new(Self {
            lets_go: watch::Sender::new(false),
            held: AtomicUsize::new(0),
        });
        let of_hook = Arc::clone(&hold);
        settings.hold_turn = Some(Arc::new(move |store| {
            let (hold, is_meant) = (Arc::clone(&of_hook), meant(store));
            async move {
                if is_meant {
                    hold.held.fetch_add(1, Ordering::SeqCst);
                    let mut lets_go = hold.lets_go.subscribe();
                    drop(lets_go.wait_for(|lets_go| *lets_go).await);
                }
            }
            .boxed()
        }));
        hold
    }

    /// Turns that came under the hold so far.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    pub(crate) fn let_go(&self) {
        self.lets_go.send_replace(true);
    }
}

/// A platform that answers every call at once, unless told to hold its answers or to panic.
pub(crate) struct ScriptedPlatform {
    calls: Mutex<Vec<Call>>,
    held: watch::Sender<bool>,
    panics: AtomicUsize,
    parsing: Mutex<Option<Arc<Gate>>>,
}

impl ScriptedPlatform {
    fn new() -> Self {
        Self {
            calls: Mutex::default(),
            held: watch::Sender::new(false),
            panics: AtomicUsize::new(0),
            parsing: Mutex::default(),
        }
    }

    /// From now on webhooks about new orders go through this gate as they are parsed.
    pub(crate) fn parse_through(&self, gate: &Arc<Gate>) {
        *self.parsing.lock().expect("not poisoned") = Some(Arc::clone(gate));
    }

    /// Holds all answers back, or lets them go.
    pub(crate) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Panics instead of the next `count` answers.
    pub(crate) fn panic_next(&self, count: usize) {
        self.panics.store(count, Ordering::SeqCst);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("not poisoned").clone()
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Request) -> bool) -> usize {
        self.calls()
            .iter()
            .filter(|call| wanted(&call.request))
            .count()
    }
}

impl fmt::Debug for ScriptedPlatform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ScriptedPlatform")
    }
}

impl Platform for ScriptedPlatform {
    fn name(&self) -> &'static str {
        "shopify"
    }

    fn parse(&self, topic: &str, body: &[u8]) -> Result<Fact, String> {
        let gate = self.parsing.lock().expect("not poisoned").clone();
        if let Some(gate) = gate.filter(|_| topic == "orders/create") {
            gate.pass();
        }
        PlatformKind::Shopify
            .parse(topic, body)
            .map_err(|malformed| malformed.to_string())
    }

    fn mentions(&self, topic: &str, body: &[u8]) -> Option<Mentions> {
        PlatformKind::Shopify.mentions(topic, body)
    }

    fn send<'call>(&'call self, _store: StoreId, call: &'call Call) -> BoxFuture<'call, Answer> {
        async move {
            self.calls.lock().expect("not poisoned").push(call.clone());
            let mut held = self.held.subscribe();
            held.wait_for(|held| !held).await.expect("the sender lives");
            let panics = |left: usize| left.checked_sub(1);
            assert!(
                self.panics
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, panics)
                    .is_err(),
                "told to panic"
            );
            Answer {
                result: Ok(reply_to(&call.request)),
                rate: None,
                platform_time: None,
            }
        }
        .boxed()
    }
}

fn reply_to(request: &Request) -> Reply {
    match request {
        Request::Write(_) => Reply::Written { at: None },
        Request::Read(Read::Levels(items)) => {
            Reply::Levels(items.iter().map(|&item| level(item)).collect())
        }
        Request::Read(Read::Items(items)) => {
            Reply::Items(items.iter().map(|&item| settings_of(item)).collect())
        }
        Request::Read(Read::Order(_)) => Reply::Order(None),
        Request::Read(Read::OrdersSince { .. }) => Reply::OrdersPage {
            orders: Vec::new(),
            next: None,
        },
        Request::Read(Read::Assignments(_)) => Reply::Assignments(Assignments::default()),
        Request::Read(Read::OrderOf(_)) => Reply::OrderOf(None),
        Request::Read(Read::Locations) => Reply::Locations(vec![LocationSnapshot {
            location: LocationId(1),
            active: true,
        }]),
        Request::Read(Read::Subscriptions) => Reply::Subscriptions { created: 0 },
    }
}

fn level(item: ItemId) -> LevelSnapshot {
    LevelSnapshot {
        item,
        location: LocationId(1),
        available: Some(10),
        updated_at: START,
    }
}

fn settings_of(item: ItemId) -> ItemSnapshot {
    ItemSnapshot {
        item,
        variant: Some(VariantId(item.0 + 1_000)),
        product: Some(ProductId(item.0 + 2_000)),
        tracked: Some(true),
        sells_when_out: Some(false),
        composite: Some(false),
    }
}
