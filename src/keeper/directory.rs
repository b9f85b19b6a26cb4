//! The only door to keepers: finds a store's place, and brings a keeper to life when there is something for it.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::Timestamp;
use crate::db::{DbError, fleet};
use crate::deps::Deps;
use crate::domain::interest::Interest;
use crate::domain::standing::QuotaRules;
use crate::domain::storm::{Sign, Storm};
use crate::ids::StoreId;
use crate::keeper::arbiters::{self, ArbiterLoad, Engine};
use crate::keeper::board::Board;
use crate::keeper::core::KeeperCore;
use crate::keeper::crowd::keep_within_memory;
use crate::keeper::exit::{Aftermath, Exit};
use crate::keeper::handle::{Answered, CommandError, Control, Envelope, StoreHandle};
use crate::keeper::lifecycle::LifecycleEvent;
use crate::keeper::naked_count::NakedCount;
use crate::keeper::patrol::{Patrol, Silence};
use crate::keeper::placement::keep_balance;
use crate::keeper::purge::purge_behind_cursors;
use crate::keeper::safe_mode::SafeModeStatus;
use crate::keeper::scheduler::TurnPlace;
use crate::keeper::settings::KeeperSettings;
use crate::keeper::shared::Shared;
use crate::keeper::slot::Slot;
use crate::keeper::standings::keep_standings;
use crate::keeper::status::{KeeperState, KeeperStatus, KnownStanding};
use crate::keeper::teller::Finding;

/// For writing down, at the end of the process, what ended it.
const WRITING_MAX: Duration = Duration::from_secs(10);

/// For threads to end that keepers did not leave in time.
const THREADS_END_MAX: Duration = Duration::from_millis(250);

/// The only door to keepers. Cheap to clone; the keepers' threads end when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Directory {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    slots: Arc<Slots>,
    patrol: Patrol,
    /// Absent once it has been stopped.
    engine: Mutex<Option<Engine>>,
}

/// Every store that anybody asked for since the process started; bounded by the stores that are registered.
#[derive(Debug, Default)]
pub(super) struct Slots {
    by_store: RwLock<HashMap<StoreId, Arc<Slot>>>,
}

impl Slots {
    pub(super) fn find(&self, store: StoreId) -> Option<Arc<Slot>> {
        self.by_store
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&store)
            .cloned()
    }

    fn find_or_make(&self, store: StoreId) -> Arc<Slot> {
        self.find(store).unwrap_or_else(|| {
            let mut by_store = self
                .by_store
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            Arc::clone(
                by_store
                    .entry(store)
                    .or_insert_with(|| Arc::new(Slot::new(store))),
            )
        })
    }

    pub(super) fn all(&self) -> Vec<Arc<Slot>> {
        self.by_store
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }
}

