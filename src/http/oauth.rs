//! Installing the app on a shop: the redirect to the platform, and the way back with a code.
//!
//! The way back is believed only when the platform signed it, recently, and when it answers a redirect of ours that was
//! given to this browser and not answered before.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use moka::future::Cache;
use serde::Serialize;

use crate::db::DbError;
use crate::db::admin::stores::{self, NewStore, StorePatch, StoreStatus, Tokens};
use crate::db::sealing::{SealingError, Secret as SealedSecret};
use crate::http::admin::{Deed, record};
use crate::http::credentials::{INTAKE_PREFIX, PUBLISHABLE_PREFIX, SECRET_PREFIX, hash_token};
use crate::http::error::{ApiError, Problem};
use crate::http::new_token;
use crate::http::routes::resource;
use crate::http::settings::OauthApp;
use crate::http::state::AppState;
use crate::ids::StoreId;
use crate::platform::PlatformKind;
use crate::platform::shopify::oauth::{
    OAuthError, Tokens as Granted, authorize_url, is_shop_domain,
};
use crate::platform::shopify::query_signature::verify_callback;

/// How long a merchant may take to say yes.
const NONCE_TTL: Duration = Duration::from_secs(600);
/// Installations under way at once; the oldest are forgotten first.
const NONCES_MAX: u64 = 10_000;
const COOKIE: &str = "storekeeper_install";
/// What the app asks a merchant for: to read what bundles depend on, and to write their stock.
const SCOPES: &[&str] = &[
    "read_products",
    "read_inventory",
    "write_inventory",
    "read_locations",
    "read_orders",
    "read_merchant_managed_fulfillment_orders",
];

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/oauth/shopify/install").route(web::get().to(install)))
        .service(resource("/oauth/shopify/callback").route(web::get().to(callback)));
}

/// Installations that wait for the merchant: which shop each nonce was given for.
pub(crate) struct Installations {
    shops: Cache<String, Arc<str>>,
}

impl Default for Installations {
    fn default() -> Self {
        Self {
            shops: Cache::builder()
                .max_capacity(NONCES_MAX)
                .time_to_live(NONCE_TTL)
                .build(),
        }
    }
}

impl fmt::Debug for Installations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Installations")
            .finish_non_exhaustive()
    }
}

type Pairs = Vec<(String, String)>;

/// Send a merchant's browser to the platform, to agree to the app.
#[utoipa::path(get, path = "/oauth/shopify/install", tag = "installation",
    params(("shop" = String, Query, description = "`{shop}.myshopify.com`")),
    responses((status = 303, description = "To the platform"), (status = 400, description = "`malformed_query`"),
        (status = 404, description = "`route_not_found`: installing is not set up here")))]
pub(crate) async fn install(
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let app = app_of(&state)?;
    let pairs = pairs_of(&request)?;
    let shop = shop_of(&pairs)?;
    let nonce = state.ids().token("");
    let back = format!("{}/oauth/shopify/callback", state.settings.public_url);
    let address = authorize_url(&app.url_of(shop), &app.app(), SCOPES, (&back, &nonce))
        .map_err(|error| ApiError::caused(Problem::OauthRefused, &error))?;
    state
        .installations
        .shops
        .insert(nonce.clone(), Arc::from(shop))
        .await;
    Ok(HttpResponse::SeeOther()
        .insert_header((header::LOCATION, address))
        .cookie(nonce_cookie(&state, nonce))
        .finish())
}

