//! Imports flow strictly downward, and each outside crate has its home.

use super::sources::{NamedPath, SourceFile, all_files, assert_none, rust_files};

/// Higher may use lower; equal ranks know nothing of each other.
const RANKS: [(&str, u32); 20] = [
    ("main", 75),
    ("cli", 70),
    ("app", 60),
    ("sandbox", 60),
    ("journey", 60),
    ("http", 50),
    ("keeper", 40),
    ("cluster", 35),
    ("legacy", 35),
    ("deps", 30),
    ("db", 20),
    ("cache", 20),
    ("bus", 20),
    ("platform", 20),
    ("remote", 20),
    ("config", 15),
    ("domain", 10),
    // `ids` makes ids that carry the time.
    ("ids", 5),
    ("clock", 0),
    ("telemetry", 0),
];

/// Programs outside the server: what they share with it they could be wrong about together.
const OUTSIDERS: [&str; 2] = ["sandbox", "journey"];
/// The ground (rank 0 of ARCHITECTURE.md), all that outsiders share with the server.
const GROUND_RANK_MAX: u32 = 5;

/// The modules (with all below them) that may name an outside crate in production code.
const HOMES: [(&str, &[&str]); 12] = [
    ("actix", &["keeper", "app"]),
    ("actix_web", &["http", "app", "sandbox"]),
    ("askama", &["http", "app", "sandbox"]),
    ("clap", &["cli", "main"]),
    ("entity", &["db"]),
    ("indicatif", &["cli", "main"]),
    ("metrics_exporter_prometheus", &["telemetry"]),
    ("moka", &["cache", "http"]),
    ("redis", &["cache", "bus", "cluster"]),
    (
        "reqwest",
        &[
            "platform",
            "remote",
            "cluster",
            "legacy",
            "sandbox",
            "journey",
            "cli",
            "app/hooks",
            "keeper/hooks",
        ],
    ),
    ("sea_orm", &["db"]),
    ("sea_orm_migration", &["db"]),
];

/// A task that nobody owns outlives its owner; these places own what they start.
const SPAWNERS: [&str; 10] = [
    "app",
    "bus",
    "sandbox",
    "db/writer",
    "keeper/guard",
    "keeper/call_sender",
    "http/events",
    "http/live",
    "http/streams",
    "http/dashboard",
];
const SPAWNS: [&[&str]; 6] = [
    &["tokio", "spawn"],
    &["tokio", "task", "spawn"],
    &["tokio", "task", "spawn_local"],
    &["task", "spawn"],
    &["actix", "spawn"],
    &["actix_web", "rt", "spawn"],
];

const WRITE_VERBS: [&str; 5] = ["insert_", "update_", "accept_", "mark_", "delete_"];

const IMPURE: [&[&str]; 16] = [
    &["crate", "telemetry"],
    &["crate", "clock", "Clock"],
    &["crate", "clock", "SystemClock"],
    &["actix"],
    &["futures_util"],
    &["metrics"],
    &["rand"],
    &["reqwest"],
    &["tokio"],
    &["tokio_stream"],
    &["tracing"],
    &["std", "env"],
    &["std", "fs"],
    &["std", "net"],
    &["std", "process"],
    &["std", "thread"],
];

fn rank_of(layer: &str) -> Option<u32> {
    RANKS
        .iter()
        .find(|(name, _)| *name == layer)
        .map(|(_, rank)| *rank)
}

fn complaint(file: &SourceFile, named: &NamedPath, why: &str) -> String {
    format!(
        "{}:{}: `{}`: {why}",
        file.path,
        named.line,
        named.segments.join("::")
    )
}

/// The module and everything below it.
fn is_within(module: &[String], place: &str) -> bool {
    let module = module.join("/");
    module == place || module.starts_with(&format!("{place}/"))
}

fn modules_without_rank(files: &[SourceFile]) -> Vec<String> {
    let lacks_rank = |file: &&SourceFile| {
        file.module()
            .and_then(|module| Some(rank_of(module.first()?).is_none()))
            .unwrap_or(false)
    };
    files
        .iter()
        .filter(lacks_rank)
        .map(|file| format!("{}: its module has no rank", file.path))
        .collect()
}

