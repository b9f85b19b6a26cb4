//! What intake needs of any platform's webhook before it is stored, and how reading one fails.

use std::fmt;

use crate::clock::Timestamp;

/// The longest header value that is kept, in bytes: delivery ids and topics become columns.
pub(super) const HEADER_VALUE_BYTES_MAX: usize = 255;

/// A webhook's headers, in our words. Unsigned, and so only as good as the secret that the body verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryHeaders<'request> {
    pub topic: &'request str,
    pub signature: &'request str,
    /// Lower case.
    pub shop_domain: String,
    /// Names this delivery; the same on its repetitions.
    pub webhook_id: &'request str,
    /// Shared by all deliveries that one action of the merchant caused: for tracing only.
    pub event_id: Option<&'request str>,
    pub triggered_at: Option<Timestamp>,
    /// The version that made the body, which is not always the one asked for.
    pub api_version: Option<&'request str>,
    /// Sent by hand from the platform's tools.
    pub test: bool,
}

/// Why a webhook's headers cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderProblem {
    /// Required headers that are absent or empty, by the name that the platform documents.
    #[error("missing required headers: {}", .0.join(", "))]
    Missing(Vec<&'static str>),
    /// A value of more than 255 bytes.
    #[error("header {0} is too long")]
    TooLong(&'static str),
}

/// No secret of the store made this signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signature does not match")]
pub struct SignatureMismatch;

/// A body that is not what its topic promises: `path`, and what was wanted there.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub struct Malformed {
    path: String,
    reason: String,
}

/// The longest reason that is kept, in characters: it may quote the body.
const REASON_CHARS_MAX: usize = 200;

impl Malformed {
    /// At a field, or nowhere in particular when `path` is empty.
    #[must_use]
    pub fn new(path: impl Into<String>, reason: impl AsRef<str>) -> Self {
        Self {
            path: path.into(),
            reason: reason.as_ref().chars().take(REASON_CHARS_MAX).collect(),
        }
    }

    /// The same, seen from the object that holds the list `field`.
    #[must_use]
    pub fn within(self, field: &str, index: usize) -> Self {
        let path = if self.path.is_empty() {
            format!("{field}[{index}]")
        } else {
            format!("{field}[{index}].{}", self.path)
        };
        Self { path, ..self }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            formatter.write_str(&self.reason)
        } else {
            write!(formatter, "{}: {}", self.path, self.reason)
        }
    }
}

impl fmt::Debug for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Malformed({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_tells_where_and_stays_short() {
        let deep = Malformed::new("quantity", "x".repeat(5000))
            .within("line_items", 2)
            .within("orders", 0);
        assert!(
            deep.to_string()
                .starts_with("orders[0].line_items[2].quantity: xxx")
        );
        assert!(deep.to_string().len() < 300);
    }
}
