//! Ids in the path.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use uuid::Uuid;

use super::wire_ids::parse_id;
use crate::http::error::{ApiError, Problem};
use crate::ids::{BundleId, DeadLetterId, StoreId};

/// The longest id of a token that is looked for.
const TOKEN_CHARS_MAX: usize = 64;

/// `{store}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StorePath(pub(crate) StoreId);

/// `{bundle}`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BundlePath(pub(crate) BundleId);

/// `{id}` of a dead letter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeadLetterPath(pub(crate) DeadLetterId);

/// `{token}`: what names an operator's token to people.
#[derive(Clone, Debug)]
pub(crate) struct TokenPath(pub(crate) String);

/// The store that a path names.
pub(super) fn store_of(request: &HttpRequest) -> Result<StoreId, ApiError> {
    let id = parse_id(segment(request, "store")?);
    id.map(StoreId).ok_or_else(|| {
        ApiError::new(
            Problem::MalformedPath,
            "a store's id is a positive whole number",
        )
    })
}

fn token_of(request: &HttpRequest) -> Result<String, ApiError> {
    let id = segment(request, "token")?;
    let is_plain = id.len() <= TOKEN_CHARS_MAX && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let malformed = || ApiError::new(Problem::MalformedPath, "a token's id is hexadecimal digits");
    is_plain.then(|| id.to_owned()).ok_or_else(malformed)
}

fn uuid_of(request: &HttpRequest, name: &str) -> Result<Uuid, ApiError> {
    let parsed = Uuid::try_parse(segment(request, name)?).ok();
    parsed.ok_or_else(|| ApiError::new(Problem::MalformedPath, format!("`{name}` is not a UUID")))
}

fn segment<'a>(request: &'a HttpRequest, name: &str) -> Result<&'a str, ApiError> {
    request
        .match_info()
        .get(name)
        .ok_or_else(|| ApiError::plain(Problem::MalformedPath))
}

macro_rules! from_path {
    ($name:ident, $parse:expr) => {
        impl FromRequest for $name {
            type Error = ApiError;
            type Future = Ready<Result<Self, ApiError>>;

            fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
                ready($parse(request).map(Self))
            }
        }
    };
}
from_path!(StorePath, store_of);
from_path!(TokenPath, token_of);
from_path!(BundlePath, |request| uuid_of(request, "bundle")
    .map(BundleId));
from_path!(DeadLetterPath, |request| uuid_of(request, "id")
    .map(DeadLetterId));
