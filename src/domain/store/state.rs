//! The state of one store, and what of it has no row of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::domain::backlog::Taken;
use crate::domain::breaker::Breaker;
use crate::domain::bundle::{Bundle, BundleBook};
use crate::domain::call::{Bar, Call, Meter, READ_ITEMS_MAX, WRITE_ENTRIES_MAX, Write};
use crate::domain::fact::LocationSnapshot;
use crate::domain::ledger::Ledger;
use crate::domain::order::{Asked, OrderState};
use crate::domain::standing::Day;
use crate::domain::stock::StockBook;
use crate::domain::store::allowance::Allowance;
use crate::domain::store::attention::Unrestocked;
use crate::domain::store::buckets::Buckets;
use crate::domain::store::change::{
    CallRecord, ItemRecord, KeeperRecord, LevelRecord, ParkedRecord,
};
use crate::domain::store::dirty::Dirty;
use crate::domain::store::lanes::Lanes;
use crate::domain::store::locations::Locations;
use crate::domain::store::naked::NakedSweep;
use crate::domain::store::parts::PartsTouched;
use crate::domain::store::patience::PassedOver;
use crate::domain::store::policy::StorePolicy;
use crate::domain::store::settings::StoreSettings;
use crate::domain::store::stocking::Stocking;
use crate::domain::store::sweep::SweepRun;
use crate::ids::{CallId, DeadLetterId, FulfillmentOrderId, ItemId, OrderId, StoreId};

/// Everything a keeper reads when it is activated. The default is that of a store without history.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    pub keeper: KeeperRecord,
    /// When the merchant last installed the app, by our clock; an uninstall triggered before is late.
    pub installed_at: Option<Timestamp>,
    pub items: Vec<ItemRecord>,
    pub levels: Vec<LevelRecord>,
    pub bundles: Vec<Bundle>,
    pub policy: StorePolicy,
    /// Orders that must be at hand ([`OrderState::is_pending_since`]).
    pub pending_orders: Vec<OrderState>,
    /// The ids of every order in the ledger.
    pub known_orders: Vec<OrderId>,
    /// Writes without a definite answer.
    pub calls: Vec<CallRecord>,
    pub parked: Vec<ParkedRecord>,
}

/// What a store remembers between activations apart from its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memo {
    pub buckets: BTreeMap<Meter, BucketMemo>,
    /// What the call under way was charged: after a crash it counts as just made.
    pub charged: Option<(Meter, i64)>,
    pub locations: Option<Vec<LocationSnapshot>>,
    pub paused: Option<Pause>,
    pub sweep: SweepMemo,
    /// The inbox row that crashed the keeper last, and how often.
    pub suspect: Option<Suspect>,
    /// Milliseconds that the platform's clock is ahead of ours.
    pub platform_ahead_ms: i64,
    /// Items whose settings must be read; the webhooks that said so are applied and do not come again.
    pub items_wanted: BTreeSet<ItemId>,
    /// Something told of a location that is not among `locations`, or that they changed.
    pub locations_in_doubt: bool,
    /// How often each kind of call was wanted and another was made instead.
    pub passed_over: PassedOver,
    /// Reads of orders that the ledger does not have, and that told too little.
    pub strangers_asked: BTreeMap<OrderId, Asked>,
    /// Fulfillment orders that changed and may be of any order. The name as it is kept is new: under the old one stood a
    /// list, which would not be understood; what it told is found by the sweep.
    #[serde(rename = "parts_asked")]
    pub parts_touched: BTreeMap<FulfillmentOrderId, Asked>,
    /// Cancelled orders whose components were not given back.
    pub unrestocked: BTreeSet<OrderId>,
    /// How often the locations were asked about.
    pub locations_readings: i64,
    /// The last of these readings that found one location only: doubts about places that end with it, are over.
    pub places_confirmed: i64,
    /// Where the last day began on which somebody looked.
    pub day: Option<Day>,
    /// The last sweep of naked rows.
    pub naked_sweep: Option<NakedSweep>,
}

