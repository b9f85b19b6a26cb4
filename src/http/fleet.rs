//! All stores at a glance, for pages and lists: counters from the database, lives from the directory.
//!
//! One scan of the counters serves everybody who looks within the same second, or longer when it took long; nothing is
//! counted by reading rows.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;

use crate::clock::{Stopwatch, Timestamp};
use crate::db::admin::stores;
use crate::db::fleet::{self, StoreCounts, Totals};
use crate::db::{Db, DbError};
use crate::domain::alarm::Raised;
use crate::domain::storm::Storm;
use crate::http::error::{ApiError, Problem};
use crate::http::keeper_row::{
    KeeperRow, STATE_NAMES, age_text, is_ailing, is_working, row_of, state_name,
};
use crate::http::spark::{Spark, per_second};
use crate::http::state::AppState;
use crate::ids::StoreId;
use crate::keeper::{KeeperStatus, SafeModeStatus};

/// How long a scan serves at least.
const FRESH: Duration = Duration::from_secs(1);
/// A scan serves so many times as long as it took: at most a tenth of the time goes into scanning, however many stores
/// there are, and however many people look.
const SERVES_TIMES: u32 = 10;
/// How long a store's domain is remembered.
const DOMAIN_TTL: Duration = Duration::from_secs(60);
const DOMAINS_MAX: u64 = 10_000;
/// Stores that one scan looks at; a larger fleet is shown in part.
const STORES_SCANNED_MAX: usize = 200_000;
/// Stores that a search finds.
const FOUND_MAX: u64 = 1_000;
/// Stores that one query reads.
const SCAN_PAGE: u32 = 1_000;
/// The time over which rates are taken.
const RATE_WINDOW_MS: i64 = 60_000;
/// Rates over less than this mean little.
const RATE_SPAN_MS_MIN: i64 = 5_000;
const SAMPLES_MAX: usize = 128;

/// The order of a list of keepers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FleetSort {
    /// The longest backlog first.
    #[default]
    Backlog,
    /// The oldest unapplied webhook first.
    Oldest,
    /// The most dead letters first.
    Dead,
    /// Ascending by store.
    Store,
}

impl FleetSort {
    pub(crate) const ALL: [Self; 4] = [Self::Backlog, Self::Oldest, Self::Dead, Self::Store];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Backlog => "backlog",
            Self::Oldest => "oldest",
            Self::Dead => "dead",
            Self::Store => "store",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.name() == name)
    }
}

/// Which keepers to list.
#[derive(Clone, Debug)]
pub(crate) struct FleetQuery {
    /// One of [`STATE_NAMES`].
    pub(crate) state: Option<&'static str>,
    /// Letters of a domain, or an id.
    pub(crate) search: Option<String>,
    pub(crate) sort: FleetSort,
    pub(crate) offset: usize,
    pub(crate) limit: usize,
}

impl Default for FleetQuery {
    fn default() -> Self {
        Self {
            state: None,
            search: None,
            sort: FleetSort::default(),
            offset: 0,
            limit: 50,
        }
    }
}

/// All stores at an instant, and the rows that were asked for.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) at: Timestamp,
    pub(crate) alarms: Arc<[Raised]>,
    pub(crate) stores: u64,
    pub(crate) running: u64,
    /// Keepers that are restarting, in quarantine, stuck, or barred by the platform.
    pub(crate) ailing: u64,
    pub(crate) stuck: usize,
    pub(crate) arbiters_silent: usize,
    pub(crate) safe_mode: Option<SafeModeStatus>,
    pub(crate) storm: Option<Storm>,
    pub(crate) backlog: i64,
    pub(crate) oldest_age_ms: Option<i64>,
    pub(crate) received: i64,
    pub(crate) applied: i64,
    pub(crate) naked: i64,
    pub(crate) parked: i64,
    pub(crate) dead: i64,
    pub(crate) received_per_minute: Option<i64>,
    pub(crate) applied_per_minute: Option<i64>,
    pub(crate) sparks: Vec<Spark>,
    /// How many stores are in each state, in the order of [`STATE_NAMES`].
    pub(crate) states: [usize; STATE_NAMES.len()],
    pub(crate) rows: Vec<KeeperRow>,
    /// The offset of the next page.
    pub(crate) next: Option<usize>,
}

impl Fleet {
    pub(crate) fn oldest_age(&self) -> String {
        age_text(self.oldest_age_ms)
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.oldest_age_ms.is_some_and(|age| age > RATE_WINDOW_MS)
    }
}

/// The counters of all stores.
#[derive(Debug)]
struct Scan {
    at: Timestamp,
    totals: Totals,
    counts: Vec<StoreCounts>,
    serves: Duration,
}

/// Each scan says how long it serves.
struct ScanExpiry;

