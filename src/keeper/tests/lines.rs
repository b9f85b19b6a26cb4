//! What the log tells of keepers.

use std::sync::Arc;

use actix::System;

use super::bench::{Bench, STORE};
use crate::domain::store::settings::StoreSettings;
use crate::keeper::Directory;
use crate::keeper::guard::{Tenure, guard};
use crate::keeper::handle::Control;
use crate::keeper::settings::KeeperSettings;
use crate::keeper::status::KeeperState;
use crate::telemetry::Lines;

/// Guards the store on this thread until the process "ends", for which `until` is waited.
async fn guarded(bench: &Bench, until: impl Fn(&KeeperState) -> bool) {
    let (shared, slot) = (Arc::clone(&bench.shared), Arc::clone(&bench.slot));
    let seat = shared.seat();
    assert!(slot.claim(seat.arbiter()));
    let mut states = slot.watch_states();
    let ends = async {
        states.wait_for(until).await.unwrap();
        bench.shared.begin_shutdown();
        bench.slot.alert();
    };
    let guarding = guard(Tenure::new(shared, slot));
    let patience = std::time::Duration::from_secs(20);
    let both = futures_util::future::join(guarding, ends);
    tokio::time::timeout(patience, both).await.unwrap();
}

const fn is_quarantined(state: &KeeperState) -> bool {
    matches!(state, KeeperState::Quarantined { .. })
}

#[tokio::test]
async fn each_webhook_that_becomes_a_dead_letter_is_one_warning_without_its_body() {
    let bench = Bench::set_up().await;
    bench.accept(1).await;
    bench.accept_body(2, r#""Anne Smith""#).await;
    bench.accept_body(3, "{}").await;
    let (lines, _capturing) = Lines::capture();
    bench.live().await.unwrap();
    bench.live().await.unwrap();
    let told = lines.saying("dead letter");
    assert_eq!(told.len(), 2, "{told:?}");
    for part in [
        " WARN ",
        "store=1",
        r#"topic="inventory_levels/update""#,
        r#"class="malformed""#,
        "reason=",
    ] {
        let all = told.iter().all(|line| line.contains(part));
        assert!(all, "{part}: {told:?}");
    }
    assert!(told[1].contains("inventory_item_id"), "{told:?}");
    assert_eq!(lines.saying("Anne"), [""; 0]);
}

#[test]
fn a_quarantine_by_an_operator_is_one_warning() {
    System::new().block_on(async {
        let bench = Bench::set_up().await;
        let reason = "looks odd".to_owned();
        bench.slot.control(Control::Quarantine, reason);
        let (lines, _capturing) = Lines::capture();
        guarded(&bench, is_quarantined).await;
        let told = lines.saying("quarantined");
        assert_eq!(told.len(), 1, "{told:?}");
        let says_why = told[0].contains(" WARN ") && told[0].contains("looks odd");
        assert!(says_why, "{told:?}");
        assert_eq!(lines.saying("keeper ended"), [""; 0]);
    });
}

#[test]
fn a_quarantine_after_too_many_crashes_is_one_error_that_names_the_last() {
    let no_chance = |settings: &mut KeeperSettings| {
        settings.restart.restarts_max = 0;
        settings.before_apply = Some(Arc::new(|_row| panic!("poison")));
    };
    System::new().block_on(async {
        let bench = Bench::set_up_with(no_chance).await;
        bench.accept(1).await;
        let (lines, _capturing) = Lines::capture();
        guarded(&bench, is_quarantined).await;
        let told = lines.saying("store=1");
        assert_eq!(told.len(), 1, "{told:?}");
        let says_why = told[0].contains("ERROR") && told[0].contains("poison");
        assert!(says_why && told[0].contains("quarantined"), "{told:?}");
    });
}

#[test]
fn an_end_with_the_server_is_told_to_who_debugs_only() {
    System::new().block_on(async {
        let bench = Bench::set_up().await;
        let (lines, _capturing) = Lines::capture();
        guarded(&bench, |state| *state == KeeperState::Running).await;
        let told = lines.saying("store=1");
        assert_eq!(told.len(), 1, "{told:?}");
        let says_so = told[0].contains("DEBUG") && told[0].contains("keeper ended");
        assert!(says_so, "{told:?}");
    });
}

#[tokio::test]
async fn a_server_that_stops_says_how_many_keepers_ended_with_it() {
    let bench = Bench::set_up().await;
    let settings = KeeperSettings::new(StoreSettings::default());
    let directory = Directory::start(bench.shared.deps.clone(), settings).unwrap();
    directory.ring(STORE);
    let (lines, _capturing) = Lines::capture();
    let patience = std::time::Duration::from_secs(20);
    assert_eq!(directory.shutdown(patience).await, []);
    let told = lines.saying("keepers ended");
    assert_eq!(told.len(), 1, "{told:?}");
    let says_so = told[0].contains(" INFO ") && told[0].contains("ended=1");
    assert!(says_so, "{told:?}");
}
