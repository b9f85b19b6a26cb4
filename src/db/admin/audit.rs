//! What operators did, to be read later.

use entity::audit;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::db::connect::Db;
use crate::db::document;
use crate::db::error::DbError;
use crate::domain::store::letter_edit::DeedRecord;
use crate::ids::StoreId;

/// One deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Ordered by time.
    pub id: Uuid,
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    pub store: Option<StoreId>,
    pub detail: String,
}

impl AuditEntry {
    /// Of a deed that was done to a store.
    #[must_use]
    pub fn of(store: StoreId, deed: DeedRecord) -> Self {
        let DeedRecord {
            id,
            at,
            actor,
            action,
            detail,
        } = deed;
        Self {
            id,
            at,
            actor,
            action,
            store: Some(store),
            detail,
        }
    }
}

/// Writes an entry down.
pub async fn insert(db: &Db, entry: AuditEntry) -> Result<(), DbError> {
    insert_within(db.writers(), entry).await
}

pub(in crate::db) async fn insert_within(
    connection: &impl ConnectionTrait,
    entry: AuditEntry,
) -> Result<(), DbError> {
    let row = audit::Model {
        id: entry.id.to_string(),
        at: entry.at.as_millis(),
        actor: entry.actor,
        action: entry.action,
        store: entry.store.map(|store| store.0),
        detail: entry.detail,
    };
    audit::Entity::insert(row.into_active_model())
        .exec_without_returning(connection)
        .await?;
    Ok(())
}

/// At most `limit` entries, newest first, those before `before`; of one store or of everything.
pub async fn list(
    db: &Db,
    store: Option<StoreId>,
    before: Option<Uuid>,
    limit: u64,
) -> Result<Vec<AuditEntry>, DbError> {
    let mut rows = audit::Entity::find()
        .order_by_desc(audit::Column::Id)
        .limit(limit);
    if let Some(before) = before {
        rows = rows.filter(audit::Column::Id.lt(before.to_string()));
    }
    if let Some(store) = store {
        rows = rows.filter(audit::Column::Store.eq(store.0));
    }
    db.reading(rows.all(db.readers()))
        .await?
        .into_iter()
        .map(entry)
        .collect()
}

/// The last time that this was done to a store.
pub async fn last(db: &Db, store: StoreId, action: &str) -> Result<Option<AuditEntry>, DbError> {
    let last = audit::Entity::find()
        .filter(audit::Column::Store.eq(store.0))
        .filter(audit::Column::Action.eq(action))
        .order_by_desc(audit::Column::Id)
        .one(db.readers());
    db.reading(last).await?.map(entry).transpose()
}

fn entry(row: audit::Model) -> Result<AuditEntry, DbError> {
    Ok(AuditEntry {
        id: document::read_uuid("audit id", &row.id)?,
        at: Timestamp::from_millis(row.at),
        actor: row.actor,
        action: row.action,
        store: row.store.map(StoreId),
        detail: row.detail,
    })
}
