//! What replies tell about the rate limits, and how long to wait.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

use crate::domain::call::{Cost, Meter, RateReport};

/// Requests per second that every plan gets at least.
const REST_RESTORE_PER_S: i64 = 2;
/// Points per second that every plan gets at least.
const GRAPHQL_RESTORE_PER_S: i64 = 100;
/// The shortest wait after a refusal that the platform recommends.
const THROTTLED_WAIT_MS_MIN: i64 = 1_000;
/// The longest wait that is believed: a bucket refills within it on every plan.
const WAIT_MS_MAX: i64 = 120_000;

/// Reads `X-Shopify-Shop-Api-Call-Limit: {used}/{size}`.
pub(super) fn parse_call_limit(header: &str) -> Option<RateReport> {
    let (used, size) = header.trim().split_once('/')?;
    let (used, size) = (used.trim().parse().ok()?, size.trim().parse().ok()?);
    let plausible = used >= 0 && size > 0;
    plausible.then_some(RateReport {
        meter: Meter::Rest,
        used,
        size,
        restore_per_s: None,
        cost: None,
    })
}

/// Reads `Retry-After` in seconds, with a fraction or without, as milliseconds rounded up.
pub(super) fn parse_retry_after_ms(header: &str) -> Option<i64> {
    let header = header.trim();
    let (whole, fraction) = header.split_once('.').unwrap_or((header, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let shown: String = fraction.chars().chain("000".chars()).take(3).collect();
    let rest_is_zero = fraction.bytes().skip(3).all(|byte| byte == b'0');
    let millis = whole
        .parse::<i64>()
        .unwrap_or(WAIT_MS_MAX)
        .saturating_mul(1000);
    let millis = millis
        .saturating_add(shown.parse().ok()?)
        .saturating_add(i64::from(!rest_is_zero));
    Some(millis.min(WAIT_MS_MAX))
}

/// `extensions.cost` of a GraphQL reply.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueryCost {
    requested_query_cost: Points,
    actual_query_cost: Option<Points>,
    throttle_status: ThrottleStatus,
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThrottleStatus {
    maximum_available: Points,
    currently_available: Points,
    restore_rate: Points,
}

impl QueryCost {
    pub(super) fn report(self) -> RateReport {
        let Points(size) = self.throttle_status.maximum_available;
        let Points(available) = self.throttle_status.currently_available;
        let Points(restore_per_s) = self.throttle_status.restore_rate;
        let Points(requested) = self.requested_query_cost;
        RateReport {
            meter: Meter::Graphql,
            used: size.saturating_sub(available).max(0),
            size,
            restore_per_s: Some(restore_per_s),
            cost: Some(Cost {
                requested,
                actual: self.actual_query_cost.map(|Points(actual)| actual),
            }),
        }
    }

    /// How long until a query of this cost that was refused can run.
    pub(super) fn throttled_wait_ms(self) -> i64 {
        let Points(requested) = self.requested_query_cost;
        let Points(available) = self.throttle_status.currently_available;
        let Points(restore_per_s) = self.throttle_status.restore_rate;
        let lacking = requested.saturating_sub(available).max(0);
        refill_ms(lacking, restore_per_s).clamp(THROTTLED_WAIT_MS_MIN, WAIT_MS_MAX)
    }
}

/// How long the bucket takes to restore what the last request took: further pages of one call wait that long, so that
/// the call as a whole takes no more than the tokens it was started with and what restores meanwhile (INV-L).
pub(super) fn pace_ms(meter: Meter, report: Option<RateReport>) -> i64 {
    let told_restore = report.and_then(|report| report.restore_per_s);
    let cost = report.and_then(|report| report.cost);
    match meter {
        Meter::Rest => refill_ms(1, told_restore.unwrap_or(REST_RESTORE_PER_S)),
        Meter::Graphql => {
            let taken = cost.map_or(GRAPHQL_RESTORE_PER_S, |cost| {
                cost.actual.unwrap_or(cost.requested)
            });
            refill_ms(taken, told_restore.unwrap_or(GRAPHQL_RESTORE_PER_S))
        }
    }
}

fn refill_ms(amount: i64, restore_per_s: i64) -> i64 {
    let restore_per_s = restore_per_s.max(1);
    let scaled = amount
        .max(0)
        .saturating_mul(1000)
        .saturating_add(restore_per_s - 1);
    (scaled / restore_per_s).min(WAIT_MS_MAX)
}

/// Points, which some versions write as `1990` and some as `1990.0`; a fraction counts as a whole point less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Points(i64);

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PointsVisitor)
    }
}

struct PointsVisitor;

impl Visitor<'_> for PointsVisitor {
    type Value = Points;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("points")
    }

    fn visit_i64<E: serde::de::Error>(self, points: i64) -> Result<Points, E> {
        Ok(Points(points))
    }

    fn visit_u64<E: serde::de::Error>(self, points: u64) -> Result<Points, E> {
        i64::try_from(points).map(Points).map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, points: f64) -> Result<Points, E> {
        format!("{:.0}", points.floor())
            .parse()
            .map(Points)
            .map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_limits_are_read() {
        let report = parse_call_limit("32/40").unwrap();
        assert_eq!(
            (report.meter, report.used, report.size),
            (Meter::Rest, 32, 40)
        );
        for odd in ["", "32", "/", "a/40", "-1/40", "1/0"] {
            assert_eq!(parse_call_limit(odd), None, "{odd}");
        }
    }

    #[test]
    fn waits_keep_their_fraction_and_round_up() {
        for (header, millis) in [
            ("2.0", 2000),
            ("2", 2000),
            ("0.25", 250),
            ("1.0001", 1001),
            ("0", 0),
            ("99999999999999999999", 120_000),
        ] {
            assert_eq!(parse_retry_after_ms(header), Some(millis), "{header}");
        }
        for odd in [
            "",
            ".5",
            "-1",
            "1e3",
            "soon",
            "Wed, 21 Oct 2026 07:28:00 GMT",
        ] {
            assert_eq!(parse_retry_after_ms(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_cost_tells_the_bucket_and_the_wait() {
        let cost: QueryCost = serde_json::from_str(
            r#"{"requestedQueryCost":752,"actualQueryCost":null,"throttleStatus":{"maximumAvailable":2000.0,"currentlyAvailable":401.5,"restoreRate":100}}"#,
        )
        .unwrap();
        let report = cost.report();
        assert_eq!(
            (report.used, report.size, report.restore_per_s),
            (1599, 2000, Some(100))
        );
        assert_eq!(
            report.cost,
            Some(Cost {
                requested: 752,
                actual: None
            })
        );
        assert_eq!(cost.throttled_wait_ms(), 3510);
    }

    #[test]
    fn further_pages_wait_for_what_the_last_one_took() {
        assert_eq!(pace_ms(Meter::Rest, parse_call_limit("3/40")), 500);
        assert_eq!(pace_ms(Meter::Graphql, None), 1000);
        let cost = Some(Cost {
            requested: 428,
            actual: Some(30),
        });
        let report = RateReport {
            meter: Meter::Graphql,
            used: 30,
            size: 2000,
            restore_per_s: Some(100),
            cost,
        };
        assert_eq!(pace_ms(Meter::Graphql, Some(report)), 300);
    }
}
