//! The server's database, looked at from outside: which rows there ever were, and what is there now.
//!
//! Triggers of the test's own write down every inbox row and every version of a keeper's row in the transaction that
//! makes it, so that what is purged or overwritten later can still be judged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sea_orm::{ConnectionTrait, Database as Connect, DatabaseConnection, QueryResult, Statement};

use crate::checker::{KeeperVersion, StoreEvidence};

const SQLITE_WITNESS: &str = "
    CREATE TABLE witness_inbox (position INTEGER PRIMARY KEY AUTOINCREMENT, store INTEGER, seq INTEGER, delivery_id TEXT);
    CREATE TRIGGER witness_inbox AFTER INSERT ON inbox BEGIN
        INSERT INTO witness_inbox (store, seq, delivery_id) VALUES (NEW.store, NEW.seq, NEW.delivery_id);
    END;
    CREATE TABLE witness_keeper (position INTEGER PRIMARY KEY AUTOINCREMENT, store INTEGER, grant_id TEXT,
        applied_seq INTEGER, cursor INTEGER, author TEXT);
    CREATE TRIGGER witness_keeper_insert AFTER INSERT ON keeper BEGIN
        INSERT INTO witness_keeper (store, grant_id, applied_seq, cursor, author)
        VALUES (NEW.store, NEW.grant_id, NEW.applied_seq, NEW.cursor, '');
    END;
    CREATE TRIGGER witness_keeper_update AFTER UPDATE ON keeper BEGIN
        INSERT INTO witness_keeper (store, grant_id, applied_seq, cursor, author)
        VALUES (NEW.store, NEW.grant_id, NEW.applied_seq, NEW.cursor, '');
    END;";

/// `session_user` tells servers apart that log in under different names.
const POSTGRES_WITNESS: &str = "
    CREATE TABLE witness_inbox (position bigserial PRIMARY KEY, store bigint, seq bigint, delivery_id text);
    CREATE FUNCTION witness_inbox() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO witness_inbox (store, seq, delivery_id) VALUES (NEW.store, NEW.seq, NEW.delivery_id);
        RETURN NEW;
    END $$;
    CREATE TRIGGER witness_inbox AFTER INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION witness_inbox();
    CREATE TABLE witness_keeper (position bigserial PRIMARY KEY, store bigint, grant_id text,
        applied_seq bigint, cursor bigint, author text);
    CREATE FUNCTION witness_keeper() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO witness_keeper (store, grant_id, applied_seq, cursor, author)
        VALUES (NEW.store, NEW.grant_id, NEW.applied_seq, NEW.cursor, session_user);
        RETURN NEW;
    END $$;
    CREATE TRIGGER witness_keeper AFTER INSERT OR UPDATE ON keeper FOR EACH ROW EXECUTE FUNCTION witness_keeper();";

/// Where everything is kept.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    /// The embedded database's file.
    Sqlite(PathBuf),
    /// The address.
    Postgres(String),
}

impl Database {
    pub(crate) fn embedded_in(data_dir: &Path) -> Self {
        Self::Sqlite(data_dir.join("storekeeper.db"))
    }

    pub(crate) async fn connect(&self) -> DatabaseConnection {
        let url = match self {
            Self::Sqlite(path) => format!("sqlite://{}?mode=rw", path.display()),
            Self::Postgres(url) => url.clone(),
        };
        let mut options = sea_orm::ConnectOptions::new(url);
        options.max_connections(1).sqlx_logging(false);
        Connect::connect(options).await.unwrap()
    }

    /// Runs statements.
    pub(crate) async fn run(&self, sql: &str) {
        let connection = self.connect().await;
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Writes down from now on what happens to inbox and keepers.
    pub(crate) async fn witness(&self) {
        self.run(match self {
            Self::Sqlite(_) => SQLITE_WITNESS,
            Self::Postgres(_) => POSTGRES_WITNESS,
        })
        .await;
    }

    /// What SQLite says of its file: `ok`.
    pub(crate) async fn integrity(&self) -> String {
        let connection = self.connect().await;
        let rows = rows(&connection, "PRAGMA integrity_check").await;
        connection.close().await.unwrap();
        rows[0].try_get_by_index(0).unwrap()
    }

    /// Accepted rows not applied yet, parked ones and calls without an answer, over all stores.
    pub(crate) async fn unfinished(&self) -> i64 {
        const COUNT: &str = "SELECT CAST((SELECT COALESCE(SUM(h.next_seq - 1 - COALESCE(k.cursor, 0)), 0) \
            FROM inbox_head h LEFT JOIN keeper k ON k.store = h.store) + (SELECT COUNT(*) FROM parked) \
            + (SELECT COUNT(*) FROM call) AS bigint)";
        let connection = self.connect().await;
        let rows = rows(&connection, COUNT).await;
        connection.close().await.unwrap();
        rows[0].try_get_by_index(0).unwrap()
    }

    /// What the database tells of each store, by domain.
    pub(crate) async fn stores(&self) -> BTreeMap<String, StoreEvidence> {
        const STORES: &str = "SELECT s.id, s.domain, h.next_seq, (SELECT COUNT(*) FROM parked p WHERE p.store = s.id), \
            (SELECT COUNT(*) FROM dead_letter d WHERE d.store = s.id), \
            (SELECT COUNT(*) FROM call c WHERE c.store = s.id) FROM store s JOIN inbox_head h ON h.store = s.id";
        let connection = self.connect().await;
        let mut found = BTreeMap::new();
        for row in rows(&connection, STORES).await {
            let store: i64 = row.try_get_by_index(0).unwrap();
            let domain: String = row.try_get_by_index(1).unwrap();
            let count = |index| row.try_get_by_index::<i64>(index).unwrap();
            let evidence = StoreEvidence {
                domain: domain.clone(),
                next_seq: count(2),
                parked: count(3),
                dead: count(4),
                open_calls: count(5),
                ..history(&connection, store).await
            };
            found.insert(domain, evidence);
        }
        connection.close().await.unwrap();
        found
    }
}

/// What was written down of a store, and the ids known of it.
async fn history(connection: &DatabaseConnection, store: i64) -> StoreEvidence {
    let known = format!(
        "SELECT delivery_id FROM delivery WHERE store = {store} \
         UNION SELECT delivery_id FROM recent_delivery WHERE store = {store}"
    );
    let inbox =
        format!("SELECT seq, delivery_id FROM witness_inbox WHERE store = {store} ORDER BY seq");
    let keeper = format!(
        "SELECT grant_id, applied_seq, cursor, author FROM witness_keeper WHERE store = {store} ORDER BY position"
    );
    let text = |row: &QueryResult, index| row.try_get_by_index::<String>(index).unwrap();
    let number = |row: &QueryResult, index| row.try_get_by_index::<i64>(index).unwrap();
    let known = rows(connection, &known).await;
    let inbox = rows(connection, &inbox).await;
    let keeper = rows(connection, &keeper).await;
    let version = |row: &QueryResult| KeeperVersion {
        grant: row.try_get_by_index(0).unwrap(),
        applied_seq: number(row, 1),
        cursor: number(row, 2),
        author: text(row, 3),
    };
    StoreEvidence {
        known: known.iter().map(|row| text(row, 0)).collect(),
        rows: inbox
            .iter()
            .map(|row| (number(row, 0), text(row, 1)))
            .collect(),
        keeper: keeper.iter().map(version).collect(),
        ..StoreEvidence::default()
    }
}

pub(crate) async fn rows(connection: &DatabaseConnection, sql: &str) -> Vec<QueryResult> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    connection.query_all_raw(statement).await.unwrap()
}
