//! A keeper can be dropped at any instant without loss (INV-J): tried at every `await` of its steps. And what it does
//! while it waits for a turn.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::mpsc::RecvTimeoutError;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::bench::{Bench, STORE};
use crate::db::keepers;
use crate::domain::store::command::Command;
use crate::domain::store::outcome::Reply;
use crate::ids::StoreId;
use crate::keeper::core::Next;
use crate::keeper::exit::Exit;
use crate::keeper::handle::{Answered, Envelope, Waiting};
use crate::keeper::home::Home;
use crate::keeper::scheduler::Weight;
use crate::keeper::shared::Shared;

/// Polls a future so many times and then drops it.
struct Dropped<Inner> {
    inner: Option<Pin<Box<Inner>>>,
    polls_left: u32,
}

impl<Inner: Future> Future for Dropped<Inner> {
    type Output = Option<Inner::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(inner) = self.inner.as_mut() else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(output) = inner.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        self.polls_left -= 1;
        if self.polls_left == 0 {
            self.inner = None;
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}

fn dropped_after<Inner: Future>(polls_left: u32, inner: Inner) -> Dropped<Inner> {
    Dropped {
        inner: Some(Box::pin(inner)),
        polls_left,
    }
}

#[tokio::test]
async fn a_keeper_dropped_at_any_await_loses_nothing_and_repeats_nothing() {
    // Activation, a look at the log, the commit, another look.
    Box::pin(dropped_at_any_await(Home::here(), 4)).await;
}

/// Also within what is otherwise done elsewhere: claiming, reading.
#[tokio::test]
async fn a_keeper_dropped_at_any_await_of_its_work_loses_nothing_and_repeats_nothing() {
    Box::pin(dropped_at_any_await(Home::nowhere(), 6)).await;
}

async fn dropped_at_any_await(home: Home, polls_min: u32) {
    let bench = Bench::set_up_at(home, |_| {}).await;
    let (mut accepted, mut polls) = (0_u32, 0);
    loop {
        accepted += 1;
        polls += 1;
        bench.accept(accepted).await;
        let lived = dropped_after(polls, bench.live()).await;
        // Whatever a drop left behind in the writer's queue belongs to a grant that the next life takes away.
        if let Some(ended) = lived {
            assert_eq!(ended, Ok(()));
            break;
        }
    }
    assert!(
        polls >= polls_min,
        "a life of {polls} polls has too few awaits to prove anything"
    );
    bench.live().await.unwrap();
    let record = keepers::find(&bench.shared.deps.db, STORE)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(record.cursor, i64::from(accepted));
    assert_eq!(
        record.applied + record.naked,
        i64::from(accepted),
        "each row counts once"
    );
}

/// Every turn is taken and a thousand stores stand in line.
macro_rules! crowd {
    ($turns:expr, $taken:ident, $line:ident) => {
        let $taken: Vec<_> = (10_000..)
            .map_while(|store| $turns.grant(0, StoreId(store), Weight::FULL).now_or_never())
            .collect();
        let mut $line: Vec<_> = (20_000..21_000)
            .map(|store| Box::pin($turns.grant(0, StoreId(store), Weight::FULL)))
            .collect();
        assert!($line.iter_mut().all(|wait| wait.now_or_never().is_none()));
    };
}

/// Waits for something that happens beside `life`, which must not end.
async fn beside<Life, Awaited>(life: Pin<&mut Life>, awaited: Awaited) -> Awaited::Output
where
    Life: Future<Output: std::fmt::Debug>,
    Awaited: Future,
{
    let either = async {
        tokio::select! {
            ended = life => panic!("it took a turn that is not free: {ended:?}"),
            output = awaited => output,
        }
    };
    let patience = std::time::Duration::from_secs(20);
    tokio::time::timeout(patience, either).await.unwrap()
}

async fn in_line(shared: &Shared, stores: usize) {
    while shared.turns.waiting() < stores {
        tokio::task::yield_now().await;
    }
}

/// Runs a test on a thread of its own: a keeper that goes round in circles must fail it too, and not hold it for ever.
fn in_time<Test: Future<Output = ()>>(test: impl FnOnce() -> Test + Send + 'static) {
    let (done, ended) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(test());
        done.send(()).unwrap();
    });
    let waited = ended.recv_timeout(std::time::Duration::from_secs(60));
    assert_ne!(waited, Err(RecvTimeoutError::Timeout), "it never ends");
    thread.join().unwrap();
}

#[test]
fn a_command_overtakes_a_thousand_stores_that_wait_for_a_turn_and_its_store_keeps_its_place() {
    in_time(overtakes_a_thousand_stores);
}

async fn overtakes_a_thousand_stores() {
    let bench = Bench::set_up().await;
    bench.accept(1).await;
    let core = bench.activate().await.unwrap();
    crowd!(bench.shared.turns, taken, line);
    let mut life = pin!(core.step());
    beside(life.as_mut(), in_line(&bench.shared, 1_001)).await;
    for _command in 0..100 {
        let (reply, answer) = oneshot::channel();
        let envelope = Envelope::plain(Command::ReconcileNow);
        let waiting = Waiting { envelope, reply };
        bench.slot.enqueue(waiting, 64).unwrap();
        let answered = beside(life.as_mut(), answer).await.unwrap();
        assert_eq!(answered, Ok(Answered::Fresh(Reply::Done)));
    }
    assert_eq!(bench.shared.turns.waiting(), 1_001);
    drop((taken, line));
    let (core, next) = life.await.unwrap();
    assert_eq!((core.cursor, next), (1, Next::Again));
}

#[test]
fn a_keeper_that_waits_for_a_turn_ends_with_the_process() {
    in_time(waits_and_ends);
}

async fn waits_and_ends() {
    let bench = Bench::set_up().await;
    bench.accept(1).await;
    let core = bench.activate().await.unwrap();
    crowd!(bench.shared.turns, taken, line);
    let mut life = pin!(core.step());
    beside(life.as_mut(), in_line(&bench.shared, 1_001)).await;
    bench.shared.begin_shutdown();
    bench.slot.alert();
    let patience = std::time::Duration::from_secs(20);
    let ended = tokio::time::timeout(patience, life).await;
    let (core, _next) = ended.unwrap().unwrap();
    assert_eq!(core.step().await.err(), Some(Exit::ShutDown));
    drop((taken, line));
}
