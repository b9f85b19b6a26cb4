//! Judging the run from the sandbox's log: what was sent and answered, what is not right, and how long a sale took to
//! show in the bundle's stock.

use std::collections::{BTreeMap, BTreeSet};

use super::options::DemoArgs;
use super::play::TIME_SCALE;
use super::report::{Percentiles, Report, StoreReport};
use super::rest::drifting;
use super::setup::DemoStore;
use crate::app::App;
use crate::domain::store::observation::Observation;
use crate::sandbox::reference::{Drift, Recipe, drift};
use crate::sandbox::{Answer, Cause, LevelKey, Log, Moment, Sandbox, StockState};

const NANOS_PER_MILLI: i64 = 1_000_000;

/// Everything the report says.
pub(super) fn judge(
    arguments: &DemoArgs,
    seconds: u64,
    app: &App,
    sandbox: &Sandbox,
    stores: &[DemoStore],
) -> Report {
    let mut report = Report {
        seed: arguments.seed,
        seconds,
        stores: stores.len(),
        ..Report::default()
    };
    let mut delays = Delays::default();
    for store in stores {
        let log = sandbox.log(&store.domain);
        let taken = count_webhooks(&log, &mut report);
        count_keeper(app, store, taken, &mut report);
        count_calls(&log, &mut report);
        let of_store = sale_to_stock_ms(&log, &store.recipes);
        report.per_store.push(StoreReport {
            store: store.domain.clone(),
            noisy: store.noisy,
            sales: of_store.len(),
            sale_to_stock: Percentiles::of(of_store.clone()),
        });
        delays.add(store.noisy, of_store);
        let standing = sandbox.standing(&store.domain);
        let drifted = drift(&log, &standing, &store.recipes);
        let describe = |it: &Drift| {
            let LevelKey { item, location } = it.key;
            format!(
                "{}: item {item} at {location}: expected {}, is {:?}",
                store.domain, it.expected, it.actual
            )
        };
        report.drifted.extend(drifted.iter().map(describe));
    }
    report.drift = drifting(sandbox, stores);
    report.sale_to_stock = Percentiles::of(delays.all);
    report.quiet = Percentiles::of(delays.quiet);
    report.noisy = Percentiles::of(delays.noisy);
    report
}

#[derive(Default)]
struct Delays {
    all: Vec<i64>,
    quiet: Vec<i64>,
    noisy: Vec<i64>,
}

impl Delays {
    fn add(&mut self, noisy: bool, of_store: Vec<i64>) {
        self.all.extend(&of_store);
        let of_kind = if noisy {
            &mut self.noisy
        } else {
            &mut self.quiet
        };
        of_kind.extend(of_store);
    }
}

/// Counts what was sent and how it was answered; returns how many deliveries were answered `accepted`.
fn count_webhooks(log: &Log, report: &mut Report) -> i64 {
    for webhook in &log.webhooks {
        match &webhook.answer {
            Answer::Status { status: 200, body } => {
                report.sent += 1;
                if body.contains("\"duplicate\"") {
                    report.duplicate += 1;
                }
            }
            Answer::Status { .. } | Answer::Failed { .. } => report.sent += 1,
            Answer::Dropped | Answer::Debounced | Answer::Unsubscribed => {}
        }
    }
    let accepted = accepted(log);
    report.accepted += accepted;
    accepted
}

/// How many webhooks were answered `accepted`, each once however often it was sent.
pub(super) fn accepted(log: &Log) -> i64 {
    let is_accepted = |answer: &Answer| match answer {
        Answer::Status { status: 200, body } => body.contains("\"accepted\""),
        Answer::Status { .. }
        | Answer::Failed { .. }
        | Answer::Dropped
        | Answer::Debounced
        | Answer::Unsubscribed => false,
    };
    let accepted = log.webhooks.iter().filter(|sent| is_accepted(&sent.answer));
    let accepted: BTreeSet<_> = accepted.map(|webhook| webhook.webhook_id).collect();
    i64::try_from(accepted.len()).unwrap_or(i64::MAX)
}

/// How many webhooks a keeper is done with.
pub(super) const fn done(observation: &Observation) -> i64 {
    observation.taken - observation.parked
}

