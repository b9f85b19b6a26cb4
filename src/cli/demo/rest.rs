//! Bringing everything to rest: faults end, what waits is sent, and one more sweep finds what was lost.

use std::time::Duration;

use super::super::error::CliError;
use super::super::print;
use super::measure::{accepted, done};
use super::options::DemoArgs;
use super::setup::DemoStore;
use crate::app::App;
use crate::clock::{Clock, Stopwatch, Timestamp};
use crate::domain::store::command::Command;
use crate::domain::store::observation::Observation;
use crate::ids::StoreId;
use crate::keeper::{Envelope, KeeperStatus};
use crate::sandbox::Sandbox;
use crate::sandbox::reference::drift;

/// The longest wait for rest; what is not right by then is reported as drift or as lost.
const REST_MAX: Duration = Duration::from_secs(90);
/// How often rest is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits until every webhook has been delivered, applied and acted upon, and a whole sweep has found nothing more.
pub(super) async fn come_to_rest(
    arguments: &DemoArgs,
    app: &App,
    sandbox: &Sandbox,
    stores: &[DemoStore],
) -> Result<(), CliError> {
    if !arguments.json {
        print::line("shoppers have left; waiting for everything to settle");
    }
    sandbox.heal();
    let watch = Stopwatch::start();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    sandbox.settle(REST_MAX).await?;
    let quiet_since = Clock::System.now();
    for store in stores {
        reconcile(app, store).await;
    }
    while watch.elapsed() < REST_MAX {
        ticks.tick().await;
        if is_at_rest(app, sandbox, stores, quiet_since) && drifting(sandbox, stores) == 0 {
            return Ok(());
        }
    }
    Ok(())
}

/// Starts a sweep now. A keeper that is too busy to be told comes to it by its own schedule.
async fn reconcile(app: &App, store: &DemoStore) {
    let Ok(id) = store.id.parse() else { return };
    let told = app
        .directory()
        .command(StoreId(id), Envelope::plain(Command::ReconcileNow))
        .await;
    if let Err(error) = told {
        tracing::warn!(store = store.id, %error, "failed to start the last sweep");
    }
}

/// How many levels differ from the reference.
pub(super) fn drifting(sandbox: &Sandbox, stores: &[DemoStore]) -> usize {
    let of = |store: &DemoStore| {
        drift(
            &sandbox.log(&store.domain),
            &sandbox.standing(&store.domain),
            &store.recipes,
        )
        .len()
    };
    stores.iter().map(of).sum()
}

fn is_at_rest(app: &App, sandbox: &Sandbox, stores: &[DemoStore], quiet_since: Timestamp) -> bool {
    let statuses = app.directory().statuses();
    let is_settled = |store: &DemoStore| {
        let of_store = |status: &&KeeperStatus| status.store.to_string() == store.id;
        let status = statuses.iter().find(of_store);
        let observation = status.and_then(|status| status.observation.as_deref());
        // Applying may lag behind accepting: what waits is not lost.
        observation.is_some_and(|observation| {
            is_settled(observation, quiet_since)
                && done(observation) >= accepted(&sandbox.log(&store.domain))
        })
    };
    sandbox.pending() == 0 && stores.iter().all(is_settled)
}

/// The sweep that was asked for has ended, and it left nothing to do.
fn is_settled(observation: &Observation, quiet_since: Timestamp) -> bool {
    let swept = observation.last_sweep_at.is_some_and(|at| at > quiet_since);
    swept
        && observation.dirty_bundles == 0
        && observation.unsettled_orders == 0
        && observation.unsure_levels == 0
        && observation.open_calls == 0
        && observation.parked == 0
}
