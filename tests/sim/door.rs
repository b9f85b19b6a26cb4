//! Webhooks on their way to the door and through it: lost, late, repeated; accepted, naked, or refused and sent again.

use storekeeper::domain::fact::{Fact, RefundSnapshot};
use storekeeper::domain::interest::Mentions;

use crate::planted::Plant;
use crate::rules::Rule;
use crate::run::{Event, Run, Webhook};
use crate::shop::{Emission, Subject};
use crate::tables::{Accepted, InboxRow};

/// The longest until a webhook that was not answered 2xx is sent again, milliseconds.
const RETRY_MS_MAX: i64 = 60_000;
/// How long a planted row stays hidden, milliseconds.
const HIDDEN_MS: i64 = 3_000;

impl Run {
    /// Sends what a shop has to tell.
    pub(crate) fn tell(&mut self, index: usize) {
        for emission in self.site(index).shop.take_outbox() {
            self.post(index, &emission);
        }
    }

    fn post(&mut self, index: usize, emission: &Emission) {
        let may_lose = !self.site(index).plan.unswept;
        let is_lost = may_lose && self.chance.hits(self.weather.lost);
        let store = self.site(index).store;
        self.say(|| {
            let fate = if is_lost { "lost" } else { "sent" };
            format!(
                "store {store}: {} {:?} {fate}",
                emission.topic, emission.subject
            )
        });
        if is_lost {
            return;
        }
        let copies = 1 + i64::from(self.chance.hits(self.weather.duplicated));
        let made_late = self.chance.hits(self.weather.made_late);
        let delivery = self.number();
        for _ in 0..copies {
            let delivery = if self.chance.hits(self.weather.echoed) {
                self.number()
            } else {
                delivery
            };
            let webhook = Webhook {
                delivery,
                topic: emission.topic,
                subject: emission.subject,
                body: emission.early.clone().filter(|_| !made_late),
                triggered_at: emission.triggered_at,
                tries: 0,
            };
            let after_ms = self.chance.delay_ms(1_500, self.weather.late_ms);
            self.at(after_ms, Event::Arrive(index, Box::new(webhook)));
        }
    }

    /// A webhook comes to the door.
    pub(crate) fn arrive(&mut self, index: usize, mut webhook: Webhook) {
        let now = self.now;
        let shop = &mut self.site(index).shop;
        shop.live_until(now);
        if webhook.body.is_none() {
            webhook.body = shop.body_of(webhook.subject);
        }
        // What does not exist any more is told of by another webhook.
        let Some(body) = webhook.body.clone() else {
            return;
        };
        if self.down_until > now || self.chance.hits(self.weather.commit_fails) {
            self.post_again(index, webhook);
            return;
        }
        if self.is_naked(index, webhook.topic, &body) {
            self.site(index).host.slot.naked += 1;
            return;
        }
        let target = if self.planted == Some(Plant::WrongStore) && self.chance.hits(100) {
            (index + 1) % self.sites.len()
        } else {
            index
        };
        self.accept(target, &webhook, body);
        if self.chance.hits(self.weather.commit_fails) {
            // Accepted, and the answer did not come through.
            self.post_again(index, webhook);
        }
    }

    fn post_again(&mut self, index: usize, webhook: Webhook) {
        let after_ms = self.chance.between(1_000, RETRY_MS_MAX);
        let again = Webhook {
            tries: webhook.tries + 1,
            ..webhook
        };
        self.at(after_ms, Event::Arrive(index, Box::new(again)));
    }

    fn is_naked(&mut self, index: usize, topic: &str, body: &Fact) -> bool {
        let Some(mentions) = mentions(body) else {
            return false;
        };
        let interest = self.site(index).host.slot.interest.as_ref();
        interest.is_some_and(|interest| interest.is_naked(topic, &mentions))
    }

    fn accept(&mut self, index: usize, webhook: &Webhook, fact: Fact) {
        let (now, planted) = (self.now, self.planted);
        let row = InboxRow {
            seq: 0,
            topic: webhook.topic,
            fact,
            triggered_at: webhook.triggered_at,
            delivery: webhook.delivery,
            is_deadly: webhook.subject == Subject::Deadly,
        };
        let site = self.site(index);
        let Accepted::Fresh(seq) = site.tables.accept(row, planted) else {
            return;
        };
        site.ghost.accepted.insert(seq, webhook.delivery);
        if site
            .ghost
            .by_delivery
            .insert(webhook.delivery, seq)
            .is_some()
        {
            let delivery = webhook.delivery;
            self.fail(Rule::OneRowPerDelivery, || {
                format!("delivery {delivery} has two rows")
            });
        }
        if planted == Some(Plant::NumberBeforeRow) && self.chance.hits(50) {
            let hidden = self.site(index).tables.hide(seq);
            if let Some(row) = hidden {
                self.at(HIDDEN_MS, Event::Show(index, Box::new(row)));
            }
        }
        let doorbell_ms = self.chance.delay_ms(5, 1_000);
        let epoch = self.site(index).host.epoch;
        self.site(index).host.slot.backlog_hint = true;
        self.wake_at(index, epoch, now.plus_millis(doorbell_ms));
    }

    pub(crate) fn show_row(&mut self, index: usize, row: InboxRow) {
        let now = self.now;
        let site = self.site(index);
        site.tables.show(row);
        site.host.slot.backlog_hint = true;
        let epoch = site.host.epoch;
        self.wake_at(index, epoch, now);
    }
}

/// What a body names, when its topic may be naked at all and it names all it is about.
pub(crate) fn mentions(body: &Fact) -> Option<Mentions> {
    let mut mentions = Mentions::default();
    match body {
        Fact::Order(order) => {
            mentions.orders.push(order.order);
            for line in &order.lines {
                mentions.variants.push(line.variant?);
                mentions.products.extend(line.product);
            }
        }
        Fact::Refund(refund) => mention_refund(refund, &mut mentions)?,
        Fact::Level(level) => mentions.items.push(level.item),
        Fact::LevelGone { item, .. } | Fact::ItemGone(item) => mentions.items.push(*item),
        Fact::Item(item) => mentions.items.push(item.item),
        Fact::Product(product) => {
            mentions.products.push(product.product);
            let variants = product.variants.iter().map(|variant| variant.variant);
            mentions.variants.extend(variants);
        }
        Fact::ProductGone(product) => mentions.products.push(*product),
        Fact::OrderTouched(_)
        | Fact::PartTouched(_)
        | Fact::OrderDeleted(_)
        | Fact::LocationsTouched
        | Fact::Uninstalled
        | Fact::Unneeded
        | Fact::Naked => return None,
    }
    Some(mentions)
}

fn mention_refund(refund: &RefundSnapshot, mentions: &mut Mentions) -> Option<()> {
    mentions.orders.push(refund.order);
    for line in &refund.lines {
        mentions.variants.push(line.variant?);
    }
    Some(())
}