impl Expiry<(), Arc<Scan>> for ScanExpiry {
    fn expire_after_create(&self, (): &(), scan: &Arc<Scan>, _at: Instant) -> Option<Duration> {
        Some(scan.serves)
    }

    fn expire_after_update(
        &self,
        (): &(),
        scan: &Arc<Scan>,
        _at: Instant,
        _left: Option<Duration>,
    ) -> Option<Duration> {
        Some(scan.serves)
    }
}

/// The totals at an instant, for rates.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Timestamp,
    received: i64,
    applied: i64,
    backlog: i64,
}

/// What was scanned last.
pub(crate) struct FleetBoard {
    scans: Cache<(), Arc<Scan>>,
    domains: Cache<StoreId, Option<Arc<str>>>,
    samples: Mutex<VecDeque<Sample>>,
}

impl Default for FleetBoard {
    fn default() -> Self {
        Self {
            scans: Cache::builder()
                .max_capacity(1)
                .expire_after(ScanExpiry)
                .build(),
            domains: Cache::builder()
                .max_capacity(DOMAINS_MAX)
                .time_to_live(DOMAIN_TTL)
                .build(),
            samples: Mutex::default(),
        }
    }
}

impl fmt::Debug for FleetBoard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FleetBoard").finish_non_exhaustive()
    }
}

impl FleetBoard {
    /// All stores now, give or take a second, with the rows that the query names.
    pub(crate) async fn snapshot(
        &self,
        state: &AppState,
        query: &FleetQuery,
    ) -> Result<Fleet, ApiError> {
        let scan = self.scans.try_get_with((), self.scan(state)).await;
        let scan =
            scan.map_err(|error: Arc<DbError>| ApiError::caused(Problem::NotReady, &error))?;
        let statuses: BTreeMap<StoreId, KeeperStatus> = state
            .directory
            .statuses()
            .into_iter()
            .map(|status| (status.store, status))
            .collect();
        let found = match query.search.as_deref() {
            Some(letters) => Some(stores::search(state.db(), letters, FOUND_MAX).await?),
            None => None,
        };
        let mut chosen = choose(&scan.counts, &statuses, query, found.as_ref());
        let next = (chosen.len() > query.limit).then_some(query.offset.saturating_add(query.limit));
        chosen.truncate(query.limit);
        let mut rows = Vec::with_capacity(chosen.len());
        for counts in chosen {
            // A deleted store's counters outlive it until they are purged.
            if let Some(domain) = self.domain(state.db(), counts.store).await? {
                rows.push(row_of(
                    counts,
                    statuses.get(&counts.store),
                    domain.to_string(),
                    state.directory.safe_mode(),
                    scan.at,
                ));
            }
        }
        Ok(self.assemble(state, &scan, &statuses, (rows, next)))
    }

    /// One store, whatever its rank.
    pub(crate) async fn row(
        &self,
        state: &AppState,
        store: StoreId,
    ) -> Result<KeeperRow, ApiError> {
        let domain = self
            .domain(state.db(), store)
            .await?
            .ok_or_else(|| ApiError::plain(Problem::UnknownStore))?;
        let before = Some(StoreId(store.0 - 1));
        let counts = fleet::list_counts(state.db(), before, 1).await?;
        let counts = counts.first().filter(|counts| counts.store == store);
        let counts = counts.ok_or_else(|| ApiError::plain(Problem::UnknownStore))?;
        let status = state.directory.status(store);
        Ok(row_of(
            counts,
            status.as_ref(),
            domain.to_string(),
            state.directory.safe_mode(),
            state.clock().now(),
        ))
    }

    async fn scan(&self, state: &AppState) -> Result<Arc<Scan>, DbError> {
        let watch = Stopwatch::start();
        let totals = fleet::totals(state.db()).await?;
        let mut counts: Vec<StoreCounts> = Vec::new();
        while counts.len() < STORES_SCANNED_MAX {
            let after = counts.last().map(|last| last.store);
            let page = fleet::list_counts(state.db(), after, SCAN_PAGE).await?;
            if page.is_empty() {
                break;
            }
            counts.extend(page);
        }
        let at = state.clock().now();
        self.sample(Sample {
            at,
            received: totals.received,
            applied: totals.applied,
            backlog: totals.backlog,
        });
        Ok(Arc::new(Scan {
            at,
            totals,
            counts,
            serves: FRESH.max(watch.elapsed().saturating_mul(SERVES_TIMES)),
        }))
    }

