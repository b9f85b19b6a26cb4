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
    /// Which stores are silent that never are.
    pub silent: Option<String>,
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
    rules: AlarmRules,
    history: VecDeque<Sample>,
    progress: Option<Progress>,
    raised: BTreeMap<Alarm, (Raised, Timestamp)>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
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
        }
    }

    /// Judges a reading; returns what turned by it.
    pub fn look(&mut self, reading: &Reading) -> Vec<Turned> {
        if let Some(totals) = reading.totals {
            self.remember(reading, totals);
        }
        let mut turned = Vec::new();
        for alarm in Alarm::ALL {
            match self.judge(alarm, reading) {
                Some(summary) => turned.extend(self.raise(alarm, reading.at, summary)),
                None => turned.extend(self.clear(alarm, reading.at)),
            }
        }
        turned
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::domain::alarm) const RULES: AlarmRules = AlarmRules {
        oldest_unapplied_ms: 300_000,
        backlog_growth: 1_000,
        growth_window_ms: 600_000,
        dead_letters: 10,
        restarts: 5,
        window_ms: 600_000,
        no_turns_ms: 60_000,
        silence_ms: 3_600_000,
        silence_periods: 3,
    };

    /// A server that is looked at every five seconds.
    struct Server {
        watch: Watch,
        now: Timestamp,
        backlog: i64,
        oldest_received_at: Option<Timestamp>,
        done: i64,
        dead: i64,
        restarts: i64,
        is_blind: bool,
    }

    impl Server {
        fn new(rules: AlarmRules) -> Self {
            Self {
                watch: Watch::new(rules),
                now: Timestamp::from_millis(1_000_000),
                backlog: 0,
                oldest_received_at: None,
                done: 100,
                dead: 40,
                restarts: 70,
                is_blind: false,
            }
        }

        /// Lets time pass; what turned, as `+alarm` and `-alarm`.
        fn pass(&mut self, seconds: i64, each: impl Fn(&mut Self)) -> Vec<String> {
            let mut turned = Vec::new();
            for _ in 0..seconds / 5 {
                self.now = self.now.plus_millis(5_000);
                each(self);
                let totals = ReadTotals {
                    oldest_received_at: self.oldest_received_at,
                    backlog: self.backlog,
                    done: self.done,
                    dead: self.dead,
                };
                let reading = Reading {
                    at: self.now,
                    totals: (!self.is_blind).then_some(totals),
                    restarts: self.restarts,
                    silent: None,
                };
                turned.extend(self.watch.look(&reading).into_iter().map(|turned| {
                    let sign = if turned.is_raised { '+' } else { '-' };
                    format!("{sign}{}", turned.raised.alarm.name())
                }));
            }
            turned
        }

        fn summaries(&self) -> Vec<&str> {
            self.watch
                .raised()
                .map(|raised| raised.summary.as_str())
                .collect()
        }
    }

    #[test]
    fn nothing_is_raised_where_all_is_well_or_old() {
        let mut server = Server::new(RULES);
        let none: [&str; 0] = [];
        let steady = |server: &mut Server| {
            server.backlog = 50;
            server.done += 10;
            server.oldest_received_at = Some(server.now.plus_millis(-2_000));
        };
        assert_eq!(server.pass(3_600, steady), none);
    }

    #[test]
    fn webhooks_that_wait_while_none_is_done_with_are_told_of_once() {
        let mut server = Server::new(RULES);
        server.backlog = 3;
        assert_eq!(server.pass(600, |_| {}), ["+no_turns"]);
        assert_eq!(
            server.summaries(),
            ["waiting: 3 webhooks; for 9 min none was done with"]
        );
        assert_eq!(server.pass(60, |server| server.done += 1), ["-no_turns"]);
        // With nothing to do nothing is late.
        server.backlog = 0;
        assert!(server.pass(600, |_| {}).is_empty());
        server.backlog = 1;
        assert!(server.pass(55, |_| {}).is_empty());
    }

    #[test]
    fn one_that_flickers_stays_raised() {
        let mut server = Server::new(RULES);
        server.backlog = 3;
        server.pass(100, |_| {});
        let flicker =
            |server: &mut Server| server.done += i64::from(server.now.as_millis() % 25_000 == 0);
        let none: [&str; 0] = [];
        server.watch.rules.no_turns_ms = 1;
        assert_eq!(server.pass(600, flicker), none);
    }

    #[test]
    fn a_webhook_that_waits_too_long_is_told_of() {
        let mut server = Server::new(RULES);
        server.oldest_received_at = Some(server.now);
        assert!(server.pass(300, |server| server.done += 1).is_empty());
        assert_eq!(
            server.pass(5, |server| server.done += 1),
            ["+oldest_unapplied"]
        );
        assert_eq!(
            server.summaries(),
            ["the oldest webhook has waited for 5 min (bound: 5 min)"]
        );
        server.oldest_received_at = None;
        assert_eq!(server.pass(60, |_| {}), ["-oldest_unapplied"]);
    }

    #[test]
    fn a_backlog_that_only_grows_is_told_of() {
        let grow = |server: &mut Server| {
            server.backlog += 10;
            server.done += 1;
        };
        let mut server = Server::new(RULES);
        assert!(
            server.pass(500, grow).is_empty(),
            "not before the window is over"
        );
        assert_eq!(server.pass(300, grow), ["+backlog_grows"]);
        let drain = |server: &mut Server| {
            server.backlog -= 20;
            server.done += 30;
        };
        assert_eq!(server.pass(120, drain), ["-backlog_grows"]);
        // One that drains now and then does not only grow.
        let mut server = Server::new(RULES);
        let saw = |server: &mut Server| {
            let falls = server.now.as_millis() % 300_000 == 0;
            server.backlog += if falls { -1_180 } else { 20 };
            server.done += 1;
        };
        server.backlog = 2_000;
        assert!(server.pass(3_600, saw).is_empty());
    }

    #[test]
    fn dead_letters_and_restarts_count_when_they_come() {
        let mut server = Server::new(RULES);
        assert!(server.pass(60, |_| {}).is_empty(), "old ones were told of");
        (server.dead, server.restarts) = (49, 74);
        assert!(server.pass(60, |_| {}).is_empty());
        (server.dead, server.restarts) = (50, 75);
        assert_eq!(server.pass(5, |_| {}), ["+dead_letters", "+restarts"]);
        assert_eq!(
            server.summaries(),
            [
                "10 dead letters within 10 min; 50 in all wait for a person",
                "5 restarts of keepers within 10 min"
            ]
        );
        assert_eq!(server.pass(900, |_| {}), ["-dead_letters", "-restarts"]);
        // Keepers that leave memory take their count with them.
        server.restarts = 2;
        assert!(server.pass(60, |_| {}).is_empty());
        server.restarts = 7;
        assert_eq!(server.pass(5, |_| {}), ["+restarts"]);
    }

    #[test]
    fn a_database_that_does_not_tell_is_told_of() {
        let mut server = Server::new(RULES);
        server.is_blind = true;
        assert_eq!(server.pass(60, |_| {}), ["+blind"]);
        server.is_blind = false;
        assert_eq!(server.pass(60, |_| {}), ["-blind"]);
    }

    #[test]
    fn a_bound_of_nought_turns_its_alarm_off() {
        let mut server = Server::new(AlarmRules {
            oldest_unapplied_ms: 0,
            backlog_growth: 0,
            dead_letters: 0,
            restarts: 0,
            no_turns_ms: 0,
            ..RULES
        });
        server.oldest_received_at = Some(Timestamp::EPOCH);
        let worse = |server: &mut Server| {
            server.backlog += 1_000;
            server.dead += 5;
            server.restarts += 5;
        };
        assert!(server.pass(3_600, worse).is_empty());
    }

    #[test]
    fn the_history_is_bounded() {
        let mut server = Server::new(RULES);
        server.pass(36_000, |_| {});
        assert!(
            server.watch.history.len() <= 202,
            "{}",
            server.watch.history.len()
        );
    }
}
