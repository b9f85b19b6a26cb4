//! What the server stands on is taken away under load, and given back: its database, its disk. It goes on by itself.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::kills::ends_well;
use crate::server::{PATIENCE, Server};
use crate::stage::{Opening, Stage, until};
use crate::support::postgres::TestPostgres;
use tokio::time::Instant;

/// How long people act before, during and after an outage.
const SPELL: Duration = Duration::from_secs(3);
/// Answers that show that an outage was felt.
const REFUSALS_MIN: usize = 20;
const SPELLS_MIN: u32 = 2;
/// Size of the small disk, MiB.
const DISK_MIB: u32 = 48;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a PostgreSQL server; run tests/run"]
async fn goes_on_when_postgres_was_cut_off() {
    let postgres = TestPostgres::start_own();
    let url = postgres.database_url().await;
    let (mut stage, mut server) = Opening::new().postgres(url).open().await;
    stage.begin_mishaps();
    stage.act_for(SPELL).await;

    let accepted = stage.answered(200);
    postgres.stop_at_once();
    let under_way = stage.answered(200) - accepted;
    println!("{under_way} answered while it went down");
    refuses(&mut stage, 503).await;
    assert_eq!(server.status_of("/healthz").await, Some(200));
    assert_eq!(server.status_of("/readyz").await, Some(503));

    postgres.start_again();
    comes_back(&mut stage, &mut server).await;
    ends_well(&stage, server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a disk of its own, which only root can mount; run tests/run"]
async fn goes_on_when_the_disk_was_full() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: only root can mount a small disk");
        return;
    };
    let opening = Opening::new().data_dir(disk.directory.path().join("data"));
    let (mut stage, mut server) = opening.open().await;
    stage.begin_mishaps();
    stage.act_for(SPELL).await;

    // What SQLite overwrites in its log needs no space; a server that was stopped begins a new one.
    server.stop().await;
    server = stage.launch.start().await;
    let ballast = disk.fill();
    refuses(&mut stage, 503).await;
    assert_eq!(server.status_of("/healthz").await, Some(200));
    let ready = server.status_of("/readyz").await;
    assert_eq!(
        ready,
        Some(503),
        "{:#?} {}",
        stage.answers(),
        stage.launch.printed()
    );
    assert_eq!(stage.database.integrity().await, "ok");

    std::fs::remove_file(ballast).unwrap();
    comes_back(&mut stage, &mut server).await;
    // What is only in its memory would be settled, and gone with it.
    server.kill().await;
    server = stage.launch.start().await;
    ends_well(&stage, server).await;
    assert_eq!(stage.database.integrity().await, "ok");
}

/// During an outage webhooks are refused in a way that the platform repeats, and none is accepted.
async fn refuses(stage: &mut Stage, status: u16) {
    let before = stage.answered(status);
    let deadline = Instant::now() + PATIENCE;
    // At least for longer than the server needs to find out about everything that it has lost.
    for spells in 1.. {
        stage.act_for(SPELL).await;
        let felt = stage.answered(status) - before;
        println!("{felt} answered {status}");
        if spells >= SPELLS_MIN && felt >= REFUSALS_MIN {
            break;
        }
        assert!(Instant::now() < deadline, "{:#?}", stage.answers());
    }
}

/// After an outage it accepts again, in the same process.
async fn comes_back(stage: &mut Stage, server: &mut Server) {
    until("it is ready again", async || {
        server.status_of("/readyz").await == Some(200)
    })
    .await;
    let before = stage.answered(200);
    stage.act_for(SPELL).await;
    assert!(
        stage.answered(200) > before,
        "{:#?} {}",
        stage.answers(),
        stage.launch.printed()
    );
    assert!(server.is_running(), "{}", stage.launch.printed());
}

/// A file system of its own, that ends with the value.
struct SmallDisk {
    directory: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` when this user cannot mount.
    fn mount() -> Option<Self> {
        let who = Command::new("id").arg("-u").output().unwrap();
        if who.stdout != b"0\n" {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let size = format!("size={DISK_MIB}m");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "storekeeper-test"]);
        let mounted = mount.arg(directory.path()).status().unwrap();
        assert!(mounted.success(), "root can mount a tmpfs");
        Some(Self { directory })
    }

    /// Takes all the space that is left.
    fn fill(&self) -> PathBuf {
        let path = self.directory.path().join("ballast");
        let mut open = OpenOptions::new();
        let mut file = open.create(true).append(true).open(&path).unwrap();
        let mut piece = vec![0_u8; 1024 * 1024];
        while !piece.is_empty() {
            match file.write(&piece) {
                Ok(written) if written > 0 => {}
                Ok(_) | Err(_) => piece.truncate(piece.len() / 2),
            }
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that a failed test left behind is killed only later.
        let unmounted = unmount(self.directory.path());
        assert!(unmounted || std::thread::panicking());
    }
}

fn unmount(path: &Path) -> bool {
    let mut umount = Command::new("umount");
    umount.arg("--lazy").arg(path);
    umount.status().is_ok_and(|status| status.success())
}
