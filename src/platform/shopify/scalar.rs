//! Values as the platform really sends them, read tolerantly and judged by name.
//!
//! Reading a [`Scalar`] fails only where the JSON itself is broken; what is absent, null or of another type is found
//! out when its owner asks for it, so that the complaint can name the field. Nothing here keeps text.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use crate::clock::Timestamp;
use crate::domain::fact::Restock;
use crate::platform::Malformed;

/// The largest number of units in either direction: far above the platform's own bound, far below where sums overflow.
pub(super) const UNITS_MAX: i64 = 1_000_000_000_000;
/// Up to here every integer survives a detour through a float: 2^53.
const EXACT_MAX: i64 = 9_007_199_254_740_992;

/// A field of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Scalar<T> {
    #[default]
    Missing,
    Null,
    /// Of another type, or out of bounds.
    Unusable,
    Is(T),
}

/// What a scalar can be made of. What a kind does not take is unusable.
pub(super) trait FromScalar: Sized {
    /// What to say that was wanted.
    const WANTED: &'static str;

    fn from_integer(_integer: i64) -> Option<Self> {
        None
    }

    fn from_text(_text: &str) -> Option<Self> {
        None
    }

    fn from_flag(_flag: bool) -> Option<Self> {
        None
    }
}

impl<T: FromScalar> Scalar<T> {
    /// The value, which must be there.
    pub(super) fn required(self, field: &str) -> Result<T, Malformed> {
        self.optional(field)?
            .ok_or_else(|| Malformed::new(field, format!("missing, wanted {}", T::WANTED)))
    }

    /// The value, which may be absent or null but nothing else.
    pub(super) fn optional(self, field: &str) -> Result<Option<T>, Malformed> {
        match self {
            Self::Missing | Self::Null => Ok(None),
            Self::Unusable => Err(Malformed::new(field, format!("wanted {}", T::WANTED))),
            Self::Is(value) => Ok(Some(value)),
        }
    }

    /// The value, which must be told but may be null.
    pub(super) fn nullable(self, field: &str) -> Result<Option<T>, Malformed> {
        match self {
            Self::Missing => Err(Malformed::new(
                field,
                format!("missing, wanted {} or null", T::WANTED),
            )),
            Self::Null | Self::Unusable | Self::Is(_) => self.optional(field),
        }
    }

    /// The value if it is one, whatever else it might be.
    pub(super) fn known(self) -> Option<T> {
        match self {
            Self::Missing | Self::Null | Self::Unusable => None,
            Self::Is(value) => Some(value),
        }
    }

    fn from_option(value: Option<T>) -> Self {
        value.map_or(Self::Unusable, Self::Is)
    }
}

impl<'de, T: FromScalar> Deserialize<'de> for Scalar<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor(PhantomData))
    }
}

struct ScalarVisitor<T>(PhantomData<T>);

impl<'de, T: FromScalar> Visitor<'de> for ScalarVisitor<T> {
    type Value = Scalar<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(T::WANTED)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar::from_option(T::from_flag(flag)))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Self::Value, E> {
        Ok(Scalar::from_option(T::from_integer(integer)))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Self::Value, E> {
        Ok(Scalar::from_option(
            i64::try_from(integer).ok().and_then(T::from_integer),
        ))
    }

    fn visit_f64<E>(self, _float: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Unusable)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::from_option(T::from_text(text)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Unusable)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Unusable)
    }
}

/// An id of the platform: positive, as a number, as digits, or as the last part of `gid://shopify/Order/1?…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub(super) i64);

impl FromScalar for Id {
    const WANTED: &'static str = "an id: a positive whole number or its digits";

    fn from_integer(integer: i64) -> Option<Self> {
        (integer > 0).then_some(Self(integer))
    }

    fn from_text(text: &str) -> Option<Self> {
        let digits = match text.strip_prefix("gid://") {
            Some(path) => path.split('?').next()?.rsplit('/').next()?,
            None => text,
        };
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if plain {
            Self::from_integer(digits.parse().ok()?)
        } else {
            None
        }
    }
}

impl Scalar<Id> {
    /// The number, or what the object's global id says where the number cannot be trusted: when it is absent, of
    /// another type, or so large that a tool on the way may have rounded it.
    pub(super) fn or_global(self, global: Self) -> Self {
        match (self, global) {
            (Self::Is(Id(number)), _) if number <= EXACT_MAX => self,
            (_, Self::Is(_)) => global,
            (_, Self::Missing | Self::Null | Self::Unusable) => self,
        }
    }
}

/// The item of a level's global id: `gid://shopify/InventoryLevel/1?inventory_item_id=2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LevelItem(pub(super) Id);

impl FromScalar for LevelItem {
    const WANTED: &'static str = "a level's global id";

    fn from_text(text: &str) -> Option<Self> {
        let (_, query) = text.split_once('?')?;
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix("inventory_item_id="))
            .and_then(Id::from_text)
            .map(Self)
    }
}

/// Units that are counted from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quantity(pub(super) i64);

impl FromScalar for Quantity {
    const WANTED: &'static str = "a quantity: a whole number, not negative";

    fn from_integer(integer: i64) -> Option<Self> {
        (0..=UNITS_MAX).contains(&integer).then_some(Self(integer))
    }
}

/// Units that may be owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level(pub(super) i64);

impl FromScalar for Level {
    const WANTED: &'static str = "a level: a whole number";

