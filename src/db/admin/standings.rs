//! What stores may take of a shared server, where it was decided.

use entity::standing;
use sea_orm::{ConnectionTrait, EntityTrait};

use super::audit::{self, AuditEntry};
use super::stores::row_within;
use crate::clock::Timestamp;
use crate::db::connect::{Db, begin_writing};
use crate::db::error::DbError;
use crate::db::grid::upsert;
use crate::domain::standing::{Record, Rung, Standing, Suspension};
use crate::ids::StoreId;

/// The store's standing; the usual one when nobody ever decided anything.
pub async fn find(db: &Db, store: StoreId) -> Result<Record, DbError> {
    let row = standing::Entity::find_by_id(store.0).one(db.readers());
    let row = db.reading(row).await?;
    row.map_or_else(|| Ok(Record::default()), record)
}

/// The same, within a transaction.
pub(in crate::db) async fn load(
    connection: &impl ConnectionTrait,
    store: StoreId,
) -> Result<Record, DbError> {
    let row = standing::Entity::find_by_id(store.0)
        .one(connection)
        .await?;
    row.map_or_else(|| Ok(Record::default()), record)
}

/// Changes a store's standing as `decide` says of what it is, and writes the deed down: both, or neither. `None`:
/// nothing was decided. Who changes the same store at the same time waits.
pub async fn change(
    db: &Db,
    store: StoreId,
    deed: AuditEntry,
    decide: impl FnOnce(&Record) -> Option<Record> + Send,
) -> Result<Option<Record>, DbError> {
    let transaction = begin_writing(db.writers()).await?;
    row_within(&transaction, store).await?;
    let Some(next) = decide(&load(&transaction, store).await?) else {
        return Ok(None);
    };
    upsert::<standing::Entity>(&transaction, vec![model(store, &next)]).await?;
    audit::insert_within(&transaction, deed).await?;
    transaction.commit().await?;
    Ok(Some(next))
}

pub(in crate::db) fn record(row: standing::Model) -> Result<Record, DbError> {
    let suspension = row.suspended_at.map(|at| Suspension {
        at: Timestamp::from_millis(at),
        reason: row.suspended_for,
        by: row.suspended_by,
    });
    let rung = match Standing::from_name(&row.standing) {
        Some(Standing::Good) => Rung::Good,
        Some(Standing::Noisy) => Rung::Noisy,
        Some(Standing::Quarantined) => Rung::Quarantined,
        // A suspension stands in columns of its own.
        Some(Standing::Suspended) | None => {
            return Err(DbError::malformed("standing", &row.standing));
        }
    };
    Ok(Record {
        rung,
        since: Timestamp::from_millis(row.since),
        reason: row.reason,
        by: row.decided_by,
        pinned_until: row.pinned_until.map(Timestamp::from_millis),
        suspension,
    })
}

fn model(store: StoreId, record: &Record) -> standing::Model {
    let suspension = record.suspension.as_ref();
    standing::Model {
        store: store.0,
        standing: record.rung.standing().name().to_owned(),
        since: record.since.as_millis(),
        reason: record.reason.clone(),
        decided_by: record.by.clone(),
        pinned_until: record.pinned_until.map(Timestamp::as_millis),
        suspended_at: suspension.map(|suspension| suspension.at.as_millis()),
        suspended_for: suspension.map_or_else(String::new, |suspension| suspension.reason.clone()),
        suspended_by: suspension.map_or_else(String::new, |suspension| suspension.by.clone()),
    }
}
