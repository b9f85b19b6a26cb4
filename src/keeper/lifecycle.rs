//! What happened to keepers lately: a ring of the last events, for people.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::clock::Timestamp;
use crate::ids::StoreId;

/// What happened to a keeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LifecycleEvent {
    pub at: Timestamp,
    pub store: StoreId,
    pub step: LifecycleStep,
    /// One sentence for a person.
    pub detail: String,
}

/// A step in a keeper's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleStep {
    Activated,
    Ended,
    Restarting,
    Quarantined,
    Released,
    /// It lives on on another thread.
    Moved,
}

/// The last events of all keepers; older ones are forgotten.
#[derive(Debug)]
pub(super) struct Lifecycle {
    events_max: usize,
    events: Mutex<VecDeque<LifecycleEvent>>,
}

impl Lifecycle {
    pub(super) const fn new(events_max: usize) -> Self {
        Self {
            events_max,
            events: Mutex::new(VecDeque::new()),
        }
    }

    pub(super) fn record(&self, event: LifecycleEvent) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() >= self.events_max {
            events.pop_front();
        }
        events.push_back(event);
    }

    /// Oldest first.
    pub(super) fn recent(&self) -> Vec<LifecycleEvent> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}
