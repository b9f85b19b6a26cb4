//! Owns the access tokens of one shop: which are good, until when, and what
//! a refresh token buys.

use std::collections::BTreeMap;

/// Ninety days, the life of a refresh token.
pub(super) const REFRESH_TTL_S: u64 = 90 * 24 * 3600;
const NANOS_PER_S: u64 = 1_000_000_000;

/// Access and refresh tokens. Their life is wall time: a client counts
/// `expires_in` on its own clock.
pub(super) struct Tokens {
    ttl_s: Option<u64>,
    access: BTreeMap<String, u64>,
    refresh: BTreeMap<String, u64>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Tokens")
            .field("ttl_s", &self.ttl_s)
            .field("access", &self.access.len())
            .field("refresh", &self.refresh.len())
            .finish()
    }
}

impl Tokens {
    pub(super) const fn new(ttl_s: Option<u64>) -> Self {
        Self {
            ttl_s,
            access: BTreeMap::new(),
            refresh: BTreeMap::new(),
        }
    }

    /// Life of an access token in wall seconds, when they expire at all.
    pub(super) const fn ttl_s(&self) -> Option<u64> {
        self.ttl_s
    }

    /// Makes the pair good from `now_ns` on.
    pub(super) fn issue(&mut self, now_ns: u64, access: &str, refresh: &str) {
        let dies_ns = match self.ttl_s {
            Some(ttl_s) => now_ns.saturating_add(ttl_s.saturating_mul(NANOS_PER_S)),
            None => u64::MAX,
        };
        self.access.insert(access.to_owned(), dies_ns);
        if self.ttl_s.is_some() {
            let dies_ns = now_ns.saturating_add(REFRESH_TTL_S.saturating_mul(NANOS_PER_S));
            self.refresh.insert(refresh.to_owned(), dies_ns);
        }
    }

    /// Whether the access token is good.
    pub(super) fn admits(&self, now_ns: u64, access: &str) -> bool {
        self.access.get(access).is_some_and(|dies| now_ns < *dies)
    }

    /// Uses up a refresh token; true when it was good.
    pub(super) fn redeem(&mut self, now_ns: u64, refresh: &str) -> bool {
        self.refresh
            .remove(refresh)
            .is_some_and(|dies| now_ns < dies)
    }

    /// Nothing is good any more.
    pub(super) fn revoke_all(&mut self) {
        self.access.clear();
        self.refresh.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_expire_and_a_refresh_token_works_once() {
        let mut tokens = Tokens::new(Some(1));
        tokens.issue(0, "access", "refresh");
        assert!(tokens.admits(0, "access"));
        assert!(!tokens.admits(NANOS_PER_S, "access"));
        assert!(tokens.redeem(NANOS_PER_S, "refresh"));
        assert!(!tokens.redeem(NANOS_PER_S, "refresh"));
    }

    #[test]
    fn tokens_without_a_life_stay_until_revoked() {
        let mut tokens = Tokens::new(None);
        tokens.issue(0, "access", "refresh");
        assert!(tokens.admits(u64::MAX - 1, "access"));
        tokens.revoke_all();
        assert!(!tokens.admits(0, "access"));
    }
}
