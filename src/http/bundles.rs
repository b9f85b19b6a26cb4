//! `/v1/stores/{store}/bundles`: what a merchant says a bundle is made of, and why it has the stock it has.
//!
//! Reads come from the board that the keeper publishes; every change is a command to the keeper.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::bundle::{Bundle, BundleBook, Component, Recipe, validate};
use crate::domain::store::BundleView;
use crate::domain::store::command::{BundleDraft, Command, DraftComponent};
use crate::domain::store::outcome::{Refusal, Reply};
use crate::http::bundle_documents::{BundleBody, BundleDocument, WhyDocument};
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{
    Behind, BundlePath, IdempotencyKey, Merchant, PageQuery, RequestDigest, StrictJson,
    StrictQuery, encode_cursor,
};
use crate::http::replies::{
    PageOf, REPLAYED, Tagged, command_problem, problem_of_code, refusal_problem,
};
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::ids::{BundleId, ItemId, ProductId, StoreId, VariantId};
use crate::keeper::{Answered, Board, Envelope, IdempotencyKey as RememberedKey};

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/v1/stores/{store}/bundles")
                .route(web::get().to(list_bundles))
                .route(web::post().to(create_bundle)),
        )
        .service(
            resource("/v1/stores/{store}/bundles/{bundle}")
                .route(web::get().to(get_bundle))
                .route(web::put().to(replace_bundle))
                .route(web::delete().to(delete_bundle)),
        )
        .service(
            resource("/v1/stores/{store}/bundles/{bundle}/why")
                .route(web::get().to(explain_bundle)),
        );
}

/// Define a bundle.
#[utoipa::path(post, path = "/v1/stores/{store}/bundles", tag = "merchant", request_body = BundleBody,
    params(("store" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 201, description = "Defined; its stock follows", body = BundleDocument),
        (status = 400, description = "`malformed_json`, `malformed_path`, `malformed_header`, `empty_body`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"), (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`unknown_item`, `native_bundle`, `idempotency_key_reused`, or the rule that it breaks"),
        (status = 503, description = "`store_busy`, `outcome_unknown`, `keeper_unavailable`, `safe_mode`, with `Retry-After`")))]
pub(crate) async fn create_bundle(
    state: web::Data<AppState>,
    body: StrictJson<Merchant, BundleBody>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let key = IdempotencyKey::of(&request)?;
    let merchant = body.who;
    let now = state.clock().now();
    let id = BundleId(state.ids().ordered_uuid(now));
    let digest = RequestDigest::of("POST bundles", &body.raw);
    let draft = body.value.into_draft(id, false, now);
    let answered = put(
        &state,
        merchant.store,
        draft,
        remember(key, digest, render_created),
    )
    .await?;
    respond_to_put(merchant.store, answered, StatusCode::CREATED)
}

/// Give a bundle a new definition. Orders made before keep the old recipe.
#[utoipa::path(put, path = "/v1/stores/{store}/bundles/{bundle}", tag = "merchant", request_body = BundleBody,
    params(("store" = String, Path), ("bundle" = String, Path), ("If-Match" = Option<String>, Header)),
    responses(
        (status = 200, description = "Defined anew", body = BundleDocument),
        (status = 400, description = "`malformed_json`, `malformed_path`, `empty_body`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_bundle`, `unknown_store`"),
        (status = 412, description = "`revision_mismatch`"),
        (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"), (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`unknown_item`, `native_bundle`, or the rule that it breaks"),
        (status = 503, description = "`store_busy`, `outcome_unknown`, `keeper_unavailable`, `safe_mode`, with `Retry-After`")))]
pub(crate) async fn replace_bundle(
    state: web::Data<AppState>,
    body: StrictJson<Behind<Merchant, BundlePath>, BundleBody>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Behind(merchant, path) = body.who;
    let seen = bundle_named(&state, merchant.store, path.0, &request).await?;
    let draft = BundleDraft {
        seen,
        ..body.value.into_draft(path.0, true, state.clock().now())
    };
    let answered = put(&state, merchant.store, draft, None).await?;
    respond_to_put(merchant.store, answered, StatusCode::OK)
}

/// End a bundle. Its stock is no longer written; orders of it still give back what they took.
#[utoipa::path(delete, path = "/v1/stores/{store}/bundles/{bundle}", tag = "merchant",
    params(("store" = String, Path), ("bundle" = String, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "Ended"), (status = 400, description = "`malformed_path`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_bundle`, `unknown_store`"),
        (status = 412, description = "`revision_mismatch`"),
        (status = 503, description = "`store_busy`, `outcome_unknown`, `keeper_unavailable`, `safe_mode`, with `Retry-After`")))]
