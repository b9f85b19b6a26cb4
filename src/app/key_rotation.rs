//! The sealing key is rotated: from the shell, while no server runs.

use std::path::Path;
use std::sync::Arc;

use super::error::AppError;
use super::settings::database_options;
use super::storage::key_file;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::admin::audit::AuditEntry;
use crate::db::admin::sealing_keys;
use crate::db::key_file::{fresh_digits, read_digits};
use crate::db::sealing::{Sealer, Secret};
use crate::db::{DataDirLock, DatabaseLock, Db, backup, migrate};
use crate::ids::IdSource;

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// Names of the keys, which tell nothing of them.
    pub from: String,
    pub to: String,
    /// Whether the key is a setting: then the new one must be set before a server starts.
    pub is_setting: bool,
}

/// Seals everything anew under another key, and puts that key where the one before was: the key in `new_key_file`, else
/// the setting `secrets.new_key`, else a fresh one.
///
/// # Errors
/// When a process uses the data directory or the database, when the key in force does not open it, or when the new key
/// is none. Nothing is changed then. When it fails later, one of both keys opens the database, and a start finds it.
pub async fn rotate_key(config: &Config, new_key_file: Option<&Path>) -> Result<Rotated, AppError> {
    let options = database_options(config);
    if !backup::exists(&options) {
        return Err(AppError::NoDatabase);
    }
    let _directory_lock = DataDirLock::acquire(&options.data_dir)?;
    let lock = DatabaseLock::acquire(&options).await?;
    let db = Db::connect(&options).await?;
    let rotated = rotate_locked(config, &db, new_key_file).await;
    db.close().await?;
    if let Some(lock) = lock {
        lock.release().await?;
    }
    rotated
}

async fn rotate_locked(
    config: &Config,
    db: &Db,
    new_key_file: Option<&Path>,
) -> Result<Rotated, AppError> {
    if migrate::status(db).await?.iter().any(|step| !step.applied) {
        return Err(AppError::NoDatabase);
    }
    let ids = Arc::new(IdSource::from_os());
    let file = key_file(config);
    let setting = config.secrets.key.filled();
    let from = match setting {
        Some(digits) => Sealer::from_hex(digits, Arc::clone(&ids))?,
        None => file.open_if_there(db, &ids).await?.ok_or(AppError::NoKey)?,
    };
    from.check(db, Clock::System.now()).await?;
    let digits = new_digits(config, new_key_file, &ids)?;
    let to = Sealer::from_hex(digits.expose(), Arc::clone(&ids))?;
    if to.key_id() == from.key_id() {
        return Err(AppError::SameKey);
    }
    if setting.is_none() {
        file.stage(&from, &digits)?;
    }
    sealing_keys::rotate(db, &from, &to, entry(&ids, &from, &to)).await?;
    if setting.is_none() {
        file.finish()?;
    }
    Ok(Rotated {
        from: from.key_id().to_owned(),
        to: to.key_id().to_owned(),
        is_setting: setting.is_some(),
    })
}

fn new_digits(
    config: &Config,
    new_key_file: Option<&Path>,
    ids: &IdSource,
) -> Result<Secret, AppError> {
    let secrets = &config.secrets;
    match (new_key_file, secrets.new_key.filled()) {
        (Some(path), _) => Ok(read_digits(path)?),
        (None, Some(digits)) => Ok(Secret::new(digits)),
        (None, None) if secrets.key.is_empty() => Ok(fresh_digits(ids)),
        // A key that is a setting has no file: a fresh one would be kept nowhere.
        (None, None) => Err(AppError::NewKeyNeeded),
    }
}

fn entry(ids: &IdSource, from: &Sealer, to: &Sealer) -> AuditEntry {
    let now = Clock::System.now();
    AuditEntry {
        id: ids.ordered_uuid(now),
        at: now,
        actor: "shell".to_owned(),
        action: "rotate sealing key".to_owned(),
        store: None,
        detail: format!("from {} to {}", from.key_id(), to.key_id()),
    }
}
