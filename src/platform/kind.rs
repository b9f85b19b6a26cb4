//! Which platform: the name in our URLs, and the way to the folder that speaks its language.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::fact::Fact;
use crate::domain::interest::Mentions;
use crate::platform::webhook::{DeliveryHeaders, HeaderProblem, Malformed, SignatureMismatch};
use crate::platform::{Secret, shopify};

/// A platform that we know how to talk with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlatformKind {
    Shopify,
}

/// A platform's name that we do not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown platform")]
pub struct UnknownPlatform;

impl PlatformKind {
    /// Every platform.
    pub const ALL: [Self; 1] = [Self::Shopify];

    /// Its name in URLs, settings and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shopify => "shopify",
        }
    }

    /// Reads a webhook's headers. `lookup` finds a header by its name whatever the case of its letters.
    ///
    /// # Errors
    /// Names what is missing or too long.
    pub fn read_headers<'request>(
        self,
        lookup: impl Fn(&str) -> Option<&'request str>,
    ) -> Result<DeliveryHeaders<'request>, HeaderProblem> {
        match self {
            Self::Shopify => shopify::headers::parse(lookup),
        }
    }

    /// Tells which of `secrets` signed `body`, by its index.
    ///
    /// # Errors
    /// None did.
    pub fn verify(
        self,
        body: &[u8],
        signature: &str,
        secrets: &[Secret],
    ) -> Result<usize, SignatureMismatch> {
        match self {
            Self::Shopify => shopify::signature::verify(body, signature, secrets),
        }
    }

    /// Translates a webhook's body.
    ///
    /// # Errors
    /// The body is not what the topic promises.
    pub fn parse(self, topic: &str, body: &[u8]) -> Result<Fact, Malformed> {
        match self {
            Self::Shopify => shopify::bodies::parse(topic, body),
        }
    }

    /// What a webhook is about; `None` when it must be stored whatever the interest.
    #[must_use]
    pub fn mentions(self, topic: &str, body: &[u8]) -> Option<Mentions> {
        match self {
            Self::Shopify => shopify::bodies::mentions(topic, body),
        }
    }
}

impl fmt::Display for PlatformKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for PlatformKind {
    type Err = UnknownPlatform;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or(UnknownPlatform)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_went() {
        for kind in PlatformKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!("Shopify".parse::<PlatformKind>(), Err(UnknownPlatform));
    }
}
