//! What keepers and doors work with: one value, passed down from the composition.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::clock::Clock;
use crate::db::Db;
use crate::db::writer::Writer;
use crate::domain::call::{Answer, Call, CallError};
use crate::domain::fact::Fact;
use crate::ids::{IdSource, StoreId};
use crate::platform::{Account, PlatformClient, PlatformKind};

/// What keepers and doors work with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Deps {
    pub clock: Clock,
    pub ids: Arc<IdSource>,
    /// Reads.
    pub db: Db,
    /// Writes: the only way to make anything durable.
    pub writer: Writer,
    /// Calls, and the meaning of webhooks.
    pub platform: Arc<dyn Platform>,
}

/// The seam towards the platform (D12): what it means, and how to ask it.
pub trait Platform: fmt::Debug + Send + Sync {
    /// Its name in metrics: one of a closed list.
    fn name(&self) -> &'static str;

    /// What a webhook says.
    ///
    /// # Errors
    /// One sentence for a person: the body is not what its topic promises.
    fn parse(&self, topic: &str, body: &[u8]) -> Result<Fact, String>;

    /// Sends one call for a store and waits for its answer. Whatever goes wrong is part of the answer.
    fn send<'call>(&'call self, store: StoreId, call: &'call Call) -> BoxFuture<'call, Answer>;
}

/// Finds a store's account; refreshes its token first where that is due. `Err`: one sentence for a person.
pub type AccountLookup =
    Arc<dyn Fn(StoreId) -> BoxFuture<'static, Result<Account, String>> + Send + Sync>;

/// The real platform, for stores of one kind.
pub struct LivePlatform {
    pub kind: PlatformKind,
    pub client: PlatformClient,
    pub accounts: AccountLookup,
}

impl Platform for LivePlatform {
    fn name(&self) -> &'static str {
        self.kind.as_str()
    }

    fn parse(&self, topic: &str, body: &[u8]) -> Result<Fact, String> {
        self.kind
            .parse(topic, body)
            .map_err(|malformed| malformed.to_string())
    }

    fn send<'call>(&'call self, store: StoreId, call: &'call Call) -> BoxFuture<'call, Answer> {
        Box::pin(async move {
            match (self.accounts)(store).await {
                Ok(account) => self.client.send(&account, call).await,
                // Nothing was sent.
                Err(reason) => Answer {
                    result: Err(CallError::Unavailable { reason }),
                    rate: None,
                    platform_time: None,
                },
            }
        })
    }
}

impl fmt::Debug for LivePlatform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LivePlatform")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
