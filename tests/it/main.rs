//! Integration tests.

mod platform;
