//! The GraphQL Admin API: an honest parser, a small schema, costs, and the
//! fields and mutations an inventory app needs. Not a full engine.

mod answer;
mod bulk;
mod document;
mod error;
mod fulfilment;
mod idempotent;
mod inventory;
mod lexer;
mod links;
mod mutations;
mod node;
mod picks;
mod queries;
mod scalars;
mod schema;
mod search;
mod subscriptions;

pub(super) use answer::{answer, is_mutation, keys_of};
