//! Requests of merchants and admins: sent until they are answered, each under one key.

use std::collections::BTreeMap;

use storekeeper::clock::Timestamp;
use storekeeper::domain::bundle::{Mode, SafetyStock};
use storekeeper::domain::store::change::{Change, IdempotentReply};
use storekeeper::domain::store::command::{BundleDraft, Command, DraftComponent};
use storekeeper::domain::store::outcome::Reply;
use storekeeper::domain::store::{ConsumeOn, StorePolicy};
use storekeeper::ids::{BundleId, DeadLetterId, ItemId};

use crate::host::{Decided, Definition, Host, Keeper};
use crate::plan::StorePlan;
use crate::reference::{Counted, KeptBack, Part, Version};
use crate::run::{Event, Run};

/// A request without an answer is sent again after this, milliseconds.
const ASK_AGAIN_MS: i64 = 12_000;
/// No sale and no change of a recipe come closer together than this, so that nobody can be in doubt which was first:
/// two seconds of clock difference that the server ignores, a second of resolution on either side, milliseconds.
const DOUBT_MS: i64 = 4_500;
/// The same while the server may only know the platform's clock from an answer that was long under way.
const DOUBT_SKEWED_MS: i64 = 50_000;

/// What is asked of a store.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Save(Save),
    Delete(BundleId),
    KeepBack(KeptBack),
    Pause,
    Resume,
    Sweep,
    RetryLetter(DeadLetterId, Option<i64>),
    DiscardLetter(DeadLetterId),
    /// The store was given a new token.
    Renew,
}

/// A bundle to be saved.
#[derive(Clone, Debug)]
pub(crate) struct Save {
    pub(crate) bundle: BundleId,
    pub(crate) replaces: bool,
    pub(crate) item: ItemId,
    pub(crate) counted: Counted,
    pub(crate) cap: Option<i64>,
    pub(crate) parts: Vec<Part>,
}

/// A request.
#[derive(Clone, Debug)]
struct Request {
    wish: Wish,
    arrived_at: Timestamp,
    is_done: bool,
}

/// Everybody who asks something of a store.
#[derive(Debug, Default)]
pub(crate) struct Merchant {
    requests: BTreeMap<u64, Request>,
    /// Bundles that were asked for, with what they were to be.
    pub(crate) bundles: Vec<Save>,
    /// When a recipe was changed last, or may have been; platform time.
    pub(crate) last_change: Timestamp,
    pub(crate) has_paused: bool,
    pub(crate) uninstalled_at: Timestamp,
}

impl Merchant {
    /// Requests that were not answered.
    pub(crate) fn unanswered(&self) -> usize {
        let open = self.requests.values().filter(|request| !request.is_done);
        open.count()
    }
}

impl Run {
    /// Somebody asks something, in so many milliseconds.
    pub(crate) fn wish(&mut self, index: usize, wish: Wish, after_ms: i64) {
        let ticket = self.number();
        let request = Request {
            wish,
            arrived_at: self.now,
            is_done: false,
        };
        self.site(index).merchant.requests.insert(ticket, request);
        self.at(after_ms, Event::Ask(index, ticket));
    }

    /// A request comes to the store's door.
    pub(crate) fn ask(&mut self, index: usize, ticket: u64) {
        let now = self.now;
        let is_down = self.down_until > now;
        let site = self.site(index);
        let Some(request) = site.merchant.requests.get_mut(&ticket) else {
            return;
        };
        if request.is_done {
            return;
        }
        request.arrived_at = now;
        let slot = &mut site.host.slot;
        let waits = slot.waiting.contains(&ticket) || slot.deferred.contains(&ticket);
        if !waits && !is_down {
            slot.waiting.push_back(ticket);
        }
        let epoch = site.host.epoch;
        self.wake_at(index, epoch, now);
        self.at(ASK_AGAIN_MS, Event::Ask(index, ticket));
    }

    pub(crate) fn request_answered(&mut self, index: usize, ticket: u64) {
        if let Some(request) = self.site(index).merchant.requests.get_mut(&ticket) {
            request.is_done = true;
        }
    }

    /// Decides a request, unless it was before, or cannot be now.
    pub(crate) fn decide_request(
        &mut self,
        index: usize,
        (host, keeper): (&mut Host, &mut Keeper),
        ticket: u64,
        decided: &mut Decided,
    ) {
        let now = self.now;
        let key = format!("request-{ticket}");
        let site = self.site(index);
        site.shop.live_until(now);
        let consume_on = site.plan.consume_on;
        let Some(request) = site.merchant.requests.get(&ticket).cloned() else {
            return;
        };
        if decided.replies_to(&key) || site.tables.replies.contains_key(&key) {
            decided.after.answered.push(ticket);
            return;
        }
        if self.must_wait(index, &request.wish) {
            return;
        }
        if self.is_settled(index, &request.wish, decided) {
            decided.after.answered.push(ticket);
            return;
        }
        let reply = keeper.state.apply(now, command_of(&request, consume_on));
        self.say(|| format!("request {:?} -> {reply:?}", request.wish));
        let status = if reply.is_ok() { 200 } else { 422 };
        if let Ok(outcome) = reply {
            if decided.absorb(outcome) == Reply::Waiting {
                host.slot.deferred.push(ticket);
                return;
            }
            self.define(index, &request.wish, decided);
        }
        let body = String::new();
        decided
            .changes
            .put(Change::PutIdempotentReply(IdempotentReply {
                key,
                digest: String::new(),
                status,
                body,
                at: now,
            }));
        decided.after.answered.push(ticket);
    }

