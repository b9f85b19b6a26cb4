//! A lane: the task that decides what is written next, one transaction after another.

use std::collections::{BTreeSet, VecDeque};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::checkpoint::RowsWritten;
use super::filing::Filing;
use super::handle::{WaitingBulk, WaitingDelivery, WaitingShare};
use super::recent::RecentIds;
use super::{accept, bulk, checkpoint, share, together};
use crate::db::connect::Db;
use crate::db::options::WriterOptions;

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
    recent: RecentIds,
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
            recent: RecentIds::default(),
            filing: (!db.is_postgres()).then(|| Filing::new(db)),
        }
    }

    async fn run(mut self) {
        if let Some(filing) = &mut self.filing {
            filing.catch_up(&self.db, &mut self.recent).await;
        }
        while let Some(next) = self.next().await {
            match next {
                Next::Bulk(waiting) => {
                    self.since_bulk = 0;
                    bulk::write(&self.db, &mut self.recent, waiting).await;
                }
                Next::Delivery(first) => {
                    self.deliveries_next = false;
                    let mut room = Room::new(self.options);
                    let deliveries = self.gather_deliveries(Some(first), &mut room);
                    let shares = self.gather_shares(None, &mut room);
                    self.write(deliveries, shares).await;
                }
                Next::Share(first) => {
                    self.deliveries_next = true;
                    let mut room = Room::new(self.options);
                    let shares = self.gather_shares(Some(first), &mut room);
                    let deliveries = self.gather_deliveries(None, &mut room);
                    self.write(deliveries, shares).await;
                }
            }
            self.since_bulk = self.since_bulk.saturating_add(1);
        }
    }

    async fn write(&mut self, deliveries: Vec<WaitingDelivery>, shares: Vec<WaitingShare>) {
        let accepted = deliveries.len();
        let changed: usize = shares.iter().map(row_count).sum();
        let (deliveries, shares) = (accept::Group::of(deliveries), share::Group::of(shares));
        if accepted == 0 {
            share::write_group(&self.db, shares).await;
        } else if changed == 0 {
            accept::write_group(&self.db, &mut self.recent, deliveries).await;
        } else {
            together::write_group(&self.db, &mut self.recent, deliveries, shares).await;
        }
        self.count(accepted + changed);
        if let Some(filing) = &mut self.filing {
            let filed = filing.go_on(&self.db, &mut self.recent, accepted).await;
            self.count(filed);
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

    /// Everything that waits, while there is room in the transaction. Waits for nothing: the commit under way is what
    /// gathers the next group.
    fn gather_deliveries(
        &mut self,
        first: Option<WaitingDelivery>,
        room: &mut Room,
    ) -> Vec<WaitingDelivery> {
        let mut group = Vec::new();
        let mut next = first;
        loop {
            if next.is_none() && room.is_left() {
                next = self.queues.accepts.try_recv().ok();
            }
            let Some(waiting) = next.take() else {
                return group;
            };
            room.take(1, waiting.delivery.body.len());
            group.push(waiting);
        }
    }

    /// Everything that waits, while there is room in the transaction, at most one share of each store. One that is too
    /// large for what is left waits for the next.
    fn gather_shares(&mut self, first: Option<WaitingShare>, room: &mut Room) -> Vec<WaitingShare> {
        let mut stores = BTreeSet::new();
        let mut group = Vec::new();
        let mut still_held = VecDeque::new();
        let mut next = first;
        loop {
            let may_take = room.is_left() && still_held.len() < self.options.waiting_shares_max;
            if next.is_none() && may_take {
                let held = self.held.pop_front();
                next = held.or_else(|| self.queues.shares.try_recv().ok());
            }
            let Some(waiting) = next.take() else { break };
            let rows = row_count(&waiting);
            if !room.holds(rows) {
                still_held.push_back(waiting);
                break;
            }
            if stores.insert(waiting.share.store) {
                room.take(rows, 0);
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

/// What a transaction may still take.
struct Room {
    rows: usize,
    bytes: usize,
    until: Instant,
    is_untouched: bool,
}

impl Room {
    fn new(options: WriterOptions) -> Self {
        Self {
            rows: options.group_rows_max,
            bytes: options.group_bytes_max,
            // The runtime's clock: measures how long gathering lasts, and is never compared with a stamp.
            until: Instant::now() + options.group_gather_max,
            is_untouched: true,
        }
    }

    fn is_left(&self) -> bool {
        self.rows > 0 && self.bytes > 0 && Instant::now() < self.until
    }

    /// Whether there is room for a share. Whatever its size, it has room when it comes first.
    fn holds(&self, rows: usize) -> bool {
        self.is_untouched || rows <= self.rows
    }

    fn take(&mut self, rows: usize, bytes: usize) {
        self.is_untouched = false;
        self.rows = self.rows.saturating_sub(rows);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

fn row_count(waiting: &WaitingShare) -> usize {
    waiting.share.changes.len() + 1
}
