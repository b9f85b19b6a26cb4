//! Holds what stores took against the published limits, once in each window, and moves standings step by step.
//!
//! What is counted is in memory and begins anew with the process, which favours the standing that holds. A step is
//! durable, with its entry in the audit, before it means anything; and no step is made over what a person decided
//! meanwhile.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use metrics::{counter, gauge};

use crate::clock::{Stopwatch, Timestamp};
use crate::db::admin::audit::AuditEntry;
use crate::db::admin::standings;
use crate::db::{DbError, fleet};
use crate::domain::standing::{Ladder, Record, Sample, Standing};
use crate::ids::StoreId;
use crate::keeper::directory::Slots;
use crate::keeper::shared::Shared;
use crate::keeper::slot::Slot;
use crate::keeper::status::{KeeperStatus, KnownStanding};
use crate::telemetry::metric_name;

/// Windows with crashes that are remembered of a store; the limits speak of fewer.
const CRASHES_MAX: usize = 128;

/// What is remembered of a store from window to window.
#[derive(Debug, Default)]
struct Watch {
    busy_us: u64,
    crashes_before: u64,
    /// How often its keeper crashed, by when that was seen; the earliest first.
    crashes: VecDeque<(Timestamp, u64)>,
    ladder: Ladder,
}

impl Watch {
    /// Takes in what was counted since the last window; gives how long its turns took of that.
    fn take_in(&mut self, status: &KeeperStatus, now: Timestamp, within_ms: i64) -> u64 {
        let busy_us = status.busy_us.saturating_sub(self.busy_us);
        let crashes = status.crashes.saturating_sub(self.crashes_before);
        (self.busy_us, self.crashes_before) = (status.busy_us, status.crashes);
        let oldest = now.plus_millis(-within_ms);
        // One that is seen in the future was seen before the clock was set back.
        self.crashes.retain(|(at, _)| *at > oldest && *at <= now);
        if crashes > 0 {
            if self.crashes.len() >= CRASHES_MAX {
                self.crashes.pop_front();
            }
            self.crashes.push_back((now, crashes));
        }
        busy_us
    }

    fn crashes(&self) -> u64 {
        let counts = self.crashes.iter().map(|(_, count)| *count);
        counts.fold(0, u64::saturating_add)
    }
}

/// A store whose standing is known, in a window.
struct Seen {
    slot: Arc<Slot>,
    known: Arc<KnownStanding>,
    /// How often a change was told before that was looked at.
    told: u64,
    status: KeeperStatus,
    busy_us: u64,
}

/// Judges every store, window after window.
pub(super) async fn keep_standings(shared: Arc<Shared>, slots: Arc<Slots>) {
    let clock = shared.deps.clock.clone();
    let window_ms = shared.settings.quota.ladder.window_ms.max(1);
    let mut watches = HashMap::new();
    let mut watch = Stopwatch::start();
    while !shared.is_shutting_down() {
        clock.sleep_until(clock.now().plus_millis(window_ms)).await;
        if shared.is_shutting_down() {
            return;
        }
        if let Err(error) = refresh(&shared, &slots).await {
            tracing::warn!(%error, "failed to read the standings of stores");
        }
        let window_us = u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX);
        watch = Stopwatch::start();
        let steps = judge(&shared, &slots, &mut watches, window_us);
        make_steps(&shared, steps).await;
    }
}

/// What cannot be written now is judged anew: windows later it may be wrong.
async fn make_steps(shared: &Shared, steps: Vec<(Seen, Record)>) {
    for (seen, next) in steps {
        if shared.is_shutting_down() {
            return;
        }
        if let Err(error) = step(shared, &seen, next).await {
            let store = seen.slot.store;
            tracing::warn!(%store, %error, "failed to change a standing");
            if error.is_transient() {
                return;
            }
        }
    }
}

