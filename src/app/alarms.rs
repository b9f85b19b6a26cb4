//! Judging the alarms whenever the totals were read, and telling of them: in the log, as metrics, to whoever looks, and to a hook.

use std::sync::Arc;

use metrics::gauge;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::hooks::Hook;
use crate::clock::{Clock, Timestamp};
use crate::db::fleet::{self, StoreCounts, Totals};
use crate::db::{Db, DbError};
use crate::domain::alarm::{
    Alarm, AlarmRules, Raised, ReadTotals, Reading, Silence, Turned, Watch,
};
use crate::domain::store::state::Pause;
use crate::ids::StoreId;
use crate::keeper::{Directory, KeeperStatus};
use crate::platform::PlatformClient;
use crate::telemetry::metric_name;

/// Stores that one query reads.
const PAGE_STORES: u32 = 1_000;
/// Stores whose held webhooks raise no alarm; of more of them, the others count.
const HOLDING_MAX: usize = 1_000;

/// What is raised now, for whoever looks; the most pressing first.
pub(super) type Board = watch::Sender<Arc<[Raised]>>;

/// Judges over and over; the totals themselves are read once for the gauges, too.
pub(super) struct Alarms {
    pub(super) clock: Clock,
    pub(super) db: Db,
    pub(super) directory: Directory,
    pub(super) client: Arc<PlatformClient>,
    pub(super) rules: AlarmRules,
    /// Each reading of the totals is judged.
    pub(super) totals: watch::Receiver<Option<Totals>>,
    pub(super) board: Board,
    pub(super) hook: Option<Hook>,
}

impl Alarms {
    pub(super) fn spawn(mut self, tasks: &mut JoinSet<()>) {
        tasks.spawn(async move {
            let mut watch = Watch::new(self.rules);
            let mut silence = Silence::new(&self.rules);
            while self.totals.changed().await.is_ok() {
                let reading = self.read(&mut silence).await;
                for turned in watch.look(&reading) {
                    self.tell(turned);
                }
                self.board.send_replace(watch.raised().cloned().collect());
            }
        });
    }

    async fn read(&self, silence: &mut Silence) -> Reading {
        let statuses = self.directory.statuses();
        let totals = self.totals_to_judge(&statuses).await;
        if silence.is_due(self.clock.now())
            && let Err(error) = self.listen(silence, &statuses).await
        {
            tracing::warn!(%error, "failed to read which stores have webhooks");
        }
        let restarts = statuses.iter().map(|status| status.restarts).sum::<u64>();
        Reading {
            at: self.clock.now(),
            totals: totals.map(judged),
            restarts: i64::try_from(restarts).unwrap_or(i64::MAX),
            stuck_keepers: self.directory.stuck(),
            silent_threads: self.directory.silent_arbiters(),
            safe_mode: self
                .directory
                .safe_mode()
                .map(|mode| (mode.crashed, mode.of)),
            storm: self
                .directory
                .storm()
                .map(|storm| (storm.resent, storm.webhooks)),
            silent: silence.summary(),
            contested_stores: statuses
                .iter()
                .filter(|status| is_contested(status, self.clock.now()))
                .count(),
            other_version: self.client.serves_other_version(),
        }
    }

    /// What is held until the day is over waits because somebody wants that: no alarm is raised for it, and it hides
    /// nobody else's.
    async fn totals_to_judge(&self, statuses: &[KeeperStatus]) -> Option<Totals> {
        let totals = (*self.totals.borrow())?;
        let now = self.clock.now();
        let holding = statuses.iter().filter(|status| is_holding(status, now));
        let holding: Vec<_> = holding
            .take(HOLDING_MAX)
            .map(|status| status.store)
            .collect();
        if holding.is_empty() {
            return Some(totals);
        }
        match fleet::totals_without(&self.db, &holding).await {
            Ok(others) => Some(Totals {
                dead: totals.dead,
                ..others
            }),
            Err(error) => {
                tracing::warn!(%error, "failed to read what waits and is not held");
                None
            }
        }
    }

    /// All webhooks of a store, stored or not: a store without bundles has none but naked ones.
    fn heard(&self, counts: &StoreCounts) -> i64 {
        let uncounted = self.directory.naked_since_commit(counts.store);
        counts.received + counts.naked + uncounted
    }

    /// Looks at how many webhooks each store has had. Of one that has uninstalled the app nothing is to be heard.
    async fn listen(
        &self,
        silence: &mut Silence,
        statuses: &[KeeperStatus],
    ) -> Result<(), DbError> {
        let mut received: Vec<(StoreId, i64)> = Vec::new();
        loop {
            let after = received.last().map(|(store, _)| *store);
            let page = fleet::list_counts(&self.db, after, PAGE_STORES).await?;
            if page.is_empty() {
                break;
            }
            received.extend(page.iter().map(|counts| (counts.store, self.heard(counts))));
        }
        let has_left = |store: StoreId| {
            let status = statuses.binary_search_by_key(&store, |status| status.store);
            let status = status.ok().and_then(|place| statuses.get(place));
            status.is_some_and(is_uninstalled)
        };
        received.retain(|(store, _)| !has_left(*store));
        silence.look(self.clock.now(), received);
        Ok(())
    }

    fn tell(&self, Turned { is_raised, raised }: Turned) {
        let Raised {
            alarm,
            since,
            ref summary,
        } = raised;
        let alarm = alarm.name();
        gauge!(metric_name::ALARMS, "alarm" => alarm).set(u32::from(is_raised));
        if is_raised {
            tracing::warn!(alarm, "alarm: {summary}");
        } else {
            tracing::info!(alarm, since = %since.to_rfc3339(), "the alarm is over");
        }
        if let Some(hook) = &self.hook {
            hook.post(&document(is_raised, &raised, self.clock.now()));
        }
    }
}

/// What of the totals the rules judge.
const fn judged(totals: Totals) -> ReadTotals {
    ReadTotals {
        oldest_received_at: totals.oldest_received_at,
        backlog: totals.backlog,
        done: totals.received.saturating_sub(totals.backlog),
        dead: totals.dead,
    }
}

/// By the time until which it is, for a store that was paused or deleted shows nothing new.
fn is_contested(status: &KeeperStatus, now: Timestamp) -> bool {
    let observation = status.observation.as_ref();
    let until = observation.and_then(|observation| observation.contested_until);
    until.is_some_and(|until| now < until)
}

fn is_holding(status: &KeeperStatus, now: Timestamp) -> bool {
    let until = status.today.and_then(|today| today.held_until);
    until.is_some_and(|until| now < until)
}

fn is_uninstalled(status: &KeeperStatus) -> bool {
    let observation = status.observation.as_ref();
    observation.is_some_and(|observation| observation.paused == Some(Pause::Uninstalled))
}

/// What is posted. `text` is what chat programs show.
fn document(is_raised: bool, raised: &Raised, now: Timestamp) -> serde_json::Value {
    let Raised {
        alarm,
        since,
        summary,
    } = raised;
    let (state, text) = if is_raised {
        ("raised", format!("Storekeeper: {summary}"))
    } else {
        ("over", format!("Storekeeper: over: {summary}"))
    };
    serde_json::json!({
        "alarm": alarm.name(),
        "state": state,
        "since": since.to_rfc3339(),
        "at": now.to_rfc3339(),
        "summary": summary,
        "text": text,
    })
}

/// Begins every alarm's metric.
pub(super) fn begin_metrics() {
    for alarm in Alarm::ALL {
        gauge!(metric_name::ALARMS, "alarm" => alarm.name()).set(0);
    }
}
