//! Stores: registered, found by what they are known by, changed and deleted.

use std::collections::BTreeSet;

use entity::{inbox_head, standing, store, store_secret};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Set,
};

use super::{replies, secrets};
use crate::clock::Timestamp;
use crate::db::connect::{Db, begin_writing};
use crate::db::error::DbError;
use crate::db::keepers;
use crate::db::sealing::{Place, Sealed, Sealer, SealingError, Secret};
use crate::domain::store::change::IdempotentReply;
use crate::ids::StoreId;

/// A store as it is registered.
#[derive(Clone, Debug)]
pub struct NewStore {
    pub platform: String,
    pub domain: String,
    pub name: Option<String>,
    pub api_base_url: String,
    pub plan: Option<String>,
    /// SHA-256 of the intake token, as hexadecimal digits; likewise the keys.
    pub intake_token_hash: String,
    /// The token itself, to tell the platform where webhooks go; without it they go to the platform's common address.
    pub intake_token: Option<Secret>,
    pub secret_key_hash: String,
    pub publishable_key_hash: String,
    pub tokens: Tokens,
    pub webhook_secrets: Vec<Secret>,
}

/// What opens the platform's door.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    pub access: Option<Secret>,
    pub refresh: Option<Secret>,
    /// When the access token expires, when it does.
    pub expires_at: Option<Timestamp>,
}

/// A store without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreRecord {
    pub id: StoreId,
    pub platform: String,
    pub domain: String,
    pub name: Option<String>,
    pub api_base_url: String,
    pub plan: Option<String>,
    pub status: StoreStatus,
    pub installed_at: Timestamp,
    pub updated_at: Timestamp,
    pub token_expires_at: Option<Timestamp>,
}

/// Where a store is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreStatus {
    Installed,
    /// The merchant removed the app.
    Uninstalled,
}

/// What is to change of a store; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct StorePatch {
    pub name: Option<String>,
    pub api_base_url: Option<String>,
    pub plan: Option<String>,
    pub status: Option<StoreStatus>,
    pub tokens: Option<Tokens>,
    /// The app was installed anew: what was said of the installation before is over.
    pub installed_anew: bool,
}

/// Which of a store's keys a hash is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    Secret,
    Publishable,
}

/// Registers a store with its secrets and an empty inbox. [`DbError::Conflict`]: its domain is registered already.
pub async fn insert(
    db: &Db,
    sealer: &Sealer,
    new: NewStore,
    now: Timestamp,
) -> Result<StoreId, SealingError> {
    insert_once(db, sealer, new, None, now).await
}

/// As [`insert`], and remembers the reply under its key in the same transaction. [`DbError::Conflict`]: the domain is
/// registered already, or the key is taken.
pub async fn insert_once(
    db: &Db,
    sealer: &Sealer,
    new: NewStore,
    reply: Option<&IdempotentReply>,
    now: Timestamp,
) -> Result<StoreId, SealingError> {
    let transaction = begin_writing(db.writers()).await.map_err(DbError::from)?;
    let id = next_id(&transaction).await?;
    let secrets = new.webhook_secrets.clone();
    let row = new_row(sealer, id, new, now)?.into_active_model();
    store::Entity::insert(row)
        .exec_without_returning(&transaction)
        .await
        .map_err(DbError::from)?;
    let head = inbox_head::Model {
        store: id.0,
        next_seq: 1,
        received: 0,
    }
    .into_active_model();
    inbox_head::Entity::insert(head)
        .exec_without_returning(&transaction)
        .await
        .map_err(DbError::from)?;
    for secret in &secrets {
        secrets::insert_within(&transaction, sealer, id, secret, now).await?;
    }
    if let Some(reply) = reply {
        replies::insert_within(&transaction, reply).await?;
    }
    transaction.commit().await.map_err(DbError::from)?;
    Ok(id)
}

/// The store of this id.
pub async fn get(db: &Db, id: StoreId) -> Result<StoreRecord, DbError> {
    record(get_row(db, id).await?)
}

