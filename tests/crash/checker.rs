//! Judges a run by what was read after it. Pure: it knows neither server, database nor platform.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What can be wrong with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Ids answered 200 `accepted` are absent.
    AckBeforeCommit,
    /// One delivery id has two inbox rows.
    DedupOff,
    /// A keeper committed that was not the store's last.
    FenceOff,
    /// More was called than the platform allows.
    BucketForgotten,
    /// Commits may be lost in a power cut, so the server was not ready when it started.
    DurabilityOff,
    /// The log's numbers are not 1, 2, 3, …
    BrokenLog,
    /// Accepted, but not applied: behind the cursor's back, parked or dead.
    NotApplied,
    /// One idempotency key took effect twice.
    AppliedTwice,
    /// Levels are not what the independent reference says.
    LevelsDiffer,
    /// Rows behind the cursor, or calls without an answer, are left.
    BacklogLeft,
    /// The oracle's log is incomplete, so that nothing can be said.
    OracleTruncated,
}

impl Fault {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AckBeforeCommit => "ack before commit",
            Self::DedupOff => "dedup off",
            Self::FenceOff => "fence off",
            Self::BucketForgotten => "bucket forgotten over a restart",
            Self::DurabilityOff => "durability off",
            Self::BrokenLog => "broken log",
            Self::NotApplied => "accepted but not applied",
            Self::AppliedTwice => "applied twice",
            Self::LevelsDiffer => "levels differ",
            Self::BacklogLeft => "backlog left",
            Self::OracleTruncated => "oracle truncated",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) fault: Fault,
    /// The first counter-example.
    pub(crate) example: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.fault.name(), self.example)
    }
}

/// Everything that was read after a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) stores: Vec<StoreEvidence>,
    /// What the server said, at each start, of the durability of its commits; empty when it had nothing to say.
    pub(crate) durability_complaints: Vec<String>,
}

/// What was read of one store.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoreEvidence {
    pub(crate) domain: String,
    /// Delivery ids that the platform saw answered 200 `accepted`.
    pub(crate) accepted: BTreeSet<String>,
    /// Delivery ids that the database knows.
    pub(crate) known: BTreeSet<String>,
    /// Every inbox row there ever was, with its number.
    pub(crate) rows: Vec<(i64, String)>,
    /// The number that the next row will get.
    pub(crate) next_seq: i64,
    pub(crate) parked: i64,
    pub(crate) dead: i64,
    pub(crate) open_calls: i64,
    /// The keeper's row after each change, in order.
    pub(crate) keeper: Vec<KeeperVersion>,
    /// Idempotency keys whose write was carried out, as often as it was.
    pub(crate) effects: Vec<String>,
    /// Calls that the platform refused for their number.
    pub(crate) throttled: usize,
    /// Levels that are not right, described.
    pub(crate) drift: Vec<String>,
    /// Entries that the oracle could not keep.
    pub(crate) truncated: u64,
}

/// A keeper's row at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeeperVersion {
    pub(crate) grant: Option<String>,
    pub(crate) applied_seq: i64,
    pub(crate) cursor: i64,
    /// Who wrote it, where writers can be told apart.
    pub(crate) author: String,
}

/// Everything that is wrong, at most one finding for each fault of a store.
pub(crate) fn check(evidence: &Evidence) -> Vec<Finding> {
    let durability = evidence.durability_complaints.first();
    let durability = durability.map(|complaint| Finding {
        fault: Fault::DurabilityOff,
        example: complaint.clone(),
    });
    let of_stores = evidence.stores.iter().flat_map(check_store);
    durability.into_iter().chain(of_stores).collect()
}

fn check_store(store: &StoreEvidence) -> Vec<Finding> {
    let checks: [(Fault, Option<String>); 10] = [
        (Fault::OracleTruncated, truncated(store)),
        (Fault::AckBeforeCommit, acknowledged_and_absent(store)),
        (Fault::DedupOff, twice_in_the_inbox(store)),
        (Fault::FenceOff, committed_by_another(&store.keeper)),
        (Fault::BucketForgotten, throttled(store)),
        (Fault::BrokenLog, broken_log(store)),
        (Fault::NotApplied, not_applied(store)),
        (Fault::AppliedTwice, repeated(&store.effects)),
        (Fault::LevelsDiffer, store.drift.first().cloned()),
        (Fault::BacklogLeft, backlog(store)),
    ];
    let finding = |(fault, example): (Fault, Option<String>)| {
        example.map(|example| Finding {
            fault,
            example: format!("{}: {example}", store.domain),
        })
    };
    checks.into_iter().filter_map(finding).collect()
}

