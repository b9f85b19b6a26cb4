//! What a store shows of itself: to its keeper's observers, to readers, and to intake.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::domain::bundle::Bundle;
use crate::domain::interest::Interest;
use crate::domain::store::observation::{Observation, Wait, WaitKind, WaitingCall};
use crate::domain::store::patience::Kind;
use crate::domain::store::plan::Want;
use crate::domain::store::state::{Pause, StoreState};
use crate::ids::{ItemId, LocationId};

/// An item as readers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafView {
    pub item: ItemId,
    /// Not tracked, or sold on when out: limits nothing.
    pub unlimited: bool,
    /// `None`: not tracked.
    pub levels: BTreeMap<LocationId, Option<i64>>,
}

/// A bundle as readers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleView {
    pub bundle: Bundle,
    /// Leaf components that limit it, with units in one bundle.
    pub limiting_needs: BTreeMap<ItemId, i64>,
}

impl StoreState {
    /// Which ids concern this store (D10): every bundle that ever was, and every item that was ever in one. What is
    /// frozen in an order line was in a recipe, so it is among them.
    #[must_use]
    pub fn interest(&self) -> Interest {
        let mut interest = Interest::default();
        for (item, variant, product) in self.bundles.components_ever() {
            interest.insert_item(item);
            interest.insert_variant(variant);
            interest.insert_product(product);
        }
        interest
    }

    /// What readers see of an item: its own levels and settings.
    #[must_use]
    pub fn leaf(&self, item: ItemId) -> Option<LeafView> {
        let record = self.stock.item(item).filter(|record| !record.gone)?;
        let levels = self.stock.levels(item).into_iter().flatten();
        Some(LeafView {
            item,
            unlimited: !record.tracked || record.sells_when_out,
            levels: levels
                .map(|(location, level)| (*location, level.available))
                .collect(),
        })
    }

    /// Every item that readers may ask for.
    pub fn leaves(&self) -> impl Iterator<Item = LeafView> {
        self.stock
            .page_after(None, usize::MAX)
            .into_iter()
            .filter_map(|item| self.leaf(item))
    }

    /// The live bundles, with what limits them.
    #[must_use]
    pub fn bundle_views(&self) -> Vec<BundleView> {
        let view = |bundle: &Bundle| BundleView {
            bundle: bundle.clone(),
            limiting_needs: self
                .bundles
                .limiting_needs(bundle.id)
                .cloned()
                .unwrap_or_default(),
        };
        self.bundles.live().map(view).collect()
    }

    /// What the keeper shows of itself.
    #[must_use]
    pub fn observation(&self, now: Timestamp) -> Observation {
        let live = self.bundles.live().count();
        let offers = self.offers(now);
        Observation {
            store: self.store,
            at: now,
            cursor: self.counts.taken.cursor(),
            taken: self.counts.taken.count(),
            applied: self.counts.applied,
            naked: self.counts.naked,
            parked: i64::try_from(self.lanes.len()).unwrap_or(i64::MAX),
            dead: self.counts.dead,
            bundles: live,
            dirty_bundles: self.dirty.count().min(live),
            unsettled_orders: self.ledger.unsettled_count(),
            unsure_levels: self.stock.unread_count() + self.items_wanted.len(),
            open_calls: self.open_calls.len(),
            contested_levels: self.breaker.open_levels(now).count(),
            contested_until: self
                .breaker
                .open_levels(now)
                .map(|(_, _, until)| until)
                .max(),
            buckets: self.buckets.views(),
            waiting: offers
                .iter()
                .map(|(want, at)| self.waiting(*want, *at))
                .collect(),
            made: self.buckets.made(),
            paused: self.paused.clone(),
            last_sweep_at: self.sweep_memo.finished_at,
            waits_for: self.waits_for(&offers, now),
        }
    }

    /// What only a call can bring forward, as people see it.
    fn waiting(&self, want: Want, at: Timestamp) -> WaitingCall {
        let (meter, cost) = want.price();
        let kind = want.kind();
        let count = match kind {
            Kind::Resend => self.open_calls.len(),
            Kind::Items => self.items_wanted.len(),
            Kind::Adjust => self.ledger.unsettled_count(),
            Kind::Levels => self.stock.unread_count(),
            Kind::Set => self.dirty.count().min(self.bundles.live().count()),
            Kind::Locations
            | Kind::Order
            | Kind::Stranger
            | Kind::Part
            | Kind::Assignments
            | Kind::Sweep => 1,
        };
        WaitingCall {
            kind,
            count: count.max(1),
            meter,
            cost,
            at,
        }
    }

    fn waits_for(&self, offers: &[(Want, Timestamp)], now: Timestamp) -> Option<Wait> {
        if let Some(pause) = &self.paused {
            return Some(Wait {
                kind: WaitKind::Person,
                reason: pause_reason(pause),
                until: None,
            });
        }
        if self.backoff.until > now {
            let reason = self
                .backoff
                .reason
                .clone()
                .unwrap_or_else(|| "the platform does not answer".to_owned());
            return Some(Wait {
                kind: WaitKind::BackOff,
                reason,
                until: Some(self.backoff.until),
            });
        }
        if self.in_flight.is_some() {
            return Some(Wait {
                kind: WaitKind::Answer,
                reason: "an answer of the platform".to_owned(),
                until: None,
            });
        }
        let until = self.next_deadline(now)?;
        let (kind, reason) = self.reason_until(until, offers, now);
        Some(Wait {
            kind,
            reason: reason.to_owned(),
            until: Some(until),
        })
    }

    /// What comes at this instant, the next one at which anything does.
    fn reason_until(
        &self,
        until: Timestamp,
        offers: &[(Want, Timestamp)],
        now: Timestamp,
    ) -> (WaitKind, &'static str) {
        if offers.iter().any(|(_, at)| *at == until) {
            return if until > now {
                (WaitKind::Tokens, "tokens of the platform's rate limit")
            } else {
                (WaitKind::Call, "its turn")
            };
        }
        let until = Some(until);
        if self.ledger.next_postponed(now) == until {
            (WaitKind::Order, "an order, to be asked about again")
        } else if self.stock.next_read_at() == until {
            (WaitKind::Item, "an item, to be asked about again")
        } else if self.dirty.next_postponed() == until {
            (
                WaitKind::Contested,
                "to write a level again that somebody else keeps changing back",
            )
        } else if self.locations_due_at(now) == until {
            (WaitKind::Locations, "the locations, to be read again")
        } else if self.next_parked_at(now) == until {
            (WaitKind::Parked, "a parked webhook, to be tried again")
        } else {
            (WaitKind::Schedule, "the next sweep or retry")
        }
    }
}

fn pause_reason(pause: &Pause) -> String {
    match pause {
        Pause::ByAdmin { reason } => format!("an admin to resume it: {reason}"),
        Pause::Barred(bar) => format!("a person: the platform refuses every call ({})", bar.name()),
        Pause::Uninstalled => "the merchant to install the app again".to_owned(),
    }
}
