//! Owns one shop: all its state, and how a change becomes emissions. It knows
//! no network, no lock and no clock: the action brings the moment along.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    bulk::BulkOperation,
    catalog::Catalog,
    clock::Moment,
    deliveries::Delivery,
    faults::Quirks,
    idempotency::Keys,
    ids::{Ids, Kind, LevelKey},
    levels::Level,
    options::{Plan, ShopRequest},
    oracle::Log,
    order::Order,
    rate::LeakyBucket,
    reference::Standing,
    subscriptions::Subscription,
    tokens::Tokens,
};

/// One change of one shop by one cause: what it emits shares the event id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Action {
    pub(super) now: Moment,
    pub(super) event_id: Uuid,
    pub(super) quirks: Quirks,
}

/// What a webhook speaks of. Its body is built from this when it is sent.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    Order(i64),
    Refund {
        order: i64,
        refund: i64,
    },
    Product(i64),
    Item(i64),
    Level(LevelKey),
    /// The resource's id and a body that cannot change.
    Fixed(i64, Value),
}

impl Subject {
    /// The id of the resource it speaks of.
    pub(super) const fn resource(&self) -> i64 {
        match self {
            Self::Order(id) | Self::Product(id) | Self::Item(id) | Self::Fixed(id, _) => *id,
            Self::Refund { order, .. } => *order,
            Self::Level(key) => key.item,
        }
    }
}

/// Something subscribers are to be told.
#[derive(Debug, Clone)]
pub(super) struct Emission {
    pub(super) topic: &'static str,
    pub(super) subject: Subject,
    pub(super) event_id: Uuid,
    pub(super) triggered_at: Moment,
}

/// Why the platform refused, in the words of its HTTP answer.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) errors: Value,
}

impl Refused {
    pub(super) fn not_found() -> Self {
        Self::with(404, "Not Found")
    }

    /// 422 with one plain text.
    pub(super) fn unprocessable(text: &str) -> Self {
        Self {
            status: 422,
            errors: json!([text]),
        }
    }

    /// 422 with a text about one field.
    pub(super) fn field(name: &str, text: &str) -> Self {
        Self {
            status: 422,
            errors: json!({ name: [text] }),
        }
    }

    pub(super) fn with(status: u16, text: &str) -> Self {
        Self {
            status,
            errors: json!(text),
        }
    }
}

/// A secret that signs webhooks.
#[derive(Clone)]
pub(super) struct Secret {
    pub(super) text: String,
    pub(super) revoked: bool,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Secret")
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}

/// One merchant's shop.
#[derive(Debug)]
pub(super) struct Shop {
    pub(super) id: i64,
    pub(super) domain: String,
    pub(super) plan: Plan,
    pub(super) frozen: bool,
    pub(super) created_at: Moment,
    pub(super) ids: Ids,
    pub(super) catalog: Catalog,
    pub(super) levels: BTreeMap<LevelKey, Level>,
    pub(super) orders: BTreeMap<i64, Order>,
    pub(super) subscriptions: BTreeMap<i64, Subscription>,
    pub(super) bulk: BTreeMap<i64, BulkOperation>,
    pub(super) tokens: Tokens,
    pub(super) secrets: Vec<Secret>,
    pub(super) keys: Keys,
    pub(super) rest_bucket: LeakyBucket,
    pub(super) graphql_bucket: LeakyBucket,
    pub(super) log: Log,
    /// Levels whose `available` changed in the running action.
    pub(super) touched: BTreeSet<LevelKey>,
    /// What the running action has to say, taken by the platform afterwards.
    pub(super) emissions: Vec<Emission>,
    /// The last deliveries that succeeded, for replay bursts.
    pub(super) delivered: VecDeque<Delivery>,
    /// How often the fighting app has struck, per item.
    pub(super) fights: BTreeMap<i64, u32>,
}

impl Shop {
    pub(super) fn open(number: i64, now: Moment, request: &ShopRequest) -> Self {
        let mut ids = Ids::of_shop(number);
        let (rest_size, rest_leak) = request.plan.rest_limit();
        let (points, restored) = request.plan.graphql_limit();
        Self {
            id: ids.next(Kind::Shop),
            domain: request.domain.clone(),
            plan: request.plan,
            frozen: false,
            created_at: now,
            ids,
            catalog: Catalog::default(),
            levels: BTreeMap::new(),
            orders: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            bulk: BTreeMap::new(),
            tokens: Tokens::new(request.token_ttl_s),
            secrets: Vec::new(),
            keys: Keys::default(),
            rest_bucket: LeakyBucket::new(rest_size, rest_leak),
            graphql_bucket: LeakyBucket::new(points, restored),
            log: Log::default(),
            touched: BTreeSet::new(),
            emissions: Vec::new(),
            delivered: VecDeque::new(),
            fights: BTreeMap::new(),
        }
    }

    /// Notes that subscribers of the topic are to be told.
    pub(super) fn emit(&mut self, action: Action, topic: &'static str, subject: Subject) {
        let earlier = i64::try_from(self.emissions.len()).unwrap_or(0);
        self.emissions.push(Emission {
            topic,
            subject,
            event_id: action.event_id,
            triggered_at: action.now.plus_nanos(earlier),
        });
    }

    /// Whether the platform keeps stock of the item.
    pub(super) fn is_tracked(&self, item: i64) -> bool {
        self.catalog
            .items
            .get(&item)
            .is_some_and(|found| found.tracked)
    }

    /// The secret that signs now: the oldest that is not revoked.
    pub(super) fn signing_secret(&self) -> &str {
        let secret = self.secrets.iter().find(|secret| !secret.revoked);
        secret.map_or("", |found| found.text.as_str())
    }

    /// Revokes the oldest live secret, unless it is the last.
    pub(super) fn revoke_oldest_secret(&mut self) -> bool {
        let live = self.secrets.iter().filter(|secret| !secret.revoked).count();
        if live < 2 {
            return false;
        }
        if let Some(oldest) = self.secrets.iter_mut().find(|secret| !secret.revoked) {
            oldest.revoked = true;
        }
        true
    }

    /// The merchant removes the app: tokens die first, then it is told.
    pub(super) fn uninstall(&mut self, action: Action) {
        self.tokens.revoke_all();
        let body = super::bodies::shop(self);
        self.emit(action, "app/uninstalled", Subject::Fixed(self.id, body));
    }

    /// What follows an uninstall: the app has no subscriptions any more.
    pub(super) fn forget_subscriptions(&mut self) {
        self.subscriptions.clear();
    }

    /// What the drift reference compares with.
    pub(super) fn standing(&self) -> Standing {
        let items = self.catalog.items.values();
        let untracked = items.filter(|item| !item.tracked).map(|item| item.id);
        let variants = self.catalog.variants.values();
        let continued = variants.filter(|variant| variant.continue_selling);
        let places = self.catalog.locations.values();
        let levels = self.levels.iter();
        Standing {
            available: levels.map(|(key, level)| (*key, level.available)).collect(),
            untracked: untracked.collect(),
            continued: continued.map(|variant| variant.item).collect(),
            locations: places
                .filter(|place| place.active)
                .map(|place| place.id)
                .collect(),
        }
    }
}
