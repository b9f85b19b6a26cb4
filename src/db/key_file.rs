//! The sealing key's file, and the one beside it while the key is rotated.
//!
//! A rotation copies the key in force to `{file}.{its name}`, for backups made before need it, writes the coming key to
//! `{file}.new`, seals the database anew in one transaction, and then gives the new file the name of the old one.
//! Whenever it is cut short, one of the files holds the key that the database is sealed under; the next start finds out
//! which, and finishes the renaming.

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

/// Writes a key's file, in place of what was there, which may be half of one.
fn write_anew(path: &Path, digits: &Secret) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    create_private(path, digits.expose())
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

    /// Writes the coming key beside the one in force, and that one once more under its name, durably. Nothing is sealed
    /// anew before, so that whatever cannot be written stops a rotation while there is nothing to finish.
    pub fn stage(&self, in_force: &Sealer, coming: &Secret) -> Result<(), SealingError> {
        let digits = read_digits(&self.path)?;
        write_anew(&self.beside(in_force.key_id()), &digits)?;
        // A coming key that was there sealed nothing: `open` has looked.
        write_anew(&self.coming(), coming)?;
        Ok(self.sync_directory()?)
    }

    /// Puts the coming key in the place of the one before.
    pub fn finish(&self) -> Result<(), SealingError> {
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
        self.finish()?;
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
