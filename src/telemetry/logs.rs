//! Where log lines go, and in which form.

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people; with colours when the output is a terminal.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    /// The word that settings use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// A log filter that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.log_filter cannot be understood: {0}")]
pub struct FilterError(#[from] tracing_subscriber::filter::ParseError);

/// Sends log lines to standard error. What was set up first in a process stays: later calls change nothing.
///
/// # Errors
///
/// [`FilterError`] when `filter` is not a list of `level` and `module=level`.
pub fn init_logs(format: LogFormat, filter: &str) -> Result<(), FilterError> {
    let filter: EnvFilter = EnvFilter::builder().parse(filter)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let installed = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
    };
    if installed.is_err() {
        tracing::debug!("logs were set up before in this process");
    }
    Ok(())
}
