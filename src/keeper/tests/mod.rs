//! Keepers from within: what no other test can hold still.

mod bench;
mod lines;
mod steps;
mod turns;
