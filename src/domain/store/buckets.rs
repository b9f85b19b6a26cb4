//! The store's buckets, one for each of the platform's rate limits.

use std::collections::{BTreeMap, VecDeque};

use crate::clock::Timestamp;
use crate::domain::bucket::Bucket;
use crate::domain::call::{Answer, CallError, Cost, Meter, RateReport};
use crate::domain::store::observation::{BucketView, CallEnd, MadeCall, Throttle};
use crate::domain::store::patience::Kind;
use crate::domain::store::state::BucketMemo;

/// Calls that are remembered for whoever looks; they go with the keeper.
const MADE_KEPT: usize = 8;

/// Both buckets, and the charge of the call under way.
#[derive(Debug)]
pub(super) struct Buckets {
    rest: Limit,
    graphql: Limit,
    charged: Option<(Meter, i64)>,
    /// The charged bucket when the call began.
    begun: Option<BucketMemo>,
    /// The latest calls, the newest last.
    made: VecDeque<MadeCall>,
}

/// A bucket, and what the platform said of it while its keeper was in memory.
#[derive(Debug)]
struct Limit {
    bucket: Bucket,
    told_at: Option<Timestamp>,
    throttle: Option<Throttle>,
}

impl Limit {
    fn view(&self) -> BucketView {
        let bucket = &self.bucket;
        BucketView {
            used: bucket.used(),
            size: bucket.size(),
            restore_per_s: bucket.restore_per_s(),
            held: bucket.held(),
            usable: bucket.usable(),
            in_flight: bucket.in_flight(),
            at: bucket.at(),
            next_at: bucket.ready_at(1, bucket.at()),
            told_at: self.told_at,
            throttle: self.throttle,
        }
    }
}

impl Buckets {
    /// Restores what was remembered. `charged`: what the call under way was
    /// charged when it was lost from sight; it counts as just made.
    #[must_use]
    pub(super) fn restore(
        memos: &BTreeMap<Meter, BucketMemo>,
        headroom_percent: i64,
        charged: Option<(Meter, i64)>,
        now: Timestamp,
    ) -> Self {
        let restore = |meter| {
            let unanswered = charged
                .filter(|charge| charge.0 == meter)
                .map_or(0, |charge| charge.1);
            let bucket = match memos.get(&meter) {
                Some(memo) => Bucket::restore(*memo, headroom_percent, unanswered, now),
                None => Bucket::full(meter, headroom_percent, now),
            };
            Limit {
                bucket,
                told_at: None,
                throttle: None,
            }
        };
        Self {
            rest: restore(Meter::Rest),
            graphql: restore(Meter::Graphql),
            charged: None,
            begun: None,
            made: VecDeque::new(),
        }
    }

    /// What the call under way was charged.
    #[must_use]
    pub(super) const fn charged(&self) -> Option<(Meter, i64)> {
        self.charged
    }

    /// What is to be remembered.
    #[must_use]
    pub(super) fn memos(&self, now: Timestamp) -> BTreeMap<Meter, BucketMemo> {
        BTreeMap::from([
            (Meter::Rest, self.rest.bucket.memo(now)),
            (Meter::Graphql, self.graphql.bucket.memo(now)),
        ])
    }

    /// When this much is there, `now` at the earliest.
    #[must_use]
    pub(super) fn affordable_at(&self, meter: Meter, cost: i64, now: Timestamp) -> Timestamp {
        self.of(meter).bucket.ready_at(cost, now).max(now)
    }

    /// Charges a call that is about to be sent.
    pub(super) fn take(&mut self, kind: Kind, (meter, cost): (Meter, i64), now: Timestamp) {
        // The caller has made sure that it fits; a bucket that disagrees keeps its level and the reply corrects it.
        if self.of_mut(meter).bucket.try_take(cost, now).is_ok() {
            self.charged = Some((meter, cost));
            self.begun = Some(self.of(meter).bucket.memo(now));
        }
        if self.made.len() >= MADE_KEPT {
            self.made.pop_front();
        }
        self.made.push_back(MadeCall {
            kind,
            meter,
            cost,
            begun_at: now,
            ended: None,
        });
    }

    /// The call that was charged came back.
    pub(super) fn answered(&mut self, answer: &Answer, now: Timestamp) {
        let made = self.made.back_mut().filter(|made| made.ended.is_none());
        let kind = made.map(|made| {
            made.ended = Some((now, end_of(answer)));
            made.kind
        });
        let Some((meter, cost)) = self.charged.take() else {
            return;
        };
        let begun = self.begun.take();
        let limit = self.of_mut(meter);
        limit.bucket.end(cost, now);
        match (reported(answer, meter, cost), begun) {
            (Some(report), _) => {
                limit.bucket.correct(&report, now);
                limit.told_at = Some(now);
            }
            (None, Some(begun)) => limit.bucket.hold_to(begun),
            (None, None) => {}
        }
        if let Err(CallError::Throttled { wait_ms }) = answer.result {
            limit.bucket.throttled(wait_ms, now);
            limit.throttle = Some(Throttle {
                at: now,
                until: limit.bucket.blocked_until(),
                asked_ms: wait_ms,
                kind,
            });
        }
    }

