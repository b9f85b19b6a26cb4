//! The only file with queries across stores (INV-I): what to wake, totals, and cleaning by age.

use std::collections::{BTreeMap, BTreeSet};

use entity::{dead_letter, standing};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Select,
};

use super::admin::standings;
use super::connect::{Db, statement};
use super::dead_letters::DeadLetterFilter;
use super::error::DbError;
use super::grid::Grid;
use super::inbox::Delivery;
use crate::clock::Timestamp;
use crate::domain::standing::Record;
use crate::ids::StoreId;

/// Standings that are read at once: one for each store of which anything was ever decided.
const STANDINGS_PAGE: u64 = 10_000;

/// For how long another store's acceptance of a body refuses the same body.
const SHARED_BODY_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// Sums over all stores, from counters that are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub stores: i64,
    /// Webhooks accepted ever.
    pub received: i64,
    /// Inbox rows that no keeper is done with.
    pub backlog: i64,
    /// When the oldest of these was received.
    pub oldest_received_at: Option<Timestamp>,
    pub applied: i64,
    pub naked: i64,
    pub parked: i64,
    pub dead: i64,
}

/// One store's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreCounts {
    pub store: StoreId,
    pub received: i64,
    pub backlog: i64,
    pub oldest_received_at: Option<Timestamp>,
    pub applied: i64,
    pub naked: i64,
    pub parked: i64,
    pub dead: i64,
}

#[derive(Debug, FromQueryResult)]
struct StoreRow {
    store: i64,
}

#[derive(Debug, FromQueryResult)]
struct CountsRow {
    store: i64,
    received: i64,
    backlog: i64,
    oldest: Option<i64>,
    applied: i64,
    naked: i64,
    parked: i64,
    dead: i64,
}

/// Counters of the registered stores (those with an inbox); the oldest row of a store is looked up by its key and only when the kept stamp is missing.
const COUNTS: &str = "SELECT h.store AS store, h.received AS received, \
    h.next_seq - 1 - COALESCE(k.cursor + k.near_to - k.near_from + k.far_to - k.far_from, 0) AS backlog, \
    CASE WHEN h.next_seq - 1 > COALESCE(k.cursor, 0) THEN COALESCE(k.oldest_at, (SELECT i.received_at FROM inbox i \
    WHERE i.store = h.store AND i.seq = COALESCE(k.cursor, 0) + 1)) END AS oldest, \
    COALESCE(k.applied, 0) AS applied, COALESCE(k.naked, 0) AS naked, COALESCE(k.parked, 0) AS parked, \
    COALESCE(k.dead, 0) AS dead FROM inbox_head h \
    LEFT JOIN keeper k ON k.store = h.store";

/// Stores with backlog, with `wake_at` reached, or installed again since their keeper looked, in ascending order after `after_store`, at most `limit`.
pub async fn stores_to_wake(
    db: &Db,
    now: Timestamp,
    after_store: Option<StoreId>,
    limit: u32,
) -> Result<Vec<StoreId>, DbError> {
    const TO_WAKE: &str = "SELECT h.store AS store FROM inbox_head h \
        LEFT JOIN keeper k ON k.store = h.store \
        WHERE h.store > $1 AND (h.next_seq - 1 > COALESCE(k.cursor, 0) OR k.wake_at <= $2 \
        OR (k.installation <> 0 AND k.installation <> (SELECT s.installed_at FROM store s WHERE s.id = h.store))) \
        ORDER BY h.store LIMIT $3";
    let after = after_store.map_or(0, |store| store.0);
    let values = [
        after.into(),
        now.as_millis().into(),
        i64::from(limit).into(),
    ];
    let query = StoreRow::find_by_statement(statement(db.readers(), TO_WAKE, values));
    Ok(db
        .reading(query.all(db.readers()))
        .await?
        .into_iter()
        .map(|row| StoreId(row.store))
        .collect())
}

/// Sums over all stores.
pub async fn totals(db: &Db) -> Result<Totals, DbError> {
    totals_without(db, &[]).await
}

