//! What keepers and doors work with: one value, passed down from the composition.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::clock::Clock;
use crate::db::Db;
use crate::db::writer::Writer;
use crate::domain::call::{Answer, Call};
use crate::domain::fact::Fact;
use crate::domain::interest::Mentions;
use crate::ids::{IdSource, StoreId};

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

    /// What a webhook is about, when its topic may concern nobody at all and its body names all its lines or items;
    /// else `None`, and the webhook is taken for one that concerns the store.
    fn mentions(&self, _topic: &str, _body: &[u8]) -> Option<Mentions> {
        None
    }

    /// Sends one call for a store and waits for its answer. Whatever goes wrong is part of the answer.
    fn send<'call>(&'call self, store: StoreId, call: &'call Call) -> BoxFuture<'call, Answer>;

    /// Forgets what it remembers of a store: to be called when how the store is reached was changed.
    fn forget(&self, _store: StoreId) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}
