//! Inbox rows that cannot be applied yet, in their lanes.

use entity::parked;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::calls::attempts;
use super::connect::Db;
use super::error::DbError;
use super::grid::Grid;
use super::inbox::InboxRow;
use crate::clock::Timestamp;
use crate::domain::store::change::ParkedRecord;
use crate::ids::{DeadLetterId, OrderId, StoreId};

/// The most numbers that one statement names.
const SEQS_MAX: usize = 500;

/// The parked rows with these numbers, in order.
pub async fn load(db: &Db, store: StoreId, seqs: &[i64]) -> Result<Vec<InboxRow>, DbError> {
    let mut rows = Vec::with_capacity(seqs.len());
    for seqs in seqs.chunks(SEQS_MAX) {
        let found = parked::Entity::find()
            .filter(parked::Column::Store.eq(store.0))
            .filter(parked::Column::Seq.is_in(seqs.iter().copied()))
            .all(db.readers());
        rows.extend(db.reading(found).await?.into_iter().map(InboxRow::from));
    }
    rows.sort_by_key(|row| row.seq);
    Ok(rows)
}

#[derive(Debug, FromQueryResult)]
struct Schedule {
    seq: i64,
    lane: i64,
    attempts: i64,
    due_at: i64,
    behind_seq: i64,
}

pub(super) async fn list(
    connection: &impl ConnectionTrait,
    store: StoreId,
) -> Result<Vec<ParkedRecord>, DbError> {
    let rows = parked::Entity::find()
        .select_only()
        .columns([
            parked::Column::Seq,
            parked::Column::Lane,
            parked::Column::Attempts,
            parked::Column::DueAt,
            parked::Column::BehindSeq,
        ])
        .filter(parked::Column::Store.eq(store.0))
        .order_by_asc(parked::Column::Seq)
        .into_model::<Schedule>()
        .all(connection)
        .await?;
    rows.iter().map(record).collect()
}

/// Moves inbox rows into their lanes with their bodies; those that are parked already get a new schedule.
pub(super) async fn park(
    connection: &impl ConnectionTrait,
    rows: &[(StoreId, ParkedRecord)],
) -> Result<(), DbErr> {
    const AGAIN: &str = "UPDATE parked SET lane = g.lane, attempts = g.attempts, due_at = g.due_at, \
        behind_seq = g.behind_seq FROM g WHERE parked.store = g.store AND parked.seq = g.seq";
    const FIRST: &str = "INSERT INTO parked (store, seq, lane, attempts, due_at, behind_seq, topic, delivery_id, \
        event_id, triggered_at, api_version, received_at, body) \
        SELECT g.store, g.seq, g.lane, g.attempts, g.due_at, g.behind_seq, i.topic, i.delivery_id, i.event_id, \
        i.triggered_at, i.api_version, i.received_at, i.body \
        FROM g JOIN inbox i ON i.store = g.store AND i.seq = g.seq \
        WHERE NOT EXISTS (SELECT 1 FROM parked p WHERE p.store = g.store AND p.seq = g.seq)";
    let again = schedules(rows).execute(connection, AGAIN).await?;
    let first = if again < count(rows) {
        schedules(rows).execute(connection, FIRST).await?
    } else {
        0
    };
    if again + first < count(rows) {
        return Err(DbErr::Custom(
            "a row to be parked is neither in the inbox nor parked".to_owned(),
        ));
    }
    Ok(())
}

/// A dead letter's row that goes back into a lane.
#[derive(Debug)]
pub(super) struct Revived {
    pub(super) store: StoreId,
    pub(super) letter: DeadLetterId,
    pub(super) parked: ParkedRecord,
    /// What a person wrote in the place of its own body.
    pub(super) body: Option<Vec<u8>>,
}

