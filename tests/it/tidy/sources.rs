//! Reads the tree, and sees in a file its code, its production part and the paths it names.

use std::fs;
use std::path::{Path, PathBuf};

/// What is generated or not ours; everything else in the tree is looked at.
const UNREAD: [&str; 5] = [".git", "target", "storekeeper-data", "corpus", "artifacts"];
const RUST_ROOTS: [&str; 6] = [
    "src/",
    "entity/",
    "migration/",
    "tests/",
    "benches/",
    "fuzz/",
];

#[derive(Debug, Clone)]
pub(super) struct SourceFile {
    /// From the root of the tree, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

/// A path such as `crate::db::bids::list_of`, from a `use` (groups expanded) or from the code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NamedPath {
    pub(super) line: usize,
    pub(super) segments: Vec<String>,
}

impl SourceFile {
    pub(super) fn planted(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Numbered lines without their comments.
    pub(super) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, without_comment(line)))
    }

    /// The same file up to its test module; nothing of a file that holds tests only.
    pub(super) fn production(&self) -> Self {
        let lines: Vec<&str> = self.text.lines().collect();
        let length = if self.is_test() {
            0
        } else {
            test_module_start(&lines).unwrap_or(lines.len())
        };
        Self {
            path: self.path.clone(),
            text: lines[..length]
                .iter()
                .map(|line| format!("{line}\n"))
                .collect(),
        }
    }

    /// The complement of `production`, as text.
    pub(super) fn tests(&self) -> Self {
        let production_length = self.production().text.lines().count();
        let kept = self
            .text
            .lines()
            .enumerate()
            .map(|(index, line)| if index < production_length { "" } else { line });
        Self {
            path: self.path.clone(),
            text: kept.collect::<Vec<_>>().join("\n"),
        }
    }

    pub(super) fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
    }

    pub(super) fn is_facade(&self) -> bool {
        self.path.ends_with("/mod.rs")
    }

    /// `["db", "bids"]` for `src/db/bids.rs`; the binary's root counts as the module `main`. `None` outside `src`.
    pub(super) fn module(&self) -> Option<Vec<String>> {
        let inside = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let mut segments: Vec<String> = inside.split('/').map(str::to_owned).collect();
        if matches!(segments.last().map(String::as_str), Some("mod" | "lib")) {
            segments.pop();
        }
        Some(segments)
    }

    pub(super) fn named_paths(&self) -> Vec<NamedPath> {
        let mut found = Vec::new();
        let mut import: Option<(usize, String)> = None;
        for (line, code) in self.code_lines() {
            if import.is_none() && is_import(code) {
                import = Some((line, String::new()));
            }
            let Some((start, mut statement)) = import.take() else {
                found.extend(paths_in(code).map(|segments| NamedPath { line, segments }));
                continue;
            };
            statement.push_str(code.trim());
            if !code.contains(';') {
                import = Some((start, statement));
                continue;
            }
            let mut expanded = Vec::new();
            expand_import(&statement, &[], &mut expanded);
            found.extend(expanded.into_iter().map(|segments| NamedPath {
                line: start,
                segments,
            }));
        }
        found
    }

    /// The path from the root of our crate, if it leads there: `crate::…`, `super::…`, `storekeeper::…`.
    pub(super) fn resolve(&self, segments: &[String]) -> Option<Vec<String>> {
        let mut base = match segments.first()?.as_str() {
            "crate" | "storekeeper" => return Some(segments[1..].to_vec()),
            "super" => self.module()?,
            _ => return None,
        };
        let ups = segments
            .iter()
            .take_while(|segment| *segment == "super")
            .count();
        base.truncate(base.len().saturating_sub(ups));
        base.extend_from_slice(&segments[ups..]);
        Some(base)
    }
}

impl NamedPath {
    pub(super) fn starts_with(&self, prefix: &[&str]) -> bool {
        self.segments.len() >= prefix.len()
            && self
                .segments
                .iter()
                .zip(prefix)
                .all(|(own, wanted)| own == wanted)
    }
}

pub(super) fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Every Rust source of the project.
pub(super) fn rust_files() -> Vec<SourceFile> {
    let is_ours =
        |path: &str| path.ends_with(".rs") && RUST_ROOTS.iter().any(|root| path.starts_with(root));
    all_files()
        .into_iter()
        .filter(|file| is_ours(&file.path))
        .collect()
}

