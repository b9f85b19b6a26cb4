//! Which alarms there are, and their bounds.

/// An alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// The database does not tell how the stores are.
    Blind,
    /// Too many stores crash: webhooks are accepted, and nothing else is done.
    SafeMode,
    /// Webhooks that were sent again come too fast: they are accepted, and applied slowly.
    RetryStorm,
    /// Threads of keepers do not answer.
    SilentThreads,
    /// Webhooks wait, and none was done with for a while.
    NoTurns,
    /// The oldest webhook that waits is too old.
    OldestUnapplied,
    /// More webhooks come than are applied, for long.
    BacklogGrows,
    /// Keepers have work in hand and move nothing.
    StuckKeepers,
    /// Webhooks were given up.
    DeadLetters,
    /// Keepers were started anew.
    Restarts,
    /// A store that always has webhooks has none.
    SilentStores,
    /// Another program keeps changing levels of bundles back, which are left alone meanwhile.
    ContestedLevels,
    /// The platform answers by another version of its API than it is asked for.
    OtherVersion,
}

impl Alarm {
    /// The most pressing first.
    pub const ALL: [Self; 13] = [
        Self::Blind,
        Self::SafeMode,
        Self::RetryStorm,
        Self::SilentThreads,
        Self::NoTurns,
        Self::OldestUnapplied,
        Self::BacklogGrows,
        Self::StuckKeepers,
        Self::DeadLetters,
        Self::Restarts,
        Self::SilentStores,
        Self::ContestedLevels,
        Self::OtherVersion,
    ];

    /// Its stable name, for metrics and programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blind => "blind",
            Self::SafeMode => "safe_mode",
            Self::RetryStorm => "retry_storm",
            Self::SilentThreads => "silent_threads",
            Self::NoTurns => "no_turns",
            Self::OldestUnapplied => "oldest_unapplied",
            Self::BacklogGrows => "backlog_grows",
            Self::StuckKeepers => "stuck_keepers",
            Self::DeadLetters => "dead_letters",
            Self::Restarts => "restarts",
            Self::SilentStores => "silent_stores",
            Self::ContestedLevels => "contested_levels",
            Self::OtherVersion => "other_version",
        }
    }

    /// Whether it is judged by what the database tells.
    pub(super) const fn needs_totals(self) -> bool {
        match self {
            Self::NoTurns | Self::OldestUnapplied | Self::BacklogGrows | Self::DeadLetters => true,
            Self::Blind
            | Self::SafeMode
            | Self::RetryStorm
            | Self::SilentThreads
            | Self::StuckKeepers
            | Self::Restarts
            | Self::SilentStores
            | Self::ContestedLevels
            | Self::OtherVersion => false,
        }
    }
}

/// When alarms are raised. A bound of 0 turns its alarm off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlarmRules {
    /// The oldest webhook that waits is older than this, milliseconds.
    pub oldest_unapplied_ms: i64,
    /// The backlog did not fall for `growth_window_ms` and grew by so many webhooks.
    pub backlog_growth: i64,
    pub growth_window_ms: i64,
    /// So many dead letters, or restarts of keepers, came within `window_ms`.
    pub dead_letters: i64,
    pub restarts: i64,
    pub window_ms: i64,
    /// Webhooks wait, and for so long none was done with, milliseconds.
    pub no_turns_ms: i64,
    /// A store that had webhooks in each of `silence_periods` periods of this length has none in the next one,
    /// milliseconds.
    pub silence_ms: i64,
    pub silence_periods: u32,
}
