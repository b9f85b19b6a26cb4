//! Commands that people type, and what they read.

use std::time::Duration;

use tempfile::tempdir;

use crate::support::client::client;
use crate::support::process::{EMBEDDED, Serving, output, program};

async fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = output(&mut program(arguments)).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[tokio::test]
async fn what_cannot_be_understood_is_a_usage_error() {
    for arguments in [
        &["nonsense"][..],
        &["serve", "--binnd", "x"],
        &["migrate", "down", "--steps", "0"],
        &["stores", "show", "not-a-number"],
        &["sandbox", "--time-scale", "0"],
    ] {
        let (code, stdout, stderr) = run(arguments).await;
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.starts_with("error: "), "{stderr}");
    }
}

#[tokio::test]
async fn a_wrong_setting_is_one_line_and_exit_code_1() {
    for arguments in [
        &["serve", "--bind", "nowhere"][..],
        &["check-config", "--bind", "nowhere"],
    ] {
        let (code, stdout, stderr) = run(arguments).await;
        assert_eq!((code, stdout.as_str()), (Some(1), ""));
        assert_eq!(
            stderr,
            "storekeeper: server.bind: must be an IP address and a port\n"
        );
    }
}

#[tokio::test]
async fn check_config_prints_what_is_in_force_and_no_secret() {
    let mut command = program(&["check-config", "--bind", "127.0.0.1:9000"]);
    let checked = output(command.env("STOREKEEPER__ADMIN__TOKEN", "a-secret-token")).await;
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success());
    assert!(
        text.contains("bind = \"127.0.0.1:9000\"") && text.contains("token = \"(set, not shown)\""),
        "{text}"
    );
    assert!(!text.contains("a-secret-token"));
}

#[tokio::test]
async fn migrate_goes_up_and_down() {
    let directory = tempdir().unwrap();
    let data_dir = directory.path().to_str().unwrap();
    let steps = async |arguments: &[&str]| {
        let arguments = [&["migrate"], arguments, &["--data-dir", data_dir]].concat();
        let (code, stdout, stderr) = run(&arguments).await;
        assert_eq!(code, Some(0), "{stderr}");
        let count = |state: &str| {
            stdout
                .lines()
                .filter(|line| line.starts_with(state))
                .count()
        };
        (count("applied"), count("pending"))
    };
    let (none, all) = steps(&["status"]).await;
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    assert!(none == 0 && all > 1);
    assert_eq!(steps(&["up"]).await, (all, 0));
    assert_eq!(steps(&["down"]).await, (all - 1, 1));
    assert_eq!(steps(&["down", "--all"]).await, (0, all));
    assert_eq!(steps(&["up"]).await, (all, 0));
}

#[tokio::test]
async fn status_of_no_database_says_so_and_makes_none() {
    let directory = tempdir().unwrap();
    let missing = directory.path().join("missing");
    let data_dir = missing.to_str().unwrap();
    let here = [&["--data-dir", data_dir], &EMBEDDED[..]].concat();
    let status = [&["migrate", "status"], &here[..]].concat();
    let (code, stdout, stderr) = run(&status).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(
        stdout.starts_with(&format!("no database yet in {data_dir}: ")),
        "{stdout}"
    );
    for command in [&["backup", "x.db"][..], &["admin-token"]] {
        let (code, _, stderr) = run(&[command, &here[..]].concat()).await;
        assert_eq!(code, Some(1));
        assert!(stderr.starts_with("storekeeper: no database"), "{stderr}");
    }
    assert!(!missing.exists());
}

#[tokio::test]
async fn commands_for_a_running_server_say_what_they_lack() {
    let (code, _, stderr) = run(&["stores", "list"]).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.starts_with("storekeeper: no admin token: set STOREKEEPER__ADMIN__TOKEN"),
        "{stderr}"
    );
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{closed}");
    let (code, _, stderr) = run(&["dead-letters", "list", "--token", "x", "--url", &url]).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.starts_with(&format!("storekeeper: cannot reach {url}: ")),
        "{stderr}"
    );
}

