//! Sees when a row is applied: a thread that looks at those stores that owe one, five thousand times a second.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use storekeeper::clock::Stopwatch;
use storekeeper::ids::StoreId;
use storekeeper::keeper::Directory;

use crate::stage::cursor;

/// What a time that was measured may be too long by.
const BETWEEN_LOOKS: Duration = Duration::from_micros(200);
/// After this nothing more is expected.
const PATIENCE: Duration = Duration::from_secs(900);

type Accepted = (StoreId, i64, Stopwatch);

/// Sees when rows are applied.
pub(crate) struct Witness {
    reporter: Reporter,
    thread: JoinHandle<Vec<Duration>>,
}

/// Tells the witness what to look for.
#[derive(Clone)]
pub(crate) struct Reporter(Sender<Accepted>);

impl Reporter {
    /// This row was accepted at this moment.
    pub(crate) fn accepted(&self, store: StoreId, seq: i64) {
        let told = self.0.send((store, seq, Stopwatch::start()));
        told.expect("the witness is there");
    }
}

impl Witness {
    pub(crate) fn start(directory: Directory) -> Self {
        let (sender, accepted) = channel();
        let thread = std::thread::spawn(move || look(&directory, &accepted));
        Self {
            reporter: Reporter(sender),
            thread,
        }
    }

    pub(crate) fn reporter(&self) -> Reporter {
        self.reporter.clone()
    }

    /// Waits until everything is applied that was told of; gives how long each took.
    pub(crate) fn end(self) -> Vec<Duration> {
        drop(self.reporter);
        self.thread.join().expect("the witness sees all")
    }
}

fn look(directory: &Directory, accepted: &Receiver<Accepted>) -> Vec<Duration> {
    let mut owed: BTreeMap<StoreId, VecDeque<(i64, Stopwatch)>> = BTreeMap::new();
    let (mut took, mut is_open) = (Vec::new(), true);
    while is_open || !owed.is_empty() {
        is_open = listen(accepted, &mut owed, is_open);
        owed.retain(|store, rows| {
            let cursor = cursor(directory, *store);
            // Two that are accepted at once may be told of in either order.
            rows.retain(|(seq, since)| {
                let is_applied = *seq <= cursor;
                took.extend(is_applied.then(|| since.elapsed()));
                assert!(since.elapsed() < PATIENCE, "a row is not applied");
                !is_applied
            });
            !rows.is_empty()
        });
    }
    took
}

/// Takes in what was accepted, and waits a little for more; `false`: nothing more will come.
fn listen(
    accepted: &Receiver<Accepted>,
    owed: &mut BTreeMap<StoreId, VecDeque<(i64, Stopwatch)>>,
    is_open: bool,
) -> bool {
    if !is_open {
        std::thread::park_timeout(BETWEEN_LOOKS);
        return false;
    }
    let mut patience = BETWEEN_LOOKS;
    loop {
        match accepted.recv_timeout(patience) {
            Ok((store, seq, since)) => owed.entry(store).or_default().push_back((seq, since)),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        patience = Duration::ZERO;
    }
}
