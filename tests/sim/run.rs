//! One run: virtual time, the events in it, and the stores they happen to. One thread, no real I/O.

use std::collections::{BTreeMap, BTreeSet};

use storekeeper::clock::Timestamp;
use storekeeper::domain::call::{Answer, Call, Write};
use storekeeper::domain::fact::Fact;
use storekeeper::domain::store::StorePolicy;
use storekeeper::ids::{CallId, StoreId};

use crate::chance::Chance;
use crate::host::Host;
use crate::merchant::Merchant;
use crate::plan::{Plan, START, StorePlan, Weather};
use crate::planted::Plant;
use crate::rules::{Rule, Violation};
use crate::shop::{Fresh, Shop, Subject};
use crate::tables::{InboxRow, Tables};

/// A run that has more events than this does not come to rest.
const EVENTS_MAX: u64 = 2_000_000;
/// How long a run goes on after the weather has cleared, milliseconds.
const AFTERMATH_MS: i64 = 2 * 3_600 * 1_000;
/// When the last sweep is asked for, after the weather has cleared, milliseconds.
const LAST_SWEEP_MS: i64 = 20 * 60 * 1_000;
/// In this last part of a run nothing is written to the platform any more, milliseconds.
const QUIET_MS: i64 = 1_800 * 1_000;

/// Something that happens at an instant.
#[derive(Debug)]
pub(crate) enum Event {
    /// Somebody does something at the platform.
    Act(usize),
    /// The platform decides where an order ships from.
    Route(usize),
    /// A webhook comes to the door.
    Arrive(usize, Box<Webhook>),
    /// A host's alarm.
    Ring { site: usize, epoch: u64, alarm: u64 },
    /// A frozen host goes on.
    Thaw { site: usize, epoch: u64 },
    /// A call comes to the platform.
    Reach(u64),
    /// Its answer comes back.
    Answered(u64, Box<Answer>),
    /// The sender waits no longer.
    TimedOut(u64),
    /// A merchant's or admin's request is sent, or sent again.
    Ask(usize, u64),
    /// A hidden row becomes visible.
    Show(usize, Box<InboxRow>),
    /// The weather clears.
    Clear,
    /// The last sweep is asked for.
    SweepOnceMore,
}

/// A delivery under way.
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    pub(crate) delivery: u64,
    pub(crate) topic: &'static str,
    pub(crate) subject: Subject,
    /// Its body; made on the way when there is none yet.
    pub(crate) body: Option<Fact>,
    pub(crate) triggered_at: Timestamp,
    pub(crate) tries: u32,
}

/// A call under way.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) site: usize,
    pub(crate) epoch: u64,
    pub(crate) call: Call,
    pub(crate) is_answered: bool,
}

/// What the checks know of a store, and nobody else.
#[derive(Debug, Default)]
pub(crate) struct Ghost {
    /// Accepted rows, by number.
    pub(crate) accepted: BTreeMap<i64, u64>,
    pub(crate) by_delivery: BTreeMap<u64, i64>,
    /// Rows of the log that a commit was about.
    pub(crate) taken: BTreeSet<i64>,
    /// Writes whose row was committed.
    pub(crate) written_down: BTreeMap<CallId, Write>,
    pub(crate) calls_planned: BTreeSet<CallId>,
    /// Naked webhooks that intake counted and a keeper wrote down.
    pub(crate) naked_noted: i64,
    pub(crate) rows_discarded: i64,
    pub(crate) last_effect_at: Timestamp,
    pub(crate) effects: u64,
    pub(crate) fenced: u64,
    pub(crate) crashes: u64,
}

/// A store with its surroundings.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) store: StoreId,
    pub(crate) plan: StorePlan,
    pub(crate) shop: Shop,
    pub(crate) tables: Tables,
    pub(crate) host: Box<Host>,
    /// Former hosts that are held up, and do not know that they are former.
    pub(crate) frozen: Vec<Host>,
    pub(crate) merchant: Merchant,
    pub(crate) ghost: Ghost,
}

/// What a run amounts to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    pub(crate) accepted: u64,
    pub(crate) effects: u64,
    pub(crate) crashes: u64,
    pub(crate) fenced: u64,
    pub(crate) dead: u64,
}

/// A run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) now: Timestamp,
    pub(crate) chance: Chance,
    pub(crate) weather: Weather,
    pub(crate) planted: Option<Plant>,
    pub(crate) sites: Vec<Site>,
    pub(crate) flights: BTreeMap<u64, Flight>,
    pub(crate) cleared: bool,
    pub(crate) down_until: Timestamp,
    pub(crate) broken: Option<Violation>,
    events: BTreeMap<(Timestamp, u64), Event>,
    numbered: u64,
    ends_at: Timestamp,
    pub(crate) traced: bool,
}

impl Run {
    /// The run of a seed.
    pub(crate) fn new(seed: u64, planted: Option<Plant>, traced: bool) -> Self {
        let mut chance = Chance::seeded(seed);
        let mut plan = Plan::draw(&mut chance);
        if planted == Some(Plant::BucketForgotten) {
            plan.make_restless();
        }
        if planted == Some(Plant::AsksForgotten) {
            plan.make_unrouted();
        }
        let mut run = Self {
            now: START,
            chance,
            weather: plan.weather,
            planted,
            sites: Vec::new(),
            flights: BTreeMap::new(),
            cleared: false,
            down_until: START,
            broken: None,
            events: BTreeMap::new(),
            numbered: 0,
            ends_at: START.plus_millis(plan.chaos_ms + AFTERMATH_MS),
            traced,
        };
        run.say(|| format!("{plan:?}"));
        for (index, store) in plan.stores.into_iter().enumerate() {
            run.open_site(index, store, plan.chaos_ms);
        }
        run.at(plan.chaos_ms, Event::Clear);
        run.at(plan.chaos_ms + LAST_SWEEP_MS, Event::SweepOnceMore);
        run
    }

