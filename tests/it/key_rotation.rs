//! `storekeeper rotate-key`, by the real program: cut short anywhere, one of both keys opens what is sealed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use storekeeper::sandbox::{Sandbox, SandboxOptions, ShopRequest};
use tempfile::tempdir;

use crate::support::app::sign;
use crate::support::client::client;
use crate::support::process::{Serving, output, program};

const DOMAIN: &str = "toys.myshopify.com";

/// A store of a server that comes and goes, with what was shown of it once.
struct Kept {
    sandbox: Sandbox,
    webhook_secret: String,
    intake_path: String,
    bundles_path: String,
    secret_key: String,
}

impl Kept {
    async fn on(server: &Serving) -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let shop = sandbox.open_shop(&ShopRequest::new(DOMAIN)).unwrap();
        let body = json!({"platform": "shopify", "domain": DOMAIN, "api_base_url": sandbox.shop_url(DOMAIN),
            "access_token": shop.access_token, "webhook_secrets": [shop.webhook_secret]});
        let url = format!("http://{}", server.address);
        let request = client()
            .post(format!("{url}/v1/admin/stores"))
            .bearer_auth(server.admin_token.as_deref().unwrap())
            .json(&body);
        let shown: Value = request.send().await.unwrap().json().await.unwrap();
        let text = |name: &str| shown[name].as_str().unwrap().to_owned();
        Self {
            intake_path: text("intake_url").strip_prefix(&url).unwrap().to_owned(),
            bundles_path: format!("/v1/stores/{}/bundles", text("id")),
            secret_key: text("secret_key"),
            webhook_secret: shop.webhook_secret,
            sandbox,
        }
    }

    /// Insists that the store's webhooks are believed and that its token opens the platform.
    async fn assert_opens_at(&self, server: &Serving, delivery: &str) {
        let url = format!("http://{}", server.address);
        let body = format!("{{\"id\":{}}}", delivery.len());
        let webhook = client()
            .post(format!("{url}{}", self.intake_path))
            .header("x-shopify-topic", "orders/create")
            .header("x-shopify-shop-domain", DOMAIN)
            .header("x-shopify-webhook-id", delivery)
            .header(
                "x-shopify-hmac-sha256",
                sign(&self.webhook_secret, body.as_bytes()),
            )
            .body(body);
        assert_eq!(webhook.send().await.unwrap().status(), 200);
        let bundle = json!({"title": "Kit", "item": "1", "mode": "ship_together",
            "components": [{"item": "2", "quantity": 1}]});
        let define = client()
            .post(format!("{url}{}", self.bundles_path))
            .bearer_auth(&self.secret_key)
            .json(&bundle);
        let answer: Value = define.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["code"], "unknown_item", "{answer}");
    }
}

async fn rotate(data_dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let data_dir = data_dir.to_str().unwrap();
    let arguments = [&["rotate-key", "--data-dir", data_dir], arguments].concat();
    let ended = output(&mut program(&arguments)).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        ended.status.code(),
        text(&ended.stdout),
        text(&ended.stderr),
    )
}

