//! Tokens that open the operators' doors, kept as hashes, each with a role.

use entity::operator_token;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait as _, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};

use super::audit::{self, AuditEntry};
use super::replies;
use crate::clock::Timestamp;
use crate::db::connect::{Db, begin_writing};
use crate::db::error::DbError;
use crate::domain::store::change::IdempotentReply;

/// Hexadecimal digits of a hash that name a token to people.
const ID_DIGITS: usize = 12;
/// Sorts behind every hexadecimal digit.
const BEHIND_ALL_DIGITS: char = 'g';

/// What an operator may do; whoever may do more may do what those below may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OperatorRole {
    /// Looks at everything, and changes nothing.
    Viewer,
    /// Acts on keepers, dead letters and safe mode, and changes bundles on a merchant's behalf.
    Operator,
    /// Registers, changes and deletes stores, and says who may do what.
    Admin,
}

impl OperatorRole {
    /// From the least to the most.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A token, without anything that lets one in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The beginning of its hash.
    pub id: String,
    /// Whose it is, for people; may be empty.
    pub name: String,
    pub role: OperatorRole,
    pub created_at: Timestamp,
}

impl Operator {
    /// Where it stands among all.
    #[must_use]
    pub fn place(&self) -> TokenPlace {
        TokenPlace {
            created_at: self.created_at,
            id: self.id.clone(),
        }
    }
}

/// A token to be let in.
#[derive(Clone, Copy, Debug)]
pub struct NewOperator<'a> {
    pub hash: &'a str,
    pub name: &'a str,
    pub role: OperatorRole,
}

/// Whether the last token of an admin may be revoked: who has the database in hand can make another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastAdmin {
    Stays,
    MayGo,
}

/// What names the token of this hash to people.
#[must_use]
pub fn id_of(hash: &str) -> String {
    hash.chars().take(ID_DIGITS).collect()
}

/// Lets a token in.
pub async fn insert(db: &Db, new: NewOperator<'_>, now: Timestamp) -> Result<(), DbError> {
    insert_within(db.writers(), new, now).await
}

async fn insert_within(
    connection: &impl ConnectionTrait,
    new: NewOperator<'_>,
    now: Timestamp,
) -> Result<(), DbError> {
    let row = operator_token::Model {
        hash: new.hash.to_owned(),
        created_at: now.as_millis(),
        role: new.role.name().to_owned(),
        name: new.name.to_owned(),
    };
    operator_token::Entity::insert(row.into_active_model())
        .exec_without_returning(connection)
        .await?;
    Ok(())
}

/// Whom the token of this hash belongs to; `None`: it is not let in.
pub async fn find(db: &Db, hash: &str) -> Result<Option<Operator>, DbError> {
    let row = operator_token::Entity::find_by_id(hash).one(db.readers());
    db.reading(row).await?.map(operator).transpose()
}

/// How many tokens of admins are let in; 0 on the first start.
pub async fn count_admins(db: &Db) -> Result<u64, DbError> {
    db.reading(admins().count(db.readers())).await
}

fn admins() -> sea_orm::Select<operator_token::Entity> {
    let role = operator_token::Column::Role;
    operator_token::Entity::find().filter(role.eq(OperatorRole::Admin.name()))
}

/// Where a token stands among all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPlace {
    pub created_at: Timestamp,
    pub id: String,
}

/// At most `limit` tokens, oldest first; those behind `after`.
pub async fn list(
    db: &Db,
    after: Option<&TokenPlace>,
    limit: u64,
) -> Result<Vec<Operator>, DbError> {
    let mut rows = operator_token::Entity::find()
        .order_by_asc(operator_token::Column::CreatedAt)
        .order_by_asc(operator_token::Column::Hash)
        .limit(limit);
    if let Some(TokenPlace { created_at, id }) = after {
        let made = operator_token::Column::CreatedAt;
        let last_of_this_id = format!("{id}{BEHIND_ALL_DIGITS}");
        let later_hash = operator_token::Column::Hash.gt(last_of_this_id);
        let same_instant = made.eq(created_at.as_millis()).and(later_hash);
        rows = rows.filter(made.gt(created_at.as_millis()).or(same_instant));
    }
    let rows = db.reading(rows.all(db.readers())).await?;
    rows.into_iter().map(operator).collect()
}

/// Lets a token in, and writes it down.
pub async fn add(
    db: &Db,
    new: NewOperator<'_>,
    reply: Option<&IdempotentReply>,
    entry: AuditEntry,
) -> Result<(), DbError> {
    let transaction = begin_writing(db.writers()).await?;
    insert_within(&transaction, new, entry.at).await?;
    if let Some(reply) = reply {
        replies::insert_within(&transaction, reply).await?;
    }
    audit::insert_within(&transaction, entry).await?;
    Ok(transaction.commit().await?)
}

/// Lets the token of this id in no more, and writes it down.
///
/// # Errors
/// [`DbError::NotFound`]: no token or more than one has this id. [`DbError::Conflict`]: it is the last one of an admin,
/// and that one stays.
pub async fn revoke(db: &Db, id: &str, last: LastAdmin, entry: AuditEntry) -> Result<(), DbError> {
    let transaction = begin_writing(db.writers()).await?;
    // Two admins who revoke one another at once wait for one another.
    let rows = operator_token::Entity::find().lock_exclusive();
    let rows = rows.all(&transaction).await?;
    let mut named = rows.into_iter().filter(|row| id_of(&row.hash) == id);
    let (Some(row), None) = (named.next(), named.next()) else {
        return Err(DbError::NotFound("operator token"));
    };
    let is_admin = row.role == OperatorRole::Admin.name();
    operator_token::Entity::delete_by_id(row.hash)
        .exec(&transaction)
        .await?;
    if last == LastAdmin::Stays && is_admin && admins().count(&transaction).await? == 0 {
        return Err(DbError::Conflict);
    }
    audit::insert_within(&transaction, entry).await?;
    Ok(transaction.commit().await?)
}

fn operator(row: operator_token::Model) -> Result<Operator, DbError> {
    let role = OperatorRole::from_name(&row.role);
    Ok(Operator {
        id: id_of(&row.hash),
        role: role.ok_or_else(|| DbError::malformed("role", &row.role))?,
        name: row.name,
        created_at: Timestamp::from_millis(row.created_at),
    })
}
