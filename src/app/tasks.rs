//! What goes on in the background: purging, gauges, watching the database's lock.
//!
//! Each task does one bounded piece of work at a time and sleeps in between; ending one at any await loses nothing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::error::AppError;
use crate::clock::{Clock, Timestamp};
use crate::config::InboxConfig;
use crate::db::fleet::{self, Totals};
use crate::db::writer::Writer;
use crate::db::{DatabaseLock, Db, DbError};
use crate::keeper::{Directory, KeeperState, KeeperStatus};
use crate::telemetry::{Metrics, metric_name};

/// How often gauges are set, milliseconds.
const GAUGES_INTERVAL_MS: i64 = 5_000;
/// How often it is asked whether the database's lock still holds, milliseconds.
const LOCK_INTERVAL_MS: i64 = 2_000;
const HOUR_MS: i64 = 3_600_000;

/// Why the server must end although nobody asked for it; empty while all is well.
pub(super) type Failure = watch::Sender<Option<Fatal>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fatal {
    ServerEnded,
    LockLost,
}

impl From<Fatal> for AppError {
    fn from(fatal: Fatal) -> Self {
        match fatal {
            Fatal::ServerEnded => Self::ServerEnded,
            Fatal::LockLost => Self::LockLost,
        }
    }
}

/// Deletes what is older than its retention, over and over.
pub(super) struct Purge {
    pub(super) clock: Clock,
    pub(super) writer: Writer,
    pub(super) retention: InboxConfig,
}

impl Purge {
    pub(super) fn spawn(self, tasks: &mut JoinSet<()>) {
        tasks.spawn(async move {
            let interval_ms = super::settings::signed(self.retention.purge_interval_ms);
            loop {
                match self.run().await {
                    Ok(0) => {}
                    Ok(rows) => tracing::debug!(rows, "purged"),
                    Err(error) => tracing::warn!(%error, "failed to purge"),
                }
                self.clock
                    .sleep_until(self.clock.now().plus_millis(interval_ms))
                    .await;
            }
        });
    }

    async fn run(&self) -> Result<u64, DbError> {
        let now = self.clock.now();
        let InboxConfig {
            delivery_retention_h,
            body_digest_retention_h,
            reply_retention_h,
            ..
        } = self.retention;
        let deliveries = self
            .writer
            .purge_deliveries(hours_before(now, delivery_retention_h))
            .await?;
        let digests = self
            .writer
            .purge_digests(hours_before(now, body_digest_retention_h))
            .await?;
        let replies = self
            .writer
            .purge_replies(hours_before(now, reply_retention_h))
            .await?;
        Ok(deliveries + digests + replies)
    }
}

fn hours_before(now: Timestamp, hours: u32) -> Timestamp {
    now.plus_millis(-HOUR_MS * i64::from(hours))
}

/// Sets the gauges that nobody sets in passing.
pub(super) struct Gauges {
    pub(super) clock: Clock,
    pub(super) db: Db,
    pub(super) directory: Directory,
    pub(super) metrics: Metrics,
    /// The embedded database's write-ahead log.
    pub(super) wal: Option<PathBuf>,
    /// What was read, for who judges it; nothing when the database did not tell.
    pub(super) totals: watch::Sender<Option<Totals>>,
}

impl Gauges {
    pub(super) fn spawn(self, tasks: &mut JoinSet<()>) {
        tasks.spawn(async move {
            loop {
                let totals = fleet::totals(&self.db).await;
                let totals = totals
                    .inspect_err(|error| tracing::warn!(%error, "failed to read the totals"))
                    .ok();
                if let Some(totals) = totals {
                    self.set(totals).await;
                }
                self.totals.send_replace(totals);
                self.metrics.upkeep();
                self.clock
                    .sleep_until(self.clock.now().plus_millis(GAUGES_INTERVAL_MS))
                    .await;
            }
        });
    }

    async fn set(&self, totals: Totals) {
        let age_ms = totals
            .oldest_received_at
            .map_or(0, |oldest| self.clock.now().millis_since(oldest));
        let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
        gauge!(metric_name::INBOX_BACKLOG).set(gauge_value(totals.backlog));
        gauge!(metric_name::INBOX_OLDEST_AGE_SECONDS).set(age);
        gauge!(metric_name::DEAD_LETTERS).set(gauge_value(totals.dead));
        let statuses = self.directory.statuses();
        let paused = statuses.iter().filter(|status| is_paused(status)).count();
        gauge!(metric_name::KEEPERS, "state" => "paused")
            .set(u32::try_from(paused).unwrap_or(u32::MAX));
        if let Some(wal) = &self.wal {
            let bytes = tokio::fs::metadata(wal).await.map_or(0, |file| file.len());
            gauge!(metric_name::WAL_BYTES)
                .set(gauge_value(i64::try_from(bytes).unwrap_or(i64::MAX)));
        }
    }
}

/// Whether it runs, but makes no calls.
fn is_paused(status: &KeeperStatus) -> bool {
    let observation = status.observation.as_ref();
    status.state == KeeperState::Running
        && observation.is_some_and(|observation| observation.paused.is_some())
}

/// A count as gauges hold it; exact up to four thousand million, and no larger.
fn gauge_value(count: i64) -> u32 {
    u32::try_from(count.max(0)).unwrap_or(u32::MAX)
}

/// Keeps the database's lock, and ends the server when another process has it. While the database cannot be reached,
/// nobody can write to it; when it is back, the lock is taken again.
pub(super) fn watch_lock(
    tasks: &mut JoinSet<()>,
    lock: Arc<DatabaseLock>,
    clock: Clock,
    failure: Failure,
) {
    tasks.spawn(async move {
        loop {
            match lock.renew().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => tracing::warn!(%error, "the lock on the database cannot be kept"),
            }
            clock
                .sleep_until(clock.now().plus_millis(LOCK_INTERVAL_MS))
                .await;
        }
        tracing::error!("the lock on the database was lost to another process");
        failure.send_replace(Some(Fatal::LockLost));
    });
}
