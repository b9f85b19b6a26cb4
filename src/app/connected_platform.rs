//! The platform as keepers see it: calls by store, with the account found for them.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::accounts::{AccountError, Accounts};
use crate::deps::Platform;
use crate::domain::call::{Answer, Bar, Call, CallError};
use crate::domain::fact::Fact;
use crate::domain::interest::Mentions;
use crate::ids::StoreId;
use crate::platform::{PlatformClient, PlatformKind};

/// The real platforms, over HTTP.
#[derive(Debug)]
pub struct ConnectedPlatform {
    pub kind: PlatformKind,
    pub client: Arc<PlatformClient>,
    pub accounts: Arc<Accounts>,
}

impl Platform for ConnectedPlatform {
    fn name(&self) -> &'static str {
        self.kind.as_str()
    }

    fn parse(&self, topic: &str, body: &[u8]) -> Result<Fact, String> {
        self.kind
            .parse(topic, body)
            .map_err(|malformed| malformed.to_string())
    }

    fn mentions(&self, topic: &str, body: &[u8]) -> Option<Mentions> {
        self.kind.mentions(topic, body)
    }

    fn send<'call>(&'call self, store: StoreId, call: &'call Call) -> BoxFuture<'call, Answer> {
        self.send_call(store, call).boxed()
    }

    fn forget(&self, store: StoreId) -> BoxFuture<'_, ()> {
        self.accounts.forget(store).boxed()
    }
}

impl ConnectedPlatform {
    async fn send_call(&self, store: StoreId, call: &Call) -> Answer {
        let account = match self.accounts.find(store).await {
            Ok(account) => account,
            Err(error) => return unsent(store, error),
        };
        let answer = self.client.send(&account, call).await;
        // A refused call was not carried out, so it may be sent again with another token: once.
        let fresh = match refusal_of(&answer) {
            None => return answer,
            Some(Refusal::Token) => self.accounts.replace(store, &account.access_token).await,
            Some(Refusal::Scope) => {
                self.accounts.forget(store).await;
                self.accounts.find(store).await
            }
        };
        match fresh {
            Ok(fresh) if fresh.access_token != account.access_token => {
                self.client.send(&fresh, call).await
            }
            // Whether the token is dead shows when it can be renewed, or cannot.
            Err(AccountError::Unavailable(reason)) => {
                unsent(store, AccountError::Unavailable(reason))
            }
            Ok(_) | Err(_) => answer,
        }
    }
}

/// What the platform refused of how it was called.
enum Refusal {
    /// The token itself, though it may not have reached its end: somebody stored another one since, or it is renewed.
    Token,
    /// What it may do: somebody may have stored another one since; a renewed one may do no more.
    Scope,
}

const fn refusal_of(answer: &Answer) -> Option<Refusal> {
    match answer.result {
        Err(CallError::Barred(Bar::TokenDead)) => Some(Refusal::Token),
        Err(CallError::Barred(Bar::ScopeMissing)) => Some(Refusal::Scope),
        Ok(_) | Err(_) => None,
    }
}

/// The answer to a call that never left the process.
fn unsent(store: StoreId, error: AccountError) -> Answer {
    tracing::warn!(store = store.0, %error, "a call was not sent");
    let result = match error {
        AccountError::NoToken | AccountError::RenewalRefused => CallError::Barred(Bar::TokenDead),
        AccountError::UnknownStore | AccountError::UnknownPlatform(_) => {
            CallError::Barred(Bar::Locked)
        }
        AccountError::Unavailable(reason) | AccountError::Sealed(reason) => {
            CallError::Unavailable { reason }
        }
    };
    Answer {
        result: Err(result),
        rate: None,
        platform_time: None,
    }
}
