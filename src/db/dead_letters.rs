//! What was given up: written by keepers, listed for people.

use std::collections::BTreeMap;

use entity::dead_letter;
use sea_orm::sea_query::ExprTrait as _;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, DerivePartialModel, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};
use sha2::{Digest, Sha256};

use super::connect::Db;
use super::document;
use super::error::DbError;
use super::fleet;
use super::grid::Grid;
use super::inbox::InboxRow;
use crate::clock::Timestamp;
use crate::domain::store::change::{DeadLetterClass, DeadLetterRecord};
use crate::ids::{DeadLetterId, StoreId};

/// Which dead letters are meant; what is `None` does not narrow.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeadLetterFilter {
    pub store: Option<StoreId>,
    pub class: Option<DeadLetterClass>,
}

/// A dead letter without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub store: StoreId,
    pub record: DeadLetterRecord,
    /// The topic of the inbox row it came from.
    pub topic: Option<String>,
}

/// At most `limit` dead letters, the newest first; those behind `after`, a dead letter's instant and id.
pub async fn list(
    db: &Db,
    filter: DeadLetterFilter,
    after: Option<(Timestamp, DeadLetterId)>,
    limit: u64,
) -> Result<Vec<DeadLetter>, DbError> {
    let (at, id) = (dead_letter::Column::At, dead_letter::Column::Id);
    let mut rows = fleet::dead_letters(filter);
    if let Some((instant, last)) = after {
        let instant = instant.as_millis();
        let within = at.eq(instant).and(id.lt(last.to_string()));
        rows = rows.filter(at.lt(instant).or(within));
    }
    let rows = rows
        .order_by_desc(at)
        .order_by_desc(id)
        .limit(limit)
        .into_partial_model::<Letter>();
    db.reading(rows.all(db.readers()))
        .await?
        .into_iter()
        .map(DeadLetter::try_from)
        .collect()
}

/// The dead letter of this id.
pub async fn get(db: &Db, id: DeadLetterId) -> Result<DeadLetter, DbError> {
    let row = dead_letter::Entity::find_by_id(id.to_string())
        .into_partial_model::<Letter>()
        .one(db.readers());
    db.reading(row)
        .await?
        .ok_or(DbError::NotFound("dead letter"))?
        .try_into()
}

/// The topics of a store's dead letters; those that came from a write have none.
pub async fn topics(
    db: &Db,
    store: StoreId,
    ids: &[DeadLetterId],
) -> Result<BTreeMap<DeadLetterId, String>, DbError> {
    let rows = dead_letter::Entity::find()
        .filter(dead_letter::Column::Store.eq(store.0))
        .filter(dead_letter::Column::Id.is_in(ids.iter().map(ToString::to_string)))
        .into_partial_model::<Letter>();
    db.reading(rows.all(db.readers()))
        .await?
        .into_iter()
        .map(DeadLetter::try_from)
        .filter_map(|letter| match letter {
            Ok(letter) => Some(Ok((letter.record.id, letter.topic?))),
            Err(error) => Some(Err(error)),
        })
        .collect()
}

/// How many dead letters are meant.
pub async fn count(db: &Db, filter: DeadLetterFilter) -> Result<u64, DbError> {
    db.reading(fleet::dead_letters(filter).count(db.readers()))
        .await
}

/// The inbox row that the dead letter came from; `None` when it came from a write.
pub async fn load_row(db: &Db, id: DeadLetterId) -> Result<Option<InboxRow>, DbError> {
    let row = dead_letter::Entity::find_by_id(id.to_string()).one(db.readers());
    Ok(inbox_row(
        db.reading(row)
            .await?
            .ok_or(DbError::NotFound("dead letter"))?,
    ))
}

/// The digest of the body that a dead letter has; `None`: it has none.
pub async fn body_digest(db: &Db, id: DeadLetterId) -> Result<Option<String>, DbError> {
    let body = dead_letter::Entity::find_by_id(id.to_string())
        .select_only()
        .column(dead_letter::Column::Body)
        .into_tuple::<Option<Vec<u8>>>()
        .one(db.readers());
    let body = db.reading(body).await?.flatten();
    Ok(body.map(|body| digest(&body)))
}

