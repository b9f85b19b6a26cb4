//! What whoever meets a problem can do next: the detail of problems of which nothing in particular is to be said.

use super::error::Problem;

/// One sentence for people. Says nothing of the inside, and nothing that helps a stranger.
pub(crate) const fn of(problem: Problem) -> &'static str {
    match problem {
        Problem::MissingHeader => "See /docs for the headers that this address needs",
        Problem::MalformedHeader => "See /docs for what the headers of this address look like",
        Problem::EmptyBody => "Send a body; /docs shows what is expected here",
        Problem::UnreadableBody => "Send the body again, whole",
        Problem::MalformedJson => "See /docs for the fields that are expected here",
        Problem::MalformedQuery => "See /docs for the parameters that this address takes",
        Problem::MalformedPath => "Take the id as this server gave it",
        Problem::MalformedCursor => {
            "Take `next` of the page before as it is, or begin anew without it"
        }
        Problem::OauthRefused => "Begin again at the platform's page of the app",
        Problem::BadSignature => "Sign the body as it is sent, with a secret of this store",
        Problem::WrongDomain => "Send a store's webhooks to the `intake_url` of that store",
        Problem::MissingCredentials => "Send `Authorization: Bearer` and a token of this server",
        Problem::UnknownCredentials => "Check that the token is whole and was not revoked since",
        Problem::WrongRole => "Use a key that /docs names for this address",
        Problem::ForgedForm => "Open the page again and send its form from there",
        Problem::RouteNotFound => "/docs lists the addresses that there are",
        Problem::UnknownPlatform => "The platform served here is `shopify`",
        Problem::UnknownStore => "Check the id: an admin can list the stores",
        Problem::UnknownBundle => "Check the id: the list of the store's bundles has it",
        Problem::UnknownDeadLetter => "List them again: it may have been settled since",
        Problem::UnknownToken => "List them again: it may have been revoked since",
        Problem::LastAdmin => "Make another admin's token first",
        Problem::MethodNotAllowed => "The header `Allow` lists the methods that are served here",
        Problem::RequestTimeout => "Send the request again over a connection that is fast enough",
        Problem::SharedSecretReplay => "Give each store a secret of its own",
        Problem::StoreSuspended => "Send no more webhooks of this store; an admin can release it",
        Problem::StoreExists => "Change the store that exists, or delete it first",
        Problem::BundleExists => "Change the bundle that exists, or choose another id",
        Problem::NothingToRetry => "Discard it, and do by hand what it stood for",
        Problem::RevisionMismatch => "Read it again, and send the `ETag` that comes with it",
        Problem::PayloadTooLarge => "Send less at once; /docs says how much is taken",
        Problem::UnsupportedMediaType => "Send `Content-Type: application/json`",
        Problem::InvalidField => "See /docs for the values that are allowed",
        Problem::IdempotencyKeyReused => "Take a new key for a new request",
        Problem::UnknownItem => "Take the id of an inventory item, not of a variant or a product",
        Problem::NativeBundle => "Choose an item that is not a bundle on the platform itself",
        Problem::InvalidBundle(_) => "See /docs for the rules that a bundle keeps",
        Problem::TooManyAttempts => "Wait a minute before the next attempt",
        Problem::Internal => "Give the request's id to whoever runs this server",
        Problem::NotDurable => "Send it again: nothing of it was kept",
        Problem::NotReady => "Ask again in a moment",
        Problem::StoreBusy => "Ask again in a moment, with the same `Idempotency-Key`",
        Problem::OutcomeUnknown => {
            "Send it again with the same `Idempotency-Key`: it takes effect once"
        }
        Problem::KeeperUnavailable => "Ask again when `Retry-After` has passed",
        Problem::SafeMode => {
            "Ask again when `Retry-After` has passed; `/status` tells how long it holds at most"
        }
        Problem::TooManyStreams => "Close a page that is no longer looked at",
        Problem::ShuttingDown => "Ask again when it is back",
    }
}
