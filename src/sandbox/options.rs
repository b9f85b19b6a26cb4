//! Owns what a caller chooses when the sandbox starts, and why it may fail.

use serde::{Deserialize, Serialize};

use super::faults::Faults;

/// How the sandbox runs.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// TCP port on `127.0.0.1`; 0 takes any free one.
    pub port: u16,
    /// Seed of all randomness.
    pub seed: u64,
    /// Platform seconds per wall second, at least 1.
    pub time_scale: u32,
    /// The fault knobs at the start.
    pub faults: Faults,
    /// Where an online order is taken from.
    pub order_location_policy: OrderLocationPolicy,
    /// When the body of a first attempt is built.
    pub body_built_at: BodyBuiltAt,
    /// Whether subscriptions may name `http://` addresses, which the real
    /// platform refuses.
    pub http_addresses: bool,
    /// Most webhooks being sent at one moment.
    pub sends_max: usize,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            port: 0,
            seed: 1,
            time_scale: 1,
            faults: Faults::default(),
            order_location_policy: OrderLocationPolicy::LowestId,
            body_built_at: BodyBuiltAt::Send,
            http_addresses: true,
            sends_max: 64,
        }
    }
}

/// From which location an online order takes its stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderLocationPolicy {
    /// The stocked location with the lowest id, as the documentation says.
    #[default]
    LowestId,
    /// The first location that has enough, as recorded; else the lowest id.
    FirstStocked,
}

/// When the body of a webhook's first attempt is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyBuiltAt {
    /// When it is sent, so that quick changes all carry the final value.
    #[default]
    Send,
    /// When the change happens.
    Trigger,
}

/// The merchant's plan: it decides both rate limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// REST 2/s of 40; GraphQL 100 points/s of 2,000.
    #[default]
    Standard,
    /// REST 4/s of 40; GraphQL 200 points/s of 4,000.
    Advanced,
    /// REST 20/s of 400; GraphQL 1,000 points/s of 20,000.
    Plus,
    /// REST 40/s of 800; GraphQL 2,000 points/s of 40,000.
    Enterprise,
}

impl Plan {
    /// REST `(bucket size, calls leaked per second)`.
    pub(super) const fn rest_limit(self) -> (u64, u64) {
        match self {
            Self::Standard => (40, 2),
            Self::Advanced => (40, 4),
            Self::Plus => (400, 20),
            Self::Enterprise => (800, 40),
        }
    }

    /// GraphQL `(bucket size, points restored per second)`.
    pub(super) const fn graphql_limit(self) -> (u64, u64) {
        match self {
            Self::Standard => (2_000, 100),
            Self::Advanced => (4_000, 200),
            Self::Plus => (20_000, 1_000),
            Self::Enterprise => (40_000, 2_000),
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Standard => "basic",
            Self::Advanced => "unlimited",
            Self::Plus => "shopify_plus",
            Self::Enterprise => "enterprise",
        }
    }
}

/// A shop to be made.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShopRequest {
    /// Lower-case domain, such as `toys.myshopify.com`.
    pub domain: String,
    /// The plan, which decides the rate limits.
    #[serde(default)]
    pub plan: Plan,
    /// Number of locations, 1..=200.
    #[serde(default = "one")]
    pub locations: u32,
    /// Number of generated products, or each product spelt out.
    #[serde(default)]
    pub products: Products,
    /// The secret that signs webhooks; made up when absent. Give several
    /// shops the same one to get the secret of an app.
    #[serde(default)]
    pub webhook_secret: Option<String>,
    /// Life of an access token in wall seconds; without it tokens do not expire.
    #[serde(default)]
    pub token_ttl_s: Option<u64>,
}

impl ShopRequest {
    /// A shop with one location and ten generated products.
    pub fn new(domain: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            plan: Plan::default(),
            locations: one(),
            products: Products::default(),
            webhook_secret: None,
            token_ttl_s: None,
        }
    }
}

impl std::fmt::Debug for ShopRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ShopRequest")
            .field("domain", &self.domain)
            .field("plan", &self.plan)
            .field("locations", &self.locations)
            .field("products", &self.products)
            .field("token_ttl_s", &self.token_ttl_s)
            .finish_non_exhaustive()
    }
}

const fn one() -> u32 {
    1
}

/// The catalog of a new shop.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Products {
    /// So many generated ones, at most 100,000.
    Generated(u32),
    /// Exactly these, with one variant each.
    Listed(Vec<ProductRequest>),
}

impl Default for Products {
    fn default() -> Self {
        Self::Generated(10)
    }
}

/// One product with one variant.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProductRequest {
    /// Title; made up when empty.
    pub title: String,
    /// Stock keeping unit; made up when empty.
    pub sku: String,
    /// Starting stock per location, in ascending order of location id; the
    /// last one is repeated for the rest; empty means drawn from the seed.
    pub available: Vec<i64>,
    /// True: the platform keeps no stock for it (`available` is null).
    pub untracked: bool,
    /// True: it is sold on when out of stock (`inventory_policy: continue`).
    pub continue_selling: bool,
    /// True: a native bundle, whose stock no app may write.
    pub native_bundle: bool,
}

/// Why the sandbox did not start or could not do what was asked in-process.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The port could not be bound.
    #[error("failed to bind port {port} on 127.0.0.1")]
    Bind {
        /// The port asked for.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The client that sends webhooks could not be built.
    #[error("failed to build the webhook client")]
    Client(#[source] reqwest::Error),
    /// The platform refused, as it would have over HTTP.
    #[error("refused with status {status}: {errors}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The `errors` of the body.
        errors: String,
    },
    /// Webhooks were still on their way when the deadline passed.
    #[error("{pending} webhooks still undelivered")]
    Unsettled {
        /// How many, scheduled retries and delays included.
        pending: usize,
    },
}
