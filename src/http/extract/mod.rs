//! What handlers take: types whose existence proves that something was checked.
//!
//! Parsing happens here, and so do its refusals; a handler that has its arguments can go to work.

mod behind;
mod idempotency;
mod identity;
mod ids;
mod json;
mod only_object;
mod page;
mod reason;
mod request_id;
mod retry;
mod wire_ids;

pub(crate) use behind::Behind;
pub(crate) use idempotency::{IdempotencyKey, RequestDigest};
pub(crate) use identity::{Admin, Merchant, Operator, Shopper, Viewer, actor, require_role};
pub(crate) use ids::{BundlePath, DeadLetterPath, StorePath, TokenPath};
pub(crate) use json::{BODY_WITHIN, StrictJson, StrictQuery, parse_json, parse_query, read_body};
pub(crate) use only_object::OnlyObject;
pub(crate) use page::{PageQuery, encode_cursor, page_of};
pub(crate) use reason::{GivenReason, ReasonBody, checked_reason};
pub(crate) use request_id::RequestId;
pub(crate) use retry::{GivenRetry, WRITTEN_MAX};
pub(crate) use wire_ids::{WireItem, parse_id};
