//! Tokens that open the admin door, kept as hashes.

use entity::operator_token;
use sea_orm::{EntityTrait, IntoActiveModel, PaginatorTrait, QueryOrder, QuerySelect};

use super::audit::{self, AuditEntry};
use crate::clock::Timestamp;
use crate::db::connect::{Db, begin_writing};
use crate::db::error::DbError;

/// Hexadecimal digits of a hash that name a token to people.
const ID_DIGITS: usize = 12;
/// Tokens that are listed at most.
const LISTED_MAX: u64 = 1_000;

/// Lets the token of this hash in.
pub async fn insert(db: &Db, hash: &str, now: Timestamp) -> Result<(), DbError> {
    let row = operator_token::Model {
        hash: hash.to_owned(),
        created_at: now.as_millis(),
    };
    let insert = operator_token::Entity::insert(row.into_active_model());
    insert.exec_without_returning(db.writers()).await?;
    Ok(())
}

/// Whether the token of this hash is let in.
pub async fn exists(db: &Db, hash: &str) -> Result<bool, DbError> {
    Ok(db
        .reading(operator_token::Entity::find_by_id(hash).one(db.readers()))
        .await?
        .is_some())
}

/// How many tokens are let in; 0 on the first start.
pub async fn count(db: &Db) -> Result<u64, DbError> {
    db.reading(operator_token::Entity::find().count(db.readers()))
        .await
}

/// A token, without anything that lets one in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The beginning of its hash.
    pub id: String,
    pub created_at: Timestamp,
}

/// What names the token of this hash to people.
#[must_use]
pub fn id_of(hash: &str) -> String {
    hash.chars().take(ID_DIGITS).collect()
}

/// All tokens, oldest first, at most 1,000.
pub async fn list(db: &Db) -> Result<Vec<Operator>, DbError> {
    let rows = operator_token::Entity::find()
        .order_by_asc(operator_token::Column::CreatedAt)
        .limit(LISTED_MAX);
    let rows = db.reading(rows.all(db.readers())).await?;
    let operators = rows.into_iter().map(|row| Operator {
        id: id_of(&row.hash),
        created_at: Timestamp::from_millis(row.created_at),
    });
    Ok(operators.collect())
}

/// Lets the token of this hash in, and writes it down.
pub async fn add(db: &Db, hash: &str, entry: AuditEntry) -> Result<(), DbError> {
    let row = operator_token::Model {
        hash: hash.to_owned(),
        created_at: entry.at.as_millis(),
    };
    let transaction = begin_writing(db.writers()).await?;
    operator_token::Entity::insert(row.into_active_model())
        .exec_without_returning(&transaction)
        .await?;
    audit::insert_within(&transaction, entry).await?;
    Ok(transaction.commit().await?)
}

/// Lets the token of this id in no more, and writes it down.
///
/// # Errors
/// [`DbError::NotFound`]: no token or more than one has this id.
pub async fn revoke(db: &Db, id: &str, entry: AuditEntry) -> Result<(), DbError> {
    let transaction = begin_writing(db.writers()).await?;
    let rows = operator_token::Entity::find().all(&transaction).await?;
    let mut named = rows.into_iter().filter(|row| id_of(&row.hash) == id);
    let (Some(row), None) = (named.next(), named.next()) else {
        return Err(DbError::NotFound("admin token"));
    };
    operator_token::Entity::delete_by_id(row.hash)
        .exec(&transaction)
        .await?;
    audit::insert_within(&transaction, entry).await?;
    Ok(transaction.commit().await?)
}
