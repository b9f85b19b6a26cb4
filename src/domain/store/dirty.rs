//! Which bundles must be computed anew.
//!
//! A webhook marks an item; its bundles are only looked up when a call is planned, so that a component in ten thousand
//! bundles costs a webhook nothing. A bundle that needs a level which is yet to be read waits for that item and is not
//! looked at again before.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::bundle::BundleBook;
use crate::ids::{BundleId, ItemId};

/// Items and bundles that changed, or may have.
#[derive(Debug, Default)]
pub struct Dirty {
    items: BTreeSet<ItemId>,
    bundles: BTreeSet<BundleId>,
    waiting: BTreeMap<ItemId, BTreeSet<BundleId>>,
}

impl Dirty {
    /// An item's stock or settings changed.
    pub fn mark_item(&mut self, item: ItemId) {
        self.items.insert(item);
    }

    /// A bundle must be computed anew.
    pub fn mark_bundle(&mut self, bundle: BundleId) {
        self.bundles.insert(bundle);
    }

    /// The bundle cannot be computed before the levels of this item have been read.
    pub fn wait_for(&mut self, item: ItemId, bundle: BundleId) {
        self.waiting.entry(item).or_default().insert(bundle);
    }

    /// The levels of this item have been read.
    pub fn became_certain(&mut self, item: ItemId) {
        self.bundles
            .extend(self.waiting.remove(&item).unwrap_or_default());
    }

    /// Whether something is to be computed.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.items.is_empty() || !self.bundles.is_empty()
    }

    /// Bundles to be computed, or waiting to be.
    #[must_use]
    pub fn count(&self) -> usize {
        self.items.len()
            + self.bundles.len()
            + self.waiting.values().map(BTreeSet::len).sum::<usize>()
    }

    /// The next bundle to compute, and no longer dirty.
    pub fn pop(&mut self, book: &BundleBook) -> Option<BundleId> {
        for item in std::mem::take(&mut self.items) {
            self.bundles.extend(book.parents_of(item));
            self.bundles
                .extend(book.by_item(item).map(|bundle| bundle.id));
        }
        self.bundles.pop_first()
    }
}
