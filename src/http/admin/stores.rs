//! `/v1/admin/stores`: registering stores and changing how they are reached.
//!
//! A creation under an `Idempotency-Key` derives the store's keys from it (and from the sealing key and a salt kept with
//! the reply, so that nobody else can): asked again while the reply is kept, the same request gives the same answer
//! although the keys are kept as hashes only.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};

use super::once::{self, Once};
use super::store_documents::{
    CheckedStore, CreatedStore, NewStoreBody, SecretDocument, StoreDocument, StorePatchBody,
    WireSecret,
};
use super::{Deed, record, standings};
use crate::db::DbError;
use crate::db::admin::changes::{self, ChangeError, StoreChange};
use crate::db::admin::secrets;
use crate::db::admin::stores::{self, NewStore, StorePatch, StoreRecord, StoreStatus, Tokens};
use crate::db::sealing::{SealingError, Secret};
use crate::domain::store::change::IdempotentReply;
use crate::domain::store::state::Pause;
use crate::http::credentials::{INTAKE_PREFIX, PUBLISHABLE_PREFIX, SECRET_PREFIX, hash_token};
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{
    Admin, Behind, IdempotencyKey, PageQuery, RequestDigest, StorePath, StrictJson, StrictQuery,
    Viewer, encode_cursor, parse_id,
};
use crate::http::new_token;
use crate::http::replies::{PageOf, REPLAYED, Tagged};
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::ids::StoreId;
use crate::keeper::Control;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/v1/admin/stores")
                .route(web::get().to(list_stores))
                .route(web::post().to(create_store)),
        )
        .service(
            resource("/v1/admin/stores/{store}")
                .route(web::get().to(get_store))
                .route(web::patch().to(change_store))
                .route(web::delete().to(delete_store)),
        );
}

