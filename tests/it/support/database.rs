//! A fresh database for a test, on either kind, and a store in it.

use std::sync::Arc;

use bytes::Bytes;
use storekeeper::clock::Timestamp;
use storekeeper::db::admin::stores::{self, NewStore, Tokens};
use storekeeper::db::inbox::Delivery;
use storekeeper::db::keepers::{self, Activation};
use storekeeper::db::sealing::{KEY_BYTES, Sealer, Secret};
use storekeeper::db::writer::{Share, Writer};
use storekeeper::db::{DatabaseOptions, Db, migrate};
use storekeeper::domain::store::change::Changes;
use storekeeper::ids::{GrantId, IdSource, StoreId};
use tempfile::TempDir;

use super::postgres::{TestPostgres, chosen_url};

/// A database with the schema, its writer, and what is needed to fill it.
pub(crate) struct TestDb {
    pub(crate) db: Db,
    pub(crate) writer: Writer,
    pub(crate) sealer: Sealer,
    pub(crate) ids: Arc<IdSource>,
    pub(crate) options: DatabaseOptions,
    _directory: TempDir,
}

/// The instant at which tests happen.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

impl TestDb {
    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        Self::migrated(DatabaseOptions::new(url, directory.path()), directory).await
    }

    pub(crate) async fn postgres() -> Self {
        Self::at(TestPostgres::start().database_url().await).await
    }

    /// SQLite, or what the environment asks for.
    pub(crate) async fn chosen() -> Self {
        match chosen_url().await {
            Some(url) => Self::at(url).await,
            None => Self::sqlite().await,
        }
    }

    async fn at(url: String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::migrated(DatabaseOptions::new(url, directory.path()), directory).await
    }

    async fn migrated(options: DatabaseOptions, directory: TempDir) -> Self {
        let db = Db::connect(&options).await.unwrap();
        migrate::up(&db).await.unwrap();
        let ids = Arc::new(IdSource::seeded(7));
        Self {
            writer: Writer::start(&db),
            db,
            sealer: Sealer::new(&[7; KEY_BYTES], Arc::clone(&ids)),
            ids,
            options,
            _directory: directory,
        }
    }

    /// Takes back a step of the schema, and those after it.
    pub(crate) async fn take_back(&self, step: &str) {
        let steps = migrate::status(&self.db).await.unwrap();
        let first = steps.iter().position(|found| found.name.starts_with(step));
        let count = steps.len() - first.unwrap();
        let count = u32::try_from(count).unwrap();
        migrate::down(&self.db, Some(count)).await.unwrap();
    }

    /// Registers a store of this domain.
    pub(crate) async fn store(&self, domain: &str) -> StoreId {
        stores::insert(&self.db, &self.sealer, new_store(domain), NOW)
            .await
            .unwrap()
    }

    /// Activates the store under a fresh grant.
    pub(crate) async fn activate(&self, store: StoreId) -> (GrantId, Activation) {
        let grant = GrantId(self.ids.random_uuid());
        (
            grant,
            keepers::activate(&self.db, store, grant, NOW)
                .await
                .unwrap(),
        )
    }
}

pub(crate) fn new_store(domain: &str) -> NewStore {
    NewStore {
        platform: "shopify".to_owned(),
        domain: domain.to_owned(),
        name: None,
        api_base_url: format!("https://{domain}"),
        plan: None,
        intake_token_hash: format!("intake {domain}"),
        intake_token: Some(Secret::new(format!("intake token of {domain}"))),
        secret_key_hash: format!("secret {domain}"),
        publishable_key_hash: format!("publishable {domain}"),
        tokens: Tokens {
            access: Some(Secret::new("shpat_1")),
            refresh: None,
            expires_at: None,
        },
        webhook_secrets: vec![Secret::new(format!("webhooks of {domain}"))],
    }
}

pub(crate) fn delivery(store: StoreId, delivery_id: &str) -> Delivery {
    Delivery {
        store,
        topic: "orders/create".to_owned(),
        delivery_id: delivery_id.to_owned(),
        event_id: None,
        triggered_at: Some(NOW),
        api_version: Some("2026-04".to_owned()),
        received_at: NOW,
        body: Bytes::from(format!("{{\"id\":\"{delivery_id}\"}}")),
        shared_digest: None,
    }
}

/// A share that leaves the keeper's row as `activation` found it, save what the test changes.
pub(crate) fn share(store: StoreId, grant: GrantId, activation: &Activation) -> Share {
    Share {
        store,
        grant,
        applied_seq: activation.applied_seq,
        record: activation.loaded.keeper.clone(),
        changes: Changes::default(),
    }
}

/// Runs each function on SQLite, and on PostgreSQL where there is one.
macro_rules! on_both_databases {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::support::database::TestDb::sqlite().await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            #[ignore = "needs a PostgreSQL server; run tests/run"]
            async fn $name() {
                super::$name($crate::support::database::TestDb::postgres().await).await;
            })*
        }
    };
}
pub(crate) use on_both_databases;

/// Hands the names of all tables, as entities have them, to another macro.
macro_rules! for_each_table {
    ($with:ident) => {
        $with!(
            store,
            store_policy,
            store_secret,
            standing,
            operator_token,
            audit,
            sealing_key_check,
            inbox_head,
            inbox,
            delivery,
            recent_delivery,
            body_digest,
            keeper,
            item,
            level,
            bundle,
            ledger_order,
            call,
            parked,
            dead_letter,
            idempotent_reply,
        )
    };
}

pub(crate) use for_each_table;