    fn from_integer(integer: i64) -> Option<Self> {
        (-UNITS_MAX..=UNITS_MAX)
            .contains(&integer)
            .then_some(Self(integer))
    }
}

impl FromScalar for Timestamp {
    const WANTED: &'static str = "an instant in RFC 3339";

    fn from_text(text: &str) -> Option<Self> {
        Self::parse_rfc3339(text)
    }
}

impl FromScalar for bool {
    const WANTED: &'static str = "true or false";

    fn from_flag(flag: bool) -> Option<Self> {
        Some(flag)
    }
}

impl FromScalar for Restock {
    const WANTED: &'static str = "a restock type";

    /// New words mean that nothing comes back, until we know better.
    fn from_text(text: &str) -> Option<Self> {
        Some(match text {
            "cancel" => Self::Cancel,
            "return" => Self::Return,
            "legacy_restock" => Self::Legacy,
            _ => Self::None,
        })
    }
}

/// What was paid of an order (`financial_status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payment {
    /// All of it, whatever was given back since.
    Whole,
    Lacking,
}

impl Payment {
    pub(super) fn is_whole(self) -> bool {
        self == Self::Whole
    }
}

impl FromScalar for Payment {
    const WANTED: &'static str = "a financial status";

    /// New words mean that it is not paid, until we know better.
    fn from_text(text: &str) -> Option<Self> {
        Some(match text {
            "paid" | "partially_refunded" | "refunded" => Self::Whole,
            _ => Self::Lacking,
        })
    }
}

/// Whether a variant sells on when its stock is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Deny,
    Continue,
    /// A word that we do not know.
    Other,
}

impl FromScalar for Policy {
    const WANTED: &'static str = "an inventory policy";

    fn from_text(text: &str) -> Option<Self> {
        Some(if text.eq_ignore_ascii_case("deny") {
            Self::Deny
        } else if text.eq_ignore_ascii_case("continue") {
            Self::Continue
        } else {
            Self::Other
        })
    }
}

impl Policy {
    /// `None` for a word that we do not know.
    pub(super) const fn sells_when_out(self) -> Option<bool> {
        match self {
            Self::Deny => Some(false),
            Self::Continue => Some(true),
            Self::Other => None,
        }
    }
}

/// An object and nothing else: a derived struct alone would also take a list of its fields in order.
#[derive(Clone, Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(entries)).map(Object)
    }
}

/// Reads a whole body as one object.
pub(super) fn read_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Malformed> {
    match serde_json::from_slice::<Object<T>>(body) {
        Ok(Object(object)) => Ok(object),
        Err(error) => Err(Malformed::new("", error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: FromScalar>(json: &str) -> Scalar<T> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn ids_are_whole_positive_and_exact() {
        let exact = Scalar::Is(Id(271_878_346_596_884_015));
        for json in [
            "271878346596884015",
            "\"271878346596884015\"",
            "\"gid:\\/\\/shopify/Order/271878346596884015?a=1\"",
        ] {
            assert_eq!(read::<Id>(json), exact, "{json}");
        }
        let unusable = [
            "0",
            "-1",
            "1.0",
            "1e3",
            "18446744073709551615",
            "\"\"",
            "\"-1\"",
            "\"1.0\"",
            "\"gid://\"",
            "[1]",
            "{\"id\":1}",
            "true",
        ];
        for json in unusable {
            assert_eq!(read::<Id>(json), Scalar::Unusable, "{json}");
        }
        assert_eq!(read::<Id>("null"), Scalar::Null);
        assert!(serde_json::from_str::<Scalar<Id>>("1e999").is_err());
    }

    #[test]
    fn a_global_id_speaks_where_the_number_cannot_be_trusted() {
        let global = Scalar::Is(Id(271_878_346_596_884_015));
        for number in [
            Scalar::Missing,
            Scalar::Null,
            Scalar::Unusable,
            Scalar::Is(Id(271_878_346_596_884_000)),
        ] {
            assert_eq!(number.or_global(global), global, "{number:?}");
        }
        assert_eq!(Scalar::Is(Id(7)).or_global(global), Scalar::Is(Id(7)));
        assert_eq!(global.or_global(Scalar::Missing), global);
        assert_eq!(
            Scalar::Unusable.or_global(Scalar::Null),
            Scalar::<Id>::Unusable
        );
    }

    #[test]
    fn quantities_are_bounded_and_levels_may_be_negative() {
        assert_eq!(read::<Quantity>("0"), Scalar::Is(Quantity(0)));
        assert_eq!(read::<Level>("-5"), Scalar::Is(Level(-5)));
        for json in ["-1", "1.5", "1000000000001", "\"1\"", "9223372036854775808"] {
            assert_eq!(read::<Quantity>(json), Scalar::Unusable, "{json}");
        }
    }

    #[test]
    fn an_object_is_not_a_list_of_its_fields() {
        #[derive(serde::Deserialize)]
        struct Pair {
            #[expect(dead_code, reason = "only its reading matters")]
            left: i64,
        }
        assert!(read_object::<Pair>(b"{\"left\":1}").is_ok());
        assert!(read_object::<Pair>(b"[1]").is_err());
        assert!(read_object::<Pair>(b"{\"left\":1} x").is_err());
        let deep = "[".repeat(100_000);
        assert!(read_object::<Pair>(format!("{{\"left\":{deep}").as_bytes()).is_err());
    }
}
