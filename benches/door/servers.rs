//! The servers that are measured, each a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use serde_json::{Value, json};

use crate::postgres::TestPostgres;
use crate::webhook::{DOMAIN, SECRET, Webhook};

/// First argument of this program when it is to be a bare server.
pub(crate) const BARE_ROLE: &str = "--serve-bare";
/// The server's core, and the load's.
const CORES: [&str; 2] = ["0", "1"];

const DOOR_ALONE: &str = "door, not stored";
const DOORS: [&str; 2] = ["door, SQLite", "door, PostgreSQL"];
const DOORS_BESIDE: [&str; 2] = ["beside: door, SQLite", "beside: door, PostgreSQL"];

/// A running server, and the request that it is measured with. The process ends with the last clone.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: String,
    pub(crate) webhook: Webhook,
    process: Rc<Process>,
}

struct Process {
    child: Child,
    _data: Option<tempfile::TempDir>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    /// All whose names hold `only`, the bare one first.
    /// `beside` is another build of the program, which is measured in turn with this one; `parts` adds a door that does
    /// all but store.
    pub(crate) async fn start_all(only: &str, beside: Option<&str>, parts: bool) -> Vec<Self> {
        let mut servers = Vec::new();
        for (name, kind) in [("bare", "plain"), ("bare + HMAC", "signed")] {
            if name.contains(only) {
                servers.push(Self::bare(name, kind));
            }
        }
        if parts && DOOR_ALONE.contains(only) {
            let mut server = Self::door(DOOR_ALONE, env!("CARGO_BIN_EXE_storekeeper"), &[]).await;
            server.webhook = server.webhook.that_is_not_stored();
            servers.push(server);
        }
        let programs = [Some(env!("CARGO_BIN_EXE_storekeeper")), beside];
        for (program, names) in programs.into_iter().zip([DOORS, DOORS_BESIDE]) {
            let Some(program) = program else { continue };
            let [sqlite, postgres] = names;
            if sqlite.contains(only) {
                servers.push(Self::door(sqlite, program, &[]).await);
            }
            if postgres.contains(only) {
                // Before this process is pinned, so that the database may use both cores.
                let url = TestPostgres::start().database_url().await;
                servers.push(Self::door(postgres, program, &["--database-url", &url]).await);
            }
        }
        servers
    }

    pub(crate) fn is_bare(&self) -> bool {
        self.name.starts_with("bare")
    }

    /// The id of its process.
    pub(crate) fn process(&self) -> u32 {
        self.process.child.id()
    }

    fn bare(name: &'static str, kind: &str) -> Self {
        let this = std::env::current_exe().expect("a path");
        let mut child = pinned(this.to_str().expect("a path in UTF-8"), &[BARE_ROLE, kind]);
        let address = lines(&mut child).next().expect("an address");
        Self {
            name,
            webhook: Webhook::to(&address, "/webhooks"),
            address,
            process: Rc::new(Process { child, _data: None }),
        }
    }

    /// The real server with one store, whose platform cannot be reached.
    async fn door(name: &'static str, program: &str, arguments: &[&str]) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let path = data.path().to_str().expect("a path in UTF-8");
        let serve = ["serve", "--bind", "127.0.0.1:0", "--data-dir", path];
        let mut child = pinned(program, &[&serve, arguments].concat());
        let (mut address, mut token) = (None, None);
        for line in lines(&mut child) {
            if let Some(found) = line.strip_prefix("storekeeper serves at http://") {
                address = Some(found.to_owned());
            } else if let Some(found) = line.strip_prefix("admin token (shown only now): ") {
                token = Some(found.to_owned());
            } else if line.starts_with("dashboard: ") {
                break;
            }
        }
        let (address, token) = address.zip(token).expect("the server's greeting");
        let intake = register(&address, &token).await;
        Self {
            name,
            webhook: Webhook::to(&address, &intake),
            address,
            process: Rc::new(Process {
                child,
                _data: Some(data),
            }),
        }
    }
}

/// Adds the store; gives the path of its intake address.
async fn register(address: &str, token: &str) -> String {
    let store = json!({
        "platform": "shopify", "domain": DOMAIN, "api_base_url": "http://127.0.0.1:9",
        "access_token": "none", "webhook_secrets": [SECRET],
    });
    // Nobody else chose one.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let request = client.post(format!("http://{address}/v1/admin/stores"));
    let answer = request
        .bearer_auth(token)
        .json(&store)
        .send()
        .await
        .expect("an answer");
    let answer: Value = answer.json().await.expect("a document");
    let url = answer["intake_url"]
        .as_str()
        .expect("an address")
        .to_owned();
    url.find("/webhooks/")
        .and_then(|at| url.get(at..))
        .expect("a path")
        .to_owned()
}

/// Starts a program on the servers' core, where `taskset` can see to that.
fn pinned(program: &str, arguments: &[&str]) -> Child {
    let mut command = if has_taskset() {
        let mut command = Command::new("taskset");
        command.args(["-c", CORES[0], program]);
        command
    } else {
        Command::new(program)
    };
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server starts")
}

/// Keeps the load away from the servers' core.
pub(crate) fn pin_this_process() {
    if has_taskset() {
        let own = std::process::id().to_string();
        let pin = Command::new("taskset")
            .args(["-a", "-cp", CORES[1], &own])
            .output();
        assert!(pin.is_ok_and(|done| done.status.success()), "pinned");
    }
}

fn has_taskset() -> bool {
    let asked = Command::new("taskset").arg("--version").output();
    asked.is_ok_and(|answer| answer.status.success())
}

fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let stdout = child.stdout.take().expect("its output");
    BufReader::new(stdout).lines().map_while(Result::ok)
}
