//! Where the platform sends a store's webhooks.

use crate::platform::Secret;

/// An address of this server for a store's webhooks. Printing it shows no token, which is a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// Where webhooks of the platform's stores go that are told apart by their domain; all other addresses are under it.
    root: String,
    token: Option<Secret>,
}

impl Callback {
    /// The address that all stores share.
    #[must_use]
    pub fn by_domain(root: impl Into<String>) -> Self {
        Self {
            root: root.into(),
            token: None,
        }
    }

    /// The store's own address under the one that all share.
    #[must_use]
    pub fn by_token(root: impl Into<String>, token: Secret) -> Self {
        Self {
            root: root.into(),
            token: Some(token),
        }
    }

    /// The address itself: for subscribing only.
    #[must_use]
    pub fn uri(&self) -> String {
        match &self.token {
            Some(token) => format!("{}/{}", self.root, token.expose()),
            None => self.root.clone(),
        }
    }

    /// Whether webhooks sent there come to this server as well, at another address than this one: the store was
    /// subscribed there before, and would be told of everything twice.
    #[must_use]
    pub fn is_superseded(&self, uri: &str) -> bool {
        let below = uri.strip_prefix(&self.root);
        uri != self.uri() && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "https://keeper.example/webhooks/shopify";

    #[test]
    fn only_other_addresses_of_this_server_are_superseded() {
        let own = Callback::by_token(ROOT, Secret::new("t0k3n"));
        let uri = own.uri();
        assert_eq!(uri, format!("{ROOT}/t0k3n"));
        assert!(own.is_superseded(ROOT) && own.is_superseded(&format!("{ROOT}/before")));
        assert!(!own.is_superseded(&uri) && !own.is_superseded(&format!("{ROOT}2")));
        assert!(!own.is_superseded("https://other.example/webhooks/shopify"));
        let shared = Callback::by_domain(ROOT);
        assert!(!shared.is_superseded(ROOT) && shared.is_superseded(&uri));
        assert!(!format!("{own:?}").contains("t0k3n"));
    }
}
