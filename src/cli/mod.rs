//! The command line: what people type, and what they read in answer.
//!
//! Each command has a file; every failure becomes one line on standard error and an exit code
//! (`exit_code`). Nothing here knows the rules of stores: shell commands that look at a
//! running server ask its admin API.

mod command_line;
mod error;
mod exit_code;
mod print;
mod run;

mod admin_api;
mod admin_token;
mod audit;
mod backup;
mod check_config;
mod dead_letters;
mod demo;
mod migrate;
mod rotate_key;
mod safe_mode;
mod sandbox;
mod serve;
mod stores;
mod supervision;

pub use run::{run, run_with};
