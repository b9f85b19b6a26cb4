//! A platform that answers every call at once and whose buckets are never empty.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use storekeeper::deps::Platform;
use storekeeper::domain::call::{Answer, Call, RateReport, Read, Reply, Request};
use storekeeper::domain::fact::{Assignments, Fact, ItemSnapshot, LevelSnapshot, LocationSnapshot};
use storekeeper::ids::{ItemId, LocationId, ProductId, StoreId, VariantId};
use storekeeper::platform::PlatformKind;

use crate::rows::{LOCATION, STOCKED_AT, variant_of};

/// Units of every item, far more than are sold.
const UNITS: i64 = 1_000_000;
const BUCKET_SIZE: i64 = 1_000_000;

#[derive(Default)]
pub(crate) struct OpenPlatform {
    calls: AtomicUsize,
}

impl OpenPlatform {
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for OpenPlatform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OpenPlatform")
    }
}

impl Platform for OpenPlatform {
    fn name(&self) -> &'static str {
        "shopify"
    }

    fn parse(&self, topic: &str, body: &[u8]) -> Result<Fact, String> {
        let parsed = PlatformKind::Shopify.parse(topic, body);
        parsed.map_err(|malformed| malformed.to_string())
    }

    fn send<'call>(&'call self, _store: StoreId, call: &'call Call) -> BoxFuture<'call, Answer> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let answer = Answer {
            result: Ok(reply_to(&call.request)),
            rate: Some(open_bucket(&call.request)),
            platform_time: None,
        };
        std::future::ready(answer).boxed()
    }
}

pub(crate) const fn open_bucket(request: &Request) -> RateReport {
    RateReport {
        meter: request.meter(),
        used: 0,
        size: BUCKET_SIZE,
        restore_per_s: Some(BUCKET_SIZE),
        cost: None,
    }
}

pub(crate) fn reply_to(request: &Request) -> Reply {
    match request {
        Request::Write(_) => Reply::Written { at: None },
        Request::Read(Read::Levels(items)) => {
            Reply::Levels(items.iter().copied().map(level).collect())
        }
        Request::Read(Read::Items(items)) => {
            Reply::Items(items.iter().copied().map(settings).collect())
        }
        Request::Read(Read::Order(_)) => Reply::Order(None),
        Request::Read(Read::OrdersSince { .. }) => Reply::OrdersPage {
            orders: Vec::new(),
            next: None,
        },
        Request::Read(Read::Assignments(_)) => Reply::Assignments(Assignments::default()),
        Request::Read(Read::OrderOf(_)) => Reply::OrderOf(None),
        Request::Read(Read::Locations) => Reply::Locations(vec![LocationSnapshot {
            location: LocationId(LOCATION),
            active: true,
        }]),
        Request::Read(Read::Subscriptions) => Reply::Subscriptions { created: 0 },
    }
}

fn level(item: ItemId) -> LevelSnapshot {
    LevelSnapshot {
        item,
        location: LocationId(LOCATION),
        available: Some(UNITS),
        updated_at: STOCKED_AT,
    }
}

fn settings(item: ItemId) -> ItemSnapshot {
    ItemSnapshot {
        item,
        variant: Some(VariantId(variant_of(item.0))),
        product: Some(ProductId(item.0 + 2_000)),
        tracked: Some(true),
        sells_when_out: Some(false),
        composite: Some(false),
    }
}
