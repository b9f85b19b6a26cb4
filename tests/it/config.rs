//! Settings: layers, refusals, and the example file.

use std::io::Write as _;

use storekeeper::config::{self, Config, Layers};
use storekeeper::telemetry::LogFormat;

fn file_with(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn load(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &str)],
) -> Result<Config, String> {
    let file = file_with(file);
    let layers = Layers {
        file: Some(file.path().to_owned()),
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        flags: flags
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
    };
    layers.load().map_err(|error| error.to_string())
}

#[test]
fn nothing_set_gives_the_defaults_and_they_are_valid() {
    let config = Layers::default().load().unwrap();
    assert_eq!(config, Config::default());
    config.validate().unwrap();
}

#[test]
fn flags_overrule_the_environment_which_overrules_the_file() {
    let file = "[retry]\nretry_count = 7\nbase_delay_ms = 10\n[keeper]\nidle_ms = 5000\n";
    let environment = [
        ("STOREKEEPER__RETRY__RETRY_COUNT", "8"),
        ("STOREKEEPER__RETRY__BASE_DELAY_MS", "2_000"),
    ];
    let config = load(file, &environment, &[("retry.retry_count", "9")]).unwrap();
    assert_eq!(
        (
            config.retry.retry_count,
            config.retry.base_delay_ms,
            config.keeper.idle_ms
        ),
        (9, 2_000, 5_000)
    );
    assert_eq!(config.server, Config::default().server);
}

#[test]
fn every_type_can_come_from_the_environment() {
    let environment = [
        ("STOREKEEPER__SERVER__BIND", "127.0.0.1:0"),
        ("STOREKEEPER__DATABASE__DATA_DIR", "elsewhere"),
        (
            "STOREKEEPER__PLATFORM__SHOPIFY__APP_SECRETS",
            "new-secret, old-secret",
        ),
        ("STOREKEEPER__RETRY__RETRY_ENABLED", "false"),
        ("STOREKEEPER__TELEMETRY__LOG_FORMAT", "json"),
        ("UNRELATED", "passed over"),
    ];
    let config = load("", &environment, &[]).unwrap();
    assert_eq!(config.server.bind.port(), 0);
    assert_eq!(config.database.data_dir.to_str(), Some("elsewhere"));
    let secrets: Vec<&str> = config
        .platform
        .shopify
        .app_secrets
        .iter()
        .map(config::Secret::reveal)
        .collect();
    assert_eq!(secrets, ["new-secret", "old-secret"]);
    assert!(!config.retry.retry_enabled);
    assert_eq!(config.telemetry.log_format, LogFormat::Json);
}

#[test]
fn an_unknown_key_is_refused_with_a_suggestion() {
    for (file, expected) in [
        (
            "[retry]\nretry_cuont = 3\n",
            "unknown key retry.retry_cuont: did you mean retry.retry_count?",
        ),
        (
            "[platform.shopfy]\nclient_id = \"x\"\n",
            "unknown key platform.shopfy: did you mean platform.shopify?",
        ),
        (
            "[sever]\nbind = \"127.0.0.1:1\"\n",
            "unknown key sever: did you mean server?",
        ),
        ("[retry]\nqqqq = 1\n", "unknown key retry.qqqq"),
    ] {
        assert!(
            load(file, &[], &[]).unwrap_err().starts_with(expected),
            "{:?}",
            load(file, &[], &[])
        );
    }
    let refused = load("", &[("STOREKEEPER__SERVER__BINDD", "127.0.0.1:1")], &[]).unwrap_err();
    assert_eq!(
        refused,
        "unknown key server.bindd: did you mean server.bind?"
    );
}

