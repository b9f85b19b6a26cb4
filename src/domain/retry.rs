//! When something that cannot be done yet is tried again: the parking lane of one entity.
//!
//! A row that names an entity which is not there yet waits in the entity's lane, and later rows of the entity queue
//! behind it. What is missing may still be behind the cursor, or the platform may be unreachable: neither uses up an
//! attempt. Before a row dies the platform is asked for the entity itself.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::domain::store::change::ParkedRecord;
use crate::ids::OrderId;

/// How often, and after how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Off: a row is tried once, and the platform asked at once.
    pub retry_enabled: bool,
    /// Attempts after the first.
    pub retry_count: u32,
    /// The attempt number n comes n times this after the one before, milliseconds.
    pub base_delay_ms: i64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retry_enabled: true,
            retry_count: 3,
            base_delay_ms: 3_000,
        }
    }
}

impl RetryPolicy {
    /// When the attempt of this number (from 1) is due after a failure at `now`.
    #[must_use]
    pub fn due_after(&self, attempt: u32, now: Timestamp) -> Timestamp {
        now.plus_millis(self.base_delay_ms.max(0).saturating_mul(i64::from(attempt)))
    }

    /// Whether a row that failed this often after its first try has no attempt left.
    #[must_use]
    pub fn is_exhausted(&self, attempts: u32) -> bool {
        !self.retry_enabled || attempts >= self.retry_count
    }
}

/// The rows that wait for one entity. Schedule and attempts are those of its first row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    order: OrderId,
    /// Numbers in the store's inbox; applied in ascending order.
    rows: BTreeSet<i64>,
    attempts: u32,
    due_at: Timestamp,
    /// An attempt counts only once the cursor has come this far.
    behind_seq: i64,
    /// The entity has arrived: nothing else is waited for.
    woken: bool,
    /// No attempt is left: the platform is asked.
    last_resort: bool,
}

/// What a lane waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextAttempt {
    /// Apply this row now.
    Now { seq: i64 },
    /// Its delay.
    At(Timestamp),
    /// The cursor: what is missing may stand before this row.
    Cursor { behind_seq: i64 },
    /// The platform, which is unreachable or may not be called now.
    Platform,
    /// The read of the entity itself.
    Read,
    /// It has no rows.
    Nothing,
}

impl Lane {
    /// A lane of one row, which has been tried once. `head` is the highest number given out in the inbox.
    #[must_use]
    pub fn open(order: OrderId, seq: i64, policy: &RetryPolicy, now: Timestamp, head: i64) -> Self {
        Self {
            order,
            rows: BTreeSet::from([seq]),
            attempts: 0,
            due_at: policy.due_after(1, now),
            behind_seq: head,
            woken: false,
            last_resort: policy.is_exhausted(0),
        }
    }

    /// The lane of these rows, which are all of `order`; `None` when there are none.
    #[must_use]
    pub fn restore(order: OrderId, records: &[ParkedRecord], policy: &RetryPolicy) -> Option<Self> {
        let first = records.iter().min_by_key(|record| record.seq)?;
        Some(Self {
            order,
            rows: records.iter().map(|record| record.seq).collect(),
            attempts: first.attempts,
            due_at: first.due_at,
            behind_seq: first.behind_seq,
            woken: false,
            last_resort: policy.is_exhausted(first.attempts),
        })
    }

    /// Queues a later row behind the others.
    pub fn push(&mut self, seq: i64) {
        self.rows.insert(seq);
    }

    /// The row as it is to be kept, on the lane's schedule.
    #[must_use]
    pub fn record(&self, seq: i64) -> ParkedRecord {
        ParkedRecord {
            seq,
            lane: self.order,
            attempts: self.attempts,
            due_at: self.due_at,
            behind_seq: self.behind_seq,
        }
    }

    /// What the lane waits for. `platform_ready`: it is reachable and the bucket has tokens.
    #[must_use]
    pub fn next_attempt(&self, now: Timestamp, cursor: i64, platform_ready: bool) -> NextAttempt {
        let Some(seq) = self.first() else {
            return NextAttempt::Nothing;
        };
        if self.woken {
            NextAttempt::Now { seq }
        } else if self.last_resort {
            NextAttempt::Read
        } else if now < self.due_at {
            NextAttempt::At(self.due_at)
        } else if cursor < self.behind_seq {
            NextAttempt::Cursor {
                behind_seq: self.behind_seq,
            }
        } else if !platform_ready {
            NextAttempt::Platform
        } else {
            NextAttempt::Now { seq }
        }
    }

    /// The first row was tried, and what it needs is not there. An attempt that a wake brought about counts like any.
    pub fn fail(&mut self, policy: &RetryPolicy, now: Timestamp, head: i64) {
        self.woken = false;
        self.attempts = self.attempts.saturating_add(1);
        if self.last_resort || policy.is_exhausted(self.attempts) {
            self.last_resort = true;
            return;
        }
        self.due_at = policy.due_after(self.attempts.saturating_add(1), now);
        self.behind_seq = self.behind_seq.max(head);
    }

