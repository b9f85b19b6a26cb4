//! A group as one statement (PostgreSQL), which is its own transaction: a short one in the hope that no delivery of it
//! came before, else one that tells which did.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sea_orm::DatabaseConnection;
use sea_orm::sqlx::postgres::PgRow;
use sea_orm::sqlx::{self, Row};

use super::group::Outcomes;
use crate::clock::Timestamp;
use crate::db::error::DbError;
use crate::db::fleet;
use crate::db::inbox::{Acceptance, Delivery};
use crate::db::writer::handle::WriteError;
use crate::db::writer::recent::RecentIds;
use crate::ids::StoreId;

/// Step by step: `head` are the heads of the stores, locked in ascending order, so that two such statements cannot wait
/// for each other; `claimed` the bodies that no other store accepted; `passed` what may be taken in; `fresh` the ids
/// that were not there; `advanced` the heads moved on; `numbered` the fresh ones with their numbers, in order of
/// arrival. Bodies stay in `g` until they are written. A delivery whose store has no head is in no answer.
static ACCEPT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH g(position, store, delivery_id, digest, since, topic, event_id, triggered_at, api_version, received_at, body) \
         AS (SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], \
         $8::bigint[], $9::text[], $10::bigint[], $11::bytea[])), \
         head AS (SELECT store FROM inbox_head WHERE store IN (SELECT store FROM g) ORDER BY store FOR UPDATE), \
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
         received_at, body) SELECT store, seq, topic, delivery_id, event_id, \
         triggered_at, api_version, received_at, body FROM g JOIN numbered USING (position)) \
         SELECT g.position, passed.position IS NOT NULL, numbered.seq FROM g JOIN head USING (store) \
         LEFT JOIN passed ON passed.position = g.position LEFT JOIN numbered ON numbered.position = g.position",
        claimed = fleet::CLAIMED,
    )
});

/// A group of which no delivery came before, in fewer steps: how many numbers each store needs is known beforehand. It
/// fails as a whole when an id was there. `head` and `advanced` are as above; ranks begin at 0 in each store.
const ACCEPT_UNSEEN: &str = "WITH \
    g(store, rank, delivery_id, topic, event_id, triggered_at, api_version, received_at, body) AS (SELECT * FROM \
    UNNEST($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bigint[], \
    $9::bytea[])), \
    taken(store, count) AS (SELECT * FROM UNNEST($10::bigint[], $11::bigint[])), \
    head AS (SELECT store FROM inbox_head WHERE store = ANY($10::bigint[]) ORDER BY store FOR UPDATE), \
    advanced AS (UPDATE inbox_head SET next_seq = next_seq + taken.count, received = received + taken.count \
    FROM taken JOIN head USING (store) WHERE inbox_head.store = taken.store \
    RETURNING inbox_head.store, inbox_head.next_seq - taken.count AS first), \
    noted AS (INSERT INTO delivery (store, delivery_id, received_at) \
    SELECT g.store, g.delivery_id, g.received_at FROM g JOIN advanced USING (store)), \
    written AS (INSERT INTO inbox (store, seq, topic, delivery_id, event_id, triggered_at, api_version, received_at, \
    body) SELECT g.store, advanced.first + g.rank, topic, delivery_id, event_id, triggered_at, api_version, \
    received_at, body FROM g JOIN advanced USING (store)) \
    SELECT store, first FROM advanced";

/// A group of so many is tried as one of which no delivery came before. For fewer there is no hurry, and each failure
/// stands in the database's log and leaves dead rows.
const UNSEEN_MIN: usize = 8;

/// What became of the deliveries whose store there is, by position.
type Fates = BTreeMap<i64, Acceptance>;

/// Writes the group.
pub(super) async fn write(
    connection: &DatabaseConnection,
    recent: &mut RecentIds,
    deliveries: &[Delivery],
) -> Result<Outcomes, DbError> {
    let claimants = first_stores(deliveries);
    let is_refused = |delivery: &Delivery| {
        delivery
            .shared_digest
            .is_some_and(|digest| claimants.get(&digest) != Some(&delivery.store))
    };
    // Of equal ids the first is the one; the others are its duplicates.
    let mut first_of: BTreeMap<(StoreId, &str), i64> = BTreeMap::new();
    let mut columns = Columns::default();
    for (position, delivery) in (0..).zip(deliveries) {
        let id = (delivery.store, delivery.delivery_id.as_str());
        if !is_refused(delivery) && !first_of.contains_key(&id) {
            first_of.insert(id, position);
            columns.push(position, delivery);
        }
    }
    let is_hopeful = deliveries.len() >= UNSEEN_MIN && !recent.expects_repeats();
    let fates = if is_hopeful && claimants.is_empty() {
        columns.write_hopefully(connection).await
    } else {
        columns.write_seen(connection).await
    };
    let fates = fates.map_err(|error| DbError::from_sqlx(&error))?;
    let is_repeat = |fate: &Acceptance| matches!(fate, Acceptance::Duplicate);
    recent.note_group(fates.values().any(is_repeat));
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

/// The group as it is sent, each column as one array. They borrow, and so cost no copies: the driver writes them out as
/// they are, which the query builder's values, made to be owned, do not allow.
#[derive(Default)]
struct Columns<'group> {
    positions: Vec<i64>,
    stores: Vec<i64>,
    delivery_ids: Vec<&'group str>,
    digests: Vec<String>,
    since: Vec<i64>,
    topics: Vec<&'group str>,
    event_ids: Vec<Option<&'group str>>,
    triggered_at: Vec<Option<i64>>,
    api_versions: Vec<Option<&'group str>>,
    received_at: Vec<i64>,
    bodies: Vec<&'group [u8]>,
    /// How many deliveries of its store come before each.
    ranks: Vec<i64>,
    /// How many there are of each store.
    taken: BTreeMap<i64, i64>,
}