/// A bucket at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketMemo {
    /// Thousandths of a request or point in use.
    pub used_milli: i64,
    pub size: i64,
    pub restore_per_s: i64,
    pub at: Timestamp,
}

/// Why a store makes no calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pause {
    /// An admin paused it.
    ByAdmin { reason: String },
    /// The platform refuses every call.
    Barred(Bar),
    /// The merchant uninstalled the app.
    Uninstalled,
}

impl Pause {
    /// Whether a new access token ends it.
    pub(super) const fn ends_with_token(&self) -> bool {
        match self {
            Self::ByAdmin { .. } => false,
            Self::Barred(_) | Self::Uninstalled => true,
        }
    }
}

/// How far the sweep is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepMemo {
    /// Orders updated before this have been read; platform time.
    pub orders_until: Option<Timestamp>,
    /// When the last sweep ended.
    pub finished_at: Option<Timestamp>,
}

/// An inbox row that crashed the keeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspect {
    pub seq: i64,
    pub crashes: u32,
    pub reason: String,
}

/// The call under way.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    pub(super) call: Call,
    pub(super) is_sweep: bool,
    pub(super) begun_at: Timestamp,
    /// What it asks about was told to have changed meanwhile: the answer may be older than that.
    pub(super) raced: bool,
    /// The same for each item of a question about settings.
    pub(super) raced_items: BTreeSet<ItemId>,
}

/// How long the platform is left alone after it did not answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    pub(super) failures: u32,
    pub(super) until: Timestamp,
    pub(super) reason: Option<String>,
}

/// Kept counts of inbox rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// The inbox rows that this keeper is done with.
    pub(super) taken: Taken,
    /// The highest number given out, as last read.
    pub(super) head: i64,
    pub(super) applied: i64,
    pub(super) naked: i64,
    pub(super) dead: i64,
}

impl Counts {
    /// What is written ahead of the cursor and cannot be, counts as not taken: rows that overtake may be taken again.
    fn of(keeper: &KeeperRecord) -> Self {
        let taken = Taken::restore(keeper.cursor, keeper.ahead)
            .unwrap_or_else(|| Taken::up_to(keeper.cursor));
        Self {
            taken,
            head: taken.last(),
            applied: keeper.applied,
            naked: keeper.naked,
            dead: keeper.dead,
        }
    }
}

/// Everything of one store that its rules need.
#[derive(Debug)]
pub struct StoreState {
    pub(super) store: StoreId,
    pub(super) settings: StoreSettings,
    /// When the merchant last installed the app; platform time.
    pub(super) installed_at: Option<Timestamp>,
    /// The same as the store's row had it when the keeper was activated.
    pub(super) installation: Option<Timestamp>,
    /// When the store was last given another token.
    pub(super) renewed_at: Option<Timestamp>,
    pub(super) counts: Counts,
    pub(super) allowance: Allowance,
    pub(super) naked_sweep: Option<NakedSweep>,
    pub(super) bundles: BundleBook,
    pub(super) policy: StorePolicy,
    pub(super) stock: StockBook,
    pub(super) ledger: Ledger,
    pub(super) lanes: Lanes,
    pub(super) dirty: Dirty,
    pub(super) breaker: Breaker,
    pub(super) buckets: Buckets,
    pub(super) open_calls: BTreeMap<CallId, CallRecord>,
    pub(super) in_flight: Option<InFlight>,
    pub(super) backoff: Backoff,
    /// How many entries the next write has at most; halved when the platform refuses a batch without saying why.
    pub(super) write_limit: usize,
    /// The same for items of a read.
    pub(super) read_limit: usize,
    pub(super) stocking: Stocking,
    pub(super) locations: Locations,
    pub(super) passed_over: PassedOver,
    pub(super) items_wanted: BTreeSet<ItemId>,
    pub(super) parts_touched: PartsTouched,
    pub(super) unrestocked: Unrestocked,
    pub(super) items_checked: BTreeMap<ItemId, Timestamp>,
    pub(super) sweep: Option<SweepRun>,
    pub(super) sweep_memo: SweepMemo,
    pub(super) paused: Option<Pause>,
    pub(super) suspect: Option<Suspect>,
    pub(super) platform_ahead_ms: i64,
}

