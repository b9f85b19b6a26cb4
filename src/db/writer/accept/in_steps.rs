//! A transaction of several statements (SQLite): delivery ids, numbers and rows, all or none.
//!
//! There is one writer, so nobody else takes ids or numbers meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr};

use super::group::Outcomes;
use crate::clock::Timestamp;
use crate::db::connect::begin_writing;
use crate::db::fleet;
use crate::db::grid::Grid;
use crate::db::inbox::{Acceptance, Delivery};
use crate::db::writer::handle::WriteError;
use crate::db::writer::recent::{Key, RecentIds};
use crate::ids::StoreId;

/// Writes the group in a transaction.
pub(super) async fn write(
    connection: &DatabaseConnection,
    recent: &mut RecentIds,
    deliveries: &[Delivery],
) -> Result<Outcomes, DbErr> {
    let transaction = begin_writing(connection).await?;
    let outcomes = write_rows(&transaction, recent, deliveries).await?;
    transaction.commit().await?;
    recent.settle();
    Ok(outcomes)
}

/// Writes the group into a transaction that another commits, and settles with `recent`.
pub(in crate::db::writer) async fn write_rows(
    transaction: &DatabaseTransaction,
    recent: &mut RecentIds,
    deliveries: &[Delivery],
) -> Result<Outcomes, DbErr> {
    let shared = refuse_shared_bodies(transaction, deliveries).await?;
    let fresh = note_delivery_ids(transaction, recent, deliveries, &shared).await?;
    let heads = advance_heads(transaction, deliveries, &fresh).await?;
    let outcomes = number(deliveries, &shared, &fresh, heads);
    insert_rows(transaction, deliveries, &outcomes).await?;
    Ok(outcomes)
}

/// The positions of deliveries whose body another store accepted under the same secret; remembers the other bodies.
async fn refuse_shared_bodies(
    transaction: &DatabaseTransaction,
    deliveries: &[Delivery],
) -> Result<BTreeSet<usize>, DbErr> {
    let mut first_of: BTreeMap<[u8; 32], &Delivery> = BTreeMap::new();
    for delivery in deliveries {
        if let Some(digest) = delivery.shared_digest {
            first_of.entry(digest).or_insert(delivery);
        }
    }
    let claimed = fleet::claim_body_digests(transaction, &first_of).await?;
    let is_refused = |delivery: &Delivery| {
        delivery.shared_digest.is_some_and(|digest| {
            let is_first = first_of
                .get(&digest)
                .is_some_and(|first| first.store == delivery.store);
            !is_first || !claimed.contains(&digest)
        })
    };
    Ok(deliveries
        .iter()
        .enumerate()
        .filter(|(_, delivery)| is_refused(delivery))
        .map(|(position, _)| position)
        .collect())
}

/// Writes down the delivery ids; returns the positions of those that had not come before, the first of equal ones.
async fn note_delivery_ids(
    transaction: &DatabaseTransaction,
    recent: &mut RecentIds,
    deliveries: &[Delivery],
    shared: &BTreeSet<usize>,
) -> Result<BTreeSet<usize>, DbErr> {
    let mut fresh: BTreeMap<Key<'_>, (usize, Timestamp)> = BTreeMap::new();
    for (position, delivery) in deliveries.iter().enumerate() {
        if !shared.contains(&position) {
            fresh
                .entry((delivery.store, &delivery.delivery_id))
                .or_insert((position, delivery.received_at));
        }
    }
    recent.open();
    let known = recent.known(transaction, fresh.keys().copied()).await?;
    let known: BTreeSet<Key<'_>> = known.iter().map(|(store, id)| (*store, &**id)).collect();
    fresh.retain(|key, _| !known.contains(key));
    let noted: Vec<_> = fresh
        .iter()
        .map(|(key, (_position, received_at))| (*key, *received_at))
        .collect();
    recent.note(transaction, &noted).await?;
    Ok(fresh.into_values().map(|(position, _)| position).collect())
}

