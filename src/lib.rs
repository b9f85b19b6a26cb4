//! Storekeeper: an e-commerce server in which every merchant's store has its own supervised keeper.
//!
//! A webhook's way: [`http`] verifies it, [`db`] makes it durable, the store's keeper takes it in a turn, [`domain`]
//! decides, [`db`] commits under a fence, and [`platform`] carries out what follows. Modules stand in order of rank,
//! lowest first; imports flow strictly downward.

pub mod clock;
pub mod ids;
pub mod telemetry;

pub mod config;
pub mod domain;

pub mod db;
pub mod platform;

pub mod deps;

pub mod keeper;

pub mod http;

pub mod app;
pub mod sandbox;

pub mod cli;