impl Directory {
    /// Starts the keepers' threads, and the search for stores that have work.
    ///
    /// # Errors
    /// The operating system gives no threads.
    pub fn start(deps: Deps, settings: KeeperSettings) -> io::Result<Self> {
        let count = match settings.arbiters {
            0 => thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let (arbiters, engine) = arbiters::start(count)?;
        let (purges, asked) = mpsc::channel(settings.purges_waiting_max.max(1));
        let mut runs = arbiters.run(purge_behind_cursors(deps.writer.clone(), asked));
        let deps = Deps {
            db: deps.db.for_keepers(),
            ..deps
        };
        let shared = Arc::new(Shared::new(deps, settings, arbiters, purges));
        let slots = Arc::new(Slots::default());
        runs &= shared.run(scan_for_work(Arc::clone(&shared), Arc::clone(&slots)));
        runs &= shared.run(keep_within_memory(Arc::clone(&shared)));
        runs &= shared.run(keep_standings(Arc::clone(&shared), Arc::clone(&slots)));
        runs &= shared.run(keep_balance(Arc::clone(&shared)));
        if !runs {
            return Err(io::Error::other("the keepers' threads ended at once"));
        }
        let patrol = Patrol::start(&shared)?;
        Ok(Self {
            inner: Arc::new(Inner {
                shared,
                slots,
                patrol,
                engine: Mutex::new(Some(engine)),
            }),
        })
    }

    /// Rows may have come for this store. Never waits; only makes faster what the search would find.
    pub fn ring(&self, store: StoreId) {
        let slot = self.inner.slots.find_or_make(store);
        slot.ring();
        // What rings in vain is found by the search that follows.
        if !self.inner.shared.safe_mode.is_on() {
            self.inner.shared.activate(&slot);
        }
    }

    /// What concerns the store, as told by its running keeper; `None`: nobody knows, so everything does (D10).
    #[must_use]
    pub fn interest(&self, store: StoreId) -> Option<Arc<Interest>> {
        self.inner.slots.find(store)?.interest()
    }

    /// Counts a naked webhook that was answered without being stored.
    pub fn count_naked(&self, store: StoreId) {
        self.inner.slots.find_or_make(store).naked.count_one();
    }

    /// Naked webhooks that no commit has counted yet.
    #[must_use]
    pub fn naked_since_commit(&self, store: StoreId) -> i64 {
        let slot = self.inner.slots.find(store);
        slot.map_or(0, |slot| slot.naked.so_far())
    }

    /// Begins to count how many naked rows stand in a store's backlog, unless that is under way; how far it is, is told
    /// by [`naked_rows`](Self::naked_rows).
    ///
    /// # Errors
    /// See [`CommandError`]: its keeper does not run, or too many counts are under way.
    pub async fn count_naked_rows(&self, store: StoreId) -> Result<NakedCount, CommandError> {
        self.handle(store)?.count_naked_rows().await
    }

    /// The last count of the naked rows in a store's backlog since the process started.
    #[must_use]
    pub fn naked_rows(&self, store: StoreId) -> Option<NakedCount> {
        self.inner.shared.naked_counts.find(store)
    }

    /// Asks something of a store; answered once it is durable.
    ///
    /// # Errors
    /// See [`CommandError`]; after [`CommandError::OutcomeUnknown`] it may still be carried out.
    pub async fn command(
        &self,
        store: StoreId,
        envelope: Envelope,
    ) -> Result<Answered, CommandError> {
        self.handle(store)?.command(envelope).await
    }

    /// What readers see of a store; activates its keeper when needed.
    ///
    /// # Errors
    /// [`CommandError::Unavailable`] while the keeper rests, [`CommandError::OutcomeUnknown`] when it takes too long.
    pub async fn board(&self, store: StoreId) -> Result<Arc<Board>, CommandError> {
        self.handle(store)?.board().await
    }

    fn handle(&self, store: StoreId) -> Result<StoreHandle, CommandError> {
        if self.inner.shared.is_shutting_down() {
            return Err(CommandError::ShuttingDown);
        }
        Ok(StoreHandle {
            slot: self.inner.slots.find_or_make(store),
            shared: Arc::clone(&self.inner.shared),
        })
    }

    /// Does to a keeper what an admin wants, as soon as its step is over.
    ///
    /// # Errors
    /// [`CommandError::ShuttingDown`].
    #[expect(
        clippy::unused_async,
        reason = "callers need not know that nothing is waited for yet"
    )]
    pub async fn control(
        &self,
        store: StoreId,
        control: Control,
        reason: String,
    ) -> Result<(), CommandError> {
        let handle = self.handle(store)?;
        let needs_keeper = match control {
            Control::Restart | Control::Quarantine => true,
            // What does not run needs no stop, and what does not rest no release.
            Control::Deactivate | Control::Release => false,
        };
        if needs_keeper || !handle.slot.is_stopped() {
            handle.slot.control(control, reason);
            handle.shared.activate(&handle.slot);
        }
        Ok(())
    }

    /// A keeper as others see it; `None`: nobody has asked for the store since the process started.
    #[must_use]
    pub fn status(&self, store: StoreId) -> Option<KeeperStatus> {
        self.inner.slots.find(store).map(|slot| slot.status())
    }

    /// The published rules of allowances and standings.
    #[must_use]
    pub fn quota(&self) -> &QuotaRules {
        &self.inner.shared.settings.quota
    }

    /// How often a store's keeper was told what decides how much it may take: to be asked before that is read.
    #[must_use]
    pub fn standing_told(&self, store: StoreId) -> u64 {
        let slot = self.inner.slots.find(store);
        slot.map_or(0, |slot| slot.quota.told())
    }

    /// Tells a store's keeper, should there be one, what decides how much it may take. `false`: somebody else told it
    /// since it was told so often, and what was read may be the older.
    pub fn learn_standing(&self, store: StoreId, standing: KnownStanding, told: u64) -> bool {
        let slot = self.inner.slots.find(store);
        slot.is_none_or(|slot| slot.learn_standing(standing, told))
    }

    /// A store's place in the line for turns; `None`: it does not stand there.
    #[must_use]
    pub fn turn_place(&self, store: StoreId) -> Option<TurnPlace> {
        let arbiter = self.inner.slots.find(store)?.arbiter();
        self.inner.shared.turns.place(arbiter, store)
    }

    /// All keepers since the process started, ascending by store.
    #[must_use]
    pub fn statuses(&self) -> Vec<KeeperStatus> {
        let mut statuses: Vec<_> = self
            .inner
            .slots
            .all()
            .iter()
            .map(|slot| slot.status())
            .collect();
        statuses.sort_by_key(|status| status.store);
        statuses
    }

    /// The last events in the lives of keepers, oldest first.
    #[must_use]
    pub fn lifecycle(&self) -> Vec<LifecycleEvent> {
        self.inner.shared.lifecycle.recent()
    }

    /// Keepers that have work in hand and move nothing.
    #[must_use]
    pub fn stuck(&self) -> usize {
        self.inner.shared.findings.stuck()
    }

    /// Threads of keepers that do not answer.
    #[must_use]
    pub fn silent_arbiters(&self) -> usize {
        self.inner.shared.findings.silent()
    }

    /// What each thread of keepers has to do.
    #[must_use]
    pub fn arbiter_loads(&self) -> Vec<ArbiterLoad> {
        self.inner.shared.arbiters.loads().collect()
    }

    /// Set while too many stores crash, and nothing is done but accepting.
    #[must_use]
    pub fn safe_mode(&self) -> Option<SafeModeStatus> {
        self.inner.shared.safe_mode.status()
    }

    /// Takes note of how a webhook was accepted: many that were sent again, and wait long, are a storm.
    pub fn note_webhook(&self, sign: &Sign) {
        self.inner.shared.storm.note(sign);
    }

    /// Set while webhooks that were sent again come too fast, and applying gives way to accepting.
    #[must_use]
    pub fn storm(&self) -> Option<Storm> {
        self.inner.shared.storm.storm()
    }

    /// Ends safe mode, should it hold.
    pub fn end_safe_mode(&self) {
        self.inner.shared.end_safe_mode();
    }

    /// Waits until a thread of the keepers is given up, for ever when all goes well. Its stores stand still for good,
    /// and only a new process can have them. The row that holds it up, if any, is written down as one that crashes, so
    /// that the next process does not end in the same way for ever.
    pub async fn lost(&self) -> Silence {
        let silence = self.inner.shared.findings.lost().await;
        if let (Some(store), Some(row)) = (silence.store, silence.row) {
            let writing = self.write_down_hang(store, row);
            let written = match tokio::time::timeout(WRITING_MAX, writing).await {
                Ok(written) => written.map_err(|exit| exit.to_string()),
                Err(_elapsed) => Err("no time".to_owned()),
            };
            let teller = &self.inner.patrol.teller;
            teller.tell(Finding::Hang {
                store,
                row,
                written,
            });
        }
        silence
    }

    /// A keeper of another grant writes it down, in a place of its own; the one that hangs is fenced by it.
    async fn write_down_hang(&self, store: StoreId, row: i64) -> Result<(), Exit> {
        let (shared, slot) = (Arc::clone(&self.inner.shared), Arc::new(Slot::new(store)));
        let mut aftermath = Aftermath {
            crash: Some((row, "it did not come to an end".to_owned())),
            ..Aftermath::default()
        };
        let written = KeeperCore::activate(shared, slot, &mut aftermath).await;
        written.map(drop)
    }

    /// Ends all keepers: no new turn begins, what runs is finished, up to `deadline` from now. Gives back the stores
    /// whose keepers had not ended by then; they lose nothing, since what they had not committed is still in the inbox.
    pub async fn shutdown(&self, deadline: Duration) -> Vec<StoreId> {
        let shared = &self.inner.shared;
        let guarded = shared.living.count();
        shared.begin_shutdown();
        for slot in self.inner.slots.all() {
            slot.alert();
        }
        let in_time = tokio::time::timeout(deadline, shared.living.none())
            .await
            .is_ok();
        let leftovers = if in_time {
            Vec::new()
        } else {
            self.leftovers()
        };
        tracing::info!(
            ended = guarded.saturating_sub(leftovers.len()),
            "keepers ended with the server"
        );
        let engine = self
            .inner
            .engine
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut engine) = engine {
            engine.stop();
            // A thread on which keepers are left over may never end.
            let patience = if in_time { deadline } else { THREADS_END_MAX };
            if tokio::time::timeout(patience, engine.ended())
                .await
                .is_err()
            {
                tracing::error!("a thread of the keepers does not end");
            }
        }
        leftovers
    }

    fn leftovers(&self) -> Vec<StoreId> {
        let statuses = self
            .statuses()
            .into_iter()
            .filter(|status| status.state != KeeperState::Stopped);
        statuses.map(|status| status.store).collect()
    }
}

