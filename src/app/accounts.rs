//! Stores' accounts on their platforms: opened tokens, kept fresh.
//!
//! Tokens are sealed in the database; opened ones live here only, for minutes. One that expires is renewed before its
//! end, by one renewal at a time for each store, whoever asks; it is carried through even when whoever asked has gone.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{Clock, Timestamp};
use crate::db::admin::stores::{self, StorePatch, StoreRecord, Tokens};
use crate::db::sealing::{self, Sealer, SealingError};
use crate::db::{Db, DbError};
use crate::ids::StoreId;
use crate::platform::shopify::oauth::{self, OAuthError};
use crate::platform::{Account, Callback, PlatformClient, PlatformKind, Secret};

/// Accounts kept in memory.
const ACCOUNTS_MAX: usize = 10_000;
/// How long an opened account is kept, milliseconds: as long as a change made by an admin may go unnoticed.
const KEPT_MS: i64 = 60_000;
/// How often saving a renewed token is tried: the platform has ended the old one, so it must not be lost.
const SAVES_MAX: u32 = 10;
/// Delay between two such tries, milliseconds.
const SAVE_DELAY_MS: i64 = 500;

/// What accounts are made of.
#[derive(Debug)]
pub struct AccountParts {
    pub clock: Clock,
    pub db: Db,
    pub sealer: Sealer,
    pub client: Arc<PlatformClient>,
    /// `None`: tokens that expire cannot be renewed.
    pub shopify_app: Option<oauth::App>,
    /// Where platforms reach this server, without a slash at its end.
    pub public_url: String,
    /// How long before its end a token is renewed, milliseconds.
    pub renewal_ahead_ms: i64,
}

/// Looks accounts up.
pub struct Accounts {
    parts: Arc<AccountParts>,
    slots: Mutex<HashMap<StoreId, Slot>>,
}

/// A store's opened account. Whoever holds its lock opens or renews; everybody else waits and then finds it done.
type Slot = Arc<tokio::sync::Mutex<Option<Opened>>>;

type OpenedGuard = tokio::sync::OwnedMutexGuard<Option<Opened>>;

struct Opened {
    account: Arc<Account>,
    opened_at: Timestamp,
    expires_at: Option<Timestamp>,
}

/// Why there is no account to call with.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AccountError {
    #[error("the store is not registered")]
    UnknownStore,
    #[error("the store's platform {0} is not known")]
    UnknownPlatform(String),
    #[error("the store has no access token")]
    NoToken,
    #[error("the platform does not renew the access token")]
    RenewalRefused,
    /// To be tried again.
    #[error("{0}")]
    Unavailable(String),
    /// The sealed token does not open: trying again does not help.
    #[error("{0}")]
    Sealed(String),
}

impl Accounts {
    /// Nothing opened yet.
    #[must_use]
    pub fn new(parts: AccountParts) -> Self {
        Self {
            parts: Arc::new(parts),
            slots: Mutex::default(),
        }
    }

    /// The store's account with a token that is good for the next while.
    ///
    /// # Errors
    ///
    /// See [`AccountError`].
    pub async fn find(&self, store: StoreId) -> Result<Arc<Account>, AccountError> {
        let opened = self.slot(store).lock_owned().await;
        if let Some(opened) = opened.as_ref().filter(|opened| self.parts.is_good(opened)) {
            return Ok(Arc::clone(&opened.account));
        }
        self.open(store, None, opened).await
    }

    /// The store's account with another token than this one, which the platform refused before its end: one that
    /// somebody stored since, or else a renewed one. All whose token was refused share one renewal.
    ///
    /// # Errors
    ///
    /// See [`AccountError`]; [`AccountError::NoToken`] when nothing renews the token.
    pub async fn replace(
        &self,
        store: StoreId,
        refused: &Secret,
    ) -> Result<Arc<Account>, AccountError> {
        let opened = self.slot(store).lock_owned().await;
        let is_another = |opened: &&Opened| opened.account.access_token != *refused;
        let good = opened.as_ref().filter(|opened| self.parts.is_good(opened));
        if let Some(opened) = good.filter(is_another) {
            return Ok(Arc::clone(&opened.account));
        }
        self.open(store, Some(refused.clone()), opened).await
    }