    fn open_site(&mut self, index: usize, plan: StorePlan, chaos_ms: i64) {
        let number = i64::try_from(index).unwrap_or(0) + 1;
        let mut shop = Shop::open(Fresh {
            number,
            items: plan.items,
            locations: plan.locations,
            ahead_ms: plan.ahead_ms,
            start: START,
        });
        // Who has to do without sweeps is told everything from the start.
        shop.subscribed = plan.unswept;
        shop.tells_moves_once = plan.unswept;
        shop.consumes_on = plan.consume_on;
        let policy = StorePolicy {
            consume_on: plan.consume_on,
            ..StorePolicy::default()
        };
        self.stock(&mut shop);
        for _ in 0..plan.actions {
            let after_ms = self.chance.between(5_000, chaos_ms);
            self.at(after_ms, Event::Act(index));
        }
        let epoch = self.number();
        self.sites.push(Site {
            store: StoreId(number),
            plan,
            shop,
            tables: Tables::new(START, policy),
            host: Box::new(Host::fresh(epoch)),
            frozen: Vec::new(),
            merchant: Merchant::default(),
            ghost: Ghost::default(),
        });
        self.open_bundles(index);
    }

    fn stock(&mut self, shop: &mut Shop) {
        for item in shop.item_ids() {
            let mut stocked = false;
            for location in shop.active_locations() {
                if self.chance.hits(850) || !stocked {
                    stocked = true;
                    let units = self.chance.between(0, 60);
                    shop.connect((item, location), units);
                }
            }
        }
    }

    /// Lets everything happen.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(crate) fn play(mut self) -> Result<Tally, Violation> {
        let mut events = 0;
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > self.ends_at {
                break;
            }
            self.now = at;
            events += 1;
            if events > EVENTS_MAX {
                self.fail(Rule::ComesToRest, || "events without end".to_owned());
            }
            self.happen(event);
            if let Some(broken) = self.broken.take() {
                return Err(broken);
            }
        }
        self.judge(
            self.ends_at.plus_millis(-QUIET_MS),
            self.ends_at.plus_millis(LAST_SWEEP_MS - AFTERMATH_MS),
        );
        match self.broken.take() {
            Some(broken) => Err(broken),
            None => Ok(self.tally(events)),
        }
    }

    fn tally(&self, events: u64) -> Tally {
        let mut tally = Tally {
            events,
            ..Tally::default()
        };
        for site in &self.sites {
            tally.accepted += u64::try_from(site.ghost.accepted.len()).unwrap_or(0);
            tally.effects += site.ghost.effects;
            tally.crashes += site.ghost.crashes;
            tally.fenced += site.ghost.fenced;
            tally.dead += u64::try_from(site.tables.dead.len()).unwrap_or(0);
        }
        tally
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Act(site) => self.act(site),
            Event::Route(site) => self.route(site),
            Event::Arrive(site, webhook) => self.arrive(site, *webhook),
            Event::Ring { site, epoch, alarm } => self.ring(site, epoch, alarm),
            Event::Thaw { site, epoch } => self.thaw(site, epoch),
            Event::Reach(flight) => self.reach(flight),
            Event::Answered(flight, answer) => self.answered(flight, *answer),
            Event::TimedOut(flight) => self.timed_out(flight),
            Event::Ask(site, ticket) => self.ask(site, ticket),
            Event::Show(site, row) => self.show_row(site, *row),
            Event::Clear => self.clear(),
            Event::SweepOnceMore => self.sweep_once_more(),
        }
    }

    fn route(&mut self, index: usize) {
        let now = self.now;
        self.site(index).shop.live_until(now);
        self.tell(index);
    }

    /// From now on nothing goes wrong any more.
    fn clear(&mut self) {
        self.say(|| "the weather clears".to_owned());
        self.cleared = true;
        self.weather = Weather {
            late_ms: 1_000,
            latency_ms: 100,
            rest_ms: 200,
            ..Weather::default()
        };
        for site in 0..self.sites.len() {
            self.set_right(site);
        }
    }

    /// Schedules an event so many milliseconds from now.
    pub(crate) fn at(&mut self, after_ms: i64, event: Event) {
        let number = self.number();
        let at = self.now.plus_millis(after_ms.max(0));
        self.events.insert((at, number), event);
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }

    /// The store of this number; sites are made at the start and never go.
    pub(crate) fn site(&mut self, index: usize) -> &mut Site {
        &mut self.sites[index]
    }

    pub(crate) fn fail(&mut self, rule: Rule, detail: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some(Violation {
                rule,
                at: self.now,
                detail: detail(),
            });
        }
    }

    /// Notes a step, when somebody wants to know.
    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        if self.traced {
            let since_start_ms = self.now.millis_since(START);
            println!("{since_start_ms:>9} ms  {}", what());
        }
    }
}

impl Tally {
    /// Adds another run's.
    pub(crate) fn add(&mut self, other: Self) {
        self.events += other.events;
        self.accepted += other.accepted;
        self.effects += other.effects;
        self.crashes += other.crashes;
        self.fenced += other.fenced;
        self.dead += other.dead;
    }
}
