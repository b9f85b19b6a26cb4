//! What the platform does when it is called: rate limit first, then the key, then the call itself.

use storekeeper::clock::Timestamp;
use storekeeper::domain::call::{
    Adjustment, Answer, Bar, Call, CallError, Cost, Meter, Read, Reply, Request, Setting,
    UserError, UserErrorCode, Write,
};
use storekeeper::domain::fact::LocationSnapshot;
use storekeeper::ids::{CallId, ItemId, LocationId, OrderId};

use super::catalog::{KeyUse, Shop};
use crate::reference::Place;

/// How long a key is remembered, milliseconds.
const KEY_LIFE_MS: i64 = 24 * 3_600 * 1_000;
/// Orders of one page.
const ORDERS_PER_PAGE: usize = 1;

/// A call that was carried out, or refused.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) answer: Answer,
    /// The rate limit refused it.
    pub(crate) throttled: bool,
    /// A write under this key took effect with this call.
    pub(crate) took_effect: bool,
}

impl Shop {
    /// Carries a call out.
    pub(crate) fn execute(&mut self, call: &Call) -> Executed {
        let meter = call.request.meter();
        let (requested, actual) = price(&call.request);
        if !self.installed {
            return self.refuse(CallError::Barred(Bar::TokenDead), false);
        }
        if let Err(wait_ms) = self.rates.charge(meter, requested, self.now) {
            let wait_ms = Some(wait_ms.max(1_000));
            return self.refuse(CallError::Throttled { wait_ms }, true);
        }
        let effects = self.effects;
        let result = match &call.request {
            Request::Write(write) => self.write(call.id, write),
            Request::Read(read) => Ok(self.read(read)),
        };
        self.rates.refund(meter, requested - actual);
        let cost = (meter == Meter::Graphql).then_some(Cost {
            requested,
            actual: Some(actual),
        });
        Executed {
            answer: Answer {
                result,
                rate: Some(self.rates.report(meter, cost)),
                platform_time: Some(self.now.floor_to_second()),
            },
            throttled: false,
            took_effect: self.effects > effects,
        }
    }

    fn refuse(&self, error: CallError, throttled: bool) -> Executed {
        Executed {
            answer: Answer {
                result: Err(error),
                rate: None,
                platform_time: Some(self.now.floor_to_second()),
            },
            throttled,
            took_effect: false,
        }
    }

    /// Another client of the same app uses up some of a rate limit.
    pub(crate) fn crowd(&mut self, meter: Meter, cost: i64) {
        let _crowded_out = self.rates.charge(meter, cost, self.now).is_err();
    }

    fn write(&mut self, key: CallId, write: &Write) -> Result<Reply, CallError> {
        let now = self.now;
        let known = self
            .keys
            .get(&key)
            .filter(|known| now.millis_since(known.at) < KEY_LIFE_MS);
        if let Some(known) = known {
            return match (known.write == *write, known.took_effect) {
                (false, _) => {
                    let code = "IDEMPOTENCY_KEY_PARAMETER_MISMATCH".to_owned();
                    Err(rejected(None, UserErrorCode::Other(code)))
                }
                (true, false) => Err(rejected(None, UserErrorCode::PreviousAttemptFailed)),
                (true, true) => Ok(Reply::Written { at: Some(known.at) }),
            };
        }
        let refusal = match write {
            Write::Adjust(entries) => self.refuse_adjustment(entries),
            Write::Set(entries) => self.refuse_setting(entries),
            Write::Activate { item, location, .. } => self.refuse_activation((*item, *location)),
        };
        let used = KeyUse {
            at: now,
            write: write.clone(),
            took_effect: refusal.is_none(),
        };
        self.keys.insert(key, used);
        match refusal {
            Some(refusal) => Err(refusal),
            None => {
                self.effects += 1;
                self.take_effect(write);
                Ok(Reply::Written { at: Some(now) })
            }
        }
    }

    fn take_effect(&mut self, write: &Write) {
        match write {
            Write::Adjust(entries) => {
                for entry in entries {
                    self.shift((entry.item, entry.location), entry.delta);
                }
            }
            Write::Set(entries) => {
                for entry in entries {
                    let place = (entry.item, entry.location);
                    self.shift(place, entry.quantity - entry.change_from);
                }
            }
            Write::Activate {
                item,
                location,
                available,
            } => self.put_level((*item, *location), *available),
        }
    }

    fn fault_at(&self, place: Place) -> Option<UserErrorCode> {
        let item = self.items.get(&place.0);
        if item.is_none_or(|item| item.gone || item.composite) {
            return Some(UserErrorCode::ItemUnusable);
        }
        if !self.locations.get(&place.1).is_some_and(|active| *active) {
            return Some(UserErrorCode::LocationUnusable);
        }
        None
    }