/// The store that this intake token (as its hash) leads to.
pub async fn find_by_intake_token(db: &Db, hash: &str) -> Result<Option<StoreRecord>, DbError> {
    find(db, store::Column::IntakeTokenHash.eq(hash)).await
}

/// The store of this domain.
pub async fn find_by_domain(
    db: &Db,
    platform: &str,
    domain: &str,
) -> Result<Option<StoreRecord>, DbError> {
    find(
        db,
        store::Column::Platform
            .eq(platform)
            .and(store::Column::Domain.eq(domain)),
    )
    .await
}

/// The store that this key (as its hash) opens, and what kind of key it is.
pub async fn find_by_key(db: &Db, hash: &str) -> Result<Option<(StoreRecord, KeyKind)>, DbError> {
    if let Some(record) = find(db, store::Column::SecretKeyHash.eq(hash)).await? {
        return Ok(Some((record, KeyKind::Secret)));
    }
    let found = find(db, store::Column::PublishableKeyHash.eq(hash)).await?;
    Ok(found.map(|record| (record, KeyKind::Publishable)))
}

/// At most `limit` stores in ascending order of id, those after `after`.
pub async fn list(
    db: &Db,
    after: Option<StoreId>,
    limit: u64,
) -> Result<Vec<StoreRecord>, DbError> {
    let rows = store::Entity::find()
        .filter(store::Column::DeletedAt.is_null())
        .filter(store::Column::Id.gt(after.map_or(0, |id| id.0)))
        .order_by_asc(store::Column::Id)
        .limit(limit);
    db.reading(rows.all(db.readers()))
        .await?
        .into_iter()
        .map(record)
        .collect()
}

/// The stores whose domain has these letters in it, or whose id this is; at most `limit`.
pub async fn search(db: &Db, letters: &str, limit: u64) -> Result<BTreeSet<StoreId>, DbError> {
    let plain = letters.replace(['%', '_', '\\'], "");
    let by_id = letters.parse::<i64>().unwrap_or(0);
    let matches = store::Column::Domain
        .contains(&plain)
        .or(store::Column::Id.eq(by_id));
    let rows = store::Entity::find()
        .select_only()
        .column(store::Column::Id)
        .filter(store::Column::DeletedAt.is_null())
        .filter(matches)
        .order_by_asc(store::Column::Id)
        .limit(limit)
        .into_tuple::<i64>();
    let found = db.reading(rows.all(db.readers())).await?;
    Ok(found.into_iter().map(StoreId).collect())
}

/// The store's tokens, opened.
pub async fn load_tokens(db: &Db, sealer: &Sealer, id: StoreId) -> Result<Tokens, SealingError> {
    let row = get_row(db, id).await?;
    let key_id = row.key_id;
    let open = |place, bytes: Option<Vec<u8>>| {
        bytes
            .map(|bytes| {
                sealer.open(
                    place,
                    &Sealed {
                        key_id: key_id.clone(),
                        bytes,
                    },
                )
            })
            .transpose()
    };
    Ok(Tokens {
        access: open(Place::AccessToken(id), row.access_token)?,
        refresh: open(Place::RefreshToken(id), row.refresh_token)?,
        expires_at: row.token_expires_at.map(Timestamp::from_millis),
    })
}

/// The store's intake token, opened; `None`: it was registered before tokens were kept.
pub async fn load_intake_token(
    db: &Db,
    sealer: &Sealer,
    id: StoreId,
) -> Result<Option<Secret>, SealingError> {
    let row = get_row(db, id).await?;
    let sealed = row.intake_token.map(|bytes| Sealed {
        key_id: row.key_id,
        bytes,
    });
    sealed
        .map(|sealed| sealer.open(Place::IntakeToken(id), &sealed))
        .transpose()
}

