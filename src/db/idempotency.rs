//! Replies already given to clients' idempotency keys.

use entity::idempotent_reply;
use sea_orm::EntityTrait;

use super::connect::Db;
use super::error::DbError;
use crate::clock::Timestamp;
use crate::domain::store::change::IdempotentReply;
use crate::ids::StoreId;

/// The reply that this key of the store was given, when it is still kept.
pub async fn find(db: &Db, store: StoreId, key: &str) -> Result<Option<IdempotentReply>, DbError> {
    let row = idempotent_reply::Entity::find_by_id((store.0, key.to_owned())).one(db.readers());
    db.reading(row).await?.map(reply).transpose()
}

pub(in crate::db) fn model(store: StoreId, reply: &IdempotentReply) -> idempotent_reply::Model {
    idempotent_reply::Model {
        store: store.0,
        key: reply.key.clone(),
        digest: reply.digest.clone(),
        status: reply.status.into(),
        body: reply.body.clone(),
        at: reply.at.as_millis(),
    }
}

fn reply(row: idempotent_reply::Model) -> Result<IdempotentReply, DbError> {
    Ok(IdempotentReply {
        key: row.key,
        digest: row.digest,
        status: u16::try_from(row.status).map_err(|error| DbError::malformed("status", error))?,
        body: row.body,
        at: Timestamp::from_millis(row.at),
    })
}
