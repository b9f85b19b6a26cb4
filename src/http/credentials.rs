//! Whom a bearer token belongs to.
//!
//! Tokens are 256 random bits, kept as SHA-256 and looked up by it: equality of hashes tells a guesser nothing about
//! how near the guess was. What was found is cached for a moment; what was not is not.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use sha2::{Digest, Sha256};

use crate::db::admin::operators::{self, Operator};
use crate::db::admin::stores::{self, KeyKind};
use crate::db::{Db, DbError};
use crate::ids::StoreId;

/// How long a token stays valid after it was revoked on another node; on this one it ends at once.
const TTL: Duration = Duration::from_secs(10);
/// Tokens remembered at once.
const TOKENS_MAX: u64 = 100_000;

/// Begins an operator's token, whatever its role.
pub(crate) const OPERATOR_TOKEN_PREFIX: &str = "ska_";
/// Begins a store's secret key.
pub(crate) const SECRET_PREFIX: &str = "sks_";
/// Begins a store's publishable key.
pub(crate) const PUBLISHABLE_PREFIX: &str = "skp_";
/// Begins a store's intake token.
pub(crate) const INTAKE_PREFIX: &str = "ski_";

/// What a token opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// What the operator's role allows.
    Operator(Arc<Operator>),
    /// Everything of one store.
    Secret(StoreId),
    /// What a storefront shows of one store.
    Publishable(StoreId),
}

/// The tokens seen lately.
pub(crate) struct Credentials {
    roles: Cache<String, Role>,
}

impl Default for Credentials {
    fn default() -> Self {
        Self {
            roles: Cache::builder()
                .max_capacity(TOKENS_MAX)
                .time_to_live(TTL)
                .build(),
        }
    }
}

impl Credentials {
    /// Whom the token belongs to; `None`: nobody.
    ///
    /// # Errors
    /// The database did not answer.
    pub(crate) async fn role_of(&self, db: &Db, token: &str) -> Result<Option<Role>, DbError> {
        let hash = hash_token(token);
        if let Some(role) = self.roles.get(&hash).await {
            return Ok(Some(role));
        }
        let found = find_role(db, token, &hash).await?;
        if let Some(role) = &found {
            self.roles.insert(hash, role.clone()).await;
        }
        Ok(found)
    }

    /// Whom the operator's token with this hash belongs to still; `None`: it was revoked.
    ///
    /// # Errors
    /// The database did not answer.
    pub(crate) async fn operator_of(
        &self,
        db: &Db,
        hash: &str,
    ) -> Result<Option<Arc<Operator>>, DbError> {
        if let Some(Role::Operator(operator)) = self.roles.get(hash).await {
            return Ok(Some(operator));
        }
        let Some(operator) = operators::find(db, hash).await?.map(Arc::new) else {
            return Ok(None);
        };
        let role = Role::Operator(Arc::clone(&operator));
        self.roles.insert(hash.to_owned(), role).await;
        Ok(Some(operator))
    }

    pub(crate) fn forget(&self) {
        self.roles.invalidate_all();
    }
}

/// The form in which a token of ours is kept.
pub(crate) fn hash_token(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// Asks only where a token of this look can be.
async fn find_role(db: &Db, token: &str, hash: &str) -> Result<Option<Role>, DbError> {
    if !token.starts_with(SECRET_PREFIX) && !token.starts_with(PUBLISHABLE_PREFIX) {
        let operator = operators::find(db, hash).await?;
        return Ok(operator.map(|operator| Role::Operator(Arc::new(operator))));
    }
    let found = stores::find_by_key(db, hash).await?;
    Ok(found.map(|(record, kind)| match kind {
        KeyKind::Secret => Role::Secret(record.id),
        KeyKind::Publishable => Role::Publishable(record.id),
    }))
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .finish_non_exhaustive()
    }
}
