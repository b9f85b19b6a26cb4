//! The sealing key's file, and the one beside it while the key is rotated.
//!
//! A rotation writes the coming key to `{file}.new`, seals the database anew in one transaction, and then gives the new
//! file the name of the old one, which is kept as `{file}.{its name}`: backups made before need it. Whenever it is cut
//! short, one of the files holds the key that the database is sealed under; the next start finds out which, and finishes
//! the renaming.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::connect::Db;
use super::sealing::{
    KEY_BYTES, Sealer, SealingError, Secret, create_private, read_private, stored_check,
};
use crate::ids::IdSource;

/// Where a sealing key is kept.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

/// A fresh key, as hexadecimal digits.
#[must_use]
pub fn fresh_digits(ids: &IdSource) -> Secret {
    let key: [u8; KEY_BYTES] = ids.random_bytes();
    Secret::new(hex::encode(key))
}

/// The key in a file that only its owner may read, as hexadecimal digits.
///
/// # Errors
/// When there is no such file, or when others may read it.
pub fn read_digits(path: &Path) -> Result<Secret, SealingError> {
    read_private(path)?.ok_or_else(|| {
        let missing = format!("{}: no such file", path.display());
        std::io::Error::new(std::io::ErrorKind::NotFound, missing).into()
    })
}

impl KeyFile {
    /// The file of this path, whether it is there or not.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// What opens this database: the key of the file, or the coming one when a rotation was cut short after its
    /// transaction. Makes a key when there is none.
    pub async fn open(&self, db: &Db, ids: &Arc<IdSource>) -> Result<Sealer, SealingError> {
        match self.open_rotated(db, ids).await? {
            Some(rotated) => Ok(rotated),
            None => Sealer::from_file(&self.path, Arc::clone(ids)),
        }
    }

    /// As [`open`](Self::open); `None` when there is no key, and none is made.
    pub async fn open_if_there(
        &self,
        db: &Db,
        ids: &Arc<IdSource>,
    ) -> Result<Option<Sealer>, SealingError> {
        match self.open_rotated(db, ids).await? {
            Some(rotated) => Ok(Some(rotated)),
            None => Sealer::from_file_if_there(&self.path, Arc::clone(ids)),
        }
    }

    /// Writes the coming key beside the one in force, durably.
    pub fn stage(&self, digits: &Secret) -> Result<(), SealingError> {
        let coming = self.coming();
        match std::fs::remove_file(&coming) {
            // It sealed nothing: `open` has looked.
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        create_private(&coming, digits.expose())?;
        Ok(self.sync_directory()?)
    }

    /// Puts the coming key in the place of the one before, which is kept beside it under its name.
    pub fn finish(&self, ids: &Arc<IdSource>) -> Result<(), SealingError> {
        if let Some(before) = Sealer::from_file_if_there(&self.path, Arc::clone(ids))? {
            match std::fs::hard_link(&self.path, self.beside(before.key_id())) {
                // Cut short there before.
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(error.into());
                }
                Ok(()) | Err(_) => {}
            }
        }
        std::fs::rename(self.coming(), &self.path)?;
        Ok(self.sync_directory()?)
    }

    async fn open_rotated(
        &self,
        db: &Db,
        ids: &Arc<IdSource>,
    ) -> Result<Option<Sealer>, SealingError> {
        let coming = match Sealer::from_file_if_there(&self.coming(), Arc::clone(ids)) {
            Ok(Some(coming)) => coming,
            // Cut short while it was written: nothing is sealed under it.
            Ok(None) | Err(SealingError::MalformedKey) => return Ok(None),
            Err(error) => return Err(error),
        };
        let stored = stored_check(db.writers()).await?;
        if stored.is_none_or(|stored| coming.require_opens(&stored).is_err()) {
            tracing::warn!(
                "a rotation of the sealing key was not carried out: the key is as before"
            );
            return Ok(None);
        }
        self.finish(ids)?;
        tracing::info!(
            key = coming.key_id(),
            "finished a rotation of the sealing key"
        );
        Ok(Some(coming))
    }

    fn coming(&self) -> PathBuf {
        self.beside("new")
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(".");
        name.push(suffix);
        name.into()
    }

    /// A name is durable when its directory is.
    fn sync_directory(&self) -> std::io::Result<()> {
        let directory = match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            Some(_) | None => Path::new("."),
        };
        std::fs::File::open(directory)?.sync_all()
    }
}
