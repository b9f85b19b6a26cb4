//! Carries a write out once per key: the rules of `@idempotent`.

use serde_json::Value;

use super::{error::UserError, picks::Pick};
use crate::sandbox::{
    gate::Call,
    idempotency::{Applied, Known, Used},
    oracle::{Effect, EffectOutcome},
    shop::Shop,
};

/// What a keyed write came to.
pub(super) type Outcome = Result<Applied, Vec<UserError>>;

/// Runs `write` unless the key says it was run already.
pub(super) fn once(
    shop: &mut Shop,
    call: &mut Call,
    pick: &Pick,
    write: impl FnOnce(&mut Shop, &mut Call) -> Outcome,
) -> Outcome {
    let Some(key) = pick.idempotency_key.clone() else {
        return write(shop, call);
    };
    let input = Value::Object(pick.arguments.clone());
    let now = call.action.now;
    let refusal = match shop.keys.look_up(now, &key, &pick.name, &input) {
        Known::Fresh => {
            let outcome = write(shop, call);
            let used = Used {
                mutation: &pick.name,
                input: &input,
                applied: outcome.as_ref().ok().cloned(),
            };
            shop.keys.remember(now, &key, used);
            let result = if outcome.is_ok() {
                EffectOutcome::Applied
            } else {
                EffectOutcome::Refused
            };
            log(shop, call, pick, result);
            return outcome;
        }
        Known::Done(applied) => {
            log(shop, call, pick, EffectOutcome::Replayed);
            return Ok(applied);
        }
        Known::Running => UserError::general(
            "IDEMPOTENCY_CONCURRENT_REQUEST",
            "A request with this idempotency key is already in progress.",
        ),
        Known::Mismatch => UserError::general(
            "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
            "The same idempotency key cannot be used with different operation parameters.",
        ),
        Known::Failed => UserError::general(
            "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED",
            "A previous attempt with this idempotency key failed.",
        ),
    };
    log(shop, call, pick, EffectOutcome::Refused);
    Err(vec![refusal])
}

fn log(shop: &mut Shop, call: &Call, pick: &Pick, outcome: EffectOutcome) {
    shop.log.effect(Effect {
        at: call.action.now,
        key: pick.idempotency_key.clone().unwrap_or_default(),
        mutation: pick.name.clone(),
        request_id: call.request_id.clone(),
        outcome,
    });
}