    fn sample(&self, sample: Sample) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let too_old = |oldest: &Sample| sample.at.millis_since(oldest.at) > RATE_WINDOW_MS;
        while samples.len() >= SAMPLES_MAX || samples.front().is_some_and(too_old) {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// The last minute as lines.
    fn sparks(&self) -> Vec<Spark> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |value: fn(&Sample) -> i64| -> Vec<(i64, i64)> {
            let points = samples.iter();
            points
                .map(|sample| (sample.at.as_millis(), value(sample)))
                .collect()
        };
        let accepted = per_second(&line(|sample| sample.received));
        let applied = per_second(&line(|sample| sample.applied));
        vec![
            Spark::of("Accepted a second", &accepted),
            Spark::of("Applied a second", &applied),
            Spark::of("Backlog", &line(|sample| sample.backlog)),
        ]
    }

    /// Webhooks received and applied per minute of late.
    fn rates(&self) -> Option<(i64, i64)> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = (samples.front()?, samples.back()?);
        let span_ms = last.at.millis_since(first.at);
        if span_ms < RATE_SPAN_MS_MIN {
            return None;
        }
        let per_minute = |from: i64, to: i64| (to - from).saturating_mul(60_000) / span_ms;
        Some((
            per_minute(first.received, last.received),
            per_minute(first.applied, last.applied),
        ))
    }

    async fn domain(&self, db: &Db, store: StoreId) -> Result<Option<Arc<str>>, ApiError> {
        let load = async {
            match stores::get(db, store).await {
                Ok(record) => Ok(Some(Arc::from(record.domain))),
                Err(DbError::NotFound(_)) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let loaded = self.domains.try_get_with(store, load).await;
        loaded.map_err(|error: Arc<DbError>| ApiError::caused(Problem::NotReady, &error))
    }

    pub(crate) fn forget(&self) {
        self.scans.invalidate_all();
        self.domains.invalidate_all();
    }

    fn assemble(
        &self,
        state: &AppState,
        scan: &Scan,
        statuses: &BTreeMap<StoreId, KeeperStatus>,
        (rows, next): (Vec<KeeperRow>, Option<usize>),
    ) -> Fleet {
        let rates = self.rates();
        let totals = scan.totals;
        Fleet {
            at: scan.at,
            alarms: state.alarms(),
            stores: u64::try_from(totals.stores).unwrap_or(0),
            running: count(statuses, is_working),
            ailing: count(statuses, is_ailing),
            stuck: state.directory.stuck(),
            arbiters_silent: state.directory.silent_arbiters(),
            safe_mode: state.directory.safe_mode(),
            storm: state.directory.storm(),
            backlog: totals.backlog,
            oldest_age_ms: totals
                .oldest_received_at
                .map(|oldest| scan.at.millis_since(oldest).max(0)),
            received: totals.received,
            applied: totals.applied,
            naked: totals.naked,
            parked: totals.parked,
            dead: totals.dead,
            received_per_minute: rates.map(|(received, _)| received),
            applied_per_minute: rates.map(|(_, applied)| applied),
            sparks: self.sparks(),
            states: count_states(&scan.counts, statuses),
            rows,
            next,
        }
    }
}

fn count_states(
    counts: &[StoreCounts],
    statuses: &BTreeMap<StoreId, KeeperStatus>,
) -> [usize; STATE_NAMES.len()] {
    let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
    for counts in counts {
        *by_name
            .entry(state_name(statuses.get(&counts.store)))
            .or_default() += 1;
    }
    STATE_NAMES.map(|name| by_name.get(name).copied().unwrap_or(0))
}

fn count(
    statuses: &BTreeMap<StoreId, KeeperStatus>,
    wanted: impl Fn(&KeeperStatus) -> bool,
) -> u64 {
    let counted = statuses.values().filter(|status| wanted(status)).count();
    u64::try_from(counted).unwrap_or(u64::MAX)
}

/// The page's stores in order, and one more when there is another page.
fn choose<'a>(
    counts: &'a [StoreCounts],
    statuses: &BTreeMap<StoreId, KeeperStatus>,
    query: &FleetQuery,
    found: Option<&BTreeSet<StoreId>>,
) -> Vec<&'a StoreCounts> {
    let is_found = |counts: &&StoreCounts| found.is_none_or(|found| found.contains(&counts.store));
    let in_state = |counts: &&StoreCounts| {
        query
            .state
            .is_none_or(|wanted| state_name(statuses.get(&counts.store)) == wanted)
    };
    let mut chosen: Vec<&StoreCounts> = counts.iter().filter(is_found).filter(in_state).collect();
    match query.sort {
        FleetSort::Store => {}
        FleetSort::Backlog => chosen.sort_by_key(|counts| Reverse(counts.backlog)),
        FleetSort::Oldest => chosen.sort_by_key(|counts| {
            counts
                .oldest_received_at
                .map_or(i64::MAX, Timestamp::as_millis)
        }),
        FleetSort::Dead => chosen.sort_by_key(|counts| Reverse(counts.dead)),
    }
    chosen
        .into_iter()
        .skip(query.offset)
        .take(query.limit.saturating_add(1))
        .collect()
}
