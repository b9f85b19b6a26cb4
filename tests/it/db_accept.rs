//! Accepting deliveries: durable, numbered in commit order, never twice (D2, D3, INV-F).

use std::time::Duration;

use sea_orm::{ConnectionTrait, Database, DbBackend, Statement, TransactionTrait};
use storekeeper::db::admin::stores;
use storekeeper::db::inbox::{self, Acceptance, Delivery};
use storekeeper::db::writer::{WriteError, Writer};
use storekeeper::db::{DatabaseOptions, Db, DbError, fleet};
use storekeeper::domain::backlog::Span;
use storekeeper::ids::StoreId;
use tokio::task::JoinSet;

use crate::support::database::{NOW, TestDb, delivery, on_both_databases};

on_both_databases!(
    numbers_in_order_and_keeps_everything,
    tells_duplicates_within_a_group_and_across,
    numbers_only_what_is_new_in_a_group_of_several_stores,
    refuses_unknown_stores_alone,
    refuses_a_body_that_another_store_accepted,
    reads_rows_within_bounds,
    reads_the_same_from_memory_and_from_the_inbox,
    purges_only_behind_the_cursor,
    what_is_taken_ahead_is_remembered_and_counted_and_not_purged,
    wakes_stores_with_backlog_or_deadline_or_a_new_installation,
    forgets_old_delivery_ids,
    survives_a_restart,
);

async fn all_rows(db: &Db, store: StoreId) -> Vec<inbox::InboxRow> {
    inbox::look_ahead(db, store, 0, 1_000, usize::MAX)
        .await
        .unwrap()
        .rows
}

async fn numbers_in_order_and_keeps_everything(test: TestDb) {
    let (first, second) = (test.store("a").await, test.store("b").await);
    for (number, store) in [(1, first), (2, first), (1, second), (3, first)] {
        let sent = delivery(store, &format!("d{number}"));
        assert_eq!(
            test.writer.accept(sent).await,
            Ok(Acceptance::Accepted { seq: number })
        );
    }
    let rows = all_rows(&test.db, first).await;
    assert_eq!(
        rows.iter().map(|row| row.seq).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let (row, sent) = (&rows[1], delivery(first, "d2"));
    assert_eq!(
        (&row.topic, &row.delivery_id, &row.body),
        (&sent.topic, &sent.delivery_id, &sent.body)
    );
    assert_eq!(
        (row.triggered_at, &row.api_version, row.received_at),
        (Some(NOW), &sent.api_version, NOW)
    );
    assert_eq!(row.event_id, None);
    let ahead = inbox::look_ahead(&test.db, first, 0, 1, usize::MAX).await;
    assert_eq!(ahead.unwrap().last_seq, 3);
}

async fn tells_duplicates_within_a_group_and_across(test: TestDb) {
    let store = test.store("a").await;
    let mut sent = JoinSet::new();
    for number in 0..300 {
        let writer = test.writer.clone();
        // Every id three times, all at once: most fall into groups together.
        sent.spawn(async move {
            writer
                .accept(delivery(store, &format!("d{}", number % 100)))
                .await
                .unwrap()
        });
    }
    let outcomes = sent.join_all().await;
    assert_eq!(
        outcomes
            .iter()
            .filter(|outcome| **outcome == Acceptance::Duplicate)
            .count(),
        200
    );
    let seqs: Vec<i64> = all_rows(&test.db, store)
        .await
        .iter()
        .map(|row| row.seq)
        .collect();
    assert_eq!(seqs, (1..=100).collect::<Vec<_>>());
    assert_eq!(
        test.writer.accept(delivery(store, "d5")).await,
        Ok(Acceptance::Duplicate)
    );
    let ahead = inbox::look_ahead(&test.db, store, 100, 1, usize::MAX).await;
    assert_eq!(ahead.unwrap().last_seq, 100);
}

/// So many groups without a repeated id are followed by one that is written as if none were.
const CALM_GROUPS: u32 = 40;

/// First all are new, then all but a few, then a third: whichever way a group is written, the outcome is the same.
async fn numbers_only_what_is_new_in_a_group_of_several_stores(test: TestDb) {
    let stores = [test.store("a").await, test.store("b").await];
    let calm = test.store("calm").await;
    for number in 0..CALM_GROUPS {
        let alone = delivery(calm, &format!("calm{number}"));
        assert!(test.writer.accept(alone).await.is_ok());
    }
    let mut known = 0;
    for (from, to) in [(0, 60), (56, 120), (80, 140)] {
        let mut sent = JoinSet::new();
        for number in from..to {
            for store in [stores[0], stores[1], StoreId(99)] {
                let writer = test.writer.clone();
                sent.spawn(async move {
                    let outcome = writer.accept(delivery(store, &format!("d{number}"))).await;
                    (store, number, outcome)
                });
            }
        }
        for (store, number, outcome) in sent.join_all().await {
            let is_right = match outcome {
                Ok(Acceptance::Accepted { seq }) => {
                    number >= known && (known + 1..=to).contains(&seq)
                }
                Ok(Acceptance::Duplicate) => number < known,
                Ok(Acceptance::SharedBody) => false,
                Err(error) => store == StoreId(99) && error == WriteError::UnknownStore,
            };
            assert!(is_right, "d{number} of {store:?}, {known} known");
        }
        known = to;
        for store in stores {
            let seqs: Vec<i64> = all_rows(&test.db, store)
                .await
                .iter()
                .map(|row| row.seq)
                .collect();
            assert_eq!(seqs, (1..=known).collect::<Vec<_>>());
        }
    }
}

async fn refuses_unknown_stores_alone(test: TestDb) {
    let store = test.store("a").await;
    let mut sent = JoinSet::new();
    for number in 0..40 {
        let writer = test.writer.clone();
        let to = if number == 20 { StoreId(99) } else { store };
        sent.spawn(async move { writer.accept(delivery(to, &format!("d{number}"))).await });
    }
    let outcomes = sent.join_all().await;
    let refused: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_err()).collect();
    assert_eq!(refused, [&Err(WriteError::UnknownStore)]);
    assert_eq!(all_rows(&test.db, store).await.len(), 39);
}