fn upward_imports(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let Some(own) = file.module().and_then(|module| module.first().cloned()) else {
            continue;
        };
        let Some(own_rank) = rank_of(&own) else {
            continue;
        };
        for named in file.named_paths() {
            let Some(target) = file
                .resolve(&named.segments)
                .and_then(|path| path.first().cloned())
            else {
                continue;
            };
            let Some(rank) = rank_of(&target) else {
                continue;
            };
            let is_outsider = OUTSIDERS.contains(&own.as_str());
            if target != own && (rank >= own_rank || (is_outsider && rank > GROUND_RANK_MAX)) {
                found.push(complaint(
                    file,
                    &named,
                    &format!("`{own}` may not use `{target}`"),
                ));
            }
        }
    }
    found
}

fn crates_away_from_home(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let Some(module) = file.module() else {
            continue;
        };
        for named in file.production().named_paths() {
            let home = HOMES.iter().find(|(name, _)| named.starts_with(&[name]));
            if let Some((name, places)) = home
                && !places.iter().any(|place| is_within(&module, place))
            {
                found.push(complaint(
                    file,
                    &named,
                    &format!("`{name}` belongs to {}", places.join(", ")),
                ));
            }
        }
    }
    found
}

fn stray_spawns(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let Some(module) = file.module() else {
            continue;
        };
        if SPAWNERS.iter().any(|place| is_within(&module, place)) {
            continue;
        }
        let spawns = |named: &NamedPath| SPAWNS.iter().any(|spawn| named.starts_with(spawn));
        let strays = file.production().named_paths().into_iter().filter(spawns);
        found.extend(
            strays.map(|named| complaint(file, &named, "tasks start only where they are owned")),
        );
    }
    found
}

/// INV-B: `http` changes a store only through its keeper, save `inbox::accept` and `db::admin`.
fn writes_past_the_keeper(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.path.starts_with("src/http/"))
    {
        let paths = file.production().named_paths();
        let of_db = |named: &NamedPath| named.starts_with(&["crate", "db"]);
        let imported: Vec<&String> = paths
            .iter()
            .filter(|named| of_db(named))
            .filter_map(last_segment)
            .collect();
        for named in &paths {
            let reaches_db = of_db(named)
                || named
                    .segments
                    .first()
                    .is_some_and(|first| imported.contains(&first));
            let excepted = named
                .segments
                .iter()
                .any(|segment| segment == "admin" || segment == "inbox");
            if reaches_db && !excepted && last_segment(named).is_some_and(|name| is_write(name)) {
                found.push(complaint(file, named, "only the keeper writes"));
            }
        }
    }
    found
}

fn last_segment(named: &NamedPath) -> Option<&String> {
    named.segments.last()
}

fn is_write(name: &str) -> bool {
    WRITE_VERBS.iter().any(|verb| name.starts_with(verb))
}

/// INV-A: `domain` never awaits, never reads a clock, never logs, touches nothing outside.
fn impure_domain(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.path.starts_with("src/domain/"))
    {
        let production = file.production();
        let impure = |named: &NamedPath| IMPURE.iter().any(|prefix| named.starts_with(prefix));
        let named = production.named_paths().into_iter().filter(impure);
        found.extend(named.map(|named| complaint(file, &named, "`domain` is pure")));
        let waits = |code: &str| code.contains("async ") || code.contains(".await");
        let waiting = production
            .code_lines()
            .filter(|(_, code)| waits(code))
            .map(|(line, _)| line);
        found.extend(waiting.map(|line| format!("{}:{line}: `domain` never awaits", file.path)));
    }
    found
}

/// INV-G: a migration must mean the same after the entities have moved on.
fn migrations_that_know_entities(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.path.starts_with("migration/"))
    {
        let named = file
            .named_paths()
            .into_iter()
            .filter(|named| named.starts_with(&["entity"]));
        found.extend(named.map(|named| complaint(file, &named, "migrations do not know entities")));
        if file.path.ends_with("Cargo.toml")
            && file.text.lines().any(|line| line.starts_with("entity"))
        {
            found.push(format!("{}: depends on `entity`", file.path));
        }
    }
    found
}

#[test]
fn every_module_has_a_rank() {
    assert_none(&modules_without_rank(&rust_files()));
}