/// Rings for every store that has a backlog or whose time has come, over and over: doorbells may be lost, and a
/// deadline outlives the keeper that set it.
async fn scan_for_work(shared: Arc<Shared>, slots: Arc<Slots>) {
    let clock = shared.deps.clock.clone();
    while !shared.is_shutting_down() {
        let now = clock.now();
        shared.storm.look(now);
        if !shared.holds_safe_mode()
            && let Err(error) = wake_all(&shared, &slots, now).await
        {
            tracing::warn!(%error, "search for stores with work failed");
        }
        clock
            .sleep_until(now.plus_millis(shared.settings.scan_interval_ms))
            .await;
    }
}

async fn wake_all(shared: &Arc<Shared>, slots: &Slots, now: Timestamp) -> Result<(), DbError> {
    let limit = shared.settings.scan_stores_max.max(1);
    let page_max = u32::try_from(limit).unwrap_or(u32::MAX);
    let mut after = None;
    loop {
        let db = shared.deps.db.clone();
        let page = async move { fleet::stores_to_wake(&db, now, after, page_max).await };
        let page = shared.home.serve(page).await?;
        for &store in &page {
            let slot = slots.find_or_make(store);
            slot.ring();
            shared.activate(&slot);
        }
        after = page.last().copied();
        if page.len() < limit || shared.is_shutting_down() {
            return Ok(());
        }
    }
}
