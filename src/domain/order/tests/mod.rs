//! The ledger against a model that moves single units, and the cases of the platform facts.

mod absorbing;
mod fixtures;
mod model;
mod placing;