fn write_private(path: &Path, digits: &str) {
    fs::write(path, digits).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Why a server does not start.
async fn refusal(data_dir: &Path) -> String {
    let data_dir = data_dir.to_str().unwrap();
    let mut command = program(&["serve", "--bind", "127.0.0.1:0", "--data-dir", data_dir]);
    let ended = output(&mut command).await;
    assert_eq!(ended.status.code(), Some(1));
    String::from_utf8_lossy(&ended.stderr).into_owned()
}

#[tokio::test]
async fn a_rotated_key_opens_all_and_the_one_before_nothing() {
    let directory = tempdir().unwrap();
    let (here, key) = (directory.path(), directory.path().join("secrets.key"));
    let server = Serving::start(here, &[]).await;
    let store = Kept::on(&server).await;
    let (code, _, stderr) = rotate(here, &[]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("another process uses"), "{stderr}");
    assert_eq!(server.end_with("-TERM").await, Some(0));

    let before = fs::read_to_string(&key).unwrap();
    let (code, stdout, stderr) = rotate(here, &[]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let after = fs::read_to_string(&key).unwrap();
    assert!(before != after && !stdout.contains(&after), "{stdout}");
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(!here.join("secrets.key.new").exists());
    let kept = stdout
        .split_whitespace()
        .find(|word| word.starts_with("secrets.key."));
    let kept = here.join(kept.unwrap());
    assert_eq!(fs::read_to_string(&kept).unwrap(), before);
    let mode = fs::metadata(&kept).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let server = Serving::start(here, &[]).await;
    store.assert_opens_at(&server, "after").await;
    assert_eq!(server.end_with("-TERM").await, Some(0));

    write_private(&key, &before);
    let refused = refusal(here).await;
    assert!(
        refused.contains("the database is sealed under key"),
        "{refused}"
    );
    store.sandbox.stop().await;
}

#[tokio::test]
async fn a_rotation_that_was_cut_short_is_finished_or_forgotten() {
    let directory = tempdir().unwrap();
    let here = directory.path();
    let (key, coming) = (here.join("secrets.key"), here.join("secrets.key.new"));
    let server = Serving::start(here, &[]).await;
    let store = Kept::on(&server).await;
    assert_eq!(server.end_with("-TERM").await, Some(0));
    let before = fs::read_to_string(&key).unwrap();

    // Before the transaction: the coming key, whole or not, sealed nothing.
    for digits in ["ab".repeat(32), "abc".to_owned()] {
        write_private(&coming, &digits);
        let server = Serving::start(here, &[]).await;
        store
            .assert_opens_at(&server, &format!("before {}", digits.len()))
            .await;
        assert_eq!(server.end_with("-TERM").await, Some(0));
        assert_eq!(fs::read_to_string(&key).unwrap(), before);
    }
    assert_eq!(rotate(here, &[]).await.0, Some(0));

    // After it: the file has its old name still, or the old key is put aside already.
    let after = fs::read_to_string(&key).unwrap();
    for is_put_aside in [false, true] {
        fs::rename(&key, &coming).unwrap();
        if !is_put_aside {
            write_private(&key, &before);
        }
        let server = Serving::start(here, &[]).await;
        store
            .assert_opens_at(&server, &format!("after all {is_put_aside}"))
            .await;
        assert_eq!(server.end_with("-TERM").await, Some(0));
        assert_eq!(fs::read_to_string(&key).unwrap(), after);
        assert!(!coming.exists());
    }
    store.sandbox.stop().await;
}

#[tokio::test]
async fn the_new_key_is_given_by_a_file_or_a_setting() {
    let directory = tempdir().unwrap();
    let (here, given) = (directory.path(), directory.path().join("given"));
    let server = Serving::start(here, &[]).await;
    assert_eq!(server.end_with("-TERM").await, Some(0));
    let path = given.to_str().unwrap();
    let (code, _, stderr) = rotate(here, &["--new-key-file", path]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("no such file"), "{stderr}");
    let first = "01".repeat(32);
    write_private(&given, &first);
    assert_eq!(rotate(here, &["--new-key-file", path]).await.0, Some(0));
    assert_eq!(fs::read_to_string(here.join("secrets.key")).unwrap(), first);
    let (code, _, stderr) = rotate(here, &["--new-key-file", path]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("is the one in use"), "{stderr}");

    // The key in force is a setting from here on: nothing but the setting is asked.
    let (next, data_dir) = ("02".repeat(32), here.to_str().unwrap());
    fs::remove_file(here.join("secrets.key")).unwrap();
    let set = async |pairs: &[(&str, &str)]| {
        let mut command = program(&["rotate-key", "--data-dir", data_dir]);
        let ended = output(command.envs(pairs.iter().copied())).await;
        (
            ended.status.code(),
            String::from_utf8_lossy(&ended.stderr).into_owned(),
        )
    };
    let key = ("STOREKEEPER__SECRETS__KEY", first.as_str());
    let (code, stderr) = set(&[key]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("kept nowhere"), "{stderr}");
    let new = ("STOREKEEPER__SECRETS__NEW_KEY", next.as_str());
    assert_eq!(set(&[key, new]).await, (Some(0), String::new()));
    let (code, stderr) = set(&[key, new]).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("the database is sealed under key"),
        "{stderr}"
    );
    assert!(!here.join("secrets.key").exists());
}
