//! Why a configuration is refused.

use std::fmt;
use std::path::PathBuf;

use super::setting::Range;

/// A configuration that cannot be used. Each message names the key, or the file, in full; none shows a value, since
/// the value may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file given with `--config` cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not TOML: line {line}: {reason}", path.display())]
    NotToml {
        path: PathBuf,
        line: usize,
        reason: String,
    },
    /// A key that does not exist.
    #[error("unknown key {name}{}", Suggestion(.suggestion.as_deref()))]
    Unknown {
        name: String,
        suggestion: Option<String>,
    },
    /// A value that the key does not take.
    #[error("{name}: {problem}")]
    Value { name: String, problem: Problem },
    /// The values fit their keys, but cannot be put together.
    #[error("configuration cannot be used: {0}")]
    Unusable(String),
    /// Two keys that do not go together.
    #[error("{name} {reason}")]
    Contradiction {
        name: &'static str,
        reason: &'static str,
    },
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Text where a number is wanted, and the like.
    WrongType {
        expected: &'static str,
        found: &'static str,
    },
    /// The right type, but not a permitted value.
    OutOfRange(Range),
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongType { expected, found } => {
                write!(
                    formatter,
                    "must be {}, is {}",
                    in_words(expected),
                    in_words(found)
                )
            }
            Self::OutOfRange(range) => write!(formatter, "must be {range}"),
        }
    }
}

/// A type of TOML's as people call it.
fn in_words(kind: &'static str) -> &'static str {
    match kind {
        "string" => "text",
        "integer" => "a whole number",
        "boolean" => "true or false",
        "array" => "a list of texts",
        other => other,
    }
}

struct Suggestion<'name>(Option<&'name str>);

impl fmt::Display for Suggestion<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(formatter, ": did you mean {name}?"),
            None => Ok(()),
        }
    }
}
