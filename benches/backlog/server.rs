//! The real program as a process, and what it tells.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

const GREETING: &str = "storekeeper serves at ";
/// Between two looks whether it is ready.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// The program, ended with the value.
pub(crate) struct Server {
    child: Child,
    url: String,
    client: reqwest::Client,
}

impl Server {
    pub(crate) fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_storekeeper"))
            .args(["serve", "--bind", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let stdout = child.stdout.take().expect("its output");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let greeting = lines.find_map(|line| line.strip_prefix(GREETING).map(str::to_owned));
        // What it says later would fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        // Nobody else chose one.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().no_proxy().build();
        Self {
            child,
            url: greeting.expect("an address"),
            client: client.expect("a client"),
        }
    }

    /// Waits until it can take webhooks.
    pub(crate) async fn ready(&self) {
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        loop {
            looks.tick().await;
            let answer = self.client.get(format!("{}/readyz", self.url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
        }
    }

    /// Webhooks that wait, as `/status` tells.
    pub(crate) async fn backlog(&self) -> i64 {
        let request = self.client.get(format!("{}/status", self.url));
        let request = request.header("accept", "application/json");
        let answer = request.send().await.expect("an answer");
        let answer = answer.error_for_status().expect("the status");
        let status: Value = answer.json().await.expect("a document");
        status["backlog"].as_i64().expect("a number")
    }

    /// Resident memory of the process.
    pub(crate) fn resident_kb(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
        number
            .and_then(|number| number.trim().parse().ok())
            .unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
