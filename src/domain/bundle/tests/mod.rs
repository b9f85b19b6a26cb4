//! Bundles against a naive model, the vectors of the platform facts, and what is refused.

mod fixtures;
mod formula;
mod model;
mod recipes;
