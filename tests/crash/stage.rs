//! Where a run takes place: the platform with its shops, the database, how the server is started, and the people.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use storekeeper::sandbox::{
    Answer, ApiFaults, Faults, Plan, Sandbox, SandboxOptions, WebhookFaults,
};
use tempfile::TempDir;
use tokio::time::{Instant, interval};

use crate::checker::Evidence;
use crate::database::Database;
use crate::people::People;
use crate::server::{LOOK_EVERY, Launch, PATIENCE, Server, free_address};
use crate::shops::{Shop, ShopPlan};

const SEED_VARIABLE: &str = "STOREKEEPER_TEST_SEED";
/// Platform seconds in a real second, so that webhooks are tried again within seconds.
const TIME_SCALE: u32 = 30;
/// How long everything may take to settle.
const SETTLE_MAX: Duration = Duration::from_secs(180);
const DURABILITY_COMPLAINT: &str = "commits are not durable";

/// What a run begins with.
#[derive(Debug)]
pub(crate) struct Opening {
    address: String,
    data_dir: Option<PathBuf>,
    database_url: Option<String>,
    /// Where the server is told to find its database, when not where it is.
    server_url: Option<String>,
    settings: Vec<(&'static str, String)>,
    shops: Vec<ShopPlan>,
    time_scale: u32,
}

impl Opening {
    /// The embedded database, and shops of both kinds on a generous plan, save one.
    pub(crate) fn new() -> Self {
        let shop = |plan, locations| ShopPlan { plan, locations };
        let settings = [
            ("SERVER__WORKERS", "1"),
            ("KEEPER__ARBITERS", "1"),
            ("KEEPER__SCAN_INTERVAL_MS", "200"),
            ("RETRY__BASE_DELAY_MS", "50"),
            ("CALLS__RETRY_BASE_MS", "50"),
            // Kills are no crashes of a keeper; where keepers do crash, it is tried again soon.
            ("RESTART__BACKOFF_MS_MAX", "500"),
        ];
        Self {
            address: free_address(),
            data_dir: None,
            database_url: None,
            server_url: None,
            settings: settings
                .map(|(name, value)| (name, value.to_owned()))
                .into(),
            shops: vec![
                shop(Plan::Plus, 1),
                shop(Plan::Plus, 2),
                shop(Plan::Enterprise, 1),
                shop(Plan::Standard, 1),
            ],
            time_scale: TIME_SCALE,
        }
    }

    pub(crate) fn postgres(mut self, url: String) -> Self {
        self.database_url = Some(url);
        self
    }

    /// The server reaches its database by another address than we do.
    pub(crate) fn through(mut self, url: String) -> Self {
        self.server_url = Some(url);
        self
    }

    /// The server listens here.
    pub(crate) fn at(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
        self
    }

    pub(crate) fn data_dir(mut self, data_dir: PathBuf) -> Self {
        self.data_dir = Some(data_dir);
        self
    }

    pub(crate) fn shops(mut self, shops: &[(Plan, u32)]) -> Self {
        let shop = |(plan, locations): &(Plan, u32)| ShopPlan {
            plan: *plan,
            locations: *locations,
        };
        self.shops = shops.iter().map(shop).collect();
        self
    }

    /// The platform's clock goes like everybody's.
    pub(crate) const fn in_real_time(mut self) -> Self {
        self.time_scale = 1;
        self
    }

    pub(crate) fn setting(mut self, name: &'static str, value: &str) -> Self {
        self.settings.push((name, value.to_owned()));
        self
    }

    /// Starts platform and server, and installs the shops.
    pub(crate) async fn open(self) -> (Stage, Server) {
        let chosen = std::env::var_os(SEED_VARIABLE);
        let seed = chosen.map_or(1, |seed| seed.to_str().unwrap().parse().unwrap());
        println!("{SEED_VARIABLE}={seed}");
        let options = SandboxOptions {
            seed,
            time_scale: self.time_scale,
            ..SandboxOptions::default()
        };
        let sandbox = Sandbox::start(options).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let data_dir = self
            .data_dir
            .unwrap_or_else(|| directory.path().join("data"));
        let database = match &self.database_url {
            Some(url) => Database::Postgres(url.clone()),
            None => Database::embedded_in(&data_dir),
        };
        let launch = Launch {
            address: self.address,
            data_dir,
            database_url: self.server_url.or(self.database_url),
            settings: self.settings,
            log: directory.path().join("log"),
        };
        let server = launch.start().await;
        database.witness().await;
        let mut shops = Vec::new();
        for (number, plan) in self.shops.into_iter().enumerate() {
            let door = (launch.address.as_str(), &*launch.admin_token());
            shops.push(Shop::open(&sandbox, door, (number, plan)).await);
        }
        let people = People::new(seed, shops.len());
        let stage = Stage {
            sandbox,
            shops,
            launch,
            database,
            people,
            seed,
            _directory: directory,
        };
        stage.settles().await;
        (stage, server)
    }
}

/// A run under way.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) shops: Vec<Shop>,
    pub(crate) launch: Launch,
    pub(crate) database: Database,
    pub(crate) people: People,
    pub(crate) seed: u64,
    _directory: TempDir,
}