/// Compares what was accepted with what the keeper is done with, which counts every accepted row once.
fn count_keeper(app: &App, store: &DemoStore, accepted: i64, report: &mut Report) {
    let statuses = app.directory().statuses();
    let of_store = statuses
        .iter()
        .find(|status| status.store.to_string() == store.id);
    let Some(observation) = of_store.and_then(|status| status.observation.as_deref()) else {
        report.lost += accepted;
        return;
    };
    report.applied += observation.applied;
    report.naked += observation.naked;
    report.dead += observation.dead;
    report.lost += (accepted - done(observation)).max(0);
}

fn count_calls(log: &Log, report: &mut Report) {
    report.calls += log.calls.len();
    report.throttled_by_us += log
        .calls
        .iter()
        .filter(|call| call.throttled && call.fault.is_none())
        .count();
}

/// For each sale of a bundle, how long until its components had been taken and the bundle's level was right again,
/// wall milliseconds. A sale whose taking was netted with a return cannot be told apart and is left out.
fn sale_to_stock_ms(log: &Log, recipes: &[Recipe]) -> Vec<i64> {
    let writes = Writes::of(log);
    let bundles = recipes
        .iter()
        .map(|recipe| (recipe.item, leaves(recipes, recipe.item)))
        .collect::<BTreeMap<_, _>>();
    let mut taken = BTreeMap::<LevelKey, i64>::new();
    let mut delays = Vec::new();
    for movement in log.movements.iter().filter(|movement| movement.delta < 0) {
        let Some(leaves) = bundles.get(&movement.key.item) else {
            continue;
        };
        let mut done = Some(movement.at);
        for (item, units) in leaves {
            let key = LevelKey {
                item: *item,
                location: movement.key.location,
            };
            let total = taken.entry(key).or_default();
            *total += -movement.delta * units;
            done = done.and_then(|done| writes.taken_at(key, *total).map(|at| at.max(done)));
        }
        if let Some(done) = done {
            let shown = writes.next_at(movement.key, done).unwrap_or(done);
            delays.push(wall_ms(movement.at, shown));
        }
    }
    delays
}

fn wall_ms(from: Moment, to: Moment) -> i64 {
    (to.nanos() - from.nanos()) / NANOS_PER_MILLI / i64::from(TIME_SCALE)
}

/// Units of each leaf in one bundle; recipes nest once here.
fn leaves(recipes: &[Recipe], item: i64) -> BTreeMap<i64, i64> {
    let mut units = BTreeMap::new();
    let components = recipes
        .iter()
        .filter(|recipe| recipe.item == item)
        .flat_map(|recipe| &recipe.components);
    for component in components {
        let inner = leaves(recipes, component.item);
        if inner.is_empty() {
            *units.entry(component.item).or_default() += component.quantity;
        }
        for (leaf, quantity) in inner {
            *units.entry(leaf).or_default() += quantity * component.quantity;
        }
    }
    units
}

/// The server's own writes, by level.
struct Writes {
    /// Units taken until then, ascending.
    taken: BTreeMap<LevelKey, Vec<(i64, Moment)>>,
    at: BTreeMap<LevelKey, Vec<Moment>>,
}

impl Writes {
    fn of(log: &Log) -> Self {
        let mut writes = Self {
            taken: BTreeMap::new(),
            at: BTreeMap::new(),
        };
        for change in &log.levels {
            let ours = matches!(change.cause, Cause::ApiWrite { .. })
                && change.state == StockState::Available;
            if !ours {
                continue;
            }
            writes.at.entry(change.key).or_default().push(change.at);
            if change.delta < 0 {
                let taken = writes.taken.entry(change.key).or_default();
                let before = taken.last().map_or(0, |last| last.0);
                taken.push((before - change.delta, change.at));
            }
        }
        writes
    }

    /// When so many units had been taken of a component.
    fn taken_at(&self, key: LevelKey, units: i64) -> Option<Moment> {
        self.taken
            .get(&key)?
            .iter()
            .find(|(total, _)| *total >= units)
            .map(|(_, at)| *at)
    }

    /// The first write of a level at or after `at`.
    fn next_at(&self, key: LevelKey, at: Moment) -> Option<Moment> {
        self.at
            .get(&key)?
            .iter()
            .find(|written| **written >= at)
            .copied()
    }
}
