//! A server that is looked at every five seconds, and what turns.

use super::*;
use crate::clock::Timestamp;

pub(super) const RULES: AlarmRules = AlarmRules {
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
    stuck_keepers: usize,
    silent_threads: usize,
    safe_mode: Option<(usize, usize)>,
    storm: Option<(i64, i64)>,
    is_blind: bool,
    contested_stores: usize,
    other_version: bool,
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
            stuck_keepers: 0,
            silent_threads: 0,
            safe_mode: None,
            storm: None,
            is_blind: false,
            contested_stores: 0,
            other_version: false,
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
                stuck_keepers: self.stuck_keepers,
                silent_threads: self.silent_threads,
                safe_mode: self.safe_mode,
                storm: self.storm,
                silent: None,
                contested_stores: self.contested_stores,
                other_version: self.other_version,
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
fn whoever_sees_nothing_says_of_nothing_that_it_is_over() {
    let mut server = Server::new(RULES);
    server.oldest_received_at = Some(server.now);
    server.backlog = 3;
    assert_eq!(server.pass(600, |_| {}), ["+no_turns", "+oldest_unapplied"]);
    server.dead += 10;
    assert_eq!(server.pass(5, |_| {}), ["+dead_letters"]);
    server.is_blind = true;
    assert_eq!(server.pass(600, |_| {}), ["+blind"]);
    server.is_blind = false;
    (server.backlog, server.oldest_received_at) = (0, None);
    assert_eq!(
        server.pass(600, |_| {}),
        ["-blind", "-no_turns", "-oldest_unapplied", "-dead_letters"]
    );
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
fn a_clock_that_was_set_back_neither_keeps_alarms_nor_holds_them_off() {
    let mut server = Server::new(RULES);
    server.pass(60, |_| {});
    server.restarts += 5;
    assert_eq!(server.pass(5, |_| {}), ["+restarts"]);
    server.now = server.now.plus_millis(-7_200_000);
    assert_eq!(server.pass(60, |_| {}), ["-restarts"]);
    server.dead += 10;
    assert_eq!(server.pass(5, |_| {}), ["+dead_letters"]);
    server.backlog = 3;
    server.now = server.now.plus_millis(-7_200_000);
    assert_eq!(server.pass(70, |_| {}), ["-dead_letters", "+no_turns"]);
    let since = server.watch.raised().map(|raised| raised.since);
    assert!(since.into_iter().all(|since| since <= server.now));
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
fn what_is_strange_at_the_platform_is_told_of() {
    let mut server = Server::new(RULES);
    (server.contested_stores, server.other_version) = (3, true);
    let raised = server.pass(5, |_| {});
    assert_eq!(raised, ["+contested_levels", "+other_version"]);
    let first = "stores where another program keeps changing levels of bundles back: 3";
    assert_eq!(server.summaries()[0], first);
    (server.contested_stores, server.other_version) = (0, false);
    let over = server.pass(60, |_| {});
    assert_eq!(over, ["-contested_levels", "-other_version"]);
}

#[test]
fn what_the_patrol_finds_is_told_of() {
    let mut server = Server::new(RULES);
    (server.stuck_keepers, server.silent_threads) = (2, 1);
    server.safe_mode = Some((30, 100));
    let raised = server.pass(5, |_| {});
    assert_eq!(raised, ["+safe_mode", "+silent_threads", "+stuck_keepers"]);
    assert_eq!(
        server.summaries(),
        [
            "safe mode: 30 of 100 stores crashed; webhooks are accepted and nothing else is done",
            "keepers' threads that do not answer: 1; the stores on them stand still",
            "keepers that have work in hand and move nothing: 2"
        ]
    );
    (server.stuck_keepers, server.silent_threads) = (0, 0);
    server.safe_mode = None;
    let over = server.pass(60, |_| {});
    assert_eq!(over, ["-safe_mode", "-silent_threads", "-stuck_keepers"]);
}

#[test]
fn a_retry_storm_is_told_of() {
    let mut server = Server::new(RULES);
    server.storm = Some((60, 100));
    assert_eq!(server.pass(5, |_| {}), ["+retry_storm"]);
    let told = "retry storm: 60 of 100 webhooks were sent again, and accepted late; \
                all are accepted, and applied slowly meanwhile";
    assert_eq!(server.summaries(), [told]);
    server.storm = None;
    assert_eq!(server.pass(60, |_| {}), ["-retry_storm"]);
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
