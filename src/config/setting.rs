//! What is known about each key: its meaning, unit, range and default.
//!
//! The [`settings!`] macro writes a section's struct and this knowledge from one text, so that the example file, the
//! checks and the code cannot drift apart.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use toml::Value;

use super::Secret;
use super::error::{ConfigError, Problem};
use crate::telemetry::LogFormat;

/// A table of the configuration file.
pub(crate) trait Section: Default {
    /// Where it stands, with dots: `platform.shopify`.
    const PATH: &'static str;

    /// What it is about, one line each.
    fn about() -> &'static [&'static str];

    /// Its keys in reading order, with the values that `self` holds.
    fn settings(&self) -> Vec<Setting>;
}

/// One key of a section.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) section: &'static str,
    pub(crate) key: &'static str,
    /// Its documentation, one line each.
    pub(crate) about: &'static [&'static str],
    pub(crate) unit: &'static str,
    pub(crate) range: Range,
    pub(crate) secret: bool,
    pub(crate) value: Value,
}

impl Setting {
    /// `section.key`, as errors name it.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// Whether `value` could stand here.
    pub(crate) fn check(&self, value: &Value) -> Result<(), ConfigError> {
        let expected = self.value.type_str();
        let odd = value
            .as_array()
            .and_then(|elements| elements.iter().find(|one| !one.is_str()));
        let problem = if value.type_str() != expected {
            Some(Problem::WrongType {
                expected,
                found: value.type_str(),
            })
        } else if let Some(element) = odd {
            Some(Problem::WrongType {
                expected: "array",
                found: element.type_str(),
            })
        } else {
            self.range.check(value)
        };
        match problem {
            None => Ok(()),
            Some(problem) => Err(ConfigError::Value {
                name: self.name(),
                problem,
            }),
        }
    }

    /// Reads `text`, as it stands in an environment variable or a flag, as this key's type.
    pub(crate) fn parse(&self, text: &str) -> Result<Value, ConfigError> {
        let parsed = match &self.value {
            Value::Integer(_) => text.replace('_', "").parse().ok().map(Value::Integer),
            Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
            Value::Array(_) => Some(Value::Array(
                text.split(',')
                    .map(str::trim)
                    .filter(|part| !part.is_empty())
                    .map(Value::from)
                    .collect(),
            )),
            Value::String(_) => Some(Value::from(text)),
            Value::Float(_) | Value::Datetime(_) | Value::Table(_) => None,
        };
        parsed.ok_or_else(|| ConfigError::Value {
            name: self.name(),
            problem: Problem::WrongType {
                expected: self.value.type_str(),
                found: "other text",
            },
        })
    }
}

/// What values a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Whatever its type can express.
    Any,
    /// A whole number between the two, both included.
    Between(u64, u64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Text that is not empty.
    Filled,
    /// `address:port`.
    Address,
    /// Empty, or an `http://` or `https://` address without a slash at its end.
    Url,
    /// An `http://` or `https://` address without a slash at its end that contains this.
    UrlWith(&'static str),
    /// `YYYY-MM`, this or later.
    ApiVersion { earliest: &'static str },
    /// Empty, or the address of a database of a kind that is served.
    Database,
    /// Empty, or exactly this many hexadecimal digits.
    Hex(usize),
}

impl Range {
    fn check(self, value: &Value) -> Option<Problem> {
        let text = value.as_str().unwrap_or_default();
        let fits = match self {
            Self::Any => true,
            Self::Between(least, most) => {
                let number = value
                    .as_integer()
                    .and_then(|number| u64::try_from(number).ok());
                number.is_some_and(|number| (least..=most).contains(&number))
            }
            Self::OneOf(words) => words.contains(&text),
            Self::Filled => !text.is_empty(),
            Self::Address => text.parse::<SocketAddr>().is_ok(),
            Self::Url => text.is_empty() || is_base_url(text),
            Self::UrlWith(part) => text.contains(part) && is_base_url(text),
            Self::ApiVersion { earliest } => is_month(text) && text >= earliest,
            Self::Database => text.is_empty() || is_database_url(text),
            Self::Hex(digits) => {
                text.is_empty()
                    || (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            }
        };
        (!fits).then_some(Problem::OutOfRange(self))
    }
}

fn is_month(text: &str) -> bool {
    let parts = text
        .split_once('-')
        .map(|(year, month)| (year.parse::<u16>(), month.parse::<u8>()));
    text.len() == 7 && matches!(parts, Some((Ok(1_000..), Ok(1..=12))))
}

fn is_database_url(text: &str) -> bool {
    let kind = text.split_once("://").map(|(kind, _rest)| kind);
    matches!(kind, Some("sqlite" | "postgres" | "postgresql"))
}

fn is_base_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.ends_with('/') && !rest.contains(char::is_whitespace)
    })
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("any"),
            Self::Between(least, most) => write!(formatter, "{least} to {most}"),
            Self::OneOf(words) => formatter.write_str(&words.join(" or ")),
            Self::Filled => formatter.write_str("not empty"),
            Self::Address => formatter.write_str("an IP address and a port"),
            Self::Url => formatter.write_str("empty, or http(s)://… without a slash at its end"),
            Self::UrlWith(part) => {
                write!(
                    formatter,
                    "http(s)://… with {part} and without a slash at its end"
                )
            }
            Self::ApiVersion { earliest } => write!(formatter, "{earliest} or later"),
            Self::Database => formatter
                .write_str("empty, sqlite://PATH or postgres://USER:PASSWORD@HOST:PORT/NAME"),
            Self::Hex(digits) => write!(formatter, "empty, or {digits} hexadecimal digits"),
        }
    }
}

