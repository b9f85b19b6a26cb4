//! Standings and allowances with real keepers: what is held and when it goes on, steps that follow from webhooks, and
//! what a store is not charged for.

use std::sync::Arc;
use std::time::Duration;

use storekeeper::clock::Timestamp;
use storekeeper::db::admin::standings;
use storekeeper::domain::standing::{Beyond, Decision, Record, Standing};
use storekeeper::domain::store::command::{Command, Row};
use storekeeper::keeper::{Envelope, KeeperSettings, KnownStanding};

use crate::support::keepers::{Rig, START, STORE, eventually};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Three webhooks a day, and what is beyond is held.
fn three_a_day(settings: &mut KeeperSettings) {
    settings.quota.daily_default = Some(3);
    settings.quota.beyond_good = Beyond::Hold;
    settings.quota.ladder.automatic = false;
}

fn held_until(rig: &Rig) -> Option<Timestamp> {
    let today = rig.directory.status(STORE)?.today?;
    today.held_until
}

fn midnight() -> Timestamp {
    Timestamp::from_millis((START.as_millis() / DAY_MS + 1) * DAY_MS)
}

async fn arrive(rig: &Rig, rows: i64) {
    for item in 1..=rows {
        rig.accept_level(STORE, item).await;
    }
    rig.directory.ring(STORE);
}

fn learn(rig: &Rig, standing: KnownStanding) {
    let told = rig.directory.standing_told(STORE);
    assert!(rig.directory.learn_standing(STORE, standing, told));
}

/// The keeper has come, and found what it may take.
async fn taken(rig: &Rig, rows: i64) {
    eventually("rows to be taken", || rig.cursor(STORE) == rows).await;
}

#[tokio::test]
async fn what_is_beyond_the_allowance_waits_for_the_next_day_and_is_not_lost() {
    let rig = Rig::start(three_a_day).await;
    // The day is known before they come, so that each of them counts.
    arrive(&rig, 1).await;
    taken(&rig, 1).await;
    arrive(&rig, 6).await;
    eventually("rows to be held", || held_until(&rig) == Some(midnight())).await;
    assert_eq!(rig.cursor(STORE), 3);
    let before = midnight().millis_since(START) - 1_000;
    rig.clock.advance_millis(before);
    // Ringing, however often, takes nothing more.
    for _ring in 0..20 {
        rig.directory.ring(STORE);
        // Who answers has looked before.
        rig.directory
            .command(STORE, Envelope::plain(Command::ReconcileNow))
            .await
            .unwrap();
    }
    assert_eq!(rig.cursor(STORE), 3);
    rig.clock.advance_millis(1_001);
    taken(&rig, 7).await;
    eventually("the hold to end", || held_until(&rig).is_none()).await;
}

#[tokio::test]
async fn the_day_of_a_keeper_goes_on_in_its_successor() {
    let rig = Rig::start(three_a_day).await;
    arrive(&rig, 1).await;
    taken(&rig, 1).await;
    arrive(&rig, 2).await;
    taken(&rig, 3).await;
    let again = storekeeper::keeper::Control::Restart;
    let activations = rig.activations(STORE);
    rig.directory
        .control(STORE, again, "to see".to_owned())
        .await
        .unwrap();
    eventually("a successor", || rig.activations(STORE) > activations).await;
    arrive(&rig, 2).await;
    eventually("rows to be held", || held_until(&rig).is_some()).await;
    assert_eq!(rig.cursor(STORE), 3);
}

