//! Names of things: typed ids, and the source of fresh ones.
//!
//! Ids of the platform are signed 64-bit integers that exceed 2^53, so they never pass through a float; on our own
//! HTTP surface every id is a string.

use std::fmt;
use std::sync::Mutex;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;

/// A merchant's store. Positive, assigned by the database when the store is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoreId(pub i64);

/// An inventory item on the platform: what stock is counted of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub i64);

/// A product variant on the platform: what an order line names. One variant has one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VariantId(pub i64);

/// A product on the platform: a family of variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProductId(pub i64);

/// A place that holds stock on the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LocationId(pub i64);

/// An order on the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderId(pub i64);

/// A part of an order that ships from one location, on the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FulfillmentOrderId(pub i64);

/// A line of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LineId(pub i64);

/// A refund of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RefundId(pub i64);

/// A bundle of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BundleId(pub Uuid);

/// A call towards the platform; doubles as its idempotency key there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub Uuid);

/// One activation of a keeper: the fencing token, random for each claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantId(pub Uuid);

/// A dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeadLetterId(pub Uuid);

macro_rules! display_inner {
    ($($name:ident),* $(,)?) => {
        $(impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        })*
    };
}
display_inner!(
    StoreId,
    ItemId,
    VariantId,
    ProductId,
    LocationId,
    OrderId,
    FulfillmentOrderId,
    LineId,
    RefundId,
    BundleId,
    CallId,
    GrantId,
    DeadLetterId,
);

/// The only source of fresh ids and secrets; seedable, so that tests repeat.
#[derive(Debug)]
pub struct IdSource {
    rng: Mutex<StdRng>,
}

impl IdSource {
    /// Seeds from the operating system.
    #[must_use]
    pub fn from_os() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where randomness enters"
        )]
        let rng = StdRng::from_rng(&mut rand::rng());
        Self {
            rng: Mutex::new(rng),
        }
    }

    /// Gives the same ids for the same seed and order of calls.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
        }
    }

    /// A random UUID (version 4).
    pub fn random_uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random_bytes()).into_uuid()
    }

    /// A time-ordered UUID (version 7), for rows that are read in order of creation.
    pub fn ordered_uuid(&self, now: Timestamp) -> Uuid {
        let random: [u8; 10] = self.random_bytes();
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// An unguessable token: `prefix` followed by 64 hexadecimal digits (256 random bits).
    pub fn token(&self, prefix: &str) -> String {
        let random: [u8; 32] = self.random_bytes();
        format!("{prefix}{}", hex::encode(random))
    }

    /// `N` random bytes.
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        let mut rng = self
            .rng
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        rng.fill_bytes(&mut bytes);
        bytes
    }
}