/// Changes what the patch names.
pub async fn update(
    db: &Db,
    sealer: &Sealer,
    id: StoreId,
    patch: StorePatch,
    now: Timestamp,
) -> Result<StoreRecord, SealingError> {
    let transaction = begin_writing(db.writers()).await.map_err(DbError::from)?;
    let row = row_within(&transaction, id).await?;
    let row = patched(sealer, row, patch, now)?;
    let row = row.update(&transaction).await.map_err(DbError::from)?;
    transaction.commit().await.map_err(DbError::from)?;
    Ok(record(row)?)
}

/// The row, for this transaction to change.
pub(super) async fn row_within(
    transaction: &DatabaseTransaction,
    id: StoreId,
) -> Result<store::Model, DbError> {
    store::Entity::find_by_id(id.0)
        .filter(store::Column::DeletedAt.is_null())
        // Where several may write at once, the next one waits for this one; SQLite has one writer.
        .lock_exclusive()
        .one(transaction)
        .await?
        .ok_or(DbError::NotFound("store"))
}

/// The row with what the patch names.
pub(super) fn patched(
    sealer: &Sealer,
    row: store::Model,
    patch: StorePatch,
    now: Timestamp,
) -> Result<store::ActiveModel, SealingError> {
    let id = StoreId(row.id);
    // No two changes share a stamp: it tells one revision of the row from the next.
    let updated_at = Ord::max(now.as_millis(), row.updated_at.saturating_add(1));
    let mut row = row.into_active_model();
    row.updated_at = Set(updated_at);
    if let Some(name) = patch.name {
        row.name = Set(Some(name));
    }
    if let Some(api_base_url) = patch.api_base_url {
        row.api_base_url = Set(api_base_url);
    }
    if let Some(plan) = patch.plan {
        row.plan = Set(Some(plan));
    }
    if patch.installed_anew {
        row.installed_at = Set(now.as_millis());
    }
    if let Some(status) = patch.status {
        row.status = Set(status.name().to_owned());
    }
    if let Some(tokens) = patch.tokens {
        let sealed = seal_tokens(sealer, id, &tokens)?;
        row.key_id = Set(sealer.key_id().to_owned());
        row.access_token = Set(sealed.access);
        row.refresh_token = Set(sealed.refresh);
        row.token_expires_at = Set(tokens.expires_at.map(Timestamp::as_millis));
    }
    Ok(row)
}

/// Deletes a store: its tokens and secrets go, its domain becomes free, its inbox takes nothing more, and
/// its keeper is fenced off.
pub async fn delete(db: &Db, id: StoreId, now: Timestamp) -> Result<(), DbError> {
    delete_seen(db, id, None, now).await
}

/// As [`delete`], when the store is still as it was seen: [`DbError::Conflict`] when its
/// [`updated_at`](StoreRecord::updated_at) is another one.
pub async fn delete_seen(
    db: &Db,
    id: StoreId,
    seen: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), DbError> {
    let transaction = begin_writing(db.writers()).await?;
    let row = row_within(&transaction, id).await?;
    if seen.is_some_and(|seen| seen.as_millis() != row.updated_at) {
        return Err(DbError::Conflict);
    }
    store::Entity::update_many()
        .col_expr(store::Column::DeletedAt, Expr::value(now.as_millis()))
        .col_expr(store::Column::AccessToken, Expr::value(None::<Vec<u8>>))
        .col_expr(store::Column::RefreshToken, Expr::value(None::<Vec<u8>>))
        .col_expr(store::Column::IntakeToken, Expr::value(None::<Vec<u8>>))
        .filter(store::Column::Id.eq(id.0))
        .filter(store::Column::DeletedAt.is_null())
        .exec(&transaction)
        .await?;
    store_secret::Entity::delete_many()
        .filter(store_secret::Column::Store.eq(id.0))
        .exec(&transaction)
        .await?;
    inbox_head::Entity::delete_by_id(id.0)
        .exec(&transaction)
        .await?;
    standing::Entity::delete_by_id(id.0)
        .exec(&transaction)
        .await?;
    keepers::revoke(&transaction, id).await?;
    Ok(transaction.commit().await?)
}

