//! Owns the bodies of webhooks and of REST answers: for every resource the
//! keys that recorded deliveries have, no more and no fewer.

mod inventory;
mod money;
mod order;
mod person;
mod product;
mod refund;
mod shop;

pub(super) use inventory::{item, item_deleted, level, level_seen, location};
pub(super) use order::{financial_status, fulfilment, fulfilment_order, order};
pub(super) use product::{product, variant};
pub(super) use refund::refund;
pub(super) use shop::{settings, shop};
