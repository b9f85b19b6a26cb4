//! A group as one statement (PostgreSQL), which is its own transaction.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sea_orm::{DatabaseConnection, DbErr, QueryResult};

use super::group::Outcomes;
use crate::clock::Timestamp;
use crate::db::fleet;
use crate::db::grid::Grid;
use crate::db::inbox::{Acceptance, Delivery};
use crate::db::writer::handle::WriteError;
use crate::ids::StoreId;

/// What stands for a number that is not there: arrays cannot hold NULL. For a text it is the empty one.
const NO_NUMBER: i64 = -i64::MAX;

/// Step by step: `head` are the heads of the stores, locked in ascending order, so that two such statements cannot wait
/// for each other; `claimed` the bodies that no other store accepted; `passed` what may be taken in; `fresh` the ids
/// that were not there; `advanced` the heads moved on; `numbered` the fresh ones with their numbers, in order of
/// arrival. Bodies stay in `g` until they are written. A delivery whose store has no head is in no answer.
static ACCEPT: LazyLock<String> = LazyLock::new(|| {
    format!(
        ", head AS (SELECT store FROM inbox_head WHERE store IN (SELECT store FROM g) ORDER BY store FOR UPDATE), \
         {claimed}, \
         passed AS (SELECT g.position, g.store, g.delivery_id, g.received_at FROM g JOIN head USING (store) \
         WHERE g.digest = '' OR g.digest IN (SELECT digest FROM claimed)), \
         fresh AS (INSERT INTO delivery (store, delivery_id, received_at) SELECT store, delivery_id, received_at FROM passed \
         ORDER BY store, delivery_id ON CONFLICT (store, delivery_id) DO NOTHING RETURNING store, delivery_id), \
         taken AS (SELECT store, COUNT(*) AS count FROM fresh GROUP BY store), \
         advanced AS (UPDATE inbox_head SET next_seq = next_seq + taken.count, received = received + taken.count \
         FROM taken WHERE inbox_head.store = taken.store \
         RETURNING inbox_head.store, inbox_head.next_seq - taken.count AS first), \
         numbered AS (SELECT passed.position, advanced.first + ROW_NUMBER() OVER \
         (PARTITION BY passed.store ORDER BY passed.position) - 1 AS seq \
         FROM passed JOIN fresh USING (store, delivery_id) JOIN advanced USING (store)), \
         written AS (INSERT INTO inbox (store, seq, topic, delivery_id, event_id, triggered_at, api_version, \
         received_at, body) SELECT store, seq, topic, delivery_id, NULLIF(event_id, ''), \
         NULLIF(triggered_at, {NO_NUMBER}), NULLIF(api_version, ''), received_at, body FROM g JOIN numbered USING (position)) \
         SELECT g.position, passed.position IS NOT NULL, numbered.seq FROM g JOIN head USING (store) \
         LEFT JOIN passed ON passed.position = g.position LEFT JOIN numbered ON numbered.position = g.position",
        claimed = fleet::CLAIMED,
    )
});

/// Writes the group.
pub(super) async fn write(
    connection: &DatabaseConnection,
    deliveries: &[Delivery],
) -> Result<Outcomes, DbErr> {
    let claimants = first_stores(deliveries);
    let is_refused = |delivery: &Delivery| {
        delivery
            .shared_digest
            .is_some_and(|digest| claimants.get(&digest) != Some(&delivery.store))
    };
    // Of equal ids the first is the one; the others are its duplicates.
    let mut first_of: BTreeMap<(StoreId, &str), i64> = BTreeMap::new();
    let mut grid = Grid::new(&COLUMNS);
    for (position, delivery) in (0..).zip(deliveries) {
        let id = (delivery.store, delivery.delivery_id.as_str());
        if !is_refused(delivery) && !first_of.contains_key(&id) {
            first_of.insert(id, position);
            grid.push(row(position, delivery));
        }
    }
    let found = grid.query(connection, &ACCEPT).await?;
    let fates: BTreeMap<i64, Acceptance> = found.iter().map(fate).collect::<Result<_, _>>()?;
    let outcome = |(position, delivery): (i64, &Delivery)| {
        if is_refused(delivery) {
            return Ok(Acceptance::SharedBody);
        }
        let first = first_of.get(&(delivery.store, delivery.delivery_id.as_str()));
        let fate = first.and_then(|first| fates.get(first)).copied();
        match fate.ok_or(WriteError::UnknownStore)? {
            Acceptance::Accepted { .. } if first != Some(&position) => Ok(Acceptance::Duplicate),
            fate @ (Acceptance::Accepted { .. }
            | Acceptance::Duplicate
            | Acceptance::SharedBody) => Ok(fate),
        }
    };
    Ok((0..).zip(deliveries).map(outcome).collect())
}

/// For each body that may have been made for another store, the store that it came to first.
fn first_stores(deliveries: &[Delivery]) -> BTreeMap<[u8; 32], StoreId> {
    let mut first_stores = BTreeMap::new();
    for delivery in deliveries {
        if let Some(digest) = delivery.shared_digest {
            first_stores.entry(digest).or_insert(delivery.store);
        }
    }
    first_stores
}

const COLUMNS: [&str; 11] = [
    "position",
    "store",
    "delivery_id",
    "digest",
    "since",
    "topic",
    "event_id",
    "triggered_at",
    "api_version",
    "received_at",
    "body",
];

fn row(position: i64, delivery: &Delivery) -> Vec<sea_orm::Value> {
    let received_at = delivery.received_at;
    let digest = delivery.shared_digest.map(hex::encode);
    let triggered_at = delivery.triggered_at.map(Timestamp::as_millis);
    vec![
        position.into(),
        delivery.store.0.into(),
        delivery.delivery_id.clone().into(),
        digest.unwrap_or_default().into(),
        fleet::claims_count_since(received_at).as_millis().into(),
        delivery.topic.clone().into(),
        delivery.event_id.clone().unwrap_or_default().into(),
        triggered_at.unwrap_or(NO_NUMBER).into(),
        delivery.api_version.clone().unwrap_or_default().into(),
        received_at.as_millis().into(),
        delivery.body.to_vec().into(),
    ]
}

fn fate(row: &QueryResult) -> Result<(i64, Acceptance), DbErr> {
    let position = row.try_get_by_index(0)?;
    let passed: bool = row.try_get_by_index(1)?;
    let seq: Option<i64> = row.try_get_by_index(2)?;
    let fate = match seq {
        Some(seq) => Acceptance::Accepted { seq },
        None if passed => Acceptance::Duplicate,
        None => Acceptance::SharedBody,
    };
    Ok((position, fate))
}
