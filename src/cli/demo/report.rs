//! What the demo says at its end.

use serde::Serialize;

use super::super::print;

/// The result of a run. Times are wall milliseconds.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) seed: u64,
    pub(super) seconds: u64,
    pub(super) stores: usize,
    /// Attempts that reached the server or tried to.
    pub(super) sent: u64,
    /// Deliveries answered `accepted`.
    pub(super) accepted: i64,
    pub(super) applied: i64,
    /// Of no concern to any bundle: counted at the door, or found so in a turn.
    pub(super) naked: i64,
    pub(super) duplicate: u64,
    pub(super) dead: i64,
    /// Accepted, and neither applied nor given up with a reason.
    pub(super) lost: i64,
    /// Levels that differ from the reference.
    pub(super) drift: usize,
    pub(super) calls: usize,
    /// Calls that the platform refused although no fault was injected.
    pub(super) throttled_by_us: usize,
    #[serde(flatten, with = "sale_to_stock")]
    pub(super) sale_to_stock: Percentiles,
    #[serde(flatten, with = "quiet")]
    pub(super) quiet: Percentiles,
    #[serde(flatten, with = "noisy")]
    pub(super) noisy: Percentiles,
    #[serde(skip)]
    pub(super) per_store: Vec<StoreReport>,
    /// Each level that differs, for people.
    #[serde(skip)]
    pub(super) drifted: Vec<String>,
}

impl Report {
    /// Whether nothing was lost and nothing drifted.
    pub(super) const fn is_clean(&self) -> bool {
        self.lost == 0 && self.drift == 0
    }
}

/// One store's part.
#[derive(Debug)]
pub(super) struct StoreReport {
    pub(super) store: String,
    pub(super) noisy: bool,
    pub(super) sales: usize,
    pub(super) sale_to_stock: Percentiles,
}

/// From a sale to the right stock, milliseconds; `None` when nothing was sold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Percentiles {
    pub(super) p50_ms: Option<i64>,
    pub(super) p99_ms: Option<i64>,
}

impl Percentiles {
    pub(super) fn of(mut values: Vec<i64>) -> Self {
        values.sort_unstable();
        let at = |percent: usize| {
            values.get((values.len() * percent / 100).min(values.len().saturating_sub(1)))
        };
        Self {
            p50_ms: at(50).copied(),
            p99_ms: at(99).copied(),
        }
    }
}

/// Field names of the contract for each set of percentiles.
macro_rules! percentile_fields {
    ($module:ident, [$($name:literal => $field:ident),+]) => {
        mod $module {
            use serde::Serializer;
            use serde::ser::SerializeMap;

            pub(super) fn serialize<S: Serializer>(
                value: &super::Percentiles,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                $(map.serialize_entry($name, &value.$field)?;)+
                map.end()
            }
        }
    };
}
percentile_fields!(sale_to_stock, ["sale_to_stock_p50_ms" => p50_ms, "sale_to_stock_p99_ms" => p99_ms]);
percentile_fields!(quiet, ["quiet_p99_ms" => p99_ms]);
percentile_fields!(noisy, ["noisy_p99_ms" => p99_ms]);

/// Prints the report: one JSON object, or lines for people.
pub(super) fn print(report: &Report, json: bool) {
    if json {
        // Numbers and names only: this cannot fail.
        print::line(&serde_json::to_string(report).unwrap_or_default());
        return;
    }
    print::line(&format!(
        "webhooks: {} sent, {} accepted, {} applied, {} naked, {} duplicate, {} dead",
        report.sent, report.accepted, report.applied, report.naked, report.duplicate, report.dead
    ));
    print::line(&format!(
        "calls: {}, throttled by us: {}",
        report.calls, report.throttled_by_us
    ));
    for store in &report.per_store {
        let noisy = if store.noisy { " (noisy)" } else { "" };
        let Percentiles { p50_ms, p99_ms } = store.sale_to_stock;
        print::line(&format!(
            "{}{noisy}: {} bundle sales, sale to corrected stock p50 {} p99 {}",
            store.store,
            store.sales,
            millis(p50_ms),
            millis(p99_ms)
        ));
    }
    for line in &report.drifted {
        print::line(line);
    }
    print::line(&format!("lost: {}  drift: {}", report.lost, report.drift));
}

fn millis(value: Option<i64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs read these names: they are the contract's.
    #[test]
    fn the_last_line_has_the_names_of_the_contract() {
        let line = serde_json::to_value(Report::default()).unwrap();
        for name in [
            "seed",
            "seconds",
            "stores",
            "sent",
            "accepted",
            "applied",
            "naked",
            "duplicate",
            "dead",
            "lost",
            "drift",
            "calls",
            "throttled_by_us",
            "sale_to_stock_p50_ms",
            "sale_to_stock_p99_ms",
            "quiet_p99_ms",
            "noisy_p99_ms",
        ] {
            assert!(line.get(name).is_some(), "{name}: {line}");
        }
    }

    #[test]
    fn anything_lost_and_any_level_that_differs_is_a_failure() {
        assert!(Report::default().is_clean());
        let (lost, drift) = (1, 1);
        let lost = Report {
            lost,
            ..Report::default()
        };
        let drifted = Report {
            drift,
            ..Report::default()
        };
        assert!(!lost.is_clean() && !drifted.is_clean());
    }
}
