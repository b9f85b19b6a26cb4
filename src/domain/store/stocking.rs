//! Components that the platform does not stock where an order takes them: they are stocked there, with nothing, and
//! then taken. Tried once: what is refused again is left to a person.

use std::collections::BTreeSet;

use crate::ids::{ItemId, LocationId};

/// How many tries are remembered; beyond, all may be made once more.
const TRIED_MAX: usize = 1_000;

/// Where components are to be stocked. In memory only: after a restart the platform refuses once more.
#[derive(Debug, Default)]
pub(super) struct Stocking {
    wanted: BTreeSet<(ItemId, LocationId)>,
    tried: BTreeSet<(ItemId, LocationId)>,
}

impl Stocking {
    /// The platform does not stock the item there. Whether that will be changed; if not, it was tried before.
    pub(super) fn want(&mut self, item: ItemId, location: LocationId) -> bool {
        if self.tried.len() >= TRIED_MAX {
            self.tried.clear();
        }
        let is_new = self.tried.insert((item, location));
        if is_new {
            self.wanted.insert((item, location));
        }
        is_new
    }

    /// The next to stock.
    pub(super) fn pop(&mut self) -> Option<(ItemId, LocationId)> {
        self.wanted.pop_first()
    }

    /// It was taken there: should it go again, that is news.
    pub(super) fn taken(&mut self, item: ItemId, location: LocationId) {
        self.tried.remove(&(item, location));
    }
}
