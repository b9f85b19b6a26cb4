//! Tells the log, from a thread of its own, what the patrol finds: a log that nobody takes any more (a full pipe, say)
//! may be the very thing that a thread of the keepers stands still at, and must not hold up who finds that out.

use std::io;
use std::sync::mpsc;
use std::thread;

use crate::ids::StoreId;
use crate::keeper::progress::Stuck;

/// Lines that may wait; more are left out.
const WAITING_MAX: usize = 256;

/// What is worth a line.
#[derive(Clone, Debug)]
pub(super) enum Finding {
    /// A keeper does not get on.
    Stuck { store: StoreId, stuck: Stuck },
    /// A thread does not answer.
    Silent {
        arbiter: usize,
        store: Option<StoreId>,
    },
    /// It answers again.
    Returned { arbiter: usize },
    /// The row that a thread stands still at was written down; or why it was not.
    Hang {
        store: StoreId,
        row: i64,
        written: Result<(), String>,
    },
}

/// Where findings are told. Cheap to clone; its thread ends with the last clone.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    findings: mpsc::SyncSender<Finding>,
}

impl Teller {
    pub(super) fn start() -> io::Result<Self> {
        let (findings, told) = mpsc::sync_channel::<Finding>(WAITING_MAX);
        thread::Builder::new()
            .name("keepers-teller".to_owned())
            .spawn(move || told.iter().for_each(|finding| finding.log()))?;
        Ok(Self { findings })
    }

    /// Waits for nobody.
    pub(super) fn tell(&self, finding: Finding) {
        // What does not fit stands in the metrics and in `/status` all the same.
        let _told = self.findings.try_send(finding).is_ok();
    }
}

impl Finding {
    fn log(self) {
        match self {
            Self::Stuck { store, stuck } => {
                let doing = stuck.doing.text();
                tracing::warn!(%store, doing, since = %stuck.since, "keeper does not get on");
            }
            Self::Silent { arbiter, store } => {
                let store = store.map(|store| store.0);
                tracing::error!(
                    arbiter,
                    store,
                    "a thread of the keepers does not answer; the stores on it stand still"
                );
            }
            Self::Returned { arbiter } => {
                tracing::info!(arbiter, "a thread of the keepers answers again");
            }
            Self::Hang {
                store,
                row,
                written: Ok(()),
            } => tracing::warn!(%store, row, "this row does not come to an end"),
            Self::Hang {
                store,
                row,
                written: Err(reason),
            } => {
                tracing::error!(%store, row, reason, "this row does not come to an end, and that is not written down");
            }
        }
    }
}
