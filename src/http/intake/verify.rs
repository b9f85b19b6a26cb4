//! What proves that a webhook is genuine: a body within bounds, the headers, a live secret, and the right shop.

use std::sync::Arc;

use actix_web::HttpRequest;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::stores::{IntakeKey, IntakeStore};
use crate::db::inbox::Delivery;
use crate::http::error::{ApiError, Problem};
use crate::http::state::AppState;
use crate::platform::{DeliveryHeaders, HeaderProblem, PlatformKind};

/// A webhook whose body a live secret of its store signed.
pub(super) struct VerifiedWebhook<'request> {
    pub(super) store: Arc<IntakeStore>,
    pub(super) headers: DeliveryHeaders<'request>,
    pub(super) body: Bytes,
    /// Another store has the secret too, so that the body could have been made for that one.
    pub(super) shared: bool,
}

impl VerifiedWebhook<'_> {
    /// What tells the body among all stores, when it could have been made for another one.
    pub(super) fn shared_digest(&self) -> Option<[u8; 32]> {
        // A test delivery is the platform's own sample: the same for every store.
        let digested = self.shared && !self.headers.test;
        digested.then(|| Sha256::digest(&self.body).into())
    }

    /// As it is to be made durable.
    pub(super) fn into_delivery(self, state: &AppState) -> Delivery {
        let shared_digest = self.shared_digest();
        Delivery {
            store: self.store.id,
            topic: self.headers.topic.to_owned(),
            delivery_id: self.headers.webhook_id.to_owned(),
            event_id: self.headers.event_id.map(str::to_owned),
            triggered_at: self.headers.triggered_at,
            api_version: self.headers.api_version.map(str::to_owned),
            received_at: state.clock().now(),
            shared_digest,
            body: self.body,
        }
    }
}

/// Checks everything, cheapest first.
pub(super) async fn verify<'request>(
    state: &AppState,
    platform: PlatformKind,
    request: &'request HttpRequest,
    body: Bytes,
) -> Result<VerifiedWebhook<'request>, ApiError> {
    if body.is_empty() {
        return Err(ApiError::plain(Problem::EmptyBody));
    }
    let headers = read_headers(platform, request)?;
    let key = match request.match_info().get("intake_token") {
        Some(token) => IntakeKey::of_token(platform, token),
        None => IntakeKey::Domain(platform, headers.shop_domain.clone()),
    };
    let store = state.intake_stores.find(state, key).await?;
    let store = store.ok_or_else(|| ApiError::plain(Problem::UnknownStore))?;
    let Ok(signer) = platform.verify(&body, headers.signature, &store.secrets) else {
        return Err(ApiError::plain(Problem::BadSignature).of_store(store.id));
    };
    if headers.shop_domain != store.domain {
        return Err(ApiError::plain(Problem::WrongDomain).of_store(store.id));
    }
    let shared = store.is_shared(signer);
    Ok(VerifiedWebhook {
        store,
        headers,
        body,
        shared,
    })
}

fn read_headers(
    platform: PlatformKind,
    request: &HttpRequest,
) -> Result<DeliveryHeaders<'_>, ApiError> {
    // A header that says two things says nothing.
    let lookup = |name: &str| {
        let mut values = request.headers().get_all(name);
        let first = values.next()?;
        values
            .all(|other| other == first)
            .then(|| first.to_str().ok())
            .flatten()
    };
    platform
        .read_headers(lookup)
        .map_err(|problem| match problem {
            HeaderProblem::Missing(_) => ApiError::new(Problem::MissingHeader, problem.to_string()),
            HeaderProblem::TooLong(_) => {
                ApiError::new(Problem::MalformedHeader, problem.to_string())
            }
        })
}
