//! Backups: everything at one instant, taken beside a server that accepts, and put back into either database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use entity::{bundle, dead_letter, item, level};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, EntityTrait, IntoActiveModel};
use storekeeper::db::backup::{self, BackupError, Copied, Restored, Stores};
use storekeeper::db::inbox::{self, Acceptance};
use storekeeper::db::sealing::{KEY_BYTES, Sealer};
use storekeeper::db::{DataDirLock, DatabaseLock, DatabaseOptions, Db, keepers, migrate};
use storekeeper::domain::backlog::Span;
use storekeeper::domain::bundle::{Bundle, Mode};
use storekeeper::domain::call::Bar;
use storekeeper::domain::store::change::Change;
use storekeeper::domain::store::state::Pause;
use storekeeper::ids::{BundleId, IdSource, ItemId, ProductId, StoreId, VariantId};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::database::{NOW, TestDb, delivery, for_each_table, on_both_databases, share};
use crate::support::postgres::TestPostgres;

on_both_databases!(
    holds_every_row_and_goes_on,
    stores_that_may_change_stock_wait_for_a_person,
    shows_one_instant_while_webhooks_are_accepted,
    refuses_what_would_overwrite,
    refuses_a_database_in_use_or_not_empty,
    refuses_another_key_and_none,
    brings_an_older_schema_up_to_date,
);

/// More than fit on two pages of rows, and of bodies.
const DELIVERIES: usize = 1_100;

/// Where something is restored to; a data directory of its own.
struct Place {
    options: DatabaseOptions,
    directory: TempDir,
}

impl Place {
    fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("new.db").display());
        Self {
            options: DatabaseOptions::new(url, directory.path()),
            directory,
        }
    }

    async fn postgres() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = TestPostgres::start().database_url().await;
        Self {
            options: DatabaseOptions::new(url, directory.path()),
            directory,
        }
    }

    /// Of the same kind as another database.
    async fn like(test: &TestDb) -> Self {
        if test.options.url.starts_with("sqlite:") {
            Self::sqlite()
        } else {
            Self::postgres().await
        }
    }
}

/// A file that is not there yet, in the test's own directory.
fn new_file(test: &TestDb) -> PathBuf {
    test.options.data_dir.join("backup.db")
}

fn sealer(key: u8) -> Sealer {
    Sealer::new(&[key; KEY_BYTES], Arc::new(IdSource::seeded(9)))
}

/// Every row of every table, read through the entities.
async fn contents(options: &DatabaseOptions) -> BTreeMap<&'static str, Vec<String>> {
    let connection = Database::connect(&options.url).await.unwrap();
    let mut contents = BTreeMap::new();
    macro_rules! read {
        ($($table:ident),* $(,)?) => {$({
            let rows = entity::$table::Entity::find().all(&connection).await.unwrap();
            let mut rows: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
            rows.sort_unstable();
            contents.insert(stringify!($table), rows);
        })*};
    }
    for_each_table!(read);
    connection.close().await.unwrap();
    contents
}

/// Two stores with deliveries, a cursor in the middle, and values of every kind, null included.
async fn fill(test: &TestDb) -> StoreId {
    let (store, other) = (test.store("a").await, test.store("ü 😀").await);
    test.sealer.check(&test.db, NOW).await.unwrap();
    for number in 0..DELIVERIES {
        let store = if number % 3 == 0 { other } else { store };
        let sent = delivery(store, &format!("d{number}"));
        assert!(matches!(
            test.writer.accept(sent).await,
            Ok(Acceptance::Accepted { .. })
        ));
    }
    let (grant, activation) = test.activate(store).await;
    let mut commit = share(store, grant, &activation);
    (commit.record.cursor, commit.record.applied) = (7, 7);
    commit.record.ahead = [Span { from: 9, to: 11 }, Span { from: 13, to: 14 }];
    commit.record.wake_at = Some(NOW);
    test.writer.commit(commit).await.unwrap();
    let connection = Database::connect(&test.options.url).await.unwrap();
    insert_odd_values(&connection, store).await;
    connection.close().await.unwrap();
    store
}

