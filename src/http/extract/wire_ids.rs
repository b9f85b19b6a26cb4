//! Ids of the platform as clients write them: strings, or whole numbers that no JSON parser rounds.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

use crate::ids::ItemId;

/// The largest whole number that every JSON parser keeps exact, 2^53 - 1.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// An inventory item in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WireItem(pub(crate) ItemId);

/// Reads a positive id of at most 19 digits.
pub(crate) fn parse_id(text: &str) -> Option<i64> {
    let digits = (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits {
        text.parse().ok().filter(|id| *id > 0)
    } else {
        None
    }
}

impl<'de> Deserialize<'de> for WireItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(IdVisitor)
            .map(ItemId)
            .map(Self)
    }
}

impl Serialize for WireItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = i64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an id as a string of digits")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<i64, E> {
        parse_id(text).ok_or_else(|| E::custom("an id is a string of 1 to 19 digits, not zero"))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
        let exact = (1..=EXACT_MAX).contains(&number);
        let id = if exact {
            i64::try_from(number).ok()
        } else {
            None
        };
        id.ok_or_else(|| E::custom("an id as large as this must be a string"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_exact_numbers_are_ids() {
        let read = |json: &str| {
            serde_json::from_str::<WireItem>(json)
                .ok()
                .map(|item| item.0.0)
        };
        assert_eq!(read("\"9223372036854775807\""), Some(i64::MAX));
        assert_eq!(read("42"), Some(42));
        for refused in [
            "\"\"",
            "\"0\"",
            "\"-1\"",
            "\"1a\"",
            "0",
            "-1",
            "1.5",
            "9007199254740993",
            "true",
            "null",
        ] {
            assert_eq!(read(refused), None, "{refused}");
        }
    }
}
