//! Who asks. Each type proves that the door it names was opened with a fitting token.
//!
//! What an operator's token opens is a matter of its role: a viewer's opens what changes nothing, an operator's what
//! keepers, dead letters and bundles go through, an admin's every door. A store's secret key opens that store's doors,
//! storefront included.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::{Method, header};
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;

use super::ids::store_of;
use crate::db::admin::operators::{Operator as Person, OperatorRole};
use crate::http::credentials::Role;
use crate::http::error::{ApiError, Problem};
use crate::http::state::AppState;
use crate::ids::StoreId;

/// The longest token that is looked up, in bytes.
const TOKEN_MAX: usize = 256;

/// Whoever may look at everything: a viewer, or more.
#[derive(Clone, Debug)]
pub(crate) struct Viewer;

/// Whoever may act on keepers and dead letters: an operator, or more.
#[derive(Clone, Debug)]
pub(crate) struct Operator(Arc<Person>);

/// Whoever may do everything.
#[derive(Clone, Debug)]
pub(crate) struct Admin(Arc<Person>);

/// The merchant of the store in the path, or an operator on the merchant's behalf; a viewer may read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Merchant {
    pub(crate) store: StoreId,
}

/// A storefront of the store in the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shopper {
    pub(crate) store: StoreId,
}

macro_rules! from_operator {
    ($name:ident, $least:expr, $make:expr) => {
        impl FromRequest for $name {
            type Error = ApiError;
            type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

            fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
                let request = request.clone();
                Box::pin(async move { operator_at_least(&request, $least).await.map($make) })
            }
        }
    };
}
from_operator!(Viewer, OperatorRole::Viewer, |_person| Self);
from_operator!(Operator, OperatorRole::Operator, Self);
from_operator!(Admin, OperatorRole::Admin, Self);

impl Operator {
    /// As the audit names who came through the API.
    pub(crate) fn by_api(&self) -> String {
        actor(&self.0, "api")
    }
}

impl Admin {
    /// As the audit names who came through the API.
    pub(crate) fn by_api(&self) -> String {
        actor(&self.0, "api")
    }
}

/// As the audit names an operator who came through a door.
pub(crate) fn actor(person: &Person, door: &str) -> String {
    let Person { id, name, .. } = person;
    if name.is_empty() {
        return format!("{id} by {door}");
    }
    format!("{name} ({id}) by {door}")
}

/// Refuses an operator whose role allows less than `least`.
pub(crate) fn require_role(person: &Person, least: OperatorRole) -> Result<(), ApiError> {
    if person.role >= least {
        return Ok(());
    }
    let (role, least) = (person.role.name(), least.name());
    Err(ApiError::new(
        Problem::WrongRole,
        format!("this takes the role `{least}`; the token has the role `{role}`"),
    ))
}

async fn operator_at_least(
    request: &HttpRequest,
    least: OperatorRole,
) -> Result<Arc<Person>, ApiError> {
    match role_of(request).await? {
        Role::Operator(person) => require_role(&person, least).map(|()| person),
        Role::Secret(_) | Role::Publishable(_) => {
            Err(wrong_role("this door opens to an operator's token"))
        }
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
                Role::Operator(person) => {
                    require_role(&person, least_for(request.method()))?;
                    existing(&request, store).await.map(|store| Self { store })
                }
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
                Role::Operator(_) => existing(&request, store).await.map(|store| Self { store }),
                Role::Secret(own) | Role::Publishable(own) if own == store => Ok(Self { store }),
                Role::Secret(_) | Role::Publishable(_) => {
                    Err(wrong_role("this door opens to the store's publishable key"))
                }
            }
        })
    }
}

/// What it takes to do something on a merchant's behalf.
fn least_for(method: &Method) -> OperatorRole {
    if method.is_safe() {
        OperatorRole::Viewer
    } else {
        OperatorRole::Operator
    }
}

fn wrong_role(detail: &'static str) -> ApiError {
    ApiError::new(Problem::WrongRole, detail)
}

/// The store, when there is such a one: an operator may name any.
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
