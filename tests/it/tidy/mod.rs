//! What no compiler checks: layers, limits, words and habits of this code base.
//!
//! Each rule is a function from source files to complaints, with one test that the tree has none and one that a
//! planted sample earns one. Parsing is by line and rests on `cargo fmt`.

mod habits;
mod layers;
mod limits;
mod sources;
mod words;
