//! Commits of keepers: fenced, grouped, all or nothing (D5, D6, INV-E).

use std::time::Duration;

use storekeeper::db::admin::audit::{self, AuditEntry};
use storekeeper::db::dead_letters::DeadLetterFilter;
use storekeeper::db::keepers::Activation;
use storekeeper::db::writer::{CommitError, WriteError};
use storekeeper::db::{
    DatabaseOptions, Db, DbError, dead_letters, idempotency, keepers, orders, parking,
};
use storekeeper::domain::bundle::{Bundle, Component, Mode, Recipe};
use storekeeper::domain::call::Write;
use storekeeper::domain::order::{Cell, Doubt, OrderState};
use storekeeper::domain::store::change::{
    CallRecord, Change, Changes, DeadLetterClass, DeadLetterRecord, IdempotentReply, ItemRecord,
    LevelRecord, ParkedRecord,
};
use storekeeper::domain::store::letter_edit::{DeedRecord, EditedBody, LetterEdit};
use storekeeper::ids::{
    BundleId, CallId, DeadLetterId, GrantId, ItemId, LineId, LocationId, OrderId, ProductId,
    StoreId, VariantId,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::database::{NOW, TestDb, delivery, on_both_databases, share};

on_both_databases!(
    what_was_committed_is_loaded,
    a_doubt_about_a_place_keeps_an_order_at_hand_until_a_read_ends_it,
    a_stale_grant_writes_nothing,
    a_stale_number_writes_nothing,
    deletes_what_it_is_told_to,
    a_bad_share_fails_alone,
    a_fenced_share_does_not_hinder_its_group,
    shares_of_one_store_keep_their_order,
    parks_and_unparks_with_the_body,
    a_dead_letter_keeps_its_row,
    a_dead_letter_is_revived_or_discarded,
    an_edited_dead_letter_is_revived_with_its_new_body_and_a_deed,
    a_dead_letter_that_is_gone_revives_nothing,
    only_registered_stores_are_activated,
    writes_many_rows,
);

const ITEM: ItemId = ItemId(9_007_199_254_740_993);
const LOCATION: LocationId = LocationId(5);

fn item(number: i64) -> ItemRecord {
    ItemRecord {
        item: ItemId(number),
        variant: Some(VariantId(number + 1)),
        product: None,
        tracked: true,
        sells_when_out: false,
        composite: false,
        gone: false,
        unusable: true,
    }
}

fn level(available: Option<i64>) -> LevelRecord {
    LevelRecord {
        item: ITEM,
        location: LOCATION,
        available,
        stamp: NOW,
        unsure: true,
    }
}

fn bundle() -> Bundle {
    let component = Component {
        item: ITEM,
        variant: VariantId(2),
        product: ProductId(3),
        quantity: 2,
        optional: false,
    };
    Bundle {
        id: BundleId(Uuid::from_u128(1)),
        title: "Breakfast \"for two\" ☕".to_owned(),
        item: ItemId(77),
        variant: VariantId(78),
        product: ProductId(79),
        mode: Mode::Pooled,
        cap: Some(9),
        recipes: vec![Recipe {
            effective_from: NOW,
            effective_to: None,
            components: vec![component],
        }],
        deleted: false,
    }
}

/// From text, as it comes back from the database: fields that an order gains later have defaults there.
fn order(number: i64, applied: i64) -> OrderState {
    let cell = Cell {
        line: LineId(1),
        item: ITEM,
        location: LOCATION,
        desired: 2,
        applied,
        blocked: false,
    };
    serde_json::from_value(serde_json::json!({
        "order": number, "created_at": NOW, "updated_at": NOW, "digest": u64::MAX, "deleted": false, "location": null,
        "lines": { "9007199254740993": { "bundle": Uuid::nil(), "quantity": 1, "needs": { "5": 2 } } },
        "refunds": {}, "assignments": null, "needs_read": false, "needs_assignments": false, "cells": [cell],
    }))
    .unwrap()
}

fn call(number: u128) -> CallRecord {
    CallRecord {
        id: CallId(Uuid::from_u128(number)),
        write: Write::Activate {
            item: ITEM,
            location: LOCATION,
            available: 3,
        },
        created_at: NOW,
        attempts: 2,
        due_at: NOW.plus_millis(1),
    }
}

fn parked(seq: i64, attempts: u32) -> ParkedRecord {
    ParkedRecord {
        seq,
        lane: OrderId(4),
        attempts,
        due_at: NOW,
        behind_seq: 9,
    }
}

fn changes(all: impl IntoIterator<Item = Change>) -> Changes {
    let mut changes = Changes::default();
    for change in all {
        changes.put(change);
    }
    changes
}

async fn what_was_committed_is_loaded(test: TestDb) {
    let store = test.store("a").await;
    let (grant, activation) = test.activate(store).await;
    assert_eq!(activation.applied_seq, 0);
    let mut commit = share(store, grant, &activation);
    commit.record.applied = 4;
    commit.record.wake_at = Some(NOW);
    commit.record.memo.platform_ahead_ms = -7;
    let reply = IdempotentReply {
        key: "key".to_owned(),
        digest: "digest".to_owned(),
        status: 201,
        body: "{}".to_owned(),
        at: NOW,
    };
    commit.changes = changes([
        Change::PutItem(item(1)),
        Change::PutLevel(level(None)),
        Change::PutBundle(bundle()),
        Change::PutOrder(order(1, 2)),
        Change::PutOrder(order(2, 1)),
        Change::PutCall(call(1)),
        Change::PutIdempotentReply(reply.clone()),
    ]);
    let record = commit.record.clone();
    test.writer.commit(commit).await.unwrap();

    let (_, activation) = test.activate(store).await;
    let loaded = activation.loaded;
    assert_eq!(activation.applied_seq, 1);
    assert_eq!(loaded.keeper, record);
    assert_eq!(loaded.installed_at, Some(NOW));
    assert_eq!(loaded.items, [item(1)]);
    assert_eq!(loaded.levels, [level(None)]);
    assert_eq!(loaded.bundles, [bundle()]);
    assert_eq!(loaded.pending_orders, [order(2, 1)]);
    assert_eq!(loaded.known_orders, [OrderId(1), OrderId(2)]);
    assert_eq!(loaded.calls, [call(1)]);
    assert_eq!(
        orders::load(&test.db, store, &[OrderId(1), OrderId(3)])
            .await
            .unwrap(),
        [order(1, 2)]
    );
    assert_eq!(
        idempotency::find(&test.db, store, "key").await.unwrap(),
        Some(reply)
    );
    assert_eq!(
        idempotency::find(&test.db, StoreId(2), "key")
            .await
            .unwrap(),
        None
    );
    assert_eq!(keepers::find(&test.db, store).await.unwrap(), Some(record));
}

async fn a_doubt_about_a_place_keeps_an_order_at_hand_until_a_read_ends_it(test: TestDb) {
    let store = test.store("a").await;
    let doubted = |number, until_reading| OrderState {
        doubt: Some(Doubt {
            since: NOW,
            until_reading,
        }),
        ..order(number, 2)
    };
    let (grant, activation) = test.activate(store).await;
    let mut commit = share(store, grant, &activation);
    commit.changes = changes([
        Change::PutOrder(order(1, 2)),
        Change::PutOrder(doubted(2, 7)),
        Change::PutOrder(doubted(3, 8)),
        Change::PutOrder(order(4, 1)),
    ]);
    test.writer.commit(commit).await.unwrap();

    let (grant, activation) = test.activate(store).await;
    let at_hand = |activation: &Activation| {
        let orders = activation.loaded.pending_orders.iter();
        let mut ids = orders.map(|order| order.order.0).collect::<Vec<_>>();
        ids.sort_unstable();
        ids
    };
    assert_eq!(at_hand(&activation), [2, 3, 4]);
    // No order is written by the read that ends their doubts.
    let mut commit = share(store, grant, &activation);
    commit.record.memo.places_confirmed = 7;
    test.writer.commit(commit).await.unwrap();
    let (_, activation) = test.activate(store).await;
    assert_eq!(at_hand(&activation), [3, 4]);
}

async fn a_stale_grant_writes_nothing(test: TestDb) {
    let store = test.store("a").await;
    let (old_grant, old) = test.activate(store).await;
    let (grant, activation) = test.activate(store).await;
    let mut stale = share(store, old_grant, &old);
    stale.record.cursor = 100;
    stale.changes = changes([Change::PutItem(item(1))]);
    assert_eq!(test.writer.commit(stale).await, Err(CommitError::Fenced));
    test.writer
        .commit(share(store, grant, &activation))
        .await
        .unwrap();
    let (_, after) = test.activate(store).await;
    assert_eq!(
        (after.loaded.keeper.cursor, after.loaded.items),
        (0, vec![])
    );
}

async fn a_stale_number_writes_nothing(test: TestDb) {
    let store = test.store("a").await;
    let (grant, activation) = test.activate(store).await;
    test.writer
        .commit(share(store, grant, &activation))
        .await
        .unwrap();
    let mut stale = share(store, grant, &activation);
    stale.record.cursor = 100;
    stale.changes = changes([Change::PutItem(item(1))]);
    assert_eq!(test.writer.commit(stale).await, Err(CommitError::Fenced));
    let (_, after) = test.activate(store).await;
    assert_eq!(
        (
            after.applied_seq,
            after.loaded.keeper.cursor,
            after.loaded.items
        ),
        (1, 0, vec![])
    );
}

async fn deletes_what_it_is_told_to(test: TestDb) {
    let (store, other) = (test.store("a").await, test.store("b").await);
    for store in [store, other] {
        let (grant, activation) = test.activate(store).await;
        let mut commit = share(store, grant, &activation);
        commit.changes = changes([
            Change::PutLevel(level(Some(-3))),
            Change::PutCall(call(1)),
            Change::PutCall(call(2)),
        ]);
        test.writer.commit(commit).await.unwrap();
    }
    let (grant, activation) = test.activate(store).await;
    let mut commit = share(store, grant, &activation);
    commit.changes = changes([
        Change::DeleteLevel(ITEM, LOCATION),
        Change::DeleteCall(call(1).id),
    ]);
    test.writer.commit(commit).await.unwrap();
    let (_, after) = test.activate(store).await;
    assert_eq!(
        (after.loaded.levels, after.loaded.calls),
        (vec![], vec![call(2)])
    );
    let (_, untouched) = test.activate(other).await;
    assert_eq!(
        (untouched.loaded.levels.len(), untouched.loaded.calls.len()),
        (1, 2)
    );
}

async fn a_bad_share_fails_alone(test: TestDb) {
    let mut commits = JoinSet::new();
    for number in 0..12 {
        let store = test.store(&format!("store {number}")).await;
        let (grant, activation) = test.activate(store).await;
        let mut commit = share(store, grant, &activation);
        commit.changes = changes([Change::PutItem(item(1))]);
        if number == 5 {
            // No such row: the database cannot do what the share says.
            commit.changes.put(Change::Park(parked(404, 0)));
        }
        let writer = test.writer.clone();
        commits.spawn(async move { (number, store, writer.commit(commit).await) });
    }
    for (number, store, result) in commits.join_all().await {
        let (_, after) = test.activate(store).await;
        if number == 5 {
            assert!(
                matches!(result, Err(CommitError::Refused(DbError::Broken(_)))),
                "{result:?}"
            );
            assert_eq!((after.applied_seq, after.loaded.items.len()), (0, 0));
        } else {
            assert_eq!(result, Ok(()));
            assert_eq!((after.applied_seq, after.loaded.items.len()), (1, 1));
        }
    }
}

async fn a_fenced_share_does_not_hinder_its_group(test: TestDb) {
    let mut commits = Vec::new();
    for number in 0..10 {
        let store = test.store(&format!("store {number}")).await;
        let (grant, activation) = test.activate(store).await;
        let mut commit = share(store, grant, &activation);
        commit.record.cursor = 1;
        commit.changes = changes([Change::PutItem(item(1))]);
        if number % 2 == 1 {
            // Its successor has been activated in the meantime.
            test.activate(store).await;
        }
        commits.push((store, commit));
    }
    let stores: Vec<StoreId> = commits.iter().map(|(store, _)| *store).collect();
    let results = commits
        .into_iter()
        .map(|(_, commit)| test.writer.commit(commit));
    let results = futures_util::future::join_all(results).await;
    for (position, (store, result)) in stores.into_iter().zip(results).enumerate() {
        let expected = if position % 2 == 1 {
            Err(CommitError::Fenced)
        } else {
            Ok(())
        };
        assert_eq!(result, expected);
        let after = test.activate(store).await.1;
        let written = i64::from(expected.is_ok());
        assert_eq!(
            (after.applied_seq, after.loaded.keeper.cursor),
            (written, written)
        );
        assert_eq!(after.loaded.items.len(), usize::from(expected.is_ok()));
    }
}

async fn shares_of_one_store_keep_their_order(test: TestDb) {
    let store = test.store("a").await;
    let (grant, activation) = test.activate(store).await;
    let mut commits = Vec::new();
    for number in 0..20 {
        let mut commit = share(store, grant, &activation);
        commit.applied_seq = number;
        commit.record.cursor = number + 1;
        commits.push(test.writer.commit(commit));
    }
    // Polled in order, all before the first answer: they wait together and none overtakes another.
    let results = futures_util::future::join_all(commits).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(test.activate(store).await.1.loaded.keeper.cursor, 20);
}

async fn commit_changes(
    test: &TestDb,
    store: StoreId,
    cursor: i64,
    all: impl IntoIterator<Item = Change>,
) {
    let (grant, activation): (GrantId, _) = test.activate(store).await;
    let mut commit = share(store, grant, &activation);
    commit.record.cursor = cursor;
    commit.changes = changes(all);
    test.writer.commit(commit).await.unwrap();
}

async fn parks_and_unparks_with_the_body(test: TestDb) {
    let store = test.store("a").await;
    for number in 1..=3 {
        test.writer
            .accept(delivery(store, &format!("d{number}")))
            .await
            .unwrap();
    }
    commit_changes(
        &test,
        store,
        3,
        [Change::Park(parked(1, 0)), Change::Park(parked(3, 0))],
    )
    .await;
    test.writer.purge(store, 3).await.unwrap();
    let rows = parking::load(&test.db, store, &[1, 2, 3]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(rows[1].body, delivery(store, "d3").body);
    // The inbox row is gone by now: only the schedule changes.
    commit_changes(
        &test,
        store,
        3,
        [Change::Park(parked(1, 1)), Change::Unpark(3)],
    )
    .await;
    assert_eq!(test.activate(store).await.1.loaded.parked, [parked(1, 1)]);
    assert_eq!(
        parking::load(&test.db, store, &[1]).await.unwrap()[0].body,
        delivery(store, "d1").body
    );
}

fn letter(number: u128, seq: Option<i64>, class: DeadLetterClass) -> DeadLetterRecord {
    let id = DeadLetterId(Uuid::from_u128(number));
    DeadLetterRecord {
        id,
        seq,
        class,
        reason: "no such order".to_owned(),
        at: NOW,
    }
}

/// A store with three dead letters: one from a lane, one from the inbox, one from a write; their inbox rows are purged.
async fn store_with_letters(test: &TestDb) -> (StoreId, [DeadLetterRecord; 3]) {
    let store = test.store("a").await;
    for number in 1..=2 {
        test.writer
            .accept(delivery(store, &format!("d{number}")))
            .await
            .unwrap();
    }
    commit_changes(test, store, 1, [Change::Park(parked(1, 0))]).await;
    test.writer.purge(store, 1).await.unwrap();
    let letters = [
        letter(1, Some(1), DeadLetterClass::EntityMissing),
        DeadLetterRecord {
            at: NOW.plus_millis(1),
            ..letter(2, Some(2), DeadLetterClass::Malformed)
        },
        letter(3, None, DeadLetterClass::Rejected),
    ];
    commit_changes(test, store, 2, letters.clone().map(Change::PutDeadLetter)).await;
    test.writer.purge(store, 2).await.unwrap();
    (store, letters)
}

async fn a_dead_letter_keeps_its_row(test: TestDb) {
    let (store, letters) = store_with_letters(&test).await;
    assert_eq!(test.activate(store).await.1.loaded.parked, []);
    let all = DeadLetterFilter {
        store: Some(store),
        class: None,
    };
    let listed = dead_letters::list(&test.db, all, None, 10).await.unwrap();
    let records: Vec<_> = listed.iter().map(|letter| letter.record.clone()).collect();
    let [first, second, third] = letters.clone();
    assert_eq!(records, [second, third, first], "the newest first");
    for (seen, next) in [(0, 1), (1, 2)] {
        let DeadLetterRecord { id, at, .. } = listed[seen].record;
        let page = dead_letters::list(&test.db, all, Some((at, id)), 1).await;
        assert_eq!(page.unwrap(), [listed[next].clone()]);
    }
    let malformed = DeadLetterFilter {
        class: Some(DeadLetterClass::Malformed),
        ..all
    };
    assert_eq!(dead_letters::count(&test.db, malformed).await, Ok(1));
    let others = DeadLetterFilter {
        store: Some(StoreId(99)),
        class: None,
    };
    assert_eq!(dead_letters::count(&test.db, others).await, Ok(0));
    assert_eq!(
        dead_letters::load_row(&test.db, letters[2].id).await,
        Ok(None)
    );
    for (letter, id) in letters.iter().zip(["d1", "d2"]) {
        let row = dead_letters::load_row(&test.db, letter.id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (Some(row.seq), row.body),
            (letter.seq, delivery(store, id).body)
        );
    }
}

async fn a_dead_letter_is_revived_or_discarded(test: TestDb) {
    let (store, [from_lane, from_inbox, from_write]) = store_with_letters(&test).await;
    let revive = Change::ReviveDeadLetter {
        id: from_lane.id,
        parked: parked(1, 0),
        edit: None,
    };
    commit_changes(
        &test,
        store,
        2,
        [revive, Change::DeleteDeadLetter(from_write.id)],
    )
    .await;
    let left = dead_letters::list(&test.db, DeadLetterFilter::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(
        left.iter()
            .map(|letter| letter.record.id)
            .collect::<Vec<_>>(),
        [from_inbox.id]
    );
    assert_eq!(test.activate(store).await.1.loaded.parked, [parked(1, 0)]);
    assert_eq!(
        parking::load(&test.db, store, &[1]).await.unwrap()[0].body,
        delivery(store, "d1").body
    );
    assert_eq!(
        dead_letters::get(&test.db, from_lane.id).await,
        Err(DbError::NotFound("dead letter"))
    );
    assert_eq!(
        dead_letters::get(&test.db, from_inbox.id)
            .await
            .unwrap()
            .record,
        from_inbox
    );
}

async fn an_edited_dead_letter_is_revived_with_its_new_body_and_a_deed(test: TestDb) {
    let (store, [from_lane, from_inbox, _]) = store_with_letters(&test).await;
    let whole = dead_letters::body_digest(&test.db, from_lane.id).await;
    let seen = dead_letters::digest(&delivery(store, "d1").body);
    assert_eq!(whole, Ok(Some(seen.clone())));
    let deed = DeedRecord {
        id: test.ids.ordered_uuid(NOW),
        at: NOW,
        actor: "Ann by api".to_owned(),
        action: "edit".to_owned(),
        detail: "why".to_owned(),
    };
    let edited = LetterEdit {
        seen,
        body: EditedBody::new("{\"é\":1}".to_owned()),
        deed: deed.clone(),
    };
    let changes = [
        Change::ReviveDeadLetter {
            id: from_lane.id,
            parked: parked(1, 0),
            edit: Some(Box::new(edited)),
        },
        Change::ReviveDeadLetter {
            id: from_inbox.id,
            parked: parked(2, 0),
            edit: None,
        },
    ];
    commit_changes(&test, store, 2, changes).await;
    let rows = parking::load(&test.db, store, &[1, 2]).await.unwrap();
    let bodies: Vec<_> = rows.iter().map(|row| row.body.to_vec()).collect();
    let own = delivery(store, "d2").body.to_vec();
    assert_eq!(bodies, ["{\"é\":1}".as_bytes().to_vec(), own]);
    assert_eq!(rows[0].delivery_id, "d1", "all else stays");
    let deeds = audit::list(&test.db, Some(store), None, 10).await;
    assert_eq!(deeds, Ok(vec![AuditEntry::of(store, deed)]));
}

async fn a_dead_letter_that_is_gone_revives_nothing(test: TestDb) {
    let (store, [from_lane, ..]) = store_with_letters(&test).await;
    let revive = Change::ReviveDeadLetter {
        id: from_lane.id,
        parked: parked(1, 0),
        edit: None,
    };
    commit_changes(&test, store, 2, [revive.clone()]).await;
    commit_changes(&test, store, 2, [Change::Unpark(1)]).await;
    commit_changes(&test, store, 2, [revive]).await;
    assert_eq!(test.activate(store).await.1.loaded.parked, []);
}

async fn only_registered_stores_are_activated(test: TestDb) {
    let grant = GrantId(Uuid::from_u128(1));
    let activation = keepers::activate(&test.db, StoreId(404), grant, NOW).await;
    assert!(matches!(activation, Err(DbError::NotFound("store"))));
    let store = test.store("a").await;
    let (grant, activation) = test.activate(store).await;
    storekeeper::db::admin::stores::delete(&test.db, store, NOW)
        .await
        .unwrap();
    assert_eq!(
        test.writer.commit(share(store, grant, &activation)).await,
        Err(CommitError::Fenced)
    );
    assert_eq!(
        test.writer.accept(delivery(store, "late")).await,
        Err(WriteError::UnknownStore)
    );
    let again = keepers::activate(&test.db, store, grant, NOW).await;
    assert!(matches!(again, Err(DbError::NotFound("store"))));
}

/// A large store takes longer to read than an answer may take.
#[tokio::test]
async fn reading_a_store_has_a_time_limit_of_its_own() {
    let test = TestDb::sqlite().await;
    let store = test.store("a").await;
    let activate = async |read_timeout, activation_timeout| {
        let options = DatabaseOptions {
            read_timeout,
            activation_timeout,
            ..test.options.clone()
        };
        let db = Db::connect(&options).await.unwrap();
        let grant = GrantId(test.ids.random_uuid());
        keepers::activate(&db, store, grant, NOW).await.map(drop)
    };
    let patience = Duration::from_secs(30);
    assert_eq!(activate(Duration::ZERO, patience).await, Ok(()));
    // Without any time the database can still be quicker than the first look at it, but not for long.
    let mut outcome = Ok(());
    for _attempt in 0..1_000 {
        outcome = activate(patience, Duration::ZERO).await;
        if outcome.is_err() {
            break;
        }
    }
    assert_eq!(outcome, Err(DbError::Busy));
}

async fn writes_many_rows(test: TestDb) {
    let store = test.store("a").await;
    commit_changes(
        &test,
        store,
        0,
        (0..3_000).map(|number| Change::PutItem(item(number))),
    )
    .await;
    commit_changes(
        &test,
        store,
        0,
        (0..700).map(|number| Change::PutItem(item(number))),
    )
    .await;
    assert_eq!(test.activate(store).await.1.loaded.items.len(), 3_000);
}
