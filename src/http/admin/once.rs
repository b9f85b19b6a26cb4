//! Creations under an `Idempotency-Key`: each happens once.
//!
//! What a creation hands out is secret, so it is not kept. It is derived from the request, the sealing key and a salt that
//! is kept under the key: the same for whoever repeats the request, and another once that is forgotten.

use actix_web::http::StatusCode;

use crate::db::admin::replies;
use crate::db::sealing::Secret;
use crate::domain::store::change::IdempotentReply;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::RequestDigest;
use crate::http::state::AppState;

/// A creation under a key.
pub(crate) struct Once {
    what: &'static str,
    seed: Secret,
    reply: IdempotentReply,
}

impl Once {
    /// The first of this request under this key; `what` keeps secrets of different things apart.
    pub(super) fn of(
        state: &AppState,
        what: &'static str,
        key: String,
        digest: RequestDigest,
    ) -> Self {
        let seed = Secret::new(format!("{key}\0{}", digest.as_str()));
        let reply = IdempotentReply {
            key,
            // A fingerprint, because the request may hold secrets.
            digest: state.sealer.fingerprint(&Secret::new(digest.into_string())),
            status: StatusCode::CREATED.as_u16(),
            body: state.ids().token(""),
            at: state.clock().now(),
        };
        Self { what, seed, reply }
    }

    /// The creation that this request repeats, when there was one; refuses another request under the same key.
    pub(super) async fn earlier(&self, state: &AppState) -> Result<Option<Self>, ApiError> {
        match replies::find(state.db(), &self.reply.key).await? {
            Some(reply) if reply.digest == self.reply.digest => Ok(Some(Self {
                what: self.what,
                seed: self.seed.clone(),
                reply,
            })),
            Some(_) => Err(ApiError::plain(Problem::IdempotencyKeyReused)),
            None => Ok(None),
        }
    }

    /// A secret with this prefix.
    pub(super) fn derive(&self, state: &AppState, prefix: &str) -> String {
        let (seed, salt) = (self.seed.expose(), &self.reply.body);
        let purpose = Secret::new(format!("{}\0{prefix}\0{seed}{salt}", self.what));
        format!("{prefix}{}", state.sealer.fingerprint(&purpose))
    }

    /// What is kept under the key, in the transaction of the creation: that it was used, and for what.
    pub(super) const fn reply(&self) -> &IdempotentReply {
        &self.reply
    }
}

/// What `once` repeats; `None` without a key, too.
pub(super) async fn earlier(
    state: &AppState,
    once: Option<&Once>,
) -> Result<Option<Once>, ApiError> {
    match once {
        Some(once) => once.earlier(state).await,
        None => Ok(None),
    }
}
