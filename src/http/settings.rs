//! What the doors may be told to do differently, as the composition works it out of the configuration.

use std::sync::Arc;
use std::time::Duration;

use crate::platform::shopify::oauth::App;
use crate::platform::{PlatformClient, Secret};

/// Time in which a webhook is answered, whatever happens: the platform gives up at 5 s.
const INTAKE_DEADLINE: Duration = Duration::from_millis(4_500);

/// What the doors may be told to do differently.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where this server is reached from outside, without a trailing `/`.
    pub public_url: String,
    /// The largest webhook body, in bytes.
    pub webhook_bytes_max: usize,
    /// Time in which a webhook is answered; 503 when it could not be made durable by then.
    pub intake_deadline: Duration,
    /// Secrets that sign webhooks of every store on Shopify.
    pub app_secrets: Vec<Secret>,
    /// How the app is installed; `None`: stores are added with an access token only.
    pub oauth: Option<OauthApp>,
}

impl HttpSettings {
    /// The defaults, reached at `public_url`.
    #[must_use]
    pub fn at(public_url: impl Into<String>) -> Self {
        let public_url: String = public_url.into();
        Self {
            public_url: public_url.trim_end_matches('/').to_owned(),
            webhook_bytes_max: 2 * 1024 * 1024,
            intake_deadline: INTAKE_DEADLINE,
            app_secrets: Vec::new(),
            oauth: None,
        }
    }

    /// Time in which a webhook's body arrives: three quarters of all, so that the disk has the rest.
    pub(crate) fn intake_body_deadline(&self) -> Duration {
        self.intake_deadline.saturating_mul(3) / 4
    }

    /// Whether it is reached by HTTPS, so that cookies can insist on it.
    pub(crate) fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}

/// The app as the platform knows it, and the way to ask for tokens.
#[derive(Clone, Debug)]
pub struct OauthApp {
    pub client_id: String,
    pub client_secret: Secret,
    /// Where a shop's API begins; `{shop}` stands for its domain.
    pub shop_url: String,
    pub client: Arc<PlatformClient>,
}

impl OauthApp {
    /// Where this shop's API begins.
    pub(crate) fn url_of(&self, shop: &str) -> String {
        self.shop_url.replace("{shop}", shop)
    }

    /// As the platform's client takes it.
    pub(crate) fn app(&self) -> App {
        App {
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
        }
    }
}