    /// The entity has arrived: the rows are due at once, one after the other.
    pub fn wake(&mut self, now: Timestamp) {
        self.woken = true;
        self.last_resort = false;
        self.due_at = self.due_at.min(now);
    }

    /// A row was applied: the next one is due at once, with all its attempts. Whether rows are left.
    pub fn leave(&mut self, seq: i64, now: Timestamp) -> bool {
        let was_first = self.first() == Some(seq);
        self.rows.remove(&seq);
        if was_first {
            self.attempts = 0;
            self.wake(now);
        }
        !self.rows.is_empty()
    }

    /// The row that is tried next.
    #[must_use]
    pub fn first(&self) -> Option<i64> {
        self.rows.first().copied()
    }

    /// Every row, in the order of their numbers.
    pub fn rows(&self) -> impl Iterator<Item = i64> + '_ {
        self.rows.iter().copied()
    }

    /// Whether the entity must be read from the platform before the lane goes on or dies.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        self.last_resort && !self.woken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000_000);
    const POLICY: RetryPolicy = RetryPolicy {
        retry_enabled: true,
        retry_count: 3,
        base_delay_ms: 3_000,
    };

    fn lane() -> Lane {
        Lane::open(OrderId(1), 10, &POLICY, START, 20)
    }

    fn after(millis: i64) -> Timestamp {
        START.plus_millis(millis)
    }

    #[test]
    fn the_attempts_come_at_one_two_and_three_delays_and_then_the_platform_is_asked() {
        let mut lane = lane();
        let mut now = START;
        for number in 1..=3 {
            assert!(!lane.wants_read());
            assert_eq!(
                lane.next_attempt(now, 99, true),
                NextAttempt::At(now.plus_millis(number * 3_000))
            );
            now = now.plus_millis(number * 3_000);
            assert_eq!(
                lane.next_attempt(now, 99, true),
                NextAttempt::Now { seq: 10 }
            );
            lane.fail(&POLICY, now, 20);
        }
        assert_eq!(lane.next_attempt(now, 99, true), NextAttempt::Read);
        assert!(lane.wants_read());
    }

    #[test]
    fn what_a_due_lane_waits_for() {
        let due = after(3_000);
        for (now, cursor, ready, expected) in [
            (after(2_999), 20, true, NextAttempt::At(due)),
            (due, 19, true, NextAttempt::Cursor { behind_seq: 20 }),
            (due, 19, false, NextAttempt::Cursor { behind_seq: 20 }),
            (due, 20, false, NextAttempt::Platform),
            (due, 20, true, NextAttempt::Now { seq: 10 }),
        ] {
            assert_eq!(lane().next_attempt(now, cursor, ready), expected);
        }
    }

    #[test]
    fn without_retries_the_platform_is_asked_at_once() {
        for policy in [
            RetryPolicy {
                retry_enabled: false,
                ..POLICY
            },
            RetryPolicy {
                retry_count: 0,
                ..POLICY
            },
        ] {
            let lane = Lane::open(OrderId(1), 10, &policy, START, 20);
            assert_eq!(lane.next_attempt(START, 0, false), NextAttempt::Read);
        }
    }

    #[test]
    fn an_arrival_wakes_all_rows_in_their_order() {
        let mut lane = lane();
        lane.push(13);
        lane.push(12);
        lane.wake(START);
        for (seq, left) in [(10, true), (12, true), (13, false)] {
            assert_eq!(lane.next_attempt(START, 0, false), NextAttempt::Now { seq });
            assert_eq!(lane.leave(seq, START), left);
        }
        assert_eq!(lane.next_attempt(START, 0, false), NextAttempt::Nothing);
    }

    #[test]
    fn a_row_that_leaves_from_the_middle_changes_no_schedule() {
        let mut lane = lane();
        lane.push(12);
        assert!(lane.leave(12, START));
        assert_eq!(
            lane.next_attempt(START, 99, true),
            NextAttempt::At(after(3_000))
        );
    }

    #[test]
    fn a_failed_attempt_waits_for_the_head_as_it_stood_then() {
        let mut lane = lane();
        lane.fail(&POLICY, after(3_000), 30);
        let due = after(9_000);
        assert_eq!(
            lane.next_attempt(due, 29, true),
            NextAttempt::Cursor { behind_seq: 30 }
        );
        assert_eq!(
            lane.next_attempt(due, 30, true),
            NextAttempt::Now { seq: 10 }
        );
    }

    #[test]
    fn the_next_row_has_all_its_attempts() {
        let mut lane = lane();
        lane.push(12);
        lane.fail(&POLICY, after(3_000), 30);
        assert_eq!(lane.record(10).attempts, 1);
        lane.leave(10, after(4_000));
        assert_eq!(lane.record(12).attempts, 0);
    }

    #[test]
    fn a_lane_survives_a_restart() {
        let mut lane = lane();
        lane.push(12);
        lane.fail(&POLICY, after(3_000), 30);
        let records: Vec<_> = lane.rows().map(|seq| lane.record(seq)).collect();
        assert_eq!(Lane::restore(OrderId(1), &records, &POLICY), Some(lane));
        assert_eq!(Lane::restore(OrderId(1), &[], &POLICY), None);
    }
}
