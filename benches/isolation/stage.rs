//! Stores with a bundle each, and what keepers need.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use sea_orm::ConnectionTrait;
use storekeeper::clock::{Clock, Stopwatch};
use storekeeper::db::inbox::{Acceptance, Delivery};
use storekeeper::db::writer::Writer;
use storekeeper::db::{DatabaseOptions, Db, migrate};
use storekeeper::deps::{Deps, Platform};
use storekeeper::domain::call::{Answer, Call, RateReport};
use storekeeper::domain::fact::Fact;
use storekeeper::domain::store::command::{Command, Row};
use storekeeper::domain::store::settings::StoreSettings;
use storekeeper::ids::{IdSource, StoreId};
use storekeeper::keeper::{Directory, Envelope, KeeperSettings, RestartSettings};

use crate::case::Case;
use crate::platform::OpenPlatform;
use crate::postgres::TestPostgres;
use crate::rows;

pub(crate) const QUIET_STORES: i64 = 50;
/// Orders from this number on make whoever applies them panic.
pub(crate) const PANICS_FROM: i64 = 9_000_000_000_000;
const WANTED_PANIC: &str = "this row panics, as it should";
/// The bucket of a store that has always just used it up, and what comes back in a second.
const DRY_BUCKET: (i64, i64) = (40, 2);
/// Between two crashes of a store that has no restart budget.
const CRASH_BACKOFF_MS: i64 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(900);

/// Stores with a bundle each, and what keepers need.
pub(crate) struct Stage {
    pub(crate) case: Case,
    pub(crate) deps: Deps,
    pub(crate) url: String,
    _files: tempfile::TempDir,
}

impl Stage {
    pub(crate) async fn open(case: Case, postgres: bool) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let path = files.path().join("store.db");
        let url = match postgres {
            true => TestPostgres::start().database_url().await,
            false => format!("sqlite://{}", path.display()),
        };
        let db = Db::connect(&DatabaseOptions::new(&url, files.path())).await;
        let db = db.expect("a database");
        migrate::up(&db).await.expect("a schema");
        register(&url, case.stores()).await;
        let dry = (case == Case::EmptyBucket).then(|| case.noisy_inbox());
        let deps = Deps {
            clock: Clock::System,
            ids: Arc::new(IdSource::seeded(1)),
            writer: Writer::start(&db),
            db,
            platform: Arc::new(Neighbourhood {
                open: OpenPlatform::default(),
                dry,
            }),
        };
        let stage = Self {
            case,
            deps,
            url,
            _files: files,
        };
        stage.define_bundles().await;
        stage
    }

    pub(crate) fn start_keepers(&self) -> Directory {
        let mut settings = KeeperSettings::new(StoreSettings::default());
        settings.before_apply = Some(Arc::new(panic_if_wanted));
        settings.restart = RestartSettings {
            restarts_max: usize::MAX,
            backoff_min_ms: CRASH_BACKOFF_MS,
            backoff_max_ms: CRASH_BACKOFF_MS,
            ..RestartSettings::default()
        };
        Directory::start(self.deps.clone(), settings).expect("threads")
    }

    async fn define_bundles(&self) {
        let directory = self.start_keepers();
        let define = |store: i64| {
            let bundle = rows::bundle(
                u128::try_from(store).expect("positive"),
                self.deps.clock.now(),
            );
            let command = Envelope::plain(Command::PutBundle(bundle));
            let directory = directory.clone();
            async move { directory.command(StoreId(store), command).await }
        };
        let all: Vec<_> = (1..=self.case.stores()).collect();
        let defining = stream::iter(all).map(define).buffer_unordered(8);
        let defined: Vec<_> = defining.collect().await;
        assert!(defined.iter().all(Result::is_ok), "bundles are defined");
        directory.shutdown(Duration::from_secs(30)).await;
    }

    /// Accepts a row and rings for it; gives its number.
    pub(crate) async fn accept(&self, directory: &Directory, store: StoreId, number: i64) -> i64 {
        let now = self.deps.clock.now();
        let (topic, body) = rows::row(number, now);
        let delivery = Delivery {
            store,
            topic: topic.to_owned(),
            delivery_id: format!("{store}-{number}"),
            event_id: None,
            triggered_at: None,
            api_version: None,
            received_at: now,
            body: body.into(),
            shared_digest: None,
        };
        let accepted = self.deps.writer.accept(delivery).await;
        let Ok(Acceptance::Accepted { seq }) = accepted else {
            panic!("not accepted: {accepted:?}");
        };
        directory.ring(store);
        seq
    }
}

/// The last row that a store is done with.
pub(crate) fn cursor(directory: &Directory, store: StoreId) -> i64 {
    let status = directory.status(store);
    let observation = status.and_then(|status| status.observation);
    observation.map_or(0, |observation| observation.cursor)
}

/// Waits until a store is done with the row of this number.
pub(crate) async fn applied(directory: &Directory, store: StoreId, seq: i64) {
    let watch = Stopwatch::start();
    let mut looks = tokio::time::interval(BETWEEN_LOOKS);
    while cursor(directory, store) < seq {
        looks.tick().await;
        assert!(watch.elapsed() < PATIENCE, "waited in vain");
    }
}

fn panic_if_wanted(row: &Row) {
    if let Ok(Fact::Order(order)) = &row.fact
        && order.order.0 >= PANICS_FROM
    {
        panic!("{WANTED_PANIC}");
    }
}

/// Panics that are part of a case tell nothing; any other still does.
pub(crate) fn keep_wanted_panics_quiet() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some(WANTED_PANIC) {
            usual(panic);
        }
    }));
}

/// The open platform, but for one store whose bucket has always just been used up.
struct Neighbourhood {
    open: OpenPlatform,
    dry: Option<StoreId>,
}

impl fmt::Debug for Neighbourhood {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Neighbourhood")
    }
}

impl Platform for Neighbourhood {
    fn name(&self) -> &'static str {
        self.open.name()
    }

    fn parse(&self, topic: &str, body: &[u8]) -> Result<Fact, String> {
        self.open.parse(topic, body)
    }

    fn send<'call>(&'call self, store: StoreId, call: &'call Call) -> BoxFuture<'call, Answer> {
        let answer = self.open.send(store, call);
        if self.dry != Some(store) {
            return answer;
        }
        let (size, restore) = DRY_BUCKET;
        let dry = RateReport {
            meter: call.request.meter(),
            used: size,
            size,
            restore_per_s: Some(restore),
            cost: None,
        };
        answer
            .map(move |answer| Answer {
                rate: Some(dry),
                ..answer
            })
            .boxed()
    }
}

/// Makes the stores without the ceremony of the admin's door.
async fn register(url: &str, stores: i64) {
    let connection = sea_orm::Database::connect(url).await.expect("a connection");
    for id in 1..=stores {
        for insert in [
            format!("INSERT INTO inbox_head (store, next_seq, received) VALUES ({id}, 1, 0)"),
            format!(
                "INSERT INTO store (id, platform, domain, api_base_url, intake_token_hash, secret_key_hash, \
                 publishable_key_hash, status, installed_at, updated_at, key_id) VALUES \
                 ({id}, 'shopify', 'store-{id}.example', 'http://127.0.0.1', 'i{id}', 's{id}', 'p{id}', 'active', 0, 0, 'k')"
            ),
        ] {
            connection
                .execute_unprepared(&insert)
                .await
                .expect("a store");
        }
    }
    connection.close().await.expect("closed");
}
