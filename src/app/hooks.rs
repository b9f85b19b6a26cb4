//! Posting to an address of the operator's, beside everything else: whoever tells is never kept waiting.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::error::AppError;
use crate::clock::Clock;

/// What may wait to be posted; more is dropped, and told of in the log.
const WAITING_MAX: usize = 64;
const ATTEMPTS: u32 = 3;
/// The delay before the second attempt, milliseconds; doubles.
const RETRY_MS: i64 = 1_000;

/// The way to an address. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    waiting: mpsc::Sender<Value>,
}

/// Where to post, and how long one attempt may take.
pub(super) struct HookSettings {
    /// May have a secret in it, and is never logged.
    pub(super) url: String,
    pub(super) timeout: Duration,
}

impl Hook {
    /// Starts the task that posts.
    ///
    /// # Errors
    ///
    /// [`AppError::Hook`] when there is no client to be had.
    pub(super) fn start(
        settings: HookSettings,
        clock: Clock,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, AppError> {
        let client = reqwest::Client::builder()
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| AppError::Hook(error.without_url().to_string()))?;
        let (sender, mut waiting) = mpsc::channel(WAITING_MAX);
        tasks.spawn(async move {
            while let Some(document) = waiting.recv().await {
                deliver(&client, &settings.url, &clock, &document).await;
            }
        });
        Ok(Self { waiting: sender })
    }

    /// Hands a document over. It is posted soon, or given up.
    pub(super) fn post(&self, document: &Value) {
        if self.waiting.try_send(document.clone()).is_err() {
            tracing::warn!("too much waits to be posted: an alarm was not posted");
        }
    }
}

async fn deliver(client: &reqwest::Client, url: &str, clock: &Clock, document: &Value) {
    let mut delay_ms = RETRY_MS;
    for attempt in 1..=ATTEMPTS {
        match post(client, url, document).await {
            Ok(()) => return,
            Err(reason) if attempt == ATTEMPTS => {
                tracing::warn!(reason, "an alarm could not be posted");
            }
            Err(reason) => tracing::debug!(reason, attempt, "posting an alarm failed"),
        }
        if attempt < ATTEMPTS {
            clock.sleep_until(clock.now().plus_millis(delay_ms)).await;
            delay_ms *= 2;
        }
    }
}

/// One attempt; the reason for a failure, without the address.
async fn post(client: &reqwest::Client, url: &str, document: &Value) -> Result<(), String> {
    let sent = client.post(url).json(document).send().await;
    let answer = sent.map_err(|error| error.without_url().to_string())?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(format!("it was answered {}", answer.status()))
    }
}
