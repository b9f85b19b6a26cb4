//! What a panic leaves: a line in the log, and for whoever catches it where it was and how it came there.

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::Stopwatch;

/// Characters of a message that are logged.
const MESSAGE_CHARS_MAX: usize = 500;
/// Characters of a trace that are kept.
const TRACE_CHARS_MAX: usize = 16_000;
/// A backtrace costs as much as hundreds of webhooks: in a storm of panics the others have their place only.
const BACKTRACE_EVERY: Duration = Duration::from_secs(1);

thread_local! {
    static LAST: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// Notes every panic of this process from now on. Each is logged; where logs are not set up, or leave errors out, it is
/// told as by default.
pub fn watch_panics() {
    let by_default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let trace = trace_of(info);
        if tracing::enabled!(tracing::Level::ERROR) {
            let message = message_of(info);
            tracing::error!(%trace, "panicked: {message}");
        } else {
            by_default(info);
        }
        LAST.set(Some(trace));
    }));
}

/// Cut off, for a message may quote what was at hand, a whole body for instance.
fn message_of(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or_default();
    message.chars().take(MESSAGE_CHARS_MAX).collect()
}

/// Where the latest panic of this thread was, and how it came there; given once. `None` where nobody
/// [watches](watch_panics).
#[must_use]
pub(super) fn take_trace() -> Option<Arc<str>> {
    LAST.take()
}

/// Leaves on this thread what was [taken](take_trace) on another, for a panic that goes on here.
pub(super) fn leave_trace(trace: Option<Arc<str>>) {
    LAST.set(trace);
}

fn trace_of(info: &PanicHookInfo<'_>) -> Arc<str> {
    let mut trace = String::new();
    if let Some(place) = info.location() {
        trace.push_str(&format!("at {place}"));
    }
    if is_due() {
        let backtrace = Backtrace::force_capture();
        // Writing to a string does not fail.
        let _written = write!(trace, "\n{backtrace}");
    }
    let kept: String = trace.chars().take(TRACE_CHARS_MAX).collect();
    kept.into()
}

/// Whether a backtrace may be taken again.
fn is_due() -> bool {
    static LAST: Mutex<Option<Stopwatch>> = Mutex::new(None);
    // Who holds it is about to take one.
    let Ok(mut last) = LAST.try_lock() else {
        return false;
    };
    let is_due = last.is_none_or(|last| last.elapsed() >= BACKTRACE_EVERY);
    if is_due {
        *last = Some(Stopwatch::start());
    }
    is_due
}
