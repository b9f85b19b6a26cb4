//! What is known of items and of their levels, and which levels must be read before anything is computed from them.
//!
//! A level learnt from a webhook may be late, and one learnt from a read may be overtaken. Freshness decides: older
//! never overwrites newer, and an equal stamp with another value is read anew (the platform's stamps have a resolution
//! of one second). Facts: an `inventory_levels/update` names no author, reason or delta.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::domain::call::Setting;
use crate::domain::fact::{ItemSnapshot, LevelSnapshot, ProductSnapshot};
use crate::domain::store::change::{Change, Changes, ItemRecord, LevelRecord};
use crate::ids::{ItemId, LocationId, ProductId, VariantId};

/// After this many reads in a row that are older than what we believe, the read is believed: our stamp must be wrong.
const STALE_READS_MAX: u32 = 3;
/// How long after a read that was older than what we believe the next one waits, milliseconds.
const STALE_READ_DELAY_MS: i64 = 1_000;

/// What a reported level told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelSeen {
    /// Nothing new: an echo of our own write, a repetition, or older than what is known.
    Cold,
    /// The level changed, or must be read anew.
    Hot,
}

/// Items and levels of one store.
#[derive(Debug, Default)]
pub struct StockBook {
    items: BTreeMap<ItemId, ItemRecord>,
    levels: BTreeMap<ItemId, BTreeMap<LocationId, LevelRecord>>,
    by_variant: BTreeMap<VariantId, ItemId>,
    by_product: BTreeMap<ProductId, BTreeSet<ItemId>>,
    /// Items whose levels must be read, and not before when.
    unread: BTreeMap<ItemId, Timestamp>,
    /// Items of the read that is under way; `true` when a webhook changed one meanwhile.
    reading: BTreeMap<ItemId, bool>,
    stale_reads: BTreeMap<ItemId, u32>,
}

impl StockBook {
    /// Rebuilds the book from its rows. An item with an unsure level, or with none, is to be read.
    #[must_use]
    pub fn restore(items: Vec<ItemRecord>, levels: Vec<LevelRecord>) -> Self {
        let mut book = Self::default();
        for level in levels {
            if level.unsure {
                book.unread.insert(level.item, Timestamp::EPOCH);
            }
            book.levels
                .entry(level.item)
                .or_default()
                .insert(level.location, level);
        }
        for item in items {
            if !item.gone && !book.levels.contains_key(&item.item) {
                book.unread.insert(item.item, Timestamp::EPOCH);
            }
            book.index(item);
        }
        book
    }

    /// What is known of an item.
    #[must_use]
    pub fn item(&self, item: ItemId) -> Option<&ItemRecord> {
        self.items.get(&item)
    }

    /// The item of a variant.
    #[must_use]
    pub fn item_of(&self, variant: VariantId) -> Option<ItemId> {
        self.by_variant.get(&variant).copied()
    }

    /// The items of a product.
    pub fn items_of(&self, product: ProductId) -> impl Iterator<Item = ItemId> {
        self.by_product.get(&product).into_iter().flatten().copied()
    }

    /// Every item's levels as known.
    #[must_use]
    pub fn levels(&self, item: ItemId) -> Option<&BTreeMap<LocationId, LevelRecord>> {
        self.levels.get(&item)
    }

    /// Whether the levels of an item can be computed with.
    #[must_use]
    pub fn is_certain(&self, item: ItemId) -> bool {
        self.items.contains_key(&item) && !self.unread.contains_key(&item)
    }

    /// How many items wait to be read.
    #[must_use]
    pub fn unread_count(&self) -> usize {
        self.unread.len()
    }

    /// The earliest instant at which an item may be read; `None` when all is certain.
    #[must_use]
    pub fn next_read_at(&self) -> Option<Timestamp> {
        self.unread.values().min().copied()
    }

    /// Items whose levels are to be read now, at most `limit`.
    #[must_use]
    pub fn to_read(&self, now: Timestamp, limit: usize) -> Vec<ItemId> {
        self.unread
            .iter()
            .filter(|(_, not_before)| **not_before <= now)
            .map(|(item, _)| *item)
            .take(limit)
            .collect()
    }

    /// Items that take part in levels, in ascending order, after `after`: a page of the sweep.
    #[must_use]
    pub fn page_after(&self, after: Option<ItemId>, limit: usize) -> Vec<ItemId> {
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.items
            .range((from, std::ops::Bound::Unbounded))
            .filter(|(_, record)| !record.gone)
            .map(|(item, _)| *item)
            .take(limit)
            .collect()
    }

    /// The levels of this item could not be read: left alone until then.
    pub fn postpone_read(&mut self, item: ItemId, until: Timestamp) {
        if let Some(not_before) = self.unread.get_mut(&item) {
            *not_before = until;
        }
    }

