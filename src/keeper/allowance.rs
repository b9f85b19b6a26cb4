//! What a keeper minds of its store's plan and standing: its share of turns, its rests, and which rows are held.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;

use crate::db::inbox::Ahead;
use crate::domain::standing::{Record, Terms};
use crate::keeper::core::KeeperCore;
use crate::keeper::scheduler::Weight;
use crate::keeper::slot::Slot;
use crate::keeper::status::{KnownStanding, Today};

/// What a slot knows of its store's plan and standing, and shows of its day. Outlives keepers.
#[derive(Debug, Default)]
pub(super) struct SlotQuota {
    known: Mutex<Known>,
    today: ArcSwapOption<Today>,
}

#[derive(Debug, Default)]
struct Known {
    /// How often somebody told of a change.
    told: u64,
    standing: Option<Arc<KnownStanding>>,
}

impl SlotQuota {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Every critical section leaves it consistent at each step.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As others see it.
    pub(super) fn shown(&self) -> (Option<Arc<KnownStanding>>, Option<Today>) {
        let today = self.today.load();
        (self.known().standing.clone(), today.as_deref().copied())
    }

    /// How often somebody told of a change: to be asked before the database is read.
    pub(super) fn told(&self) -> u64 {
        self.known().told
    }

    /// Takes in what was read from the database, unless somebody told of a change since: then it may be from before.
    pub(super) fn load(&self, standing: KnownStanding, told: u64) {
        let mut known = self.known();
        if known.told == told {
            known.standing = Some(Arc::new(standing));
        }
    }

    /// Takes in what was read after so many changes had been told; `false`: another was told since.
    fn tell(&self, standing: KnownStanding, told: u64) -> bool {
        let mut known = self.known();
        if known.told != told {
            return false;
        }
        known.told += 1;
        known.standing = Some(Arc::new(standing));
        true
    }

    /// The same of the standing alone, unless somebody told of a change since; nothing where the plan is not known.
    fn tell_record(&self, record: Record, told: u64) {
        let mut known = self.known();
        if known.told != told {
            return;
        }
        known.told += 1;
        if let Some(standing) = &known.standing {
            let plan = standing.plan.clone();
            known.standing = Some(Arc::new(KnownStanding { plan, record }));
        }
    }
}

impl Slot {
    /// Takes in what decides how much the store may take, as it was read after so many changes had been told, and makes
    /// its keeper look at it. `false`: another was told since.
    pub(super) fn learn_standing(&self, standing: KnownStanding, told: u64) -> bool {
        let is_latest = self.quota.tell(standing, told);
        if is_latest {
            self.alert();
        }
        is_latest
    }

    /// The same when only the standing changed; should another have been told since, the next window brings it.
    pub(super) fn learn_record(&self, record: Record, told: u64) {
        self.quota.tell_record(record, told);
        self.alert();
    }

    /// What decides how much the store may take, as far as it was learnt.
    pub(super) fn standing(&self) -> Option<Arc<KnownStanding>> {
        self.quota.known().standing.clone()
    }

    /// What the store had of its day.
    fn show_today(&self, today: Today) {
        self.quota.today.store(Some(Arc::new(today)));
    }
}

impl KeeperCore {
    /// Learns what the store may take now. While rows are held there is nothing to look for, however often somebody
    /// rings; when they are held no longer there is.
    pub(super) fn mind_allowance(&mut self) {
        let now = self.now();
        let quota = &self.shared.settings.quota;
        let known = self.slot.standing();
        let terms = known.map_or_else(Terms::default, |known| {
            quota.terms(known.plan.as_deref(), &known.record, now)
        });
        self.state.agree(terms);
        if self.state.held_until(now).is_some() {
            self.more_to_read = false;
            self.show_today();
        } else if self.state.end_hold(now) {
            self.more_to_read = true;
            self.show_today();
        }
    }

    /// Counts what came today, and takes out of what was found what is held. Gives the last row that may be taken.
    pub(super) fn hold_back(&mut self, found: &mut Ahead) -> i64 {
        let now = self.now();
        let came = found.rows.iter().map(|row| (row.seq, row.received_at));
        let last = self.state.count_day(now, came, found.last_seq);
        found.rows.retain(|row| row.seq <= last);
        self.show_today();
        last
    }

    pub(super) fn show_today(&self) {
        let now = self.now();
        self.slot.show_today(Today {
            at: now,
            rows: self.state.rows_today(now),
            taken: self.state.taken_today(now),
            allowance: self.state.terms().allowance,
            dropped: self.state.dropped_today(now),
            held_until: self.state.held_until(now),
        });
    }

    /// How long it rests after a turn, milliseconds.
    pub(super) fn spacing_ms(&self) -> u64 {
        let settings = &self.shared.settings;
        if self.state.coalesces(self.now()) {
            settings.quota.coalesce_ms.max(settings.turn_spacing_ms)
        } else {
            settings.turn_spacing_ms
        }
    }

    /// Its share of turns: never none.
    pub(super) fn weight(&self) -> Weight {
        Weight::of_percent(self.state.terms().weight_percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::standing::Rung;

    fn on(plan: &str) -> KnownStanding {
        KnownStanding {
            plan: Some(plan.to_owned()),
            record: Record::default(),
        }
    }

    #[test]
    fn what_was_read_before_a_change_was_told_does_not_replace_it() {
        let quota = SlotQuota::default();
        let plan = || quota.shown().0.and_then(|known| known.plan.clone());
        let before = quota.told();
        assert!(quota.tell(on("new"), before));
        quota.load(on("old"), before);
        assert!(!quota.tell(on("older"), before));
        assert_eq!(plan().as_deref(), Some("new"));
        let noisy = Record {
            rung: Rung::Noisy,
            ..Record::default()
        };
        let rung = || quota.shown().0.map(|known| known.record.rung);
        quota.tell_record(noisy.clone(), before);
        assert_eq!(rung(), Some(Rung::Good));
        quota.tell_record(noisy, quota.told());
        assert_eq!(rung(), Some(Rung::Noisy));
        assert_eq!(
            plan().as_deref(),
            Some("new"),
            "a step leaves the plan as it is"
        );
        quota.load(on("newer"), quota.told());
        assert_eq!(plan().as_deref(), Some("newer"));
    }
}
