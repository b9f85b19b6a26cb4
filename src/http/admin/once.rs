//! Creations under an `Idempotency-Key`: each happens once.
//!
//! What a creation hands out is secret, so it is not kept: it is derived from the key, the request and the sealing key,
//! and so the same whenever the request is repeated.

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
    /// Of this request under this key; `what` keeps secrets of different things apart.
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
            body: String::new(),
            at: state.clock().now(),
        };
        Self { what, seed, reply }
    }

    /// A secret with this prefix.
    pub(super) fn derive(&self, state: &AppState, prefix: &str) -> String {
        let purpose = format!("{}\0{prefix}\0{}", self.what, self.seed.expose());
        let purpose = Secret::new(purpose);
        format!("{prefix}{}", state.sealer.fingerprint(&purpose))
    }

    /// What is kept under the key, in the transaction of the creation: that it was used, and for what.
    pub(super) const fn reply(&self) -> &IdempotentReply {
        &self.reply
    }

    /// Whether this very request was answered under its key before; refuses another one under the same key.
    pub(super) async fn is_repeated(&self, state: &AppState) -> Result<bool, ApiError> {
        match replies::find(state.db(), &self.reply.key).await? {
            Some(earlier) if earlier.digest == self.reply.digest => Ok(true),
            Some(_) => Err(ApiError::plain(Problem::IdempotencyKeyReused)),
            None => Ok(false),
        }
    }
}
