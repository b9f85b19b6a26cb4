//! Owns webhook subscriptions: who is to be told of what, the platform's rules
//! and texts for making them, and their end after too many failures.

use serde_json::{Value, json};

use super::{
    clock::Moment,
    ids::Kind,
    shop::{Action, Shop},
};

/// Longest address or filter, bytes.
const ADDRESS_BYTES_MAX: usize = 65_535;
/// Most subscriptions of one shop.
const SUBSCRIPTIONS_MAX: usize = 1_000;

/// One subscription to one topic.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    pub(super) id: i64,
    pub(super) topic: String,
    pub(super) address: String,
    pub(super) format: String,
    pub(super) fields: Vec<String>,
    pub(super) filter: String,
    pub(super) name: Option<String>,
    /// The version that serializes the bodies.
    pub(super) api_version: String,
    pub(super) created_at: Moment,
    pub(super) updated_at: Moment,
    /// Declared in the app's configuration: it is never deleted for failures.
    pub(super) app_config: bool,
    /// Deliveries given up in a row.
    pub(super) failures: u32,
}

/// What a subscription is to be.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) topic: String,
    pub(super) address: String,
    pub(super) format: String,
    pub(super) fields: Vec<String>,
    pub(super) filter: String,
    pub(super) name: Option<String>,
    pub(super) api_version: String,
    pub(super) app_config: bool,
}

/// Why a subscription is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SubscriptionRefusal {
    Blank,
    Protocol,
    Internal,
    Taken,
    TooLong,
    TooMany,
    NameTaken,
    NameCharacters,
    Filter,
    Unknown,
}

impl SubscriptionRefusal {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Blank => "Address can't be blank",
            Self::Protocol => "Address protocol http:// is not supported",
            Self::Internal => "Address cannot be a Shopify or an internal domain",
            Self::Taken => "Address for this topic has already been taken",
            Self::TooLong => "Address is too big (maximum is 64 KB)",
            Self::TooMany => "Too many webhook subscriptions",
            Self::NameTaken => "Name already exists, no duplicate allowed",
            Self::NameCharacters => {
                "Name name field can only contain alphanumeric characters, underscores, and hyphens"
            }
            Self::Filter => {
                "The specified filter is invalid, please ensure you specify the field(s) you wish to filter on."
            }
            Self::Unknown => "Webhook subscription does not exist",
        }
    }

    /// The GraphQL field path.
    pub(super) fn field(self) -> Value {
        match self {
            Self::Filter => json!(["webhookSubscription"]),
            Self::Unknown => json!(["id"]),
            Self::NameTaken | Self::NameCharacters => json!(["webhookSubscription", "name"]),
            Self::Blank
            | Self::Protocol
            | Self::Internal
            | Self::Taken
            | Self::TooLong
            | Self::TooMany => json!(["webhookSubscription", "callbackUrl"]),
        }
    }

    /// The REST field name.
    pub(super) const fn rest_field(self) -> &'static str {
        match self {
            Self::NameTaken | Self::NameCharacters => "name",
            Self::Filter => "filter",
            Self::Unknown => "id",
            Self::Blank
            | Self::Protocol
            | Self::Internal
            | Self::Taken
            | Self::TooLong
            | Self::TooMany => "address",
        }
    }
}

