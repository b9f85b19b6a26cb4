//! The door to the writer: what callers hold.

use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::bulk::{Bulk, Deleted};
use super::lane::{self, Queues};
use crate::clock::Timestamp;
use crate::db::connect::Db;
use crate::db::error::DbError;
use crate::db::inbox::{Acceptance, Delivery};
use crate::domain::store::change::{Changes, KeeperRecord};
use crate::ids::{GrantId, StoreId};

/// Bulk jobs that may wait; more callers wait outside.
const WAITING_BULK_MAX: usize = 16;

/// Where everything is written through. Cheap to clone; its tasks end when the last clone is dropped.
#[derive(Clone)]
pub struct Writer {
    accepts: mpsc::Sender<WaitingDelivery>,
    shares: mpsc::Sender<WaitingShare>,
    bulk: mpsc::Sender<WaitingBulk>,
    room: Arc<Semaphore>,
}

/// A keeper's commit.
#[derive(Clone, Debug)]
pub struct Share {
    pub store: StoreId,
    pub grant: GrantId,
    /// The fence as it stood when the turn read its rows.
    pub applied_seq: i64,
    pub record: KeeperRecord,
    pub changes: Changes,
}

/// Why a delivery was not made durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Too many deliveries wait already.
    #[error("too many deliveries wait to be written")]
    Overloaded,
    #[error("no such store")]
    UnknownStore,
    /// The writer has ended: the server is stopping.
    #[error("the writer has ended")]
    Ended,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Why a share was not committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Another keeper took the store, or committed in between: nothing was written.
    #[error("fenced off by a newer grant or commit")]
    Fenced,
    /// This share alone cannot be written.
    #[error("share refused: {0}")]
    Refused(DbError),
    /// The database did not take it; whether it did after all is unknown.
    #[error("database unavailable")]
    Unavailable,
}

pub(super) struct WaitingDelivery {
    pub(super) delivery: Delivery,
    pub(super) answer: oneshot::Sender<Result<Acceptance, WriteError>>,
    /// Its body's part of what may wait; given back when it is answered.
    pub(super) room: OwnedSemaphorePermit,
}

pub(super) struct WaitingShare {
    pub(super) share: Share,
    pub(super) answer: oneshot::Sender<Result<(), CommitError>>,
}

pub(super) struct WaitingBulk {
    pub(super) job: Bulk,
    pub(super) answer: oneshot::Sender<Result<Deleted, DbError>>,
}

impl Writer {
    /// Starts the writer's tasks on the present runtime.
    #[must_use]
    pub fn start(db: &Db) -> Self {
        let options = db.options().writer;
        let (accepts, waiting_accepts) = mpsc::channel(options.waiting_deliveries_max);
        let (shares, waiting_shares) = mpsc::channel(options.waiting_shares_max);
        let (bulk, waiting_bulk) = mpsc::channel(WAITING_BULK_MAX);
        lane::spawn(
            db,
            Queues {
                accepts: waiting_accepts,
                shares: waiting_shares,
                bulk: waiting_bulk,
            },
        );
        let room = Arc::new(Semaphore::new(
            options.waiting_bytes_max.min(Semaphore::MAX_PERMITS),
        ));
        Self {
            accepts,
            shares,
            bulk,
            room,
        }
    }

    /// Makes a delivery durable; returns after the commit (INV-F).
    pub async fn accept(&self, delivery: Delivery) -> Result<Acceptance, WriteError> {
        let (answer, answered) = oneshot::channel();
        let bytes =
            u32::try_from(delivery.body.len()).map_err(|_too_large| WriteError::Overloaded)?;
        let room = Arc::clone(&self.room)
            .try_acquire_many_owned(bytes)
            .map_err(|_full| WriteError::Overloaded)?;
        self.accepts
            .try_send(WaitingDelivery {
                delivery,
                answer,
                room,
            })
            .map_err(|error| match error {
                TrySendError::Full(_) => WriteError::Overloaded,
                TrySendError::Closed(_) => WriteError::Ended,
            })?;
        answered.await.unwrap_or(Err(WriteError::Ended))
    }

    /// Puts a keeper's share in line, and gives what waits for its commit as [`commit`](Self::commit) does; `Err`: the
    /// line is full, and here is the share again.
    pub fn offer(
        &self,
        share: Share,
    ) -> Result<impl Future<Output = Result<(), CommitError>> + use<>, Box<Share>> {
        let (answer, answered) = oneshot::channel();
        let offered = self.shares.try_send(WaitingShare { share, answer });
        match offered {
            // When the writer has ended, nobody answers.
            Ok(()) | Err(TrySendError::Closed(_)) => {
                Ok(async move { answered.await.unwrap_or(Err(CommitError::Unavailable)) })
            }
            Err(TrySendError::Full(waiting)) => Err(Box::new(waiting.share)),
        }
    }

    /// Commits a keeper's share under its fence; returns after the commit (INV-E).
    pub async fn commit(&self, share: Share) -> Result<(), CommitError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.shares.send(WaitingShare { share, answer }).await;
        if sent.is_err() {
            return Err(CommitError::Unavailable);
        }
        answered.await.unwrap_or(Err(CommitError::Unavailable))
    }

    /// Deletes the store's inbox rows up to `up_to_seq` that its keeper is done with; returns how many.
    pub async fn purge(&self, store: StoreId, up_to_seq: i64) -> Result<u64, DbError> {
        self.run_bulk(Bulk::Inbox { store, up_to_seq }).await
    }

    /// Deletes the ids of deliveries received before `before`; returns how many.
    pub async fn purge_deliveries(&self, before: Timestamp) -> Result<u64, DbError> {
        self.run_bulk(Bulk::Deliveries { before }).await
    }

    /// Deletes digests of bodies received before `before`; returns how many.
    pub async fn purge_digests(&self, before: Timestamp) -> Result<u64, DbError> {
        self.run_bulk(Bulk::Digests { before }).await
    }

    /// Deletes replies to idempotency keys given before `before`; returns how many.
    pub async fn purge_replies(&self, before: Timestamp) -> Result<u64, DbError> {
        self.run_bulk(Bulk::Replies { before }).await
    }

    /// One bounded transaction after another until nothing is left, so that others come in between.
    async fn run_bulk(&self, job: Bulk) -> Result<u64, DbError> {
        let mut deleted_in_all = 0;
        loop {
            let (answer, answered) = oneshot::channel();
            let ended = || DbError::Unavailable("the writer has ended".to_owned());
            self.bulk
                .send(WaitingBulk { job, answer })
                .await
                .map_err(|_closed| ended())?;
            let deleted = answered.await.unwrap_or_else(|_dropped| Err(ended()))?;
            deleted_in_all += deleted.rows;
            if !deleted.may_be_more {
                return Ok(deleted_in_all);
            }
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Writer").finish_non_exhaustive()
    }
}
