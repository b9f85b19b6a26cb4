//! Which webhooks concern a store (D10).

/// Replaced by the real set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {}
