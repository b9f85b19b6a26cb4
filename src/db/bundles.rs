//! Bundles as rows.

use entity::bundle;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::document;
use super::error::DbError;
use crate::domain::bundle::Bundle;
use crate::ids::StoreId;

/// All bundles of the store, deleted ones included: orders made under them still need their recipes.
pub(super) async fn list(
    connection: &impl ConnectionTrait,
    store: StoreId,
) -> Result<Vec<Bundle>, DbError> {
    let rows = bundle::Entity::find()
        .filter(bundle::Column::Store.eq(store.0))
        .all(connection)
        .await?;
    rows.into_iter()
        .map(|row| document::read("bundle", &row.doc))
        .collect()
}

pub(super) fn model(store: StoreId, bundle: &Bundle) -> Result<bundle::Model, DbError> {
    Ok(bundle::Model {
        store: store.0,
        id: bundle.id.to_string(),
        deleted: bundle.deleted,
        doc: document::write("bundle", bundle)?,
    })
}
