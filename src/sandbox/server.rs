//! Owns the running sandbox: its port, its tasks, and the handles tests use
//! in the same process.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle, web};
use tokio::task::JoinHandle;

use super::{
    control, deliveries,
    edits::EditRequest,
    faults::Faults,
    fulfilment::FulfilRequest,
    gate,
    ids::LevelKey,
    levels::Level,
    options::{SandboxError, SandboxOptions, ShopRequest},
    oracle::Log,
    orders::{CancelRequest, OrderRequest},
    platform::{Platform, ShopOpened},
    reference::Standing,
    refunds::RefundRequest,
    sending,
    shop::Refused,
    subscriptions::{Wanted, slash_topic},
};

/// Largest body of any request, bytes.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Threads that answer calls.
const WORKERS: usize = 2;

/// A running platform. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Sandbox {
    platform: Arc<Platform>,
    port: u16,
    server: ServerHandle,
    dispatcher: JoinHandle<()>,
}

impl Sandbox {
    /// Starts a platform on `127.0.0.1`, on the caller's tokio runtime.
    ///
    /// # Errors
    /// When the port is taken or the webhook client cannot be built.
    pub async fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        let wanted = options.port;
        let client = sending::client().map_err(SandboxError::Client)?;
        let platform = Arc::new(Platform::new(options, client));
        let data = web::Data::from(Arc::clone(&platform));
        let bind = |source| SandboxError::Bind {
            port: wanted,
            source,
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, wanted));
        let listener = tokio::net::TcpListener::bind(address).await.map_err(bind)?;
        let port = listener.local_addr().map_err(bind)?.port();
        let listener = listener.into_std().map_err(bind)?;
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
                .app_data(web::JsonConfig::default().limit(BODY_BYTES_MAX))
                .configure(control::configure)
                .configure(gate::configure)
        })
        .workers(WORKERS)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)
        .map_err(bind)?
        .run();
        let handle = server.handle();
        tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "sandbox server ended");
            }
        });
        let dispatcher = tokio::spawn(deliveries::dispatch(Arc::clone(&platform)));
        Ok(Self {
            platform,
            port,
            server: handle,
            dispatcher,
        })
    }

    /// `http://127.0.0.1:{port}`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The base of a shop's Admin API.
    pub fn shop_url(&self, domain: &str) -> String {
        format!("{}/shops/{domain}", self.url())
    }

    /// The bound port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Stops sending and serving.
    pub async fn stop(self) {
        self.dispatcher.abort();
        self.server.stop(false).await;
    }

    /// Makes a shop.
    ///
    /// # Errors
    /// When the domain is taken or malformed.
    pub fn open_shop(&self, request: &ShopRequest) -> Result<ShopOpened, SandboxError> {
        Ok(self.platform.open_shop(request)?)
    }

    /// Subscribes an address to topics, as the app's configuration file does:
    /// such subscriptions are never deleted for failures.
    ///
    /// # Errors
    /// When the shop is unknown or a subscription is refused.
    pub fn subscribe(
        &self,
        domain: &str,
        address: &str,
        topics: &[&str],
    ) -> Result<(), SandboxError> {
        let http = self.platform.options.http_addresses;
        self.platform.act(domain, |shop, action| {
            topics.iter().try_for_each(|topic| {
                let wanted = Wanted {
                    topic: slash_topic(topic),
                    address: address.to_owned(),
                    format: "json".to_owned(),
                    api_version: super::versions::NEWEST.to_owned(),
                    app_config: true,
                    ..Wanted::default()
                };
                let made = shop.subscribe(action, wanted, http);
                made.map(|_| ())
                    .map_err(|refusal| Refused::field(refusal.rest_field(), refusal.text()))
            })
        })?;
        Ok(())
    }

    /// Places an order; returns its id.
    ///
    /// # Errors
    /// When the platform refuses it.
    pub fn place_order(&self, domain: &str, order: &OrderRequest) -> Result<i64, SandboxError> {
        let placed = self
            .platform
            .act(domain, |shop, action| shop.place_order(action, order))?;
        Ok(placed)
    }

    /// Ids of an order's lines, in order.
    pub fn line_ids(&self, domain: &str, order: i64) -> Vec<i64> {
        let lines = self.platform.look(domain, |shop| {
            let lines = shop.orders.get(&order).map(|found| &found.lines);
            lines.map(|lines| lines.iter().map(|line| line.id).collect())
        });
        lines.flatten().unwrap_or_default()
    }

    /// Cancels an order.
    ///
    /// # Errors
    /// When the platform refuses it.
    pub fn cancel_order(
        &self,
        domain: &str,
        order: i64,
        how: &CancelRequest,
    ) -> Result<(), SandboxError> {
        Ok(self
            .platform
            .act(domain, |shop, action| shop.cancel_order(action, order, how))?)
    }

    /// Refunds lines of an order; returns the refund's id.
    ///
    /// # Errors
    /// When the platform refuses it.
    pub fn refund_order(
        &self,
        domain: &str,
        order: i64,
        how: &RefundRequest,
    ) -> Result<i64, SandboxError> {
        Ok(self
            .platform
            .act(domain, |shop, action| shop.refund_order(action, order, how))?)
    }

    /// Sends units of an order.
    ///
    /// # Errors
    /// When the platform refuses it.
    pub fn fulfil_order(
        &self,
        domain: &str,
        order: i64,
        how: &FulfilRequest,
    ) -> Result<(), SandboxError> {
        Ok(self
            .platform
            .act(domain, |shop, action| shop.fulfil_order(action, order, how))?)
    }

    /// Edits an order.
    ///
    /// # Errors
    /// When the platform refuses it.
    pub fn edit_order(
        &self,
        domain: &str,
        order: i64,
        how: &EditRequest,
    ) -> Result<(), SandboxError> {
        Ok(self
            .platform
            .act(domain, |shop, action| shop.edit_order(action, order, how))?)
    }

    /// Sets `available` of a level as a merchant or another app would.
    ///
    /// # Errors
    /// When the item or the location is unknown or the item is not tracked.
    pub fn edit_level(
        &self,
        domain: &str,
        key: LevelKey,
        available: i64,
    ) -> Result<(), SandboxError> {
        Ok(self.platform.edit_level(domain, key, available)?)
    }

    /// A burst of `products` product webhooks.
    ///
    /// # Errors
    /// When the shop is unknown.
    pub fn import(&self, domain: &str, products: u32) -> Result<(), SandboxError> {
        self.platform.act(domain, |shop, action| {
            shop.import(action, products);
            Ok(())
        })?;
        Ok(())
    }

    /// Every level of a shop, ascending by item and location.
    pub fn levels(&self, domain: &str) -> Vec<(LevelKey, Level)> {
        let levels = self.platform.look(domain, |shop| {
            let levels = shop.levels.iter();
            levels.map(|(key, level)| (*key, level.clone())).collect()
        });
        levels.unwrap_or_default()
    }

    /// Whether a call with an idempotency key is being held by the slow fault.
    pub fn has_running_keys(&self, domain: &str) -> bool {
        let running = self.platform.look(domain, |shop| shop.keys.is_running());
        running.unwrap_or(false)
    }

    /// What the drift reference compares with: every level and how its item
    /// is sold.
    pub fn standing(&self, domain: &str) -> Standing {
        let standing = self.platform.look(domain, |shop| shop.standing());
        standing.unwrap_or_default()
    }

    /// The oracle's log of a shop so far.
    pub fn log(&self, domain: &str) -> Log {
        let log = self.platform.look(domain, |shop| shop.log.clone());
        log.unwrap_or_default()
    }

    /// Replaces the fault knobs.
    pub fn set_faults(&self, faults: Faults) {
        self.platform.set_faults(faults);
    }

    /// Ends all faults and sends at once whatever waits.
    pub fn heal(&self) {
        self.platform.set_faults(Faults::default());
        self.platform.queue.hurry();
    }

    /// Webhooks not yet delivered, scheduled retries and delays included.
    pub fn pending(&self) -> usize {
        self.platform.queue.pending()
    }

    /// Waits until no webhook is on its way or waiting.
    ///
    /// # Errors
    /// When some still are after `deadline` of wall time.
    pub async fn settle(&self, deadline: Duration) -> Result<(), SandboxError> {
        let settled = tokio::time::timeout(deadline, self.platform.queue.settle()).await;
        settled.map_err(|_elapsed| SandboxError::Unsettled {
            pending: self.pending(),
        })
    }

    /// The platform's present.
    pub fn now(&self) -> super::clock::Moment {
        self.platform.clock.now()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.dispatcher.abort();
        // The command is sent at once; only its end would be awaited.
        drop(self.server.stop(false));
    }
}

impl From<Refused> for SandboxError {
    fn from(refused: Refused) -> Self {
        Self::Refused {
            status: refused.status,
            errors: refused.errors.to_string(),
        }
    }
}
