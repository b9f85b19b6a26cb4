//! The durable inbox of a store: what arrives, and reading it in order.

use bytes::Bytes;
use entity::inbox;
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder};

use super::connect::{Db, statement};
use super::error::DbError;
use crate::clock::Timestamp;
use crate::ids::StoreId;

/// A webhook that was verified and is to be made durable.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub store: StoreId,
    pub topic: String,
    /// The platform's id of this delivery: equal ids are the same webhook.
    pub delivery_id: String,
    pub event_id: Option<String>,
    pub triggered_at: Option<Timestamp>,
    pub api_version: Option<String>,
    pub received_at: Timestamp,
    pub body: Bytes,
    /// SHA-256 of the body, only when the secret that verified it is shared with another store and the delivery is no
    /// test: then another store's acceptance of the same body within 7 days refuses this one.
    pub shared_digest: Option<[u8; 32]>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// Durable, under this number of the store's inbox.
    Accepted { seq: i64 },
    /// Its delivery id was accepted before.
    Duplicate,
    /// Another store that shares the secret accepted the same body; nothing was written.
    SharedBody,
}

/// A webhook in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRow {
    pub store: StoreId,
    pub seq: i64,
    pub topic: String,
    pub delivery_id: String,
    pub event_id: Option<String>,
    pub triggered_at: Option<Timestamp>,
    pub api_version: Option<String>,
    pub received_at: Timestamp,
    pub body: Bytes,
}

/// What lies ahead of a cursor.
#[derive(Debug)]
pub struct Ahead {
    /// The number of the last webhook accepted; 0 before the first.
    pub last_seq: i64,
    /// When the app was installed on the store; `None`: the store is gone.
    pub installed_at: Option<Timestamp>,
    pub rows: Vec<InboxRow>,
}

/// A row of the log by its size, beside the head; only the head where there is no row.
#[derive(Debug, FromQueryResult)]
struct Size {
    next_seq: i64,
    installed_at: Option<i64>,
    seq: Option<i64>,
    bytes: Option<i64>,
}

/// What lies ahead in the log: where it ends, for which installation, and the rows after `after_seq` in order, at most
/// `limit` and no more than fit into `max_bytes` of bodies, but at least one when there is one.
pub async fn look_ahead(
    db: &Db,
    store: StoreId,
    after_seq: i64,
    limit: u64,
    max_bytes: usize,
) -> Result<Ahead, DbError> {
    let rows = db.fresh().take(store, after_seq, limit, max_bytes);
    if let Some(last) = rows.last().map(|row| row.seq) {
        let (ahead, _sizes) = look(db, store, after_seq, 0).await?;
        // A database that lost them, put back to an earlier state, is believed.
        if last <= ahead.last_seq {
            return Ok(Ahead { rows, ..ahead });
        }
    }
    read_log(db, store, after_seq, limit, max_bytes).await
}

/// The same for people, who may look anywhere: nothing is taken from what is kept in memory for the keeper.
pub async fn read_log(
    db: &Db,
    store: StoreId,
    after_seq: i64,
    limit: u64,
    max_bytes: usize,
) -> Result<Ahead, DbError> {
    let (ahead, sizes) = look(db, store, after_seq, limit).await?;
    let rows = match last_within(&sizes, max_bytes) {
        Some(last) => rows_between(db, store, after_seq, last).await?,
        None => Vec::new(),
    };
    Ok(Ahead { rows, ..ahead })
}

/// Where the log ends and for which installation, and how large the rows after `after_seq` are, at most `limit`.
async fn look(
    db: &Db,
    store: StoreId,
    after_seq: i64,
    limit: u64,
) -> Result<(Ahead, Vec<Size>), DbError> {
    let sizes = Size::find_by_statement(statement(
        db.readers(),
        "SELECT head.next_seq, store.installed_at, ahead.seq, ahead.bytes FROM inbox_head head \
         LEFT JOIN store ON store.id = head.store LEFT JOIN \
         (SELECT seq, CAST(LENGTH(body) AS BIGINT) AS bytes FROM inbox WHERE store = $1 AND seq > $2 \
         ORDER BY seq LIMIT $3) ahead ON true WHERE head.store = $1 ORDER BY ahead.seq",
        [
            store.0.into(),
            after_seq.into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
        ],
    ));
    let sizes = db.reading(sizes.all(db.readers())).await?;
    let head = sizes.first().ok_or(DbError::NotFound("store"))?;
    let ahead = Ahead {
        last_seq: head.next_seq - 1,
        installed_at: head.installed_at.map(Timestamp::from_millis),
        rows: Vec::new(),
    };
    Ok((ahead, sizes))
}

/// The number of the last webhook accepted; 0 before the first.
pub async fn last_seq(db: &Db, store: StoreId) -> Result<i64, DbError> {
    let (ahead, _no_sizes) = look(db, store, 0, 0).await?;
    Ok(ahead.last_seq)
}

/// The rows after `after_seq` up to `last_seq`, in order.
async fn rows_between(
    db: &Db,
    store: StoreId,
    after_seq: i64,
    last_seq: i64,
) -> Result<Vec<InboxRow>, DbError> {
    let rows = inbox::Entity::find()
        .filter(inbox::Column::Store.eq(store.0))
        .filter(inbox::Column::Seq.gt(after_seq))
        .filter(inbox::Column::Seq.lte(last_seq))
        .order_by_asc(inbox::Column::Seq)
        .all(db.readers());
    let rows = db.reading(rows).await?;
    Ok(rows.into_iter().map(InboxRow::from).collect())
}

/// The number of the last row that fits; the first row always does.
fn last_within(sizes: &[Size], max_bytes: usize) -> Option<i64> {
    let mut room = i64::try_from(max_bytes).unwrap_or(i64::MAX);
    let mut last = None;
    for size in sizes {
        room = room.saturating_sub(size.bytes.unwrap_or(0));
        if room < 0 && last.is_some() {
            break;
        }
        last = size.seq;
    }
    last
}

impl Delivery {
    /// The row that it became.
    pub(super) fn into_row(self, seq: i64) -> InboxRow {
        InboxRow {
            store: self.store,
            seq,
            topic: self.topic,
            delivery_id: self.delivery_id,
            event_id: self.event_id,
            triggered_at: self.triggered_at,
            api_version: self.api_version,
            received_at: self.received_at,
            body: self.body,
        }
    }
}

impl From<inbox::Model> for InboxRow {
    fn from(row: inbox::Model) -> Self {
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