    /// Whoever asks may stop waiting at any moment; a renewal that the platform has carried out must still be saved.
    async fn open(
        &self,
        store: StoreId,
        refused: Option<Secret>,
        opened: OpenedGuard,
    ) -> Result<Arc<Account>, AccountError> {
        let opening = tokio::spawn(open(Arc::clone(&self.parts), store, refused, opened));
        opening.await.unwrap_or_else(|lost| {
            tracing::error!(store = store.0, %lost, "opening an account ended early");
            Err(AccountError::Unavailable(
                "the account could not be opened".to_owned(),
            ))
        })
    }

    /// Waits until no account is being opened, so that no renewed token is lost; a later caller may open one again.
    pub async fn settle(&self) {
        let slots: Vec<Slot> = {
            let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.values().map(Arc::clone).collect()
        };
        for slot in slots {
            drop(slot.lock().await);
        }
    }

    /// Forgets what was opened: somebody changed it, or the platform no longer takes it.
    pub async fn forget(&self, store: StoreId) {
        *self.slot(store).lock().await = None;
    }

    fn slot(&self, store: StoreId) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= ACCOUNTS_MAX {
            // Those in use stay: their stores must not get a second lock.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(store).or_default())
    }
}

/// Opens an account, holding the store's lock to the end.
async fn open(
    parts: Arc<AccountParts>,
    store: StoreId,
    refused: Option<Secret>,
    mut opened: OpenedGuard,
) -> Result<Arc<Account>, AccountError> {
    // What cannot be opened any more must not be found again.
    *opened = None;
    let fresh = parts.load(store, refused.as_ref()).await?;
    let account = Arc::clone(&fresh.account);
    *opened = Some(fresh);
    Ok(account)
}

impl AccountParts {
    fn is_good(&self, opened: &Opened) -> bool {
        let age_ms = self.clock.now().millis_since(opened.opened_at);
        age_ms < KEPT_MS && !self.is_due(opened.expires_at)
    }

    fn is_due(&self, expires_at: Option<Timestamp>) -> bool {
        expires_at.is_some_and(|end| end.millis_since(self.clock.now()) <= self.renewal_ahead_ms)
    }

    /// `refused`: the token that the platform no longer takes, whatever its end.
    async fn load(&self, store: StoreId, refused: Option<&Secret>) -> Result<Opened, AccountError> {
        let record = stores::get(&self.db, store).await?;
        let mut tokens = stores::load_tokens(&self.db, &self.sealer, store).await?;
        let stored = tokens.access.as_ref().map(sealing::Secret::expose);
        if refused.is_some_and(|refused| stored == Some(refused.expose())) {
            tokens = self.renewed(&record, &tokens).await?;
        } else if self.is_due(tokens.expires_at) {
            tokens = match self.renewed(&record, &tokens).await {
                Ok(renewed) => renewed,
                Err(error) => self.still_good(tokens, error)?,
            };
        }
        let kind: PlatformKind = record
            .platform
            .parse()
            .map_err(|_unknown| AccountError::UnknownPlatform(record.platform.clone()))?;
        let access = tokens.access.ok_or(AccountError::NoToken)?;
        let account = Account {
            store,
            platform: kind,
            api_base_url: record.api_base_url,
            access_token: Secret::new(access.expose()),
            callback: Some(self.callback(kind, store).await?),
        };
        Ok(Opened {
            account: Arc::new(account),
            opened_at: self.clock.now(),
            expires_at: tokens.expires_at,
        })
    }