pub(crate) async fn delete_bundle(
    state: web::Data<AppState>,
    Behind(merchant, path): Behind<Merchant, BundlePath>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let id = path.0;
    let seen = bundle_named(&state, merchant.store, id, &request).await?;
    let envelope = Envelope::plain(Command::DeleteBundle { id, seen });
    let answered = state.directory.command(merchant.store, envelope).await;
    answered.map_err(|error| command_problem(&error, state.clock()))?;
    Ok(HttpResponse::NoContent().finish())
}

/// List the bundles, ascending by item.
#[utoipa::path(get, path = "/v1/stores/{store}/bundles", tag = "merchant", params(("store" = String, Path), PageQuery),
    responses((status = 200, description = "A page", body = PageOf<BundleDocument>),
        (status = 304, description = "As `If-None-Match` has it"),
        (status = 400, description = "`malformed_query`, `malformed_cursor`, `malformed_path`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 503, description = "`keeper_unavailable`, with `Retry-After`")))]
pub(crate) async fn list_bundles(
    state: web::Data<AppState>,
    Behind(merchant, query): Behind<Merchant, StrictQuery<PageQuery>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (limit, after) = page_after(&query.0)?;
    let board = board_of(&state, merchant.store).await?;
    let mut rest = board
        .bundles()
        .filter(|view| after.is_none_or(|after| view.bundle.item > after));
    let views: Vec<&BundleView> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let next = views
        .last()
        .filter(|_| more)
        .map(|view| encode_cursor(&view.bundle.item.to_string()));
    let items = views
        .iter()
        .map(|view| BundleDocument::of(&view.bundle))
        .collect();
    Ok(Tagged::of(&PageOf::<BundleDocument> { items, next })?.respond(&request))
}

/// How many bundles to list, and behind which item.
pub(crate) fn page_after(query: &PageQuery) -> Result<(usize, Option<ItemId>), ApiError> {
    let page = query.page()?;
    let item = |key: &str| {
        key.parse()
            .map(ItemId)
            .map_err(|_source| ApiError::plain(Problem::MalformedCursor))
    };
    let after = page.after.as_deref().map(item).transpose()?;
    Ok((usize::try_from(page.limit).unwrap_or(usize::MAX), after))
}

/// One bundle.
#[utoipa::path(get, path = "/v1/stores/{store}/bundles/{bundle}", tag = "merchant",
    params(("store" = String, Path), ("bundle" = String, Path)),
    responses((status = 200, description = "The bundle, with its `ETag`", body = BundleDocument),
        (status = 304, description = "As `If-None-Match` has it"), (status = 400, description = "`malformed_path`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_bundle`, `unknown_store`"),
        (status = 503, description = "`keeper_unavailable`, with `Retry-After`")))]
pub(crate) async fn get_bundle(
    state: web::Data<AppState>,
    Behind(merchant, path): Behind<Merchant, BundlePath>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let board = board_of(&state, merchant.store).await?;
    let view = find_view(&board, path.0)?;
    Ok(Tagged::of(&BundleDocument::of(&view.bundle))?.respond(&request))
}

/// Why a bundle has the stock it has: per location its availability, what limits it, and the raw levels.
#[utoipa::path(get, path = "/v1/stores/{store}/bundles/{bundle}/why", tag = "merchant",
    params(("store" = String, Path), ("bundle" = String, Path)),
    responses((status = 200, description = "The reasons", body = WhyDocument),
        (status = 304, description = "As `If-None-Match` has it"),
        (status = 400, description = "`malformed_path`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_bundle`, `unknown_store`"),
        (status = 503, description = "`keeper_unavailable`, with `Retry-After`")))]
pub(crate) async fn explain_bundle(
    state: web::Data<AppState>,
    Behind(merchant, path): Behind<Merchant, BundlePath>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let board = board_of(&state, merchant.store).await?;
    let view = find_view(&board, path.0)?;
    Ok(Tagged::of(&WhyDocument::of(&board, view))?.respond(&request))
}

/// What readers see of a store; starts its keeper when needed.
pub(crate) async fn board_of(
    state: &AppState,
    store: StoreId,
) -> Result<std::sync::Arc<Board>, ApiError> {
    state
        .directory
        .board(store)
        .await
        .map_err(|error| command_problem(&error, state.clock()))
}

fn find_view(board: &Board, id: BundleId) -> Result<&BundleView, ApiError> {
    let found = board.bundles().find(|view| view.bundle.id == id);
    found.ok_or_else(|| ApiError::plain(Problem::UnknownBundle))
}

/// The bundle that `If-Match` names, when it is given: the keeper compares it with what is there when the command's
/// turn comes. What readers see no more is refused at once.
async fn bundle_named(
    state: &AppState,
    store: StoreId,
    id: BundleId,
    request: &HttpRequest,
) -> Result<Option<Box<Bundle>>, ApiError> {
    if !request.headers().contains_key(header::IF_MATCH) {
        return Ok(None);
    }
    let board = board_of(state, store).await?;
    let bundle = &find_view(&board, id)?.bundle;
    Tagged::of(&BundleDocument::of(bundle))?.require_match(request)?;
    Ok(Some(Box::new(bundle.clone())))
}

