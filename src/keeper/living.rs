//! Which stores have a keeper, or a guard that rests: what patrols go through, and what the end of the process waits
//! for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::ids::StoreId;
use crate::keeper::slot::Slot;

/// The slots that are guarded. Bounded by the stores that are registered.
#[derive(Debug)]
pub(super) struct Living {
    slots: Mutex<Slots>,
    /// Guards that have not ended.
    count: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Slots {
    /// With the number of the guard: a store may have its next one before the last is gone.
    by_store: HashMap<StoreId, (u64, Arc<Slot>)>,
    guards: u64,
}

/// A guard's entry; taken back when dropped.
#[derive(Debug)]
pub(super) struct Entry {
    living: Arc<Living>,
    store: StoreId,
    guard: u64,
}

impl Living {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            slots: Mutex::default(),
            count: watch::Sender::new(0),
        })
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For who has claimed the slot.
    pub(super) fn enter(self: &Arc<Self>, slot: &Arc<Slot>) -> Entry {
        let (store, mut slots) = (slot.store, self.slots());
        slots.guards += 1;
        let guard = slots.guards;
        slots.by_store.insert(store, (guard, Arc::clone(slot)));
        drop(slots);
        self.count.send_modify(|count| *count += 1);
        Entry {
            living: Arc::clone(self),
            store,
            guard,
        }
    }

    /// All slots that are guarded now.
    pub(super) fn all(&self) -> Vec<Arc<Slot>> {
        let slots = self.slots();
        let of_guards = slots.by_store.values();
        of_guards.map(|(_guard, slot)| Arc::clone(slot)).collect()
    }

    pub(super) fn find(&self, store: StoreId) -> Option<Arc<Slot>> {
        let slots = self.slots();
        let guarded = slots.by_store.get(&store);
        guarded.map(|(_guard, slot)| Arc::clone(slot))
    }

    pub(super) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Waits until there are more than `most`.
    pub(super) async fn more_than(&self, most: usize) {
        self.until(|count| count > most).await;
    }

    /// Waits until there are none.
    pub(super) async fn none(&self) {
        self.until(|count| count == 0).await;
    }

    async fn until(&self, wanted: impl Fn(usize) -> bool) {
        let mut counts = self.count.subscribe();
        // The sender lives in `self`, so the channel cannot close while this waits.
        let _closed = counts.wait_for(|count| wanted(*count)).await.is_err();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut slots = self.living.slots();
        if slots
            .by_store
            .get(&self.store)
            .is_some_and(|(guard, _slot)| *guard == self.guard)
        {
            slots.by_store.remove(&self.store);
        }
        drop(slots);
        let count = &self.living.count;
        count.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_that_ends_late_does_not_take_its_successor_off_the_list() {
        let (living, slot) = (Living::new(), Arc::new(Slot::new(StoreId(1))));
        let late = living.enter(&slot);
        let successor = living.enter(&slot);
        assert_eq!((living.count(), living.all().len()), (2, 1));
        drop(late);
        assert_eq!((living.count(), living.all().len()), (1, 1));
        drop(successor);
        assert_eq!((living.count(), living.all().len()), (0, 0));
    }
}
