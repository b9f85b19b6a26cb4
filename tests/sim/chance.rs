//! The one source of chance of a run: the same seed, the same run.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

/// Draws; every decision of a run comes from here.
#[derive(Debug)]
pub(crate) struct Chance {
    rng: StdRng,
}

impl Chance {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// Whether something happens that happens so often in a thousand.
    pub(crate) fn hits(&mut self, per_mille: i64) -> bool {
        per_mille > 0 && self.rng.random_range(0..1_000) < per_mille
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        self.rng.random_range(low..=high.max(low))
    }

    /// Mostly short, now and then long: milliseconds up to `longest`.
    pub(crate) fn delay_ms(&mut self, usual: i64, longest: i64) -> i64 {
        if self.hits(100) {
            self.between(0, longest)
        } else {
            self.between(0, usual)
        }
    }

    pub(crate) fn pick<Thing: Clone>(&mut self, things: &[Thing]) -> Option<Thing> {
        if things.is_empty() {
            return None;
        }
        things.get(self.rng.random_range(0..things.len())).cloned()
    }

    /// One of these, each as likely as its weight.
    pub(crate) fn weighted<Thing: Copy>(&mut self, things: &[(i64, Thing)]) -> Option<Thing> {
        let total: i64 = things.iter().map(|(weight, _)| weight).sum();
        let mut left = self.between(1, total.max(1));
        things.iter().find_map(|(weight, thing)| {
            left -= weight;
            (left <= 0).then_some(*thing)
        })
    }

    pub(crate) fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.rng.random()).into_uuid()
    }
}