/// Sums over all stores but these, which should be few.
pub async fn totals_without(db: &Db, left_out: &[StoreId]) -> Result<Totals, DbError> {
    let left_out: Vec<_> = left_out.iter().map(ToString::to_string).collect();
    let counted = match left_out.as_slice() {
        [] => String::new(),
        stores => format!("WHERE h.store NOT IN ({})", stores.join(", ")),
    };
    let sql = format!(
        "SELECT COUNT(*) AS store, CAST(COALESCE(SUM(received), 0) AS BIGINT) AS received, \
         CAST(COALESCE(SUM(backlog), 0) AS BIGINT) AS backlog, MIN(oldest) AS oldest, \
         CAST(COALESCE(SUM(applied), 0) AS BIGINT) AS applied, CAST(COALESCE(SUM(naked), 0) AS BIGINT) AS naked, \
         CAST(COALESCE(SUM(parked), 0) AS BIGINT) AS parked, CAST(COALESCE(SUM(dead), 0) AS BIGINT) AS dead \
         FROM ({COUNTS} {counted}) counts"
    );
    let query = CountsRow::find_by_statement(statement(db.readers(), &sql, []));
    let row = db
        .reading(query.one(db.readers()))
        .await?
        .ok_or(DbError::NotFound("row"))?;
    Ok(Totals {
        stores: row.store,
        received: row.received,
        backlog: row.backlog,
        oldest_received_at: row.oldest.map(Timestamp::from_millis),
        applied: row.applied,
        naked: row.naked,
        parked: row.parked,
        dead: row.dead,
    })
}

/// Counters of stores in ascending order after `after_store`, at most `limit`.
pub async fn list_counts(
    db: &Db,
    after_store: Option<StoreId>,
    limit: u32,
) -> Result<Vec<StoreCounts>, DbError> {
    let sql = format!("{COUNTS} WHERE h.store > $1 ORDER BY h.store LIMIT $2");
    let values = [
        after_store.map_or(0, |store| store.0).into(),
        i64::from(limit).into(),
    ];
    let query = CountsRow::find_by_statement(statement(db.readers(), &sql, values));
    Ok(db
        .reading(query.all(db.readers()))
        .await?
        .into_iter()
        .map(StoreCounts::from)
        .collect())
}

/// The standing of each store of which anything was ever decided, ascending by store.
pub async fn list_standings(db: &Db) -> Result<Vec<(StoreId, Record)>, DbError> {
    let mut listed: Vec<(StoreId, Record)> = Vec::new();
    loop {
        let after = listed.last().map_or(0, |(store, _)| store.0);
        let page = standing::Entity::find()
            .filter(standing::Column::Store.gt(after))
            .order_by_asc(standing::Column::Store)
            .limit(STANDINGS_PAGE);
        let page = db.reading(page.all(db.readers())).await?;
        if page.is_empty() {
            return Ok(listed);
        }
        for row in page {
            listed.push((StoreId(row.store), standings::record(row)?));
        }
    }
}

/// The dead letters that are meant, of one store or of all.
pub(super) fn dead_letters(filter: DeadLetterFilter) -> Select<dead_letter::Entity> {
    let mut letters = dead_letter::Entity::find();
    if let Some(store) = filter.store {
        letters = letters.filter(dead_letter::Column::Store.eq(store.0));
    }
    if let Some(class) = filter.class {
        letters = letters.filter(dead_letter::Column::Class.eq(class.name()));
    }
    letters
}

/// Whether another store lives with a webhook secret of this fingerprint.
pub(super) async fn is_secret_shared(
    connection: &impl ConnectionTrait,
    fingerprint: &str,
    store: StoreId,
) -> Result<bool, DbErr> {
    const SHARED: &str = "SELECT store FROM store_secret \
        WHERE fingerprint = $1 AND store <> $2 AND revoked_at IS NULL LIMIT 1";
    let values = [fingerprint.into(), store.0.into()];
    Ok(connection
        .query_one_raw(statement(connection, SHARED, values))
        .await?
        .is_some())
}

/// Whether another store accepted this body within 7 days.
pub async fn is_body_of_another(
    db: &Db,
    digest: &[u8; 32],
    store: StoreId,
    now: Timestamp,
) -> Result<bool, DbError> {
    const ANOTHER: &str = "SELECT store FROM body_digest \
        WHERE digest = $1 AND store <> $2 AND received_at > $3 LIMIT 1";
    let since = now.plus_millis(-SHARED_BODY_MS);
    let values = [
        hex::encode(digest).into(),
        store.0.into(),
        since.as_millis().into(),
    ];
    let query = statement(db.readers(), ANOTHER, values);
    let found = db.reading(db.readers().query_one_raw(query)).await?;
    Ok(found.is_some())
}