async fn refuses_a_body_that_another_store_accepted(test: TestDb) {
    let (first, second) = (test.store("a").await, test.store("b").await);
    let with_digest = |store, id: &str, received_at| {
        let mut sent = delivery(store, id);
        sent.shared_digest = Some([9; 32]);
        sent.received_at = received_at;
        sent
    };
    let days = |days: i64| NOW.plus_millis(days * 24 * 60 * 60 * 1000);
    let accept = |sent| test.writer.accept(sent);
    assert_eq!(
        accept(with_digest(first, "d1", NOW)).await,
        Ok(Acceptance::Accepted { seq: 1 })
    );
    assert_eq!(
        accept(with_digest(second, "d2", days(6))).await,
        Ok(Acceptance::SharedBody)
    );
    assert_eq!(
        accept(with_digest(first, "d3", days(6))).await,
        Ok(Acceptance::Accepted { seq: 2 })
    );
    assert_eq!(all_rows(&test.db, second).await, []);
    // Nothing was written, so the same delivery is no duplicate once the body may pass.
    assert_eq!(
        accept(with_digest(second, "d2", days(14))).await,
        Ok(Acceptance::Accepted { seq: 1 })
    );
}

async fn reads_rows_within_bounds(test: TestDb) {
    let store = test.store("a").await;
    for number in 0..10 {
        let mut sent = delivery(store, &format!("d{number}"));
        sent.body = vec![b'x'; 100].into();
        test.writer.accept(sent).await.unwrap();
    }
    let read = async |after, limit, bytes| {
        let ahead = inbox::look_ahead(&test.db, store, after, limit, bytes).await;
        let ahead = ahead.unwrap();
        assert_eq!(ahead.last_seq, 10, "the head, whatever is read");
        ahead.rows.len()
    };
    assert_eq!(read(0, 4, usize::MAX).await, 4);
    assert_eq!(read(8, 4, usize::MAX).await, 2);
    assert_eq!(read(0, 10, 350).await, 3);
    // A body larger than the bound still comes, alone.
    assert_eq!(read(0, 10, 1).await, 1);
    assert_eq!(read(10, 10, 1).await, 0);
    assert_eq!(read(0, 0, usize::MAX).await, 0);
}