    /// Whether a recipe would change too close to a sale; it is asked again later.
    fn must_wait(&mut self, index: usize, wish: &Wish) -> bool {
        let site = self.site(index);
        let since_ms = site.shop.time().millis_since(site.shop.last_sale);
        match wish {
            Wish::Save(_) | Wish::Delete(_) => since_ms < doubt_ms(&site.plan),
            Wish::KeepBack(_)
            | Wish::Pause
            | Wish::Resume
            | Wish::Sweep
            | Wish::RetryLetter(..)
            | Wish::DiscardLetter(_)
            | Wish::Renew => false,
        }
    }

    /// Whether it is about a dead letter that is not there any more.
    fn is_settled(&mut self, index: usize, wish: &Wish, decided: &Decided) -> bool {
        match wish {
            Wish::RetryLetter(id, _) | Wish::DiscardLetter(id) => {
                decided.settles(*id) || !self.site(index).tables.dead.contains_key(id)
            }
            Wish::Save(_)
            | Wish::Delete(_)
            | Wish::KeepBack(_)
            | Wish::Pause
            | Wish::Resume
            | Wish::Sweep
            | Wish::Renew => false,
        }
    }

    /// What the reference is to know, should this be committed.
    fn define(&mut self, index: usize, wish: &Wish, decided: &mut Decided) {
        let site = self.site(index);
        let from = site.shop.time();
        match wish {
            Wish::Save(save) => {
                site.merchant.last_change = from;
                decided.defined.push(Definition::Saved(Version {
                    bundle: save.bundle,
                    item: save.item,
                    counted: save.counted,
                    cap: save.cap,
                    parts: save.parts.clone(),
                    from,
                    to: None,
                }));
            }
            Wish::Delete(bundle) => {
                site.merchant.last_change = from;
                decided.defined.push(Definition::Deleted(*bundle, from));
            }
            Wish::KeepBack(kept_back) => decided.defined.push(Definition::KeptBack(*kept_back)),
            Wish::Pause
            | Wish::Resume
            | Wish::Sweep
            | Wish::RetryLetter(..)
            | Wish::DiscardLetter(_)
            | Wish::Renew => {}
        }
    }
}

/// How far sales and changes of recipes are kept apart, milliseconds.
pub(crate) const fn doubt_ms(plan: &StorePlan) -> i64 {
    if plan.ahead_ms == 0 {
        DOUBT_MS
    } else {
        DOUBT_SKEWED_MS
    }
}

fn command_of(request: &Request, consume_on: ConsumeOn) -> Command {
    match &request.wish {
        Wish::Save(save) => Command::PutBundle(draft_of(save, request.arrived_at)),
        Wish::Delete(bundle) => Command::DeleteBundle {
            id: *bundle,
            seen: None,
        },
        Wish::KeepBack(kept_back) => Command::PutPolicy {
            policy: Box::new(StorePolicy {
                consume_on,
                safety_stock: SafetyStock {
                    usual: kept_back.usual,
                    items: kept_back.but.into_iter().collect(),
                },
            }),
            seen: None,
        },
        Wish::Pause => Command::Pause {
            reason: "by an admin".to_owned(),
        },
        Wish::Resume => Command::Resume,
        Wish::Sweep => Command::ReconcileNow,
        Wish::RetryLetter(id, seq) => Command::RetryDeadLetter {
            id: *id,
            seq: *seq,
            edit: None,
        },
        Wish::DiscardLetter(id) => Command::DiscardDeadLetter(*id),
        Wish::Renew => Command::TokenRenewed,
    }
}

fn draft_of(save: &Save, arrived_at: Timestamp) -> BundleDraft {
    let component = |part: &Part| DraftComponent {
        item: part.item,
        quantity: part.units,
        optional: part.optional,
    };
    BundleDraft {
        id: save.bundle,
        replaces: save.replaces,
        title: "kit".to_owned(),
        item: save.item,
        mode: match save.counted {
            Counted::PerLocation => Mode::ShipTogether,
            Counted::Pooled => Mode::Pooled,
            Counted::FirstOnly => Mode::SingleLocation,
        },
        cap: save.cap,
        components: save.parts.iter().map(component).collect(),
        seen: None,
        arrived_at,
    }
}
