//! A store's webhooks of the day against its allowance, and which of them are held until the day is over.

use crate::clock::Timestamp;
use crate::domain::standing::{Beyond, Day, Terms};
use crate::domain::store::state::StoreState;

/// What is counted and agreed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    pub(super) day: Option<Day>,
    terms: Terms,
    /// The last row of the log, as it was last read.
    head: i64,
    /// There were rows beyond what may be taken.
    is_holding: bool,
}

impl Allowance {
    pub(super) fn restore(day: Option<Day>) -> Self {
        Self {
            day,
            ..Self::default()
        }
    }

    /// The last row that may be taken; `None`: every row may.
    fn last_allowed(&self, now: Timestamp) -> Option<i64> {
        match self.terms.beyond {
            Beyond::Hold => self.last_within(now),
            Beyond::Apply | Beyond::CoalesceMore | Beyond::DropNaked => None,
        }
    }

    /// Whether there were more rows than the day has, and what concerns no bundle is dropped for it.
    fn drops_naked(&self, now: Timestamp) -> bool {
        match self.terms.beyond {
            Beyond::DropNaked => {
                let last = self.last_within(now);
                last.is_some_and(|last| self.head > last)
            }
            Beyond::Apply | Beyond::CoalesceMore | Beyond::Hold => false,
        }
    }

    /// Counts naked webhooks as dropped, if that is what becomes of them now.
    pub(super) fn drop_naked(&mut self, now: Timestamp, webhooks: i64) {
        let drops = self.drops_naked(now);
        if let Some(day) = self.day.as_mut().filter(|_| drops) {
            day.drop_naked(webhooks);
        }
    }

    fn last_within(&self, now: Timestamp) -> Option<i64> {
        let day = self.day.filter(|day| day.is_of(now))?;
        Some(day.last_within(self.terms.allowance?))
    }
}

impl StoreState {
    /// What the store may take from now on. A suspension that ends is followed by a sweep, which makes the subscriptions
    /// that the platform ended meanwhile anew, and reads what they would have told.
    pub fn agree(&mut self, terms: Terms) {
        if self.allowance.terms.is_suspended() && !terms.is_suspended() {
            self.reconcile_now();
        }
        self.allowance.terms = terms;
    }

    /// What the store may take.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.allowance.terms
    }

    /// Takes in that the log ends at `head` and has these `rows` ahead, with when they came. Gives the last row that
    /// may be taken.
    pub fn count_day(
        &mut self,
        now: Timestamp,
        rows: impl IntoIterator<Item = (i64, Timestamp)>,
        head: i64,
    ) -> i64 {
        let kept = self.allowance.day.filter(|day| day.is_of(now));
        let first_today = || {
            let (first, _) = rows
                .into_iter()
                .find(|(_, came)| Day::end_of(*came) == Day::end_of(now))?;
            Some(first)
        };
        let day = kept.unwrap_or_else(|| Day::at(now, None, first_today(), head));
        self.allowance.day = Some(day);
        self.allowance.head = head;
        let last = self.allowance.last_allowed(now);
        let last = last.map_or(head, |last| last.min(head));
        self.allowance.is_holding = last < head;
        last
    }

    /// How many webhooks came today, as far as it was looked.
    #[must_use]
    pub fn rows_today(&self, now: Timestamp) -> i64 {
        let day = self.allowance.day.filter(|day| day.is_of(now));
        day.map_or(0, |day| day.rows(self.allowance.head))
    }

    /// How many of today's webhooks stand before the cursor.
    #[must_use]
    pub fn taken_today(&self, now: Timestamp) -> i64 {
        let day = self.allowance.day.filter(|day| day.is_of(now));
        day.map_or(0, |day| day.rows(self.counts.taken.cursor()))
    }

    /// Until when rows are held, and no other may be taken.
    #[must_use]
    pub fn held_until(&self, now: Timestamp) -> Option<Timestamp> {
        let last = self.allowance.last_allowed(now)?;
        let is_held = self.allowance.is_holding && self.counts.taken.cursor() >= last;
        is_held.then(|| Day::end_of(now))
    }

    /// Whether rows that were held may be taken now; told once.
    pub fn end_hold(&mut self, now: Timestamp) -> bool {
        let may_go_on = self.allowance.is_holding && self.held_until(now).is_none();
        self.allowance.is_holding &= !may_go_on;
        may_go_on
    }

    /// Whether it rests longer between turns, being beyond its allowance.
    #[must_use]
    pub fn coalesces(&self, now: Timestamp) -> bool {
        match self.allowance.terms.beyond {
            Beyond::CoalesceMore => {
                let last = self.allowance.last_within(now);
                last.is_some_and(|last| self.allowance.head > last)
            }
            Beyond::Apply | Beyond::Hold | Beyond::DropNaked => false,
        }
    }

    /// Whether it is beyond its allowance, and what concerns no bundle is dropped for it.
    #[must_use]
    pub fn drops_naked(&self, now: Timestamp) -> bool {
        self.allowance.drops_naked(now)
    }

    /// How many naked webhooks were dropped today, being beyond the allowance.
    #[must_use]
    pub fn dropped_today(&self, now: Timestamp) -> i64 {
        let day = self.allowance.day.filter(|day| day.is_of(now));
        day.map_or(0, Day::dropped)
    }
}