async fn insert_odd_values(connection: &DatabaseConnection, store: StoreId) {
    macro_rules! insert {
        ($table:ident { $($fields:tt)* }) => {
            $table::Entity::insert($table::Model { $($fields)* }.into_active_model())
                .exec_without_returning(connection)
                .await
                .unwrap();
        };
    }
    insert!(item {
        store: store.0,
        item: i64::MAX,
        variant: None,
        product: Some(1),
        tracked: true,
        sells_when_out: false,
        composite: true,
        gone: false,
        unusable: true,
    });
    for (item, available) in [(-1, None), (0, Some(i64::MIN)), (1, Some(0))] {
        insert!(level {
            store: store.0,
            item,
            location: 5,
            available,
            stamp: 0,
            unsure: available.is_none(),
        });
    }
    insert!(bundle {
        store: store.0,
        id: "a'\"\\\n$1".to_owned(),
        deleted: false,
        doc: "{\"title\":\"Ünïcode 😀\"}".to_owned(),
    });
    for (id, body) in [
        ("1", None),
        ("2", Some(Vec::new())),
        ("3", Some((0..=255).collect())),
    ] {
        insert!(dead_letter {
            id: id.to_owned(),
            store: store.0,
            class: "poison".to_owned(),
            reason: String::new(),
            at: 1,
            seq: None,
            topic: None,
            delivery_id: None,
            event_id: Some("e".to_owned()),
            triggered_at: None,
            api_version: None,
            received_at: None,
            body,
        });
    }
}

async fn restored(file: &Path, place: &Place) -> Copied {
    let restored = backup::restore(&place.options, file, Some(&sealer(7)), Stores::GoOn).await;
    let Restored { copied, paused } = restored.unwrap();
    assert_eq!(paused, 0);
    copied
}

async fn holds_every_row_and_goes_on(test: TestDb) {
    let store = fill(&test).await;
    let expected = contents(&test.options).await;
    let file = new_file(&test);
    let copied = backup::write(&test.options, &file).await.unwrap();
    let rows: usize = expected.values().map(Vec::len).sum();
    assert_eq!((copied.stores, copied.rows), (2, rows.try_into().unwrap()));
    assert_eq!(copied.bytes, std::fs::metadata(&file).unwrap().len());
    require_private_and_alone(&file);

    let mut places = vec![Place::sqlite()];
    if !test.options.url.starts_with("sqlite:") {
        places.push(Place::postgres().await);
    }
    for place in places {
        assert_eq!(restored(&file, &place).await.rows, copied.rows);
        let found = contents(&place.options).await;
        for (table, rows) in &expected {
            assert_eq!(&found[table], rows, "{table} in {}", place.options.url);
        }
        goes_on(&place.options, store).await;
        let left = std::fs::read_dir(place.directory.path()).unwrap();
        let left = left.map(|entry| entry.unwrap().file_name());
        assert!(
            left.into_iter()
                .all(|name| !name.to_string_lossy().contains("partial"))
        );
    }
}

/// The schema is this version's, the inbox numbers on, and secrets open.
async fn goes_on(options: &DatabaseOptions, store: StoreId) {
    let db = Db::connect(options).await.unwrap();
    let steps = migrate::status(&db).await.unwrap();
    assert!(steps.iter().all(|step| step.applied));
    db.check_durability().await.unwrap();
    sealer(7).check(&db, NOW).await.unwrap();
    let record = keepers::find(&db, store).await.unwrap().unwrap();
    assert_eq!((record.cursor, record.wake_at), (7, Some(NOW)));
    let writer = storekeeper::db::writer::Writer::start(&db);
    let again = writer.accept(delivery(store, "d1")).await.unwrap();
    assert!(matches!(again, Acceptance::Duplicate), "{again:?}");
    let before = inbox::look_ahead(&db, store, 0, 1, usize::MAX)
        .await
        .unwrap();
    let fresh = writer.accept(delivery(store, "fresh")).await.unwrap();
    let seq = before.last_seq + 1;
    assert_eq!(fresh, Acceptance::Accepted { seq });
    db.close().await.unwrap();
}

fn require_private_and_alone(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "customers' orders are for the owner only");
    for suffix in ["partial", "wal", "shm", "journal"] {
        for separator in ['.', '-'] {
            let beside = format!("{}{separator}{suffix}", file.display());
            assert!(!Path::new(&beside).exists(), "{beside}");
        }
    }
}