/// Every text file of the tree, in order of path.
pub(super) fn all_files() -> Vec<SourceFile> {
    let mut found = Vec::new();
    collect(&root(), &mut found);
    found.sort_by(|left, right| left.path.cmp(&right.path));
    assert!(found.len() > 20, "the tree is not where it was looked for");
    found
}

pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn collect(directory: &Path, found: &mut Vec<SourceFile>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if UNREAD.contains(&name) {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let relative = path.strip_prefix(root()).unwrap().to_str().unwrap();
            found.push(SourceFile {
                path: relative.to_owned(),
                text,
            });
        }
    }
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        return "";
    }
    line.find(" //").map_or(line, |start| &line[..start])
}

/// `#[cfg(test)]`, further attributes, `mod … {`; other uses of the attribute do not end production code.
fn test_module_start(lines: &[&str]) -> Option<usize> {
    (0..lines.len()).find(|&start| {
        let mut after = lines[start + 1..]
            .iter()
            .skip_while(|line| line.starts_with("#["));
        lines[start] == "#[cfg(test)]"
            && after
                .next()
                .is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    })
}

fn is_import(code: &str) -> bool {
    let code = code.trim_start();
    let visible = code.strip_prefix("pub").map_or(code, |rest| {
        rest.split_once(' ').map_or("", |(_, item)| item)
    });
    visible.starts_with("use ")
}

fn expand_import(tree: &str, prefix: &[String], found: &mut Vec<Vec<String>>) {
    let tree = tree
        .rsplit("use ")
        .next()
        .unwrap_or(tree)
        .trim()
        .trim_end_matches(';');
    let with_prefix = |path: &str| -> Vec<String> {
        let own = path
            .split("::")
            .map(str::trim)
            .filter(|segment| !segment.is_empty())
            .map(str::to_owned);
        prefix.iter().cloned().chain(own).collect()
    };
    let Some((head, rest)) = tree.split_once('{') else {
        found.push(with_prefix(tree.split(" as ").next().unwrap_or(tree)));
        return;
    };
    let group = rest.rsplit_once('}').map_or(rest, |(group, _)| group);
    let base = with_prefix(head);
    for part in split_outside_braces(group) {
        expand_import(part, &base, found);
    }
}

fn split_outside_braces(group: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let outside = |symbol: char| {
        match symbol {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        symbol == ',' && depth == 0
    };
    group
        .split(outside)
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

fn paths_in(code: &str) -> impl Iterator<Item = Vec<String>> {
    code.split(|symbol: char| !(symbol.is_alphanumeric() || symbol == '_' || symbol == ':'))
        .filter(|token| token.contains("::"))
        .map(|token| {
            token
                .split("::")
                .filter(|segment| !segment.is_empty())
                .map(str::to_owned)
                .collect()
        })
}

#[test]
fn groups_over_several_lines_are_expanded() {
    let file = SourceFile::planted(
        "src/http/bids.rs",
        "use crate::{\n    db::{bids, orders::list_of},\n    ids,\n};\nlet url = Url::parse(text); // crate::app\n",
    );
    let joined: Vec<String> = file
        .named_paths()
        .iter()
        .map(|path| path.segments.join("::"))
        .collect();
    assert_eq!(
        joined,
        [
            "crate::db::bids",
            "crate::db::orders::list_of",
            "crate::ids",
            "Url::parse"
        ]
    );
}

#[test]
fn relative_paths_are_resolved() {
    let file = SourceFile::planted(
        "src/http/admin/keepers.rs",
        "use super::super::super::db::bids;\n",
    );
    let named = file.named_paths();
    assert_eq!(file.resolve(&named[0].segments).unwrap(), ["db", "bids"]);
}

#[test]
fn production_ends_at_the_test_module_only() {
    let text = "#[cfg(test)]\nuse std::fmt;\nfn sold() {}\n#[cfg(test)]\nmod tests {\n    use super::*;\n}\n";
    let file = SourceFile::planted("src/domain/bid.rs", text);
    assert_eq!(file.production().text.lines().count(), 3);
    assert!(file.tests().text.contains("use super::*"));
}