fn truncated(store: &StoreEvidence) -> Option<String> {
    (store.truncated > 0).then(|| format!("{} entries", store.truncated))
}

fn acknowledged_and_absent(store: &StoreEvidence) -> Option<String> {
    let rows: BTreeSet<&String> = store.rows.iter().map(|(_, id)| id).collect();
    let is_absent = |id: &&String| !store.known.contains(*id) && !rows.contains(*id);
    let absent: Vec<_> = store.accepted.iter().filter(is_absent).collect();
    let first = absent.first()?;
    Some(format!("{first} and {} more", absent.len() - 1))
}

fn twice_in_the_inbox(store: &StoreEvidence) -> Option<String> {
    let ids: Vec<String> = store.rows.iter().map(|(_, id)| id.clone()).collect();
    repeated(&ids)
}

/// The first that is there more than once.
fn repeated(all: &[String]) -> Option<String> {
    let mut times: BTreeMap<&String, usize> = BTreeMap::new();
    for one in all {
        *times.entry(one).or_default() += 1;
    }
    let mut repeated = times.into_iter().filter(|(_, times)| *times > 1);
    let (first, often) = repeated.next()?;
    Some(format!(
        "{first} {often} times, and {} more",
        repeated.count()
    ))
}

/// Each commit is one step from the one before it, never back, and by whoever took the store last.
fn committed_by_another(versions: &[KeeperVersion]) -> Option<String> {
    let mut owner = versions.first()?.author.clone();
    for pair in versions.windows(2) {
        let [before, after] = pair else { continue };
        if before.grant != after.grant {
            owner.clone_from(&after.author);
        }
        let is_commit = before.applied_seq != after.applied_seq;
        let wrong = after.cursor < before.cursor
            || (is_commit
                && (after.applied_seq != before.applied_seq + 1 || after.author != owner));
        if wrong {
            return Some(format!("{after:?} after {before:?}, owned by {owner:?}"));
        }
    }
    None
}

fn throttled(store: &StoreEvidence) -> Option<String> {
    (store.throttled > 0).then(|| format!("{} calls refused", store.throttled))
}

/// Numbers are given out without gaps and each to one row, up to the head.
fn broken_log(store: &StoreEvidence) -> Option<String> {
    let numbers: Vec<i64> = store.rows.iter().map(|(seq, _)| *seq).collect();
    let whole = numbers.iter().copied().eq(1..store.next_seq);
    (!whole).then(|| format!("next {} after {} rows", store.next_seq, numbers.len()))
}

fn not_applied(store: &StoreEvidence) -> Option<String> {
    let cursor = cursor(store);
    let behind = |(seq, id): &&(i64, String)| *seq > cursor && store.accepted.contains(id);
    let waiting = store.rows.iter().find(behind);
    let waiting = waiting.map(|(seq, id)| format!("{id}, number {seq} after cursor {cursor}"));
    let (parked, dead) = (store.parked, store.dead);
    let aside = (parked + dead > 0).then(|| format!("{parked} parked, {dead} dead"));
    waiting.or(aside)
}

fn backlog(store: &StoreEvidence) -> Option<String> {
    let rows = store.next_seq - 1 - cursor(store);
    let calls = store.open_calls;
    (rows + calls > 0).then(|| format!("{rows} rows, {calls} calls"))
}

fn cursor(store: &StoreEvidence) -> i64 {
    store.keeper.last().map_or(0, |version| version.cursor)
}

/// Fails with all findings and what repeats the run.
#[track_caller]
pub(crate) fn assert_clean(evidence: &Evidence, seed: u64) {
    let findings: Vec<String> = check(evidence).iter().map(Finding::to_string).collect();
    assert!(
        findings.is_empty(),
        "STOREKEEPER_TEST_SEED={seed}\n{}",
        findings.join("\n")
    );
}

