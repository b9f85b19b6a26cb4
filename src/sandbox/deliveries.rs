//! Owns the way of a webhook: waiting for its moment, its frozen body, its
//! signature and headers, the attempt, and what follows from the answer.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
};
use uuid::Uuid;

use super::{
    bodies,
    clock::Moment,
    oracle::{Answer, WebhookSent},
    platform::Platform,
    sending::{self, Signed},
    shop::{Emission, Shop, Subject},
    subscriptions::Subscription,
};

/// Platform seconds between attempts: doubling, four hours in all.
const RETRY_DELAYS_S: [u64; 8] = [56, 113, 226, 452, 904, 1_807, 3_615, 7_228];
/// Retries after the first attempt.
pub(super) const RETRIES_MAX: u32 = 8;
/// Most deliveries waiting at one time.
const WAITING_MAX: usize = 2_000_000;
/// Deliveries remembered per shop for replay bursts.
const DELIVERED_MAX: usize = 1_000;
/// Equal trimmed bodies within this much platform time are sent once.
const DEBOUNCE_MS: i64 = 60_000;
/// Digests remembered for debouncing, per subscription of the sandbox.
const DEBOUNCED_MAX: usize = 10_000;

/// One webhook to one subscription.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) domain: Arc<str>,
    pub(super) webhook_id: Uuid,
    pub(super) emission: Emission,
    pub(super) subscription: i64,
    pub(super) address: String,
    pub(super) name: Option<String>,
    pub(super) fields: Vec<String>,
    pub(super) api_version: String,
    /// Frozen at the first attempt.
    pub(super) body: Option<Bytes>,
    /// Attempts made so far.
    pub(super) attempts: u32,
    pub(super) duplicate: bool,
}

impl Delivery {
    pub(super) fn new(
        domain: &str,
        webhook_id: Uuid,
        emission: Emission,
        subscription: &Subscription,
    ) -> Self {
        Self {
            domain: Arc::from(domain),
            webhook_id,
            emission,
            subscription: subscription.id,
            address: subscription.address.clone(),
            name: subscription.name.clone(),
            fields: subscription.fields.clone(),
            api_version: subscription.api_version.clone(),
            body: None,
            attempts: 0,
            duplicate: false,
        }
    }

    /// The same delivery once more, as a fault sends it.
    pub(super) fn again(&self) -> Self {
        Self {
            attempts: 0,
            duplicate: true,
            ..self.clone()
        }
    }

    /// Builds the body now, unless it is frozen already.
    pub(super) fn freeze(&mut self, shop: &Shop) {
        if self.body.is_none() {
            let built = body_of(shop, &self.emission.subject);
            let trimmed = trim(built.unwrap_or(Value::Null), &self.fields);
            self.body = Some(Bytes::from(trimmed.to_string()));
        }
    }

    /// Writes the attempt into the oracle: the answer and the wall
    /// milliseconds it took.
    pub(super) fn log(&self, shop: &mut Shop, now: Moment, (answer, took_ms): (Answer, u64)) {
        shop.log.webhook(WebhookSent {
            at: now,
            webhook_id: self.webhook_id,
            event_id: self.emission.event_id,
            topic: self.emission.topic.to_owned(),
            triggered_at: self.emission.triggered_at,
            attempt: self.attempts,
            duplicate: self.duplicate,
            resource: self.emission.subject.resource(),
            answer,
            took_ms,
        });
    }
}

/// The body a subject has at this moment.
fn body_of(shop: &Shop, subject: &Subject) -> Option<Value> {
    match subject {
        Subject::Order(id) => Some(bodies::order(shop, shop.orders.get(id)?)),
        Subject::Refund { order, refund } => {
            let order = shop.orders.get(order)?;
            let found = order.refunds.iter().find(|made| made.id == *refund)?;
            Some(bodies::refund(order, found))
        }
        Subject::Product(id) => Some(bodies::product(shop, shop.catalog.products.get(id)?)),
        Subject::Item(id) => Some(bodies::item(shop.catalog.items.get(id)?)),
        Subject::Level(key) => bodies::level(shop, *key),
        Subject::Fixed(_, body) => Some(body.clone()),
    }
}