type Render = fn(&Result<Reply, Refusal>) -> (u16, String);

fn remember(key: IdempotencyKey, digest: RequestDigest, render: Render) -> Option<RememberedKey> {
    key.0.map(|key| RememberedKey {
        key,
        digest: digest.into_string(),
        render,
    })
}

/// Refuses what is wrong whatever the store holds, before the platform is asked about the items. The keeper checks it all
/// again, with the items' real variants.
pub(crate) fn check_draft(draft: &BundleDraft) -> Result<(), ApiError> {
    let (variant, product) = (VariantId(0), ProductId(0));
    let component = |part: &DraftComponent| Component {
        item: part.item,
        variant,
        product,
        quantity: part.quantity,
        optional: part.optional,
    };
    let recipe = Recipe {
        effective_from: draft.arrived_at,
        effective_to: None,
        components: draft.components.iter().map(component).collect(),
    };
    let candidate = Bundle {
        id: draft.id,
        title: draft.title.clone(),
        item: draft.item,
        variant,
        product,
        mode: draft.mode,
        cap: draft.cap,
        recipes: vec![recipe],
        deleted: false,
    };
    validate(&BundleBook::default(), &candidate)
        .map_err(|refusal| refusal_problem(&Refusal::Bundle(refusal)))
}

async fn put(
    state: &AppState,
    store: StoreId,
    draft: BundleDraft,
    idempotency: Option<RememberedKey>,
) -> Result<Answered, ApiError> {
    check_draft(&draft)?;
    let envelope = Envelope {
        command: Command::PutBundle(draft),
        idempotency,
    };
    let answered = state.directory.command(store, envelope).await;
    answered.map_err(|error| command_problem(&error, state.clock()))
}

fn respond_to_put(
    store: StoreId,
    answered: Answered,
    status: StatusCode,
) -> Result<HttpResponse, ApiError> {
    match answered {
        Answered::Fresh(Reply::Bundle(bundle)) => {
            let mut response = Tagged::of(&BundleDocument::of(&bundle))?.with_status(status);
            if status == StatusCode::CREATED {
                add_location(&mut response, store, &bundle.id.to_string());
            }
            Ok(response)
        }
        Answered::Fresh(Reply::Done | Reply::Row(_) | Reply::NoCall) => {
            Err(ApiError::plain(Problem::Internal))
        }
        Answered::Fresh(Reply::Waiting) => Err(ApiError::plain(Problem::OutcomeUnknown)),
        Answered::Repeated { status, body } => repeat(store, status, body),
    }
}

/// What is remembered of the answer to a creation: the document, or the refusal's code and detail.
fn render_created(outcome: &Result<Reply, Refusal>) -> (u16, String) {
    let rendered = match outcome {
        Ok(Reply::Bundle(bundle)) => serde_json::to_string(&BundleDocument::of(bundle))
            .map(|body| (StatusCode::CREATED, body)),
        Ok(Reply::Done | Reply::Row(_) | Reply::NoCall | Reply::Waiting) => {
            Ok((StatusCode::NO_CONTENT, String::new()))
        }
        Err(refusal) => {
            let error = refusal_problem(refusal);
            serde_json::to_string(&(error.problem().code(), error.detail()))
                .map(|body| (error.problem().status(), body))
        }
    };
    rendered.map_or(
        (StatusCode::INTERNAL_SERVER_ERROR.as_u16(), String::new()),
        |(status, body)| (status.as_u16(), body),
    )
}

/// What tells of a remembered document where it is.
#[derive(serde::Deserialize)]
struct Remembered {
    id: String,
}

/// Gives an answer again: a document with the tag and the place that it had the first time.
fn repeat(store: StoreId, status: u16, body: String) -> Result<HttpResponse, ApiError> {
    let status = StatusCode::from_u16(status)
        .map_err(|error| ApiError::caused(Problem::Internal, &error))?;
    if status.is_success() {
        let remembered: Option<Remembered> = serde_json::from_str(&body).ok();
        let mut response = Tagged::as_sent(body.into_bytes()).with_status(status);
        let (replayed, yes) = REPLAYED;
        response.headers_mut().insert(replayed, yes);
        if let Some(document) = remembered {
            add_location(&mut response, store, &document.id);
        }
        return Ok(response);
    }
    let (code, detail): (String, String) =
        serde_json::from_str(&body).map_err(|error| ApiError::caused(Problem::Internal, &error))?;
    Err(ApiError::new(problem_of_code(&code), detail))
}

fn add_location(response: &mut HttpResponse, store: StoreId, id: &str) {
    let address = header::HeaderValue::from_str(&format!("/v1/stores/{store}/bundles/{id}"));
    if let Ok(address) = address {
        response.headers_mut().insert(header::LOCATION, address);
    }
}
