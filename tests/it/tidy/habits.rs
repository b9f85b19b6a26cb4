//! Habits of tests, manifests and the tree as a whole.

use std::fs;

use super::sources::{SourceFile, all_files, assert_none, root, rust_files};

// Assembled, so that this file does not break its own rules.
const BARE_IGNORE: &str = concat!("#[", "ignore]");
const SLEEPS: [[&str; 2]; 2] = [["thread", "sleep"], ["time", "sleep"]];
const MACHINE_DIRECTORIES: [&str; 5] = [
    concat!("/", "work/"),
    concat!("/", "root/"),
    concat!("/", "home/"),
    concat!("/", "Users/"),
    concat!("/", "mnt/"),
];

/// The root is a table of contents; besides these, only files and directories that begin with a dot.
const ROOT_ENTRIES: [&str; 23] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE",
    "README.md",
    "benches",
    "clippy.toml",
    "compose.yaml",
    "deny.toml",
    "entity",
    "fuzz",
    "justfile",
    "migration",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "src",
    "storekeeper-data",
    "storekeeper.example.toml",
    "target",
    "tests",
];

fn ignored_without_reason(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let bare = file
            .code_lines()
            .filter(|(_, code)| code.contains(BARE_IGNORE));
        found.extend(
            bare.map(|(line, _)| format!("{}:{line}: ignored without a reason", file.path)),
        );
    }
    found
}

/// A sleep is too short on a slow machine and too long on every other.
fn sleeping_tests(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for named in file.tests().named_paths() {
            let sleeps = SLEEPS
                .iter()
                .any(|sleep| named.segments.windows(2).any(|pair| pair == sleep));
            if sleeps {
                found.push(format!(
                    "{}:{}: wait on a condition with a deadline instead",
                    file.path, named.line
                ));
            }
        }
    }
    found
}

/// Supervision rests on catching the panic of one keeper.
fn profiles_that_abort(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    let panic_of = |profile: &str| {
        manifest
            .get("profile")?
            .get(profile)?
            .get("panic")?
            .as_str()
    };
    let named = manifest
        .get("profile")
        .and_then(toml::Value::as_table)
        .into_iter()
        .flat_map(toml::Table::keys);
    let mut found = Vec::new();
    for profile in ["dev", "release"] {
        if panic_of(profile) != Some("unwind") {
            found.push(format!("profile {profile} does not say panic = \"unwind\""));
        }
    }
    for profile in named {
        if panic_of(profile).is_some_and(|strategy| strategy != "unwind") {
            found.push(format!("profile {profile} does not unwind"));
        }
    }
    found
}

fn machine_paths(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            if MACHINE_DIRECTORIES
                .iter()
                .any(|directory| names_directory(line, directory))
            {
                found.push(format!(
                    "{}:{}: names a path of one machine",
                    file.path,
                    index + 1
                ));
            }
        }
    }
    found
}

/// At the start of a path only: `example.com/…` and `src/…` have such parts too.
fn names_directory(line: &str, directory: &str) -> bool {
    let mut starts = line
        .match_indices(directory)
        .map(|(start, _)| &line[..start]);
    let continues_a_path = |before: &str| {
        before.ends_with(|symbol: char| symbol.is_alphanumeric() || "._-}>".contains(symbol))
    };
    starts.any(|before| !continues_a_path(before))
}

fn strays_in_root(names: &[String]) -> Vec<String> {
    let is_stray =
        |name: &&String| !name.starts_with('.') && !ROOT_ENTRIES.contains(&name.as_str());
    names
        .iter()
        .filter(is_stray)
        .map(|name| format!("{name}: does not belong in the root"))
        .collect()
}

#[test]
fn ignored_tests_say_why() {
    assert_none(&ignored_without_reason(&rust_files()));
}

#[test]
fn a_bare_ignore_is_found() {
    let text = format!("#[test]\n{BARE_IGNORE}\nfn sells() {{}}\n");
    assert_eq!(
        ignored_without_reason(&[SourceFile::planted("tests/it/bids.rs", &text)]).len(),
        1
    );
}

#[test]
fn tests_do_not_sleep() {
    assert_none(&sleeping_tests(&rust_files()));
}

#[test]
fn a_sleeping_test_is_found() {
    let [thread, time] = SLEEPS.map(|sleep| sleep.join("::"));
    let inline = format!(
        "fn wait() {{\n    {time}(left);\n}}\n#[cfg(test)]\nmod tests {{\n    use tokio::{time};\n}}\n"
    );
    let planted = [
        SourceFile::planted("tests/it/bids.rs", &format!("std::{thread}(left);\n")),
        SourceFile::planted("src/keeper/guard.rs", &inline),
    ];
    let found = sleeping_tests(&planted);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn panics_unwind_in_every_profile() {
    assert_none(&profiles_that_abort(
        &fs::read_to_string(root().join("Cargo.toml")).unwrap(),
    ));
}

#[test]
fn a_profile_that_aborts_is_found() {
    let unwinding = "[profile.dev]\npanic = \"unwind\"\n[profile.release]\npanic = \"unwind\"\n";
    assert_none(&profiles_that_abort(unwinding));
    assert_eq!(
        profiles_that_abort("[profile.dev]\npanic = \"unwind\"\n").len(),
        1
    );
    assert_eq!(
        profiles_that_abort(&format!("{unwinding}[profile.small]\npanic = \"abort\"\n")).len(),
        1
    );
}

#[test]
fn nothing_names_a_path_of_one_machine() {
    assert_none(&machine_paths(&all_files()));
}

#[test]
fn a_path_of_one_machine_is_found() {
    let [first, ..] = MACHINE_DIRECTORIES;
    let text = format!("see {first}notes\nhttps://example.com{first}notes\n");
    assert_eq!(
        machine_paths(&[SourceFile::planted("README.md", &text)]).len(),
        1
    );
}

#[test]
fn the_root_is_a_table_of_contents() {
    let entries = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_none(&strays_in_root(&entries.collect::<Vec<_>>()));
}

#[test]
fn a_stray_in_the_root_is_found() {
    let names = ["Cargo.toml", ".ci", "notes.txt"].map(str::to_owned);
    assert_eq!(
        strays_in_root(&names),
        ["notes.txt: does not belong in the root"]
    );
}
