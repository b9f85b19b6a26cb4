//! HTTP clients.

use std::time::Duration;

/// How long any answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that follows no redirect. Whichever test is first in the process installs the cryptography.
pub(crate) fn client() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}
