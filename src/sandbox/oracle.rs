//! Owns the oracle: the log of everything that happened in one shop, from
//! which tests and the drift reference judge the server under test.

use serde::Serialize;
use uuid::Uuid;

use super::{clock::Moment, ids::LevelKey, levels::StockState, refunds::RestockType};

/// Most entries kept of each kind; later ones are counted, not kept.
const ENTRIES_MAX: usize = 1_000_000;

/// The log of one shop. Every list is in the order of time.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Log {
    /// Every change of a level.
    pub levels: Vec<LevelChange>,
    /// Units taken or given back by orders, for untracked items too.
    pub movements: Vec<Movement>,
    /// Every webhook that was sent or lost, attempt by attempt.
    pub webhooks: Vec<WebhookSent>,
    /// Every call received.
    pub calls: Vec<CallReceived>,
    /// Every write that carried an idempotency key.
    pub effects: Vec<Effect>,
    /// Entries that no longer fitted; a judge must refuse a log with any.
    pub truncated: u64,
}

/// Why a level changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// The level was made with this stock.
    Initial,
    /// An order line was sold (or added by an edit).
    Sale(OrderLine),
    /// A refund gave units back, or released committed ones.
    Refund {
        /// The refunded line.
        #[serde(flatten)]
        line: OrderLine,
        /// Refund id.
        refund: i64,
        /// What the refund said about stock.
        restock_type: RestockType,
    },
    /// An order was cancelled without giving the units back.
    Cancel(OrderLine),
    /// A line was handed to the carrier.
    Fulfil(OrderLine),
    /// A line's fulfilment moved to another location.
    Move(OrderLine),
    /// A merchant or another app changed the stock.
    OutsideEdit {
        /// Who.
        by: Outsider,
    },
    /// Our app wrote it through the Admin API.
    ApiWrite {
        /// The idempotency key, where one was given.
        key: Option<String>,
        /// Request id of the call.
        request_id: String,
    },
}

/// One line of one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OrderLine {
    /// Order id.
    pub order: i64,
    /// Line item id.
    pub line: i64,
    /// When the order was made, as its `created_at` says (whole seconds).
    pub ordered_at: Moment,
}

/// Who changed stock from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outsider {
    /// The merchant, through the control route.
    Merchant,
    /// The editor fault, between our read and our write.
    Editor,
    /// The fighting app.
    FightingApp,
}

/// A change of one quantity of one level.
#[derive(Debug, Clone, Serialize)]
pub struct LevelChange {
    /// Platform time.
    pub at: Moment,
    /// Which level.
    #[serde(flatten)]
    pub key: LevelKey,
    /// Which quantity.
    pub state: StockState,
    /// By how many units.
    pub delta: i64,
    /// What it is afterwards.
    pub after: i64,
    /// Why.
    pub cause: Cause,
}

/// Units an order took (negative) or gave back (positive).
#[derive(Debug, Clone, Serialize)]
pub struct Movement {
    /// Platform time.
    pub at: Moment,
    /// Whose units.
    #[serde(flatten)]
    pub key: LevelKey,
    /// Units; negative when sold.
    pub delta: i64,
    /// The line they belong to.
    #[serde(flatten)]
    pub line: OrderLine,
}

/// One attempt at one delivery.
#[derive(Debug, Clone, Serialize)]
pub struct WebhookSent {
    /// Platform time.
    pub at: Moment,
    /// `X-Shopify-Webhook-Id`.
    pub webhook_id: Uuid,
    /// `X-Shopify-Event-Id`.
    pub event_id: Uuid,
    /// Topic, slash form.
    pub topic: String,
    /// When the change happened, platform time.
    pub triggered_at: Moment,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Whether a fault sent it again after it had succeeded.
    pub duplicate: bool,
    /// The resource it speaks of: order, product or item id.
    pub resource: i64,
    /// What came of it.
    pub answer: Answer,
    /// Wall milliseconds the receiver took.
    pub took_ms: u64,
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The receiver answered.
    Status {
        /// HTTP status.
        status: u16,
        /// The first bytes of its body, as text.
        body: String,
    },
    /// No answer: refused, cut or late.
    Failed {
        /// Why.
        reason: String,
    },
    /// Never sent: the drop fault.
    Dropped,
    /// Never sent: equal to the one before, after trimming to the fields asked for.
    Debounced,
    /// Never sent: the subscription was deleted meanwhile.
    Unsubscribed,
}

/// One call of an app.
#[derive(Debug, Clone, Serialize)]
pub struct CallReceived {
    /// Platform time.
    pub at: Moment,
    /// Wall nanoseconds since the sandbox started.
    pub wall_ns: u64,
    /// `X-Request-Id` of the answer.
    pub request_id: String,
    /// `GET`, `POST`, …
    pub method: String,
    /// Path below the version.
    pub path: String,
    /// Root fields of the GraphQL document, joined by a comma.
    pub operation: String,
    /// HTTP status of the answer.
    pub status: u16,
    /// Units in the bucket after the call.
    pub bucket_used: u64,
    /// Size of the bucket.
    pub bucket_size: u64,
    /// GraphQL points asked for; 1 for REST.
    pub requested: u64,
    /// GraphQL points spent; 1 for REST.
    pub actual: u64,
    /// Refused because the bucket was full, by the caller's own fault.
    pub throttled: bool,
    /// The fault injected into this call, if any.
    pub fault: Option<&'static str>,
}

/// A write that carried an idempotency key.
#[derive(Debug, Clone, Serialize)]
pub struct Effect {
    /// Platform time.
    pub at: Moment,
    /// The key.
    pub key: String,
    /// The mutation.
    pub mutation: String,
    /// Request id of the call.
    pub request_id: String,
    /// What the platform did with it.
    pub outcome: EffectOutcome,
}

/// What a keyed write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectOutcome {
    /// It was carried out.
    Applied,
    /// It was known and not carried out again.
    Replayed,
    /// It was refused with user errors.
    Refused,
}

impl Log {
    pub(super) fn level(&mut self, change: LevelChange) {
        push(&mut self.levels, change, &mut self.truncated);
    }

    pub(super) fn movement(&mut self, movement: Movement) {
        push(&mut self.movements, movement, &mut self.truncated);
    }

    pub(super) fn webhook(&mut self, sent: WebhookSent) {
        push(&mut self.webhooks, sent, &mut self.truncated);
    }

    pub(super) fn call(&mut self, call: CallReceived) {
        push(&mut self.calls, call, &mut self.truncated);
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        push(&mut self.effects, effect, &mut self.truncated);
    }
}

fn push<T>(entries: &mut Vec<T>, entry: T, truncated: &mut u64) {
    if entries.len() < ENTRIES_MAX {
        entries.push(entry);
    } else {
        *truncated += 1;
    }
}