    /// The buckets as people see them.
    #[must_use]
    pub(super) fn views(&self) -> BTreeMap<String, BucketView> {
        BTreeMap::from([
            (Meter::Rest.name().to_owned(), self.rest.view()),
            (Meter::Graphql.name().to_owned(), self.graphql.view()),
        ])
    }

    /// The latest calls, the newest first.
    #[must_use]
    pub(super) fn made(&self) -> Vec<MadeCall> {
        self.made.iter().rev().copied().collect()
    }

    const fn of(&self, meter: Meter) -> &Limit {
        match meter {
            Meter::Rest => &self.rest,
            Meter::Graphql => &self.graphql,
        }
    }

    const fn of_mut(&mut self, meter: Meter) -> &mut Limit {
        match meter {
            Meter::Rest => &mut self.rest,
            Meter::Graphql => &mut self.graphql,
        }
    }
}

const fn end_of(answer: &Answer) -> CallEnd {
    match &answer.result {
        Ok(_) => CallEnd::Answered,
        Err(CallError::Throttled { .. }) => CallEnd::Throttled,
        Err(CallError::Rejected { .. }) => CallEnd::Rejected,
        Err(CallError::Barred(_)) => CallEnd::Barred,
        Err(CallError::Unavailable { .. } | CallError::Ambiguous { .. } | CallError::Busy) => {
            CallEnd::Failed
        }
    }
}

/// What the answer told of this rate limit. What was charged beforehand was a bound, so that much less what the call
/// really cost comes back; further requests of the same call have waited for their own points.
fn reported(answer: &Answer, meter: Meter, charged: i64) -> Option<RateReport> {
    let report = answer.rate.filter(|report| report.meter == meter)?;
    let cost = report.cost.map(|cost| Cost {
        requested: charged,
        ..cost
    });
    Some(RateReport { cost, ..report })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn buckets() -> Buckets {
        Buckets::restore(&BTreeMap::new(), 10, None, NOW)
    }

    fn answer(result: Result<crate::domain::call::Reply, CallError>) -> Answer {
        Answer {
            result,
            rate: None,
            platform_time: None,
        }
    }

    #[test]
    fn a_throttle_is_kept_with_what_was_asked_and_until_when() {
        for (asked_ms, wait_ms) in [(Some(2_500), 2_500), (None, 1_000)] {
            let mut buckets = buckets();
            buckets.take(Kind::Levels, (Meter::Rest, 1), NOW);
            let later = NOW.plus_millis(300);
            let refused = CallError::Throttled { wait_ms: asked_ms };
            buckets.answered(&answer(Err(refused)), later);
            let until = later.plus_millis(wait_ms);
            let throttle = Throttle {
                at: later,
                until,
                asked_ms,
                kind: Some(Kind::Levels),
            };
            let views = buckets.views();
            assert_eq!(views["rest"].throttle, Some(throttle));
            assert_eq!(views["rest"].next_at, until);
            assert_eq!(views["graphql"].throttle, None);
            let ended = Some((later, CallEnd::Throttled));
            assert_eq!(buckets.made()[0].ended, ended);
        }
    }

    #[test]
    fn the_latest_calls_are_kept_and_no_more() {
        let mut buckets = buckets();
        for step in 0..20 {
            let now = NOW.plus_millis(step * 1_000);
            buckets.take(Kind::Order, (Meter::Rest, 1), now);
            assert_eq!(buckets.views()["rest"].in_flight, 1);
            assert_eq!(buckets.views()["rest"].held, 1);
            let told = crate::domain::call::Reply::OrderOf(None);
            buckets.answered(&answer(Ok(told)), now.plus_millis(7));
        }
        let made = buckets.made();
        assert_eq!(made.len(), MADE_KEPT);
        assert_eq!(made[0].begun_at, NOW.plus_millis(19_000));
        assert_eq!(
            made[0].ended,
            Some((NOW.plus_millis(19_007), CallEnd::Answered))
        );
    }

    #[test]
    fn a_level_leaks_as_time_passes_but_for_what_is_under_way() {
        let mut buckets = buckets();
        for _call in 0..6 {
            buckets.take(Kind::Order, (Meter::Rest, 1), NOW);
            buckets.answered(&answer(Err(CallError::Busy)), NOW);
        }
        buckets.take(Kind::Levels, (Meter::Rest, 1), NOW);
        let view = buckets.views()["rest"];
        assert_eq!((view.used, view.held, view.usable), (7, 1, 36));
        let levels = [0, 1_000, 2_999, 60_000].map(|ms| view.used_at(NOW.plus_millis(ms)));
        assert_eq!(levels, [7, 5, 2, 1]);
        assert_eq!(view.used_at(NOW.plus_millis(-5_000)), 7);
        assert_eq!(view.empty_at(), NOW.plus_millis(3_000));
    }
}
