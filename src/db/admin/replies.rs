//! Replies to the idempotency keys of admins.

use entity::idempotent_reply;
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel};

use crate::db::connect::Db;
use crate::db::error::DbError;
use crate::db::idempotency;
use crate::domain::store::change::IdempotentReply;
use crate::ids::StoreId;

/// Stands for the admins where idempotency keys belong to stores; no store has this id.
const OF_ADMINS: StoreId = StoreId(0);

/// The reply that this key was given, when it is still kept.
pub async fn find(db: &Db, key: &str) -> Result<Option<IdempotentReply>, DbError> {
    idempotency::find(db, OF_ADMINS, key).await
}

/// Remembers a reply in the transaction of what it tells of. [`DbError::Conflict`]: its key is taken.
pub(super) async fn insert_within(
    connection: &impl ConnectionTrait,
    reply: &IdempotentReply,
) -> Result<(), DbError> {
    let row = idempotency::model(OF_ADMINS, reply).into_active_model();
    idempotent_reply::Entity::insert(row)
        .exec_without_returning(connection)
        .await?;
    Ok(())
}