/// Whoever accepted them has them in memory, and whoever did not reads them from the inbox.
async fn reads_the_same_from_memory_and_from_the_inbox(test: TestDb) {
    let store = test.store("a").await;
    let other = Db::connect(&test.options).await.unwrap();
    let (mut after, mut accepted) = (0, 0);
    for (limit, bytes) in [
        (3, 1_000),
        (1, 1_000),
        (9, 120),
        (9, 1),
        (0, 9),
        (400, 100_000),
    ] {
        for number in accepted..accepted + 7 {
            let mut sent = delivery(store, &format!("d{number}"));
            sent.event_id = (number % 3 > 0).then(|| "e".repeat(number % 3 - 1));
            sent.triggered_at = (number % 4 > 0).then_some(NOW);
            sent.api_version = (number % 5 > 0).then(|| "2026-10".to_owned());
            sent.body = vec![b'x'; number * 7].into();
            test.writer.accept(sent).await.unwrap();
        }
        accepted += 7;
        let look = async |db| {
            inbox::look_ahead(db, store, after, limit, bytes)
                .await
                .unwrap()
        };
        let (here, there) = (look(&test.db).await, look(&other).await);
        assert_eq!(
            here.rows, there.rows,
            "after {after}, {limit} rows, {bytes} bytes"
        );
        assert_eq!(
            (here.last_seq, here.installed_at),
            (there.last_seq, there.installed_at)
        );
        after = here.rows.last().map_or(after, |row| row.seq);
    }
    assert_eq!(after, 42, "all of them");
}

async fn purges_only_behind_the_cursor(test: TestDb) {
    let store = test.store("a").await;
    for number in 0..5 {
        test.writer
            .accept(delivery(store, &format!("d{number}")))
            .await
            .unwrap();
    }
    let (grant, activation) = test.activate(store).await;
    let mut commit = crate::support::database::share(store, grant, &activation);
    commit.record.cursor = 3;
    test.writer.commit(commit).await.unwrap();
    assert_eq!(test.writer.purge(store, 100).await, Ok(3));
    let other = Db::connect(&test.options).await.unwrap();
    let rows = all_rows(&other, store).await;
    let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    assert_eq!(seqs, [4, 5]);
    assert_eq!(
        test.writer.accept(delivery(store, "d0")).await,
        Ok(Acceptance::Duplicate)
    );
}

async fn what_is_taken_ahead_is_remembered_and_counted_and_not_purged(test: TestDb) {
    let store = test.store("a").await;
    for number in 0..10 {
        let sent = delivery(store, &format!("d{number}"));
        test.writer.accept(sent).await.unwrap();
    }
    let (grant, activation) = test.activate(store).await;
    let mut commit = crate::support::database::share(store, grant, &activation);
    commit.record.cursor = 2;
    commit.record.ahead = [Span { from: 5, to: 7 }, Span { from: 9, to: 10 }];
    test.writer.commit(commit.clone()).await.unwrap();
    let loaded = test.activate(store).await.1.loaded.keeper;
    assert_eq!(
        (loaded.cursor, loaded.ahead),
        (commit.record.cursor, commit.record.ahead)
    );
    let totals = fleet::totals(&test.db).await.unwrap();
    assert_eq!((totals.backlog, totals.oldest_received_at), (5, Some(NOW)));
    assert_eq!(test.writer.purge(store, 100).await, Ok(2));
    let woken = fleet::stores_to_wake(&test.db, NOW, None, 10).await;
    assert_eq!(woken.unwrap(), [store]);
}

