//! Rotation of the sealing key: everything sealed is sealed anew, in one transaction.

use entity::{sealing_key_check, store, store_secret};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, Set};

use super::audit::{self, AuditEntry};
use crate::db::connect::{Db, begin_writing};
use crate::db::error::DbError;
use crate::db::sealing::{Place, Sealed, Sealer, SealingError};
use crate::ids::StoreId;

/// Seals everything that `from` sealed under `to`, and writes it down. All or nothing; afterwards only `to` opens the
/// database.
pub async fn rotate(
    db: &Db,
    from: &Sealer,
    to: &Sealer,
    entry: AuditEntry,
) -> Result<(), SealingError> {
    let now = entry.at;
    from.check(db, now).await?;
    let transaction = begin_writing(db.writers()).await.map_err(DbError::from)?;
    reseal_stores(&transaction, from, to).await?;
    reseal_secrets(&transaction, from, to).await?;
    sealing_key_check::Entity::delete_many()
        .exec(&transaction)
        .await
        .map_err(DbError::from)?;
    let check = sealing_key_check::Entity::insert(to.check_row(now)?.into_active_model());
    check
        .exec_without_returning(&transaction)
        .await
        .map_err(DbError::from)?;
    audit::insert_within(&transaction, entry).await?;
    transaction.commit().await.map_err(DbError::from)?;
    Ok(())
}

async fn reseal_stores(
    transaction: &DatabaseTransaction,
    from: &Sealer,
    to: &Sealer,
) -> Result<(), SealingError> {
    for row in store::Entity::find()
        .all(transaction)
        .await
        .map_err(DbError::from)?
    {
        let id = StoreId(row.id);
        let reseal = |place, bytes: &Option<Vec<u8>>| -> Result<Option<Vec<u8>>, SealingError> {
            let Some(bytes) = bytes else { return Ok(None) };
            let sealed = Sealed {
                key_id: row.key_id.clone(),
                bytes: bytes.clone(),
            };
            Ok(Some(to.seal(place, &from.open(place, &sealed)?)?.bytes))
        };
        let access = reseal(Place::AccessToken(id), &row.access_token)?;
        let refresh = reseal(Place::RefreshToken(id), &row.refresh_token)?;
        let intake = reseal(Place::IntakeToken(id), &row.intake_token)?;
        let mut row = row.into_active_model();
        row.key_id = Set(to.key_id().to_owned());
        row.access_token = Set(access);
        row.refresh_token = Set(refresh);
        row.intake_token = Set(intake);
        row.update(transaction).await.map_err(DbError::from)?;
    }
    Ok(())
}

async fn reseal_secrets(
    transaction: &DatabaseTransaction,
    from: &Sealer,
    to: &Sealer,
) -> Result<(), SealingError> {
    for row in store_secret::Entity::find()
        .all(transaction)
        .await
        .map_err(DbError::from)?
    {
        let place = Place::WebhookSecret(StoreId(row.store));
        let secret = from.open(
            place,
            &Sealed {
                key_id: row.key_id.clone(),
                bytes: row.sealed.clone(),
            },
        )?;
        let sealed = to.seal(place, &secret)?;
        let mut row = row.into_active_model();
        row.key_id = Set(sealed.key_id);
        row.sealed = Set(sealed.bytes);
        row.fingerprint = Set(to.fingerprint(&secret));
        row.update(transaction).await.map_err(DbError::from)?;
    }
    Ok(())
}
