//! What shoppers, merchants, other apps and admins do, as chance has it.

use storekeeper::domain::call::Meter;
use storekeeper::domain::fact::Restock;
use storekeeper::ids::{BundleId, ItemId, LineId, OrderId};

use crate::merchant::{Save, Wish, doubt_ms};
use crate::reference::{Counted, KeptBack, Part};
use crate::run::{Event, Run};

/// Something somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Sell,
    Refund,
    Cancel,
    AddLine,
    GrowLine,
    ShrinkLine,
    SendUnits,
    Reroute,
    Pay,
    KeepBack,
    EditLevel,
    ConnectLevel,
    SaveBundle,
    DeleteBundle,
    Deadly,
    Letters,
    SweepNow,
    // Of eventful stores.
    Tracking,
    SellingOn,
    DeleteItem,
    Disconnect,
    OpenLocation,
    DeleteOrder,
    // Of unsettled stores.
    Reinstall,
    Pause,
    // Of crowded stores.
    Crowd,
}

const USUAL: [(i64, Deed); 17] = [
    (40, Deed::Sell),
    (12, Deed::Refund),
    (5, Deed::Cancel),
    (4, Deed::AddLine),
    (3, Deed::GrowLine),
    (5, Deed::ShrinkLine),
    (10, Deed::SendUnits),
    (8, Deed::Reroute),
    (8, Deed::Pay),
    (3, Deed::KeepBack),
    (14, Deed::EditLevel),
    (3, Deed::ConnectLevel),
    (5, Deed::SaveBundle),
    (1, Deed::DeleteBundle),
    (2, Deed::Deadly),
    (3, Deed::Letters),
    (5, Deed::SweepNow),
];
const EVENTFUL: [(i64, Deed); 6] = [
    (4, Deed::Tracking),
    (5, Deed::SellingOn),
    (2, Deed::DeleteItem),
    (4, Deed::Disconnect),
    (3, Deed::OpenLocation),
    (3, Deed::DeleteOrder),
];
const UNSETTLED: [(i64, Deed); 2] = [(6, Deed::Reinstall), (5, Deed::Pause)];
const CROWDED: [(i64, Deed); 1] = [(25, Deed::Crowd)];

/// Of so many installations the process dies before the keeper is told, in a thousand.
const INSTALLER_DIES: i64 = 400;
/// Nobody installs an app again sooner; the server knows the platform's clock to a second only, milliseconds.
const REINSTALL_MS: i64 = 5_000;

impl Run {
    /// The bundles that a merchant defines at first.
    pub(crate) fn open_bundles(&mut self, index: usize) {
        let items = self.site(index).shop.item_ids();
        let count = usize::try_from(self.site(index).plan.bundles).unwrap_or(1);
        for item in items.into_iter().rev().take(count) {
            let bundle = BundleId(self.chance.uuid());
            let save = self.draw_bundle(index, bundle, item);
            self.site(index).merchant.bundles.push(save.clone());
            let after_ms = self.chance.between(0, 3_000);
            self.wish(index, Wish::Save(save), after_ms);
        }
    }

    /// A bundle of items before its own, so that none can contain itself.
    fn draw_bundle(&mut self, index: usize, bundle: BundleId, item: ItemId) -> Save {
        let items = self.site(index).shop.item_ids();
        let before: Vec<ItemId> = items.into_iter().filter(|other| *other < item).collect();
        let mut parts: Vec<Part> = Vec::new();
        for _ in 0..self.chance.between(1, 3) {
            let Some(item) = self.chance.pick(&before) else {
                continue;
            };
            if parts.iter().all(|part| part.item != item) {
                parts.push(Part {
                    item,
                    units: self.chance.between(1, 3),
                    optional: self.chance.hits(100),
                });
            }
        }
        let modes = [
            (6, Counted::PerLocation),
            (2, Counted::Pooled),
            (2, Counted::FirstOnly),
        ];
        let counted = self.chance.weighted(&modes);
        let cap = self.chance.hits(150).then(|| self.chance.between(0, 20));
        Save {
            bundle,
            replaces: false,
            item,
            counted: counted.unwrap_or(Counted::PerLocation),
            cap,
            parts,
        }
    }

    /// Something happens at the platform.
    pub(crate) fn act(&mut self, index: usize) {
        if self.cleared {
            return;
        }
        // What happens within the same second is the hardest to tell apart.
        let deeds = if self.chance.hits(200) {
            self.chance.between(2, 4)
        } else {
            1
        };
        for _ in 0..deeds {
            let now = self.now;
            self.site(index).shop.live_until(now);
            let Some(deed) = self.draw_deed(index) else {
                continue;
            };
            let store = self.site(index).store;
            self.say(|| format!("store {store}: {deed:?}"));
            self.do_deed(index, deed);
            self.tell(index);
        }
    }

