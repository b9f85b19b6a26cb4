//! Commands: bounded, decided once, answered when they are durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use storekeeper::db::admin::audit;
use storekeeper::db::dead_letters::{self, DeadLetterFilter};
use storekeeper::domain::call::{Read, Request};
use storekeeper::domain::store::change::DeadLetterRecord;
use storekeeper::domain::store::command::{Command, Row};
use storekeeper::domain::store::letter_edit::{DeedRecord, EditedBody, LetterEdit};
use storekeeper::domain::store::outcome::{Refusal, Reply};
use storekeeper::ids::{BundleId, ItemId, StoreId};
use storekeeper::keeper::{Answered, CommandError, Envelope, IdempotencyKey, KeeperState};

use crate::support::keepers::{Rig, STORE, draft, eventually};

fn keyed(command: Command, key: &str, digest: &str) -> Envelope {
    let render = |reply: &Result<Reply, Refusal>| match reply {
        Ok(_) => (201, "made".to_owned()),
        Err(refusal) => (422, refusal.to_string()),
    };
    let idempotency = IdempotencyKey {
        key: key.to_owned(),
        digest: digest.to_owned(),
        render,
    };
    Envelope {
        command,
        idempotency: Some(idempotency),
    }
}

#[tokio::test]
async fn a_bundle_is_answered_once_the_platform_has_told_of_its_items() {
    let rig = Rig::start(|_| {}).await;
    let answered = rig
        .directory
        .command(STORE, Envelope::plain(draft(1)))
        .await;
    let Ok(Answered::Fresh(Reply::Bundle(bundle))) = answered else {
        panic!("{answered:?}")
    };
    assert_eq!(bundle.item, ItemId(100));
    assert!(
        rig.platform
            .count(|request| matches!(request, Request::Read(Read::Items(_))))
            >= 1
    );
    let board = rig.directory.board(STORE).await.expect("a board");
    assert_eq!(
        board.bundle(ItemId(100)).map(|view| view.bundle.id),
        Some(bundle.id)
    );
    eventually("levels to be read and the bundle's to be written", || {
        rig.platform
            .count(|request| matches!(request, Request::Write(_)))
            == 1
    })
    .await;
}

#[tokio::test]
async fn commands_beyond_the_bound_are_refused_at_once() {
    let rig = Rig::start(|settings| settings.commands_waiting_max = 2).await;
    rig.platform.hold(true);
    let send = |id| {
        let directory = rig.directory.clone();
        tokio::spawn(async move { directory.command(STORE, Envelope::plain(draft(id))).await })
    };
    let waiting = [send(1), send(2)];
    // Their first poll puts them in line.
    tokio::task::yield_now().await;
    // Both wait for the platform; a third is refused without waiting.
    let mut refused = None;
    while refused != Some(Err(CommandError::Busy)) {
        let third = rig.directory.command(
            STORE,
            Envelope::plain(Command::DeleteBundle {
                id: BundleId(uuid::Uuid::nil()),
                seen: None,
            }),
        );
        refused = Some(third.await);
        tokio::task::yield_now().await;
    }
    rig.platform.hold(false);
    let [first, second] = waiting;
    let outcomes = [first.await.expect("ran"), second.await.expect("ran")];
    assert!(
        outcomes
            .iter()
            .all(|outcome| *outcome != Err(CommandError::Busy)),
        "{outcomes:?}"
    );
    assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
}

