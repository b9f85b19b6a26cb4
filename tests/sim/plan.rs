//! What a seed stands for: which stores, how busy, in which weather.

use storekeeper::clock::Timestamp;
use storekeeper::domain::backlog::Selection;
use storekeeper::domain::retry::RetryPolicy;
use storekeeper::domain::store::{ConsumeOn, StoreSettings};

use crate::chance::Chance;

/// When every run begins; a whole second.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// A sweep that never comes by itself.
const NEVER_MS: i64 = 10_000 * 3_600 * 1_000;

/// How bad things are; every number is so many in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// Webhooks that never arrive.
    pub(crate) lost: i64,
    /// Webhooks that are sent again under the same id.
    pub(crate) duplicated: i64,
    /// The same under another id.
    pub(crate) echoed: i64,
    /// The longest that a webhook is under way, milliseconds.
    pub(crate) late_ms: i64,
    /// Webhooks whose body is made when they are sent.
    pub(crate) made_late: i64,
    /// Commits that fail, or whose outcome is not told.
    pub(crate) commit_fails: i64,
    /// Steps of a keeper at which it crashes.
    pub(crate) keeper_crashes: i64,
    /// Steps at which the whole process does.
    pub(crate) process_crashes: i64,
    /// Steps at which a keeper is held up, and a successor takes over.
    pub(crate) freezes: i64,
    /// How long a call is usually under way in each direction, at most; milliseconds, not thousandths.
    pub(crate) latency_ms: i64,
    /// How long a keeper usually rests after a crash, at most; milliseconds.
    pub(crate) rest_ms: i64,
    /// Calls that something happens to.
    pub(crate) calls_fail: i64,
}

/// A store of a run.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent traits of a store"
)]
pub(crate) struct StorePlan {
    pub(crate) items: i64,
    pub(crate) locations: i64,
    pub(crate) bundles: i64,
    pub(crate) actions: i64,
    pub(crate) ahead_ms: i64,
    /// Other clients of the app use the same rate limits.
    pub(crate) crowded: bool,
    /// The platform does not tell how much of them is in use.
    pub(crate) silent: bool,
    /// Items are deleted, locations opened, tracking switched, levels disconnected.
    pub(crate) eventful: bool,
    /// The app is uninstalled and installed again, barred, paused.
    pub(crate) unsettled: bool,
    /// Milliseconds until an order is routed, at most.
    pub(crate) routing_ms: i64,
    /// Orders that are never routed, in a thousand: nobody ever tells where they ship from.
    pub(crate) unrouted: i64,
    /// No webhook is lost and no sweep comes after the first: webhooks alone must do.
    pub(crate) unswept: bool,
    pub(crate) idle_ms: i64,
    pub(crate) consume_on: ConsumeOn,
    /// Where in a backlog rows are taken first.
    pub(crate) selection: Selection,
    /// So many rows of it at a time.
    pub(crate) stretch: i64,
    pub(crate) settings: StoreSettings,
}

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) weather: Weather,
    /// How long the weather lasts, milliseconds.
    pub(crate) chaos_ms: i64,
    pub(crate) stores: Vec<StorePlan>,
}

impl Plan {
    /// The run of a seed.
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let weather = draw_weather(chance);
        let minutes = *[1, 2, 5, 20, 120]
            .get(usize::try_from(chance.between(0, 4)).unwrap_or(0))
            .unwrap_or(&5);
        let count = chance.between(1, 3);
        let stores = (0..count).map(|_| draw_store(chance)).collect();
        Self {
            weather,
            chaos_ms: minutes * 60_000,
            stores,
        }
    }
}

impl Plan {
    /// Nothing but restarts and sweeps, one after the other, and a platform that answers at once: who forgets what it
    /// has used of a rate limit, is told soon.
    pub(crate) fn make_restless(&mut self) {
        self.weather = Weather {
            keeper_crashes: 60,
            latency_ms: 10,
            rest_ms: 5,
            late_ms: 1_000,
            ..Weather::default()
        };
        self.chaos_ms = 300_000;
        for store in &mut self.stores {
            store.actions = 60;
            store.unswept = false;
            store.crowded = false;
            store.silent = true;
            store.settings.sweep_interval_ms = 5_000;
        }
    }
}

impl Plan {
    /// Orders of which nobody ever tells where they ship from, a platform that tells nothing of its rate limits, and
    /// keepers that rest whenever they can.
    pub(crate) fn make_unrouted(&mut self) {
        for store in &mut self.stores {
            store.actions = 140;
            store.locations = 3;
            store.unswept = false;
            store.silent = true;
            store.unrouted = 900;
            store.idle_ms = 500;
        }
    }
}

fn draw_weather(chance: &mut Chance) -> Weather {
    if chance.hits(60) {
        return Weather {
            late_ms: 2_000,
            latency_ms: 100,
            rest_ms: 200,
            ..Weather::default()
        };
    }
    let mut some = |most: i64| {
        if chance.hits(400) {
            0
        } else {
            chance.between(1, most)
        }
    };
    Weather {
        lost: some(200),
        duplicated: some(400),
        echoed: some(100),
        late_ms: 500 + some(60_000),
        made_late: some(500),
        commit_fails: some(30),
        keeper_crashes: some(40),
        process_crashes: some(20),
        freezes: some(20),
        latency_ms: 10 + some(400),
        rest_ms: 200,
        calls_fail: some(400),
    }
}

fn draw_store(chance: &mut Chance) -> StorePlan {
    let unswept = chance.hits(300);
    let ahead_ms = if chance.hits(250) {
        chance.between(-3_600_000, 3_600_000)
    } else {
        0
    };
    StorePlan {
        items: chance.between(5, 9),
        locations: chance.between(1, 3),
        bundles: chance.between(1, 3),
        actions: if chance.hits(60) {
            chance.between(80, 140)
        } else {
            chance.between(10, 45)
        },
        ahead_ms,
        crowded: chance.hits(150),
        silent: chance.hits(200),
        eventful: chance.hits(300),
        unsettled: chance.hits(200),
        routing_ms: if chance.hits(300) { 120_000 } else { 0 },
        unrouted: if chance.hits(200) { 300 } else { 0 },
        unswept,
        idle_ms: if chance.hits(400) { 3_000 } else { 900_000 },
        consume_on: if chance.hits(250) {
            ConsumeOn::Paid
        } else {
            ConsumeOn::Created
        },
        selection: draw_selection(chance),
        stretch: chance.between(1, 6),
        settings: draw_settings(chance, unswept),
    }
}

fn draw_selection(chance: &mut Chance) -> Selection {
    let selections = [
        Selection::Oldest,
        Selection::NewestStateFirst,
        Selection::Spread,
    ];
    chance.pick(&selections).unwrap_or_default()
}

fn draw_settings(chance: &mut Chance, unswept: bool) -> StoreSettings {
    let defaults = StoreSettings::default();
    let sweep_interval_ms = if unswept {
        NEVER_MS
    } else if chance.hits(250) {
        chance.between(5, 30) * 60_000
    } else {
        chance.between(60, 120) * 60_000
    };
    StoreSettings {
        retry: RetryPolicy {
            retry_enabled: !chance.hits(150),
            retry_count: u32::try_from(chance.between(0, 4)).unwrap_or(3),
            base_delay_ms: chance.between(500, 5_000),
        },
        sweep_interval_ms,
        ..defaults
    }
}
