//! Judging one reading after the other: what is raised, since when, and what is over.

use std::collections::{BTreeMap, VecDeque};

use crate::clock::Timestamp;
use crate::domain::alarm::{Alarm, AlarmRules};

/// An alarm is over when nothing has spoken for it for so long, milliseconds: one that flickers stays raised.
const CLEAR_MS: i64 = 30_000;
/// The history is kept in about so many readings.
const READINGS: i64 = 200;

/// A few numbers of the whole server at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub at: Timestamp,
    /// `None`: the database did not tell.
    pub totals: Option<ReadTotals>,
    /// Starts of keepers after a crash, since the process began.
    pub restarts: i64,
    /// Keepers that have work in hand and move nothing.
    pub stuck_keepers: usize,
    /// Threads of keepers that do not answer.
    pub silent_threads: usize,
    /// How many of how many stores crashed, when for that nothing is done but accepting.
    pub safe_mode: Option<(usize, usize)>,
    /// How many of how many webhooks were sent again, when for that applying gives way to accepting.
    pub storm: Option<(i64, i64)>,
    /// Which stores are silent that never are.
    pub silent: Option<String>,
    /// Stores with levels that somebody else keeps changing back.
    pub contested_stores: usize,
    /// The platform answers by another version of its API than it is asked for.
    pub other_version: bool,
}

/// What the database tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadTotals {
    pub oldest_received_at: Option<Timestamp>,
    pub backlog: i64,
    /// Webhooks that keepers are done with, ever.
    pub done: i64,
    /// Dead letters that wait for a person.
    pub dead: i64,
}

/// An alarm that is raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raised {
    pub alarm: Alarm,
    pub since: Timestamp,
    /// One sentence for a person.
    pub summary: String,
}

/// An alarm was raised, or is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turned {
    pub is_raised: bool,
    pub raised: Raised,
}

/// What was read of late, and what is raised.
#[derive(Debug)]
pub struct Watch {
    pub(super) rules: AlarmRules,
    pub(super) history: VecDeque<Sample>,
    progress: Option<Progress>,
    raised: BTreeMap<Alarm, (Raised, Timestamp)>,
    looked_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    at: Timestamp,
    backlog: i64,
    dead: i64,
    restarts: i64,
}

/// How many webhooks were done with, and since when it is so.
#[derive(Clone, Copy, Debug)]
struct Progress {
    done: i64,
    since: Timestamp,
}

impl Watch {
    /// Nothing is raised.
    #[must_use]
    pub const fn new(rules: AlarmRules) -> Self {
        Self {
            rules,
            history: VecDeque::new(),
            progress: None,
            raised: BTreeMap::new(),
            looked_at: None,
        }
    }

    /// Judges a reading; returns what turned by it.
    pub fn look(&mut self, reading: &Reading) -> Vec<Turned> {
        let before = self.looked_at.replace(reading.at);
        if before.is_some_and(|before| reading.at < before) {
            self.begin_anew(reading.at);
        }
        if let Some(totals) = reading.totals {
            self.remember(reading, totals);
        }
        let mut turned = Vec::new();
        for alarm in Alarm::ALL {
            if reading.totals.is_none() && alarm.needs_totals() {
                // Whoever sees nothing cannot say that it is over.
                self.keep(alarm, reading.at);
                continue;
            }
            match self.judge(alarm, reading) {
                Some(summary) => turned.extend(self.raise(alarm, reading.at, summary)),
                None => turned.extend(self.clear(alarm, reading.at)),
            }
        }
        turned
    }

    /// The clock was set back: what was read bears stamps that are still to come, and says nothing of how long ago it
    /// was.
    fn begin_anew(&mut self, now: Timestamp) {
        self.history.clear();
        if let Some(progress) = &mut self.progress {
            progress.since = now;
        }
        for (raised, seen_at) in self.raised.values_mut() {
            raised.since = raised.since.min(now);
            *seen_at = now;
        }
    }

    fn keep(&mut self, alarm: Alarm, now: Timestamp) {
        if let Some((_, seen_at)) = self.raised.get_mut(&alarm) {
            *seen_at = now;
        }
    }

    /// What is raised, the most pressing first.
    pub fn raised(&self) -> impl Iterator<Item = &Raised> {
        self.raised.values().map(|(raised, _)| raised)
    }

    fn raise(&mut self, alarm: Alarm, now: Timestamp, summary: String) -> Option<Turned> {
        if let Some((raised, seen_at)) = self.raised.get_mut(&alarm) {
            raised.summary = summary;
            *seen_at = now;
            return None;
        }
        let raised = Raised {
            alarm,
            since: now,
            summary,
        };
        self.raised.insert(alarm, (raised.clone(), now));
        Some(Turned {
            is_raised: true,
            raised,
        })
    }

    fn clear(&mut self, alarm: Alarm, now: Timestamp) -> Option<Turned> {
        let (_, seen_at) = self.raised.get(&alarm)?;
        if now.millis_since(*seen_at) < CLEAR_MS {
            return None;
        }
        let (raised, _) = self.raised.remove(&alarm)?;
        Some(Turned {
            is_raised: false,
            raised,
        })
    }

