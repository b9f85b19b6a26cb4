//! `/v1/admin/tokens`: who may do what here.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::Deed;
use super::once::{self, Once};
use crate::clock::Timestamp;
use crate::db::DbError;
use crate::db::admin::operators::{
    self, LastAdmin, NewOperator, Operator, OperatorRole, TokenPlace,
};
use crate::http::credentials::{OPERATOR_TOKEN_PREFIX, hash_token};
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{
    Admin, Behind, IdempotencyKey, PageQuery, ReasonBody, RequestDigest, StrictJson, StrictQuery,
    TokenPath, checked_reason, encode_cursor,
};
use crate::http::replies::{PageOf, REPLAYED, Tagged};
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
    /// Made before, by the same request under the same key.
    #[serde(skip)]
    is_repeated: bool,
}

impl CreatedToken {
    fn of(token: String, name: &str, role: OperatorRole) -> Self {
        Self {
            id: operators::id_of(&hash_token(&token)),
            name: name.to_owned(),
            role: role.name(),
            token,
            is_repeated: false,
        }
    }

    /// The one that this request made before; what was revoked meanwhile stays so.
    fn again(state: &AppState, name: &str, role: OperatorRole, earlier: &Once) -> Self {
        let token = earlier.derive(state, OPERATOR_TOKEN_PREFIX);
        Self {
            is_repeated: true,
            ..Self::of(token, name, role)
        }
    }
}

/// List the operators' tokens, the oldest first.
#[utoipa::path(get, path = "/v1/admin/tokens", tag = "admin", params(PageQuery),
    responses((status = 200, description = "A page", body = PageOf<TokenDocument>),
        (status = 304, description = "As `If-None-Match` has it"),
        (status = 400, description = "`malformed_query`, `malformed_cursor`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`: this takes an admin"), (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn list_tokens(
    state: web::Data<AppState>,
    Behind(_admin, query): Behind<Admin, StrictQuery<PageQuery>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    Ok(Tagged::of(&page(&state, &query.0).await?)?.respond(&request))
}

/// Make an operator's token. It is shown this once, and to whoever repeats the request under its `Idempotency-Key`.
#[utoipa::path(post, path = "/v1/admin/tokens", tag = "admin", request_body = NewTokenBody,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, description = "Made, or made before under the same key", body = CreatedToken),
        (status = 400, description = "`malformed_json`, `empty_body`, `malformed_header`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`: this takes an admin"),
        (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`invalid_field`, `idempotency_key_reused`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn create_token(
    state: web::Data<AppState>,
    body: StrictJson<Admin, NewTokenBody>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let key = IdempotencyKey::of(&request)?;
    let digest = RequestDigest::of("POST tokens", &body.raw);
    let once = key.0.map(|key| Once::of(&state, "new token", key, digest));
    let actor = body.who.by_api();
    let created = create(&state, &actor, body.value, once.as_ref()).await?;
    let mut response = HttpResponse::Created();
    if created.is_repeated {
        response.insert_header(REPLAYED);
    }
    Ok(response.json(created))
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

/// A page of tokens.
pub(crate) async fn page(
    state: &AppState,
    query: &PageQuery,
) -> Result<PageOf<TokenDocument>, ApiError> {
    let page = query.page()?;
    let after = page.after.as_deref().map(place_of).transpose()?;
    let mut listed = operators::list(state.db(), after.as_ref(), page.limit + 1).await?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let more = listed.len() > limit;
    listed.truncate(limit);
    let last = listed.last().filter(|_| more);
    let next = last.map(|operator| {
        let made = operator.created_at.as_millis();
        encode_cursor(&format!("{made}-{}", operator.id))
    });
    let items = listed.into_iter().map(TokenDocument::from).collect();
    Ok(PageOf { items, next })
}

fn place_of(text: &str) -> Result<TokenPlace, ApiError> {
    let place = text.split_once('-').and_then(|(made, id)| {
        let created_at = Timestamp::from_millis(made.parse().ok()?);
        let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = is_id.then(|| id.to_owned())?;
        Some(TokenPlace { created_at, id })
    });
    place.ok_or_else(|| ApiError::plain(Problem::MalformedCursor))
}

/// Makes a token, and writes it down.
pub(crate) async fn create(
    state: &AppState,
    actor: &str,
    body: NewTokenBody,
    once: Option<&Once>,
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
    if let Some(earlier) = once::earlier(state, once).await? {
        return Ok(CreatedToken::again(state, name, role, &earlier));
    }
    let token = match once {
        Some(once) => once.derive(state, OPERATOR_TOKEN_PREFIX),
        None => state.ids().token(OPERATOR_TOKEN_PREFIX),
    };
    let created = CreatedToken::of(token, name, role);
    let hash = hash_token(&created.token);
    let detail = format!("{} {} {name}: {}", role.name(), created.id, body.reason);
    let deed = deed(actor, "create operator token", &detail).entry(state);
    let new = NewOperator {
        hash: &hash,
        name,
        role,
    };
    let added = operators::add(state.db(), new, once.map(Once::reply), deed).await;
    // The same key may have been used at the same time.
    if let Err(DbError::Conflict) = added
        && let Some(earlier) = once::earlier(state, once).await?
    {
        return Ok(CreatedToken::again(state, name, role, &earlier));
    }
    added?;
    Ok(created)
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