/// SHA-256 of a body, in hexadecimal digits.
#[must_use]
pub fn digest(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// Writes dead letters, with the inbox rows that they came from, be these parked or not.
pub(super) async fn put(
    connection: &impl ConnectionTrait,
    rows: &[(StoreId, DeadLetterRecord)],
) -> Result<(), DbErr> {
    const PUT: &str = "INSERT INTO dead_letter (id, store, class, reason, at, seq, topic, delivery_id, event_id, \
        triggered_at, api_version, received_at, body) \
        SELECT g.id, g.store, g.class, g.reason, g.at, g.seq, COALESCE(p.topic, i.topic), \
        COALESCE(p.delivery_id, i.delivery_id), COALESCE(p.event_id, i.event_id), \
        COALESCE(p.triggered_at, i.triggered_at), COALESCE(p.api_version, i.api_version), \
        COALESCE(p.received_at, i.received_at), COALESCE(p.body, i.body) \
        FROM g LEFT JOIN parked p ON p.store = g.store AND p.seq = g.seq \
        LEFT JOIN inbox i ON i.store = g.store AND i.seq = g.seq \
        WHERE true \
        ON CONFLICT (id) DO UPDATE SET class = excluded.class, reason = excluded.reason, at = excluded.at";
    let mut grid = Grid::new(&["id", "store", "class", "reason", "at", "seq"]);
    for (store, record) in rows {
        grid.push(vec![
            record.id.to_string().into(),
            store.0.into(),
            record.class.name().into(),
            // PostgreSQL keeps no NUL in a text, and a reason may quote whatever arrived.
            record.reason.replace('\0', "\u{fffd}").into(),
            record.at.as_millis().into(),
            record.seq.into(),
        ]);
    }
    grid.execute(connection, PUT).await.map(drop)
}

/// Deletes dead letters of their stores.
pub(super) async fn delete(
    connection: &impl ConnectionTrait,
    rows: &[(StoreId, DeadLetterId)],
) -> Result<(), DbErr> {
    let mut grid = Grid::new(&["store", "id"]);
    for (store, id) in rows {
        grid.push(vec![store.0.into(), id.to_string().into()]);
    }
    let delete = "DELETE FROM dead_letter WHERE (store, id) IN (SELECT store, id FROM g)";
    grid.execute(connection, delete).await.map(drop)
}

/// A row without its body.
#[derive(Debug, DerivePartialModel)]
#[sea_orm(entity = "dead_letter::Entity")]
struct Letter {
    id: String,
    store: i64,
    class: String,
    reason: String,
    at: i64,
    seq: Option<i64>,
    topic: Option<String>,
}

impl TryFrom<Letter> for DeadLetter {
    type Error = DbError;

    fn try_from(row: Letter) -> Result<Self, DbError> {
        let class = DeadLetterClass::from_name(&row.class)
            .ok_or_else(|| DbError::malformed("class", &row.class))?;
        Ok(Self {
            store: StoreId(row.store),
            record: DeadLetterRecord {
                id: DeadLetterId(document::read_uuid("dead letter id", &row.id)?),
                seq: row.seq,
                class,
                reason: row.reason,
                at: Timestamp::from_millis(row.at),
            },
            topic: row.topic,
        })
    }
}

fn inbox_row(row: dead_letter::Model) -> Option<InboxRow> {
    Some(InboxRow {
        store: StoreId(row.store),
        seq: row.seq?,
        topic: row.topic?,
        delivery_id: row.delivery_id?,
        event_id: row.event_id,
        triggered_at: row.triggered_at.map(Timestamp::from_millis),
        api_version: row.api_version,
        received_at: Timestamp::from_millis(row.received_at?),
        body: row.body?.into(),
    })
}
