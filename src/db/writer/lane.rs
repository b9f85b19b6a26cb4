//! A lane: the task that decides what is written next, one transaction after another.

use std::collections::{BTreeSet, VecDeque};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::checkpoint::RowsWritten;
use super::filing::Filing;
use super::handle::{WaitingBulk, WaitingDelivery, WaitingShare};
use super::{accept, bulk, checkpoint, share};
use crate::db::connect::Db;
use crate::db::options::WriterOptions;
use crate::ids::StoreId;

/// Transactions of deliveries and shares between two of bulk work when there is no quiet moment.
const BULK_EVERY: u32 = 64;

/// What a lane takes from. A lane without deliveries, or without shares, has that channel closed.
pub(super) struct Queues {
    pub(super) accepts: mpsc::Receiver<WaitingDelivery>,
    pub(super) shares: mpsc::Receiver<WaitingShare>,
    pub(super) bulk: mpsc::Receiver<WaitingBulk>,
}

/// Starts as many lanes as the database has kinds of writing connections.
pub(super) fn spawn(db: &Db, queues: Queues) {
    if db.is_postgres() {
        let Queues {
            accepts,
            shares,
            bulk,
        } = queues;
        let accepting = Queues {
            accepts,
            shares: closed(),
            bulk: closed(),
        };
        let committing = Queues {
            accepts: closed(),
            shares,
            bulk,
        };
        tokio::spawn(Lane::new(db, accepting).run());
        tokio::spawn(Lane::new(db, committing).run());
    } else {
        let lane = Lane::new(db, queues);
        if let Some(connection) = db.checkpoints() {
            let written = lane.written.subscribe();
            tokio::spawn(checkpoint::keep_log_short(connection.clone(), written));
        }
        tokio::spawn(lane.run());
    }
}

fn closed<T>() -> mpsc::Receiver<T> {
    mpsc::channel(1).1
}

struct Lane {
    db: Db,
    options: WriterOptions,
    queues: Queues,
    /// Shares whose store had one in the group before: they keep their order.
    held: VecDeque<WaitingShare>,
    deliveries_next: bool,
    since_bulk: u32,
    written: RowsWritten,
    /// Of recent delivery ids (SQLite).
    filing: Option<Filing>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "one at a time, and taken apart at once: a box would be made for each share"
)]
enum Next {
    Delivery(WaitingDelivery),
    Share(WaitingShare),
    Bulk(WaitingBulk),
}

impl Lane {
    fn new(db: &Db, queues: Queues) -> Self {
        let options = db.options().writer;
        Self {
            db: db.clone(),
            options,
            queues,
            held: VecDeque::new(),
            deliveries_next: true,
            since_bulk: 0,
            written: RowsWritten::default(),
            filing: (!db.is_postgres()).then(|| Filing::new(db)),
        }
    }

    async fn run(mut self) {
        if let Some(filing) = &mut self.filing {
            filing.catch_up(&self.db).await;
        }
        while let Some(next) = self.next().await {
            match next {
                Next::Delivery(first) => {
                    self.deliveries_next = false;
                    let group = self.gather_deliveries(first);
                    let rows = group.len();
                    accept::write_group(&self.db, group).await;
                    self.count(rows);
                    if let Some(filing) = &mut self.filing {
                        let filed = filing.go_on(&self.db, rows).await;
                        self.count(filed);
                    }
                }
                Next::Share(first) => {
                    self.deliveries_next = true;
                    let group = self.gather_shares(first);
                    let rows = group.iter().map(row_count).sum();
                    share::write_group(&self.db, group).await;
                    self.count(rows);
                }
                Next::Bulk(waiting) => {
                    self.since_bulk = 0;
                    bulk::write(&self.db, waiting).await;
                }
            }
            self.since_bulk = self.since_bulk.saturating_add(1);
        }
    }

    fn count(&self, rows: usize) {
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        self.written.send_modify(|written| *written += rows);
    }

    /// What is to be written next; `None` when every door is closed and nothing waits.
    async fn next(&mut self) -> Option<Next> {
        if let Some(next) = self.next_waiting() {
            return Some(next);
        }
        tokio::select! {
            Some(delivery) = self.queues.accepts.recv() => Some(Next::Delivery(delivery)),
            Some(share) = self.queues.shares.recv() => Some(Next::Share(share)),
            Some(job) = self.queues.bulk.recv() => Some(Next::Bulk(job)),
            else => None,
        }
    }

    fn next_waiting(&mut self) -> Option<Next> {
        if self.since_bulk >= BULK_EVERY
            && let Ok(job) = self.queues.bulk.try_recv()
        {
            return Some(Next::Bulk(job));
        }
        if self.deliveries_next {
            self.next_delivery().or_else(|| self.next_share())
        } else {
            self.next_share().or_else(|| self.next_delivery())
        }
        .or_else(|| self.queues.bulk.try_recv().ok().map(Next::Bulk))
    }

    fn next_delivery(&mut self) -> Option<Next> {
        self.queues.accepts.try_recv().ok().map(Next::Delivery)
    }

    fn next_share(&mut self) -> Option<Next> {
        self.held
            .pop_front()
            .or_else(|| self.queues.shares.try_recv().ok())
            .map(Next::Share)
    }

    /// Everything that waits, within the bounds of a transaction. Waits for nothing: the commit under way is what
    /// gathers the next group.
    fn gather_deliveries(&mut self, first: WaitingDelivery) -> Vec<WaitingDelivery> {
        let deadline = gather_deadline(self.options);
        let mut bytes = first.delivery.body.len();
        let mut group = vec![first];
        while group.len() < self.options.group_rows_max
            && bytes < self.options.group_bytes_max
            && now() < deadline
            && let Ok(waiting) = self.queues.accepts.try_recv()
        {
            bytes += waiting.delivery.body.len();
            group.push(waiting);
        }
        group
    }

    /// Everything that waits, within the bounds of a transaction, at most one share of each store.
    fn gather_shares(&mut self, first: WaitingShare) -> Vec<WaitingShare> {
        let deadline = gather_deadline(self.options);
        let mut rows = row_count(&first);
        let mut stores = BTreeSet::from([first.share.store]);
        let mut group = vec![first];
        let mut still_held = VecDeque::new();
        while rows < self.options.group_rows_max
            && now() < deadline
            && still_held.len() < self.options.waiting_shares_max
            && let Some(waiting) = self
                .held
                .pop_front()
                .or_else(|| self.queues.shares.try_recv().ok())
        {
            let store: StoreId = waiting.share.store;
            if stores.insert(store) {
                rows += row_count(&waiting);
                group.push(waiting);
            } else {
                still_held.push_back(waiting);
            }
        }
        still_held.append(&mut self.held);
        self.held = still_held;
        group
    }
}

fn row_count(waiting: &WaitingShare) -> usize {
    waiting.share.changes.len() + 1
}

fn gather_deadline(options: WriterOptions) -> Instant {
    now() + options.group_gather_max
}

fn now() -> Instant {
    // The runtime's clock: measures how long gathering lasts, and is never compared with a stamp.
    Instant::now()
}
