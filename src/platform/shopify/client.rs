//! The Admin API client: which call becomes which request.
//!
//! What a call is charged is `domain`'s to say; that no query here costs more is asserted beside each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::call::{Answer, Call, CallError, Read, Reply, Request, Write};
use crate::ids::CallId;
use crate::platform::shopify::errors::Effect;
use crate::platform::shopify::graphql::{assignments, items, subscriptions, writes};
use crate::platform::shopify::rest;
use crate::platform::shopify::transport::Session;
use crate::platform::{Account, ClientSettings, ClientSetupError};

/// Who we say we are.
const USER_AGENT: &str = concat!("storekeeper/", env!("CARGO_PKG_VERSION"));

/// How long an idle connection is kept: less than the platform keeps it, since a write that meets its end is in doubt.
const IDLE_CONNECTION_MS: u64 = 20_000;

/// Talks with Shopify for all stores. Holds no token and no rate state: those belong to the stores.
#[derive(Debug)]
pub struct ShopifyClient {
    http: reqwest::Client,
    clock: Clock,
    api_version: String,
    response_bytes_max: usize,
    /// The latest answer was of another version than asked for: worth one warning, not one for each answer.
    serves_other_version: AtomicBool,
}

impl ShopifyClient {
    /// Makes the shared HTTP client.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(settings: &ClientSettings, clock: Clock) -> Result<Self, ClientSetupError> {
        // Whoever installed a provider first keeps it; without any, building the client would panic.
        let _installed = rustls::crypto::ring::default_provider()
            .install_default()
            .is_ok();
        let http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(Duration::from_millis(settings.connect_timeout_ms))
            .timeout(Duration::from_millis(settings.request_timeout_ms))
            .pool_idle_timeout(Duration::from_millis(IDLE_CONNECTION_MS))
            .pool_max_idle_per_host(settings.idle_connections_max)
            // A redirect would carry the token to an address that nobody configured.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()?;
        Ok(Self {
            http,
            clock,
            api_version: settings.shopify_api_version.clone(),
            response_bytes_max: settings.response_bytes_max,
            serves_other_version: AtomicBool::new(false),
        })
    }

    /// Carries out one call, once; only the pages of one answer are asked for one after another.
    pub async fn send(&self, account: &Account, call: &Call) -> Answer {
        let mut session = Session::new(self, account, effect_of(&call.request));
        let result = perform(&mut session, call).await;
        if let Err(error) = &result {
            tell(&session, call, error);
        }
        Answer {
            result,
            rate: session.rate,
            platform_time: session.platform_time,
        }
    }

    pub(super) const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(super) const fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn api_version(&self) -> &str {
        &self.api_version
    }

    pub(super) const fn response_bytes_max(&self) -> usize {
        self.response_bytes_max
    }

    /// Whether its latest answer was by another version of its API than it was asked for.
    pub fn serves_other_version(&self) -> bool {
        self.serves_other_version.load(Ordering::Relaxed)
    }

    /// Takes note of the version that answered.
    pub(super) fn note_version(&self, served: &str) {
        let asked = self.api_version();
        let is_other = served != asked;
        let was_other = self.serves_other_version.swap(is_other, Ordering::Relaxed);
        if is_other && !was_other {
            tracing::warn!(
                asked,
                served,
                "platform serves another api version than asked for"
            );
        }
    }
}

/// One line for a call that brought nothing; after one, a store calls less and less often.
fn tell(session: &Session<'_>, call: &Call, error: &CallError) {
    let store = session.account().store;
    let (operation, class) = (call.request.name(), error.name());
    let newest = session.newest.as_ref();
    let status = newest.map(|trace| trace.status);
    let request_id = newest.and_then(|trace| trace.request_id.as_deref());
    match error {
        CallError::Unavailable { reason } | CallError::Ambiguous { reason } => {
            tracing::warn!(%store, operation, class, status, request_id, reason, "a call failed");
        }
        CallError::Barred(bar) => {
            let reason = bar.name();
            tracing::warn!(%store, operation, class, status, request_id, reason, "a call failed");
        }
        CallError::Throttled { .. } | CallError::Busy => {
            tracing::info!(%store, operation, class, status, request_id, "a call failed");
        }
        // Other people change stock too, so some are always refused; what is for good becomes a dead letter.
        CallError::Rejected { .. } => {
            tracing::debug!(%store, operation, class, status, request_id, "a call failed");
        }
    }
}

