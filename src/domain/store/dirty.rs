//! Which bundles must be computed anew.
//!
//! A webhook marks an item; its bundles are only looked up when a call is planned, so that a component in ten thousand
//! bundles costs a webhook nothing. A bundle that needs a level which is yet to be read waits for that item and is not
//! looked at again before.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::domain::bundle::BundleBook;
use crate::ids::{BundleId, ItemId};

/// Items and bundles that changed, or may have.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    items: BTreeSet<ItemId>,
    bundles: BTreeSet<BundleId>,
    waiting: BTreeMap<ItemId, BTreeSet<BundleId>>,
    /// Bundles that are left alone until then: someone else keeps changing their level back.
    postponed: BTreeSet<(Timestamp, BundleId)>,
}

impl Dirty {
    /// An item's stock or settings changed.
    pub(super) fn mark_item(&mut self, item: ItemId) {
        self.items.insert(item);
    }

    /// A bundle must be computed anew.
    pub(super) fn mark_bundle(&mut self, bundle: BundleId) {
        self.bundles.insert(bundle);
    }

    /// The bundle cannot be computed before the levels of this item have been read.
    pub(super) fn wait_for(&mut self, item: ItemId, bundle: BundleId) {
        self.waiting.entry(item).or_default().insert(bundle);
    }

    /// The levels of this item have been read.
    pub(super) fn became_certain(&mut self, item: ItemId) {
        self.bundles
            .extend(self.waiting.remove(&item).unwrap_or_default());
    }

    /// The bundle is not to be written before `until`.
    pub(super) fn postpone(&mut self, until: Timestamp, bundle: BundleId) {
        self.postponed.insert((until, bundle));
    }

    /// When the next postponed bundle is to be looked at again.
    #[must_use]
    pub(super) fn next_postponed(&self) -> Option<Timestamp> {
        self.postponed.first().map(|(until, _)| *until)
    }

    /// Whether something is to be computed now.
    #[must_use]
    pub(super) fn has_work(&self, now: Timestamp) -> bool {
        let due = self.next_postponed().is_some_and(|until| until <= now);
        due || !self.items.is_empty() || !self.bundles.is_empty()
    }

    /// A bound from above on how many bundles are to be computed, or wait to be: one that is both, or whose items changed too, is
    /// counted for each; to tell them apart would cost every commit a look at all of them.
    #[must_use]
    pub(super) fn count(&self) -> usize {
        self.items.len()
            + self.bundles.len()
            + self.waiting.values().map(BTreeSet::len).sum::<usize>()
    }

    /// The next bundle to compute, and no longer dirty.
    pub(super) fn pop(&mut self, book: &BundleBook, now: Timestamp) -> Option<BundleId> {
        while let Some((until, bundle)) = self.postponed.first().copied() {
            if until > now {
                break;
            }
            self.postponed.pop_first();
            self.bundles.insert(bundle);
        }
        for item in std::mem::take(&mut self.items) {
            self.bundles.extend(book.parents_of(item));
            self.bundles
                .extend(book.by_item(item).map(|bundle| bundle.id));
        }
        self.bundles.pop_first()
    }
}