async fn wakes_stores_with_backlog_or_deadline_or_a_new_installation(test: TestDb) {
    let (busy, timed, idle) = (
        test.store("a").await,
        test.store("b").await,
        test.store("c").await,
    );
    test.writer.accept(delivery(busy, "d1")).await.unwrap();
    for store in [timed, idle] {
        let (grant, activation) = test.activate(store).await;
        let mut commit = crate::support::database::share(store, grant, &activation);
        commit.record.wake_at = (store == timed).then(|| NOW.plus_millis(1_000));
        test.writer.commit(commit).await.unwrap();
    }
    let wake = async |now| {
        fleet::stores_to_wake(&test.db, now, None, 10)
            .await
            .unwrap()
    };
    assert_eq!(wake(NOW).await, [busy]);
    assert_eq!(wake(NOW.plus_millis(1_000)).await, [busy, timed]);
    let anew = stores::StorePatch {
        installed_anew: true,
        ..stores::StorePatch::default()
    };
    let later = NOW.plus_millis(5);
    stores::update(&test.db, &test.sealer, idle, anew, later)
        .await
        .unwrap();
    assert_eq!(
        wake(NOW).await,
        [busy],
        "its keeper has not said what it knows"
    );
    let (grant, activation) = test.activate(idle).await;
    let mut commit = crate::support::database::share(idle, grant, &activation);
    commit.record.installation = Some(NOW);
    test.writer.commit(commit).await.unwrap();
    assert_eq!(wake(NOW).await, [busy, idle], "installed again since");
    let (grant, activation) = test.activate(idle).await;
    let mut commit = crate::support::database::share(idle, grant, &activation);
    commit.record.installation = activation.loaded.installed_at;
    test.writer.commit(commit).await.unwrap();
    assert_eq!(wake(NOW).await, [busy]);
    let totals = fleet::totals(&test.db).await.unwrap();
    assert_eq!((totals.stores, totals.received, totals.backlog), (3, 1, 1));
    assert_eq!(totals.oldest_received_at, Some(NOW));
    let others = fleet::totals_without(&test.db, &[busy, idle]).await;
    let others = others.unwrap();
    assert_eq!(
        (others.stores, others.backlog, others.oldest_received_at),
        (1, 0, None)
    );
    let counts = fleet::list_counts(&test.db, Some(busy), 10).await.unwrap();
    assert_eq!(
        counts.iter().map(|counts| counts.store).collect::<Vec<_>>(),
        [timed, idle]
    );
    stores::delete(&test.db, idle, NOW).await.unwrap();
    let totals = fleet::totals(&test.db).await.unwrap();
    assert_eq!(totals.stores, 2, "deleted stores are not counted");
}

async fn forgets_old_delivery_ids(test: TestDb) {
    let store = test.store("a").await;
    test.writer.accept(delivery(store, "old")).await.unwrap();
    let mut young = delivery(store, "young");
    young.received_at = NOW.plus_millis(3 * 24 * 60 * 60 * 1000);
    test.writer.accept(young.clone()).await.unwrap();
    assert_eq!(test.writer.purge_deliveries(young.received_at).await, Ok(1));
    assert_eq!(
        test.writer.accept(delivery(store, "old")).await,
        Ok(Acceptance::Accepted { seq: 3 })
    );
    assert_eq!(test.writer.accept(young).await, Ok(Acceptance::Duplicate));
}

async fn survives_a_restart(test: TestDb) {
    let store = test.store("a").await;
    test.writer.accept(delivery(store, "d1")).await.unwrap();
    test.db.close().await.unwrap();
    let again = Db::connect(&test.options).await.unwrap();
    assert_eq!(all_rows(&again, store).await.len(), 1);
    let writer = storekeeper::db::writer::Writer::start(&again);
    assert_eq!(
        writer.accept(delivery(store, "d1")).await,
        Ok(Acceptance::Duplicate)
    );
    // The old handle's connections are gone: an error, and no panic.
    assert!(
        matches!(test.writer.accept(delivery(store, "d2")).await, Err(WriteError::Db(error)) if error.is_transient())
    );
}

#[tokio::test]
async fn a_full_database_refuses_and_recovers() {
    let test = TestDb::sqlite().await;
    let store = test.store("a").await;
    let large = |id: &str| {
        let mut sent = delivery(store, id);
        sent.body = vec![b'x'; 4 * 1024 * 1024].into();
        sent
    };
    let mut options = test.options.clone();
    options.pages_max = Some(200);
    let full = Db::connect(&options).await.unwrap();
    let writer = storekeeper::db::writer::Writer::start(&full);
    assert_eq!(
        writer.accept(large("d1")).await,
        Err(WriteError::Db(DbError::Full))
    );
    // Nothing of it was written, and what is small enough still passes.
    assert_eq!(
        writer.accept(delivery(store, "d2")).await,
        Ok(Acceptance::Accepted { seq: 1 })
    );
    full.close().await.unwrap();
    let roomy = Db::connect(&test.options).await.unwrap();
    let writer = storekeeper::db::writer::Writer::start(&roomy);
    assert_eq!(
        writer.accept(large("d1")).await,
        Ok(Acceptance::Accepted { seq: 2 })
    );
    for known in ["d1", "d2"] {
        assert_eq!(
            writer.accept(delivery(store, known)).await,
            Ok(Acceptance::Duplicate),
            "{known}"
        );
    }
}

