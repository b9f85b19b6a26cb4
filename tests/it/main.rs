//! Integration tests: one binary, one file per door or promise.
//!
//! Tests that need a server of their own (PostgreSQL) are ignored with the reason; `tests/run` includes them.
#![cfg(test)]

mod support;

mod keeper_commands;
mod keeper_supervision;
mod keeper_turns;
mod postgres;
mod tidy;