/// Rows that a backup takes long enough for that deliveries come meanwhile.
async fn make_large(options: &DatabaseOptions, store: StoreId) {
    let connection = Database::connect(&options.url).await.unwrap();
    let store = store.0;
    let (numbers, body) = if options.url.starts_with("sqlite:") {
        let numbers = "WITH RECURSIVE numbers(number) AS \
                       (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 30000)";
        (format!("{numbers} SELECT"), "randomblob(2000)")
    } else {
        let numbers = "WITH numbers AS (SELECT generate_series(1, 30000) AS number) SELECT";
        (
            numbers.to_owned(),
            "convert_to(repeat(md5(number::text), 60), 'UTF8')",
        )
    };
    let insert = format!(
        "INSERT INTO inbox (store, seq, topic, delivery_id, received_at, body) {numbers} \
         {store}, number + 1000000, 'orders/create', 'large', 1, {body} FROM numbers"
    );
    connection.execute_unprepared(&insert).await.unwrap();
    connection.close().await.unwrap();
}

fn some_bundle() -> Bundle {
    Bundle {
        id: BundleId(Uuid::from_u128(1)),
        title: "Breakfast".to_owned(),
        item: ItemId(77),
        variant: VariantId(78),
        product: ProductId(79),
        mode: Mode::Pooled,
        cap: None,
        recipes: Vec::new(),
        deleted: false,
    }
}

/// What was taken on the platform after the backup is not in it.
async fn stores_that_may_change_stock_wait_for_a_person(test: TestDb) {
    let by_admin = Pause::ByAdmin {
        reason: "holidays".to_owned(),
    };
    let cases = [
        ("running", true, None),
        ("barred", true, Some(Pause::Barred(Bar::TokenDead))),
        ("paused", true, Some(by_admin.clone())),
        ("gone", true, Some(Pause::Uninstalled)),
        ("without bundles", false, None),
    ];
    let mut expected = Vec::new();
    for (name, sells_bundles, pause) in cases {
        let store = test.store(name).await;
        let (grant, activation) = test.activate(store).await;
        let mut commit = share(store, grant, &activation);
        commit.record.memo.paused.clone_from(&pause);
        commit.record.memo.platform_ahead_ms = 77;
        if sells_bundles {
            commit.changes.put(Change::PutBundle(some_bundle()));
        }
        test.writer.commit(commit).await.unwrap();
        let is_unsafe = !matches!(pause, Some(Pause::ByAdmin { .. })) && sells_bundles;
        expected.push((store, is_unsafe, pause));
    }
    let file = new_file(&test);
    backup::write(&test.options, &file).await.unwrap();
    let place = Place::like(&test).await;
    let restored = backup::restore(&place.options, &file, None, Stores::Pause).await;
    assert_eq!(restored.unwrap().paused, 3);
    let db = Db::connect(&place.options).await.unwrap();
    for (store, is_unsafe, pause) in expected {
        let memo = keepers::find(&db, store).await.unwrap().unwrap().memo;
        assert_eq!(memo.platform_ahead_ms, 77);
        if is_unsafe {
            let waits = matches!(&memo.paused, Some(Pause::ByAdmin { reason }) if reason.contains("backup"));
            assert!(waits, "{pause:?} became {:?}", memo.paused);
        } else {
            assert_eq!(memo.paused, pause);
        }
    }
    db.close().await.unwrap();
}

