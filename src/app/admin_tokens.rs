//! Admin tokens made and revoked from the shell, on the database itself: for whoever has none that opens the door.
//!
//! A server that runs on the database meanwhile looks tokens up there, so a new one opens its door at once, and a
//! revoked one at most ten seconds longer.

use super::error::AppError;
use super::settings::database_options;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::db::admin::audit::AuditEntry;
use crate::db::admin::operators::{self, Operator};
use crate::db::{Db, backup, migrate};
use crate::http::{ADMIN_TOKEN_PREFIX, hash_token};
use crate::ids::IdSource;

/// The admin tokens of a database.
#[derive(Debug)]
pub struct AdminTokens {
    db: Db,
    ids: IdSource,
}

impl AdminTokens {
    /// Opens the database that a server has used before.
    ///
    /// # Errors
    /// When there is none, or when it does not have this version's schema.
    pub async fn open(config: &Config) -> Result<Self, AppError> {
        let options = database_options(config);
        if !backup::exists(&options) {
            return Err(AppError::NoDatabase);
        }
        let db = Db::connect(&options).await?;
        let steps = migrate::status(&db).await?;
        if !steps.iter().all(|step| step.applied) {
            return Err(AppError::NoDatabase);
        }
        Ok(Self {
            db,
            ids: IdSource::from_os(),
        })
    }

    /// All of them, without anything that lets one in.
    pub async fn list(&self) -> Result<Vec<Operator>, AppError> {
        Ok(operators::list(&self.db).await?)
    }

    /// Makes one more: the token, which nobody sees again, and its id.
    pub async fn create(&self) -> Result<(String, String), AppError> {
        let token = self.ids.token(ADMIN_TOKEN_PREFIX);
        let hash = hash_token(&token);
        let id = operators::id_of(&hash);
        operators::add(&self.db, &hash, self.entry("create admin token", &id)).await?;
        Ok((token, id))
    }

    /// Ends the one of this id.
    pub async fn revoke(&self, id: &str) -> Result<(), AppError> {
        let entry = self.entry("revoke admin token", id);
        Ok(operators::revoke(&self.db, id, entry).await?)
    }

    /// Ends all connections.
    pub async fn close(self) -> Result<(), AppError> {
        Ok(self.db.close().await?)
    }

    fn entry(&self, action: &str, id: &str) -> AuditEntry {
        let now: Timestamp = Clock::System.now();
        AuditEntry {
            id: self.ids.ordered_uuid(now),
            at: now,
            actor: "shell".to_owned(),
            action: action.to_owned(),
            store: None,
            detail: format!("admin token {id}"),
        }
    }
}