    /// The store's own address. The one that all share when its token is not known, or does not open: webhooks must come.
    async fn callback(&self, kind: PlatformKind, store: StoreId) -> Result<Callback, AccountError> {
        let root = format!("{}/webhooks/{}", self.public_url, kind.as_str());
        match stores::load_intake_token(&self.db, &self.sealer, store).await {
            Ok(Some(token)) => Ok(Callback::by_token(root, Secret::new(token.expose()))),
            Ok(None) => Ok(Callback::by_domain(root)),
            Err(SealingError::Db(error)) => Err(error.into()),
            Err(error) => {
                tracing::warn!(store = store.0, %error, "subscribing at the address that stores share");
                Ok(Callback::by_domain(root))
            }
        }
    }

    /// New tokens, already saved.
    async fn renewed(&self, record: &StoreRecord, tokens: &Tokens) -> Result<Tokens, AccountError> {
        let (Some(app), Some(refresh)) = (&self.shopify_app, &tokens.refresh) else {
            return Err(AccountError::NoToken);
        };
        let used = refresh.clone();
        let refresh = Secret::new(used.expose());
        match self
            .client
            .shopify()
            .refresh_tokens(&record.api_base_url, app, &refresh)
            .await
        {
            Ok(renewed) => {
                let renewed = Tokens {
                    access: Some(sealing::Secret::new(renewed.access_token.expose())),
                    // A platform that sends none lets the old one live on.
                    refresh: renewed
                        .refresh_token
                        .map(|token| sealing::Secret::new(token.expose()))
                        .or_else(|| tokens.refresh.clone()),
                    expires_at: renewed.expires_at,
                };
                self.save(record.id, &used, &renewed).await;
                Ok(renewed)
            }
            Err(OAuthError::Unavailable(reason)) => Err(AccountError::Unavailable(reason)),
            Err(OAuthError::Refused { status }) => {
                tracing::warn!(
                    store = record.id.0,
                    status,
                    "the platform does not renew the access token"
                );
                Err(AccountError::RenewalRefused)
            }
        }
    }

    /// The old tokens while they have not ended, though they could not be renewed.
    fn still_good(&self, tokens: Tokens, otherwise: AccountError) -> Result<Tokens, AccountError> {
        let ended = tokens.expires_at.is_some_and(|end| end <= self.clock.now());
        if ended { Err(otherwise) } else { Ok(tokens) }
    }

    /// Saves what `used` was exchanged for, unless somebody stored other tokens meanwhile: theirs are newer.
    async fn save(&self, store: StoreId, used: &sealing::Secret, tokens: &Tokens) {
        for attempt in 1..=SAVES_MAX {
            let now = self.clock.now();
            let stored = stores::load_tokens(&self.db, &self.sealer, store).await;
            if stored.is_ok_and(|stored| stored.refresh.as_ref() != Some(used)) {
                tracing::info!(
                    store = store.0,
                    "the access token was changed while it was renewed"
                );
                return;
            }
            let patch = StorePatch {
                tokens: Some(tokens.clone()),
                ..StorePatch::default()
            };
            let Err(error) = stores::update(&self.db, &self.sealer, store, patch, now).await else {
                tracing::info!(store = store.0, "renewed the access token");
                return;
            };
            tracing::error!(store = store.0, attempt, %error, "failed to save a renewed access token");
            self.clock.sleep_until(now.plus_millis(SAVE_DELAY_MS)).await;
        }
    }
}

impl From<DbError> for AccountError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::NotFound(_) => Self::UnknownStore,
            DbError::Conflict
            | DbError::Busy
            | DbError::Full
            | DbError::Unavailable(_)
            | DbError::Broken(_) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<SealingError> for AccountError {
    fn from(error: SealingError) -> Self {
        match error {
            SealingError::Db(error) => error.into(),
            SealingError::DoesNotOpen { .. }
            | SealingError::WrongKey { .. }
            | SealingError::MalformedKey
            | SealingError::File(_)
            | SealingError::FileOpenToOthers => Self::Sealed(error.to_string()),
        }
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Accounts")
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}
