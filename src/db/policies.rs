//! What merchants decided for their stores, as rows.

use entity::store_policy;
use sea_orm::{ConnectionTrait, EntityTrait};

use super::document;
use super::error::DbError;
use crate::domain::store::StorePolicy;
use crate::ids::StoreId;

/// The store's policy; the default one when its merchant decided nothing.
pub(super) async fn load(
    connection: &impl ConnectionTrait,
    store: StoreId,
) -> Result<StorePolicy, DbError> {
    let row = store_policy::Entity::find_by_id(store.0)
        .one(connection)
        .await?;
    row.map_or_else(
        || Ok(StorePolicy::default()),
        |row| document::read("policy", &row.doc),
    )
}

pub(super) fn model(store: StoreId, policy: &StorePolicy) -> Result<store_policy::Model, DbError> {
    Ok(store_policy::Model {
        store: store.0,
        doc: document::write("policy", policy)?,
    })
}
