//! Deliveries and shares that wait at once, which SQLite commits in one transaction: neither is hurt by the other.

use futures_util::future::{join, join_all};
use storekeeper::db::inbox::Acceptance;
use storekeeper::db::writer::{CommitError, Share, WriteError, Writer};
use storekeeper::db::{Db, DbError};
use storekeeper::domain::store::change::{Change, Changes, ParkedRecord};
use storekeeper::ids::{OrderId, StoreId};

use crate::support::database::{NOW, TestDb, delivery, on_both_databases, share};

on_both_databases!(
    all_are_committed,
    a_bad_share_hurts_no_delivery,
    a_bad_delivery_hurts_no_share,
    a_fenced_share_hurts_no_delivery,
);

const STORES: usize = 6;

/// A store with a share of its keeper, which moves the cursor behind the delivery that waits with it.
async fn stores(test: &TestDb) -> Vec<Share> {
    let mut shares = Vec::new();
    for number in 0..STORES {
        let store = test.store(&format!("store {number}")).await;
        let (grant, activation) = test.activate(store).await;
        let mut commit = share(store, grant, &activation);
        commit.record.cursor = 1;
        shares.push(commit);
    }
    shares
}

type Accepted = Vec<Result<Acceptance, WriteError>>;
type Committed = Vec<Result<(), CommitError>>;

/// Offers a delivery of each store, and all shares, before the writer takes any of them.
async fn offer(writer: &Writer, stores: &[StoreId], shares: Vec<Share>) -> (Accepted, Committed) {
    let deliveries = stores
        .iter()
        .map(|store| writer.accept(delivery(*store, "d1")));
    let shares = shares.into_iter().map(|share| writer.commit(share));
    join(join_all(deliveries), join_all(shares)).await
}

fn stores_of(shares: &[Share]) -> Vec<StoreId> {
    shares.iter().map(|share| share.store).collect()
}

/// What the database holds: the delivery of each store, and how many shares it took.
async fn assert_stored(test: &TestDb, stores: &[StoreId], shares_each: &[i64]) {
    for (store, shares) in stores.iter().zip(shares_each) {
        let again = test.writer.accept(delivery(*store, "d1")).await;
        assert_eq!(again, Ok(Acceptance::Duplicate), "{store:?}");
        let (_, after) = test.activate(*store).await;
        assert_eq!(
            (after.applied_seq, after.loaded.keeper.cursor),
            (*shares, *shares),
            "{store:?}"
        );
    }
}

async fn all_are_committed(test: TestDb) {
    let shares = stores(&test).await;
    let stores = stores_of(&shares);
    let (accepted, committed) = offer(&test.writer, &stores, shares).await;
    assert_eq!(accepted, vec![Ok(Acceptance::Accepted { seq: 1 }); STORES]);
    assert_eq!(committed, vec![Ok(()); STORES]);
    assert_stored(&test, &stores, &[1; STORES]).await;
}

async fn a_bad_share_hurts_no_delivery(test: TestDb) {
    let mut shares = stores(&test).await;
    let stores = stores_of(&shares);
    // No such row: the database cannot do what the share says.
    let mut changes = Changes::default();
    changes.put(Change::Park(ParkedRecord {
        seq: 404,
        lane: OrderId(4),
        attempts: 0,
        due_at: NOW,
        behind_seq: 9,
    }));
    shares[2].changes = changes;
    let (accepted, committed) = offer(&test.writer, &stores, shares).await;
    assert_eq!(accepted, vec![Ok(Acceptance::Accepted { seq: 1 }); STORES]);
    for (number, result) in committed.iter().enumerate() {
        let is_refused = matches!(result, Err(CommitError::Refused(DbError::Broken(_))));
        assert_eq!(
            (is_refused, result.is_ok()),
            (number == 2, number != 2),
            "{result:?}"
        );
    }
    assert_stored(&test, &stores, &[1, 1, 0, 1, 1, 1]).await;
}

async fn a_bad_delivery_hurts_no_share(test: TestDb) {
    let shares = stores(&test).await;
    let stores = stores_of(&shares);
    let with_stranger = [&stores[..], &[StoreId(404)]].concat();
    let (mut accepted, committed) = offer(&test.writer, &with_stranger, shares).await;
    assert_eq!(accepted.pop(), Some(Err(WriteError::UnknownStore)));
    assert_eq!(accepted, vec![Ok(Acceptance::Accepted { seq: 1 }); STORES]);
    assert_eq!(committed, vec![Ok(()); STORES]);
    assert_stored(&test, &stores, &[1; STORES]).await;
}

async fn a_fenced_share_hurts_no_delivery(test: TestDb) {
    let shares = stores(&test).await;
    let stores = stores_of(&shares);
    // Its successor came in the meantime.
    test.activate(stores[3]).await;
    let (accepted, committed) = offer(&test.writer, &stores, shares).await;
    assert_eq!(accepted, vec![Ok(Acceptance::Accepted { seq: 1 }); STORES]);
    let fenced = |number| {
        if number == 3 {
            Err(CommitError::Fenced)
        } else {
            Ok(())
        }
    };
    assert_eq!(committed, (0..STORES).map(fenced).collect::<Vec<_>>());
    assert_stored(&test, &stores, &[1, 1, 1, 0, 1, 1]).await;
}

#[tokio::test]
async fn what_finds_no_room_on_the_disk_takes_no_share_with_it() {
    let test = TestDb::sqlite().await;
    let shares = stores(&test).await;
    let stores = stores_of(&shares);
    let mut options = test.options.clone();
    options.pages_max = Some(200);
    let full = Db::connect(&options).await.unwrap();
    let writer = Writer::start(&full);
    let mut large = delivery(stores[0], "large");
    large.body = vec![b'x'; 4 * 1024 * 1024].into();
    let commits = join_all(shares.into_iter().map(|share| writer.commit(share)));
    let (accepted, committed) = join(writer.accept(large.clone()), commits).await;
    assert_eq!(accepted, Err(WriteError::Db(DbError::Full)));
    assert_eq!(committed, vec![Ok(()); STORES]);
    // Its id is not taken for known, and what is small enough has room.
    large.body = "{}".into();
    let outcomes = [Acceptance::Accepted { seq: 1 }, Acceptance::Duplicate];
    for outcome in outcomes {
        assert_eq!(writer.accept(large.clone()).await, Ok(outcome));
    }
}
