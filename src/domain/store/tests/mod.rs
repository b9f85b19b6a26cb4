//! The aggregate against a small model of the platform: whatever is lost, repeated, reordered or answered late, the
//! platform's levels end up as the orders and the recipes say.

mod allowances;
mod convergence;
mod fairness;
mod faults;
mod lanes;
mod many;
mod model;
mod naked;
mod overtaking;
mod places;
mod readings;
mod unplaced;
