//! The secrets that sign a store's webhooks; several may live at once, so that they can be rotated.

use entity::store_secret;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};

use crate::clock::Timestamp;
use crate::db::connect::{Db, begin_writing};
use crate::db::error::DbError;
use crate::db::fleet;
use crate::db::sealing::{Place, Sealed, Sealer, SealingError, Secret};
use crate::ids::StoreId;

/// The most secrets of one store that live at once.
pub const LIVE_SECRETS_MAX: u64 = 16;

/// A secret that lives.
#[derive(Clone, Debug)]
pub struct WebhookSecret {
    /// Its number within the store.
    pub id: i64,
    pub secret: Secret,
    pub fingerprint: String,
    pub created_at: Timestamp,
}

/// Adds a secret beside those that live; returns its number. The same one again keeps its number.
/// [`DbError::Conflict`]: too many live already.
pub async fn insert(
    db: &Db,
    sealer: &Sealer,
    store: StoreId,
    secret: &Secret,
    now: Timestamp,
) -> Result<i64, SealingError> {
    let transaction = begin_writing(db.writers()).await.map_err(DbError::from)?;
    let id = insert_within(&transaction, sealer, store, secret, now).await?;
    transaction.commit().await.map_err(DbError::from)?;
    Ok(id)
}

/// Revokes a secret: what it signed is refused from now on.
pub async fn mark_revoked(db: &Db, store: StoreId, id: i64, now: Timestamp) -> Result<(), DbError> {
    revoke_within(db.writers(), store, id, now).await
}

pub(super) async fn revoke_within(
    connection: &impl ConnectionTrait,
    store: StoreId,
    id: i64,
    now: Timestamp,
) -> Result<(), DbError> {
    let revoked = store_secret::Entity::update_many()
        .col_expr(
            store_secret::Column::RevokedAt,
            Expr::value(now.as_millis()),
        )
        .filter(store_secret::Column::Store.eq(store.0))
        .filter(store_secret::Column::Id.eq(id))
        .filter(store_secret::Column::RevokedAt.is_null())
        .exec(connection)
        .await?;
    if revoked.rows_affected == 1 {
        Ok(())
    } else {
        Err(DbError::NotFound("secret"))
    }
}

/// The store's living secrets, newest first, opened.
pub async fn load(
    db: &Db,
    sealer: &Sealer,
    store: StoreId,
) -> Result<Vec<WebhookSecret>, SealingError> {
    let rows = live(store).order_by_desc(store_secret::Column::Id);
    let rows = db.reading(rows.all(db.readers())).await?;
    rows.into_iter().map(|row| open(sealer, row)).collect()
}

/// Whether another store lives with a secret of this fingerprint.
pub async fn is_shared(db: &Db, fingerprint: &str, store: StoreId) -> Result<bool, DbError> {
    db.reading(fleet::is_secret_shared(db.readers(), fingerprint, store))
        .await
}

pub(super) async fn insert_within(
    transaction: &DatabaseTransaction,
    sealer: &Sealer,
    store: StoreId,
    secret: &Secret,
    now: Timestamp,
) -> Result<i64, SealingError> {
    let fingerprint = sealer.fingerprint(secret);
    let living = live(store).all(transaction).await.map_err(DbError::from)?;
    if let Some(same) = living.iter().find(|row| row.fingerprint == fingerprint) {
        return Ok(same.id);
    }
    if u64::try_from(living.len()).unwrap_or(u64::MAX) >= LIVE_SECRETS_MAX {
        return Err(DbError::Conflict.into());
    }
    let id = last_id(transaction, store).await? + 1;
    let sealed = sealer.seal(Place::WebhookSecret(store), secret)?;
    let row = store_secret::Model {
        store: store.0,
        id,
        key_id: sealed.key_id,
        sealed: sealed.bytes,
        fingerprint,
        created_at: now.as_millis(),
        revoked_at: None,
    };
    let insert = store_secret::Entity::insert(row.into_active_model());
    insert
        .exec_without_returning(transaction)
        .await
        .map_err(DbError::from)?;
    Ok(id)
}

fn live(store: StoreId) -> sea_orm::Select<store_secret::Entity> {
    store_secret::Entity::find()
        .filter(store_secret::Column::Store.eq(store.0))
        .filter(store_secret::Column::RevokedAt.is_null())
}

async fn last_id(connection: &impl ConnectionTrait, store: StoreId) -> Result<i64, DbError> {
    let last: Option<Option<i64>> = store_secret::Entity::find()
        .select_only()
        .column_as(store_secret::Column::Id.max(), "last")
        .filter(store_secret::Column::Store.eq(store.0))
        .into_tuple()
        .one(connection)
        .await?;
    Ok(last.flatten().unwrap_or(0))
}

fn open(sealer: &Sealer, row: store_secret::Model) -> Result<WebhookSecret, SealingError> {
    let sealed = Sealed {
        key_id: row.key_id,
        bytes: row.sealed,
    };
    Ok(WebhookSecret {
        id: row.id,
        secret: sealer.open(Place::WebhookSecret(StoreId(row.store)), &sealed)?,
        fingerprint: row.fingerprint,
        created_at: Timestamp::from_millis(row.created_at),
    })
}