    fn draw_deed(&mut self, index: usize) -> Option<Deed> {
        let plan = &self.site(index).plan;
        let mut deeds = USUAL.to_vec();
        if plan.eventful {
            deeds.extend(EVENTFUL);
        }
        if plan.unsettled && !plan.unswept {
            deeds.extend(UNSETTLED);
        }
        if plan.crowded {
            deeds.extend(CROWDED);
        }
        self.chance.weighted(&deeds)
    }

    fn do_deed(&mut self, index: usize, deed: Deed) {
        match deed {
            Deed::Sell => self.sell(index),
            Deed::Refund
            | Deed::Cancel
            | Deed::AddLine
            | Deed::GrowLine
            | Deed::ShrinkLine
            | Deed::SendUnits
            | Deed::Reroute
            | Deed::Pay
            | Deed::DeleteOrder => self.change_order(index, deed),
            Deed::EditLevel | Deed::Disconnect => self.change_level(index, deed),
            Deed::ConnectLevel | Deed::Tracking | Deed::SellingOn | Deed::DeleteItem => {
                self.change_item(index, deed);
            }
            Deed::KeepBack => self.keep_back(index),
            Deed::SaveBundle | Deed::DeleteBundle => self.change_bundle(index, deed),
            Deed::Deadly => self.site(index).shop.emit_deadly(),
            Deed::Letters => self.handle_letter(index),
            Deed::SweepNow => {
                if !self.site(index).plan.unswept {
                    self.wish(index, Wish::Sweep, 0);
                }
            }
            Deed::OpenLocation => {
                if self.site(index).shop.active_locations().len() < 4 {
                    self.site(index).shop.open_location();
                }
            }
            Deed::Reinstall => self.reinstall(index),
            Deed::Pause => self.pause(index),
            Deed::Crowd => {
                let cost = self.chance.between(1, 30);
                self.site(index).shop.crowd(Meter::Rest, cost);
                self.site(index).shop.crowd(Meter::Graphql, cost * 50);
            }
        }
    }

    fn sell(&mut self, index: usize) {
        let site = self.site(index);
        let since_ms = site.shop.time().millis_since(site.merchant.last_change);
        if since_ms < doubt_ms(&site.plan) {
            return;
        }
        let items = site.shop.item_ids();
        let routing_ms = site.plan.routing_ms;
        let bundles: Vec<ItemId> = site.merchant.bundles.iter().map(|save| save.item).collect();
        let locations = site.shop.active_locations();
        let mut wanted = Vec::new();
        for _ in 0..self.chance.between(1, 3) {
            let from = if self.chance.hits(600) {
                &bundles
            } else {
                &items
            };
            let Some(item) = self.chance.pick(from) else {
                continue;
            };
            let place = usize::try_from(self.chance.between(0, 3)).unwrap_or(0);
            wanted.push((item, self.chance.between(1, 4), place));
        }
        let till = if self.chance.hits(150) {
            self.chance.pick(&locations)
        } else {
            None
        };
        let unrouted = self.site(index).plan.unrouted;
        let paid = self.chance.hits(600);
        if till.is_none() && self.chance.hits(unrouted) {
            self.site(index).shop.sell_unrouted(&wanted, paid);
            return;
        }
        let routing_ms = self.chance.between(0, routing_ms);
        self.site(index)
            .shop
            .sell(&wanted, till, (routing_ms, paid));
        self.at(routing_ms, Event::Route(index));
    }

    fn change_order(&mut self, index: usize, deed: Deed) {
        let Some((order, line, left)) = self.draw_line(index) else {
            return;
        };
        let units = self.chance.between(1, left.max(1));
        let locations = self.site(index).shop.active_locations();
        let Some(location) = self.chance.pick(&locations) else {
            return;
        };
        let restocks = [
            (3, Restock::None),
            (5, Restock::Cancel),
            (4, Restock::Return),
        ];
        let restock = self.chance.weighted(&restocks).unwrap_or(Restock::None);
        let coin = self.chance.hits(600);
        let shop = &self.site(index).shop;
        let items = shop.item_ids();
        let item = self.chance.pick(&items);
        let place = usize::try_from(self.chance.between(0, 3)).unwrap_or(0);
        let shop = &mut self.site(index).shop;
        match (deed, item) {
            (Deed::Refund, _) => shop.refund(order, (line, units), restock, location),
            (Deed::Cancel, _) => shop.cancel(order, coin),
            (Deed::AddLine, Some(item)) => shop.edit_adding(order, item, units, place),
            (Deed::GrowLine, _) => shop.edit_growing(order, line, units),
            (Deed::ShrinkLine, _) => shop.edit_removing(order, line, units, coin),
            (Deed::SendUnits, _) => shop.send(order, line, units),
            (Deed::Pay, _) => shop.pay(order),
            (Deed::Reroute, _) => shop.reroute(order, line, units, location),
            (_, _) => shop.delete_order(order),
        }
    }

