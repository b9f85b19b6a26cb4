//! The platform as keepers see it: calls by store, with the account found for them.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::accounts::{AccountError, Accounts};
use crate::deps::Platform;
use crate::domain::call::{Answer, Bar, Call, CallError};
use crate::domain::fact::Fact;
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
        if !is_token_refused(&answer) {
            return answer;
        }
        self.accounts.forget(store).await;
        // Somebody may have stored another token since ours was opened: a refused call was not carried out.
        match self.accounts.find(store).await {
            Ok(fresh) if fresh.access_token.expose() != account.access_token.expose() => {
                self.client.send(&fresh, call).await
            }
            Ok(_) | Err(_) => answer,
        }
    }
}

const fn is_token_refused(answer: &Answer) -> bool {
    matches!(
        answer.result,
        Err(CallError::Barred(Bar::TokenDead | Bar::ScopeMissing))
    )
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