    fn remember(&mut self, reading: &Reading, totals: ReadTotals) {
        let longest_ms = self.rules.window_ms.max(self.rules.growth_window_ms);
        let too_old = |sample: &Sample| reading.at.millis_since(sample.at) > longest_ms;
        while self.history.front().is_some_and(too_old) {
            self.history.pop_front();
        }
        let is_worth_it = |last: &Sample| reading.at.millis_since(last.at) >= longest_ms / READINGS;
        if self.history.back().is_none_or(is_worth_it) {
            self.history.push_back(Sample {
                at: reading.at,
                backlog: totals.backlog,
                dead: totals.dead,
                restarts: reading.restarts,
            });
        }
        let moved = self
            .progress
            .is_none_or(|before| before.done != totals.done);
        if moved || totals.backlog == 0 {
            self.progress = Some(Progress {
                done: totals.done,
                since: reading.at,
            });
        }
    }

    /// Whether something speaks for the alarm, and what.
    fn judge(&self, alarm: Alarm, reading: &Reading) -> Option<String> {
        match alarm {
            Alarm::Blind => reading
                .totals
                .is_none()
                .then(|| "the database does not tell how the stores are".to_owned()),
            Alarm::SilentStores => reading.silent.clone(),
            Alarm::SafeMode => reading.safe_mode.map(|(crashed, of)| {
                format!("safe mode: {crashed} of {of} stores crashed; webhooks are accepted and nothing else is done")
            }),
            Alarm::RetryStorm => reading.storm.map(|(resent, of)| {
                format!("retry storm: {resent} of {of} webhooks were sent again, and accepted late; all are accepted, and applied slowly meanwhile")
            }),
            Alarm::SilentThreads => some(reading.silent_threads).map(|threads| {
                format!("keepers' threads that do not answer: {threads}; the stores on them stand still")
            }),
            Alarm::StuckKeepers => some(reading.stuck_keepers)
                .map(|keepers| format!("keepers that have work in hand and move nothing: {keepers}")),
            Alarm::ContestedLevels => some(reading.contested_stores).map(|stores| {
                format!("stores where another program keeps changing levels of bundles back: {stores}")
            }),
            Alarm::OtherVersion => reading.other_version.then(|| {
                "the platform answers by another version of its API than it is asked for; the log names it".to_owned()
            }),
            Alarm::NoTurns => self.no_turns(reading),
            Alarm::OldestUnapplied => self.oldest_unapplied(reading),
            Alarm::BacklogGrows => self.backlog_grows(reading),
            Alarm::DeadLetters => self.dead_letters(reading),
            Alarm::Restarts => self.restarts(reading),
        }
    }

    fn no_turns(&self, reading: &Reading) -> Option<String> {
        let (totals, progress) = (reading.totals?, self.progress?);
        let still_ms = reading.at.millis_since(progress.since);
        let is_still = exceeds(still_ms, self.rules.no_turns_ms) && totals.backlog > 0;
        is_still.then(|| {
            let (waiting, span) = (number(totals.backlog, "webhook"), span(still_ms));
            format!("waiting: {waiting}; for {span} none was done with")
        })
    }

    fn oldest_unapplied(&self, reading: &Reading) -> Option<String> {
        let age_ms = reading.at.millis_since(reading.totals?.oldest_received_at?);
        let bound_ms = self.rules.oldest_unapplied_ms;
        exceeds(age_ms, bound_ms).then(|| {
            let (age, bound) = (span(age_ms), span(bound_ms));
            format!("the oldest webhook has waited for {age} (bound: {bound})")
        })
    }

    fn backlog_grows(&self, reading: &Reading) -> Option<String> {
        let backlog = reading.totals?.backlog;
        let window_ms = self.rules.growth_window_ms;
        let since = |sample: &&Sample| reading.at.millis_since(sample.at) <= window_ms;
        let first = self.history.iter().find(since)?;
        let fell = self
            .history
            .iter()
            .filter(since)
            .any(|sample| sample.backlog < first.backlog);
        let spans_it = reading.at.millis_since(first.at) >= window_ms - window_ms / 10;
        let grown = backlog - first.backlog;
        let grows = exceeds(grown, self.rules.backlog_growth) && spans_it && !fell;
        grows.then(|| {
            let window = span(window_ms);
            format!("the backlog grew by {grown} to {backlog} webhooks within {window}")
        })
    }

    fn dead_letters(&self, reading: &Reading) -> Option<String> {
        let dead = reading.totals?.dead;
        let grown = self.risen(reading.at, dead, |sample| sample.dead)?;
        let came = grown >= self.rules.dead_letters && self.rules.dead_letters > 0;
        came.then(|| {
            let window = span(self.rules.window_ms);
            let came = number(grown, "dead letter");
            format!("{came} within {window}; {dead} in all wait for a person")
        })
    }

    fn restarts(&self, reading: &Reading) -> Option<String> {
        let grown = self.risen(reading.at, reading.restarts, |sample| sample.restarts)?;
        let came = grown >= self.rules.restarts && self.rules.restarts > 0;
        came.then(|| {
            let window = span(self.rules.window_ms);
            let restarts = number(grown, "restart");
            format!("{restarts} of keepers within {window}")
        })
    }

    /// By how much a number rose within the window, from its lowest.
    fn risen(&self, now: Timestamp, to: i64, number: impl Fn(&Sample) -> i64) -> Option<i64> {
        let since = |sample: &&Sample| now.millis_since(sample.at) <= self.rules.window_ms;
        let lowest = self.history.iter().filter(since).map(number).min()?;
        Some(to - lowest)
    }
}

fn some(count: usize) -> Option<usize> {
    (count > 0).then_some(count)
}

const fn exceeds(value: i64, bound: i64) -> bool {
    bound > 0 && value > bound
}

/// So many of something.
fn number(count: i64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// A duration as people say it.
fn span(millis: i64) -> String {
    let seconds = millis / 1_000;
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200.. => format!("{} h", seconds / 3_600),
    }
}
