//! The real program in a process of its own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::postgres::chosen_url;

/// How long anything here may take before the test fails; far more than it ever takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program with these arguments and none of this process's settings.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_storekeeper"));
    command
        .args(arguments)
        .env_clear()
        .kill_on_drop(true)
        .stdin(Stdio::null());
    command
}

/// What a test about the embedded database names as its `--database-url`: none.
pub(crate) const EMBEDDED: [&str; 2] = ["--database-url", ""];

/// Has a command that names a data directory and no database use what the environment asks for: the same database for
/// the same directory.
async fn use_chosen_database(command: &mut Command) {
    static URLS: Mutex<BTreeMap<OsString, String>> = Mutex::const_new(BTreeMap::new());
    let mut arguments = command.as_std().get_args();
    if arguments.any(|argument| argument == "--database-url") {
        return;
    }
    let mut arguments = command.as_std().get_args();
    let Some(directory) = arguments
        .find(|argument| *argument == "--data-dir")
        .and_then(|_| arguments.next())
        .map(OsStr::to_owned)
    else {
        return;
    };
    let mut urls = URLS.lock().await;
    if !urls.contains_key(&directory) {
        let Some(url) = chosen_url().await else {
            return;
        };
        urls.insert(directory.clone(), url);
    }
    let url = urls.get(&directory).cloned().unwrap_or_default();
    command.env("STOREKEEPER__DATABASE__URL", url);
}

/// Runs a command that ends by itself.
pub(crate) async fn output(command: &mut Command) -> Output {
    use_chosen_database(command).await;
    timeout(PATIENCE, command.output())
        .await
        .expect("the program ends")
        .expect("the program starts")
}

/// A server that serves.
#[derive(Debug)]
pub(crate) struct Serving {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    pub(crate) address: String,
    /// Printed on the first start only.
    pub(crate) admin_token: Option<String>,
}

impl Serving {
    /// Starts on a free port and waits until it says that it serves.
    pub(crate) async fn start(data_dir: &Path, arguments: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", data_dir, arguments).await
    }

    /// Starts at an address of the test's choice, so that a successor can be found where its predecessor was.
    pub(crate) async fn start_at(address: &str, data_dir: &Path, arguments: &[&str]) -> Self {
        let data_dir = data_dir.to_str().unwrap();
        let mut command = program(&["serve", "--bind", address, "--data-dir", data_dir]);
        command.args(arguments).stderr(Stdio::null());
        Self::of(&mut command).await
    }

    /// Starts a command that serves as the program does.
    pub(crate) async fn of(command: &mut Command) -> Self {
        use_chosen_database(command).await;
        let child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut child = child.expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut serving = Self {
            child,
            stdout,
            address: String::new(),
            admin_token: None,
        };
        timeout(PATIENCE, serving.read_greeting())
            .await
            .expect("the program serves");
        serving
    }

    async fn read_greeting(&mut self) {
        while let Some(line) = self.stdout.next_line().await.unwrap() {
            if let Some(url) = line.strip_prefix("storekeeper serves at http://") {
                url.clone_into(&mut self.address);
            } else if let Some(token) = line.strip_prefix("admin token (shown only now): ") {
                self.admin_token = Some(token.to_owned());
            } else if line.starts_with("dashboard: ") {
                return;
            }
        }
        panic!("the program ended before it served");
    }

    /// The status and the body of a GET.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        timeout(PATIENCE, self.try_get(path))
            .await
            .expect("an answer comes")
            .expect("an answer comes")
    }

    /// Asks again and again until the answer contains this.
    pub(crate) async fn wait_for(&self, path: &str, wanted: &str) {
        let found = async { while !self.get(path).await.1.contains(wanted) {} };
        let message = format!("{path} answers with {wanted}");
        timeout(PATIENCE, found).await.expect(&message);
    }

    async fn try_get(&self, path: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0);
        let body = answer
            .split_once("\r\n\r\n")
            .map(|(_head, body)| body.to_owned())
            .unwrap_or_default();
        Ok((status, body))
    }

    /// Sends a signal by its name.
    pub(crate) async fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it still runs").to_string();
        let sent = Command::new("kill").args([signal, &id]).status().await;
        assert!(sent.unwrap().success());
    }

    /// Waits until it ends by itself, at most for so long; `None`: it goes on.
    pub(crate) async fn ends_within(&mut self, at_most: Duration) -> Option<Option<i32>> {
        let ended = timeout(at_most, self.child.wait()).await.ok()?;
        Some(ended.unwrap().code())
    }

    /// Sends a signal by its name and gives the exit code; `None`: the signal killed it.
    pub(crate) async fn end_with(mut self, signal: &str) -> Option<i32> {
        self.signal(signal).await;
        timeout(PATIENCE, self.child.wait())
            .await
            .expect("the program ends")
            .unwrap()
            .code()
    }
}
