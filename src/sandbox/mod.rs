//! The emulated platform: shops with catalogs, stock, orders and refunds, an
//! Admin API with the real one's limits and refusals, signed webhooks, and
//! every fault a server must survive.
//!
//! It is a program of its own for tests, the demo and app developers, and it
//! shares no code with the rest of the project: what it logs is the oracle by
//! which the server is judged.

mod options;

mod authorize;
mod bodies;
mod bulk;
mod catalog;
mod chance;
mod clock;
mod control;
mod deliveries;
mod edits;
mod faults;
mod fulfilment;
mod gate;
mod graphql;
mod idempotency;
mod ids;
mod levels;
mod oauth;
mod oracle;
mod order;
mod orders;
mod outsiders;
mod platform;
mod rate;
pub mod reference;
mod refunds;
mod rest;
mod sending;
mod server;
mod shop;
mod subscriptions;
mod tokens;
mod versions;

pub use clock::Moment;
pub use edits::{EditRequest, RemoveRequest};
pub use faults::{ApiFaults, Faults, Fight, OutsiderFaults, Quirks, WebhookFaults};
pub use fulfilment::{FulfilLineRequest, FulfilRequest};
pub use ids::LevelKey;
pub use levels::{Level, StockState};
pub use options::{
    BodyBuiltAt, OrderLocationPolicy, Plan, ProductRequest, Products, SandboxError, SandboxOptions,
    ShopRequest,
};
pub use oracle::{
    Answer, CallReceived, Cause, Effect, EffectOutcome, LevelChange, Log, Movement, OrderLine,
    Outsider, WebhookSent,
};
pub use orders::{CancelRequest, LineRequest, OrderRequest};
pub use platform::{ItemMade, ShopOpened};
pub use refunds::{RefundLineRequest, RefundRequest, RestockType};
pub use server::Sandbox;