/// Register a store. Its keys are shown this once.
#[utoipa::path(post, path = "/v1/admin/stores", tag = "admin", request_body = NewStoreBody,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, description = "Registered", body = CreatedStore),
        (status = 400, description = "`malformed_json`, `malformed_header`, `empty_body`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"),
        (status = 409, description = "`store_exists`"), (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"), (status = 422, description = "`invalid_field`, `idempotency_key_reused`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn create_store(
    state: web::Data<AppState>,
    body: StrictJson<Admin, NewStoreBody>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let key = IdempotencyKey::of(&request)?;
    let checked = body.value.check()?;
    let digest = RequestDigest::of("POST stores", &body.raw);
    let once = key.0.map(|key| Once::of(&state, "new store", key, digest));
    if let Some(earlier) = once::earlier(&state, once.as_ref()).await? {
        return repeat(&state, &checked, &earlier).await;
    }
    let keys = match &once {
        Some(once) => Keys::derived(&state, once),
        None => Keys::fresh(&state),
    };
    let new = new_store(&checked, body.value, &keys);
    let actor = body.who.by_api();
    let reply = once.as_ref().map(Once::reply);
    if let Some(id) = register(&state, &actor, new, reply).await? {
        return Ok(created(&state, &checked, id, keys, false));
    }
    // The same key may have been used at the same time.
    match once::earlier(&state, once.as_ref()).await? {
        Some(earlier) => repeat(&state, &checked, &earlier).await,
        None => Err(ApiError::plain(Problem::StoreExists)),
    }
}

/// List the stores, ascending by id.
#[utoipa::path(get, path = "/v1/admin/stores", tag = "admin", params(PageQuery),
    responses((status = 200, description = "A page", body = PageOf<StoreDocument>),
        (status = 304, description = "As `If-None-Match` has it"),
        (status = 400, description = "`malformed_query`, `malformed_cursor`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn list_stores(
    state: web::Data<AppState>,
    Behind(_viewer, query): Behind<Viewer, StrictQuery<PageQuery>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let page = query.0.page()?;
    let after = match page.after.as_deref() {
        Some(key) => Some(
            parse_id(key)
                .map(StoreId)
                .ok_or_else(|| ApiError::plain(Problem::MalformedCursor))?,
        ),
        None => None,
    };
    let mut records = stores::list(state.db(), after, page.limit + 1).await?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let more = records.len() > limit;
    records.truncate(limit);
    let next = records
        .last()
        .filter(|_| more)
        .map(|record| encode_cursor(&record.id.to_string()));
    let items = records
        .iter()
        .map(|record| StoreDocument::of(record, life_of(&state, record), None))
        .collect();
    Ok(Tagged::of(&PageOf::<StoreDocument> { items, next })?.respond(&request))
}

/// One store.
#[utoipa::path(get, path = "/v1/admin/stores/{store}", tag = "admin", params(("store" = String, Path)),
    responses((status = 200, description = "The store, with its `ETag`", body = StoreDocument),
        (status = 304, description = "As `If-None-Match` has it"), (status = 400, description = "`malformed_path`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn get_store(
    state: web::Data<AppState>,
    Behind(_viewer, path): Behind<Viewer, StorePath>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let record = get(&state, path.0).await?;
    Ok(Tagged::of(&document(&state, &record).await?)?.respond(&request))
}

/// Change a store: what is absent stays. A new access token lets a barred store call again.
#[utoipa::path(patch, path = "/v1/admin/stores/{store}", tag = "admin", request_body = StorePatchBody,
    params(("store" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 200, description = "As it is now", body = StoreDocument),
        (status = 400, description = "`malformed_json`, `malformed_path`, `empty_body`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 412, description = "`revision_mismatch`"), (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"), (status = 422, description = "`invalid_field`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn change_store(
    state: web::Data<AppState>,
    body: StrictJson<Behind<Admin, StorePath>, StorePatchBody>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Behind(admin, path) = body.who;
    let (api_base_url, revoke_secrets) = body.value.check()?;
    let before = get(&state, path.0).await?;
    Tagged::of(&document(&state, &before).await?)?.require_match(&request)?;
    let renewed = body.value.access_token.is_some();
    let change = StoreChange {
        add_secrets: secrets_of(&body.value.add_webhook_secrets),
        revoke_secrets,
        patch: patch_of(body.value, api_base_url),
        seen: (request.headers().contains_key(header::IF_MATCH)).then_some(before.updated_at),
        deed: deed(&admin.by_api(), "change store", path.0).entry(&state),
    };
    let now = state.clock().now();
    let changed = changes::change(state.db(), &state.sealer, path.0, change, now).await;
    changed.map_err(change_problem)?;
    state.forget_stores();
    state.deps.platform.forget(path.0).await;
    if renewed {
        new_token::announce(&state, path.0).await;
    }
    standings::relearn(&state, path.0).await?;
    let after = get(&state, path.0).await?;
    Ok(Tagged::of(&document(&state, &after).await?)?.with_status(StatusCode::OK))
}

/// Delete a store: its secrets go, nothing leads to it any more, its domain becomes free.
#[utoipa::path(delete, path = "/v1/admin/stores/{store}", tag = "admin",
    params(("store" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "Deleted"), (status = 400, description = "`malformed_path`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 412, description = "`revision_mismatch`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn delete_store(
    state: web::Data<AppState>,
    Behind(admin, path): Behind<Admin, StorePath>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let seen = if request.headers().contains_key(header::IF_MATCH) {
        let before = get(&state, path.0).await?;
        Tagged::of(&document(&state, &before).await?)?.require_match(&request)?;
        Some(before.updated_at)
    } else {
        None
    };
    stores::delete_seen(state.db(), path.0, seen, state.clock().now())
        .await
        .map_err(|error| match error {
            DbError::Conflict => ApiError::plain(Problem::RevisionMismatch),
            DbError::NotFound(_)
            | DbError::Busy
            | DbError::Full
            | DbError::Unavailable(_)
            | DbError::Broken(_) => unknown_store(error),
        })?;
    state.forget_stores();
    record(&state, deed(&admin.by_api(), "delete store", path.0)).await?;
    let ended = state
        .directory
        .control(path.0, Control::Deactivate, "store deleted".to_owned())
        .await;
    if let Err(error) = ended {
        tracing::warn!(store = %path.0, %error, "failed to end the keeper of a deleted store");
    }
    Ok(HttpResponse::NoContent().finish())
}

/// The three ways in that a store gets.
struct Keys {
    intake_token: String,
    secret_key: String,
    publishable_key: String,
}

impl Keys {
    fn fresh(state: &AppState) -> Self {
        Self {
            intake_token: state.ids().token(INTAKE_PREFIX),
            secret_key: state.ids().token(SECRET_PREFIX),
            publishable_key: state.ids().token(PUBLISHABLE_PREFIX),
        }
    }

    /// The same for the same key and request while its reply is kept; another for every other, and for every other server.
    fn derived(state: &AppState, once: &Once) -> Self {
        let derive = |prefix: &str| once.derive(state, prefix);
        Self {
            intake_token: derive(INTAKE_PREFIX),
            secret_key: derive(SECRET_PREFIX),
            publishable_key: derive(PUBLISHABLE_PREFIX),
        }
    }
}

fn new_store(checked: &CheckedStore, body: NewStoreBody, keys: &Keys) -> NewStore {
    NewStore {
        platform: checked.platform.to_string(),
        domain: checked.domain.clone(),
        name: body.name,
        api_base_url: checked.api_base_url.clone(),
        plan: body.plan,
        intake_token_hash: hash_token(&keys.intake_token),
        intake_token: Some(Secret::new(keys.intake_token.as_str())),
        secret_key_hash: hash_token(&keys.secret_key),
        publishable_key_hash: hash_token(&keys.publishable_key),
        tokens: Tokens {
            access: Some(Secret::new(body.access_token.expose())),
            refresh: None,
            expires_at: None,
        },
        webhook_secrets: secrets_of(&body.webhook_secrets),
    }
}

/// Registers; `None`: the domain is registered already, or the key is used.
async fn register(
    state: &AppState,
    actor: &str,
    new: NewStore,
    reply: Option<&IdempotentReply>,
) -> Result<Option<StoreId>, ApiError> {
    let now = state.clock().now();
    let domain = new.domain.clone();
    match stores::insert_once(state.db(), &state.sealer, new, reply, now).await {
        Ok(id) => {
            state.forget_stores();
            let registered = Deed {
                detail: &domain,
                ..deed(actor, "register store", id)
            };
            record(state, registered).await?;
            state.directory.ring(id);
            Ok(Some(id))
        }
        Err(SealingError::Db(DbError::Conflict)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives the answer again, while there is the store that this request registered.
async fn repeat(
    state: &AppState,
    checked: &CheckedStore,
    earlier: &Once,
) -> Result<HttpResponse, ApiError> {
    let keys = Keys::derived(state, earlier);
    let found = stores::find_by_key(state.db(), &hash_token(&keys.secret_key)).await?;
    match found {
        Some((record, _)) if record.domain == checked.domain => {
            Ok(created(state, checked, record.id, keys, true))
        }
        Some(_) | None => Err(ApiError::plain(Problem::StoreExists)),
    }
}

fn created(
    state: &AppState,
    checked: &CheckedStore,
    id: StoreId,
    keys: Keys,
    replayed: bool,
) -> HttpResponse {
    let intake_url = format!(
        "{}/webhooks/{}/{}",
        state.settings.public_url, checked.platform, keys.intake_token
    );
    let mut builder = HttpResponse::Created();
    builder.insert_header((header::LOCATION, format!("/v1/admin/stores/{id}")));
    if replayed {
        builder.insert_header(REPLAYED);
    }
    builder.json(CreatedStore {
        id: id.to_string(),
        intake_url,
        secret_key: keys.secret_key,
        publishable_key: keys.publishable_key,
    })
}

/// The store, or the problem that there is none.
pub(crate) async fn get(state: &AppState, store: StoreId) -> Result<StoreRecord, ApiError> {
    stores::get(state.db(), store).await.map_err(unknown_store)
}

pub(super) fn unknown_store(error: DbError) -> ApiError {
    match error {
        DbError::NotFound(_) => ApiError::plain(Problem::UnknownStore),
        DbError::Conflict
        | DbError::Busy
        | DbError::Full
        | DbError::Unavailable(_)
        | DbError::Broken(_) => error.into(),
    }
}

async fn document(state: &AppState, record: &StoreRecord) -> Result<StoreDocument, ApiError> {
    let living = secrets::load(state.db(), &state.sealer, record.id).await?;
    let secrets = living.iter().map(|secret| SecretDocument {
        id: secret.id.to_string(),
        created_at: secret.created_at.to_rfc3339(),
    });
    Ok(StoreDocument::of(
        record,
        life_of(state, record),
        Some(secrets.collect()),
    ))
}

/// Where the store is in its life: the row tells of installing, its keeper of an uninstallation since.
fn life_of(state: &AppState, record: &StoreRecord) -> StoreStatus {
    let status = state.directory.status(record.id);
    let observation = status.and_then(|status| status.observation);
    match observation.and_then(|observation| observation.paused.clone()) {
        Some(Pause::Uninstalled) => StoreStatus::Uninstalled,
        Some(Pause::ByAdmin { .. } | Pause::Barred(_)) | None => record.status,
    }
}

fn secrets_of(given: &[WireSecret]) -> Vec<Secret> {
    let sealable = |secret: &WireSecret| Secret::new(secret.expose());
    given.iter().map(sealable).collect()
}

fn patch_of(body: StorePatchBody, api_base_url: Option<String>) -> StorePatch {
    let tokens = body.access_token.map(|token| Tokens {
        access: Some(Secret::new(token.expose())),
        refresh: None,
        expires_at: None,
    });
    StorePatch {
        name: body.name,
        api_base_url,
        plan: body.plan,
        // Who installed the app again brings a new token; whoever just has a new one loses nothing by it.
        status: tokens.is_some().then_some(StoreStatus::Installed),
        installed_anew: tokens.is_some(),
        tokens,
    }
}

fn change_problem(error: ChangeError) -> ApiError {
    match error {
        ChangeError::ChangedMeanwhile => ApiError::plain(Problem::RevisionMismatch),
        ChangeError::TooManySecrets => ApiError::new(
            Problem::InvalidField,
            "too many webhook secrets live already; revoke one first",
        ),
        ChangeError::UnknownSecret => ApiError::new(
            Problem::InvalidField,
            "no webhook secret of this number lives",
        ),
        ChangeError::Sealing(SealingError::Db(inner)) => unknown_store(inner),
        ChangeError::Sealing(error) => error.into(),
    }
}

const fn deed<'a>(actor: &'a str, action: &'a str, store: StoreId) -> Deed<'a> {
    Deed {
        actor,
        action,
        store: Some(store),
        detail: "",
    }
}