impl StoreState {
    /// Rebuilds the state from its rows. Deterministic; `now` is when unanswered calls count as made.
    #[must_use]
    pub fn restore(
        store: StoreId,
        loaded: Loaded,
        settings: StoreSettings,
        now: Timestamp,
    ) -> Self {
        let Loaded {
            keeper,
            installed_at,
            items,
            levels,
            bundles,
            policy,
            pending_orders,
            known_orders,
            calls,
            parked,
        } = loaded;
        let bundles = BundleBook::new(bundles);
        let counts = Counts::of(&keeper);
        // Whoever installed the app again may have died before the keeper was told.
        let is_new = keeper.installation.is_some() && keeper.installation != installed_at;
        let memo = keeper.memo;
        let mut state = Self {
            store,
            installed_at: installed_at.map(|at| at.plus_millis(memo.platform_ahead_ms)),
            installation: installed_at,
            renewed_at: is_new.then_some(now),
            counts,
            allowance: Allowance::restore(memo.day),
            naked_sweep: memo.naked_sweep,
            stock: StockBook::restore(items, levels),
            ledger: Ledger::restore(
                known_orders,
                pending_orders,
                memo.strangers_asked.clone(),
                memo.places_confirmed,
            ),
            lanes: Lanes::restore(parked, &settings.retry),
            dirty: Dirty::default(),
            breaker: Breaker::new(settings.breaker_writes_max, settings.breaker_window_ms),
            buckets: buckets_of(&memo, &settings, now),
            open_calls: due_at(calls, now),
            in_flight: None,
            backoff: Backoff::default(),
            write_limit: WRITE_ENTRIES_MAX,
            read_limit: READ_ITEMS_MAX,
            stocking: Stocking::default(),
            locations: Locations::restore(&memo, !bundles.is_empty()),
            passed_over: memo.passed_over,
            items_wanted: memo.items_wanted,
            parts_touched: memo.parts_touched,
            unrestocked: memo.unrestocked,
            items_checked: BTreeMap::new(),
            sweep: None,
            sweep_memo: memo.sweep,
            paused: memo
                .paused
                .filter(|pause| !(is_new && pause.ends_with_token())),
            suspect: memo.suspect,
            platform_ahead_ms: memo.platform_ahead_ms,
            bundles,
            policy,
            settings,
        };
        let ledger = &state.ledger;
        state.lanes.wake_known(|order| ledger.knows(order), now);
        state.dirty_all();
        state
    }

    /// The keeper's row as it is to be written with the next commit.
    #[must_use]
    pub fn record(&self, now: Timestamp) -> KeeperRecord {
        KeeperRecord {
            cursor: self.counts.taken.cursor(),
            ahead: self.counts.taken.ahead(),
            applied: self.counts.applied,
            naked: self.counts.naked,
            parked: i64::try_from(self.lanes.len()).unwrap_or(i64::MAX),
            dead: self.counts.dead,
            wake_at: if self.in_flight.is_some() {
                Some(now)
            } else {
                self.next_deadline(now)
            },
            installation: self.installation,
            memo: Memo {
                buckets: self.buckets.memos(now),
                charged: self.buckets.charged(),
                locations: self.locations.known.clone(),
                locations_in_doubt: self.locations.in_doubt,
                locations_readings: self.locations.readings,
                paused: self.paused.clone(),
                sweep: self.sweep_memo,
                suspect: self.suspect.clone(),
                platform_ahead_ms: self.platform_ahead_ms,
                items_wanted: self.items_wanted.clone(),
                parts_touched: self.parts_touched.clone(),
                unrestocked: self.unrestocked.clone(),
                passed_over: self.passed_over.clone(),
                strangers_asked: self.ledger.strangers_asked().clone(),
                places_confirmed: self.ledger.places_confirmed(),
                day: self.allowance.day,
                naked_sweep: self.naked_sweep,
            },
        }
    }

