//! The platform's webhooks: verified, made durable, then answered. Never applied here.
//!
//! Reading order: the two addresses and the answer ([`door`]), what proves that a webhook is genuine ([`verify`]), and
//! the stores as intake knows them ([`stores`]).

pub(crate) mod door;
mod stores;
mod verify;

pub(crate) use door::configure;
pub(crate) use stores::IntakeStores;
