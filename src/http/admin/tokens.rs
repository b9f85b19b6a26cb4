//! `/v1/admin/tokens`: who may do what here.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::Deed;
use crate::db::DbError;
use crate::db::admin::operators::{self, LastAdmin, NewOperator, Operator, OperatorRole};
use crate::http::credentials::{OPERATOR_TOKEN_PREFIX, hash_token};
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{Admin, Behind, ReasonBody, StrictJson, TokenPath, checked_reason};
use crate::http::replies::{PageOf, Tagged};
use crate::http::routes::resource;
use crate::http::state::AppState;

/// The longest name of whom a token is given to, in characters.
const NAME_CHARS_MAX: usize = 60;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/v1/admin/tokens")
                .route(web::get().to(list_tokens))
                .route(web::post().to(create_token)),
        )
        .service(resource("/v1/admin/tokens/{token}/revoke").route(web::post().to(revoke_token)));
}

/// An operator's token, without anything that lets one in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct TokenDocument {
    /// The beginning of its hash.
    pub(crate) id: String,
    /// Whose it is, for people; may be empty.
    pub(crate) name: String,
    /// `viewer`, `operator` or `admin`.
    pub(crate) role: &'static str,
    pub(crate) created_at: String,
}

impl From<Operator> for TokenDocument {
    fn from(operator: Operator) -> Self {
        Self {
            id: operator.id,
            name: operator.name,
            role: operator.role.name(),
            created_at: operator.created_at.to_rfc3339(),
        }
    }
}

/// What a role is asked for by.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RoleName {
    /// Looks at everything, and changes nothing.
    Viewer,
    /// Acts on keepers, dead letters and safe mode, and changes bundles on a merchant's behalf.
    Operator,
    /// Registers, changes and deletes stores, and says who may do what.
    Admin,
}

impl From<RoleName> for OperatorRole {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Viewer => Self::Viewer,
            RoleName::Operator => Self::Operator,
            RoleName::Admin => Self::Admin,
        }
    }
}

/// A token to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTokenBody {
    pub(crate) role: RoleName,
    /// Whose it will be, for people; at most 60 characters.
    #[serde(default)]
    #[schema(max_length = 60)]
    pub(crate) name: String,
    /// 1 to 500 characters, for the audit.
    #[schema(min_length = 1, max_length = 500)]
    pub(crate) reason: String,
}

/// What is shown of a new token once, and never again.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CreatedToken {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: &'static str,
    /// What lets one in.
    pub(crate) token: String,
}

/// List the operators' tokens, the oldest first.
#[utoipa::path(get, path = "/v1/admin/tokens", tag = "admin",
    responses((status = 200, description = "All of them, at most 1,000", body = PageOf<TokenDocument>),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`: this takes an admin"), (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn list_tokens(
    state: web::Data<AppState>,
    _admin: Admin,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let items = all(&state).await?;
    Ok(Tagged::of(&PageOf { items, next: None })?.respond(&request))
}

/// Make an operator's token. It is shown this once.
#[utoipa::path(post, path = "/v1/admin/tokens", tag = "admin", request_body = NewTokenBody,
    responses((status = 201, description = "Made", body = CreatedToken),
        (status = 400, description = "`malformed_json`, `empty_body`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`: this takes an admin"),
        (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"), (status = 422, description = "`invalid_field`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn create_token(
    state: web::Data<AppState>,
    body: StrictJson<Admin, NewTokenBody>,
) -> Result<HttpResponse, ApiError> {
    let created = create(&state, &body.who.by_api(), body.value).await?;
    Ok(HttpResponse::Created().json(created))
}

/// Let an operator's token in no more; what was begun with it ends at once.
#[utoipa::path(post, path = "/v1/admin/tokens/{token}/revoke", tag = "admin", request_body = ReasonBody,
    params(("token" = String, Path, description = "The token's id, as the list shows it")),
    responses((status = 204, description = "Revoked"),
        (status = 400, description = "`malformed_json`, `malformed_path`, `empty_body`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`: this takes an admin"), (status = 404, description = "`unknown_token`"),
        (status = 408, description = "`request_timeout`"), (status = 409, description = "`last_admin`"),
        (status = 413, description = "`payload_too_large`"), (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`invalid_field`"), (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn revoke_token(
    state: web::Data<AppState>,
    body: StrictJson<Behind<Admin, TokenPath>, ReasonBody>,
) -> Result<HttpResponse, ApiError> {
    let Behind(admin, path) = body.who;
    revoke(&state, &admin.by_api(), &path.0, &body.value.reason).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// All tokens.
pub(crate) async fn all(state: &AppState) -> Result<Vec<TokenDocument>, ApiError> {
    let listed = operators::list(state.db()).await?;
    Ok(listed.into_iter().map(TokenDocument::from).collect())
}

/// Makes a token, and writes it down.
pub(crate) async fn create(
    state: &AppState,
    actor: &str,
    body: NewTokenBody,
) -> Result<CreatedToken, ApiError> {
    checked_reason(&body.reason)?;
    let name = body.name.trim();
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(ApiError::new(
            Problem::InvalidField,
            format!("`name` is at most {NAME_CHARS_MAX} characters"),
        ));
    }
    let role = OperatorRole::from(body.role);
    let token = state.ids().token(OPERATOR_TOKEN_PREFIX);
    let hash = hash_token(&token);
    let id = operators::id_of(&hash);
    let detail = format!("{} {id} {name}: {}", role.name(), body.reason);
    let deed = deed(actor, "create operator token", &detail).entry(state);
    let new = NewOperator {
        hash: &hash,
        name,
        role,
    };
    operators::add(state.db(), new, deed).await?;
    Ok(CreatedToken {
        id,
        name: name.to_owned(),
        role: role.name(),
        token,
    })
}

/// Ends a token, and writes it down.
pub(crate) async fn revoke(
    state: &AppState,
    actor: &str,
    id: &str,
    reason: &str,
) -> Result<(), ApiError> {
    checked_reason(reason)?;
    let detail = format!("{id}: {reason}");
    let deed = deed(actor, "revoke operator token", &detail).entry(state);
    let revoked = operators::revoke(state.db(), id, LastAdmin::Stays, deed).await;
    revoked.map_err(|error| match error {
        DbError::NotFound(_) => ApiError::plain(Problem::UnknownToken),
        DbError::Conflict => ApiError::plain(Problem::LastAdmin),
        DbError::Busy | DbError::Full | DbError::Unavailable(_) | DbError::Broken(_) => {
            error.into()
        }
    })?;
    state.credentials.forget();
    Ok(())
}

const fn deed<'a>(actor: &'a str, action: &'a str, detail: &'a str) -> Deed<'a> {
    Deed {
        actor,
        action,
        store: None,
        detail,
    }
}