#[test]
fn a_module_without_rank_is_found() {
    assert_eq!(
        modules_without_rank(&[SourceFile::planted("src/extras/stock.rs", "")]).len(),
        1
    );
}

#[test]
fn imports_flow_downward() {
    assert_none(&upward_imports(&rust_files()));
}

#[test]
fn upward_imports_are_found() {
    let upward = [
        ("src/domain/bid.rs", "use crate::config::Config;\n"),
        (
            "src/db/bids.rs",
            "use crate::{\n    cache::Cache,\n    ids,\n};\n",
        ),
        (
            "src/db/bids.rs",
            "let kept = super::super::keeper::find(store);\n",
        ),
        ("src/sandbox/shop.rs", "use crate::domain::bundle;\n"),
        ("src/clock.rs", "pub(crate) use crate::ids::StoreId;\n"),
    ];
    for (path, text) in upward {
        assert_eq!(
            upward_imports(&[SourceFile::planted(path, text)]).len(),
            1,
            "{path}: {text}"
        );
    }
    let downward = [
        ("src/main.rs", "storekeeper::cli::run();\n"),
        ("src/config/mod.rs", "use crate::domain::retry;\n"),
        (
            "src/cluster/ownership.rs",
            "use crate::{deps::Deps, ids::StoreId};\n",
        ),
        (
            "src/sandbox/shop.rs",
            "use crate::{clock::Clock, ids, sandbox::levels};\n",
        ),
    ];
    for (path, text) in downward {
        assert_none(&upward_imports(&[SourceFile::planted(path, text)]));
    }
}

#[test]
fn outside_crates_stay_at_home() {
    assert_none(&crates_away_from_home(&rust_files()));
}

#[test]
fn a_crate_away_from_home_is_found() {
    let text = "use actix_web::web;\nuse sea_orm::EntityTrait;\n#[cfg(test)]\nmod tests {\n    use actix::Actor;\n}\n";
    let found = crates_away_from_home(&[SourceFile::planted("src/http/bids.rs", text)]);
    assert_eq!(
        found,
        ["src/http/bids.rs:2: `sea_orm::EntityTrait`: `sea_orm` belongs to db"]
    );
}

#[test]
fn tasks_start_only_where_they_are_owned() {
    assert_none(&stray_spawns(&rust_files()));
}

#[test]
fn a_stray_spawn_is_found() {
    let text = "fn start() {\n    tokio::spawn(run());\n}\n";
    assert_eq!(
        stray_spawns(&[SourceFile::planted("src/http/bids.rs", text)]).len(),
        1
    );
    assert_none(&stray_spawns(&[SourceFile::planted(
        "src/db/writer/mod.rs",
        text,
    )]));
}

#[test]
fn http_writes_only_through_the_keeper() {
    assert_none(&writes_past_the_keeper(&rust_files()));
}

#[test]
fn a_write_past_the_keeper_is_found() {
    let text = "use crate::db::{admin, bids, inbox};\nasync fn delete_bid() {\n    bids::list_of(store);\n    \
                admin::insert_store(store);\n    inbox::accept(rows);\n    bids::delete_bid(store);\n}\n";
    let found = writes_past_the_keeper(&[SourceFile::planted("src/http/bids.rs", text)]);
    assert_eq!(
        found,
        ["src/http/bids.rs:6: `bids::delete_bid`: only the keeper writes"]
    );
}

#[test]
fn domain_is_pure() {
    assert_none(&impure_domain(&rust_files()));
}

#[test]
fn an_impure_domain_is_found() {
    let text = "use tracing::info;\npub async fn apply() {}\n";
    assert_eq!(
        impure_domain(&[SourceFile::planted("src/domain/bid.rs", text)]).len(),
        2
    );
}

#[test]
fn migrations_do_not_know_entities() {
    assert_none(&migrations_that_know_entities(&all_files()));
}

#[test]
fn a_migration_that_knows_entities_is_found() {
    let source = SourceFile::planted(
        "migration/src/m20260101_000001_create_bids.rs",
        "use entity::bid;\n",
    );
    let manifest = SourceFile::planted(
        "migration/Cargo.toml",
        "[dependencies]\nentity = { path = \"../entity\" }\n",
    );
    assert_eq!(migrations_that_know_entities(&[source, manifest]).len(), 2);
}
