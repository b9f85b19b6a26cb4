//! The program as its users start and stop it.

use std::os::unix::fs::PermissionsExt as _;

use tempfile::tempdir;

use crate::support::postgres::TestPostgres;
use crate::support::process::{EMBEDDED, Serving, output, program};

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn starts_serves_and_stops_and_shows_the_admin_token_once() {
    let directory = tempdir().unwrap();
    let first = Serving::start(directory.path(), &[]).await;
    assert!(
        first
            .admin_token
            .as_deref()
            .is_some_and(|token| token.starts_with("ska_"))
    );
    assert_eq!(first.get("/healthz").await.0, 200);
    first
        .wait_for("/metrics", "# TYPE storekeeper_inbox_backlog gauge")
        .await;
    assert_eq!(first.end_with("-TERM").await, Some(0));

    let second = Serving::start(directory.path(), &[]).await;
    assert_eq!(second.admin_token, None);
    assert_eq!(second.get("/healthz").await.0, 200);
    assert_eq!(second.end_with("-INT").await, Some(0));
}

#[tokio::test]
async fn a_first_start_that_fails_does_not_use_the_admin_token_up() {
    let directory = tempdir().unwrap();
    let data_dir = directory.path().to_str().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut refused = program(&["serve", "--bind", &address, "--data-dir", data_dir]);
    let refused = output(&mut refused).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains(&format!("failed to listen on {address}")),
        "{}",
        stderr(&refused)
    );
    let first = Serving::start(directory.path(), &[]).await;
    assert!(first.admin_token.is_some());
}

#[tokio::test]
async fn starts_again_after_it_was_killed() {
    let directory = tempdir().unwrap();
    let killed = Serving::start(directory.path(), &[]).await;
    assert_eq!(killed.end_with("-KILL").await, None);
    let again = Serving::start(directory.path(), &[]).await;
    assert_eq!(again.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn a_second_process_on_one_data_directory_is_refused() {
    let directory = tempdir().unwrap();
    let data_dir = directory.path().to_str().unwrap();
    let first = Serving::start(directory.path(), &[]).await;
    let refused = output(&mut program(&[
        "--bind",
        "127.0.0.1:0",
        "--data-dir",
        data_dir,
    ]))
    .await;
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        stderr(&refused),
        format!("storekeeper: another process uses {data_dir}\n")
    );
    let migration = output(&mut program(&["migrate", "down", "--data-dir", data_dir])).await;
    assert_eq!(
        migration.status.code(),
        Some(1),
        "the schema must not change under a server"
    );
    assert_eq!(first.get("/healthz").await.0, 200);
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server; tests/run brings one"]
async fn a_second_process_on_one_postgres_database_is_refused() {
    let url = TestPostgres::start().database_url().await;
    let (one, other) = (tempdir().unwrap(), tempdir().unwrap());
    let first = Serving::start(one.path(), &["--database-url", &url]).await;
    let data_dir = other.path().to_str().unwrap();
    let flags = [
        "--bind",
        "127.0.0.1:0",
        "--data-dir",
        data_dir,
        "--database-url",
        &url,
    ];
    let refused = output(&mut program(&flags)).await;
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        stderr(&refused),
        "storekeeper: another process uses this database\n"
    );
    assert_eq!(first.end_with("-TERM").await, Some(0));
    let second = Serving::start(one.path(), &["--database-url", &url]).await;
    assert_eq!(second.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn a_wrong_sealing_key_refuses_to_start() {
    let directory = tempdir().unwrap();
    let data_dir = directory.path().to_str().unwrap();
    let first = Serving::start(directory.path(), &[]).await;
    assert_eq!(first.end_with("-TERM").await, Some(0));
    let key_file = directory.path().join("secrets.key");
    assert_eq!(
        std::fs::metadata(&key_file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let mut wrong = program(&["--bind", "127.0.0.1:0", "--data-dir", data_dir]);
    let refused = output(wrong.env("STOREKEEPER__SECRETS__KEY", "ab".repeat(32))).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("the database is sealed under key"),
        "{}",
        stderr(&refused)
    );
    assert_eq!(
        stderr(&refused)
            .lines()
            .filter(|line| line.starts_with("storekeeper: "))
            .count(),
        1
    );

    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = output(&mut program(&[
        "--bind",
        "127.0.0.1:0",
        "--data-dir",
        data_dir,
    ]))
    .await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("mode 0600"),
        "{}",
        stderr(&refused)
    );
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempdir().unwrap();
    let data_dir = directory.path().to_str().unwrap();
    let refused = output(&mut program(&["--bind", &address, "--data-dir", data_dir])).await;
    assert_eq!(refused.status.code(), Some(1));
    let said = stderr(&refused);
    assert!(said.contains(&address) && said.contains("in use"), "{said}");
}

#[tokio::test]
async fn what_it_keeps_is_for_its_own_user_only() {
    let directory = tempdir().unwrap();
    let data = directory.path().join("deep/data");
    let server = Serving::start(&data, &EMBEDDED).await;
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        let is_database = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains(".db"));
        if is_database {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
    assert!(data.join("storekeeper.db").exists());
    assert_eq!(server.end_with("-TERM").await, Some(0));
}