    fn refuse_adjustment(&self, entries: &[Adjustment]) -> Option<CallError> {
        let fault = |entry: &Adjustment| {
            let place = (entry.item, entry.location);
            let missing = !self.levels.contains_key(&place);
            self.fault_at(place)
                .or_else(|| missing.then_some(UserErrorCode::NotStocked))
        };
        first_fault(entries.iter().map(fault))
    }

    fn refuse_setting(&self, entries: &[Setting]) -> Option<CallError> {
        let fault = |entry: &Setting| {
            let place = (entry.item, entry.location);
            self.fault_at(place).or_else(|| match self.level(place) {
                None => Some(UserErrorCode::NotStocked),
                Some(level) if level != entry.change_from => Some(UserErrorCode::Stale),
                Some(_) => None,
            })
        };
        first_fault(entries.iter().map(fault))
    }

    fn refuse_activation(&self, place: Place) -> Option<CallError> {
        let taken = self.levels.contains_key(&place);
        let fault = self
            .fault_at(place)
            .or_else(|| taken.then_some(UserErrorCode::AlreadyStocked));
        fault.map(|code| rejected(Some(0), code))
    }

    fn read(&mut self, read: &Read) -> Reply {
        match read {
            Read::Levels(items) => {
                let places = self.levels.keys().filter(|place| items.contains(&place.0));
                Reply::Levels(
                    places
                        .filter_map(|place| self.level_snapshot(*place))
                        .collect(),
                )
            }
            Read::Items(items) => Reply::Items(self.snapshots(items)),
            Read::Order(order) => Reply::Order(self.order_snapshot(*order).map(Box::new)),
            Read::OrdersSince { since, page } => self.orders_page(*since, page.as_deref()),
            Read::Assignments(order) => Reply::Assignments(self.assignments(*order)),
            Read::OrderOf(part) => {
                let order = OrderId(part.0);
                Reply::OrderOf(self.orders.contains_key(&order).then_some(order))
            }
            Read::Locations => Reply::Locations(self.location_snapshots()),
            Read::Subscriptions => {
                let lacked = !self.subscribed;
                self.subscribed = true;
                Reply::Subscriptions {
                    created: u32::from(lacked),
                }
            }
        }
    }

    fn snapshots(&self, items: &[ItemId]) -> Vec<storekeeper::domain::fact::ItemSnapshot> {
        let found = items.iter().filter_map(|item| self.item_snapshot(*item));
        found.collect()
    }

    fn location_snapshots(&self) -> Vec<LocationSnapshot> {
        let snapshot = |(location, active): (&LocationId, &bool)| LocationSnapshot {
            location: *location,
            active: *active,
        };
        self.locations.iter().map(snapshot).collect()
    }

    fn orders_page(&self, since: Timestamp, page: Option<&str>) -> Reply {
        let after = page.and_then(|page| page.parse().ok()).unwrap_or(0);
        let mut orders = self.orders_since(since, OrderId(after), ORDERS_PER_PAGE + 1);
        let more = orders.len() > ORDERS_PER_PAGE;
        orders.truncate(ORDERS_PER_PAGE);
        let last = orders.last().map(|order| order.order.0.to_string());
        Reply::OrdersPage {
            orders,
            next: last.filter(|_| more),
        }
    }
}

fn first_fault(faults: impl Iterator<Item = Option<UserErrorCode>>) -> Option<CallError> {
    let mut numbered = faults.enumerate();
    numbered.find_map(|(entry, fault)| fault.map(|code| rejected(Some(entry), code)))
}

pub(super) fn rejected(entry: Option<usize>, code: UserErrorCode) -> CallError {
    let error = UserError {
        entry,
        message: format!("{code:?}"),
        code,
    };
    CallError::Rejected {
        errors: vec![error],
    }
}

/// What a call is charged before it runs, and what it really costs.
fn price(request: &Request) -> (i64, i64) {
    match request {
        Request::Write(_) => (13, 13),
        Request::Read(Read::Items(items)) => {
            let items = i64::try_from(items.len()).unwrap_or(i64::MAX);
            (4 + 4 * items, 2 + 3 * items)
        }
        Request::Read(Read::Assignments(_)) => (460, 18),
        Request::Read(Read::OrderOf(_)) => (2, 2),
        Request::Read(Read::Subscriptions) => (480, 60),
        Request::Read(
            Read::Levels(_) | Read::Order(_) | Read::OrdersSince { .. } | Read::Locations,
        ) => (1, 1),
    }
}