#[tokio::test]
async fn a_larger_plan_or_another_standing_releases_what_is_held() {
    let rig = Rig::start(|settings| {
        three_a_day(settings);
        settings.quota.plans.insert("large".to_owned(), Some(5));
        settings.quota.beyond_noisy = Beyond::CoalesceMore;
    })
    .await;
    arrive(&rig, 1).await;
    taken(&rig, 1).await;
    arrive(&rig, 8).await;
    eventually("rows to be held", || held_until(&rig).is_some()).await;
    let large = KnownStanding {
        plan: Some("large".to_owned()),
        record: Record::default(),
    };
    learn(&rig, large.clone());
    taken(&rig, 5).await;
    eventually("rows to be held", || held_until(&rig).is_some()).await;
    let decision = Decision {
        to: Standing::Noisy,
        effective_at: None,
        reason: "to see".to_owned(),
        by: "ada".to_owned(),
    };
    let noisy = KnownStanding {
        record: Record::default().decided(decision, START),
        ..large
    };
    learn(&rig, noisy);
    taken(&rig, 9).await;
}

/// Windows of a tenth of a second, so that steps come soon; a person's word and a calm day bring it back.
#[tokio::test]
async fn who_has_too_many_webhooks_is_noisy_and_then_quarantined_and_the_audit_says_why() {
    let rig = Rig::start(|settings| {
        let quota = &mut settings.quota;
        (quota.daily_default, quota.beyond_quarantined) = (Some(3), Beyond::Apply);
        (quota.ladder.window_ms, quota.ladder.windows_up) = (100, 2);
        (quota.ladder.windows_down, quota.ladder.stay_ms) = (2, 1_000);
    })
    .await;
    arrive(&rig, 1).await;
    taken(&rig, 1).await;
    arrive(&rig, 8).await;
    taken(&rig, 9).await;
    becomes(&rig, Standing::Quarantined).await;
    let kept = standings::find(&rig.db, STORE).await.unwrap();
    assert_eq!(
        (kept.standing(START), kept.by.as_str()),
        (Standing::Quarantined, "rules")
    );
    assert!(
        kept.reason.contains("9 webhooks today; 3 are allowed"),
        "{}",
        kept.reason
    );
    let deeds = storekeeper::db::admin::audit::list(&rig.db, Some(STORE), None, 10);
    let deeds = deeds.await.unwrap();
    let told: Vec<_> = deeds
        .iter()
        .map(|deed| deed.detail.split(':').next().unwrap())
        .collect();
    assert_eq!(told, ["quarantined", "noisy"]);
    // The next day is calm.
    rig.clock.advance_millis(DAY_MS);
    becomes(&rig, Standing::Good).await;
}

/// Lets windows pass until the store stands like that.
async fn becomes(rig: &Rig, wanted: Standing) {
    let windows = async {
        loop {
            rig_pass(rig).await;
            let status = rig.directory.status(STORE);
            if status.is_some_and(|status| status.standing(START) == wanted) {
                return;
            }
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(30), windows).await;
    assert!(reached.is_ok(), "never {wanted:?}");
}

/// A window passes.
async fn rig_pass(rig: &Rig) {
    let mut looks = tokio::time::interval(Duration::from_millis(2));
    looks.tick().await;
    rig.clock.advance_millis(100);
    looks.tick().await;
}

/// What failed is the database's fault, and it fails for every store that has work.
#[tokio::test]
async fn an_outage_of_the_database_is_no_crash_of_a_store() {
    const FAILURES: u64 = 6;
    let rig = Rig::start(|settings| {
        settings.before_apply = Some(Arc::new(|row: &Row| {
            assert!(row.topic != "orders/create", "told to panic");
        }));
    })
    .await;
    arrive(&rig, 1).await;
    taken(&rig, 1).await;
    rig.sql("ALTER TABLE inbox_head RENAME TO head_away").await;
    rig.directory.ring(STORE);
    for _failure in 0..FAILURES {
        rig.let_restart(STORE).await;
    }
    let status = rig.directory.status(STORE).unwrap();
    assert!(status.restarts >= FAILURES, "{status:?}");
    assert_eq!(status.crashes, 0);
    rig.sql("ALTER TABLE head_away RENAME TO inbox_head").await;
    rig.accept_malformed(STORE).await;
    let crashed = eventually("a crash of its own", || {
        rig.directory.ring(STORE);
        let status = rig.directory.status(STORE);
        status.is_some_and(|status| status.crashes > 0)
    });
    rig.pass_time(crashed).await;
}
