//! The running server.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::accounts::{AccountParts, Accounts};
use super::alarms::{self, Alarms, Board};
use super::connected_platform::ConnectedPlatform;
use super::error::AppError;
use super::first_token;
use super::hooks::Hook;
use super::settings;
use super::storage::Storage;
use super::tasks::{self, Failure, Fatal, Gauges, Purge};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::fleet::Totals;
use crate::deps::Deps;
use crate::http::{self, AppState};
use crate::ids::IdSource;
use crate::keeper::{Directory, KeeperSettings, RowHook};
use crate::platform::shopify::oauth;
use crate::platform::{PlatformClient, PlatformKind};
use crate::telemetry::{Metrics, metric_name};

/// What tests replace.
#[derive(Clone)]
pub struct AppParts {
    pub clock: Clock,
    pub ids: Arc<IdSource>,
    /// Called with each row before it is applied, to make one panic or hang.
    pub before_apply: Option<RowHook>,
}

impl AppParts {
    /// What the program itself runs with.
    #[must_use]
    pub fn of_system() -> Self {
        Self {
            clock: Clock::System,
            ids: Arc::new(IdSource::from_os()),
            before_apply: None,
        }
    }
}

impl fmt::Debug for AppParts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = formatter.debug_struct("AppParts");
        parts.field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// The running server. Dropping it without [`App::stop`] is like a crash: nothing accepted is lost.
pub struct App {
    address: SocketAddr,
    public_url: String,
    stop_deadline: Duration,
    storage: Storage,
    directory: Directory,
    accounts: Arc<Accounts>,
    state: web::Data<AppState>,
    server: ServerHandle,
    /// The HTTP server's own task ends when it has drained.
    serving: tokio::task::JoinHandle<()>,
    tasks: JoinSet<()>,
    failure: watch::Receiver<Option<Fatal>>,
    /// Set on the first start only.
    first_admin_token: Option<String>,
}

impl App {
    /// Opens everything and serves.
    ///
    /// # Errors
    ///
    /// The first thing that does not work: see [`AppError`]. What was opened before it is closed again.
    pub async fn start(config: Config, parts: AppParts) -> Result<Self, AppError> {
        config.validate()?;
        let metrics = Metrics::install();
        http::begin_counting();
        alarms::begin_metrics();
        metric_name::begin_platform(PlatformKind::Shopify.as_str());
        let storage = Storage::open(&config, &parts.ids, parts.clock.now()).await?;
        let listener = http::bind(&config.server)?;
        let address = listener.local_addr().unwrap_or(config.server.bind);
        let public_url = public_url(&config, address);
        let client = Arc::new(PlatformClient::new(
            &settings::client_settings(&config.platform.shopify),
            parts.clock.clone(),
        )?);
        let accounts = accounts(&config, &parts, &storage, (&public_url, &client));
        let deps = deps(&parts, &storage, (&client, &accounts));
        let keepers = KeeperSettings {
            before_apply: parts.before_apply.clone(),
            ..settings::keeper_settings(&config)
        };
        let directory = Directory::start(deps.clone(), keepers).map_err(AppError::Keepers)?;
        let board = Board::new(Arc::default());
        let state = web::Data::new(AppState::new(http::AppParts {
            deps,
            directory: directory.clone(),
            sealer: storage.sealer.clone(),
            metrics: metrics.clone(),
            settings: settings::http_settings(&config, &public_url, &client),
            is_durable: storage.is_durable,
            alarms: board.subscribe(),
        }));
        let running = http::serve(listener, state.clone(), &config.server)?;
        // Last of all that may fail: it is shown by a server that runs, or not made yet.
        let first_admin_token =
            first_token::create(&storage.db, &parts.ids, parts.clock.now()).await?;
        let (failure, failed) = watch::channel(None);
        let server = running.handle();
        let serving = tokio::spawn(serve(running, failure.clone()));
        let background = Background {
            config: &config,
            clock: &parts.clock,
            storage: &storage,
            directory: &directory,
            client: &client,
        };
        let mut tasks = background.start(metrics, board, failure)?;
        let watched = state.clone();
        tasks.spawn(async move { http::watch_readiness(&watched).await });
        tracing::info!(%address, "serving");
        Ok(Self {
            address,
            public_url,
            stop_deadline: Duration::from_millis(config.server.stop_deadline_ms),
            storage,
            directory,
            accounts,
            state,
            server,
            serving,
            tasks,
            failure: failed,
            first_admin_token,
        })
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where it is reached from this machine, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        local_url(self.address)
    }

    /// Where it is reached from outside, without a slash at its end.
    #[must_use]
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// The door to the keepers.
    #[must_use]
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The admin token, when this start made it: to be shown once.
    #[must_use]
    pub fn first_admin_token(&self) -> Option<&str> {
        self.first_admin_token.as_deref()
    }

    /// Waits until the server cannot go on; for ever, when all goes well.
    ///
    /// # Errors
    ///
    /// Always one: why it cannot go on.
    pub async fn wait(&self) -> Result<(), AppError> {
        let mut failure = self.failure.clone();
        tokio::select! {
            // The sender lives as long as the serving task, which reports its end.
            failed = failure.wait_for(Option::is_some) => {
                let fatal = failed.ok().and_then(|fatal| *fatal);
                Err(fatal.unwrap_or(Fatal::ServerEnded).into())
            }
            silence = self.directory.lost() => Err(AppError::KeepersSilent(silence.into())),
        }
    }