async fn shows_one_instant_while_webhooks_are_accepted(test: TestDb) {
    let (store, other) = (test.store("a").await, test.store("b").await);
    test.sealer.check(&test.db, NOW).await.unwrap();
    make_large(&test.options, other).await;
    let file = new_file(&test);
    let accept = async |number: i64| {
        let sent = delivery(store, &format!("d{number}"));
        let accepted = test.writer.accept(sent).await.unwrap();
        assert_eq!(accepted, Acceptance::Accepted { seq: number });
    };
    for number in 1..=20 {
        accept(number).await;
    }
    let (options, name) = (test.options.clone(), file.clone());
    let taking = tokio::spawn(async move { backup::write(&options, &name).await });
    let (mut last, mut accepted_meanwhile) = (20, 0);
    while !taking.is_finished() {
        last += 1;
        accept(last).await;
        accepted_meanwhile += i64::from(!taking.is_finished());
    }
    taking.await.unwrap().unwrap();
    assert!(
        accepted_meanwhile > 0,
        "no delivery was accepted while the backup was taken"
    );

    let place = Place::sqlite();
    restored(&file, &place).await;
    let found = contents(&place.options).await;
    let ids = found["delivery"].len() + found["recent_delivery"].len();
    let rows = i64::try_from(ids).unwrap();
    assert!((20..=last).contains(&rows), "20 <= {rows} <= {last}");
    let db = Db::connect(&place.options).await.unwrap();
    let ahead = inbox::look_ahead(&db, store, 0, 100_000, usize::MAX)
        .await
        .unwrap();
    // One instant: what was accepted is there without a gap, and every table tells the same.
    let numbers: Vec<i64> = ahead.rows.iter().map(|row| row.seq).collect();
    assert_eq!(numbers, (1..=rows).collect::<Vec<_>>());
    let head = format!("next_seq: {}", rows + 1);
    assert!(
        found["inbox_head"].iter().any(|row| row.contains(&head)),
        "{head}: {:?}",
        found["inbox_head"]
    );
}

async fn refuses_what_would_overwrite(test: TestDb) {
    test.store("a").await;
    let file = new_file(&test);
    std::fs::write(&file, "precious").unwrap();
    let refused = backup::write(&test.options, &file).await;
    assert!(matches!(refused, Err(BackupError::Exists(_))));
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    std::fs::remove_file(&file).unwrap();

    let half = file.with_extension("db.partial");
    std::fs::write(&half, "another's").unwrap();
    let refused = backup::write(&test.options, &file).await;
    assert!(matches!(refused, Err(BackupError::HalfWritten(_))));
    assert_eq!(std::fs::read(&half).unwrap(), b"another's");
    assert!(!file.exists());
    std::fs::remove_file(&half).unwrap();

    let nowhere = test.options.data_dir.join("no/such/directory");
    let refused = backup::write(&test.options, &nowhere).await;
    assert!(matches!(refused, Err(BackupError::File { .. })));
    backup::write(&test.options, &file).await.unwrap();
}

async fn refuses_a_database_in_use_or_not_empty(test: TestDb) {
    test.store("a").await;
    let file = new_file(&test);
    backup::write(&test.options, &file).await.unwrap();
    let before = contents(&test.options).await;
    let refused = backup::restore(&test.options, &file, None, Stores::Pause).await;
    assert!(
        matches!(refused, Err(BackupError::NotEmpty(_))),
        "{refused:?}"
    );
    assert_eq!(contents(&test.options).await, before);

    let place = Place::like(&test).await;
    let held = DataDirLock::acquire(&place.options.data_dir).unwrap();
    let refused = backup::restore(&place.options, &file, None, Stores::Pause).await;
    assert!(matches!(refused, Err(BackupError::Lock(_))), "{refused:?}");
    drop(held);
    // Of a server with another data directory.
    let held = DatabaseLock::acquire(&place.options).await.unwrap();
    let held = held.unwrap();
    let refused = backup::restore(&place.options, &file, None, Stores::Pause).await;
    assert!(matches!(refused, Err(BackupError::Lock(_))), "{refused:?}");
    held.release().await.unwrap();
    // A refusal leaves nothing in the way of another attempt.
    assert_eq!(restored(&file, &place).await.stores, 1);
}

async fn refuses_another_key_and_none(test: TestDb) {
    test.sealer.check(&test.db, NOW).await.unwrap();
    let file = new_file(&test);
    backup::write(&test.options, &file).await.unwrap();
    let place = Place::like(&test).await;
    let refused = backup::restore(&place.options, &file, None, Stores::Pause).await;
    assert!(matches!(refused, Err(BackupError::NoKey)), "{refused:?}");
    let refused = backup::restore(&place.options, &file, Some(&sealer(8)), Stores::Pause).await;
    assert!(
        matches!(refused, Err(BackupError::Sealing(_))),
        "{refused:?}"
    );
    restored(&file, &place).await;
}

