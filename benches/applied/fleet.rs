//! Many stores in one database, and keepers for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use sea_orm::ConnectionTrait;
use storekeeper::clock::{Clock, Stopwatch};
use storekeeper::db::inbox::Delivery;
use storekeeper::db::writer::Writer;
use storekeeper::db::{DatabaseOptions, Db, fleet, migrate};
use storekeeper::deps::Deps;
use storekeeper::domain::store::command::Command;
use storekeeper::domain::store::settings::StoreSettings;
use storekeeper::ids::{IdSource, StoreId};
use storekeeper::keeper::{Directory, Envelope, KeeperSettings, KeeperStatus};

use crate::platform::OpenPlatform;
use crate::rows;

/// Rows that are being accepted at once.
const ACCEPTING: usize = 256;
/// Stores whose bundle is being defined at once.
const DEFINING: usize = 64;
/// Rows of one INSERT when stores are made.
const STORES_AT_ONCE: i64 = 500;
/// Between two looks at how far keepers are.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// After this nothing more is expected.
const PATIENCE: Duration = Duration::from_secs(900);

/// Many stores in one database.
pub(crate) struct Fleet {
    deps: Deps,
    platform: Arc<OpenPlatform>,
    /// Stores that have something to do; the others are only installed.
    active: i64,
    /// Rows of each store that were accepted.
    accepted: AtomicI64,
    _files: tempfile::TempDir,
}

impl Fleet {
    pub(crate) async fn open(url: Option<String>, stores: i64, active: i64) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let path = files.path().join("store.db");
        let url = url.unwrap_or_else(|| format!("sqlite://{}", path.display()));
        let options = DatabaseOptions::new(&url, files.path());
        let db = Db::connect(&options).await.expect("a database");
        migrate::up(&db).await.expect("a schema");
        register(&url, stores).await;
        let platform = Arc::new(OpenPlatform::default());
        let deps = Deps {
            clock: Clock::System,
            ids: Arc::new(IdSource::seeded(1)),
            writer: Writer::start(&db),
            db,
            platform: platform.clone(),
        };
        Self {
            deps,
            platform,
            active,
            accepted: AtomicI64::new(0),
            _files: files,
        }
    }

    fn ids(&self) -> impl Iterator<Item = StoreId> + use<> {
        (1..=self.active).map(StoreId)
    }

    /// Starts keepers and rings at all active stores.
    pub(crate) fn start_keepers(&self) -> Directory {
        let directory = self.open_directory();
        self.ids().for_each(|store| directory.ring(store));
        directory
    }

    fn open_directory(&self) -> Directory {
        let settings = KeeperSettings {
            running_max: usize::try_from(self.active).expect("positive"),
            ..KeeperSettings::new(StoreSettings::default())
        };
        Directory::start(self.deps.clone(), settings).expect("threads")
    }

    /// Brings every active store to life, one after the other; gives how long each took, the shortest first.
    pub(crate) async fn activate_one_by_one(&self) -> Vec<Duration> {
        let directory = self.open_directory();
        let mut took = Vec::new();
        for store in self.ids() {
            let watch = Stopwatch::start();
            directory.board(store).await.expect("a keeper");
            took.push(watch.elapsed());
        }
        directory.shutdown(Duration::from_secs(30)).await;
        took.sort_unstable();
        took
    }

    /// How long one search for stores with something to do takes, over all that are installed.
    pub(crate) async fn search(&self) -> Duration {
        let watch = Stopwatch::start();
        let found = fleet::stores_to_wake(&self.deps.db, self.deps.clock.now(), None, 1_000).await;
        drop(found.expect("a search"));
        watch.elapsed()
    }

    /// Gives every store its bundle, and waits until its stock is known.
    pub(crate) async fn define_bundles(&self) {
        let directory = self.start_keepers();
        let define = |store: StoreId| {
            let id = u128::try_from(store.0).expect("positive");
            let command = Command::PutBundle(rows::bundle(id, self.deps.clock.now()));
            let directory = directory.clone();
            async move {
                let defined = directory.command(store, Envelope::plain(command)).await;
                defined.expect("a bundle");
            }
        };
        let defining = stream::iter(self.ids())
            .map(define)
            .buffer_unordered(DEFINING);
        defining.collect::<()>().await;
        self.applied(&directory).await;
        directory.shutdown(Duration::from_secs(30)).await;
    }

    /// Accepts so many rows for each store, in turn; rings when there are keepers.
    pub(crate) async fn accept_rows(&self, rows: i64, keepers: Option<&Directory>) {
        let all = (0..rows).flat_map(|number| self.ids().map(move |store| (store, number)));
        let accept = |(store, number): (StoreId, i64)| async move {
            let (topic, body) = rows::row(number, self.deps.clock.now());
            let delivery = Delivery {
                store,
                topic: topic.to_owned(),
                delivery_id: format!("{store}-{number}"),
                event_id: None,
                triggered_at: None,
                api_version: None,
                received_at: self.deps.clock.now(),
                body: body.into(),
                shared_digest: None,
            };
            self.deps.writer.accept(delivery).await.expect("accepted");
            if let Some(keepers) = keepers {
                keepers.ring(store);
            }
        };
        let accepting = stream::iter(all).map(accept).buffer_unordered(ACCEPTING);
        accepting.collect::<()>().await;
        self.accepted.fetch_add(rows, Ordering::SeqCst);
    }

    /// Waits until every keeper has nothing left to do.
    pub(crate) async fn applied(&self, directory: &Directory) {
        let accepted = self.accepted.load(Ordering::SeqCst);
        let stores = usize::try_from(self.active).expect("positive");
        let watch = Stopwatch::start();
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        loop {
            looks.tick().await;
            let statuses = directory.statuses();
            if statuses
                .iter()
                .filter(|status| is_done(status, accepted))
                .count()
                == stores
            {
                return;
            }
            assert!(watch.elapsed() < PATIENCE, "waited in vain");
        }
    }

    /// Calls that keepers made.
    pub(crate) fn calls(&self) -> usize {
        self.platform.calls()
    }
}