impl<'group> Columns<'group> {
    fn push(&mut self, position: i64, delivery: &'group Delivery) {
        let received_at = delivery.received_at;
        let digest = delivery.shared_digest.map(hex::encode);
        self.positions.push(position);
        self.stores.push(delivery.store.0);
        self.delivery_ids.push(&delivery.delivery_id);
        self.digests.push(digest.unwrap_or_default());
        self.since
            .push(fleet::claims_count_since(received_at).as_millis());
        self.topics.push(&delivery.topic);
        self.event_ids.push(delivery.event_id.as_deref());
        self.triggered_at
            .push(delivery.triggered_at.map(Timestamp::as_millis));
        self.api_versions.push(delivery.api_version.as_deref());
        self.received_at.push(received_at.as_millis());
        self.bodies.push(&delivery.body);
        let taken = self.taken.entry(delivery.store.0).or_default();
        self.ranks.push(*taken);
        *taken += 1;
    }

    /// Writes the group in the hope that none of its ids was there.
    async fn write_hopefully(&self, connection: &DatabaseConnection) -> Result<Fates, sqlx::Error> {
        match self.write_unseen(connection).await {
            Err(error) if is_unique_violation(&error) => self.write_seen(connection).await,
            written => written,
        }
    }

    /// Writes the group, whichever of its ids were there; tells by position what became of each whose store there is.
    async fn write_seen(&self, connection: &DatabaseConnection) -> Result<Fates, sqlx::Error> {
        if self.positions.is_empty() {
            return Ok(Fates::new());
        }
        let found = sqlx::query::<sqlx::Postgres>(ACCEPT.as_str())
            .bind(&self.positions)
            .bind(&self.stores)
            .bind(&self.delivery_ids)
            .bind(&self.digests)
            .bind(&self.since)
            .bind(&self.topics)
            .bind(&self.event_ids)
            .bind(&self.triggered_at)
            .bind(&self.api_versions)
            .bind(&self.received_at)
            .bind(&self.bodies)
            .fetch_all(connection.get_postgres_connection_pool())
            .await?;
        found.iter().map(fate).collect()
    }

    /// Writes the group; nothing of it and a unique violation when one of its ids was there.
    async fn write_unseen(&self, connection: &DatabaseConnection) -> Result<Fates, sqlx::Error> {
        let (stores, counts): (Vec<i64>, Vec<i64>) = self.taken.iter().unzip();
        let found = sqlx::query::<sqlx::Postgres>(ACCEPT_UNSEEN)
            .bind(&self.stores)
            .bind(&self.ranks)
            .bind(&self.delivery_ids)
            .bind(&self.topics)
            .bind(&self.event_ids)
            .bind(&self.triggered_at)
            .bind(&self.api_versions)
            .bind(&self.received_at)
            .bind(&self.bodies)
            .bind(stores)
            .bind(counts)
            .fetch_all(connection.get_postgres_connection_pool())
            .await?;
        let first_of = |row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
        let first_of: BTreeMap<i64, i64> = found
            .iter()
            .map(first_of)
            .collect::<Result<_, sqlx::Error>>()?;
        let rows = self.positions.iter().zip(&self.stores).zip(&self.ranks);
        let numbered = rows.filter_map(|((position, store), rank)| {
            let seq = first_of.get(store)? + rank;
            Some((*position, Acceptance::Accepted { seq }))
        });
        Ok(numbered.collect())
    }
}

fn is_unique_violation(error: &sqlx::Error) -> bool {
    let cause = error.as_database_error();
    cause.is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

fn fate(row: &PgRow) -> Result<(i64, Acceptance), sqlx::Error> {
    let position = row.try_get(0)?;
    let passed: bool = row.try_get(1)?;
    let seq: Option<i64> = row.try_get(2)?;
    let fate = match seq {
        Some(seq) => Acceptance::Accepted { seq },
        None if passed => Acceptance::Duplicate,
        None => Acceptance::SharedBody,
    };
    Ok((position, fate))
}
