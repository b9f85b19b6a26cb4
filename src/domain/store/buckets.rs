//! The store's buckets, one for each of the platform's rate limits.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::domain::bucket::Bucket;
use crate::domain::call::{Answer, CallError, Cost, Meter, RateReport};
use crate::domain::store::observation::BucketView;
use crate::domain::store::state::BucketMemo;

/// Both buckets, and the charge of the call under way.
#[derive(Debug)]
pub(super) struct Buckets {
    rest: Bucket,
    graphql: Bucket,
    charged: Option<(Meter, i64)>,
    /// The charged bucket when the call began.
    begun: Option<BucketMemo>,
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
            match memos.get(&meter) {
                Some(memo) => Bucket::restore(*memo, headroom_percent, unanswered, now),
                None => Bucket::full(meter, headroom_percent, now),
            }
        };
        Self {
            rest: restore(Meter::Rest),
            graphql: restore(Meter::Graphql),
            charged: None,
            begun: None,
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
            (Meter::Rest, self.rest.memo(now)),
            (Meter::Graphql, self.graphql.memo(now)),
        ])
    }

    /// When this much is there, `now` at the earliest.
    #[must_use]
    pub(super) fn affordable_at(&self, meter: Meter, cost: i64, now: Timestamp) -> Timestamp {
        self.of(meter).ready_at(cost, now).max(now)
    }

    /// Charges a call that is about to be sent.
    pub(super) fn take(&mut self, meter: Meter, cost: i64, now: Timestamp) {
        // The caller has made sure that it fits; a bucket that disagrees keeps its level and the reply corrects it.
        if self.of_mut(meter).try_take(cost, now).is_ok() {
            self.charged = Some((meter, cost));
            self.begun = Some(self.of(meter).memo(now));
        }
    }

    /// The call that was charged came back.
    pub(super) fn answered(&mut self, answer: &Answer, now: Timestamp) {
        let Some((meter, cost)) = self.charged.take() else {
            return;
        };
        let begun = self.begun.take();
        let bucket = self.of_mut(meter);
        bucket.end(cost, now);
        match (reported(answer, meter, cost), begun) {
            (Some(report), _) => bucket.correct(&report, now),
            (None, Some(begun)) => bucket.hold_to(begun),
            (None, None) => {}
        }
        if let Err(CallError::Throttled { wait_ms }) = answer.result {
            bucket.throttled(wait_ms, now);
        }
    }

    /// The buckets as people see them.
    #[must_use]
    pub(super) fn views(&self) -> BTreeMap<String, BucketView> {
        let view = |bucket: &Bucket| BucketView {
            used: bucket.used(),
            size: bucket.size(),
            restore_per_s: bucket.restore_per_s(),
        };
        BTreeMap::from([
            ("rest".to_owned(), view(&self.rest)),
            ("graphql".to_owned(), view(&self.graphql)),
        ])
    }

    const fn of(&self, meter: Meter) -> &Bucket {
        match meter {
            Meter::Rest => &self.rest,
            Meter::Graphql => &self.graphql,
        }
    }

    const fn of_mut(&mut self, meter: Meter) -> &mut Bucket {
        match meter {
            Meter::Rest => &mut self.rest,
            Meter::Graphql => &mut self.graphql,
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
