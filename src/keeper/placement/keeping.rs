//! Measures what keeps threads busy, shows it to newcomers and to people, and moves keepers, one at a time.

use std::sync::Arc;

use crate::clock::{Stopwatch, Timestamp};
use crate::domain::store::observation::{Wait, WaitKind};
use crate::ids::StoreId;
use crate::keeper::placement::balance::{Balance, Seen};
use crate::keeper::shared::Shared;
use crate::keeper::slot::Slot;
use crate::keeper::status::{KeeperState, KeeperStatus};

/// Looks at all keepers now and then, until the process ends.
pub(in crate::keeper) async fn keep_balance(shared: Arc<Shared>) {
    let settings = shared.settings.placement;
    let clock = shared.deps.clock.clone();
    let mut balance = Balance::new(settings, shared.arbiters.count());
    let (mut since_last, mut last) = (Stopwatch::start(), None);
    while !shared.is_shutting_down() {
        let look_at = clock.now().plus_millis(settings.interval_ms.max(1));
        clock.sleep_until(look_at).await;
        // Asked before it is seen who lives where: who has not gone by now may be seen at the place that it leaves.
        let is_under_way = is_under_way(&shared, last.as_ref());
        let (passed, slots) = (since_last.elapsed(), shared.living.all());
        since_last = Stopwatch::start();
        balance.look(passed, slots.iter().map(|slot| seen(slot)));
        if !is_under_way && !shared.is_shutting_down() && !shared.safe_mode.is_on() {
            last = move_one(&shared, &mut balance);
        }
        shared
            .arbiters
            .show_loads(balance.loads(), balance.of_one());
    }
}

fn seen(slot: &Slot) -> Seen {
    Seen {
        store: slot.store,
        arbiter: slot.arbiter(),
        busy: slot.busy.take(),
    }
}

/// Whether the last move has not been made yet. From a thread that is held up it may never be.
fn is_under_way(shared: &Shared, last: Option<&Arc<Slot>>) -> bool {
    last.is_some_and(|slot| slot.is_wanted_elsewhere() && shared.arbiters.is_open(slot.arbiter()))
}

/// Asks the keeper to move that had better be elsewhere, if there is one.
fn move_one(shared: &Shared, balance: &mut Balance) -> Option<Arc<Slot>> {
    let now = shared.deps.clock.now();
    let is_fixed = |store| !may_move(shared, store, now);
    let wanted = balance.wanted(|arbiter| shared.arbiters.is_open(arbiter), is_fixed)?;
    let slot = shared.living.find(wanted.store)?;
    let seat = shared.arbiters.seat_on(wanted.to)?;
    if !slot.want_elsewhere(seat) {
        return None;
    }
    balance.moves(wanted);
    tracing::info!(store = %wanted.store, from = wanted.from, to = wanted.to, "keeper moves to a calmer thread");
    Some(slot)
}

fn may_move(shared: &Shared, store: StoreId, now: Timestamp) -> bool {
    let slot = shared.living.find(store);
    slot.is_some_and(|slot| !slot.is_wanted_elsewhere() && is_well(&slot.status(), now))
}

/// Whether the keeper runs and gets on, as far as is known here; it looks once more itself.
fn is_well(status: &KeeperStatus, now: Timestamp) -> bool {
    let observation = status.observation.as_ref();
    let waits = observation.and_then(|observation| observation.waits_for.as_ref());
    let is_left_alone = waits.is_some_and(|wait| is_left_alone(wait, now));
    status.state == KeeperState::Running && status.stuck.is_none() && !is_left_alone
}

/// Whether a person must act first, or the platform failed.
fn is_left_alone(wait: &Wait, now: Timestamp) -> bool {
    let is_over = wait.until.is_some_and(|until| until <= now);
    matches!(wait.kind, WaitKind::Person | WaitKind::BackOff) && !is_over
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::progress::{Doing, Stuck};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    #[test]
    fn who_rests_or_is_stuck_is_not_asked_to_move() {
        let mut status = KeeperStatus::unasked(StoreId(1));
        let until = NOW;
        let states = [
            (KeeperState::Running, true),
            (KeeperState::Starting, false),
            (KeeperState::Restarting { until }, false),
            (KeeperState::Quarantined { until }, false),
            (KeeperState::Stopped, false),
        ];
        for (state, may_move) in states {
            status.state = state;
            assert_eq!(is_well(&status, NOW), may_move, "{state:?}");
        }
        status.state = KeeperState::Running;
        status.stuck = Some(Stuck {
            doing: Doing::Turn,
            since: NOW,
        });
        assert!(!is_well(&status, NOW));
    }

    #[test]
    fn who_waits_for_a_person_or_leaves_the_platform_alone_is_not_asked_to_move() {
        let wait = |kind, until: Option<i64>| Wait {
            kind,
            reason: String::new(),
            until: until.map(Timestamp::from_millis),
        };
        assert!(is_left_alone(&wait(WaitKind::Person, None), NOW));
        assert!(is_left_alone(&wait(WaitKind::BackOff, Some(1_001)), NOW));
        assert!(!is_left_alone(&wait(WaitKind::BackOff, Some(1_000)), NOW));
        assert!(!is_left_alone(&wait(WaitKind::Tokens, Some(1_001)), NOW));
    }
}
