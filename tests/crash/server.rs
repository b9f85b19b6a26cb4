//! The real program as a process that can be killed, frozen and started again.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, interval, timeout};

/// How long anything here may take before the test fails; far more than it ever takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// How often something is looked at while it is waited for.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Seals what is sealed, in every server of a test.
const SEALING_KEY: &str = "5a";
const TOKEN_LINE: &str = "admin token (shown only now): ";

/// How the program is started.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) address: String,
    pub(crate) data_dir: PathBuf,
    /// The embedded database when there is none.
    pub(crate) database_url: Option<String>,
    /// `SECTION__KEY` and value.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// Everything that it prints, over all starts.
    pub(crate) log: PathBuf,
}

impl Launch {
    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_storekeeper"));
        command
            .args(["serve", "--bind", &self.address, "--data-dir"])
            .arg(&self.data_dir)
            .env_clear()
            .env("STOREKEEPER__SECRETS__KEY", SEALING_KEY.repeat(32))
            .kill_on_drop(true)
            .stdin(Stdio::null());
        if let Some(url) = &self.database_url {
            command.args(["--database-url", url]);
        }
        for (name, value) in &self.settings {
            command.env(format!("STOREKEEPER__{name}"), value);
        }
        command
    }

    /// What was printed, so far.
    pub(crate) fn printed(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The token that the first start printed.
    pub(crate) fn admin_token(&self) -> String {
        let printed = self.printed();
        let token = printed
            .lines()
            .find_map(|line| line.strip_prefix(TOKEN_LINE));
        token.expect("the first start prints a token").to_owned()
    }

    /// Starts a process without waiting for anything.
    pub(crate) fn spawn(&self) -> Server {
        let log = || {
            let mut open = OpenOptions::new();
            open.create(true).append(true).open(&self.log).unwrap()
        };
        let mut command = self.command();
        command.stdout(log()).stderr(log());
        Server {
            child: command.spawn().expect("the program starts"),
            launch: self.clone(),
        }
    }

    /// Starts until it serves. PostgreSQL lets go of a dead process's lock only when it notices the death, and a start
    /// before that is refused.
    pub(crate) async fn start(&self) -> Server {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut server = self.spawn();
            if server.comes_up(deadline).await {
                return server;
            }
            assert!(Instant::now() < deadline, "{}", self.printed());
        }
    }
}

/// A process.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    launch: Launch,
}

impl Server {
    /// Whether it serves in the end; false when it ended.
    pub(crate) async fn comes_up(&mut self, deadline: Instant) -> bool {
        let mut ticks = interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            if !self.is_running() {
                return false;
            }
            if self.status_of("/healthz").await == Some(200) {
                return true;
            }
            assert!(
                Instant::now() < deadline,
                "it serves: {}",
                self.launch.printed()
            );
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it still runs")
    }

    /// The status of a GET; `None` without an answer.
    pub(crate) async fn status_of(&self, path: &str) -> Option<u16> {
        let url = format!("http://{}{path}", self.launch.address);
        let answer = client().get(url).send().await.ok()?;
        Some(answer.status().as_u16())
    }

    /// Sends a signal by its name, such as `STOP`.
    pub(crate) async fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.arg(format!("-{name}")).arg(self.id().to_string());
        assert!(kill.status().await.unwrap().success());
    }

    /// Ends it at once, whatever it is doing.
    pub(crate) async fn kill(mut self) {
        // It may have ended by itself just now; `wait` tells in either case.
        drop(self.child.start_kill());
        timeout(PATIENCE, self.child.wait())
            .await
            .expect("a killed process ends")
            .unwrap();
    }

    /// Waits until it has ended; `None`: a signal killed it.
    pub(crate) async fn ended(mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait())
            .await
            .unwrap_or_else(|_elapsed| panic!("it ends: {}", self.launch.printed()))
            .unwrap()
            .code()
    }

    /// Ends it as its operator would.
    pub(crate) async fn stop(self) {
        self.signal("TERM").await;
        let launch = self.launch.clone();
        assert_eq!(self.ended().await, Some(0), "{}", launch.printed());
    }
}

/// Asks servers of this machine.
pub(crate) fn client() -> reqwest::Client {
    // A second test in this process finds it installed.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(15))
        .build()
        .unwrap()
}

/// An address that is free now.
pub(crate) fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