#[tokio::test]
async fn a_key_brings_the_same_reply_again_also_after_a_restart() {
    let rig = Rig::start(|_| {}).await;
    let pause = || Command::Pause {
        reason: "stocktaking".to_owned(),
    };
    let first = rig
        .directory
        .command(STORE, keyed(pause(), "k1", "d1"))
        .await;
    assert_eq!(first, Ok(Answered::Fresh(Reply::Done)));
    let repeated = Answered::Repeated {
        status: 201,
        body: "made".to_owned(),
    };
    assert_eq!(
        rig.directory
            .command(STORE, keyed(pause(), "k1", "d1"))
            .await,
        Ok(repeated.clone())
    );
    assert_eq!(
        rig.directory
            .command(STORE, keyed(pause(), "k1", "d2"))
            .await,
        Err(CommandError::KeyReused)
    );
    let restart = storekeeper::keeper::Control::Restart;
    rig.directory
        .control(STORE, restart, "test".to_owned())
        .await
        .expect("told");
    assert_eq!(
        rig.directory
            .command(STORE, keyed(pause(), "k1", "d1"))
            .await,
        Ok(repeated)
    );
}

#[tokio::test]
async fn a_refusal_is_remembered_under_its_key() {
    let rig = Rig::start(|_| {}).await;
    let unknown = BundleId(uuid::Uuid::nil());
    let delete = || Command::DeleteBundle {
        id: unknown,
        seen: None,
    };
    let refused = rig
        .directory
        .command(STORE, keyed(delete(), "k", "d"))
        .await;
    assert_eq!(
        refused,
        Err(CommandError::Refused(Refusal::UnknownBundle(unknown)))
    );
    let repeated = rig
        .directory
        .command(STORE, keyed(delete(), "k", "d"))
        .await;
    let body = Refusal::UnknownBundle(unknown).to_string();
    assert_eq!(repeated, Ok(Answered::Repeated { status: 422, body }));
}

#[tokio::test]
async fn a_wait_beyond_the_bound_ends_with_an_unknown_outcome() {
    let rig = Rig::start(|_| {}).await;
    rig.platform.hold(true);
    let outcome = rig
        .pass_time(rig.directory.command(STORE, Envelope::plain(draft(1))))
        .await;
    assert_eq!(outcome, Err(CommandError::OutcomeUnknown));
}

/// A double click, and a third one that comes too late to share their commit.
#[tokio::test]
async fn a_dead_letter_is_retried_once_however_often_it_is_asked() {
    // Brings the keeper down until the dead letter is there; retried, it is applied.
    let crashes = AtomicUsize::new(0);
    let rig = Rig::start(|settings| {
        settings.before_apply = Some(Arc::new(move |_row: &Row| {
            assert!(crashes.fetch_add(1, Ordering::SeqCst) >= 3, "poison");
        }));
    })
    .await;
    rig.accept_level(STORE, 500).await;
    rig.directory.ring(STORE);
    for _crash in 0..3 {
        rig.let_restart(STORE).await;
    }
    let letter = the_dead_letter(&rig).await;
    let retry = || {
        let command = Command::RetryDeadLetter {
            id: letter.id,
            seq: letter.seq,
            edit: None,
        };
        rig.directory.command(STORE, Envelope::plain(command))
    };
    let gone = Err(CommandError::Refused(Refusal::NothingToRetry));
    let (first, second) = tokio::join!(retry(), retry());
    let mut answered = [first, second];
    answered.sort_by_key(Result::is_err);
    assert_eq!(answered, [Ok(Answered::Fresh(Reply::Done)), gone.clone()]);
    eventually("the row to be applied", || counts(&rig) == Some((0, 0))).await;
    assert_eq!(retry().await, gone);
}