/// Takes as many numbers of each store as it has fresh deliveries; returns each store's first number. A store without
/// a head is missing.
async fn advance_heads(
    transaction: &DatabaseTransaction,
    deliveries: &[Delivery],
    fresh: &BTreeSet<usize>,
) -> Result<BTreeMap<StoreId, i64>, DbErr> {
    const ADVANCE: &str = "UPDATE inbox_head SET next_seq = inbox_head.next_seq + g.taken, \
        received = inbox_head.received + g.taken FROM g WHERE inbox_head.store = g.store \
        RETURNING inbox_head.store, inbox_head.next_seq";
    let mut taken: BTreeMap<StoreId, i64> = BTreeMap::new();
    for delivery in fresh
        .iter()
        .filter_map(|position| deliveries.get(*position))
    {
        *taken.entry(delivery.store).or_default() += 1;
    }
    let mut first_numbers = BTreeMap::new();
    for row in stores_grid(&taken).query(transaction, ADVANCE).await? {
        let (store, next_seq): (i64, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let store = StoreId(store);
        first_numbers.insert(
            store,
            next_seq - taken.get(&store).copied().unwrap_or_default(),
        );
    }
    if first_numbers.len() < taken.len() {
        return Err(DbErr::RecordNotFound("inbox head".to_owned()));
    }
    Ok(first_numbers)
}

fn stores_grid(taken: &BTreeMap<StoreId, i64>) -> Grid {
    let mut grid = Grid::new(&["store", "taken"]);
    for (store, count) in taken {
        grid.push(vec![store.0.into(), (*count).into()]);
    }
    grid
}

/// Gives fresh deliveries their numbers in order of arrival.
fn number(
    deliveries: &[Delivery],
    shared: &BTreeSet<usize>,
    fresh: &BTreeSet<usize>,
    mut next_numbers: BTreeMap<StoreId, i64>,
) -> Outcomes {
    let mut outcome = |position: usize, delivery: &Delivery| {
        if shared.contains(&position) {
            return Ok(Acceptance::SharedBody);
        }
        if !fresh.contains(&position) {
            return Ok(Acceptance::Duplicate);
        }
        let next = next_numbers
            .get_mut(&delivery.store)
            .ok_or(WriteError::UnknownStore)?;
        let seq = *next;
        *next += 1;
        Ok(Acceptance::Accepted { seq })
    };
    deliveries
        .iter()
        .enumerate()
        .map(|(position, delivery)| outcome(position, delivery))
        .collect()
}

async fn insert_rows(
    transaction: &DatabaseTransaction,
    deliveries: &[Delivery],
    outcomes: &Outcomes,
) -> Result<(), DbErr> {
    const INSERT: &str = "INSERT INTO inbox (store, seq, topic, delivery_id, event_id, triggered_at, api_version, \
        received_at, body) SELECT store, seq, topic, delivery_id, event_id, triggered_at, api_version, received_at, \
        body FROM g";
    let mut grid = Grid::new(&[
        "store",
        "seq",
        "topic",
        "delivery_id",
        "event_id",
        "triggered_at",
        "api_version",
        "received_at",
        "body",
    ]);
    for (delivery, outcome) in deliveries.iter().zip(outcomes) {
        let Ok(Acceptance::Accepted { seq }) = outcome else {
            continue;
        };
        grid.push(vec![
            delivery.store.0.into(),
            (*seq).into(),
            delivery.topic.clone().into(),
            delivery.delivery_id.clone().into(),
            delivery.event_id.clone().into(),
            delivery.triggered_at.map(Timestamp::as_millis).into(),
            delivery.api_version.clone().into(),
            delivery.received_at.as_millis().into(),
            delivery.body.to_vec().into(),
        ]);
    }
    grid.execute(transaction, INSERT).await.map(drop)
}
