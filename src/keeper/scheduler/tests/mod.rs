//! The order of turns, played: rules one by one, whole days in a simulation, and waits that break off.

mod cost;
mod order;
mod play;
mod simulation;
mod waits;