/// The next id; holds off other registrations until the transaction ends.
async fn next_id(transaction: &DatabaseTransaction) -> Result<StoreId, DbError> {
    if transaction.get_database_backend() == sea_orm::DbBackend::Postgres {
        transaction
            .execute_unprepared("LOCK TABLE store IN SHARE ROW EXCLUSIVE MODE")
            .await?;
    }
    let last: Option<Option<i64>> = store::Entity::find()
        .select_only()
        .column_as(store::Column::Id.max(), "last")
        .into_tuple()
        .one(transaction)
        .await?;
    Ok(StoreId(last.flatten().unwrap_or(0) + 1))
}

struct SealedTokens {
    access: Option<Vec<u8>>,
    refresh: Option<Vec<u8>>,
}

fn seal_tokens(
    sealer: &Sealer,
    id: StoreId,
    tokens: &Tokens,
) -> Result<SealedTokens, SealingError> {
    let seal = |place, secret: &Option<Secret>| {
        secret
            .as_ref()
            .map(|secret| sealer.seal(place, secret))
            .transpose()
            .map(|sealed| sealed.map(|one| one.bytes))
    };
    Ok(SealedTokens {
        access: seal(Place::AccessToken(id), &tokens.access)?,
        refresh: seal(Place::RefreshToken(id), &tokens.refresh)?,
    })
}

fn new_row(
    sealer: &Sealer,
    id: StoreId,
    new: NewStore,
    now: Timestamp,
) -> Result<store::Model, SealingError> {
    let sealed = seal_tokens(sealer, id, &new.tokens)?;
    let intake_token = new
        .intake_token
        .map(|token| sealer.seal(Place::IntakeToken(id), &token))
        .transpose()?;
    Ok(store::Model {
        id: id.0,
        platform: new.platform,
        domain: new.domain,
        name: new.name,
        api_base_url: new.api_base_url,
        plan: new.plan,
        intake_token_hash: new.intake_token_hash,
        secret_key_hash: new.secret_key_hash,
        publishable_key_hash: new.publishable_key_hash,
        status: StoreStatus::Installed.name().to_owned(),
        installed_at: now.as_millis(),
        updated_at: now.as_millis(),
        deleted_at: None,
        key_id: sealer.key_id().to_owned(),
        access_token: sealed.access,
        refresh_token: sealed.refresh,
        token_expires_at: new.tokens.expires_at.map(Timestamp::as_millis),
        intake_token: intake_token.map(|sealed| sealed.bytes),
    })
}

async fn get_row(db: &Db, id: StoreId) -> Result<store::Model, DbError> {
    let row = store::Entity::find_by_id(id.0).filter(store::Column::DeletedAt.is_null());
    db.reading(row.one(db.readers()))
        .await?
        .ok_or(DbError::NotFound("store"))
}

async fn find(db: &Db, known_by: Expr) -> Result<Option<StoreRecord>, DbError> {
    let row = store::Entity::find()
        .filter(known_by)
        .filter(store::Column::DeletedAt.is_null());
    db.reading(row.one(db.readers()))
        .await?
        .map(record)
        .transpose()
}

fn record(row: store::Model) -> Result<StoreRecord, DbError> {
    let status = StoreStatus::from_name(&row.status)
        .ok_or_else(|| DbError::malformed("status", &row.status))?;
    Ok(StoreRecord {
        id: StoreId(row.id),
        platform: row.platform,
        domain: row.domain,
        name: row.name,
        api_base_url: row.api_base_url,
        plan: row.plan,
        status,
        installed_at: Timestamp::from_millis(row.installed_at),
        updated_at: Timestamp::from_millis(row.updated_at),
        token_expires_at: row.token_expires_at.map(Timestamp::from_millis),
    })
}

impl StoreStatus {
    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Uninstalled => "uninstalled",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Installed, Self::Uninstalled]
            .into_iter()
            .find(|status| status.name() == name)
    }
}
