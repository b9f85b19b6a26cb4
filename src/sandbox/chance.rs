//! Owns all randomness of the sandbox: one seeded generator behind a lock, so
//! that a run is repeated by its seed (up to the order in which clients call).

use std::sync::{Mutex, PoisonError};

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use uuid::Uuid;

/// The one source of randomness.
#[derive(Debug)]
pub(super) struct Chance(Mutex<StdRng>);

impl Chance {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// True so many times in a thousand.
    pub(super) fn per_mille(&self, share: u16) -> bool {
        share > 0 && self.draw(|rng| rng.random_range(0..1000_u16)) < share
    }

    /// Uniform in `low..=high`; `low` when the range is empty.
    pub(super) fn between(&self, low: i64, high: i64) -> i64 {
        if high <= low {
            return low;
        }
        self.draw(|rng| rng.random_range(low..=high))
    }

    /// Uniform in `0..=high`.
    pub(super) fn up_to(&self, high: u64) -> u64 {
        self.draw(|rng| rng.random_range(0..=high))
    }

    /// One of the slice, or nothing when it is empty.
    pub(super) fn pick<'a, T>(&self, from: &'a [T]) -> Option<&'a T> {
        let last = from.len().checked_sub(1)?;
        from.get(self.draw(|rng| rng.random_range(0..=last)))
    }

    /// A random UUID (version 4).
    pub(super) fn uuid(&self) -> Uuid {
        let mut bytes = [0_u8; 16];
        self.draw(|rng| rng.fill_bytes(&mut bytes));
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// A random secret of 32 hexadecimal digits behind a prefix.
    pub(super) fn secret(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.uuid().simple())
    }

    fn draw<T>(&self, with: impl FnOnce(&mut StdRng) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_repeats_the_run() {
        let (one, two) = (Chance::seeded(7), Chance::seeded(7));
        assert_eq!(one.uuid(), two.uuid());
        assert_eq!(one.between(-5, 5), two.between(-5, 5));
    }

    #[test]
    fn the_ends_of_the_scale_are_certain() {
        let chance = Chance::seeded(1);
        assert!((0..100).all(|_| !chance.per_mille(0)));
        assert!((0..100).all(|_| chance.per_mille(1000)));
    }
}