/// Whether the subject belongs to an order placed as a test.
fn is_of_test_order(shop: &Shop, subject: &Subject) -> bool {
    match subject {
        Subject::Order(order) | Subject::Refund { order, .. } => {
            shop.orders.get(order).is_some_and(|found| found.test)
        }
        Subject::Product(_) | Subject::Item(_) | Subject::Level(_) | Subject::Fixed(_, _) => false,
    }
}

/// Keeps only the fields a subscription asked for, when it asked for any.
fn trim(body: Value, fields: &[String]) -> Value {
    let Value::Object(mut all) = body else {
        return body;
    };
    if !fields.is_empty() {
        let wanted: Vec<&str> = fields
            .iter()
            .filter_map(|field| field.split('.').next())
            .collect();
        all.retain(|name, _| wanted.contains(&name.as_str()));
    }
    Value::Object(all)
}

/// A delivery waiting for its moment; the earliest is the greatest.
#[derive(Debug)]
struct Waiting {
    due_ns: u64,
    turn: u64,
    delivery: Box<Delivery>,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due_ns, other.turn).cmp(&(self.due_ns, self.turn))
    }
}

/// All deliveries that are not finished.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<(BinaryHeap<Waiting>, u64)>,
    bell: Notify,
    pending: AtomicUsize,
    settled: Notify,
    recent: Mutex<BTreeMap<i64, VecDeque<(Moment, Bytes)>>>,
}

enum Next {
    Now(Box<Delivery>),
    In(Duration),
    Nothing,
}

impl Queue {
    /// False when the queue is full.
    pub(super) fn push(&self, due_ns: u64, delivery: Delivery) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.0.len() >= WAITING_MAX {
            return false;
        }
        waiting.1 += 1;
        let turn = waiting.1;
        let delivery = Box::new(delivery);
        waiting.0.push(Waiting {
            due_ns,
            turn,
            delivery,
        });
        drop(waiting);
        self.pending.fetch_add(1, SeqCst);
        self.bell.notify_one();
        true
    }

    /// Deliveries waiting, being sent or to be retried.
    pub(super) fn pending(&self) -> usize {
        self.pending.load(SeqCst)
    }

    /// Returns once nothing is pending.
    pub(super) async fn settle(&self) {
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if self.pending() == 0 {
                return;
            }
            settled.await;
        }
    }

    /// Everything that waits is due at once, in the order it was due.
    pub(super) fn hurry(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest_last = std::mem::take(&mut waiting.0).into_sorted_vec();
        for mut found in earliest_last.into_iter().rev() {
            waiting.1 += 1;
            found.due_ns = 0;
            found.turn = waiting.1;
            waiting.0.push(found);
        }
        drop(waiting);
        self.bell.notify_one();
    }

    fn next(&self, now_ns: u64) -> Next {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = waiting.0.peek() else {
            return Next::Nothing;
        };
        match first.due_ns.checked_sub(now_ns) {
            Some(left) if left > 0 => Next::In(Duration::from_nanos(left)),
            Some(_) | None => waiting
                .0
                .pop()
                .map_or(Next::Nothing, |due| Next::Now(due.delivery)),
        }
    }

    fn finish(&self) {
        if self.pending.fetch_sub(1, SeqCst) == 1 {
            self.settled.notify_waiters();
        }
    }

    /// Whether an equal trimmed body went to this subscription just before.
    fn is_repeated(&self, now: Moment, delivery: &Delivery, body: &Bytes) -> bool {
        if delivery.fields.is_empty() || delivery.attempts > 0 || delivery.duplicate {
            return false;
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = recent.entry(delivery.subscription).or_default();
        let alive = |at: &Moment| now < at.plus_ms(DEBOUNCE_MS);
        while sent.front().is_some_and(|(at, _)| !alive(at)) || sent.len() > DEBOUNCED_MAX {
            sent.pop_front();
        }
        if sent.iter().any(|(_, other)| other == body) {
            return true;
        }
        sent.push_back((now, body.clone()));
        false
    }
}

/// Sends what is due until it is aborted.
pub(super) async fn dispatch(platform: Arc<Platform>) {
    let permits = Arc::new(Semaphore::new(platform.options.sends_max.max(1)));
    let mut sends = JoinSet::new();
    loop {
        while sends.try_join_next().is_some() {}
        match platform.queue.next(platform.clock.wall_ns()) {
            Next::Now(delivery) => {
                let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                    return;
                };
                let platform = Arc::clone(&platform);
                sends.spawn(async move {
                    platform.attempt(*delivery).await;
                    platform.queue.finish();
                    drop(permit);
                });
            }
            Next::In(delay) => {
                let rung = tokio::time::timeout(delay, platform.queue.bell.notified());
                let early = rung.await.is_ok();
                tracing::trace!(early, "delivery queue woke");
            }
            Next::Nothing => platform.queue.bell.notified().await,
        }
    }
}