/// Moves dead letters' rows back into lanes; the dead letters themselves are deleted by the caller. One that is there
/// no longer brings nothing back: it was settled before.
pub(super) async fn revive(
    connection: &impl ConnectionTrait,
    rows: &[Revived],
) -> Result<(), DbErr> {
    const REVIVE: &str = "INSERT INTO parked (store, seq, lane, attempts, due_at, behind_seq, topic, delivery_id, \
        event_id, triggered_at, api_version, received_at, body) \
        SELECT g.store, g.seq, g.lane, g.attempts, g.due_at, g.behind_seq, d.topic, d.delivery_id, d.event_id, \
        d.triggered_at, d.api_version, d.received_at, d.body \
        FROM g JOIN dead_letter d ON d.id = g.id AND d.store = g.store AND d.body IS NOT NULL";
    const REVIVE_EDITED: &str = "INSERT INTO parked (store, seq, lane, attempts, due_at, behind_seq, topic, \
        delivery_id, event_id, triggered_at, api_version, received_at, body) \
        SELECT g.store, g.seq, g.lane, g.attempts, g.due_at, g.behind_seq, d.topic, d.delivery_id, d.event_id, \
        d.triggered_at, d.api_version, d.received_at, g.body \
        FROM g JOIN dead_letter d ON d.id = g.id AND d.store = g.store AND d.body IS NOT NULL";
    // Apart, so that no column holds NULL.
    let mut as_they_are = Grid::new(&[
        "id",
        "store",
        "seq",
        "lane",
        "attempts",
        "due_at",
        "behind_seq",
    ]);
    let mut edited = Grid::new(&[
        "id",
        "store",
        "seq",
        "lane",
        "attempts",
        "due_at",
        "behind_seq",
        "body",
    ]);
    for revived in rows {
        let mut row = vec![revived.letter.to_string().into()];
        row.extend(schedule(revived.store, &revived.parked));
        match &revived.body {
            None => as_they_are.push(row),
            Some(body) => {
                row.push(body.clone().into());
                edited.push(row);
            }
        }
    }
    let revived = as_they_are.execute(connection, REVIVE).await?
        + edited.execute(connection, REVIVE_EDITED).await?;
    if revived < count(rows) {
        tracing::warn!(
            asked = rows.len(),
            revived,
            "dead letters to be revived are gone"
        );
    }
    Ok(())
}

/// Takes rows out of their lanes.
pub(super) async fn unpark(
    connection: &impl ConnectionTrait,
    rows: &[(StoreId, i64)],
) -> Result<(), DbErr> {
    let mut grid = Grid::new(&["store", "seq"]);
    for (store, seq) in rows {
        grid.push(vec![store.0.into(), (*seq).into()]);
    }
    grid.execute(
        connection,
        "DELETE FROM parked WHERE (store, seq) IN (SELECT store, seq FROM g)",
    )
    .await
    .map(drop)
}

fn schedules(rows: &[(StoreId, ParkedRecord)]) -> Grid {
    let mut grid = Grid::new(&["store", "seq", "lane", "attempts", "due_at", "behind_seq"]);
    for (store, record) in rows {
        grid.push(schedule(*store, record).into());
    }
    grid
}

fn schedule(store: StoreId, record: &ParkedRecord) -> [sea_orm::Value; 6] {
    [
        store.0.into(),
        record.seq.into(),
        record.lane.0.into(),
        i64::from(record.attempts).into(),
        record.due_at.as_millis().into(),
        record.behind_seq.into(),
    ]
}

fn count<T>(rows: &[T]) -> u64 {
    u64::try_from(rows.len()).unwrap_or(u64::MAX)
}

fn record(row: &Schedule) -> Result<ParkedRecord, DbError> {
    Ok(ParkedRecord {
        seq: row.seq,
        lane: OrderId(row.lane),
        attempts: attempts(row.attempts)?,
        due_at: Timestamp::from_millis(row.due_at),
        behind_seq: row.behind_seq,
    })
}

impl From<parked::Model> for InboxRow {
    fn from(row: parked::Model) -> Self {
        Self {
            store: StoreId(row.store),
            seq: row.seq,
            topic: row.topic,
            delivery_id: row.delivery_id,
            event_id: row.event_id,
            triggered_at: row.triggered_at.map(Timestamp::from_millis),
            api_version: row.api_version,
            received_at: Timestamp::from_millis(row.received_at),
            body: row.body.into(),
        }
    }
}
