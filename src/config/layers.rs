//! Where values come from: defaults, then the file, then the environment, then flags.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::error::ConfigError;
use super::sections::Config;
use super::setting::Setting;

/// What environment variables of ours begin with.
const ENVIRONMENT_PREFIX: &str = "STOREKEEPER__";

/// A name this similar to an existing one is suggested in its place (1.0: equal).
const SIMILAR_ENOUGH: f64 = 0.8;

/// The layers over the defaults, lowest first.
#[derive(Clone, Default)]
pub struct Layers {
    /// The TOML file.
    pub file: Option<PathBuf>,
    /// Environment variables; those that do not begin with `STOREKEEPER__` are passed over.
    pub environment: Vec<(String, String)>,
    /// Flags: a key's full name (`server.bind`) and its value.
    pub flags: Vec<(&'static str, String)>,
}

impl std::fmt::Debug for Layers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be secrets.
        let flags: Vec<&str> = self.flags.iter().map(|(name, _)| *name).collect();
        formatter
            .debug_struct("Layers")
            .field("file", &self.file)
            .field("flags", &flags)
            .finish_non_exhaustive()
    }
}

impl Layers {
    /// The process's environment, with `file` and `flags` as its command line gave them.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(&'static str, String)>) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            file,
            environment,
            flags,
        }
    }

    /// Leaves out what the environment says of other sections than this one.
    #[must_use]
    pub fn heeding_only(mut self, section: &str) -> Self {
        let prefix = format!("{ENVIRONMENT_PREFIX}{}__", section.to_ascii_uppercase());
        self.environment
            .retain(|(name, _)| name.to_ascii_uppercase().starts_with(&prefix));
        self
    }

    /// Lays the layers over each other and checks the result.
    ///
    /// # Errors
    ///
    /// The first thing wrong, with the full name of its key: see [`ConfigError`].
    pub fn load(self) -> Result<Config, ConfigError> {
        let known = Known::new();
        let mut table = Table::new();
        if let Some(path) = &self.file {
            known.insert_all(&mut table, &read(path)?)?;
        }
        for (name, text) in self.environment {
            let Some(name) = name.strip_prefix(ENVIRONMENT_PREFIX) else {
                continue;
            };
            known.insert_text(
                &mut table,
                &name.to_ascii_lowercase().replace("__", "."),
                &text,
            )?;
        }
        for (name, text) in self.flags {
            known.insert_text(&mut table, name, &text)?;
        }
        finish(table)
    }
}

/// What a file with this text makes of the defaults, when nothing lies above it.
///
/// # Errors
///
/// The first thing wrong; the file is named as `text`.
pub fn of_text(text: &str) -> Result<Config, ConfigError> {
    let mut table = Table::new();
    Known::new().insert_all(&mut table, &parse(text, Path::new("text"))?)?;
    finish(table)
}

fn finish(table: Table) -> Result<Config, ConfigError> {
    // Names and types were checked above, so what can fail here is nothing that a person wrote.
    let config = Config::deserialize(table)
        .map_err(|error| ConfigError::Unusable(error.message().to_owned()))?;
    config.validate()?;
    Ok(config)
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    parse(&text, path)
}

fn parse(text: &str, path: &Path) -> Result<Table, ConfigError> {
    text.parse()
        .map_err(|error: toml::de::Error| ConfigError::NotToml {
            path: path.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            reason: error.message().to_owned(),
        })
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

/// Every value of `table` with its full name; a table counts as a value where a key is meant.
fn leaves(table: &Table, known: &Known) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let mut open: Vec<(String, &Table)> = vec![(String::new(), table)];
    while let Some((prefix, table)) = open.pop() {
        for (key, value) in table {
            let name = format!("{prefix}{key}");
            match value {
                Value::Table(inner) if known.is_section(&name) => {
                    open.push((format!("{name}."), inner));
                }
                Value::Table(_)
                | Value::String(_)
                | Value::Integer(_)
                | Value::Float(_)
                | Value::Boolean(_)
                | Value::Datetime(_)
                | Value::Array(_) => found.push((name, value.clone())),
            }
        }
    }
    found
}

fn insert(table: &mut Table, setting: &Setting, value: Value) {
    let mut inner = table;
    for part in setting.section.split('.') {
        let next = inner
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(next) = next else { return };
        inner = next;
    }
    inner.insert(setting.key.to_owned(), value);
}

/// Every key that exists.
struct Known {
    settings: Vec<Setting>,
}

impl Known {
    fn new() -> Self {
        Self {
            settings: Config::default()
                .described()
                .into_iter()
                .flat_map(|section| section.settings)
                .collect(),
        }
    }

    fn find(&self, name: &str) -> Result<&Setting, ConfigError> {
        self.settings
            .iter()
            .find(|setting| setting.name() == name)
            .ok_or_else(|| ConfigError::Unknown {
                name: name.to_owned(),
                suggestion: self.suggest(name),
            })
    }

    /// Takes over everything that a file says.
    fn insert_all(&self, table: &mut Table, said: &Table) -> Result<(), ConfigError> {
        for (name, value) in leaves(said, self) {
            let setting = self.find(&name)?;
            setting.check(&value)?;
            insert(table, setting, value);
        }
        Ok(())
    }

    fn insert_text(&self, table: &mut Table, name: &str, text: &str) -> Result<(), ConfigError> {
        let setting = self.find(name)?;
        let value = setting.parse(text)?;
        setting.check(&value)?;
        insert(table, setting, value);
        Ok(())
    }

    /// Whether `name` is a section, or a table that holds sections.
    fn is_section(&self, name: &str) -> bool {
        self.settings.iter().any(|setting| {
            setting
                .section
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// The most similar name, be it a key's or a section's.
    fn suggest(&self, name: &str) -> Option<String> {
        let names = self
            .settings
            .iter()
            .flat_map(|setting| [setting.name(), setting.section.to_owned()]);
        names
            .map(|candidate| (strsim::jaro_winkler(name, &candidate), candidate))
            .filter(|(similarity, _)| *similarity >= SIMILAR_ENOUGH)
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, candidate)| candidate)
    }
}
