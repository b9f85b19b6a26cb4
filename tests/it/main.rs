//! Integration tests: one binary, one file per door or promise.
//!
//! Tests that need a program of others (PostgreSQL, Chromium) are ignored with the reason; `tests/run` includes them.
#![cfg(test)]

mod support;

mod accounts;
mod backup;
mod config;
mod db_accept;
mod db_admin;
mod db_commit;
mod db_schema;
mod db_together;
mod hostile;
mod http;
mod journeys;
mod keeper_commands;
mod keeper_life;
mod keeper_naked;
mod keeper_patrol;
mod keeper_placement;
mod keeper_safe_mode;
mod keeper_standing;
mod keeper_storm;
mod keeper_supervision;
mod keeper_turns;
mod key_rotation;
mod platform;
mod postgres;
mod sandbox;
mod serve;
mod shell;
mod telemetry;
mod tidy;