/// Two people edit the same dead letter: the one who comes second does not undo what the first did unseen.
#[tokio::test]
async fn an_edit_is_of_the_body_that_was_seen_and_happens_once() {
    let rig = Rig::start(|_| {}).await;
    rig.accept_malformed(STORE).await;
    rig.directory.ring(STORE);
    let letter = the_dead_letter(&rig).await;
    let edit = |seen: &str, body: &str| {
        let command = Command::RetryDeadLetter {
            id: letter.id,
            seq: letter.seq,
            edit: Some(Box::new(LetterEdit {
                seen: dead_letters::digest(seen.as_bytes()),
                body: EditedBody::new(body.to_owned()),
                deed: DeedRecord {
                    id: letter.id.0,
                    at: letter.at,
                    actor: "Ann".to_owned(),
                    action: "edit".to_owned(),
                    detail: body.to_owned(),
                },
            })),
        };
        rig.directory.command(STORE, Envelope::plain(command))
    };
    let refused = |refusal| Err(CommandError::Refused(refusal));
    let stale = edit("{ }", "{\"id\":1}").await;
    assert_eq!(stale, refused(Refusal::LetterChanged));
    let mended = r#"{"id":1,"created_at":"2026-11-01T00:00:00Z","updated_at":"2026-11-01T00:00:00Z","line_items":[]}"#;
    let (first, second) = tokio::join!(edit("{}", mended), edit("{}", mended));
    let mut answered = [first, second];
    answered.sort_by_key(Result::is_err);
    let done = Ok(Answered::Fresh(Reply::Done));
    assert_eq!(answered, [done, refused(Refusal::NothingToRetry)]);
    eventually("the row to be applied", || counts(&rig) == Some((0, 0))).await;
    let seen = rig
        .directory
        .status(STORE)
        .and_then(|status| status.observation);
    assert_eq!(seen.expect("an observation").naked, 1);
    let deeds = audit::list(&rig.db, Some(STORE), None, 10)
        .await
        .expect("read");
    let details: Vec<_> = deeds.iter().map(|deed| deed.detail.as_str()).collect();
    assert_eq!(details, [mended], "only what was done");
}

#[tokio::test]
async fn a_dead_letter_is_discarded_once_however_often_it_is_asked() {
    let rig = Rig::start(|_| {}).await;
    rig.accept_malformed(STORE).await;
    rig.directory.ring(STORE);
    eventually("the row to be given up", || counts(&rig) == Some((0, 1))).await;
    let letter = the_dead_letter(&rig).await;
    let discard = || {
        let command = Command::DiscardDeadLetter(letter.id);
        rig.directory.command(STORE, Envelope::plain(command))
    };
    let (first, second) = tokio::join!(discard(), discard());
    let done = Ok(Answered::Fresh(Reply::Done));
    assert_eq!([first, second], [done.clone(), done]);
    eventually("no dead letter", || counts(&rig) == Some((0, 0))).await;
    let status = rig.directory.status(STORE).expect("a status");
    assert_eq!((status.restarts, status.last_error), (0, None));
}

async fn the_dead_letter(rig: &Rig) -> DeadLetterRecord {
    eventually("a dead letter", || {
        counts(rig).is_some_and(|(_, dead)| dead == 1)
    })
    .await;
    let letters = dead_letters::list(&rig.db, DeadLetterFilter::default(), None, 10);
    letters.await.expect("read").remove(0).record
}

/// Rows parked, and dead letters, as of the keeper's last commit.
fn counts(rig: &Rig) -> Option<(i64, i64)> {
    let seen = rig.directory.status(STORE)?.observation?;
    Some((seen.parked, seen.dead))
}

#[tokio::test]
async fn an_unknown_store_is_told_apart_from_a_slow_one() {
    let rig = Rig::start(|_| {}).await;
    let stranger = StoreId(99);
    let outcome = rig
        .directory
        .command(stranger, Envelope::plain(Command::Resume))
        .await;
    assert_eq!(outcome, Err(CommandError::UnknownStore));
    eventually("its guard's end", || {
        rig.state(stranger) == KeeperState::Stopped
    })
    .await;
}

#[tokio::test]
async fn a_platform_client_that_panics_brings_an_answer_all_the_same() {
    let rig = Rig::start(|settings| settings.command_wait_ms_max = 3_600_000).await;
    rig.platform.panic_next(1);
    let outcome = rig
        .pass_time(rig.directory.command(STORE, Envelope::plain(draft(1))))
        .await;
    assert!(
        matches!(outcome, Ok(Answered::Fresh(Reply::Bundle(_)))),
        "{outcome:?}"
    );
    assert_eq!(
        rig.directory.status(STORE).map(|status| status.restarts),
        Some(0)
    );
}
