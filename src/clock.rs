//! Time: the only file that asks the operating system for it.
//!
//! Everything else takes a [`Timestamp`] as an argument or holds a [`Clock`], so that tests run on a manual clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch: before everything that is stamped here.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Parses RFC 3339 with any offset; what is finer than a millisecond is cut off.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|time| Self(time.timestamp_millis()))
    }

    /// Parses an HTTP date (`Date` header), resolution one second.
    #[must_use]
    pub fn parse_http_date(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc2822(text)
            .ok()
            .map(|time| Self(time.timestamp_millis()))
    }

    /// RFC 3339 in UTC with milliseconds.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        DateTime::<Utc>::from_timestamp_millis(self.0)
            .unwrap_or_default()
            .to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// The start of the second that this instant lies in: the resolution of the platform's own stamps.
    #[must_use]
    pub const fn floor_to_second(self) -> Self {
        Self(self.0.div_euclid(1000) * 1000)
    }

    /// Later by `millis`, saturating.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to `self`; negative when `earlier` is later.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_rfc3339())
    }
}

/// What tells the time and waits for it. A true seam: the system's clock, or a manual one in tests.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The operating system's wall clock.
    System,
    /// Stands still until it is told to advance.
    Manual(ManualClock),
}

impl Clock {
    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                #[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
                let now = Utc::now();
                Timestamp(now.timestamp_millis())
            }
            Self::Manual(manual) => manual.now(),
        }
    }

    /// Waits until `deadline` has been reached.
    pub async fn sleep_until(&self, deadline: Timestamp) {
        match self {
            Self::System => {
                let millis = u64::try_from(deadline.millis_since(self.now())).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
            Self::Manual(manual) => manual.sleep_until(deadline).await,
        }
    }
}

/// Measures how long a computation takes: monotonic, and real even where [`Clock`] is manual. For bounds on work, never
/// for what a rule depends on.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    started: std::time::Instant,
}

impl Stopwatch {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where monotonic time enters"
        )]
        let started = std::time::Instant::now();
        Self { started }
    }

    /// How long ago it was started.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that moves only when told to.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: Arc<watch::Sender<Timestamp>>,
}

impl ManualClock {
    /// Starts at `now`.
    #[must_use]
    pub fn starting_at(now: Timestamp) -> Self {
        Self {
            now: Arc::new(watch::Sender::new(now)),
        }
    }

    /// The instant it stands at.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    /// Moves forward by `millis` and wakes whoever waited for that.
    pub fn advance_millis(&self, millis: i64) {
        self.now.send_modify(|now| *now = now.plus_millis(millis));
    }

    /// How many wait for it: a test advances when somebody does.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.now.receiver_count()
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        let mut receiver = self.now.subscribe();
        // The sender lives in `self`, so the channel cannot close while this waits.
        let _closed = receiver.wait_for(|now| *now >= deadline).await.is_err();
    }
}
