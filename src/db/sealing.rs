//! Secrets at rest: sealed with XChaCha20-Poly1305 under one 32-byte key, bound to their store and column.
//!
//! A sealed value copied to another row or column does not open. Nothing here prints a secret.

use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use entity::sealing_key_check;
use hmac::{Hmac, Mac};
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel};
use sha2::{Digest, Sha256};

use super::connect::Db;
use super::error::DbError;
use crate::clock::Timestamp;
use crate::ids::{IdSource, StoreId};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// What the check row seals.
const CHECK_TEXT: &str = "storekeeper";

/// A secret in memory. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// A secret at rest, and which key sealed it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    pub(super) key_id: String,
    /// The nonce, then the sealed bytes.
    pub(super) bytes: Vec<u8>,
}

/// Seals and opens. Cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    key_id: String,
    cipher: XChaCha20Poly1305,
    /// Derived from the key, so that a fingerprint alone does not let anyone test guesses.
    fingerprint_key: [u8; 32],
    ids: Arc<IdSource>,
}

/// Where a sealed value belongs; it opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    AccessToken(StoreId),
    RefreshToken(StoreId),
    IntakeToken(StoreId),
    WebhookSecret(StoreId),
    KeyCheck,
}

/// Why a secret cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// Sealed under another key, or moved from another row, or damaged.
    #[error("sealed value does not open under key {key_id}")]
    DoesNotOpen { key_id: String },
    #[error("the database is sealed under key {stored}, and key {given} was given")]
    WrongKey { stored: String, given: String },
    #[error("sealing key is not {KEY_BYTES} bytes, as hexadecimal digits")]
    MalformedKey,
    #[error("failed to read or create the sealing key file: {0}")]
    File(#[from] std::io::Error),
    #[error("the sealing key file can be read by others: allow only its owner (mode 0600)")]
    FileOpenToOthers,
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Secret {
    /// Takes a text as a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: for signing and sending only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Sealer {
    /// Seals under this key.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES], ids: Arc<IdSource>) -> Self {
        let id_digest = derive(key, b"key id");
        let key_id: String = hex::encode(id_digest).chars().take(16).collect();
        Self {
            key_id,
            cipher: XChaCha20Poly1305::new(&(*key).into()),
            fingerprint_key: derive(key, b"fingerprint"),
            ids,
        }
    }

    /// Seals under a key given as hexadecimal digits.
    pub fn from_hex(digits: &str, ids: Arc<IdSource>) -> Result<Self, SealingError> {
        let mut key = [0; KEY_BYTES];
        hex::decode_to_slice(digits.trim(), &mut key)
            .map_err(|_malformed| SealingError::MalformedKey)?;
        Ok(Self::new(&key, ids))
    }

    /// Seals under the key in this file, which only its owner may read; creates it when missing.
    pub fn from_file(path: &Path, ids: Arc<IdSource>) -> Result<Self, SealingError> {
        if let Some(sealer) = Self::from_file_if_there(path, Arc::clone(&ids))? {
            return Ok(sealer);
        }
        let key: [u8; KEY_BYTES] = ids.random_bytes();
        create_private(path, &hex::encode(key))?;
        Ok(Self::new(&key, ids))
    }

    /// Seals under the key in this file; `None` when there is no such file.
    pub fn from_file_if_there(
        path: &Path,
        ids: Arc<IdSource>,
    ) -> Result<Option<Self>, SealingError> {
        read_private(path)?
            .map(|digits| Self::from_hex(digits.expose(), ids))
            .transpose()
    }

    /// Names the key without telling it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Tells equal secrets without telling them; another under another key.
    #[must_use]
    pub fn fingerprint(&self, secret: &Secret) -> String {
        hex::encode(derive(&self.fingerprint_key, secret.0.as_bytes()))
    }

    /// Refuses a key under which the database was not sealed; remembers the first one.
    pub async fn check(&self, db: &Db, now: Timestamp) -> Result<(), SealingError> {
        if let Some(sealed) = stored_check(db.writers()).await? {
            return self.require_opens(&sealed);
        }
        let row = self.check_row(now)?.into_active_model();
        sealing_key_check::Entity::insert(row)
            .exec_without_returning(db.writers())
            .await
            .map_err(DbError::from)?;
        Ok(())
    }

    /// Refuses a key that is not the one of a database's [`stored_check`].
    pub(super) fn require_opens(&self, stored: &Sealed) -> Result<(), SealingError> {
        match self.open(Place::KeyCheck, stored) {
            Ok(text) if text.0 == CHECK_TEXT => Ok(()),
            Ok(_) | Err(_) => Err(SealingError::WrongKey {
                stored: stored.key_id.clone(),
                given: self.key_id.clone(),
            }),
        }
    }

    pub(super) fn check_row(
        &self,
        now: Timestamp,
    ) -> Result<sealing_key_check::Model, SealingError> {
        let sealed = self.seal(Place::KeyCheck, &Secret::new(CHECK_TEXT))?;
        Ok(sealing_key_check::Model {
            key_id: sealed.key_id,
            sealed: sealed.bytes,
            created_at: now.as_millis(),
        })
    }

    pub(super) fn seal(&self, place: Place, secret: &Secret) -> Result<Sealed, SealingError> {
        let nonce: [u8; NONCE_BYTES] = self.ids.random_bytes();
        let aad = place.to_string();
        let payload = Payload {
            msg: secret.0.as_bytes(),
            aad: aad.as_bytes(),
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_opaque| self.does_not_open())?;
        let mut bytes = nonce.to_vec();
        bytes.extend(sealed);
        Ok(Sealed {
            key_id: self.key_id.clone(),
            bytes,
        })
    }

    pub(super) fn open(&self, place: Place, sealed: &Sealed) -> Result<Secret, SealingError> {
        let failed = || SealingError::DoesNotOpen {
            key_id: sealed.key_id.clone(),
        };
        let (nonce, bytes) = sealed
            .bytes
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(failed)?;
        let aad = place.to_string();
        let payload = Payload {
            msg: bytes,
            aad: aad.as_bytes(),
        };
        let plain = self
            .cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_opaque| failed())?;
        String::from_utf8(plain)
            .map(Secret)
            .map_err(|_malformed| failed())
    }

    fn does_not_open(&self) -> SealingError {
        SealingError::DoesNotOpen {
            key_id: self.key_id.clone(),
        }
    }
}

