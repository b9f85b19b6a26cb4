//! The schema: up, down, up; the same from migrations as from entities; durable, or said not to be.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Schema, Statement};
use storekeeper::clock::Timestamp;
use storekeeper::db::inbox::Acceptance;
use storekeeper::db::{
    DataDirLock, DatabaseLock, DatabaseOptions, Db, LockError, NotDurable, migrate,
};

use crate::support::database::{NOW, TestDb, delivery, for_each_table, on_both_databases};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

on_both_databases!(
    goes_up_down_and_up,
    steps_keep_the_rows_that_are_there,
    is_durable
);

async fn goes_up_down_and_up(test: TestDb) {
    test.store("a").await;
    assert!(
        migrate::status(&test.db)
            .await
            .unwrap()
            .iter()
            .all(|step| step.applied)
    );
    migrate::down(&test.db, None).await.unwrap();
    assert!(
        migrate::status(&test.db)
            .await
            .unwrap()
            .iter()
            .all(|step| !step.applied)
    );
    migrate::up(&test.db).await.unwrap();
    assert_eq!(test.store("a").await.0, 1);
}

/// Ids that came by day know the end of that day afterwards, so that none is forgotten early.
async fn steps_keep_the_rows_that_are_there(test: TestDb) {
    let store = test.store("a").await;
    test.activate(store).await;
    test.writer.accept(delivery(store, "d1")).await.unwrap();
    test.take_back("m0005").await;
    migrate::up(&test.db).await.unwrap();
    assert_eq!(
        test.writer.accept(delivery(store, "d1")).await,
        Ok(Acceptance::Duplicate)
    );
    let end_of_day = (NOW.as_millis().div_euclid(DAY_MS) + 1) * DAY_MS - 1;
    let purged = async |before| {
        let before = Timestamp::from_millis(before);
        test.writer.purge_deliveries(before).await.unwrap()
    };
    assert_eq!(purged(end_of_day).await, 0);
    assert_eq!(purged(end_of_day + 1).await, 1);
}

async fn is_durable(test: TestDb) {
    test.db.check_durability().await.unwrap();
    test.db.ping().await.unwrap();
}

/// Columns by table: name, type, whether null is refused, place in the primary key.
type Tables = BTreeMap<String, Vec<(String, String, bool, i64)>>;

async fn tables(connection: &DatabaseConnection) -> Tables {
    let sql = "SELECT m.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_master m JOIN pragma_table_info(m.name) c \
               WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'seaql_migrations' ORDER BY 1, 2";
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let mut tables = Tables::new();
    for row in connection.query_all_raw(statement).await.unwrap() {
        let text = |index| row.try_get_by_index::<String>(index).unwrap();
        let number = |index| row.try_get_by_index::<i64>(index).unwrap();
        // A key column refuses null whether or not the text says so.
        let refuses_null = number(3) != 0 || number(4) != 0;
        let column = (text(1), text(2).to_lowercase(), refuses_null, number(4));
        tables.entry(text(0)).or_default().push(column);
    }
    tables
}

#[tokio::test]
async fn migrations_make_what_entities_say() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!(
        "sqlite://{}?mode=rwc",
        directory.path().join("entities.db").display()
    );
    let from_entities = Database::connect(url).await.unwrap();
    macro_rules! create {
        ($($table:ident),* $(,)?) => {{
            let schema = Schema::new(from_entities.get_database_backend());
            $(from_entities.execute(&schema.create_table_from_entity(entity::$table::Entity)).await.unwrap();)*
        }};
    }
    for_each_table!(create);
    let test = TestDb::sqlite().await;
    let from_migrations = Database::connect(&test.options.url).await.unwrap();
    assert_eq!(tables(&from_migrations).await, tables(&from_entities).await);
    assert_eq!(tables(&from_migrations).await.len(), 21);
}

#[tokio::test]
async fn tells_that_sqlite_is_not_durable() {
    let directory = tempfile::tempdir().unwrap();
    // A database in memory has no log to sync.
    let options = DatabaseOptions::new("sqlite::memory:", directory.path());
    let db = Db::connect(&options).await.unwrap();
    let found = db.check_durability().await;
    assert!(
        matches!(
            found,
            Err(NotDurable::Setting {
                name: "journal_mode",
                ..
            })
        ),
        "{found:?}"
    );
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server; run tests/run"]
async fn tells_that_postgres_is_not_durable() {
    let mut test = TestDb::postgres().await;
    let admin = Database::connect(&test.options.url).await.unwrap();
    let off = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$";
    admin.execute_unprepared(off).await.unwrap();
    test.db = Db::connect(&test.options).await.unwrap();
    let found = test.db.check_durability().await;
    assert!(
        matches!(
            found,
            Err(NotDurable::Setting {
                name: "synchronous_commit",
                ..
            })
        ),
        "{found:?}"
    );
}

#[test]
fn one_process_holds_a_data_directory() {
    let directory = tempfile::tempdir().unwrap();
    let held = DataDirLock::acquire(directory.path()).unwrap();
    assert!(matches!(
        DataDirLock::acquire(directory.path()),
        Err(LockError::Taken(_))
    ));
    drop(held);
    DataDirLock::acquire(directory.path()).unwrap();
}

#[tokio::test]
async fn one_process_holds_an_embedded_database_whatever_its_data_directory() {
    let test = TestDb::sqlite().await;
    let acquire = async |url: &str| {
        let elsewhere = tempfile::tempdir().unwrap();
        let _directory = DataDirLock::acquire(elsewhere.path()).unwrap();
        DatabaseLock::acquire(&DatabaseOptions::new(url, elsewhere.path())).await
    };
    let held = DatabaseLock::acquire(&test.options).await.unwrap().unwrap();
    assert_eq!(held.renew().await, Ok(true));
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join("link.db");
    let database = test.options.url.strip_prefix("sqlite://").unwrap();
    std::os::unix::fs::symlink(database, &link).unwrap();
    for url in [
        test.options.url.clone(),
        format!("sqlite://{}", link.display()),
    ] {
        let second = acquire(&url).await;
        assert!(matches!(second, Err(LockError::Taken(_))), "{second:?}");
    }
    held.release().await.unwrap();
    let next = acquire(&test.options.url).await.unwrap();
    assert!(next.is_some());
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server; run tests/run"]
async fn one_process_holds_a_postgres_database() {
    let test = TestDb::postgres().await;
    let held = DatabaseLock::acquire(&test.options).await.unwrap().unwrap();
    assert_eq!(held.renew().await, Ok(true));
    let second = DatabaseLock::acquire(&test.options).await;
    assert!(matches!(second, Err(LockError::Taken(_))));
}
