//! Every metric's name, kind and meaning.

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// How a metric's values are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only rises.
    Counter,
    /// The state at this moment.
    Gauge,
    /// The spread of many values.
    Histogram(Unit),
}

/// A metric as `/metrics` describes it.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How its values are to be read.
    pub kind: MetricKind,
    /// Its meaning, one line.
    pub about: &'static str,
}

macro_rules! catalogue {
    ($( #[doc = $about:literal] $constant:ident: $kind:expr, $name:literal; )*) => {
        $( #[doc = $about] pub const $constant: &str = $name; )*

        /// All of them, in the order of a webhook's way.
        pub const CATALOGUE: &[Metric] = &[
            $( Metric { name: $constant, kind: $kind, about: $about.trim_ascii_start() }, )*
        ];
    };
}

catalogue! {
    /// Webhooks received, by `platform` and `outcome`.
    WEBHOOKS_RECEIVED_TOTAL: MetricKind::Counter, "storekeeper_webhooks_received_total";
    /// Webhooks accepted and not yet applied.
    INBOX_BACKLOG: MetricKind::Gauge, "storekeeper_inbox_backlog";
    /// Age of the oldest webhook not yet applied, in seconds.
    INBOX_OLDEST_AGE_SECONDS: MetricKind::Gauge, "storekeeper_inbox_oldest_age_seconds";
    /// Turns taken, by `temperature`.
    TURNS_TOTAL: MetricKind::Counter, "storekeeper_turns_total";
    /// Time from asking for a turn to its start.
    TURN_WAIT_SECONDS: MetricKind::Histogram(Unit::Seconds), "storekeeper_turn_wait_seconds";
    /// Stores that wait for a turn.
    TURNS_WAITING: MetricKind::Gauge, "storekeeper_turns_waiting";
    /// What a webhook is charged when its turn is over, by `temperature`: the average time that it keeps a thread busy.
    TURN_ROW_COST_SECONDS: MetricKind::Gauge, "storekeeper_turn_row_cost_seconds";
    /// Keepers in memory, by `state`; those that are `paused` or `stuck` are among the `starting` and `running`.
    KEEPERS: MetricKind::Gauge, "storekeeper_keepers";
    /// Keepers without work that were asked to leave because `keeper.running_max` was exceeded.
    KEEPERS_DISMISSED_TOTAL: MetricKind::Counter, "storekeeper_keepers_dismissed_total";
    /// Stores that are not in good standing, by `standing`.
    STANDINGS: MetricKind::Gauge, "storekeeper_standings";
    /// Steps that the rules made, by the `standing` they led to.
    STANDING_STEPS_TOTAL: MetricKind::Counter, "storekeeper_standing_steps_total";
    /// 1 while too many stores crash and nothing is done but accepting webhooks.
    SAFE_MODE: MetricKind::Gauge, "storekeeper_safe_mode";
    /// 1 while webhooks that were sent again come too fast, and applying gives way to accepting.
    RETRY_STORM: MetricKind::Gauge, "storekeeper_retry_storm";
    /// Threads of keepers that do not answer.
    ARBITERS_SILENT: MetricKind::Gauge, "storekeeper_arbiters_silent";
    /// The part of its time that keepers kept a thread busy, by `arbiter`: 1 is all of it.
    ARBITER_BUSY: MetricKind::Gauge, "storekeeper_arbiter_busy";
    /// Keepers that moved to a calmer thread.
    KEEPERS_MOVED_TOTAL: MetricKind::Counter, "storekeeper_keepers_moved_total";
    /// Keepers started again after a failure, by `reason`.
    KEEPER_RESTARTS_TOTAL: MetricKind::Counter, "storekeeper_keeper_restarts_total";
    /// Calls to the platform, by `platform` and `outcome`.
    PLATFORM_CALLS_TOTAL: MetricKind::Counter, "storekeeper_platform_calls_total";
    /// Calls that the platform refused because of its rate limit.
    PLATFORM_THROTTLED_TOTAL: MetricKind::Counter, "storekeeper_platform_throttled_total";
    /// Time that one commit took.
    COMMIT_SECONDS: MetricKind::Histogram(Unit::Seconds), "storekeeper_commit_seconds";
    /// Keepers that shared one commit.
    COMMIT_SHARES: MetricKind::Histogram(Unit::Count), "storekeeper_commit_shares";
    /// Commits refused because another keeper owns the store.
    FENCED_COMMITS_TOTAL: MetricKind::Counter, "storekeeper_fenced_commits_total";
    /// Dead letters that wait for a person.
    DEAD_LETTERS: MetricKind::Gauge, "storekeeper_dead_letters";
    /// Whether an alarm is raised (1) or not (0), by `alarm`.
    ALARMS: MetricKind::Gauge, "storekeeper_alarms";
    /// Size of the embedded database's write-ahead log, in bytes.
    WAL_BYTES: MetricKind::Gauge, "storekeeper_wal_bytes";
}

/// Label values that are known in advance, with the metric and the label. What keepers count under must be here too.
const KNOWN_LABELS: &[(&str, &str, &[&str])] = &[
    (TURNS_TOTAL, "temperature", &["naked", "cold", "hot"]),
    (
        TURN_ROW_COST_SECONDS,
        "temperature",
        &["naked", "cold", "hot"],
    ),
    (
        KEEPER_RESTARTS_TOTAL,
        "reason",
        &[
            "fenced",
            "commit_failed",
            "commit_refused",
            "panicked",
            "row_panicked",
            "load_failed",
        ],
    ),
    (
        KEEPERS,
        "state",
        &[
            "starting",
            "running",
            "paused",
            "stuck",
            "restarting",
            "quarantined",
        ],
    ),
    (
        STANDINGS,
        "standing",
        &["noisy", "quarantined", "suspended"],
    ),
    (
        STANDING_STEPS_TOTAL,
        "standing",
        &["good", "noisy", "quarantined"],
    ),
];

/// How calls to a platform end.
const CALL_OUTCOMES: &[&str] = &[
    "ok",
    "throttled",
    "unavailable",
    "ambiguous",
    "busy",
    "rejected",
    "barred",
];

/// Begins every series whose labels are known here at zero, so that a first event is seen as a rise.
pub(super) fn begin() {
    for Metric { name, kind, .. } in CATALOGUE.iter().copied() {
        let known = KNOWN_LABELS.iter().filter(|(metric, ..)| *metric == name);
        for (_, label, value) in known.flat_map(|(metric, label, values)| {
            values.iter().map(move |value| (metric, *label, *value))
        }) {
            match kind {
                MetricKind::Counter => drop(counter!(name, label => value)),
                MetricKind::Gauge => drop(gauge!(name, label => value)),
                MetricKind::Histogram(_) => drop(histogram!(name, label => value)),
            }
        }
        if !LABELLED.contains(&name) {
            match kind {
                MetricKind::Counter => drop(counter!(name)),
                MetricKind::Gauge => drop(gauge!(name)),
                MetricKind::Histogram(_) => drop(histogram!(name)),
            }
        }
    }
}

/// Begins the calls to a platform at zero.
pub fn begin_platform(platform: &'static str) {
    for outcome in CALL_OUTCOMES.iter().copied() {
        drop(counter!(PLATFORM_CALLS_TOTAL, "platform" => platform, "outcome" => outcome));
    }
}

/// Metrics that have labels.
const LABELLED: &[&str] = &[
    WEBHOOKS_RECEIVED_TOTAL,
    TURNS_TOTAL,
    TURN_ROW_COST_SECONDS,
    KEEPERS,
    STANDINGS,
    STANDING_STEPS_TOTAL,
    KEEPER_RESTARTS_TOTAL,
    PLATFORM_CALLS_TOTAL,
    ALARMS,
];

/// Tells the installed recorder what each metric means.
pub(super) fn describe() {
    for Metric { name, kind, about } in CATALOGUE.iter().copied() {
        match kind {
            MetricKind::Counter => describe_counter!(name, about),
            MetricKind::Gauge => describe_gauge!(name, about),
            MetricKind::Histogram(unit) => describe_histogram!(name, unit, about),
        }
    }
}
