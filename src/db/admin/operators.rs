//! Tokens that open the admin door, kept as hashes.

use entity::operator_token;
use sea_orm::{EntityTrait, IntoActiveModel, PaginatorTrait};

use crate::clock::Timestamp;
use crate::db::connect::Db;
use crate::db::error::DbError;

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

/// Lets the token of this hash in no more.
pub async fn delete(db: &Db, hash: &str) -> Result<(), DbError> {
    let deleted = operator_token::Entity::delete_by_id(hash)
        .exec(db.writers())
        .await?;
    if deleted.rows_affected == 1 {
        Ok(())
    } else {
        Err(DbError::NotFound("operator token"))
    }
}
