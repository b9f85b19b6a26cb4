//! How a keeper ended, and what of that its successor must know.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::keeper::panics::take_trace;

/// Characters of a reason that are kept.
const REASON_CHARS_MAX: usize = 500;

/// How a keeper ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was told to, or had nothing to do.
    Deactivated(Deactivation),
    /// A commit found that the store has another keeper.
    Fenced,
    /// A commit did not come back: whether it was written, only the database knows.
    CommitFailed { reason: String },
    /// The database refuses what this keeper wants written. `only_row`: the turn's one row, when it had but one.
    CommitRefused {
        only_row: Option<i64>,
        reason: String,
    },
    /// Its code panicked outside of a row.
    Panicked(Caught),
    /// Applying this inbox row panicked.
    RowPanicked { seq: i64, panic: Caught },
    /// The store could not be read.
    LoadFailed { reason: String },
    /// There is no such store, or no longer.
    NoSuchStore,
    /// The process ends.
    ShutDown,
}

/// A panic that was caught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caught {
    pub reason: String,
    /// Where it was and how it came there, where that is known.
    pub trace: Option<Arc<str>>,
}

impl Caught {
    /// On the thread that panicked, and at once: the next panic there leaves a trace of its own.
    pub(super) fn of(payload: &(dyn Any + Send)) -> Self {
        Self {
            reason: panic_reason(payload),
            trace: take_trace(),
        }
    }
}

impl From<String> for Caught {
    fn from(reason: String) -> Self {
        let trace = None;
        Self { reason, trace }
    }
}

/// Why a keeper was deactivated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deactivation {
    /// Nothing to do for a while.
    Idle,
    /// Nothing to do, and its place in memory is wanted.
    Dismissed,
    /// It lives on on another thread, and minds there what it minded here: so many rows are to be taken one by one, and
    /// none is to overtake.
    Moved { one_by_one: usize, in_order: bool },
    /// An admin wants it stopped until there is work again.
    Requested { reason: String },
    /// An admin wants it rebuilt from the database at once.
    Restart { reason: String },
    /// An admin wants it stopped for a while, whatever arrives.
    Quarantine { reason: String },
}

/// Whose fault an exit is; decides about restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// Wanted: no fault.
    Nobody,
    /// The database or the network: repeated with back-off for as long as it takes, since quarantine would make an
    /// outage longer.
    World,
    /// The store's own rows or our code: counts towards quarantine.
    Store,
}

impl Exit {
    /// Its stable name, for metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Deactivated(_) => "deactivated",
            Self::Fenced => "fenced",
            Self::CommitFailed { .. } => "commit_failed",
            Self::CommitRefused { .. } => "commit_refused",
            Self::Panicked(_) => "panicked",
            Self::RowPanicked { .. } => "row_panicked",
            Self::LoadFailed { .. } => "load_failed",
            Self::NoSuchStore => "no_such_store",
            Self::ShutDown => "shut_down",
        }
    }

    pub(super) const fn blame(&self) -> Blame {
        match self {
            Self::Deactivated(_) | Self::NoSuchStore | Self::ShutDown => Blame::Nobody,
            Self::Fenced | Self::CommitFailed { .. } | Self::LoadFailed { .. } => Blame::World,
            Self::CommitRefused { .. } | Self::Panicked(_) | Self::RowPanicked { .. } => {
                Blame::Store
            }
        }
    }

    pub(super) fn load_failed(what: &str, error: &impl fmt::Display) -> Self {
        Self::LoadFailed {
            reason: bounded(&format!("failed to {what}: {error}")),
        }
    }

    /// The panic that ended it.
    pub(super) const fn panic(&self) -> Option<&Caught> {
        match self {
            Self::Panicked(panic) | Self::RowPanicked { panic, .. } => Some(panic),
            Self::Deactivated(_)
            | Self::Fenced
            | Self::CommitFailed { .. }
            | Self::CommitRefused { .. }
            | Self::LoadFailed { .. }
            | Self::NoSuchStore
            | Self::ShutDown => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deactivated(Deactivation::Idle) => formatter.write_str("idle"),
            Self::Deactivated(Deactivation::Dismissed) => {
                formatter.write_str("idle, and its place in memory was wanted")
            }
            Self::Deactivated(Deactivation::Moved { .. }) => {
                formatter.write_str("moved to a calmer thread")
            }
            Self::Deactivated(Deactivation::Requested { reason }) => {
                write!(formatter, "deactivated: {reason}")
            }
            Self::Deactivated(Deactivation::Restart { reason }) => {
                write!(formatter, "restarted: {reason}")
            }
            Self::Deactivated(Deactivation::Quarantine { reason }) => {
                write!(formatter, "quarantined: {reason}")
            }
            Self::Fenced => formatter.write_str("another keeper of this store has taken over"),
            Self::CommitFailed { reason } => {
                write!(formatter, "commit without an answer: {reason}")
            }
            Self::CommitRefused { reason, .. } => write!(formatter, "commit refused: {reason}"),
            Self::Panicked(panic) => write!(formatter, "panicked: {}", panic.reason),
            Self::RowPanicked { seq, panic } => {
                write!(formatter, "panicked at inbox row {seq}: {}", panic.reason)
            }
            Self::LoadFailed { reason } => formatter.write_str(reason),
            Self::NoSuchStore => formatter.write_str("there is no such store"),
            Self::ShutDown => formatter.write_str("the server stops"),
        }
    }
}

/// What a keeper's end tells its successor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Aftermath {
    /// The row that brought it down: to be recorded before anything else is done.
    pub(super) crash: Option<(i64, String)>,
    /// A turn was refused and nobody knows which row it was: take rows one by one until so many are through.
    pub(super) one_by_one: usize,
    /// Rows are to be met in their order, as the last keeper was to meet them.
    pub(super) in_order: bool,
}

impl Aftermath {
    /// Learns from an exit of a keeper whose turns hold at most `rows_max` rows.
    pub(super) fn learn(&mut self, exit: &Exit, rows_max: usize) {
        match exit {
            Exit::RowPanicked {
                seq,
                panic: Caught { reason, .. },
            }
            | Exit::CommitRefused {
                only_row: Some(seq),
                reason,
            } => {
                self.crash = Some((*seq, reason.clone()));
            }
            Exit::CommitRefused { only_row: None, .. } => self.one_by_one = rows_max,
            Exit::Deactivated(Deactivation::Moved {
                one_by_one,
                in_order,
            }) => (self.one_by_one, self.in_order) = (*one_by_one, *in_order),
            Exit::Deactivated(
                Deactivation::Idle
                | Deactivation::Dismissed
                | Deactivation::Requested { .. }
                | Deactivation::Restart { .. }
                | Deactivation::Quarantine { .. },
            )
            | Exit::Fenced
            | Exit::CommitFailed { .. }
            | Exit::Panicked(_)
            | Exit::LoadFailed { .. }
            | Exit::NoSuchStore
            | Exit::ShutDown => {}
        }
    }
}

/// What a panic said, cut to a bound.
pub(super) fn panic_reason(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message");
    bounded(text)
}

/// `text`, cut to what is kept of a reason.
pub(super) fn bounded(text: &str) -> String {
    text.chars().take(REASON_CHARS_MAX).collect()
}