    fn draw_line(&mut self, index: usize) -> Option<(OrderId, LineId, i64)> {
        let mut orders = self.site(index).shop.order_ids();
        // Mostly what is recent changes.
        if self.chance.hits(500) {
            orders = orders.split_off(orders.len().saturating_sub(3));
        }
        let order = self.chance.pick(&orders)?;
        let lines = self.site(index).shop.lines_of(order);
        let (line, left) = self.chance.pick(&lines)?;
        Some((order, line, left))
    }

    fn change_level(&mut self, index: usize, deed: Deed) {
        let places = self.site(index).shop.places();
        let Some(place) = self.chance.pick(&places) else {
            return;
        };
        let delta = self.chance.between(-8, 12);
        let shop = &mut self.site(index).shop;
        if deed == Deed::Disconnect {
            shop.disconnect(place);
        } else {
            shop.edit_level(place, delta);
        }
    }

    fn change_item(&mut self, index: usize, deed: Deed) {
        let items = self.site(index).shop.item_ids();
        let locations = self.site(index).shop.active_locations();
        let (item, location) = (self.chance.pick(&items), self.chance.pick(&locations));
        let (Some(item), Some(location)) = (item, location) else {
            return;
        };
        let available = self.chance.between(0, 30);
        let shop = &mut self.site(index).shop;
        if deed == Deed::ConnectLevel {
            shop.connect((item, location), available);
        } else if deed == Deed::Tracking {
            shop.toggle_tracking(item);
        } else if deed == Deed::SellingOn {
            shop.toggle_selling_on(item);
        } else {
            shop.delete_item(item);
        }
    }

    fn keep_back(&mut self, index: usize) {
        let items = self.site(index).shop.item_ids();
        let item = self.chance.pick(&items).filter(|_| self.chance.hits(500));
        let kept_back = KeptBack {
            usual: self.chance.between(0, 4),
            but: item.map(|item| (item, self.chance.between(0, 9))),
        };
        self.wish(index, Wish::KeepBack(kept_back), 0);
    }

    fn change_bundle(&mut self, index: usize, deed: Deed) {
        let bundles = self.site(index).merchant.bundles.clone();
        let Some(save) = self.chance.pick(&bundles) else {
            return;
        };
        if deed == Deed::DeleteBundle {
            self.wish(index, Wish::Delete(save.bundle), 0);
            return;
        }
        let is_new = self.chance.hits(150);
        let bundle = if is_new {
            BundleId(self.chance.uuid())
        } else {
            save.bundle
        };
        let next = Save {
            replaces: !is_new,
            ..self.draw_bundle(index, bundle, save.item)
        };
        if is_new {
            self.site(index).merchant.bundles.push(next.clone());
        }
        self.wish(index, Wish::Save(next), 0);
    }

    fn handle_letter(&mut self, index: usize) {
        let letters: Vec<_> = self
            .site(index)
            .tables
            .dead
            .values()
            .map(|(letter, _)| (letter.id, letter.seq))
            .collect();
        let Some((id, seq)) = self.chance.pick(&letters) else {
            return;
        };
        let wish = if self.chance.hits(600) {
            Wish::RetryLetter(id, seq)
        } else {
            Wish::DiscardLetter(id)
        };
        self.wish(index, wish, 0);
    }

    fn reinstall(&mut self, index: usize) {
        let now = self.now;
        let site = self.site(index);
        if site.shop.installed {
            site.shop.uninstall();
            site.merchant.uninstalled_at = now;
            return;
        }
        if now.millis_since(site.merchant.uninstalled_at) < REINSTALL_MS {
            return;
        }
        site.shop.installed = true;
        site.tables.installed_at = now;
        if self.chance.hits(INSTALLER_DIES) {
            // The process dies with the store's row written, and nobody tells the keeper.
            self.crash_all();
        } else {
            self.wish(index, Wish::Renew, 0);
        }
    }

    fn pause(&mut self, index: usize) {
        let is_last_word = self.cleared;
        let merchant = &mut self.site(index).merchant;
        if merchant.unanswered() > 0 && !is_last_word {
            // Who wants to pause and to resume at once gets either.
            return;
        }
        merchant.has_paused = !merchant.has_paused;
        let wish = if merchant.has_paused {
            Wish::Pause
        } else {
            Wish::Resume
        };
        self.wish(index, wish, 0);
    }

    /// What people had stopped goes on.
    pub(crate) fn set_right(&mut self, index: usize) {
        if !self.site(index).shop.installed {
            self.reinstall(index);
        }
    }

    pub(crate) fn sweep_once_more(&mut self) {
        for index in 0..self.sites.len() {
            self.set_right(index);
            if self.site(index).merchant.has_paused {
                self.pause(index);
            }
            let site = self.site(index);
            let never_swept = site.tables.keeper.memo.sweep.orders_until.is_none();
            if !site.plan.unswept || never_swept {
                self.wish(index, Wish::Sweep, 0);
            }
        }
    }
}
