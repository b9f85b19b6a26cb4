//! The durable inbox of a store: what arrives, and reading it in order.

use bytes::Bytes;
use entity::{inbox, inbox_head};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};

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

/// Where a store's inbox ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number that the next accepted webhook gets; the first is 1.
    pub next_seq: i64,
    /// Webhooks accepted ever.
    pub received: i64,
}

#[derive(Debug, FromQueryResult)]
struct Size {
    seq: i64,
    bytes: i64,
}

/// The rows after `after_seq` in order: at most `limit`, and no more than fit into `max_bytes` of bodies, but at least
/// one when there is one.
pub async fn read_rows(
    db: &Db,
    store: StoreId,
    after_seq: i64,
    limit: u64,
    max_bytes: usize,
) -> Result<Vec<InboxRow>, DbError> {
    let sizes = Size::find_by_statement(statement(
        db.readers(),
        "SELECT seq, CAST(LENGTH(body) AS BIGINT) AS bytes FROM inbox WHERE store = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        [
            store.0.into(),
            after_seq.into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
        ],
    ));
    let sizes = db.reading(sizes.all(db.readers())).await?;
    let Some(last) = last_within(&sizes, max_bytes) else {
        return Ok(Vec::new());
    };
    let rows = inbox::Entity::find()
        .filter(inbox::Column::Store.eq(store.0))
        .filter(inbox::Column::Seq.gt(after_seq))
        .filter(inbox::Column::Seq.lte(last))
        .order_by_asc(inbox::Column::Seq)
        .limit(limit)
        .all(db.readers());
    Ok(db
        .reading(rows)
        .await?
        .into_iter()
        .map(InboxRow::from)
        .collect())
}

/// Where the store's inbox ends.
pub async fn get_head(db: &Db, store: StoreId) -> Result<Head, DbError> {
    let head = db
        .reading(inbox_head::Entity::find_by_id(store.0).one(db.readers()))
        .await?;
    head.map(|head| Head {
        next_seq: head.next_seq,
        received: head.received,
    })
    .ok_or(DbError::NotFound("store"))
}

fn last_within(sizes: &[Size], max_bytes: usize) -> Option<i64> {
    let mut room = i64::try_from(max_bytes).unwrap_or(i64::MAX);
    let (first, rest) = sizes.split_first()?;
    room = room.saturating_sub(first.bytes);
    let mut last = first.seq;
    for size in rest {
        room = room.saturating_sub(size.bytes);
        if room < 0 {
            break;
        }
        last = size.seq;
    }
    Some(last)
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
