//! Integration tests.

#[cfg(test)]
mod config;
#[cfg(test)]
mod telemetry;