    /// Marks an item's levels as to be read, from `not_before` on.
    pub fn mark_unread(&mut self, item: ItemId, not_before: Timestamp, changes: &mut Changes) {
        if self.items.get(&item).is_none_or(|record| record.gone) {
            return;
        }
        if let Some(raced) = self.reading.get_mut(&item) {
            *raced = true;
        }
        self.unread.insert(item, not_before);
        for level in self
            .levels
            .entry(item)
            .or_default()
            .values_mut()
            .filter(|level| !level.unsure)
        {
            level.unsure = true;
            changes.put(Change::PutLevel(*level));
        }
    }

    /// Takes in a level that a webhook reports.
    pub fn see_level(&mut self, seen: LevelSnapshot, changes: &mut Changes) -> LevelSeen {
        if self.items.get(&seen.item).is_none_or(|record| record.gone) {
            return LevelSeen::Cold;
        }
        let certain = self.is_certain(seen.item);
        let known = self
            .levels
            .get(&seen.item)
            .and_then(|levels| levels.get(&seen.location))
            .copied();
        match known {
            Some(level) if level.available == seen.available && certain => {
                if seen.updated_at > level.stamp {
                    self.put_level(seen, false, changes);
                }
                LevelSeen::Cold
            }
            Some(level) if seen.updated_at < level.stamp => LevelSeen::Cold,
            Some(level)
                if seen.updated_at > level.stamp
                    && certain
                    && !self.reading.contains_key(&seen.item) =>
            {
                self.put_level(seen, false, changes);
                LevelSeen::Hot
            }
            // An equal stamp with another value, a level never seen, or one that is to be read anyway.
            Some(_) | None => {
                self.mark_unread(seen.item, Timestamp::EPOCH, changes);
                LevelSeen::Hot
            }
        }
    }

    /// A read of these items is under way.
    pub fn start_reading(&mut self, items: &[ItemId]) {
        self.reading = items.iter().map(|item| (*item, false)).collect();
    }

    /// The read that was under way brought nothing.
    pub fn abandon_reading(&mut self) {
        self.reading.clear();
    }

    /// Takes in a read: `levels` are all there are of `items`. Returns the items whose levels changed.
    pub fn finish_reading(
        &mut self,
        items: &[ItemId],
        levels: &[LevelSnapshot],
        now: Timestamp,
        changes: &mut Changes,
    ) -> Vec<ItemId> {
        let raced = std::mem::take(&mut self.reading);
        let mut changed = Vec::new();
        for item in items {
            let of_item = levels
                .iter()
                .filter(|level| level.item == *item)
                .copied()
                .collect::<Vec<_>>();
            if self.replace_levels(*item, &of_item, now, changes) {
                changed.push(*item);
            }
            if raced.get(item).copied().unwrap_or(false) {
                self.mark_unread(*item, now, changes);
            }
        }
        changed
    }

    /// Takes over what a read says of one item; returns whether anything is different now.
    fn replace_levels(
        &mut self,
        item: ItemId,
        read: &[LevelSnapshot],
        now: Timestamp,
        changes: &mut Changes,
    ) -> bool {
        if self.items.get(&item).is_some_and(|record| record.gone) {
            // Deleted while the read was under way.
            return false;
        }
        if self.is_stale_read(item, read) {
            self.unread
                .insert(item, now.plus_millis(STALE_READ_DELAY_MS));
            return false;
        }
        let was_certain = self.is_certain(item);
        self.unread.remove(&item);
        let before = self.levels.remove(&item).unwrap_or_default();
        for location in before
            .keys()
            .filter(|location| !read.iter().any(|level| level.location == **location))
        {
            changes.put(Change::DeleteLevel(item, *location));
        }
        for level in read {
            let known = before.get(&level.location);
            if known.is_some_and(|known| {
                !known.unsure
                    && known.available == level.available
                    && known.stamp == level.updated_at
            }) {
                self.levels
                    .entry(item)
                    .or_default()
                    .insert(level.location, record_of(*level));
            } else {
                self.put_level(*level, false, changes);
            }
        }
        // An item without levels is known to have none.
        let after = self.levels.entry(item).or_default();
        !was_certain || values(&before) != values(after)
    }

    /// Whether a read is older than what we know; gives in after a few of them.
    fn is_stale_read(&mut self, item: ItemId, read: &[LevelSnapshot]) -> bool {
        let known = self.levels.get(&item);
        let stale = read.iter().any(|level| {
            known
                .and_then(|levels| levels.get(&level.location))
                .is_some_and(|known| level.updated_at < known.stamp)
        });
        let count = self.stale_reads.entry(item).or_default();
        *count = if stale { *count + 1 } else { 0 };
        let believed = *count > STALE_READS_MAX;
        if !stale || believed {
            self.stale_reads.remove(&item);
        }
        stale && !believed
    }

