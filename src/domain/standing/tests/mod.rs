//! Standings against a reference that keeps every window, and days against a list of moments.

mod days;
mod steps;