/// Fails unless this fault is among the findings, and prints its example.
#[track_caller]
pub(crate) fn assert_caught(evidence: &Evidence, fault: Fault) {
    let findings = check(evidence);
    let found = findings.iter().find(|finding| finding.fault == fault);
    let found = found.unwrap_or_else(|| panic!("{} was not caught: {findings:?}", fault.name()));
    println!("caught {found}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(grant: &str, applied_seq: i64, cursor: i64, author: &str) -> KeeperVersion {
        KeeperVersion {
            grant: Some(grant.to_owned()),
            applied_seq,
            cursor,
            author: author.to_owned(),
        }
    }

    /// Two webhooks, accepted and applied.
    fn sound() -> StoreEvidence {
        let ids = ["a", "b"].map(str::to_owned);
        StoreEvidence {
            domain: "shop".to_owned(),
            accepted: ids.iter().cloned().collect(),
            known: ids.iter().cloned().collect(),
            rows: (1..).zip(ids).collect(),
            next_seq: 3,
            keeper: vec![version("first", 0, 0, "us"), version("first", 1, 2, "us")],
            effects: vec!["key".to_owned()],
            ..StoreEvidence::default()
        }
    }

    fn names(change: impl FnOnce(&mut StoreEvidence)) -> Vec<&'static str> {
        let mut store = sound();
        change(&mut store);
        let evidence = Evidence {
            stores: vec![store],
            ..Evidence::default()
        };
        let findings = check(&evidence);
        findings.iter().map(|found| found.fault.name()).collect()
    }

    #[test]
    fn a_sound_run_is_clean() {
        assert_eq!(names(|_| {}), [""; 0]);
    }

    #[test]
    fn each_fault_is_found_by_its_name() {
        let absent = |store: &mut StoreEvidence| store.accepted.extend(["c".to_owned()]);
        assert_eq!(names(absent), ["ack before commit"]);
        let twice = |store: &mut StoreEvidence| store.rows[1].1 = "a".to_owned();
        assert_eq!(names(twice), ["dedup off"]);
        let gap = |store: &mut StoreEvidence| drop(store.rows.remove(0));
        assert_eq!(names(gap), ["broken log"]);
        let refused = |store: &mut StoreEvidence| store.throttled = 1;
        assert_eq!(names(refused), ["bucket forgotten over a restart"]);
        let again = |store: &mut StoreEvidence| store.effects.push("key".to_owned());
        assert_eq!(names(again), ["applied twice"]);
        let differs = |store: &mut StoreEvidence| store.drift.push("a level".to_owned());
        assert_eq!(names(differs), ["levels differ"]);
        let parked = |store: &mut StoreEvidence| store.parked = 1;
        assert_eq!(names(parked), ["accepted but not applied"]);
        let short = |store: &mut StoreEvidence| store.keeper[1].cursor = 1;
        assert_eq!(names(short), ["accepted but not applied", "backlog left"]);
        let called = |store: &mut StoreEvidence| store.open_calls = 1;
        assert_eq!(names(called), ["backlog left"]);
        let cut = |store: &mut StoreEvidence| store.truncated = 1;
        assert_eq!(names(cut), ["oracle truncated"]);
    }

    #[test]
    fn commits_by_a_former_keeper_are_found() {
        let fenced = |next: KeeperVersion| {
            names(|store| {
                store.keeper.push(version("second", 1, 2, "them"));
                store.keeper.push(next);
            })
        };
        assert_eq!(fenced(version("second", 2, 2, "them")), [""; 0]);
        assert_eq!(fenced(version("second", 2, 2, "us")), ["fence off"]);
        assert_eq!(fenced(version("second", 3, 2, "them")), ["fence off"]);
        let back = fenced(version("second", 2, 1, "them"));
        assert_eq!(
            back,
            ["fence off", "accepted but not applied", "backlog left"]
        );
    }

    #[test]
    fn a_complaint_about_durability_is_found() {
        let evidence = Evidence {
            durability_complaints: vec!["fsync is off".to_owned()],
            ..Evidence::default()
        };
        assert_eq!(
            check(&evidence)[0].to_string(),
            "durability off: fsync is off"
        );
    }
}
