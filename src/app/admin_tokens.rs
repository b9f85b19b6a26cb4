//! Operators' tokens made and revoked from the shell, on the database itself: for whoever has none that opens the door.
//!
//! A server that runs on the database meanwhile looks tokens up there, so a new one opens its door at once, and a
//! revoked one at most ten seconds longer.

use super::error::AppError;
use super::settings::database_options;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::db::admin::audit::AuditEntry;
use crate::db::admin::operators::{self, LastAdmin, NewOperator, Operator, OperatorRole};
use crate::db::{Db, backup, migrate};
use crate::http::{OPERATOR_TOKEN_PREFIX, hash_token};
use crate::ids::IdSource;

/// Tokens that are read at a time.
const PAGE_TOKENS: u64 = 1_000;

/// The operators' tokens of a database.
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

    /// All of them, the oldest first, without anything that lets one in.
    pub async fn list(&self) -> Result<Vec<Operator>, AppError> {
        let mut listed: Vec<Operator> = Vec::new();
        loop {
            let last = listed.last().map(Operator::place);
            let page = operators::list(&self.db, last.as_ref(), PAGE_TOKENS).await?;
            if page.is_empty() {
                return Ok(listed);
            }
            listed.extend(page);
        }
    }

    /// Makes one more: the token, which nobody sees again, and its id.
    pub async fn create(
        &self,
        role: OperatorRole,
        name: &str,
        reason: &str,
    ) -> Result<(String, String), AppError> {
        let token = self.ids.token(OPERATOR_TOKEN_PREFIX);
        let hash = hash_token(&token);
        let id = operators::id_of(&hash);
        let detail = format!("{} {id} {name}: {reason}", role.name());
        let new = NewOperator {
            hash: &hash,
            name,
            role,
        };
        operators::add(
            &self.db,
            new,
            None,
            self.entry("create operator token", detail),
        )
        .await?;
        Ok((token, id))
    }

    /// Ends the one of this id, were it the last of an admin.
    pub async fn revoke(&self, id: &str, reason: &str) -> Result<(), AppError> {
        let entry = self.entry("revoke operator token", format!("{id}: {reason}"));
        Ok(operators::revoke(&self.db, id, LastAdmin::MayGo, entry).await?)
    }

    /// Ends all connections.
    pub async fn close(self) -> Result<(), AppError> {
        Ok(self.db.close().await?)
    }

    fn entry(&self, action: &str, detail: String) -> AuditEntry {
        let now: Timestamp = Clock::System.now();
        AuditEntry {
            id: self.ids.ordered_uuid(now),
            at: now,
            actor: "shell".to_owned(),
            action: action.to_owned(),
            store: None,
            detail,
        }
    }
}
