//! Sends a store's one call beside its keeper, and brings the answer back, whatever happens: a keeper never awaits the
//! platform.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use metrics::counter;

use crate::domain::call::{Answer, Call, CallError};
use crate::ids::StoreId;
use crate::keeper::exit::panic_reason;
use crate::keeper::shared::Shared;
use crate::keeper::slot::Slot;
use crate::telemetry::metric_name;

/// Starts sending a call that is committed. Its answer comes back to the slot, for the keeper that is there then; not
/// by way of this thread, which may stand still when that keeper lives on another.
pub(super) fn send(shared: &Arc<Shared>, slot: &Arc<Slot>, call: Call) {
    slot.call_sent();
    let (home, sending) = (shared.home.clone(), Arc::clone(shared));
    let slot = Arc::clone(slot);
    // Ends by itself at the time limit; the slot says that it is under way.
    drop(actix::spawn(async move {
        home.serve(bring_answer(sending, slot, call)).await;
    }));
}

async fn bring_answer(shared: Arc<Shared>, slot: Arc<Slot>, call: Call) {
    let id = call.id;
    let answer = ask(Arc::clone(&shared), slot.store, call).await;
    count(&shared, &answer);
    slot.call_answered(id, answer);
    // The keeper that asked may be gone; the answer still matters.
    shared.activate(&slot);
}

async fn ask(shared: Arc<Shared>, store: StoreId, call: Call) -> Answer {
    // The semaphore is never closed; without a permit the call is still right, only less bounded.
    let _permit = shared.calls.acquire().await.ok();
    let clock = &shared.deps.clock;
    let too_late = clock.now().plus_millis(shared.settings.call_timeout_ms);
    let asked = AssertUnwindSafe(async { shared.deps.platform.send(store, &call).await });
    let asked = asked.catch_unwind();
    tokio::select! {
        answer = asked => answer.unwrap_or_else(|payload| {
            let reason = panic_reason(payload.as_ref());
            tracing::error!(%store, call = %call.id, reason, "platform client panicked");
            ambiguous(reason)
        }),
        () = clock.sleep_until(too_late) => {
            tracing::warn!(%store, operation = call.request.name(), "no answer within the time limit");
            ambiguous("no answer within the time limit".to_owned())
        }
    }
}

/// Nobody knows whether it was carried out.
fn ambiguous(reason: String) -> Answer {
    Answer {
        result: Err(CallError::Ambiguous { reason }),
        rate: None,
        platform_time: None,
    }
}

fn count(shared: &Shared, answer: &Answer) {
    let outcome = answer
        .result
        .as_ref()
        .map_or_else(CallError::name, |_reply| "ok");
    let platform = shared.deps.platform.name();
    counter!(metric_name::PLATFORM_CALLS_TOTAL, "platform" => platform, "outcome" => outcome)
        .increment(1);
    if outcome == "throttled" {
        counter!(metric_name::PLATFORM_THROTTLED_TOTAL).increment(1);
    }
}
