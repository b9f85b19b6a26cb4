//! What handlers share: one value for all worker threads.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};

use crate::clock::Clock;
use crate::db::Db;
use crate::db::sealing::Sealer;
use crate::deps::Deps;
use crate::domain::alarm::Raised;
use crate::http::credentials::Credentials;
use crate::http::dashboard::Sessions;
use crate::http::fleet::FleetBoard;
use crate::http::intake::IntakeStores;
use crate::http::oauth::Installations;
use crate::http::settings::HttpSettings;
use crate::ids::IdSource;
use crate::keeper::Directory;
use crate::telemetry::Metrics;

/// Live streams that may be open at once, over all browsers.
const STREAMS_MAX: usize = 64;
/// How long the disk counts as full after it had no room for a webhook, milliseconds.
const FULL_FOR_MS: i64 = 5_000;

/// What the composition hands over.
#[derive(Debug)]
pub struct AppParts {
    pub deps: Deps,
    pub directory: Directory,
    /// Opens the secrets that webhooks are verified with.
    pub sealer: Sealer,
    pub metrics: Metrics,
    pub settings: HttpSettings,
    /// Whether the database keeps what it confirms, as it told at the start.
    pub is_durable: bool,
    /// What is raised now, the most pressing first.
    pub alarms: watch::Receiver<Arc<[Raised]>>,
}

/// What handlers share.
pub struct AppState {
    pub(crate) deps: Deps,
    pub(crate) directory: Directory,
    pub(crate) sealer: Sealer,
    pub(crate) metrics: Metrics,
    pub(crate) settings: HttpSettings,
    pub(crate) credentials: Credentials,
    pub(crate) intake_stores: IntakeStores,
    pub(crate) sessions: Sessions,
    pub(crate) installations: Installations,
    pub(crate) fleet: FleetBoard,
    /// One permit for each live stream.
    pub(crate) streams: Arc<Semaphore>,
    alarms: watch::Receiver<Arc<[Raised]>>,
    stopping: watch::Sender<bool>,
    is_durable: AtomicBool,
    /// Why it was not ready when that was asked last.
    not_ready_because: Mutex<Option<&'static str>>,
    /// Until then the disk counts as full, milliseconds since the Unix epoch.
    full_until_ms: AtomicI64,
}

impl AppState {
    /// With empty caches.
    #[must_use]
    pub fn new(parts: AppParts) -> Self {
        Self {
            deps: parts.deps,
            directory: parts.directory,
            sealer: parts.sealer,
            metrics: parts.metrics,
            settings: parts.settings,
            credentials: Credentials::default(),
            intake_stores: IntakeStores::default(),
            sessions: Sessions::default(),
            installations: Installations::default(),
            fleet: FleetBoard::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            alarms: parts.alarms,
            stopping: watch::Sender::new(false),
            is_durable: AtomicBool::new(parts.is_durable),
            not_ready_because: Mutex::default(),
            full_until_ms: AtomicI64::new(0),
        }
    }

    /// Ends live streams and readiness: to be called when the server begins to stop, before its sockets close.
    pub fn begin_stopping(&self) {
        self.stopping.send_replace(true);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Returns when the server begins to stop.
    pub(crate) async fn stopping(&self) {
        let mut stopping = self.stopping.subscribe();
        // The sender lives in `self`, so the channel cannot close while this waits.
        let _closed = stopping.wait_for(|stopping| *stopping).await.is_err();
    }

    /// What is raised now, the most pressing first.
    pub(crate) fn alarms(&self) -> Arc<[Raised]> {
        Arc::clone(&self.alarms.borrow())
    }

    /// Whether a 200 means durable, as the database told when it was asked last.
    pub(crate) fn is_durable(&self) -> bool {
        self.is_durable.load(Ordering::Relaxed)
    }

    /// Takes note of a webhook for which the disk had no room. That a smaller one found some changes nothing.
    pub(crate) fn note_full(&self) {
        let until = self.clock().now().plus_millis(FULL_FOR_MS);
        self.full_until_ms
            .store(until.as_millis(), Ordering::Relaxed);
    }

    /// Whether the disk had no room for a webhook a moment ago.
    pub(crate) fn is_full(&self) -> bool {
        self.clock().now().as_millis() < self.full_until_ms.load(Ordering::Relaxed)
    }

    /// Takes note of what the database told of its durability.
    pub(crate) fn note_durability(&self, is_durable: bool) {
        self.is_durable.store(is_durable, Ordering::Relaxed);
    }

    /// Why webhooks could not be made durable when that was asked last, if so.
    pub(crate) fn not_ready_because(&self) -> Option<&'static str> {
        *self.lock_reason()
    }

    /// Takes note of why webhooks cannot be made durable, if so; tells whether that is news.
    pub(crate) fn note_readiness(&self, reason: Option<&'static str>) -> bool {
        std::mem::replace(&mut *self.lock_reason(), reason) != reason
    }

    fn lock_reason(&self) -> MutexGuard<'_, Option<&'static str>> {
        self.not_ready_because
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn clock(&self) -> &Clock {
        &self.deps.clock
    }

    pub(crate) fn ids(&self) -> &IdSource {
        &self.deps.ids
    }

    pub(crate) const fn db(&self) -> &Db {
        &self.deps.db
    }

    /// Forgets what was cached of stores: to be called after every change by an admin.
    pub(crate) fn forget_stores(&self) {
        self.credentials.forget();
        self.intake_stores.forget();
        self.fleet.forget();
    }
}

impl fmt::Debug for AppState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AppState")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
