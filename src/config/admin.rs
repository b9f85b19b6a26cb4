//! `[admin]`.

use super::secrets::Secret;
use super::setting::{Range, settings};

settings! {
    /// How shell commands (`storekeeper stores …`, `storekeeper dead-letters …`) reach a running server.
    ["admin"]
    pub struct AdminConfig {
        /// The server's address.
        url: String = "http://127.0.0.1:8080".to_owned(), "address", Range::Url;
        /// The admin token that the server printed on its first start.
        token: Secret = Secret::default(), "text", Range::Any;
    }
}