/// Learns what was decided elsewhere, or while a keeper was just being activated.
async fn refresh(shared: &Shared, slots: &Slots) -> Result<(), DbError> {
    let told: HashMap<_, _> = slots
        .all()
        .iter()
        .map(|slot| (slot.store, slot.quota.told()))
        .collect();
    let db = shared.deps.db.clone();
    let kept = shared
        .home
        .serve(async move { fleet::list_standings(&db).await })
        .await?;
    let (now, mut counts) = (shared.deps.clock.now(), BTreeMap::new());
    for (store, record) in kept {
        *counts.entry(record.standing(now)).or_insert(0_u32) += 1;
        let Some(slot) = slots.find(store) else {
            continue;
        };
        let is_other = slot.standing().is_some_and(|known| known.record != record);
        if let Some(told) = told.get(&store).filter(|_| is_other) {
            slot.learn_record(record, *told);
        }
    }
    for standing in [Standing::Noisy, Standing::Quarantined, Standing::Suspended] {
        let count = counts.get(&standing).copied().unwrap_or(0);
        gauge!(metric_name::STANDINGS, "standing" => standing.name()).set(count);
    }
    Ok(())
}

/// The steps that follow from this window.
fn judge(
    shared: &Shared,
    slots: &Slots,
    watches: &mut HashMap<StoreId, Watch>,
    window_us: u64,
) -> Vec<(Seen, Record)> {
    let (quota, now) = (&shared.settings.quota, shared.deps.clock.now());
    let (mut all_busy_us, mut stores) = (0_u64, Vec::new());
    for slot in slots.all() {
        let told = slot.quota.told();
        let status = slot.status();
        let watch = watches.entry(slot.store).or_default();
        let busy_us = watch.take_in(&status, now, quota.ladder.crashes_within_ms);
        all_busy_us = all_busy_us.saturating_add(busy_us);
        if let Some(known) = status.standing.clone() {
            stores.push(Seen {
                slot,
                known,
                told,
                status,
                busy_us,
            });
        }
    }
    let steps = stores.into_iter().filter_map(|seen| {
        let watch = watches.get_mut(&seen.slot.store)?;
        let today = seen.status.today.and_then(|today| today.still(now));
        let sample = Sample {
            busy_us: seen.busy_us,
            all_busy_us,
            window_us,
            rows_today: today.map_or(0, |today| today.rows),
            allowance: quota.allowance(seen.known.plan.as_deref()),
            crashes: watch.crashes(),
        };
        let next = watch
            .ladder
            .look(&quota.ladder, &seen.known.record, &sample, now)?;
        Some((seen, next))
    });
    steps.collect()
}

/// Makes a step durable, then known; nothing if somebody decided otherwise meanwhile.
async fn step(shared: &Shared, seen: &Seen, next: Record) -> Result<(), DbError> {
    let (store, now) = (seen.slot.store, shared.deps.clock.now());
    let standing = next.rung.standing();
    let deed = AuditEntry {
        id: shared.deps.ids.ordered_uuid(now),
        at: now,
        actor: Record::RULES.to_owned(),
        action: "set standing".to_owned(),
        store: Some(store),
        detail: format!("{}: {}", standing.name(), next.reason),
    };
    let (db, before) = (shared.deps.db.clone(), seen.known.record.clone());
    let decided = next.clone();
    let changing = async move {
        standings::change(&db, store, deed, |held| {
            (*held == before).then_some(decided)
        })
        .await
    };
    let Some(record) = shared.home.serve(changing).await? else {
        return Ok(());
    };
    tracing::warn!(%store, standing = standing.name(), reason = %record.reason, "standing changed");
    counter!(metric_name::STANDING_STEPS_TOTAL, "standing" => standing.name()).increment(1);
    seen.slot.learn_record(record, seen.told);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::slot::Slot;

    /// A store's status with so many crashes and so much work since the process started.
    fn status(busy_us: u64, crashes: u64) -> KeeperStatus {
        KeeperStatus {
            busy_us,
            crashes,
            ..Slot::new(StoreId(1)).status()
        }
    }

    #[test]
    fn work_counts_once_and_crashes_for_as_long_as_they_are_told_to() {
        let at = Timestamp::from_millis;
        let mut watch = Watch::default();
        assert_eq!(watch.take_in(&status(500, 2), at(1_000), 60_000), 500);
        assert_eq!(watch.take_in(&status(700, 5), at(31_000), 60_000), 200);
        assert_eq!(watch.crashes(), 5);
        assert_eq!(watch.take_in(&status(700, 5), at(61_000), 60_000), 0);
        assert_eq!(watch.crashes(), 3, "the first two are past");
        watch.take_in(&status(700, 5), at(2_000), 60_000);
        assert_eq!(
            watch.crashes(),
            0,
            "a clock that was set back charges nothing"
        );
    }
}