fn is_done(status: &KeeperStatus, accepted: i64) -> bool {
    status.observation.as_ref().is_some_and(|seen| {
        seen.cursor == accepted
            && seen.parked == 0
            && seen.dirty_bundles == 0
            && seen.unsettled_orders == 0
            && seen.open_calls == 0
    })
}

/// Makes the stores without the ceremony of the admin's door.
async fn register(url: &str, stores: i64) {
    let connection = sea_orm::Database::connect(url).await.expect("a connection");
    let ids: Vec<i64> = (1..=stores).collect();
    for some in ids.chunks(usize::try_from(STORES_AT_ONCE).expect("positive")) {
        let heads: Vec<_> = some.iter().map(|id| format!("({id}, 1, 0)")).collect();
        let heads = format!(
            "INSERT INTO inbox_head (store, next_seq, received) VALUES {}",
            heads.join(",")
        );
        connection
            .execute_unprepared(&heads)
            .await
            .expect("inboxes");
        let rows: Vec<_> = some
            .iter()
            .map(|id| {
                format!(
                    "({id}, 'shopify', 'store-{id}.example', 'http://127.0.0.1', 'i{id}', 's{id}', 'p{id}', 'installed', 0, 0, 'k')"
                )
            })
            .collect();
        let insert = format!(
            "INSERT INTO store (id, platform, domain, api_base_url, intake_token_hash, secret_key_hash, \
             publishable_key_hash, status, installed_at, updated_at, key_id) VALUES {}",
            rows.join(",")
        );
        connection
            .execute_unprepared(&insert)
            .await
            .expect("stores");
    }
    connection.close().await.expect("closed");
}
