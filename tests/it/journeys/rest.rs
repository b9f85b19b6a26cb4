//! Waiting until all has come to rest, and judging what is there then.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use storekeeper::sandbox::reference::{Drift, drift};
use storekeeper::sandbox::{Answer, Log};
use tokio::time::{Instant, interval};

use super::shop::{PATIENCE, Shop};

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What a keeper shows of work that is left.
const LEFT: [&str; 5] = [
    "dirty_bundles",
    "unsettled_orders",
    "unsure_levels",
    "open_calls",
    "parked",
];

impl Shop {
    /// Waits until nothing is under way, then checks that no level drifts and that no call was throttled by our fault.
    pub(crate) async fn comes_right(&self) {
        self.rests().await;
        assert_eq!(self.drift(), [], "at rest, but not right");
        let throttled = |log: &Log| {
            let ours = log
                .calls
                .iter()
                .filter(|call| call.throttled && call.fault.is_none());
            ours.count()
        };
        assert_eq!(throttled(&self.log()), 0, "calls throttled by our fault");
    }

    /// Waits until every webhook is delivered, taken and acted upon.
    pub(crate) async fn rests(&self) {
        let ticks = &mut interval(LOOK_EVERY);
        let deadline = Instant::now() + PATIENCE;
        loop {
            ticks.tick().await;
            let shown = self.observation().await;
            let Err(left) = self.is_at_rest(&shown) else {
                return;
            };
            assert!(
                Instant::now() < deadline,
                "not at rest: {left}; drift {:?}; {shown:#}",
                self.drift()
            );
        }
    }

    fn is_at_rest(&self, shown: &Value) -> Result<(), String> {
        let pending = self.sandbox.pending();
        if pending > 0 {
            return Err(format!("{pending} webhooks not delivered"));
        }
        let accepted = accepted(&self.log());
        let cursor = shown["cursor"].as_u64().unwrap_or(0);
        if cursor < accepted {
            return Err(format!("{cursor} of {accepted} webhooks taken"));
        }
        if accepted == 0 && shown.is_null() && self.recipes.is_empty() {
            return Ok(());
        }
        for name in LEFT {
            if shown[name] != 0 {
                return Err(format!("{name}: {}", shown[name]));
            }
        }
        // The first sweep makes the subscriptions.
        if !self.recipes.is_empty() && shown["last_sweep_at"].is_null() {
            return Err("never swept".to_owned());
        }
        Ok(())
    }

    pub(crate) fn drift(&self) -> Vec<Drift> {
        let log = self.log();
        assert_eq!(log.truncated, 0);
        drift(&log, &self.standing(), &self.recipes)
    }

    /// What the keeper shows of itself; null while there is none.
    pub(crate) async fn observation(&self) -> Value {
        self.keeper().await["observation"].clone()
    }

    pub(crate) async fn keeper(&self) -> Value {
        let path = format!("/v1/admin/keepers/{}", self.store);
        let answer = self.operator(Method::GET, &path, &Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// Waits until what the keeper shows of itself is as wanted.
    pub(crate) async fn shows(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let ticks = &mut interval(LOOK_EVERY);
        let deadline = Instant::now() + PATIENCE;
        loop {
            ticks.tick().await;
            let shown = self.observation().await;
            if wanted(&shown) {
                return shown;
            }
            assert!(Instant::now() < deadline, "never {what}: {shown:#}");
        }
    }

    /// Waits until the keeper is in this state.
    pub(crate) async fn until_keeper(&self, state: &str) {
        let ticks = &mut interval(LOOK_EVERY);
        let deadline = Instant::now() + PATIENCE;
        while self.keeper().await["state"] != state {
            ticks.tick().await;
            assert!(Instant::now() < deadline, "never {state}");
        }
    }

    /// Waits until those who run the server are told of this.
    pub(crate) async fn until_alarm(&self, alarm: &str) {
        let ticks = &mut interval(LOOK_EVERY);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let request = self.anyone(Method::GET, "/status");
            let answer = request.header("accept", "application/json").send().await;
            let status: Value = answer.unwrap().json().await.unwrap();
            let raised = status["alarms"].as_array().unwrap();
            if raised.iter().any(|raised| raised["alarm"] == alarm) {
                return;
            }
            ticks.tick().await;
            assert!(Instant::now() < deadline, "never {alarm}: {status:#}");
        }
    }

    /// Waits until something holds on the platform.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let ticks = &mut interval(LOOK_EVERY);
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            ticks.tick().await;
            if Instant::now() >= deadline {
                let shown = self.observation().await;
                let pending = self.sandbox.pending();
                panic!("never {what}; {pending} webhooks pending; {shown:#}");
            }
        }
    }

    /// Waits until the platform's clock shows another second: its stamps tell no more.
    pub(crate) async fn next_second(&self) {
        let now = self.sandbox.now().whole_seconds();
        self.until("another second", |shop| {
            shop.sandbox.now().whole_seconds() > now
        })
        .await;
    }
}

/// How many webhooks the server said that it accepted.
fn accepted(log: &Log) -> u64 {
    let accepted = log.webhooks.iter().filter(|sent| {
        matches!(&sent.answer, Answer::Status { status: 200, body } if body.contains("\"accepted\""))
    });
    let ids = accepted
        .map(|sent| sent.webhook_id)
        .collect::<BTreeSet<_>>();
    ids.len().try_into().unwrap()
}
