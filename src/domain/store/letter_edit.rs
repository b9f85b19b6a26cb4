//! What a person puts in the place of a dead letter's body before it is tried again, and how that is written down.

use std::fmt;

use uuid::Uuid;

use crate::clock::Timestamp;

/// Another body for a dead letter's webhook. It is committed together with the deed, or neither is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterEdit {
    /// Digest of the body that its author saw; refused when the letter has another by now.
    pub seen: String,
    pub body: EditedBody,
    pub deed: DeedRecord,
}

/// A webhook's body as a person wrote it. It may name people, so it never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct EditedBody(Box<str>);

impl EditedBody {
    /// Exactly this text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text.into_boxed_str())
    }

    /// As it is to be kept.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for EditedBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EditedBody({} bytes)", self.0.len())
    }
}

/// What somebody did, as the audit keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeedRecord {
    /// Ordered by time.
    pub id: Uuid,
    pub at: Timestamp,
    /// Who, and through which door.
    pub actor: String,
    pub action: String,
    /// What exactly, and why.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_does_not_show_itself() {
        let body = EditedBody::new(r#"{"email":"anne@example.com"}"#.to_owned());
        assert_eq!(format!("{body:?}"), "EditedBody(28 bytes)");
    }
}