/// A type that a key can have.
pub(crate) trait SettingValue {
    /// Whether it is kept out of everything that is printed.
    const SECRET: bool = false;

    fn to_value(&self) -> Value;
}

macro_rules! integer_values {
    ($($integer:ty),*) => {
        $(impl SettingValue for $integer {
            fn to_value(&self) -> Value {
                Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        })*
    };
}
integer_values!(u16, u32, u64, usize);

impl SettingValue for bool {
    fn to_value(&self) -> Value {
        Value::Boolean(*self)
    }
}

impl SettingValue for String {
    fn to_value(&self) -> Value {
        Value::String(self.clone())
    }
}

impl SettingValue for PathBuf {
    fn to_value(&self) -> Value {
        Value::String(self.display().to_string())
    }
}

impl SettingValue for SocketAddr {
    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl SettingValue for LogFormat {
    fn to_value(&self) -> Value {
        Value::from(self.as_str())
    }
}

impl SettingValue for Secret {
    const SECRET: bool = true;

    fn to_value(&self) -> Value {
        Value::from(self.reveal())
    }
}

impl<Element: SettingValue> SettingValue for Vec<Element> {
    const SECRET: bool = Element::SECRET;

    fn to_value(&self) -> Value {
        Value::Array(self.iter().map(SettingValue::to_value).collect())
    }
}

pub(crate) const fn is_secret<Kind: SettingValue>(_: &Kind) -> bool {
    Kind::SECRET
}

/// Declares a section: `key: type = default, "unit", range;` for each key, with its documentation above.
macro_rules! settings {
    (
        $(#[doc = $section_doc:literal])*
        [$path:literal]
        pub struct $section:ident {
            $( $(#[doc = $doc:literal])* $key:ident: $kind:ty = $default:expr, $unit:literal, $range:expr; )*
        }
    ) => {
        $(#[doc = $section_doc])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $section {
            $(
                $(#[doc = $doc])*
                #[doc = ""]
                #[doc = concat!("Unit: ", $unit, ".")]
                pub $key: $kind,
            )*
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $( $key: $default, )* }
            }
        }

        impl $crate::config::setting::Section for $section {
            const PATH: &'static str = $path;

            fn about() -> &'static [&'static str] {
                &[$($section_doc),*]
            }

            fn settings(&self) -> Vec<$crate::config::setting::Setting> {
                use $crate::config::setting::{Setting, SettingValue as _, is_secret};
                vec![$(
                    Setting {
                        section: $path,
                        key: stringify!($key),
                        about: &[$($doc),*],
                        unit: $unit,
                        range: $range,
                        secret: is_secret(&self.$key),
                        value: self.$key.to_value(),
                    },
                )*]
            }
        }
    };
}
pub(crate) use settings;
