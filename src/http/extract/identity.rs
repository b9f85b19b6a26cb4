//! Who asks. Each type proves that the door it names was opened with a fitting token.
//!
//! An admin token opens every door; a store's secret key opens that store's doors, storefront included.

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;

use super::ids::store_of;
use crate::http::credentials::Role;
use crate::http::error::{ApiError, Problem};
use crate::http::state::AppState;
use crate::ids::StoreId;

/// The longest token that is looked up, in bytes.
const TOKEN_MAX: usize = 256;

/// An operator of this server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admin;

/// The merchant of the store in the path, or an admin on the merchant's behalf.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Merchant {
    pub(crate) store: StoreId,
}

/// A storefront of the store in the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shopper {
    pub(crate) store: StoreId,
}

impl FromRequest for Admin {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            match role_of(&request).await? {
                Role::Admin => Ok(Self),
                Role::Secret(_) | Role::Publishable(_) => {
                    Err(wrong_role("this door opens to an admin token"))
                }
            }
        })
    }
}

impl FromRequest for Merchant {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let role = role_of(&request).await?;
            let store = store_of(&request)?;
            match role {
                Role::Admin => existing(&request, store).await.map(|store| Self { store }),
                Role::Secret(own) if own == store => Ok(Self { store }),
                Role::Secret(_) | Role::Publishable(_) => {
                    Err(wrong_role("this door opens to the store's secret key"))
                }
            }
        })
    }
}

impl FromRequest for Shopper {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let role = role_of(&request).await?;
            let store = store_of(&request)?;
            match role {
                Role::Admin => existing(&request, store).await.map(|store| Self { store }),
                Role::Secret(own) | Role::Publishable(own) if own == store => Ok(Self { store }),
                Role::Secret(_) | Role::Publishable(_) => {
                    Err(wrong_role("this door opens to the store's publishable key"))
                }
            }
        })
    }
}

fn wrong_role(detail: &'static str) -> ApiError {
    ApiError::new(Problem::WrongRole, detail)
}

/// The store, when there is such a one: an admin may name any.
async fn existing(request: &HttpRequest, store: StoreId) -> Result<StoreId, ApiError> {
    crate::http::admin::stores::get(state_of(request)?, store)
        .await
        .map(|record| record.id)
}

fn state_of(request: &HttpRequest) -> Result<&AppState, ApiError> {
    let state = request.app_data::<web::Data<AppState>>();
    state
        .map(|state| state.get_ref())
        .ok_or_else(|| ApiError::plain(Problem::Internal))
}

async fn role_of(request: &HttpRequest) -> Result<Role, ApiError> {
    let state = state_of(request)?;
    let token = bearer(request)?;
    let role = state.credentials.role_of(state.db(), token).await?;
    role.ok_or_else(|| ApiError::plain(Problem::UnknownCredentials))
}

/// The token of `Authorization: Bearer …`.
fn bearer(request: &HttpRequest) -> Result<&str, ApiError> {
    let value = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let Some((scheme, token)) = value.and_then(|value| value.split_once(' ')) else {
        return Err(ApiError::plain(Problem::MissingCredentials));
    };
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(ApiError::plain(Problem::MissingCredentials));
    }
    if token.len() > TOKEN_MAX {
        return Err(ApiError::plain(Problem::UnknownCredentials));
    }
    Ok(token)
}
