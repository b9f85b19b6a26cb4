//! One word per thing, and a first line that says what a module owns.

use super::sources::{SourceFile, assert_none, rust_files};

/// Names that say nothing, for files and modules.
const EMPTY_NAMES: [&str; 10] = [
    "util", "utils", "helper", "helpers", "common", "misc", "manager", "managers", "service",
    "services",
];
/// Words that this project has another word for (or that say nothing), as parts of names of types and modules.
const TAKEN_WORDS: [&str; 10] = [
    "util", "utils", "helper", "manager", "worker", "tenant", "dlq", "poison", "leader", "toggle",
];
const NAMING: [&str; 5] = ["struct ", "enum ", "trait ", "type ", "mod "];

fn undocumented_modules(files: &[SourceFile]) -> Vec<String> {
    let silent = files.iter().filter(|file| !file.text.starts_with("//! "));
    silent
        .map(|file| format!("{}: does not begin with `//!` and what it owns", file.path))
        .collect()
}

fn empty_names(files: &[SourceFile]) -> Vec<String> {
    let is_empty = |file: &&SourceFile| {
        file.path
            .trim_end_matches(".rs")
            .split('/')
            .any(|segment| EMPTY_NAMES.contains(&segment))
    };
    files
        .iter()
        .filter(is_empty)
        .map(|file| format!("{}: the name says nothing", file.path))
        .collect()
}

fn taken_words(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (line, code) in file.code_lines() {
            let Some(name) = name_given(code) else {
                continue;
            };
            let taken = words_of(name)
                .into_iter()
                .find(|word| TAKEN_WORDS.contains(&word.as_str()));
            found.extend(
                taken.map(|word| format!("{}:{line}: {name}: `{word}` is not our word", file.path)),
            );
        }
    }
    found
}

/// The name that this line gives to a type or module.
fn name_given(code: &str) -> Option<&str> {
    let code = code.trim_start();
    let item = match code.strip_prefix("pub") {
        Some(rest) => rest.split_once(' ')?.1,
        None => code,
    };
    let named = NAMING
        .iter()
        .find_map(|keyword| item.strip_prefix(keyword))?;
    named
        .split(|symbol: char| !(symbol.is_alphanumeric() || symbol == '_'))
        .next()
}

/// `BidBook` and `bid_book` are both bid, book.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for symbol in name.chars() {
        if symbol == '_' || symbol.is_uppercase() {
            words.push(String::new());
        }
        if symbol != '_' {
            words.last_mut().unwrap().extend(symbol.to_lowercase());
        }
    }
    words
}

#[test]
fn every_module_says_what_it_owns() {
    assert_none(&undocumented_modules(&rust_files()));
}

#[test]
fn an_undocumented_module_is_found() {
    assert_eq!(
        undocumented_modules(&[SourceFile::planted("src/domain/bid.rs", "use std::fmt;\n")]).len(),
        1
    );
}

#[test]
fn file_names_say_something() {
    assert_none(&empty_names(&rust_files()));
}

#[test]
fn an_empty_file_name_is_found() {
    let planted =
        ["src/utils.rs", "src/http/common/mod.rs"].map(|path| SourceFile::planted(path, ""));
    assert_eq!(empty_names(&planted).len(), 2);
}

#[test]
fn names_use_our_words() {
    assert_none(&taken_words(&rust_files()));
}

#[test]
fn a_taken_word_is_found() {
    let text =
        "pub(crate) struct StoreManager;\nmod worker {\n}\nstruct Network;\npub struct Keeper;\n";
    assert_eq!(
        taken_words(&[SourceFile::planted("src/domain/bid.rs", text)]).len(),
        2
    );
}