/// The bounds are so low that ids are filed all the time, and each round of that breaks off somewhere else.
#[tokio::test]
async fn recent_ids_are_known_wherever_their_filing_breaks_off() {
    let test = TestDb::sqlite().await;
    let store = test.store("a").await;
    let mut options = test.options.clone();
    (options.writer.recent_ids_max, options.writer.bulk_rows_max) = (12, 4);
    let counts = async || {
        let sql = "SELECT (SELECT count(*) FROM recent_delivery), (SELECT count(*) FROM delivery)";
        let row = rows(&test.options, sql).await.remove(0);
        let count = |index| row.try_get_by_index::<i64>(index).unwrap();
        (count(0), count(1))
    };
    // In no order, as the platform's are.
    let id = |number: i64| format!("d{:05}", number * 7_919 % 10_007);
    let mut last = 0;
    for life in 0..30 {
        let db = Db::connect(&options).await.unwrap();
        let writer = Writer::start(&db);
        for _ in 0..life {
            last += 1;
            let fresh = writer.accept(delivery(store, &id(last))).await;
            assert_eq!(fresh, Ok(Acceptance::Accepted { seq: last }));
            let (recent, _filed) = counts().await;
            assert!(recent <= 3 * 12, "{recent} in life {life}");
        }
        let again = (1..=last).map(|number| writer.accept(delivery(store, &id(number))));
        for again in futures_util::future::join_all(again).await {
            assert_eq!(again, Ok(Acceptance::Duplicate), "in life {life}");
        }
        db.close().await.unwrap();
    }
    let (recent, filed) = counts().await;
    assert!(
        recent + filed >= last && filed > last / 2,
        "{filed} of {last} filed"
    );
}

/// However many ids an earlier process left, a new connection knows them all before it takes another.
#[tokio::test]
async fn a_list_of_recent_ids_longer_than_a_transaction_may_last_is_read_all_the_same() {
    const IDS: i64 = 600_000;
    let test = TestDb::sqlite().await;
    let store = test.store("a").await;
    let connection = Database::connect(&test.options.url).await.unwrap();
    let listed = format!(
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {IDS}) \
         INSERT INTO recent_delivery (store, delivery_id, received_at) \
         SELECT {store}, 'd' || (n * 7919 % 1000003), {} FROM c",
        NOW.as_millis()
    );
    connection.execute_unprepared(&listed).await.unwrap();
    connection.close().await.unwrap();
    let mut options = test.options.clone();
    options.writer.group_timeout = Duration::from_millis(400);
    options.writer.recent_ids_max = 10_000_000;
    let db = Db::connect(&options).await.unwrap();
    let writer = Writer::start(&db);
    for number in [1, IDS] {
        let known = format!("d{}", number * 7_919 % 1_000_003);
        let again = accept_in_the_end(&writer, delivery(store, &known)).await;
        assert_eq!(again, Ok(Acceptance::Duplicate), "{known}");
    }
    let fresh = accept_in_the_end(&writer, delivery(store, "fresh")).await;
    assert_eq!(fresh, Ok(Acceptance::Accepted { seq: 1 }));
}

/// A machine that stands still for a moment may miss the time of a transaction; one that never makes it is at fault.
async fn accept_in_the_end(writer: &Writer, delivery: Delivery) -> Result<Acceptance, WriteError> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        match writer.accept(delivery.clone()).await {
            Err(WriteError::Db(error))
                if error.is_transient() && tokio::time::Instant::now() < deadline => {}
            outcome => return outcome,
        }
    }
}

