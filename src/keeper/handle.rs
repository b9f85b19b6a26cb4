//! How others speak to a keeper: what they may ask, what they are told, and the handle they hold instead of an address.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::clock::Timestamp;
use crate::domain::store::command::Command;
use crate::domain::store::outcome::{Refusal, Reply};
use crate::keeper::board::Board;
use crate::keeper::shared::Shared;
use crate::keeper::slot::Slot;
use crate::keeper::status::KeeperState;

/// A command on its way to a keeper.
#[derive(Clone, Debug)]
pub struct Envelope {
    pub command: Command,
    /// Set for requests that carry an `Idempotency-Key`: the reply is written with the command's changes.
    pub idempotency: Option<IdempotencyKey>,
}

impl Envelope {
    /// A command without an idempotency key.
    #[must_use]
    pub const fn plain(command: Command) -> Self {
        Self {
            command,
            idempotency: None,
        }
    }
}

/// The client's key for a request, and how its reply is to be remembered.
#[derive(Clone)]
pub struct IdempotencyKey {
    pub key: String,
    /// Digest of the request.
    pub digest: String,
    /// Status and body of the reply.
    pub render: fn(&Result<Reply, Refusal>) -> (u16, String),
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("IdempotencyKey")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// What a command led to; it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It was carried out now.
    Fresh(Reply),
    /// It was carried out before under the same key: the reply given then.
    Repeated { status: u16, body: String },
}

/// Why a command led to nothing, or to nobody knows what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Too many commands wait at this store already.
    #[error("the store has too many requests waiting")]
    Busy,
    /// It may have been carried out; the same idempotency key brings the outcome.
    #[error("the outcome is not known")]
    OutcomeUnknown,
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The same key came with another request before.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Too many stores crash: nothing is done but accepting webhooks. It was not carried out.
    #[error("the server is in safe mode")]
    SafeMode,
    /// The keeper rests after a crash.
    #[error("the store is unavailable until {until}")]
    Unavailable { until: Timestamp },
    #[error("there is no such store")]
    UnknownStore,
    #[error("the server stops")]
    ShuttingDown,
}

/// What an admin does to a keeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Rebuild it from the database at once.
    Restart,
    /// Stop it until there is work.
    Deactivate,
    /// Stop it for a while, whatever arrives.
    Quarantine,
    /// End a quarantine or the wait for a restart.
    Release,
}

/// A command that waits at a store.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) envelope: Envelope,
    pub(super) reply: oneshot::Sender<Result<Answered, CommandError>>,
}

/// A store's door. Callers hold this, never an address: it outlives every keeper of the store.
#[derive(Clone, Debug)]
pub(super) struct StoreHandle {
    pub(super) slot: Arc<Slot>,
    pub(super) shared: Arc<Shared>,
}

impl StoreHandle {
    /// Hands a command over and waits for what it led to, up to the bound.
    pub(super) async fn command(&self, envelope: Envelope) -> Result<Answered, CommandError> {
        if self.shared.safe_mode.is_on() {
            return Err(CommandError::SafeMode);
        }
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { envelope, reply };
        self.slot
            .enqueue(waiting, self.shared.settings.commands_waiting_max)?;
        self.shared.activate(&self.slot);
        tokio::select! {
            // A dropped sender is a keeper that ended between taking the command and answering it.
            answer = answer => answer.unwrap_or(Err(CommandError::OutcomeUnknown)),
            () = self.too_long() => Err(CommandError::OutcomeUnknown),
        }
    }

    /// What readers see, once the keeper runs.
    pub(super) async fn board(&self) -> Result<Arc<Board>, CommandError> {
        if let Some(board) = self.slot.board() {
            return Ok(board);
        }
        self.slot.ring();
        self.shared.activate(&self.slot);
        tokio::select! {
            board = self.first_board() => board,
            () = self.too_long() => Err(CommandError::OutcomeUnknown),
        }
    }

    async fn first_board(&self) -> Result<Arc<Board>, CommandError> {
        let mut states = self.slot.watch_states();
        loop {
            let state = *states.borrow_and_update();
            if let Some(board) = self.slot.board() {
                return Ok(board);
            }
            match state {
                KeeperState::Restarting { until } | KeeperState::Quarantined { until } => {
                    return Err(CommandError::Unavailable { until });
                }
                KeeperState::Stopped if self.shared.is_shutting_down() => {
                    return Err(CommandError::ShuttingDown);
                }
                KeeperState::Starting | KeeperState::Running | KeeperState::Stopped => {}
            }
            if states.changed().await.is_err() {
                return Err(CommandError::ShuttingDown);
            }
        }
    }

    async fn too_long(&self) {
        let clock = &self.shared.deps.clock;
        clock
            .sleep_until(
                clock
                    .now()
                    .plus_millis(self.shared.settings.command_wait_ms_max),
            )
            .await;
    }
}