    /// Our own write took effect. When the level changed while it was under way, or the answer was to a repetition,
    /// nobody knows what is there now: it is read.
    pub fn wrote(
        &mut self,
        written: Setting,
        at: Option<Timestamp>,
        repeated: bool,
        changes: &mut Changes,
    ) {
        let Setting {
            item,
            location,
            quantity,
            change_from,
        } = written;
        let known = self
            .levels
            .get(&item)
            .and_then(|levels| levels.get(&location))
            .copied();
        if self.items.get(&item).is_some_and(|record| record.gone) {
            // Deleted while the write was under way.
            return;
        }
        let overtaken = known.is_some_and(|level| level.available != Some(change_from));
        if repeated || overtaken {
            self.mark_unread(item, Timestamp::EPOCH, changes);
            return;
        }
        let stamp = known.map(|level| level.stamp).unwrap_or_default();
        let level = LevelSnapshot {
            item,
            location,
            available: Some(quantity),
            updated_at: at.map_or(stamp, |at| at.floor_to_second().max(stamp)),
        };
        let unsure = known.is_some_and(|level| level.unsure);
        self.put_level(level, unsure, changes);
    }

    /// Takes in an item's settings; what the source does not tell stays. Returns whether anything changed.
    pub fn see_item(&mut self, seen: &ItemSnapshot, changes: &mut Changes) -> bool {
        let known = self.items.get(&seen.item).copied();
        let base = known.unwrap_or(ItemRecord {
            item: seen.item,
            variant: None,
            product: None,
            tracked: true,
            sells_when_out: false,
            composite: false,
            gone: false,
            unusable: false,
        });
        let next = ItemRecord {
            item: seen.item,
            variant: seen.variant.or(base.variant),
            product: seen.product.or(base.product),
            tracked: seen.tracked.unwrap_or(base.tracked),
            sells_when_out: seen.sells_when_out.unwrap_or(base.sells_when_out),
            composite: seen.composite.unwrap_or(base.composite),
            gone: false,
            unusable: base.unusable,
        };
        if known == Some(next) {
            return false;
        }
        self.put_item(next, changes);
        if known.is_none_or(|known| known.gone || known.tracked != next.tracked) {
            self.mark_unread(next.item, Timestamp::EPOCH, changes);
        }
        true
    }

    /// Whether an item's settings are told otherwise than they are known.
    #[must_use]
    pub fn differs(&self, seen: &ItemSnapshot) -> bool {
        self.items.get(&seen.item).is_some_and(|known| {
            known.gone
                || seen.tracked.is_some_and(|tracked| tracked != known.tracked)
                || seen
                    .sells_when_out
                    .is_some_and(|sells| sells != known.sells_when_out)
                || seen
                    .composite
                    .is_some_and(|composite| composite != known.composite)
        })
    }

    /// The items of a product whose settings are told otherwise than they are known.
    #[must_use]
    pub fn differing(&self, product: &ProductSnapshot) -> Vec<ItemId> {
        let known = product.variants.iter().filter_map(|variant| {
            let record = self
                .item_of(variant.variant)
                .and_then(|item| self.items.get(&item))?;
            (record.sells_when_out != variant.sells_when_out && !record.gone).then_some(record.item)
        });
        known.collect()
    }

    /// The item was deleted on the platform: a tombstone without levels stays. Returns whether that is new.
    pub fn bury(&mut self, item: ItemId, changes: &mut Changes) -> bool {
        let Some(record) = self.items.get(&item).copied().filter(|record| !record.gone) else {
            return false;
        };
        self.put_item(
            ItemRecord {
                gone: true,
                ..record
            },
            changes,
        );
        self.unread.remove(&item);
        for location in self.levels.remove(&item).unwrap_or_default().into_keys() {
            changes.put(Change::DeleteLevel(item, location));
        }
        true
    }

    /// The platform refuses to write this item; it is not tried again until its settings are read anew.
    pub fn mark_unusable(&mut self, item: ItemId, unusable: bool, changes: &mut Changes) {
        if let Some(record) = self
            .items
            .get(&item)
            .copied()
            .filter(|record| record.unusable != unusable)
        {
            self.put_item(ItemRecord { unusable, ..record }, changes);
        }
    }

    fn put_item(&mut self, record: ItemRecord, changes: &mut Changes) {
        changes.put(Change::PutItem(record));
        self.index(record);
    }

    fn index(&mut self, record: ItemRecord) {
        if let Some(variant) = record.variant {
            self.by_variant.insert(variant, record.item);
        }
        if let Some(product) = record.product {
            self.by_product
                .entry(product)
                .or_default()
                .insert(record.item);
        }
        self.items.insert(record.item, record);
    }

    fn put_level(&mut self, level: LevelSnapshot, unsure: bool, changes: &mut Changes) {
        let record = LevelRecord {
            unsure,
            ..record_of(level)
        };
        changes.put(Change::PutLevel(record));
        self.levels
            .entry(level.item)
            .or_default()
            .insert(level.location, record);
    }
}

const fn record_of(level: LevelSnapshot) -> LevelRecord {
    LevelRecord {
        item: level.item,
        location: level.location,
        available: level.available,
        stamp: level.updated_at,
        unsure: false,
    }
}

fn values(levels: &BTreeMap<LocationId, LevelRecord>) -> Vec<(LocationId, Option<i64>)> {
    levels
        .values()
        .map(|level| (level.location, level.available))
        .collect()
}
