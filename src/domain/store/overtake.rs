//! Which inbox rows may be taken before others that came earlier.

use crate::clock::Timestamp;
use crate::domain::fact::{Fact, OrderSnapshot};
use crate::domain::store::command::Row;
use crate::domain::store::outcome::Refusal;
use crate::domain::store::rows::end_of_second;
use crate::domain::store::state::StoreState;

impl StoreState {
    /// Whether the row may be taken before rows that came earlier: it tells everything of something, and of what tells
    /// the same, the newest counts in whatever order they are taken. What only touches, changes or ends something keeps
    /// its order, as does a body that nobody understands and a row that brought the keeper down.
    #[must_use]
    pub fn may_overtake(&self, row: &Row, now: Timestamp) -> bool {
        let is_suspect = self.suspect().is_some_and(|suspect| suspect.seq == row.seq);
        if is_suspect {
            return false;
        }
        match row.fact.as_ref() {
            Ok(Fact::Order(order)) => self.may_order_overtake(order, now),
            Ok(Fact::Level(level)) => !self.is_absurd(level.updated_at, now),
            Ok(Fact::Item(_) | Fact::Product(_) | Fact::Unneeded | Fact::Naked) => true,
            Ok(
                Fact::Refund(_)
                | Fact::OrderTouched(_)
                | Fact::OrderDeleted(_)
                | Fact::PartTouched(_)
                | Fact::LevelGone { .. }
                | Fact::ItemGone(_)
                | Fact::ProductGone(_)
                | Fact::LocationsTouched
                | Fact::Uninstalled,
            )
            | Err(_) => false,
        }
    }

    /// An order that was made in the second in which a recipe came or went, is placed by the first webhook that tells of
    /// it (the one of its creation knows the instant): these keep their order.
    fn may_order_overtake(&self, order: &OrderSnapshot, now: Timestamp) -> bool {
        let second = order.created_at.floor_to_second();
        !self.is_absurd(order.updated_at, now)
            && !self
                .bundles
                .changed_within(second, end_of_second(order.created_at))
    }

    /// Notes a row of the log as done with.
    ///
    /// # Errors
    /// It was before, or may not be yet.
    pub(super) fn step_past(&mut self, row: &Row, now: Timestamp) -> Result<(), Refusal> {
        let is_next = row.seq == self.counts.taken.cursor().saturating_add(1);
        let may_be_taken = is_next || self.may_overtake(row, now);
        if may_be_taken && self.counts.taken.take(row.seq) {
            Ok(())
        } else {
            Err(Refusal::OutOfOrder(row.seq))
        }
    }
}
