//! Logs and metrics: set up once per process.
//!
//! Everything logs through `tracing` and counts through `metrics` under the names of [`metric_name`]; only here is
//! decided where that goes.

#[cfg(test)]
mod captured;
mod logs;
pub mod metric_name;
mod recorder;

#[cfg(test)]
pub(crate) use captured::Lines;
pub use logs::{FilterError, LogFormat, init_logs};
pub use recorder::Metrics;
