//! How long things may be.

use super::sources::{SourceFile, assert_none, rust_files};

const FUNCTION_LINES_MAX: usize = 70;
const PRODUCTION_LINES_MAX: usize = 500;
const TEST_FILE_LINES_MAX: usize = 900;
const FACADE_LINES_MAX: usize = 120;

const QUALIFIERS: [&str; 8] = [
    "pub",
    "pub(crate)",
    "pub(super)",
    "const",
    "async",
    "unsafe",
    "extern",
    "\"C\"",
];
/// What a facade (`mod.rs`) leaves to the files beside it.
const DEFINITIONS: [&str; 8] = [
    "fn", "struct", "enum", "trait", "impl", "impl<", "static", "type",
];

#[derive(Debug)]
struct Function<'source> {
    name: &'source str,
    line: usize,
    length: usize,
}

/// rustfmt closes a body at the indentation of its `fn`; declarations without a body are left out.
fn functions(file: &SourceFile) -> Vec<Function<'_>> {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if let Some(name) = function_name(line)
            && let Some(length) = body_length(&lines[index..])
        {
            found.push(Function {
                name,
                line: index + 1,
                length,
            });
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.trim_start().split_once("fn ")?;
    let is_definition = before
        .split_whitespace()
        .all(|word| QUALIFIERS.contains(&word));
    is_definition.then(|| after.split(['(', '<']).next().unwrap_or(after))
}

fn body_length(lines: &[&str]) -> Option<usize> {
    let indentation = lines[0].len() - lines[0].trim_start().len();
    let end = format!("{}}}", " ".repeat(indentation));
    let mut has_body = false;
    for (index, line) in lines.iter().enumerate() {
        has_body |= line.ends_with('{') || line.ends_with("{}") || line.ends_with(" }");
        if !has_body && line.ends_with(';') {
            return None;
        }
        let closes_at_once = index == 0 && has_body && line.ends_with('}');
        if closes_at_once || *line == end {
            return Some(index + 1);
        }
    }
    None
}

fn long_functions(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let long = functions(file)
            .into_iter()
            .filter(|function| function.length > FUNCTION_LINES_MAX);
        found.extend(long.map(|Function { name, line, length }| {
            format!("{}:{line}: {name} has {length} lines", file.path)
        }));
    }
    found
}

fn long_files(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let (length, length_max) = if file.is_test() {
            (file.text.lines().count(), TEST_FILE_LINES_MAX)
        } else {
            (file.production().text.lines().count(), PRODUCTION_LINES_MAX)
        };
        if length > length_max {
            found.push(format!(
                "{}: {length} lines, at most {length_max}",
                file.path
            ));
        }
    }
    found
}

fn thick_facades(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_facade()) {
        let length = file.text.lines().count();
        if length > FACADE_LINES_MAX {
            found.push(format!(
                "{}: {length} lines, at most {FACADE_LINES_MAX}",
                file.path
            ));
        }
        let defines = |code: &str| {
            code.split(' ')
                .find(|word| !QUALIFIERS.contains(word))
                .is_some_and(is_definition)
        };
        let production = file.production();
        let definition = production.code_lines().find(|(_, code)| defines(code));
        found.extend(
            definition
                .map(|(line, _)| format!("{}:{line}: a mod.rs defines nothing itself", file.path)),
        );
    }
    found
}

fn is_definition(word: &str) -> bool {
    DEFINITIONS.iter().any(|definition| {
        word == *definition || (*definition == "impl<" && word.starts_with("impl<"))
    })
}

#[test]
fn functions_are_short() {
    let seen = rust_files()
        .iter()
        .map(|file| functions(file).len())
        .sum::<usize>();
    assert!(seen > 50, "only {seen} functions were recognised");
    assert_none(&long_functions(&rust_files()));
}

#[test]
fn a_long_function_is_found() {
    let body = "        sell();\n".repeat(FUNCTION_LINES_MAX - 1);
    let text =
        format!("    pub(crate) async fn sell(\n        item: Item,\n    ) {{\n{body}    }}\n");
    let found = long_functions(&[SourceFile::planted("src/domain/bid.rs", &text)]);
    assert_eq!(found, ["src/domain/bid.rs:1: sell has 73 lines"]);
}

#[test]
fn declarations_and_short_functions_are_told_from_long_ones() {
    let filler = "    kept();\n".repeat(FUNCTION_LINES_MAX);
    let text = format!(
        "fn declared(\n    item: Item,\n) -> Stock;\nfn none() {{}}\nmod sold {{\n{filler}}}\n"
    );
    assert_none(&long_functions(&[SourceFile::planted(
        "src/domain/bid.rs",
        &text,
    )]));
}

#[test]
fn files_are_short() {
    assert_none(&long_files(&rust_files()));
}

#[test]
fn a_long_file_is_found() {
    let long = "\n".repeat(PRODUCTION_LINES_MAX + 1);
    let long_by_tests = format!("#[cfg(test)]\nmod tests {{\n{long}}}\n");
    assert_eq!(
        long_files(&[SourceFile::planted("src/domain/bid.rs", &long)]).len(),
        1
    );
    assert_none(&long_files(&[SourceFile::planted(
        "src/domain/bid.rs",
        &long_by_tests,
    )]));
    assert_none(&long_files(&[SourceFile::planted(
        "tests/it/bids.rs",
        &long,
    )]));
    assert_eq!(
        long_files(&[SourceFile::planted("tests/it/bids.rs", &long.repeat(2))]).len(),
        1
    );
}

#[test]
fn facades_are_thin() {
    assert_none(&thick_facades(&rust_files()));
}

#[test]
fn a_thick_facade_is_found() {
    let listing = "pub mod sold;\n".repeat(FACADE_LINES_MAX + 1);
    assert_eq!(
        thick_facades(&[SourceFile::planted("src/db/mod.rs", &listing)]).len(),
        1
    );
    assert_eq!(
        thick_facades(&[SourceFile::planted(
            "src/db/mod.rs",
            "pub(crate) async fn connect() {}\n"
        )])
        .len(),
        1
    );
    assert_none(&thick_facades(&[SourceFile::planted(
        "src/db/mod.rs",
        "//! Books.\npub use bids::Bid;\nmod bids;\n",
    )]));
}
