//! Owns time: the platform's clock, which may run faster than the wall clock,
//! and the formats in which the platform writes a moment.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, FixedOffset, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const NANOS_PER_MS: i64 = 1_000_000;
/// Stamps of merchants carry the offset of their shop, here always New York's.
const SHOP_OFFSET_S: i32 = -5 * 3600;

/// A moment of platform time: nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl Moment {
    /// The moment so many nanoseconds after the Unix epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The moment so many milliseconds later (earlier, if negative).
    pub const fn plus_ms(self, delay_ms: i64) -> Self {
        Self(self.0.saturating_add(delay_ms.saturating_mul(NANOS_PER_MS)))
    }

    /// The moment so many nanoseconds later.
    pub const fn plus_nanos(self, delay_ns: i64) -> Self {
        Self(self.0.saturating_add(delay_ns))
    }

    /// Reads RFC 3339, in any offset.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = DateTime::parse_from_rfc3339(text).ok()?;
        parsed.timestamp_nanos_opt().map(Self)
    }

    /// As REST bodies write it: whole seconds with the shop's offset.
    pub fn local(self) -> String {
        let utc = DateTime::from_timestamp_nanos(self.0);
        match FixedOffset::east_opt(SHOP_OFFSET_S) {
            Some(offset) => utc
                .with_timezone(&offset)
                .format("%Y-%m-%dT%H:%M:%S%:z")
                .to_string(),
            None => self.utc(),
        }
    }

    /// As GraphQL writes it: whole seconds, `Z`.
    pub fn utc(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%SZ")
    }

    /// As `X-Shopify-Triggered-At` writes it: nanoseconds, `Z`.
    pub fn precise(self) -> String {
        self.format("%Y-%m-%dT%H:%M:%S%.9fZ")
    }

    /// As the `Date` header writes it.
    pub fn http_date(self) -> String {
        self.format("%a, %d %b %Y %H:%M:%S GMT")
    }

    /// The same moment without its fraction of a second: what a stamp keeps.
    pub const fn whole_seconds(self) -> Self {
        Self(self.0 - self.0.rem_euclid(1_000 * NANOS_PER_MS))
    }

    fn format(self, pattern: &str) -> String {
        let utc: DateTime<Utc> = DateTime::from_timestamp_nanos(self.0);
        utc.format(pattern).to_string()
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.precise())
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not an RFC 3339 moment"))
    }
}

/// The platform's clock. Stamps, delays and retries use platform time; rate
/// limits and timeouts use wall time, because a client measures those itself.
#[derive(Debug)]
pub(super) struct PlatformClock {
    started: Instant,
    epoch: Moment,
    scale: i64,
}

impl PlatformClock {
    /// A clock that starts at the present and runs `scale` times as fast.
    #[expect(
        clippy::disallowed_methods,
        reason = "the sandbox is an outside program with a clock of its own"
    )]
    pub(super) fn start(scale: u32) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let nanos = since_epoch.map_or(0, |elapsed| elapsed.as_nanos());
        Self {
            started: Instant::now(),
            epoch: Moment(i64::try_from(nanos).unwrap_or(0)),
            scale: i64::from(scale.max(1)),
        }
    }

    /// Wall nanoseconds since the start.
    pub(super) fn wall_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The present on the wall.
    pub(super) fn wall_now(&self) -> Moment {
        let elapsed = i64::try_from(self.wall_ns()).unwrap_or(i64::MAX);
        self.epoch.plus_nanos(elapsed)
    }

    /// The present of the platform.
    pub(super) fn now(&self) -> Moment {
        let elapsed = i64::try_from(self.wall_ns()).unwrap_or(i64::MAX);
        Moment(
            self.epoch
                .0
                .saturating_add(elapsed.saturating_mul(self.scale)),
        )
    }

    /// How long so many milliseconds of platform time last on the wall.
    pub(super) fn wall_delay(&self, platform_ms: u64) -> Duration {
        let nanos = platform_ms.saturating_mul(1_000_000);
        Duration::from_nanos(nanos / u64::try_from(self.scale).unwrap_or(1).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_have_the_platforms_formats() {
        let moment = Moment::parse("2026-01-10T00:36:10.834278316Z").unwrap();
        assert_eq!(moment.local(), "2026-01-09T19:36:10-05:00");
        assert_eq!(moment.utc(), "2026-01-10T00:36:10Z");
        assert_eq!(moment.precise(), "2026-01-10T00:36:10.834278316Z");
        assert_eq!(moment.http_date(), "Sat, 10 Jan 2026 00:36:10 GMT");
        assert_eq!(Moment::parse(&moment.local()), Some(moment.whole_seconds()));
    }

    #[test]
    fn platform_time_runs_ahead_by_the_scale() {
        let clock = PlatformClock::start(600);
        assert_eq!(clock.wall_delay(60_000), Duration::from_millis(100));
    }
}