/// Take a merchant back from the platform, and install the store.
#[utoipa::path(get, path = "/oauth/shopify/callback", tag = "installation",
    responses((status = 200, description = "Installed again; its keys stay", body = Installed),
        (status = 201, description = "Installed; its keys are shown this once", body = Installed),
        (status = 400, description = "`oauth_refused`, `malformed_query`"),
        (status = 404, description = "`route_not_found`: installing is not set up here"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn callback(
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let app = app_of(&state)?;
    let pairs = pairs_of(&request)?;
    let (shop, code) = verify(&state, app, &request, &pairs).await?;
    let granted = app
        .client
        .shopify()
        .exchange_code(&app.url_of(&shop), &app.app(), &code)
        .await;
    let granted = granted.map_err(|error| match error {
        OAuthError::Refused { .. } => ApiError::plain(Problem::OauthRefused),
        OAuthError::Unavailable(_) => ApiError::caused(Problem::NotReady, &error),
    })?;
    let platform = PlatformKind::Shopify.as_str();
    match stores::find_by_domain(state.db(), platform, &shop).await? {
        Some(known) => reinstall(&state, known.id, granted).await,
        None => install_new(&state, app, shop, granted).await,
    }
}

/// A store that was installed.
#[derive(Serialize, utoipa::ToSchema)]
struct Installed {
    id: String,
    /// Absent when the store was known before.
    #[serde(skip_serializing_if = "Option::is_none")]
    intake_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publishable_key: Option<String>,
}

fn app_of(state: &AppState) -> Result<&OauthApp, ApiError> {
    let not_set_up = || {
        ApiError::new(
            Problem::RouteNotFound,
            "installing is not set up on this server: `platform.shopify.client_id` is empty",
        )
    };
    state.settings.oauth.as_ref().ok_or_else(not_set_up)
}

fn pairs_of(request: &HttpRequest) -> Result<Pairs, ApiError> {
    let parsed = web::Query::<Pairs>::from_query(request.query_string());
    Ok(parsed
        .map_err(|_source| ApiError::plain(Problem::MalformedQuery))?
        .into_inner())
}

/// The one value of this name.
fn only<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    let mut values = pairs
        .iter()
        .filter(|(key, _)| key == name)
        .map(|(_, value)| value.as_str());
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

fn shop_of(pairs: &Pairs) -> Result<&str, ApiError> {
    let shop = only(pairs, "shop").filter(|shop| is_shop_domain(shop));
    shop.ok_or_else(|| {
        ApiError::new(
            Problem::MalformedQuery,
            "`shop` is a shop's own domain, `{shop}.myshopify.com`",
        )
    })
}

fn nonce_cookie(state: &AppState, nonce: String) -> Cookie<'static> {
    Cookie::build(COOKIE, nonce)
        .path("/oauth/shopify")
        .http_only(true)
        .secure(state.settings.is_https())
        .same_site(SameSite::Lax)
        .finish()
}

/// Gives the shop and its code, once all of it is believed. The nonce is spent whatever follows.
async fn verify(
    state: &AppState,
    app: &OauthApp,
    request: &HttpRequest,
    pairs: &Pairs,
) -> Result<(String, String), ApiError> {
    let refused = || ApiError::plain(Problem::OauthRefused);
    verify_callback(pairs, &app.client_secret, state.clock().now())
        .map_err(|_mismatch| refused())?;
    let shop = shop_of(pairs)?.to_ascii_lowercase();
    let (nonce, code) = only(pairs, "state")
        .zip(only(pairs, "code"))
        .ok_or_else(refused)?;
    let given_for = state
        .installations
        .shops
        .remove(nonce)
        .await
        .ok_or_else(refused)?;
    let same_browser = request
        .cookie(COOKIE)
        .is_some_and(|cookie| cookie.value() == nonce);
    if same_browser && given_for.eq_ignore_ascii_case(&shop) {
        Ok((shop, code.to_owned()))
    } else {
        Err(refused())
    }
}

fn tokens(granted: Granted) -> Tokens {
    Tokens {
        access: Some(SealedSecret::new(granted.access_token.expose())),
        refresh: granted
            .refresh_token
            .map(|token| SealedSecret::new(token.expose())),
        expires_at: granted.expires_at,
    }
}

async fn reinstall(
    state: &AppState,
    id: StoreId,
    granted: Granted,
) -> Result<HttpResponse, ApiError> {
    let patch = StorePatch {
        status: Some(StoreStatus::Installed),
        tokens: Some(tokens(granted)),
        installed_anew: true,
        ..StorePatch::default()
    };
    stores::update(state.db(), &state.sealer, id, patch, state.clock().now()).await?;
    state.forget_stores();
    new_token::announce(state, id).await;
    record(
        state,
        Deed {
            actor: "oauth",
            action: "reinstall store",
            store: Some(id),
            detail: "",
        },
    )
    .await?;
    let known = Installed {
        id: id.to_string(),
        intake_url: None,
        secret_key: None,
        publishable_key: None,
    };
    Ok(HttpResponse::Ok().json(known))
}

/// Registers the store. Of two first installations at once the second finds it registered, and installs it again.
async fn install_new(
    state: &AppState,
    app: &OauthApp,
    shop: String,
    granted: Granted,
) -> Result<HttpResponse, ApiError> {
    let (id, installed) = match register(state, app, &shop, granted.clone()).await {
        Ok(registered) => registered,
        Err(SealingError::Db(DbError::Conflict)) => {
            let platform = PlatformKind::Shopify.as_str();
            let known = stores::find_by_domain(state.db(), platform, &shop).await?;
            let known = known.ok_or_else(|| ApiError::plain(Problem::NotReady))?;
            return reinstall(state, known.id, granted).await;
        }
        Err(error) => return Err(error.into()),
    };
    state.forget_stores();
    record(
        state,
        Deed {
            actor: "oauth",
            action: "install store",
            store: Some(id),
            detail: "",
        },
    )
    .await?;
    state.directory.ring(id);
    Ok(HttpResponse::Created().json(installed))
}

async fn register(
    state: &AppState,
    app: &OauthApp,
    shop: &str,
    granted: Granted,
) -> Result<(StoreId, Installed), SealingError> {
    let intake_token = state.ids().token(INTAKE_PREFIX);
    let secret_key = state.ids().token(SECRET_PREFIX);
    let publishable_key = state.ids().token(PUBLISHABLE_PREFIX);
    let new = NewStore {
        platform: PlatformKind::Shopify.to_string(),
        api_base_url: app.url_of(shop),
        domain: shop.to_owned(),
        name: None,
        plan: None,
        intake_token_hash: hash_token(&intake_token),
        intake_token: Some(SealedSecret::new(intake_token.as_str())),
        secret_key_hash: hash_token(&secret_key),
        publishable_key_hash: hash_token(&publishable_key),
        tokens: tokens(granted),
        webhook_secrets: Vec::new(),
    };
    let id = stores::insert(state.db(), &state.sealer, new, state.clock().now()).await?;
    let public_url = &state.settings.public_url;
    let installed = Installed {
        id: id.to_string(),
        intake_url: Some(format!("{public_url}/webhooks/shopify/{intake_token}")),
        secret_key: Some(secret_key),
        publishable_key: Some(publishable_key),
    };
    Ok((id, installed))
}
