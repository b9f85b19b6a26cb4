//! Why a store waits, in one sentence with the instant at which that ends: one pure function over what is known of it.

use crate::clock::Timestamp;
use crate::domain::store::observation::{Observation, Wait, WaitKind};
use crate::domain::store::state::Pause;
use crate::http::keeper_row::age_text;
use crate::keeper::{KeeperState, KeeperStatus, SafeModeStatus, TurnPlace};

/// Everything that the answer is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation<'a> {
    pub(crate) now: Timestamp,
    /// `None`: nobody has asked for the store since the process started.
    pub(crate) status: Option<&'a KeeperStatus>,
    pub(crate) safe_mode: Option<SafeModeStatus>,
    /// Applying gives way to accepting.
    pub(crate) is_storm: bool,
    /// Webhooks accepted and not yet applied.
    pub(crate) backlog: i64,
    pub(crate) oldest_age_ms: Option<i64>,
    pub(crate) parked: i64,
    /// Its place in the line for turns, while it stands there.
    pub(crate) turn: Option<TurnPlace>,
    /// Who paused it, or put it into quarantine, as the audit tells.
    pub(crate) decided: Option<Decided<'a>>,
}

/// What an operator decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided<'a> {
    pub(crate) who: &'a str,
    pub(crate) reason: &'a str,
}

/// What a store waits for, by its stable name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    SafeMode,
    Quarantined,
    Restarting,
    Stuck,
    Starting,
    Paused,
    Barred,
    Uninstalled,
    RetryStorm,
    Turn,
    Held,
    Working,
    BackOff,
    Answer,
    Tokens,
    Call,
    Parked,
    Question,
    Scheduled,
    Waking,
    Nothing,
}

