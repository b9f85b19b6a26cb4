//! Owns the idempotency keys of one shop: what each key did, for 24 hours of
//! platform time.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{clock::Moment, ids::LevelKey};

/// How long a key is remembered, platform milliseconds.
const KEY_LIFE_MS: i64 = 24 * 3600 * 1000;
/// Most keys remembered; the oldest go first.
const KEYS_MAX: usize = 200_000;

/// What a mutation changed, kept so that a replay can answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Applied {
    /// Id of the adjustment group; none when nothing changed.
    pub(super) group: Option<i64>,
    pub(super) at_nanos: i64,
    pub(super) reason: String,
    pub(super) reference: Option<String>,
    /// `(quantity name, level, delta)`.
    pub(super) changes: Vec<(String, LevelKey, i64)>,
}

#[derive(Debug)]
struct Attempt {
    at: Moment,
    mutation: String,
    input: Value,
    /// None: it was refused with user errors.
    applied: Option<Applied>,
}

/// What is known of a key.
#[derive(Debug)]
pub(super) enum Known {
    /// Nothing: carry it out.
    Fresh,
    /// Another call with it is still running.
    Running,
    /// It was used with other parameters.
    Mismatch,
    /// It was refused.
    Failed,
    /// It was carried out.
    Done(Applied),
}

/// All keys of one shop.
#[derive(Debug, Default)]
pub(super) struct Keys {
    attempts: BTreeMap<String, Attempt>,
    order: BTreeSet<(Moment, String)>,
    running: BTreeSet<String>,
}

impl Keys {
    /// What is known of `key` for this mutation with this input.
    pub(super) fn look_up(&self, now: Moment, key: &str, mutation: &str, input: &Value) -> Known {
        if self.running.contains(key) {
            return Known::Running;
        }
        let Some(attempt) = self.attempts.get(key) else {
            return Known::Fresh;
        };
        if now >= attempt.at.plus_ms(KEY_LIFE_MS) {
            return Known::Fresh;
        }
        if attempt.mutation != mutation || attempt.input != *input {
            return Known::Mismatch;
        }
        match &attempt.applied {
            Some(applied) => Known::Done(applied.clone()),
            None => Known::Failed,
        }
    }

    /// Remembers what came of a key.
    pub(super) fn remember(&mut self, now: Moment, key: &str, used: Used<'_>) {
        if let Some(old) = self.attempts.remove(key) {
            self.order.remove(&(old.at, key.to_owned()));
        }
        while self.attempts.len() >= KEYS_MAX {
            let Some((_, oldest)) = self.order.pop_first() else {
                break;
            };
            self.attempts.remove(&oldest);
        }
        self.order.insert((now, key.to_owned()));
        self.attempts.insert(
            key.to_owned(),
            Attempt {
                at: now,
                mutation: used.mutation.to_owned(),
                input: used.input.clone(),
                applied: used.applied,
            },
        );
    }

    /// Marks keys whose call has begun and is held; false when one already is.
    pub(super) fn begin(&mut self, keys: &[String]) -> bool {
        if keys.iter().any(|key| self.running.contains(key)) {
            return false;
        }
        self.running.extend(keys.iter().cloned());
        true
    }

    /// Whether any call is held.
    pub(super) fn is_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Lifts the marks of [`Keys::begin`].
    pub(super) fn end(&mut self, keys: &[String]) {
        for key in keys {
            self.running.remove(key);
        }
    }
}

/// How a key was used.
#[derive(Debug)]
pub(super) struct Used<'a> {
    pub(super) mutation: &'a str,
    pub(super) input: &'a Value,
    pub(super) applied: Option<Applied>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn used(input: &Value, applied: Option<Applied>) -> Used<'_> {
        Used {
            mutation: "set",
            input,
            applied,
        }
    }

    #[test]
    fn a_key_lives_for_a_day() {
        let mut keys = Keys::default();
        let start = Moment::from_nanos(0);
        let input = json!({"a": 1});
        keys.remember(start, "k", used(&input, Some(Applied::default())));
        let late = start.plus_ms(KEY_LIFE_MS - 1);
        assert!(matches!(
            keys.look_up(late, "k", "set", &input),
            Known::Done(_)
        ));
        let after = start.plus_ms(KEY_LIFE_MS);
        assert!(matches!(
            keys.look_up(after, "k", "set", &input),
            Known::Fresh
        ));
    }

    #[test]
    fn other_parameters_failure_and_concurrency_are_told_apart() {
        let mut keys = Keys::default();
        let start = Moment::from_nanos(0);
        let input = json!({"a": 1});
        keys.remember(start, "k", used(&input, None));
        assert!(matches!(
            keys.look_up(start, "k", "set", &input),
            Known::Failed
        ));
        let other = json!({"a": 2});
        assert!(matches!(
            keys.look_up(start, "k", "set", &other),
            Known::Mismatch
        ));
        assert!(keys.begin(&["r".to_owned()]));
        assert!(!keys.begin(&["r".to_owned()]));
        assert!(matches!(
            keys.look_up(start, "r", "set", &input),
            Known::Running
        ));
        keys.end(&["r".to_owned()]);
        assert!(matches!(
            keys.look_up(start, "r", "set", &input),
            Known::Fresh
        ));
    }
}