/// What tells the key that a database is sealed under; `None` before a server ran on it.
pub(super) async fn stored_check(
    connection: &impl ConnectionTrait,
) -> Result<Option<Sealed>, SealingError> {
    let rows = sealing_key_check::Entity::find()
        .all(connection)
        .await
        .map_err(DbError::from)?;
    Ok(rows.into_iter().next().map(|row| Sealed {
        key_id: row.key_id,
        bytes: row.sealed,
    }))
}

/// A key for one purpose.
fn derive(key: &[u8; 32], purpose: &[u8]) -> [u8; 32] {
    // Invariant: HMAC takes keys of any length, so the fallback is never taken; it would still be keyed.
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(purpose);
            mac.finalize().into_bytes().into()
        }
        Err(_invalid_length) => Sha256::new()
            .chain_update(key)
            .chain_update(purpose)
            .finalize()
            .into(),
    }
}

#[cfg(unix)]
fn require_private(path: &Path) -> Result<(), SealingError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(SealingError::FileOpenToOthers)
    }
}

#[cfg(not(unix))]
fn require_private(_path: &Path) -> Result<(), SealingError> {
    Ok(())
}

/// The text of a file that only its owner may read; `None` when there is no such file.
pub(super) fn read_private(path: &Path) -> Result<Option<Secret>, SealingError> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            require_private(path)?;
            Ok(Some(Secret(text)))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Durable before the key is used: what it seals must open after a power cut.
pub(super) fn create_private(path: &Path, digits: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(digits.as_bytes())?;
    file.sync_all()
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessToken(store) => write!(formatter, "store/{store}/access_token"),
            Self::RefreshToken(store) => write!(formatter, "store/{store}/refresh_token"),
            Self::IntakeToken(store) => write!(formatter, "store/{store}/intake_token"),
            Self::WebhookSecret(store) => write!(formatter, "store_secret/{store}/sealed"),
            Self::KeyCheck => formatter.write_str("sealing_key_check"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sealed")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sealer")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(key: u8) -> Sealer {
        Sealer::new(&[key; KEY_BYTES], Arc::new(IdSource::seeded(1)))
    }

    #[test]
    fn opens_only_where_it_belongs_and_under_its_key() {
        let sealed = sealer(1)
            .seal(Place::AccessToken(StoreId(1)), &Secret::new("shpat"))
            .unwrap();
        assert_eq!(
            sealer(1)
                .open(Place::AccessToken(StoreId(1)), &sealed)
                .unwrap()
                .expose(),
            "shpat"
        );
        assert!(
            sealer(1)
                .open(Place::AccessToken(StoreId(2)), &sealed)
                .is_err()
        );
        assert!(
            sealer(1)
                .open(Place::RefreshToken(StoreId(1)), &sealed)
                .is_err()
        );
        assert!(
            sealer(2)
                .open(Place::AccessToken(StoreId(1)), &sealed)
                .is_err()
        );
    }

    #[test]
    fn prints_no_secret() {
        let secret = Secret::new("hunter2");
        let sealed = sealer(1).seal(Place::KeyCheck, &secret).unwrap();
        let printed = format!("{secret:?} {sealed:?} {:?}", sealer(1));
        assert!(!printed.contains("hunter2"));
    }

    #[test]
    fn keeps_its_key_in_a_private_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sealing.key");
        let ids = Arc::new(IdSource::seeded(1));
        let created = Sealer::from_file(&path, Arc::clone(&ids)).unwrap();
        let read = Sealer::from_file(&path, Arc::clone(&ids)).unwrap();
        assert_eq!(created.key_id(), read.key_id());
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            Sealer::from_file(&path, ids),
            Err(SealingError::FileOpenToOthers)
        ));
    }
}
