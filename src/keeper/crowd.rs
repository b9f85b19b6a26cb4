//! Keeps the keepers in memory within their bound: who had nothing to do for the longest time leaves first.
//!
//! The bound is soft. Nobody who has work is sent away, and nobody who has work is kept out: what is over the bound
//! for want of idle keepers leaves as soon as it is idle.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;

use crate::clock::{Stopwatch, Timestamp};
use crate::keeper::shared::Shared;
use crate::keeper::slot::Slot;
use crate::telemetry::metric_name;

/// Between two looks at all keepers, while there are too many, at least.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// A pause is so many times as long as the look before it, so that looks take no more than a part of a thread.
const PAUSE_PER_LOOK: u32 = 20;
/// A look sends so many more away than it must, as a part of the bound, so that the next newcomer needs no look.
const SPARE_PART: usize = 64;

/// Sends keepers away whenever there are too many.
pub(super) async fn keep_within_memory(shared: Arc<Shared>) {
    let most = shared.settings.running_max.max(1);
    while !shared.is_shutting_down() {
        shared.living.more_than(most).await;
        let watch = Stopwatch::start();
        let too_many = shared.living.count().saturating_sub(most);
        let idle = shared.living.all().into_iter().filter_map(idle_since);
        for slot in longest_idle(idle.collect(), too_many + most / SPARE_PART) {
            if slot.dismiss() {
                counter!(metric_name::KEEPERS_DISMISSED_TOTAL).increment(1);
            }
        }
        let pause = watch.elapsed().saturating_mul(PAUSE_PER_LOOK);
        tokio::time::sleep(pause.max(BETWEEN_LOOKS)).await;
    }
}

fn idle_since(slot: Arc<Slot>) -> Option<(Timestamp, Arc<Slot>)> {
    Some((slot.idle_since()?, slot))
}

/// The `wanted` that have been idle for the longest time, in no order.
fn longest_idle<Keeper>(mut idle: Vec<(Timestamp, Keeper)>, wanted: usize) -> Vec<Keeper> {
    if wanted < idle.len() {
        idle.select_nth_unstable_by_key(wanted, |(since, _keeper)| *since);
        idle.truncate(wanted);
    }
    idle.into_iter().map(|(_since, keeper)| keeper).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_were_idle_longest_go_first() {
        let idle = [30, 10, 50, 20, 40].map(|since| (Timestamp::from_millis(since), since));
        let chosen = |wanted| {
            let mut chosen = longest_idle(idle.to_vec(), wanted);
            chosen.sort_unstable();
            chosen
        };
        assert!(chosen(0).is_empty());
        assert_eq!(chosen(2), [10, 20]);
        assert_eq!(chosen(5), [10, 20, 30, 40, 50]);
        assert_eq!(chosen(9), [10, 20, 30, 40, 50]);
    }
}
