//! The REST Admin API: its limit, its routes and its pages.

mod inventory;
mod orders;
mod paging;
mod products;
mod route;
mod selling;
mod webhooks;

pub(super) use route::answer;