/// The same as [`claim_body_digests`], as a step `claimed` of a longer statement over `head` and a grid `g`; there a
/// body that needs no claim has an empty digest.
pub(super) const CLAIMED: &str = "claimed AS (INSERT INTO body_digest (digest, store, received_at) \
    SELECT g.digest, g.store, MAX(g.received_at) FROM g JOIN head USING (store) WHERE g.digest <> '' \
    AND NOT EXISTS (SELECT 1 FROM body_digest other WHERE other.digest = g.digest AND other.store <> g.store \
    AND other.received_at > g.since) GROUP BY g.digest, g.store ORDER BY g.digest \
    ON CONFLICT (digest, store) DO UPDATE SET received_at = excluded.received_at RETURNING digest)";

/// Claims made before this moment no longer keep others from a body received now.
pub(super) const fn claims_count_since(now: Timestamp) -> Timestamp {
    now.plus_millis(-SHARED_BODY_MS)
}

/// Remembers for each body that its delivery's store accepts it, unless another store did so within 7 days; returns the
/// bodies that were not so refused.
pub(super) async fn claim_body_digests(
    connection: &impl ConnectionTrait,
    first_of: &BTreeMap<[u8; 32], &Delivery>,
) -> Result<BTreeSet<[u8; 32]>, DbErr> {
    const CLAIM: &str = "INSERT INTO body_digest (digest, store, received_at) \
        SELECT g.digest, g.store, g.received_at FROM g WHERE NOT EXISTS (SELECT 1 FROM body_digest other \
        WHERE other.digest = g.digest AND other.store <> g.store AND other.received_at > g.since) \
        ORDER BY g.digest ON CONFLICT (digest, store) DO UPDATE SET received_at = excluded.received_at \
        RETURNING digest";
    let mut grid = Grid::new(&["digest", "store", "received_at", "since"]);
    for (digest, delivery) in first_of {
        let received_at = delivery.received_at;
        let since = claims_count_since(received_at);
        grid.push(vec![
            hex::encode(digest).into(),
            delivery.store.0.into(),
            received_at.as_millis().into(),
            since.as_millis().into(),
        ]);
    }
    let mut claimed = BTreeSet::new();
    for row in grid.query(connection, CLAIM).await? {
        let mut digest = [0; 32];
        hex::decode_to_slice(row.try_get_by_index::<String>(0)?, &mut digest)
            .map_err(|error| DbErr::Custom(format!("malformed digest: {error}")))?;
        claimed.insert(digest);
    }
    Ok(claimed)
}

pub(super) async fn delete_deliveries(
    connection: &impl ConnectionTrait,
    before: Timestamp,
    rows_max: u32,
) -> Result<u64, DbError> {
    const DELETE: &str = "DELETE FROM delivery WHERE (store, delivery_id) IN \
        (SELECT store, delivery_id FROM delivery WHERE received_at < $1 LIMIT $2)";
    delete(connection, DELETE, before.as_millis(), rows_max).await
}

pub(super) async fn delete_body_digests(
    connection: &impl ConnectionTrait,
    before: Timestamp,
    rows_max: u32,
) -> Result<u64, DbError> {
    const DELETE: &str = "DELETE FROM body_digest WHERE (digest, store) IN \
        (SELECT digest, store FROM body_digest WHERE received_at < $1 LIMIT $2)";
    delete(connection, DELETE, before.as_millis(), rows_max).await
}

pub(super) async fn delete_idempotent_replies(
    connection: &impl ConnectionTrait,
    before: Timestamp,
    rows_max: u32,
) -> Result<u64, DbError> {
    const DELETE: &str = "DELETE FROM idempotent_reply WHERE (store, key) IN \
        (SELECT store, key FROM idempotent_reply WHERE at < $1 LIMIT $2)";
    delete(connection, DELETE, before.as_millis(), rows_max).await
}

async fn delete(
    connection: &impl ConnectionTrait,
    sql: &str,
    bound: i64,
    rows_max: u32,
) -> Result<u64, DbError> {
    let values = [bound.into(), i64::from(rows_max).into()];
    Ok(connection
        .execute_raw(statement(connection, sql, values))
        .await?
        .rows_affected())
}

impl From<CountsRow> for StoreCounts {
    fn from(row: CountsRow) -> Self {
        Self {
            store: StoreId(row.store),
            received: row.received,
            backlog: row.backlog,
            oldest_received_at: row.oldest.map(Timestamp::from_millis),
            applied: row.applied,
            naked: row.naked,
            parked: row.parked,
            dead: row.dead,
        }
    }
}