impl Cause {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SafeMode => "safe_mode",
            Self::Quarantined => "quarantined",
            Self::Restarting => "restarting",
            Self::Stuck => "stuck",
            Self::Starting => "starting",
            Self::Paused => "paused",
            Self::Barred => "barred",
            Self::Uninstalled => "uninstalled",
            Self::RetryStorm => "retry_storm",
            Self::Turn => "turn",
            Self::Held => "held",
            Self::Working => "working",
            Self::BackOff => "back_off",
            Self::Answer => "answer",
            Self::Tokens => "tokens",
            Self::Call => "call",
            Self::Parked => "parked",
            Self::Question => "question",
            Self::Scheduled => "scheduled",
            Self::Waking => "waking",
            Self::Nothing => "nothing",
        }
    }

    /// Whether nobody needs to look: it has nothing to do before its time.
    pub(crate) const fn is_rest(self) -> bool {
        matches!(self, Self::Scheduled | Self::Nothing)
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Why {
    pub(crate) cause: Cause,
    /// One sentence for people; when it ends is not in it.
    pub(crate) sentence: String,
    /// When that ends, if it is known.
    pub(crate) until: Option<Timestamp>,
}

impl Why {
    fn new(cause: Cause, sentence: impl Into<String>, until: Option<Timestamp>) -> Self {
        Self {
            cause,
            sentence: sentence.into(),
            until,
        }
    }

    /// How long that takes still, as people read it.
    pub(crate) fn eta(&self, now: Timestamp) -> Option<String> {
        let left_ms = self.until?.millis_since(now).max(0);
        Some(if left_ms < 1_000 {
            "within a second".to_owned()
        } else {
            format!("in {}", age_text(Some(left_ms)))
        })
    }
}

/// Why a store waits: the nearest obstacle, or that there is none.
pub(crate) fn why(situation: &Situation<'_>) -> Why {
    if let Some(safe_mode) = situation.safe_mode {
        let (crashed, of) = (safe_mode.crashed, safe_mode.of);
        let sentence = format!(
            "safe mode holds because {crashed} of {of} stores crashed: webhooks are accepted, nothing else is done"
        );
        return Why::new(Cause::SafeMode, sentence, Some(safe_mode.until));
    }
    let Some(status) = situation.status else {
        return without_keeper(situation);
    };
    if let Some(stuck) = status.stuck {
        let since_ms = situation.now.millis_since(stuck.since).max(0);
        let (doing, since) = (stuck.doing.text(), age_text(Some(since_ms)));
        let sentence = format!("its keeper has been at {doing} for {since} and moves nothing");
        return Why::new(Cause::Stuck, sentence, None);
    }
    match status.state {
        KeeperState::Quarantined { until } => {
            let what = match situation.decided {
                Some(Decided { who, reason }) => format!("{who} put it into quarantine: {reason}"),
                None => format!(
                    "its keeper is in quarantine{}",
                    after(status.last_error.as_deref())
                ),
            };
            let sentence = format!("{what}; webhooks are accepted meanwhile");
            Why::new(Cause::Quarantined, sentence, Some(until))
        }
        KeeperState::Restarting { until } => {
            let sentence = format!(
                "its keeper crashed{} and is started anew",
                after(status.last_error.as_deref())
            );
            Why::new(Cause::Restarting, sentence, Some(until))
        }
        KeeperState::Starting => Why::new(
            Cause::Starting,
            "its keeper reads the store from the database",
            None,
        ),
        KeeperState::Stopped => without_keeper(situation),
        KeeperState::Running => running(situation, status),
    }
}

fn after(error: Option<&str>) -> String {
    error
        .map(|error| format!(" after: {error}"))
        .unwrap_or_default()
}

fn without_keeper(situation: &Situation<'_>) -> Why {
    if situation.backlog > 0 {
        let sentence = format!("{}; its keeper is about to be woken", rows(situation));
        return Why::new(Cause::Waking, sentence, None);
    }
    Why::new(
        Cause::Nothing,
        "nothing to do: everything received is applied, and its keeper sleeps",
        None,
    )
}

fn running(situation: &Situation<'_>, status: &KeeperStatus) -> Why {
    let observation = status.observation.as_deref();
    if let Some(pause) = observation.and_then(|observation| observation.paused.as_ref()) {
        return paused(situation, pause);
    }
    if let Some(held) = held(situation, status) {
        return held;
    }
    if situation.is_storm && situation.backlog > 0 {
        let sentence = format!(
            "{}; webhooks that were sent again come too fast, so all are accepted first and applied slowly",
            rows(situation)
        );
        return Why::new(Cause::RetryStorm, sentence, None);
    }
    if let Some(place) = situation.turn {
        let sentence = match place.ahead {
            0 => format!("{}; it is next in line for a turn", rows(situation)),
            ahead => format!(
                "{}; {ahead} of the {} stores in line for a turn are ahead of it",
                rows(situation),
                place.waiting
            ),
        };
        return Why::new(Cause::Turn, sentence, None);
    }
    if situation.backlog > 0 {
        let sentence = format!("it is at work: {}", rows(situation));
        return Why::new(Cause::Working, sentence, None);
    }
    let wait = observation.and_then(|observation| observation.waits_for.as_ref());
    match (observation, wait) {
        (Some(observation), Some(wait)) => calls(situation, observation, wait),
        (None, _) | (_, None) => at_rest(situation),
    }
}

/// Webhooks beyond the day's allowance, where the store's standing has them held.
fn held(situation: &Situation<'_>, status: &KeeperStatus) -> Option<Why> {
    let today = status.today?.still(situation.now)?;
    let until = today.held_until.filter(|_| situation.backlog > 0)?;
    let allowance = today.allowance.unwrap_or_default();
    let standing = status.standing(situation.now).name();
    let sentence = format!(
        "{}, held because the day's allowance of {allowance} is used up and its standing is {standing}",
        rows(situation)
    );
    Some(Why::new(Cause::Held, sentence, Some(until)))
}

fn paused(situation: &Situation<'_>, pause: &Pause) -> Why {
    match pause {
        Pause::ByAdmin { reason } => {
            let who = situation
                .decided
                .map_or("an operator", |decided| decided.who);
            let sentence = format!(
                "{who} paused it: {reason}; webhooks are applied, calls wait until somebody resumes it"
            );
            Why::new(Cause::Paused, sentence, None)
        }
        Pause::Barred(bar) => {
            let sentence = format!(
                "the platform refuses every call because {}; a person must mend that",
                bar.name()
            );
            Why::new(Cause::Barred, sentence, None)
        }
        Pause::Uninstalled => Why::new(
            Cause::Uninstalled,
            "the merchant uninstalled the app, and must install it again",
            None,
        ),
    }
}

/// What keeps a store busy that has applied everything.
fn calls(situation: &Situation<'_>, observation: &Observation, wait: &Wait) -> Why {
    let until = wait.until;
    let is_due = until.is_some_and(|until| until <= situation.now);
    match wait.kind {
        WaitKind::Person => at_rest(situation),
        WaitKind::BackOff => {
            let sentence = format!("calls rest after a failure: {}", wait.reason);
            Why::new(Cause::BackOff, sentence, until)
        }
        WaitKind::Answer => Why::new(
            Cause::Answer,
            "a call is under way, and the platform has not answered yet",
            None,
        ),
        WaitKind::Tokens => {
            let sentence = format!(
                "the platform's rate limit is used up{}",
                fullest(observation)
            );
            Why::new(Cause::Tokens, sentence, until)
        }
        WaitKind::Call => Why::new(Cause::Call, "its next call is about to be made", until),
        WaitKind::Order | WaitKind::Item | WaitKind::Locations => Why::new(
            Cause::Question,
            format!("it waits for {}", wait.reason),
            until,
        ),
        WaitKind::Contested => {
            Why::new(Cause::Question, format!("it waits {}", wait.reason), until)
        }
        WaitKind::Parked => {
            let sentence = format!("{} to be tried again", parked(situation.parked));
            Why::new(Cause::Parked, sentence, until)
        }
        WaitKind::Schedule if is_due => at_rest(situation),
        WaitKind::Schedule => Why::new(
            Cause::Scheduled,
            "nothing to do: everything received is applied; next is the sweep, or a retry",
            until,
        ),
    }
}

fn at_rest(situation: &Situation<'_>) -> Why {
    if situation.parked > 0 {
        let sentence = format!(
            "{} that name something not known yet: the platform is asked",
            parked(situation.parked)
        );
        return Why::new(Cause::Parked, sentence, None);
    }
    Why::new(
        Cause::Nothing,
        "nothing to do: everything received is applied",
        None,
    )
}

fn rows(situation: &Situation<'_>) -> String {
    let oldest = match situation.oldest_age_ms {
        Some(age_ms) => format!(", the oldest for {}", age_text(Some(age_ms))),
        None => String::new(),
    };
    match situation.backlog {
        1 => format!("1 webhook waits{oldest}"),
        backlog => format!("{backlog} webhooks wait{oldest}"),
    }
}

fn parked(count: i64) -> String {
    match count {
        1 => "1 parked webhook".to_owned(),
        count => format!("{count} parked webhooks"),
    }
}

/// The bucket that has the least left.
fn fullest(observation: &Observation) -> String {
    let least_left = |(_name, bucket): &(&String, &_)| {
        let bucket: &crate::domain::store::observation::BucketView = bucket;
        (bucket.size - bucket.used).max(0).saturating_mul(1_000) / bucket.size.max(1)
    };
    let fullest = observation.buckets.iter().min_by_key(least_left);
    fullest
        .map(|(name, bucket)| format!(": {} of {} in `{name}`", bucket.used, bucket.size))
        .unwrap_or_default()
}