    /// Stops without losing anything: no longer ready, HTTP drains, turns finish, tasks end, the database closes and
    /// the locks go. Takes at most five times the configured deadline, as long as the log takes what it is told.
    pub async fn stop(self) {
        let Self {
            storage,
            directory,
            accounts,
            state,
            server,
            serving,
            mut tasks,
            stop_deadline,
            ..
        } = self;
        state.begin_stopping();
        server.stop(true).await;
        if serving.await.is_err() {
            tracing::error!("the HTTP server's task panicked");
        }
        let leftovers = directory.shutdown(stop_deadline).await;
        if !leftovers.is_empty() {
            tracing::warn!(
                stores = leftovers.len(),
                "keepers did not end in time; nothing accepted is lost"
            );
        }
        tasks.shutdown().await;
        let settling = tokio::time::timeout(stop_deadline, accounts.settle());
        if settling.await.is_err() {
            tracing::warn!("a renewal of an access token did not end in time");
        }
        match tokio::time::timeout(stop_deadline, storage.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "failed to close the database"),
            Err(_elapsed) => tracing::warn!("the database did not close in time"),
        }
        tracing::info!("stopped");
    }
}

async fn serve(server: actix_web::dev::Server, failure: Failure) {
    if let Err(error) = server.await {
        tracing::error!(%error, "the HTTP server failed");
    }
    // When it was asked to end, nobody waits for this any more.
    failure.send_replace(Some(Fatal::ServerEnded));
}

fn accounts(
    config: &Config,
    parts: &AppParts,
    storage: &Storage,
    (public_url, client): (&str, &Arc<PlatformClient>),
) -> Arc<Accounts> {
    let shopify = &config.platform.shopify;
    Arc::new(Accounts::new(AccountParts {
        clock: parts.clock.clone(),
        db: storage.db.clone(),
        sealer: storage.sealer.clone(),
        client: Arc::clone(client),
        shopify_app: (!shopify.client_id.is_empty()).then(|| oauth::App {
            client_id: shopify.client_id.clone(),
            client_secret: settings::platform_secret(&shopify.client_secret),
        }),
        public_url: public_url.to_owned(),
        renewal_ahead_ms: settings::signed(shopify.token_renewal_ahead_ms),
    }))
}

fn deps(
    parts: &AppParts,
    storage: &Storage,
    (client, accounts): (&Arc<PlatformClient>, &Arc<Accounts>),
) -> Deps {
    let AppParts { clock, ids, .. } = parts.clone();
    let platform = ConnectedPlatform {
        kind: PlatformKind::Shopify,
        client: Arc::clone(client),
        accounts: Arc::clone(accounts),
    };
    let (db, writer) = (storage.db.clone(), storage.writer.clone());
    Deps {
        clock,
        ids,
        db,
        writer,
        platform: Arc::new(platform),
    }
}

/// What the tasks in the background work with.
struct Background<'app> {
    config: &'app Config,
    clock: &'app Clock,
    storage: &'app Storage,
    directory: &'app Directory,
    client: &'app Arc<PlatformClient>,
}

impl Background<'_> {
    fn start(
        &self,
        metrics: Metrics,
        board: Board,
        failure: Failure,
    ) -> Result<JoinSet<()>, AppError> {
        let mut tasks = JoinSet::new();
        self.purge().spawn(&mut tasks);
        let (totals, read) = watch::channel(None);
        self.alarms(board, read, &mut tasks)?.spawn(&mut tasks);
        self.gauges(metrics, totals).spawn(&mut tasks);
        if let Some(lock) = self.storage.database_lock() {
            tasks::watch_lock(&mut tasks, lock, self.clock.clone(), failure);
        }
        Ok(tasks)
    }

    fn purge(&self) -> Purge {
        Purge {
            clock: self.clock.clone(),
            writer: self.storage.writer.clone(),
            retention: self.config.inbox.clone(),
        }
    }

    fn gauges(&self, metrics: Metrics, totals: watch::Sender<Option<Totals>>) -> Gauges {
        Gauges {
            clock: self.clock.clone(),
            db: self.storage.db.clone(),
            directory: self.directory.clone(),
            metrics,
            wal: settings::wal_file(self.config),
            totals,
        }
    }

    fn alarms(
        &self,
        board: Board,
        totals: watch::Receiver<Option<Totals>>,
        tasks: &mut JoinSet<()>,
    ) -> Result<Alarms, AppError> {
        let hook = settings::alarm_hook(&self.config.alarms);
        let hook = hook.map(|settings| Hook::start(settings, self.clock.clone(), tasks));
        Ok(Alarms {
            clock: self.clock.clone(),
            db: self.storage.db.clone(),
            directory: self.directory.clone(),
            client: Arc::clone(self.client),
            rules: settings::alarm_rules(&self.config.alarms),
            totals,
            board,
            hook: hook.transpose()?,
        })
    }
}

fn public_url(config: &Config, address: SocketAddr) -> String {
    let configured = &config.server.public_url;
    if configured.is_empty() {
        local_url(address)
    } else {
        configured.clone()
    }
}

/// An address that listens everywhere is reached on loopback.
fn local_url(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        match address {
            SocketAddr::V4(_) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            SocketAddr::V6(_) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        }
    }
    format!("http://{address}")
}

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("App")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