impl Platform {
    /// One attempt at a delivery and what follows from it.
    async fn attempt(&self, mut delivery: Delivery) {
        let signed = match self.prepare(&mut delivery) {
            Ok(signed) => signed,
            Err(answer) => {
                let now = self.clock.now();
                self.look(&delivery.domain, |shop| {
                    delivery.log(shop, now, (answer, 0));
                });
                return;
            }
        };
        let first = delivery.attempts == 0 && !delivery.duplicate;
        let hangs = first && self.chance.per_mille(self.faults().webhooks.hang_per_mille);
        delivery.attempts += 1;
        let began_ns = self.clock.wall_ns();
        let answer = if hangs {
            sending::hang(&delivery.address, &signed).await
        } else {
            sending::send(&self.client, &delivery.address, signed).await
        };
        let took_ms = self.clock.wall_ns().saturating_sub(began_ns) / 1_000_000;
        self.conclude(delivery, answer, took_ms);
    }

    /// Freezes the body and signs it; or why it is not sent at all.
    fn prepare(&self, delivery: &mut Delivery) -> Result<Signed, Answer> {
        let now = self.clock.now();
        let domain = Arc::clone(&delivery.domain);
        let prepared = self.look(&domain, |shop| {
            let alive = shop.subscriptions.contains_key(&delivery.subscription);
            if !alive && delivery.emission.topic != "app/uninstalled" {
                return Err(Answer::Unsubscribed);
            }
            delivery.freeze(shop);
            let body = delivery.body.clone().unwrap_or_default();
            if self.queue.is_repeated(now, delivery, &body) {
                return Err(Answer::Debounced);
            }
            let of_test = is_of_test_order(shop, &delivery.emission.subject);
            Ok((body, shop.signing_secret().to_owned(), of_test))
        });
        let (body, secret, of_test) = prepared.unwrap_or(Err(Answer::Unsubscribed))?;
        let faults = self.faults();
        let omit = self
            .chance
            .per_mille(faults.webhooks.omit_optional_per_mille);
        let wrong = self
            .chance
            .per_mille(faults.webhooks.wrong_version_per_mille);
        let mut headers = sending::headers(delivery, omit, wrong);
        if of_test {
            headers.push(("X-Shopify-Test", "true".to_owned()));
        }
        Ok(Signed::new(headers, body, &secret))
    }

    fn conclude(&self, delivery: Delivery, answer: Answer, took_ms: u64) {
        let succeeded =
            matches!(answer, Answer::Status { status, .. } if (200..300).contains(&status));
        let now = self.clock.now();
        let retries = delivery.attempts.saturating_sub(1);
        let delay_s = usize::try_from(retries)
            .ok()
            .and_then(|index| RETRY_DELAYS_S.get(index).copied());
        self.look(&delivery.domain, |shop| {
            delivery.log(shop, now, (answer, took_ms));
            if succeeded {
                shop.note_success(delivery.subscription);
                if shop.delivered.len() >= DELIVERED_MAX {
                    shop.delivered.pop_front();
                }
                shop.delivered.push_back(delivery.clone());
            } else {
                shop.note_failure(delivery.subscription, delay_s.is_none());
            }
        });
        match (succeeded, delay_s) {
            (true, _) => self.perhaps_duplicate(&delivery),
            (false, Some(delay_s)) => self.schedule(delivery, self.jittered_ms(delay_s)),
            (false, None) => {}
        }
    }

    fn perhaps_duplicate(&self, delivery: &Delivery) {
        let faults = self.faults();
        if !delivery.duplicate && self.chance.per_mille(faults.webhooks.duplicate_per_mille) {
            let delay_ms = self.chance.up_to(faults.webhooks.reorder_window_ms);
            self.schedule(delivery.again(), delay_ms);
        }
    }

    /// Within a tenth of so many seconds, in milliseconds.
    fn jittered_ms(&self, delay_s: u64) -> u64 {
        delay_s * 900 + self.chance.up_to(delay_s * 200)
    }
}