/// Asks a running server, and insists that it answers.
async fn ask(server: &Serving, arguments: &[&str]) -> String {
    let mut command = program(arguments);
    command
        .env(
            "STOREKEEPER__ADMIN__URL",
            format!("http://{}", server.address),
        )
        .env(
            "STOREKEEPER__ADMIN__TOKEN",
            server.admin_token.as_deref().unwrap(),
        );
    let output = output(&mut command).await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn add_store(server: &Serving) -> serde_json::Value {
    let domain = ["--domain", "toys.myshopify.com", "--name", "Toys"];
    let platform = [
        "--api-base-url",
        "http://127.0.0.1:1",
        "--access-token",
        "shpat_x",
    ];
    let add = [
        &["stores", "add", "--json"][..],
        &domain,
        &platform,
        &["--webhook-secret", "shpss_x"],
    ];
    serde_json::from_str(&ask(server, &add.concat()).await).unwrap()
}

#[tokio::test]
async fn a_store_is_added_and_looked_at_through_the_running_server() {
    let directory = tempdir().unwrap();
    let server = Serving::start(directory.path(), &[]).await;
    let added = add_store(&server).await;
    let id = added["id"].as_str().unwrap();
    let intake = format!("http://{}/webhooks/shopify/", server.address);
    assert!(added["intake_url"].as_str().unwrap().starts_with(&intake));

    let list = ask(&server, &["stores", "list"]).await;
    let row = list.lines().nth(1).unwrap();
    assert!(
        list.starts_with("ID") && row.starts_with(id) && row.contains("Toys"),
        "{list}"
    );
    assert!(
        row.split_whitespace().all(|cell| cell != "-"),
        "every column has a value: {list}"
    );
    let shown = ask(&server, &["stores", "show", id]).await;
    assert!(
        shown.contains("keeper:") && shown.contains("store:"),
        "{shown}"
    );
    assert!(!shown.contains("shpat_x"));
    assert_eq!(server.end_with("-TERM").await, Some(0));
}

#[tokio::test]
async fn a_store_is_paused_and_resumed_through_the_running_server() {
    let directory = tempdir().unwrap();
    let server = Serving::start(directory.path(), &[]).await;
    let added = add_store(&server).await;
    let id = added["id"].as_str().unwrap();
    ask(
        &server,
        &["stores", "pause", id, "--reason", "a test of pausing"],
    )
    .await;
    let why = ask(&server, &["stores", "why", id]).await;
    assert!(why.contains("a test of pausing"), "{why}");
    ask(&server, &["stores", "resume", id]).await;
    let why = ask(&server, &["stores", "why", id]).await;
    assert!(!why.contains("a test of pausing"), "{why}");
    assert_eq!(server.end_with("-TERM").await, Some(0));
}

#[tokio::test]
async fn naked_webhooks_are_counted_and_swept_through_the_running_server() {
    let directory = tempdir().unwrap();
    let server = Serving::start(directory.path(), &[]).await;
    let added = add_store(&server).await;
    let id = added["id"].as_str().unwrap();
    let sweep = |options: &[&'static str]| {
        let arguments = [&["stores", "sweep-naked", id, "--json"], options].concat();
        let server = &server;
        async move { serde_json::from_str::<serde_json::Value>(&ask(server, &arguments).await).unwrap() }
    };
    let counted = sweep(&["--count"]).await;
    assert_eq!(
        (&counted["count"]["state"], &counted["sweep"]),
        (&serde_json::json!("finished"), &serde_json::Value::Null)
    );
    let swept = sweep(&["--reason", "a flood"]).await;
    assert_eq!(swept["sweep"]["naked"], 0, "{swept}");
    assert_eq!(server.end_with("-TERM").await, Some(0));
}

#[tokio::test]
async fn a_keeper_is_led_through_the_running_server() {
    let directory = tempdir().unwrap();
    let server = Serving::start(directory.path(), &[]).await;
    let added = add_store(&server).await;
    let id = added["id"].as_str().unwrap();
    for verb in ["restart", "deactivate", "quarantine", "release"] {
        ask(&server, &["stores", verb, id, "--reason", "a test"]).await;
    }
    let tree = ask(&server, &["supervision"]).await;
    let threads = "threads of keepers:\nARBITER  KEEPERS";
    assert!(tree.starts_with(threads), "{tree}");
    assert_eq!(server.end_with("-TERM").await, Some(0));
}

/// The cookie of whoever signs in to the dashboard with this token.
async fn signed_in(server: &Serving, token: &str) -> String {
    let login = client().post(format!("http://{}/admin/login", server.address));
    let answer = login.body(format!("token={token}")).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// Whether the dashboard lets whoever has this cookie in.
async fn shows_stores(server: &Serving, cookie: &str) -> bool {
    let page = client()
        .get(format!("http://{}/admin", server.address))
        .header("cookie", cookie);
    let text = page.send().await.unwrap().text().await.unwrap();
    !text.contains("Sign in")
}

#[tokio::test]
async fn a_lost_admin_token_is_replaced_while_the_server_runs() {
    let directory = tempdir().unwrap();
    let data_dir = directory.path().to_str().unwrap();
    let mut server = Serving::start(directory.path(), &[]).await;
    let made = run(&["admin-token", "--data-dir", data_dir]).await;
    assert_eq!((made.0, made.2.as_str()), (Some(0), ""));
    let token = made.1.lines().next().unwrap();
    let token = token
        .strip_prefix("admin token (shown only now): ")
        .unwrap();
    let lost = server.admin_token.replace(token.to_owned()).unwrap();
    add_store(&server).await;

    let ids = async || {
        let (code, stdout, stderr) = run(&["admin-token", "--list", "--data-dir", data_dir]).await;
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        assert!(!stdout.contains(token) && !stdout.contains(&lost));
        let ids = stdout
            .lines()
            .map(|line| line.split(' ').next().unwrap().to_owned());
        ids.collect::<Vec<String>>()
    };
    let session = signed_in(&server, &lost).await;
    assert!(shows_stores(&server, &session).await);
    let listed = ids().await;
    assert_eq!(listed.len(), 2);
    let ours = listed.iter().find(|id| made.1.contains(*id)).unwrap();
    let revoke =
        async |id: &str| run(&["admin-token", "--revoke", id, "--data-dir", data_dir]).await;
    let other = listed.iter().find(|id| *id != ours).unwrap();
    assert_eq!(revoke(other).await.1, format!("revoked {other}\n"));
    assert_eq!(ids().await, std::slice::from_ref(ours));
    // What was begun with the token ends with it, when the server has looked again.
    let ends = async { while shows_stores(&server, &session).await {} };
    tokio::time::timeout(Duration::from_secs(60), ends)
        .await
        .unwrap();
    let (code, _, stderr) = revoke(other).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.starts_with(&format!(
            "storekeeper: no operator's token has the id {other}"
        )),
        "{stderr}"
    );
    assert_eq!(server.end_with("-TERM").await, Some(0));
}

#[tokio::test]
async fn a_server_is_backed_up_while_it_runs_and_goes_on_elsewhere() {
    let (directory, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let (here, there) = (text(directory.path()), text(elsewhere.path()));
    let file = text(&directory.path().join("storekeeper.backup"));
    let server = Serving::start(directory.path(), &[]).await;
    add_store(&server).await;
    let (code, stdout, stderr) = run(&["backup", &file, "--data-dir", &here]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(
        stdout.starts_with(&format!("{file}: 1 stores, ")) && stdout.contains("sealing key"),
        "{stdout}"
    );
    let refusals = [
        (["backup", &file, "--data-dir", &here], "exists already"),
        (
            ["restore", &file, "--data-dir", &here],
            "another process uses",
        ),
        (
            ["restore", &file, "--data-dir", &there],
            "the sealing key is not part of a backup",
        ),
    ];
    for (arguments, expected) in refusals {
        let (code, _, stderr) = run(&arguments).await;
        assert_eq!(code, Some(1), "{arguments:?}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
    let key = "secrets.key";
    std::fs::copy(directory.path().join(key), elsewhere.path().join(key)).unwrap();
    let (code, stdout, stderr) = run(&["restore", &file, "--data-dir", &there]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("1 stores, "), "{stdout}");

    let token = server.admin_token.clone();
    assert_eq!(server.end_with("-TERM").await, Some(0));
    let mut server = Serving::start(elsewhere.path(), &[]).await;
    assert_eq!(server.admin_token, None, "the old one is known");
    server.admin_token = token;
    let list = ask(&server, &["stores", "list"]).await;
    assert!(list.contains("toys.myshopify.com"), "{list}");
    assert_eq!(server.end_with("-TERM").await, Some(0));
}

#[tokio::test]
async fn dead_letters_are_counted_before_all_of_them_are_decided_about() {
    let directory = tempdir().unwrap();
    let server = Serving::start(directory.path(), &[]).await;
    assert_eq!(
        ask(&server, &["dead-letters", "list", "--json"])
            .await
            .trim(),
        "[]"
    );
    let settled = ask(
        &server,
        &["dead-letters", "discard", "--class", "poison", "--yes"],
    )
    .await;
    assert!(settled.contains("settled: 0"), "{settled}");

    let (url, token) = (
        format!("http://{}", server.address),
        server.admin_token.clone().unwrap(),
    );
    let reach = ["--url", &url, "--token", &token];
    let refusals: [(&[&str], &str); 3] = [
        (
            &["dead-letters", "retry", "--class", "poison"],
            "0 dead letters match; add --yes to retry them",
        ),
        (
            &["dead-letters", "retry"],
            "give ids, as `dead-letters list`",
        ),
        (&["stores", "show", "999"], "the server refused: "),
    ];
    for (arguments, expected) in refusals {
        let (code, _, stderr) = run(&[arguments, &reach].concat()).await;
        assert_eq!(code, Some(1));
        assert!(
            stderr.starts_with(&format!("storekeeper: {expected}")),
            "{stderr}"
        );
    }
    assert_eq!(server.end_with("-TERM").await, Some(0));
}

/// What is set for a real server must not lead the demo to its database or its people.
#[tokio::test]
async fn the_demo_heeds_nothing_that_is_set_for_a_server() {
    let mut command = program(&[
        "demo", "--for", "1", "--stores", "2", "--rate", "5", "--json",
    ]);
    let set = [
        ("DATABASE__URL", "postgres://127.0.0.1:1/real"),
        ("SERVER__PUBLIC_URL", "https://real.example"),
        ("ALARMS__POST_URL", "https://real.example/alarms"),
        ("KEEPER__NO_SUCH_SETTING", "1"),
    ];
    for (name, value) in set {
        command.env(format!("STOREKEEPER__{name}"), value);
    }
    let ended = output(&mut command).await;
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{stderr}");
    let stdout = String::from_utf8_lossy(&ended.stdout);
    let report: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&report["lost"], &report["drift"]), (&0.into(), &0.into()));
}