impl Shop {
    /// Makes a subscription, or refuses it in the platform's words.
    pub(super) fn subscribe(
        &mut self,
        action: Action,
        wanted: Wanted,
        http: bool,
    ) -> Result<i64, SubscriptionRefusal> {
        if self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            return Err(SubscriptionRefusal::TooMany);
        }
        self.check_subscription(None, &wanted, http)?;
        let id = self.ids.next(Kind::Subscription);
        self.subscriptions.insert(
            id,
            Subscription {
                id,
                topic: wanted.topic,
                address: wanted.address,
                format: wanted.format,
                fields: wanted.fields,
                filter: wanted.filter,
                name: wanted.name,
                api_version: wanted.api_version,
                created_at: action.now,
                updated_at: action.now,
                app_config: wanted.app_config,
                failures: 0,
            },
        );
        Ok(id)
    }

    /// Changes a subscription; pending deliveries keep the old address.
    pub(super) fn resubscribe(
        &mut self,
        action: Action,
        id: i64,
        wanted: Wanted,
        http: bool,
    ) -> Result<(), SubscriptionRefusal> {
        if !self.subscriptions.contains_key(&id) {
            return Err(SubscriptionRefusal::Unknown);
        }
        self.check_subscription(Some(id), &wanted, http)?;
        if let Some(found) = self.subscriptions.get_mut(&id) {
            found.address = wanted.address;
            found.fields = wanted.fields;
            found.filter = wanted.filter;
            found.name = wanted.name;
            found.updated_at = action.now;
        }
        Ok(())
    }

    fn check_subscription(
        &self,
        own: Option<i64>,
        wanted: &Wanted,
        http: bool,
    ) -> Result<(), SubscriptionRefusal> {
        if wanted.address.is_empty() {
            return Err(SubscriptionRefusal::Blank);
        }
        if wanted.address.len() > ADDRESS_BYTES_MAX || wanted.filter.len() > ADDRESS_BYTES_MAX {
            return Err(SubscriptionRefusal::TooLong);
        }
        if !wanted.address.starts_with("https://") && !http {
            return Err(SubscriptionRefusal::Protocol);
        }
        if wanted.address.contains(".myshopify.com/") || wanted.address.contains(".shopify.com/") {
            return Err(SubscriptionRefusal::Internal);
        }
        if !wanted.filter.is_empty() && !wanted.filter.contains(':') {
            return Err(SubscriptionRefusal::Filter);
        }
        let odd = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != '-';
        if wanted.name.as_ref().is_some_and(|name| name.contains(odd)) {
            return Err(SubscriptionRefusal::NameCharacters);
        }
        let mut others = self.subscriptions.values();
        let clash = others.find_map(|other| {
            let taken = other.topic == wanted.topic
                && other.address == wanted.address
                && other.format == wanted.format
                && other.filter == wanted.filter;
            let named = wanted.name.is_some() && other.name == wanted.name;
            match (Some(other.id) == own, taken, named) {
                (false, true, _) => Some(SubscriptionRefusal::Taken),
                (false, false, true) => Some(SubscriptionRefusal::NameTaken),
                (false, false, false) | (true, _, _) => None,
            }
        });
        clash.map_or(Ok(()), Err)
    }

    /// A delivery succeeded: earlier failures are forgiven.
    pub(super) fn note_success(&mut self, subscription: i64) {
        if let Some(found) = self.subscriptions.get_mut(&subscription) {
            found.failures = 0;
        }
    }

    /// One attempt failed; `exhausted` when its delivery has no retry left.
    /// A subscription made through the API dies when a delivery is given up
    /// and nothing succeeded since its first failure.
    pub(super) fn note_failure(&mut self, subscription: i64, exhausted: bool) {
        let Some(found) = self.subscriptions.get_mut(&subscription) else {
            return;
        };
        found.failures += 1;
        if exhausted && found.failures >= super::deliveries::RETRIES_MAX && !found.app_config {
            self.subscriptions.remove(&subscription);
        }
    }
}

/// `orders/create` from `ORDERS_CREATE`; slash forms pass through.
pub(super) fn slash_topic(topic: &str) -> String {
    if topic.contains('/') {
        return topic.to_owned();
    }
    let lower = topic.to_lowercase();
    let split = KNOWN_PREFIXES
        .iter()
        .find_map(|prefix| Some((*prefix, lower.strip_prefix(prefix)?.strip_prefix('_')?)));
    match split {
        Some((prefix, rest)) => format!("{prefix}/{rest}"),
        None => lower.replacen('_', "/", 1),
    }
}

/// `ORDERS_CREATE` from `orders/create`.
pub(super) fn enum_topic(topic: &str) -> String {
    topic.replace('/', "_").to_uppercase()
}

/// Resources whose own name has an underscore.
const KNOWN_PREFIXES: [&str; 6] = [
    "inventory_levels",
    "inventory_items",
    "fulfillment_orders",
    "bulk_operations",
    "reverse_fulfillment_orders",
    "order_transactions",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_go_both_ways() {
        for topic in [
            "orders/create",
            "orders/partially_fulfilled",
            "inventory_levels/update",
            "app/uninstalled",
            "fulfillment_orders/moved",
        ] {
            assert_eq!(slash_topic(&enum_topic(topic)), topic);
        }
    }
}
