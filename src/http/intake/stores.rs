//! The stores as intake knows them: cached for a moment, so that a webhook costs no query but its acceptance.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::clock::Timestamp;
use crate::db::Db;
use crate::db::admin::{secrets, standings, stores};
use crate::db::sealing::SealingError;
use crate::http::credentials::hash_token;
use crate::http::error::{ApiError, Problem};
use crate::http::state::AppState;
use crate::ids::StoreId;
use crate::platform::{PlatformKind, Secret};

/// How long a change made on another node may go unnoticed; one made on this node is noticed at once.
const TTL: Duration = Duration::from_secs(10);
/// Stores remembered at once.
const STORES_MAX: u64 = 100_000;

/// What a webhook's address or header names a store by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum IntakeKey {
    /// Hash of the token in the address.
    Token(PlatformKind, String),
    Domain(PlatformKind, String),
}

impl IntakeKey {
    pub(super) fn of_token(platform: PlatformKind, token: &str) -> Self {
        Self::Token(platform, hash_token(token))
    }
}

/// A store as intake needs it.
#[derive(Debug)]
pub(super) struct IntakeStore {
    pub(super) id: StoreId,
    pub(super) domain: String,
    /// All that may have signed: the store's own, then those of the whole app.
    pub(super) secrets: Vec<Secret>,
    /// For each secret in turn, whether another store has it too.
    shared: Vec<bool>,
    /// From when on its webhooks are refused.
    pub(super) suspended_from: Option<Timestamp>,
}

impl IntakeStore {
    /// Whether another store has the secret at this index too.
    pub(super) fn is_shared(&self, secret: usize) -> bool {
        // A secret that cannot be placed is treated as the more dangerous kind.
        self.shared.get(secret).copied().unwrap_or(true)
    }
}

/// The stores that webhooks came for lately, and the keys that led to none.
pub(crate) struct IntakeStores {
    by_key: Cache<IntakeKey, Option<Arc<IntakeStore>>>,
}

impl Default for IntakeStores {
    fn default() -> Self {
        Self {
            by_key: Cache::builder()
                .max_capacity(STORES_MAX)
                .time_to_live(TTL)
                .build(),
        }
    }
}

impl fmt::Debug for IntakeStores {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("IntakeStores")
            .finish_non_exhaustive()
    }
}

impl IntakeStores {
    /// The store that the key leads to. Callers that ask for the same one at once share one load.
    pub(super) async fn find(
        &self,
        state: &AppState,
        key: IntakeKey,
    ) -> Result<Option<Arc<IntakeStore>>, ApiError> {
        let loaded = self
            .by_key
            .try_get_with_by_ref(&key, load(state, &key))
            .await;
        loaded.map_err(|error| ApiError::caused(Problem::NotDurable, &error))
    }

    pub(crate) fn forget(&self) {
        self.by_key.invalidate_all();
    }
}

async fn load(state: &AppState, key: &IntakeKey) -> Result<Option<Arc<IntakeStore>>, SealingError> {
    let db = state.db();
    let (platform, found) = match key {
        IntakeKey::Token(platform, hash) => {
            (*platform, stores::find_by_intake_token(db, hash).await?)
        }
        IntakeKey::Domain(platform, domain) => (
            *platform,
            stores::find_by_domain(db, platform.as_str(), domain).await?,
        ),
    };
    let Some(record) = found.filter(|record| record.platform == platform.as_str()) else {
        return Ok(None);
    };
    let app_secrets = match platform {
        PlatformKind::Shopify => &state.settings.app_secrets,
    };
    let (mut signing, mut shared) = own_secrets(state, db, record.id, app_secrets).await?;
    signing.extend(app_secrets.iter().cloned());
    shared.resize(signing.len(), true);
    Ok(Some(Arc::new(IntakeStore {
        id: record.id,
        domain: record.domain,
        secrets: signing,
        shared,
        suspended_from: standings::find(db, record.id).await?.suspended_from(),
    })))
}

/// The store's own secrets, and for each whether another store has it too, by itself or through the app.
async fn own_secrets(
    state: &AppState,
    db: &Db,
    store: StoreId,
    app_secrets: &[Secret],
) -> Result<(Vec<Secret>, Vec<bool>), SealingError> {
    let mut signing = Vec::new();
    let mut shared = Vec::new();
    for own in secrets::load(db, &state.sealer, store).await? {
        let secret = Secret::new(own.secret.expose());
        shared.push(
            app_secrets.contains(&secret)
                || secrets::is_shared(db, &own.fingerprint, store).await?,
        );
        signing.push(secret);
    }
    Ok((signing, shared))
}
