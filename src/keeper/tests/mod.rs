//! Keepers from within: what no other test can hold still.

mod bench;
mod judged;
mod lines;
mod moves;
mod segments;
mod steps;
mod turns;
