//! The wanted levels of bundles, computed at the moment of writing and compared with what is there (D9).

use crate::clock::Timestamp;
use crate::domain::bundle::{Bundle, Stock, Wanted, wanted_levels};
use crate::domain::call::{Setting, WRITE_ENTRIES_MAX, Write};
use crate::domain::store::state::StoreState;
use crate::ids::{BundleId, ItemId, LocationId};

/// How many bundles one plan looks at, so that a turn stays short.
const BUNDLES_PER_PLAN_MAX: usize = 1_000;

/// What a bundle needs to be right.
#[derive(Debug)]
enum Computed {
    /// It is right, or nothing can be written.
    Settled,
    /// These levels must be read first.
    Waits(ItemId),
    /// Someone else keeps changing a level back: left alone until then.
    Fought(Timestamp),
    Differs(Vec<Setting>),
    /// It has no level yet where it should have stock.
    Lacks {
        location: LocationId,
        available: i64,
    },
}

impl StoreState {
    /// Gathers the bundle levels that differ into one compare-and-set; `None` when every bundle looked at is right.
    pub(super) fn build_setting(&mut self, now: Timestamp) -> Option<Write> {
        let mut entries = Vec::new();
        let entries_max = self.write_limit.min(WRITE_ENTRIES_MAX);
        for _ in 0..BUNDLES_PER_PLAN_MAX {
            let Some(id) = self.dirty.pop(&self.bundles, now) else {
                break;
            };
            match self.compute(id, now) {
                Computed::Settled => {}
                Computed::Waits(item) => self.dirty.wait_for(item, id),
                Computed::Fought(until) => self.dirty.postpone(until, id),
                Computed::Differs(settings) => {
                    if !entries.is_empty() && entries.len() + settings.len() > entries_max {
                        self.dirty.mark_bundle(id);
                        break;
                    }
                    if settings.len() > entries_max {
                        // The rest follows when these are done.
                        self.dirty.mark_bundle(id);
                    }
                    entries.extend(settings.into_iter().take(entries_max));
                }
                Computed::Lacks {
                    location,
                    available,
                } => {
                    self.dirty.mark_bundle(id);
                    if entries.is_empty() {
                        let item = self.bundles.get(id).map(|bundle| bundle.item)?;
                        return Some(Write::Activate {
                            item,
                            location,
                            available,
                        });
                    }
                    break;
                }
            }
        }
        for entry in &entries {
            self.breaker
                .wrote(entry.item, entry.location, entry.quantity, now);
        }
        (!entries.is_empty()).then_some(Write::Set(entries))
    }

    fn compute(&self, id: BundleId, now: Timestamp) -> Computed {
        let Some(bundle) = self.bundles.get(id).filter(|bundle| !bundle.deleted) else {
            return Computed::Settled;
        };
        let Some(needs) = self.bundles.limiting_needs(id) else {
            return Computed::Settled;
        };
        let own = self.stock.item(bundle.item);
        if own.is_none_or(|own| own.gone || own.unusable || own.composite || !own.tracked) {
            return Computed::Settled;
        }
        let mut inputs = needs.keys().copied().chain([bundle.item]);
        if let Some(unsure) = inputs.find(|item| !self.stock.is_certain(*item)) {
            return Computed::Waits(unsure);
        }
        let locations = self.active_locations();
        let level = |item, location| self.stock_at(item, location);
        let safety = &self.policy.safety_stock;
        match wanted_levels(bundle, needs, &locations, &level, safety) {
            Wanted::Unlimited => Computed::Settled,
            Wanted::Levels(levels) => self.compare(bundle, &levels, now),
        }
    }

    fn compare(&self, bundle: &Bundle, wanted: &[(LocationId, i64)], now: Timestamp) -> Computed {
        let own = self.stock.levels(bundle.item);
        let mut settings = Vec::new();
        let mut lacks = None;
        let mut fought = None;
        for (location, quantity) in wanted.iter().copied() {
            let Some(level) = own.and_then(|levels| levels.get(&location)) else {
                match self.breaker.open_until(bundle.item, location, now) {
                    Some(until) => fought = Some(Computed::Fought(until)),
                    None if quantity > 0 && lacks.is_none() => {
                        lacks = Some(Computed::Lacks {
                            location,
                            available: quantity,
                        });
                    }
                    None => {}
                }
                continue;
            };
            let Some(change_from) = level.available.filter(|available| *available != quantity)
            else {
                continue;
            };
            match self.breaker.open_until(bundle.item, location, now) {
                Some(until) => fought = Some(Computed::Fought(until)),
                None => settings.push(Setting {
                    item: bundle.item,
                    location,
                    quantity,
                    change_from,
                }),
            }
        }
        if settings.is_empty() {
            lacks.or(fought).unwrap_or(Computed::Settled)
        } else {
            Computed::Differs(settings)
        }
    }

    /// What a location has of an item, as the formula sees it.
    pub(super) fn stock_at(&self, item: ItemId, location: LocationId) -> Option<Stock> {
        let record = self.stock.item(item)?;
        if !record.tracked || record.sells_when_out {
            return (!record.gone).then_some(Stock::Unlimited);
        }
        let level = self.stock.levels(item)?.get(&location)?;
        Some(level.available.map_or(Stock::Unlimited, Stock::Units))
    }
}
