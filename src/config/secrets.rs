//! `[secrets]`, and the type that keeps a secret out of logs.

use std::fmt;

use serde::Deserialize;

use super::setting::{Range, settings};

/// Text that is never printed: its `Debug` shows only whether there is any.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether nothing was set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, unless nothing was set.
    #[must_use]
    pub fn filled(&self) -> Option<&str> {
        (!self.is_empty()).then_some(self.0.as_str())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_empty() {
            "Secret(unset)"
        } else {
            "Secret(…)"
        })
    }
}

settings! {
    /// How merchants' secrets and platform tokens are kept at rest.
    ["secrets"]
    pub struct SecretsConfig {
        /// The key that seals secrets and tokens in the database. Empty: a key is made on first start and kept in
        /// `secrets.key` in the data directory, readable by its owner only. A wrong key refuses to start.
        key: Secret = Secret::default(), "hexadecimal digits", Range::Hex(64);
        /// The key that `storekeeper rotate-key` seals everything under next; a server does not look at it.
        new_key: Secret = Secret::default(), "hexadecimal digits", Range::Hex(64);
    }
}