    /// The one instant at which the store wants to be woken without being asked; `None`: only a webhook or a command
    /// can bring work.
    #[must_use]
    pub fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        self.next_call_at(now)
            .into_iter()
            .chain(self.next_parked_at(now))
            .chain(self.held_until(now))
            .min()
    }

    /// Forgets settled orders; to be called after a successful commit.
    pub fn committed(&mut self) {
        let writes = self.open_calls.values().map(|call| &call.write);
        let pinned = writes.flat_map(orders_of).collect();
        self.ledger.evict_settled(&pinned);
    }

    /// The installation of the app that is known of, by its instant; `None`: the store is gone.
    #[must_use]
    pub const fn installation(&self) -> Option<Timestamp> {
        self.installation
    }

    /// The inbox head as the keeper last read it (the highest number given out); parked rows wait until the cursor
    /// has passed the head as it stood.
    pub fn saw_head(&mut self, head: i64) {
        self.counts.head = self.counts.head.max(head);
    }

    /// The inbox head as it was last read.
    #[must_use]
    pub const fn head(&self) -> i64 {
        self.counts.head
    }

    /// The inbox rows that are done with.
    #[must_use]
    pub const fn taken(&self) -> &Taken {
        &self.counts.taken
    }

    /// There are no inbox rows before `seq` that were not taken, though there are numbers: somebody has deleted them.
    pub fn pass_missing(&mut self, seq: i64) {
        self.counts.taken.pass_before(seq);
    }

    /// Counts naked webhooks that intake answered, so that they are flushed with the next commit.
    pub fn count_naked(&mut self, now: Timestamp, naked: i64) {
        self.counts.naked += naked;
        self.allowance.drop_naked(now, naked);
    }

    /// The row that crashed the keeper last and is to be taken alone, if any.
    #[must_use]
    pub const fn suspect(&self) -> Option<&Suspect> {
        self.suspect.as_ref()
    }

    /// The platform's time now.
    pub(super) const fn platform_now(&self, now: Timestamp) -> Timestamp {
        now.plus_millis(self.platform_ahead_ms)
    }

    pub(super) fn mark_dirty(&mut self, item: ItemId) {
        self.dirty.mark_item(item);
    }

    pub(super) fn dirty_all(&mut self) {
        for bundle in self.bundles.live() {
            self.dirty.mark_bundle(bundle.id);
        }
    }
}

fn buckets_of(memo: &Memo, settings: &StoreSettings, now: Timestamp) -> Buckets {
    let headroom = settings.bucket_headroom_percent;
    Buckets::restore(&memo.buckets, headroom, memo.charged, now)
}

/// Writes without an answer are sent again at once.
fn due_at(calls: Vec<CallRecord>, now: Timestamp) -> BTreeMap<CallId, CallRecord> {
    let due = calls.into_iter().map(|call| CallRecord {
        due_at: now,
        ..call
    });
    due.map(|call| (call.id, call)).collect()
}

/// The orders whose cells a write settles.
pub(super) fn orders_of(write: &Write) -> Vec<OrderId> {
    match write {
        Write::Adjust(entries) => {
            let cells = entries.iter().flat_map(|entry| &entry.cells);
            cells.map(|cell| cell.order).collect()
        }
        Write::Set(_) | Write::Activate { .. } => Vec::new(),
    }
}

/// The dead letter of an inbox row: the same each time, so that a repeated burial is one row.
pub(super) fn dead_letter_id(store: StoreId, seq: i64) -> DeadLetterId {
    DeadLetterId(Uuid::new_v5(
        &Uuid::NAMESPACE_OID,
        format!("inbox/{store}/{seq}").as_bytes(),
    ))
}

/// The dead letter of an entry of a write.
pub(super) fn entry_dead_letter_id(call: CallId, entry: usize) -> DeadLetterId {
    DeadLetterId(Uuid::new_v5(&call.0, entry.to_string().as_bytes()))
}