const fn effect_of(request: &Request) -> Effect {
    match request {
        Request::Write(_) => Effect::Writes,
        Request::Read(_) => Effect::Reads,
    }
}

async fn perform(session: &mut Session<'_>, call: &Call) -> Result<Reply, CallError> {
    match &call.request {
        Request::Write(write) => perform_write(session, call.id, write).await,
        Request::Read(read) => perform_read(session, read).await,
    }
}

async fn perform_write(
    session: &mut Session<'_>,
    id: CallId,
    write: &Write,
) -> Result<Reply, CallError> {
    match write {
        Write::Adjust(adjustments) => writes::adjust(session, id, adjustments).await,
        Write::Set(settings) => writes::set(session, id, settings).await,
        Write::Activate {
            item,
            location,
            available,
        } => writes::activate(session, id, (*item, *location), *available).await,
    }
}

async fn perform_read(session: &mut Session<'_>, read: &Read) -> Result<Reply, CallError> {
    match read {
        Read::Levels(items) => rest::levels(session, items).await,
        Read::Items(items) => items::read(session, items).await,
        Read::Order(order) => rest::order(session, *order).await,
        Read::OrdersSince { since, page } => {
            rest::orders_since(session, *since, page.as_deref()).await
        }
        Read::Assignments(order) => assignments::read(session, *order).await,
        Read::OrderOf(part) => assignments::order_of(session, *part).await,
        Read::Locations => rest::locations(session).await,
        Read::Subscriptions => subscriptions::ensure(session).await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::ids::{OrderId, StoreId};
    use crate::platform::{PlatformKind, Secret};
    use crate::telemetry::Lines;

    const REFUSAL: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nx-request-id: r-7\r\ncontent-length: 0\r\n\r\n";

    /// What is logged of reading an order from a platform that answers with these bytes and hangs up.
    async fn told_of(reply: &'static [u8]) -> Vec<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let account = Account {
            store: StoreId(7),
            platform: PlatformKind::Shopify,
            api_base_url: format!("http://{}", listener.local_addr().unwrap()),
            access_token: Secret::new("shpat_never_shown"),
            callback: None,
        };
        let client = ShopifyClient::new(&ClientSettings::default(), Clock::System).unwrap();
        let call = Call {
            id: CallId(uuid::Uuid::from_u128(7)),
            request: Request::Read(Read::Order(OrderId(5))),
        };
        let (lines, _capturing) = Lines::capture();
        let answers = async {
            let (mut stream, _from) = listener.accept().await.unwrap();
            let _heard = stream.read(&mut [0; 4_096]).await.unwrap();
            stream.write_all(reply).await.unwrap();
        };
        let (answer, ()) = futures_util::future::join(client.send(&account, &call), answers).await;
        assert!(answer.result.is_err());
        lines.saying("store=7")
    }

    #[tokio::test]
    async fn a_call_that_failed_is_one_line_that_names_the_operation_and_the_class() {
        let refused = told_of(REFUSAL).await;
        let cut_off = told_of(b"").await;
        for told in [&refused, &cut_off] {
            assert_eq!(told.len(), 1, "{told:?}");
            for part in [
                " WARN ",
                r#"operation="read_order""#,
                r#"class="unavailable""#,
            ] {
                assert!(told[0].contains(part), "{part}: {told:?}");
            }
            for secret in ["shpat", "http://", "127.0.0.1"] {
                assert!(!told[0].contains(secret), "{secret}: {told:?}");
            }
        }
        let why = r#"reason="the platform answered 503; tried again""#;
        assert!(refused[0].contains(why), "{refused:?}");
        assert!(
            refused[0].contains(r#"status=503 request_id="r-7""#),
            "{refused:?}"
        );
        assert!(!cut_off[0].contains("status="), "{cut_off:?}");
    }
}
