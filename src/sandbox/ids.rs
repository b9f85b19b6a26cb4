//! Owns the ids of the platform: how they are numbered, how they are written
//! as global ids, and how they are read back.

use serde::Serialize;

/// Past 2^53, so that a client that goes through floats is found out.
const LARGE: i64 = 271_878_346_596_884_015;
/// Room between the ids of two shops.
const SHOP_STRIDE: i64 = 10_000_000;

/// The kinds of numbered things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Shop,
    Location,
    Product,
    Variant,
    Item,
    LargeItem,
    Order,
    Line,
    Refund,
    RefundLine,
    FulfilmentOrder,
    FulfilmentLine,
    Fulfilment,
    OrderEdit,
    Subscription,
    AdjustmentGroup,
    BulkOperation,
}

impl Kind {
    const fn base(self) -> i64 {
        match self {
            Self::Shop => 548_380_009,
            Self::Location => 60_000_000_000,
            Self::Product => 7_880_000_000_000,
            Self::Variant => 42_000_000_000_000,
            Self::Item => 44_000_000_000_000,
            Self::LargeItem => LARGE,
            Self::Order => 5_000_000_000_000,
            Self::Line => 866_550_311_766_439_020,
            Self::Refund => 890_088_186_047_892_319,
            Self::RefundLine => 141_249_953_214_522_974,
            Self::FulfilmentOrder => 6_000_000_000_000,
            Self::FulfilmentLine => 13_000_000_000_000,
            Self::Fulfilment => 4_000_000_000_000,
            Self::OrderEdit => 78_912_328_793_123_782,
            Self::Subscription => 1_929_113_141_554,
            Self::AdjustmentGroup => 33_000_000_000,
            Self::BulkOperation => 147_595_010,
        }
    }
}

/// The numbers of one shop, ascending, never shared with another shop.
#[derive(Debug)]
pub(super) struct Ids {
    offset: i64,
    taken: i64,
}

impl Ids {
    pub(super) const fn of_shop(number: i64) -> Self {
        Self {
            offset: number * SHOP_STRIDE,
            taken: 0,
        }
    }

    pub(super) fn next(&mut self, kind: Kind) -> i64 {
        self.taken += 1;
        kind.base() + self.offset + self.taken
    }
}

/// One item at one location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct LevelKey {
    /// Inventory item id.
    pub item: i64,
    /// Location id.
    pub location: i64,
}

/// `gid://shopify/{kind}/{id}`.
pub(super) fn gid(kind: &str, id: i64) -> String {
    format!("gid://shopify/{kind}/{id}")
}

/// The global id of a level, which names both its parts.
pub(super) fn level_gid(key: LevelKey) -> String {
    format!(
        "gid://shopify/InventoryLevel/{}?inventory_item_id={}",
        key.location, key.item
    )
}

/// Reads a global id of the given kind, or a bare number.
pub(super) fn parse_gid(kind: &str, text: &str) -> Option<i64> {
    let digits = match text.strip_prefix("gid://shopify/") {
        Some(rest) => rest.strip_prefix(kind)?.strip_prefix('/')?,
        None => text,
    };
    digits.split('?').next()?.parse().ok()
}

/// The kind a global id names.
pub(super) fn gid_kind(text: &str) -> Option<&str> {
    text.strip_prefix("gid://shopify/")?.split('/').next()
}

/// Ids in control bodies, written as JSON strings or numbers alike.
pub(super) mod text_or_number {
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(i64),
        Text(String),
    }

    pub(in super::super) fn serialize<S: Serializer>(
        id: &i64,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(*id)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<i64, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Number(id) => Ok(id),
            Written::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }

    pub(in super::super) mod optional {
        use serde::{Deserialize, Deserializer};

        #[derive(Deserialize)]
        struct Wrapped(#[serde(with = "super")] i64);

        pub(in super::super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<i64>, D::Error> {
            Ok(Option::<Wrapped>::deserialize(deserializer)?.map(|wrapped| wrapped.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn global_ids_are_read_back() {
        let key = LevelKey {
            item: 271_878_346_596_884_015,
            location: 24_826_418,
        };
        assert_eq!(
            level_gid(key),
            "gid://shopify/InventoryLevel/24826418?inventory_item_id=271878346596884015"
        );
        assert_eq!(parse_gid("Order", &gid("Order", 12)), Some(12));
        assert_eq!(parse_gid("Order", &gid("Product", 12)), None);
        assert_eq!(parse_gid("Order", "12"), Some(12));
    }

    #[test]
    fn shops_share_no_id() {
        let mut one = Ids::of_shop(1);
        let mut two = Ids::of_shop(2);
        assert!(one.next(Kind::Item) < two.next(Kind::Item));
    }
}
