//! The platform as a store's own shop there: stock, orders, and what it answers to calls. Emits webhooks into an
//! outbox; shares no rule with the server, only the words of the wire (`domain::fact`, `domain::call`).

mod answers;
mod catalog;
mod orders;
mod rates;
mod stock;
mod telling;

pub(crate) use catalog::{Fresh, Shop};
pub(crate) use telling::{Emission, Subject};