#[test]
fn a_value_that_does_not_fit_is_refused_with_its_full_name() {
    for (file, expected) in [
        (
            "[inbox]\ndelivery_retention_h = 47\n",
            "inbox.delivery_retention_h: must be 48 to 8760",
        ),
        (
            "[keeper]\nturn_rows_max = -1\n",
            "keeper.turn_rows_max: must be 1 to 500",
        ),
        (
            "[keeper]\nturn_rows_max = \"many\"\n",
            "keeper.turn_rows_max: must be a whole number, is text",
        ),
        (
            "[telemetry]\nlog_format = \"xml\"\n",
            "telemetry.log_format: must be text or json",
        ),
        (
            "[server]\nbind = \"localhost\"\n",
            "server.bind: must be an IP address and a port",
        ),
        (
            "[server]\npublic_url = \"shop.example/\"\n",
            "server.public_url: must be empty, or http",
        ),
        (
            "[secrets]\nkey = \"abc\"\n",
            "secrets.key: must be empty, or 64 hexadecimal digits",
        ),
        (
            "[platform.shopify]\napp_secrets = [1]\n",
            "platform.shopify.app_secrets: must be",
        ),
        (
            "[platform.shopify]\napi_version = \"2025-10\"\n",
            "platform.shopify.api_version: must be 2026-04 or",
        ),
        (
            "[platform.shopify]\nshop_url = \"https://api.example\"\n",
            "platform.shopify.shop_url: must be http(s)://… with {shop}",
        ),
        (
            "[platform.shopify]\napi_version = \"unstable\"\n",
            "platform.shopify.api_version: must be",
        ),
        ("retry = 3\n", "unknown key retry"),
    ] {
        let refused = load(file, &[], &[]).unwrap_err();
        assert!(refused.starts_with(expected), "{file}: {refused}");
    }
    let refused = load("", &[("STOREKEEPER__KEEPER__IDLE_MS", "soon")], &[]).unwrap_err();
    assert_eq!(
        refused,
        "keeper.idle_ms: must be a whole number, is other text"
    );
}

#[test]
fn keys_that_do_not_go_together_are_refused() {
    let refused = load("[platform.shopify]\nclient_id = \"id\"\n", &[], &[]).unwrap_err();
    assert_eq!(
        refused,
        "platform.shopify.client_secret must be set when platform.shopify.client_id is"
    );
}

#[test]
fn a_broken_file_is_refused_with_its_line() {
    let refused = load("[retry]\nretry_count = = 3\n", &[], &[]).unwrap_err();
    assert!(refused.contains("is not TOML: line 2"), "{refused}");
    let layers = Layers {
        file: Some("does/not/exist.toml".into()),
        ..Layers::default()
    };
    assert!(
        layers
            .load()
            .unwrap_err()
            .to_string()
            .starts_with("cannot read does/not/exist.toml")
    );
}

#[test]
fn secrets_are_never_printed() {
    let secret = "5ec2e7".repeat(11);
    let secret = secret.get(..64).unwrap();
    let file = format!(
        "[secrets]\nkey = \"{secret}\"\n[database]\nurl = \"postgres://me:{secret}@db/x\"\n\
         [platform.shopify]\napp_secrets = [\"{secret}\"]\nclient_secret = \"{secret}\"\n[admin]\ntoken = \"{secret}\"\n"
    );
    let config = load(&file, &[], &[]).unwrap();
    assert_eq!(config.secrets.key.reveal(), secret);
    assert!(!format!("{config:?}").contains(secret));
    assert!(!config::effective(&config).contains(secret));
    let refused = load(&format!("[server]\nbind = \"{secret}\"\n"), &[], &[]).unwrap_err();
    assert!(!refused.contains(secret), "{refused}");
}

#[test]
fn the_example_file_equals_the_code() {
    let stored = include_str!("../../storekeeper.example.toml");
    assert_eq!(
        stored,
        config::example(),
        "run `cargo run -- check-config --example > storekeeper.example.toml` and read the difference"
    );
}

#[test]
fn the_example_file_with_every_key_taken_out_of_its_comment_is_the_defaults() {
    let keys: String = config::example()
        .lines()
        .map(|line| {
            line.strip_prefix('#')
                .filter(|rest| !rest.starts_with(' '))
                .unwrap_or(line)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(keys.contains("\nretry_count = 3\n"));
    assert_eq!(load(&keys, &[], &[]).unwrap(), Config::default());
    assert_eq!(
        load(&config::effective(&Config::default()), &[], &[]).unwrap(),
        Config::default()
    );
}