async fn brings_an_older_schema_up_to_date(test: TestDb) {
    // Back to ids by day.
    test.take_back("m0005").await;
    let connection = Database::connect(&test.options.url).await.unwrap();
    connection
        .execute_unprepared("INSERT INTO delivery (store, delivery_id, day) VALUES (1, 'd', 3)")
        .await
        .unwrap();
    let file = new_file(&test);
    backup::write(&test.options, &file).await.unwrap();
    let place = Place::like(&test).await;
    restored(&file, &place).await;
    let found = contents(&place.options).await;
    assert!(
        found["delivery"][0].contains("received_at: 345599999"),
        "{:?}",
        found["delivery"]
    );

    connection
        .execute_unprepared(
            "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_of_the_future', 0)",
        )
        .await
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    let place = Place::like(&test).await;
    let refused = match backup::write(&test.options, &file).await {
        Ok(_) => backup::restore(&place.options, &file, None, Stores::Pause).await,
        Err(refused) => Err(refused),
    };
    assert!(
        matches!(&refused, Err(BackupError::Unreadable { reason, .. }) if reason.contains("m0005") || reason.contains("m9999")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn there_is_nothing_to_back_up_before_there_is_a_database() {
    let place = Place::sqlite();
    let file = place.directory.path().join("backup.db");
    let refused = backup::write(&place.options, &file).await;
    assert!(
        matches!(refused, Err(BackupError::NoDatabase(_))),
        "{refused:?}"
    );
    let left = std::fs::read_dir(place.directory.path()).unwrap().count();
    assert_eq!(left, 0, "whoever only looks makes nothing");
}

#[tokio::test]
async fn what_is_damaged_or_not_a_backup_is_not_put_back() {
    let test = TestDb::sqlite().await;
    fill(&test).await;
    let whole = new_file(&test);
    backup::write(&test.options, &whole).await.unwrap();
    let bytes = std::fs::read(&whole).unwrap();
    let mut damaged = bytes.clone();
    // Past the header and the schema: pages of rows.
    for byte in damaged.iter_mut().skip(bytes.len() / 2).take(20_000) {
        *byte = 0x5a;
    }
    let foreign = {
        let path = test.options.data_dir.join("foreign.db");
        let url = format!("sqlite://{}?mode=rwc", path.display());
        let connection = Database::connect(url).await.unwrap();
        connection
            .execute_unprepared("CREATE TABLE mine (id bigint)")
            .await
            .unwrap();
        connection.close().await.unwrap();
        std::fs::read(path).unwrap()
    };
    let cut = bytes[..bytes.len() / 2].to_vec();
    let text = b"not a database, but long enough to be one".to_vec();
    for (what, content) in [
        ("damaged", damaged),
        ("cut", cut),
        ("foreign", foreign),
        ("text", text),
        ("empty", Vec::new()),
    ] {
        let file = test.options.data_dir.join(what);
        std::fs::write(&file, content).unwrap();
        let place = Place::sqlite();
        let refused = backup::restore(&place.options, &file, Some(&sealer(7)), Stores::Pause).await;
        assert!(
            matches!(refused, Err(BackupError::Unreadable { .. })),
            "{what}: {refused:?}"
        );
        assert!(!place.directory.path().join("new.db").exists(), "{what}");
    }
}

/// On SQLite an id that came lately is kept apart; PostgreSQL looks for all of them in one table.
#[tokio::test]
#[ignore = "needs a PostgreSQL server; run tests/run"]
async fn recent_delivery_ids_are_known_on_the_other_database() {
    let test = TestDb::sqlite().await;
    let store = test.store("a").await;
    test.sealer.check(&test.db, NOW).await.unwrap();
    test.writer.accept(delivery(store, "d1")).await.unwrap();
    let file = new_file(&test);
    backup::write(&test.options, &file).await.unwrap();
    let place = Place::postgres().await;
    restored(&file, &place).await;
    let db = Db::connect(&place.options).await.unwrap();
    let writer = storekeeper::db::writer::Writer::start(&db);
    let again = writer.accept(delivery(store, "d1")).await;
    assert_eq!(again, Ok(Acceptance::Duplicate));
}
