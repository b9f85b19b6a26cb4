//! When something that cannot be done yet is tried again.

/// Replaced by the real policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryPolicy {}
