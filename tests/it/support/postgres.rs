//! A private PostgreSQL server for the tests of one process, with a fresh database for each test.
//!
//! The server lives in a temporary directory on a free port. A small shell script (`postgres.sh`) stands between it
//! and us and ends it, directory included, when our end of its standard input closes; so it never outlives the test
//! process, however that ends.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use sea_orm::{ConnectionTrait, Database};

/// Names the directory of `postgres` and `initdb` when it is neither on the `PATH` nor where Debian puts it.
const BIN_VARIABLE: &str = "STOREKEEPER_TEST_POSTGRES_BIN";
/// Set to `postgres`, the tests whose database does not matter to them run on PostgreSQL instead of SQLite.
const DATABASE_VARIABLE: &str = "STOREKEEPER_TEST_DATABASE";
/// Where Debian installs one directory per major version.
const DEBIAN_ROOT: &str = "/usr/lib/postgresql";
/// A free port can be taken by somebody else before the server binds it; then another one is tried.
const START_ATTEMPTS_MAX: u32 = 3;

/// A running server; it ends with this process.
#[derive(Debug)]
pub(crate) struct TestPostgres {
    port: u16,
    databases: AtomicU32,
    /// Holds the pipe whose closing ends the server, and what answers orders.
    watchdog: Mutex<(Child, BufReader<ChildStdout>)>,
}

impl TestPostgres {
    /// The server of this process, started by the first caller.
    pub(crate) fn start() -> &'static Self {
        static SERVER: OnceLock<TestPostgres> = OnceLock::new();
        SERVER.get_or_init(Self::start_own)
    }

    /// A server of one test's own, that may be stopped; it ends with the value.
    pub(crate) fn start_own() -> Self {
        let bin = find_bin();
        let mut last_log = String::new();
        for _ in 0..START_ATTEMPTS_MAX {
            match launch(&bin) {
                Ok(server) => return server,
                Err(log) => last_log = log,
            }
        }
        panic!(
            "failed to start PostgreSQL from {}: {last_log}",
            bin.display()
        );
    }

    /// Ends the server as a power cut would, and returns when it is gone.
    pub(crate) fn stop_at_once(&self) {
        self.order("stop", "stopped");
    }

    /// Starts it again where it was, and returns when it is ready.
    pub(crate) fn start_again(&self) {
        self.order("start", "ready");
    }

    fn order(&self, order: &str, wanted: &str) {
        let mut watchdog = self.watchdog.lock().unwrap();
        let (child, output) = &mut *watchdog;
        writeln!(child.stdin.as_mut().unwrap(), "{order}").unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim_end(), wanted);
    }

    /// Creates an empty database and returns its URL. Each call gives another one.
    pub(crate) async fn database_url(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        let maintenance = Database::connect(self.url_of("postgres")).await.unwrap();
        maintenance
            .execute_unprepared(&format!("create database {name}"))
            .await
            .unwrap();
        maintenance.close().await.unwrap();
        self.url_of(&name)
    }

    fn url_of(&self, database: &str) -> String {
        format!(
            "postgres://storekeeper@127.0.0.1:{}/{database}?sslmode=disable",
            self.port
        )
    }
}

/// One attempt; an error is the server's log.
fn launch(bin: &Path) -> Result<TestPostgres, String> {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let directory = tempfile::Builder::new()
        .prefix("storekeeper-postgres-")
        .tempdir()
        .unwrap();
    let mut watchdog = Command::new("sh")
        .args(["-c", include_str!("postgres.sh"), "postgres.sh"])
        .args([
            bin.as_os_str(),
            directory.path().as_os_str(),
            OsStr::new(&port.to_string()),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // A group of its own, so that a signal to the tests' group does not reach it before it has cleaned up.
        .process_group(0)
        .spawn()
        .unwrap();
    // From here the script removes the directory.
    drop(directory.keep());

    let mut output = BufReader::new(watchdog.stdout.take().unwrap());
    let mut first_line = String::new();
    output.read_line(&mut first_line).unwrap();
    if first_line.trim_end() == "ready" {
        return Ok(TestPostgres {
            port,
            databases: AtomicU32::new(0),
            watchdog: Mutex::new((watchdog, output)),
        });
    }
    let mut log = first_line;
    output.read_to_string(&mut log).unwrap();
    watchdog.wait().unwrap();
    Err(log)
}

/// The first directory that holds both programs: Debian's wrappers put some of them on the `PATH` without the others.
/// A fresh PostgreSQL database for a test that takes either kind, when the environment asks for that kind.
pub(crate) async fn chosen_url() -> Option<String> {
    match std::env::var_os(DATABASE_VARIABLE)?.to_str() {
        Some("postgres") => Some(TestPostgres::start().database_url().await),
        other => panic!("{DATABASE_VARIABLE} is {other:?}, not postgres"),
    }
}

fn find_bin() -> PathBuf {
    if let Some(named) = std::env::var_os(BIN_VARIABLE) {
        let named = PathBuf::from(named);
        assert!(
            has_server(&named),
            "{BIN_VARIABLE} names {}, which lacks postgres or initdb",
            named.display()
        );
        return named;
    }
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&on_path)
        .chain(debian_bins())
        .find(|directory| has_server(directory))
        .expect("PostgreSQL server programs are missing; `tests/run` installs them")
}

fn has_server(directory: &Path) -> bool {
    ["postgres", "initdb"]
        .iter()
        .all(|program| directory.join(program).is_file())
}

/// Newest version first.
fn debian_bins() -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(DEBIAN_ROOT)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    versions.sort_unstable_by(|left, right| right.cmp(left));
    versions.into_iter().map(|(_, bin)| bin).collect()
}