/// An id that is filed is kept to the end of its hour, and one that is not as long as it says.
#[tokio::test]
async fn forgets_old_ids_filed_or_not() {
    let test = TestDb::sqlite().await;
    let store = test.store("a").await;
    let mut options = test.options.clone();
    (options.writer.recent_ids_max, options.writer.bulk_rows_max) = (4, 2);
    let db = Db::connect(&options).await.unwrap();
    let writer = Writer::start(&db);
    let accept = async |number: i64| {
        let mut sent = delivery(store, &format!("d{number}"));
        sent.received_at = NOW.plus_millis(number);
        writer.accept(sent).await.unwrap()
    };
    for number in 0..30 {
        assert_eq!(
            accept(number).await,
            Acceptance::Accepted { seq: number + 1 }
        );
    }
    let hour_ms = 60 * 60 * 1000;
    let end_of_hour = NOW.plus_millis(hour_ms - NOW.as_millis() % hour_ms - 1);
    for (before, kept) in [(NOW, true), (end_of_hour.plus_millis(1), false)] {
        writer.purge_deliveries(before).await.unwrap();
        for number in 0..30 {
            let is_known = accept(number).await == Acceptance::Duplicate;
            assert_eq!(is_known, kept, "{number} after {before:?}");
        }
    }
}

async fn rows(options: &DatabaseOptions, sql: &str) -> Vec<sea_orm::QueryResult> {
    let connection = Database::connect(&options.url).await.unwrap();
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await.unwrap();
    connection.close().await.unwrap();
    rows
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server; run tests/run"]
async fn a_lost_connection_refuses_and_recovers() {
    let test = TestDb::postgres().await;
    let store = test.store("a").await;
    test.writer.accept(delivery(store, "d1")).await.unwrap();
    let other = Database::connect(&test.options.url).await.unwrap();
    let end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    other.execute_unprepared(end_all).await.unwrap();
    let accepted =
        until_it_recovers(
            async || match test.writer.accept(delivery(store, "d2")).await {
                Ok(acceptance) => Ok(acceptance),
                Err(WriteError::Db(error)) => Err(error),
                Err(error) => panic!("{error:?}"),
            },
        );
    assert_eq!(accepted.await, Acceptance::Accepted { seq: 2 });
    let rows =
        until_it_recovers(async || inbox::look_ahead(&test.db, store, 0, 10, usize::MAX).await)
            .await
            .rows;
    assert_eq!(rows.len(), 2);
}

/// Repeats what fails while connections are replaced; each failure must say that it passes.
async fn until_it_recovers<T>(attempt: impl AsyncFn() -> Result<T, DbError>) -> T {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
        assert!(tokio::time::Instant::now() < deadline, "never recovered");
    }
}

/// D3: a number becomes visible only after all lower ones of its store.
#[tokio::test]
#[ignore = "needs a PostgreSQL server; run tests/run"]
async fn a_later_transaction_cannot_become_visible_before_an_open_one() {
    let test = TestDb::postgres().await;
    let (held, free) = (test.store("a").await, test.store("b").await);
    let other_node = Database::connect(&test.options.url).await.unwrap();
    let open = other_node.begin().await.unwrap();
    let take =
        "UPDATE inbox_head SET next_seq = next_seq + 1, received = received + 1 WHERE store = $1";
    open.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        take,
        [held.0.into()],
    ))
    .await
    .unwrap();
    let insert = "INSERT INTO inbox (store, seq, topic, delivery_id, received_at, body) VALUES ($1, 1, 't', 'd', 0, '')";
    open.execute_raw(Statement::from_sql_and_values(
        DbBackend::Postgres,
        insert,
        [held.0.into()],
    ))
    .await
    .unwrap();

    let later = tokio::spawn({
        let writer = test.writer.clone();
        async move { writer.accept(delivery(held, "later")).await }
    });
    // The later transaction waits for the lock of the head, as the server itself tells.
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
        AND datname = current_database()";
    let deadline = tokio::time::Instant::now() + Duration::from_secs(4);
    loop {
        let row = other_node
            .query_one_raw(Statement::from_string(DbBackend::Postgres, waiting))
            .await
            .unwrap()
            .unwrap();
        if row.try_get_by_index::<i64>(0).unwrap() > 0 {
            break;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "the later transaction never waited"
        );
    }
    assert!(!later.is_finished());
    assert_eq!(all_rows(&test.db, held).await, []);
    open.commit().await.unwrap();
    assert_eq!(later.await.unwrap(), Ok(Acceptance::Accepted { seq: 2 }));
    assert_eq!(
        all_rows(&test.db, held)
            .await
            .iter()
            .map(|row| row.seq)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(
        test.writer.accept(delivery(free, "d1")).await,
        Ok(Acceptance::Accepted { seq: 1 })
    );
}
