//! Writes without a definite answer as rows.

use entity::call;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};

use super::document;
use super::error::DbError;
use super::grid::Grid;
use crate::clock::Timestamp;
use crate::domain::store::change::CallRecord;
use crate::ids::{CallId, StoreId};

pub(super) async fn list(
    connection: &impl ConnectionTrait,
    store: StoreId,
) -> Result<Vec<CallRecord>, DbError> {
    let rows = call::Entity::find()
        .filter(call::Column::Store.eq(store.0))
        .all(connection)
        .await?;
    rows.iter().map(record).collect()
}

pub(super) fn model(store: StoreId, record: &CallRecord) -> Result<call::Model, DbError> {
    Ok(call::Model {
        store: store.0,
        id: record.id.to_string(),
        created_at: record.created_at.as_millis(),
        attempts: record.attempts.into(),
        due_at: record.due_at.as_millis(),
        doc: document::write("call", &record.write)?,
    })
}

/// Deletes the calls of these stores and ids.
pub(super) async fn delete(
    connection: &impl ConnectionTrait,
    calls: &[(StoreId, String)],
) -> Result<(), DbErr> {
    let mut grid = Grid::new(&["store", "id"]);
    for (store, id) in calls {
        grid.push(vec![store.0.into(), id.clone().into()]);
    }
    let delete = "DELETE FROM call WHERE (store, id) IN (SELECT store, id FROM g)";
    grid.execute(connection, delete).await.map(drop)
}

fn record(row: &call::Model) -> Result<CallRecord, DbError> {
    Ok(CallRecord {
        id: CallId(document::read_uuid("call id", &row.id)?),
        write: document::read("call", &row.doc)?,
        created_at: Timestamp::from_millis(row.created_at),
        attempts: attempts(row.attempts)?,
        due_at: Timestamp::from_millis(row.due_at),
    })
}

pub(super) fn attempts(stored: i64) -> Result<u32, DbError> {
    u32::try_from(stored).map_err(|error| DbError::malformed("attempts", error))
}