impl Stage {
    /// Lets people act for so long.
    pub(crate) async fn act_for(&mut self, long: Duration) {
        self.people.act_for(&self.sandbox, &self.shops, long).await;
    }

    /// Whatever goes wrong on a platform from day to day.
    pub(crate) fn begin_mishaps(&self) {
        self.sandbox.set_faults(Faults {
            webhooks: WebhookFaults {
                duplicate_per_mille: 200,
                reorder_window_ms: 30_000,
                ..WebhookFaults::default()
            },
            api: ApiFaults {
                error_per_mille: 10,
                reset_per_mille: 10,
                ambiguous_per_mille: 30,
                ..ApiFaults::default()
            },
            ..Faults::default()
        });
    }

    /// Ends all mishaps and waits until nothing is left to do: everything delivered, applied and right.
    pub(crate) async fn settles(&self) {
        self.sandbox.heal();
        let deadline = Instant::now() + SETTLE_MAX;
        let mut ticks = interval(LOOK_EVERY * 10);
        while !self.is_settled().await {
            if Instant::now() > deadline {
                // The checker says what is left, and that names it better than a deadline does.
                println!("not settled in time: {}", self.launch.printed());
                return;
            }
            ticks.tick().await;
        }
    }

    async fn is_settled(&self) -> bool {
        let right = |shop: &Shop| shop.is_right(&self.sandbox);
        self.sandbox.pending() == 0
            && self.database.unfinished().await == 0
            && self.shops.iter().all(right)
    }

    /// Everything that can be read after a run.
    pub(crate) async fn evidence(&self) -> Evidence {
        let mut of_database = self.database.stores().await;
        let of_shop = |shop: &Shop| {
            let told = of_database.remove(&shop.domain).unwrap_or_default();
            shop.evidence(&self.sandbox, told)
        };
        let stores = self.shops.iter().map(of_shop).collect();
        Evidence {
            stores,
            durability_complaints: complaints(&self.launch),
        }
    }

    /// How often webhooks were answered with this status so far.
    pub(crate) fn answered(&self, wanted: u16) -> usize {
        let of_shop = |shop: &Shop| {
            let log = self.sandbox.log(&shop.domain);
            let statuses = log.webhooks.iter().filter(
                |sent| matches!(sent.answer, Answer::Status { status, .. } if status == wanted),
            );
            statuses.count()
        };
        self.shops.iter().map(of_shop).sum()
    }

    /// How webhooks were answered so far, for messages.
    pub(crate) fn answers(&self) -> BTreeMap<String, usize> {
        let logs = self.shops.iter().map(|shop| self.sandbox.log(&shop.domain));
        let mut answers = BTreeMap::new();
        for sent in logs.flat_map(|log| log.webhooks) {
            let answer = if let Answer::Status { status, body } = sent.answer {
                format!("{status} {}", body.chars().take(24).collect::<String>())
            } else {
                format!("{:?}", sent.answer)
            };
            *answers.entry(answer).or_default() += 1;
        }
        answers
    }
}

/// Prints how much was done, for whoever looks at the run.
pub(crate) fn print_load(evidence: &Evidence) {
    let accepted: usize = evidence.stores.iter().map(|it| it.accepted.len()).sum();
    let rows: usize = evidence.stores.iter().map(|it| it.rows.len()).sum();
    let effects: usize = evidence.stores.iter().map(|it| it.effects.len()).sum();
    println!("{accepted} accepted, {rows} rows, {effects} keyed writes took effect");
}

/// What servers said of the durability of their commits.
pub(crate) fn complaints(launch: &Launch) -> Vec<String> {
    let printed = launch.printed();
    let complaints = printed
        .lines()
        .filter(|line| line.contains(DURABILITY_COMPLAINT));
    complaints.map(str::to_owned).collect()
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let mut ticks = interval(LOOK_EVERY);
    while !look().await {
        assert!(Instant::now() < deadline, "{what}");
        ticks.tick().await;
    }
}
