//! What arrives from people who mean harm, and from platforms that break their word.
//!
//! Everything here is drawn from a seed: a failure names the seed and the index that repeat it.

mod chance;
mod doors;
mod flood;
mod headers;
mod json;
mod mutate;
mod seeds;
mod twin;
