//! Owns the fault knobs: what goes wrong, how often, and by how much.

use serde::{Deserialize, Serialize};

use super::options::{BodyBuiltAt, OrderLocationPolicy};

/// Everything that may go wrong. Shares are per mille (0..=1000); every knob
/// is off by default. Milliseconds are platform time where it says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Faults of webhook deliveries.
    pub webhooks: WebhookFaults,
    /// Faults of the Admin API.
    pub api: ApiFaults,
    /// Other apps and people at work in the same shop.
    pub outsiders: OutsiderFaults,
    /// What real shops do in one way or the other.
    pub quirks: Quirks,
}

/// What real shops do in one way or the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// From which location online orders take their stock; as the sandbox was
    /// started when it is not given.
    pub order_location_policy: Option<OrderLocationPolicy>,
    /// When bodies are built; as the sandbox was started when it is not given.
    pub body_built_at: Option<BodyBuiltAt>,
    /// A move between locations is told by `fulfillment_orders/moved` alone.
    pub silent_moves: bool,
    /// A sale is told by `products/update`, too.
    pub product_updates_on_sale: bool,
}

/// What goes wrong with webhooks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookFaults {
    /// Deliveries sent once more after they succeeded, per mille.
    pub duplicate_per_mille: u16,
    /// Deliveries never sent, per mille.
    pub drop_per_mille: u16,
    /// Least delay of every delivery, platform milliseconds.
    pub delay_min_ms: u64,
    /// Greatest delay of every delivery, platform milliseconds; uniform between.
    pub delay_max_ms: u64,
    /// Extra delay, uniform in `0..=` this, platform milliseconds: deliveries
    /// within it overtake each other.
    pub reorder_window_ms: u64,
    /// Deliveries whose version header names another version, per mille.
    pub wrong_version_per_mille: u16,
    /// Deliveries without the optional headers (event id, triggered-at), per mille.
    pub omit_optional_per_mille: u16,
    /// Deliveries whose first attempt hangs in the middle of the body for
    /// 5 wall seconds and then fails, per mille.
    pub hang_per_mille: u16,
    /// When this is set, so many of the last deliveries of every shop are sent
    /// again at once (0..=1000). It acts once and reads as 0 afterwards.
    pub replay_burst: u32,
}

/// What goes wrong with calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiFaults {
    /// Calls answered 429 (GraphQL: `THROTTLED`) without cause, per mille.
    pub throttle_per_mille: u16,
    /// Calls answered 500 before anything was done, per mille.
    pub error_per_mille: u16,
    /// Calls never answered before anything was done, per mille.
    pub timeout_per_mille: u16,
    /// Wall milliseconds for which such a call, or an ambiguous one, is held.
    pub timeout_ms: u64,
    /// Calls whose connection is cut before anything was done, per mille.
    pub reset_per_mille: u16,
    /// Calls answered late, per mille.
    pub slow_per_mille: u16,
    /// Wall milliseconds by which they are late; a write is applied at the end.
    pub slow_ms: u64,
    /// Writes that are applied and then cut without an answer, per mille.
    pub ambiguous_per_mille: u16,
    /// Reads that show levels as they were before their last change, per mille.
    pub stale_read_per_mille: u16,
}

/// Who else changes stock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutsiderFaults {
    /// Reads of levels after which somebody changes one of them, per mille.
    pub editor_per_mille: u16,
    /// Greatest change either way, units.
    pub editor_units_max: u32,
    /// Items that another app sets back whenever our app writes them.
    pub fights: Vec<Fight>,
}

/// One item over which another app fights with ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fight {
    /// Domain of the shop.
    pub domain: String,
    /// Inventory item id.
    #[serde(with = "super::ids::text_or_number")]
    pub item: i64,
    /// What the other app writes, units.
    pub available: i64,
    /// How often it fights back before it gives up.
    pub rounds_max: u32,
}
