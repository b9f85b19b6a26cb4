//! Decide → commit → perform: the one place where a keeper makes anything durable (INV-C), under its fence (INV-E).

use std::collections::BTreeSet;
use std::sync::Arc;

use metrics::counter;

use crate::clock::Timestamp;
use crate::db::writer::{CommitError, Share};
use crate::domain::call::Call;
use crate::domain::store::change::{Change, Changes};
use crate::domain::store::outcome::{Outcome, Reply};
use crate::ids::ItemId;
use crate::keeper::core::{Fence, KeeperCore};
use crate::keeper::exit::{Exit, bounded};
use crate::telemetry::metric_name;

/// What a step has decided and not yet committed.
#[derive(Debug, Default)]
pub(super) struct Decided {
    pub(super) changes: Changes,
    pub(super) touched: BTreeSet<ItemId>,
    pub(super) interest_changed: bool,
    /// The one inbox row this is about, when there is but one.
    pub(super) only_row: Option<i64>,
}

impl Decided {
    /// Adds an outcome; gives back what is to be done once it is committed.
    pub(super) fn absorb(&mut self, outcome: Outcome) -> (Reply, Option<Call>) {
        let Outcome {
            at: _,
            changes,
            call,
            reply,
            touched_items,
            interest_changed,
        } = outcome;
        self.changes.merge(changes);
        self.touched.extend(touched_items);
        self.interest_changed |= interest_changed;
        (reply, call)
    }
}

impl KeeperCore {
    /// Writes what was decided, if this keeper still owns the store as of `fence`, and shows it to readers.
    ///
    /// # Errors
    /// Any error is the keeper's end: its memory may differ from the database, and its successor loads afresh.
    pub(super) async fn commit(&mut self, fence: Fence, decided: Decided) -> Result<(), Exit> {
        let naked = self.slot.naked.take();
        self.state.count_naked(self.now(), naked);
        if decided.interest_changed {
            self.publish_wider_interest();
        }
        let buried: Vec<_> = decided
            .changes
            .rows()
            .filter_map(Change::buried)
            .cloned()
            .collect();
        let record = self.state.record(self.now());
        let cursor = record.cursor;
        let share = Share {
            store: self.slot.store,
            grant: fence.grant,
            applied_seq: fence.applied_seq,
            record,
            changes: decided.changes,
        };
        let writer = self.shared.deps.writer.clone();
        let written = match writer.offer(share) {
            Ok(written) => written.await,
            // Nobody stands in that line from a thread that may stand still.
            Err(share) => {
                let waiting = async move { writer.commit(*share).await };
                self.shared.home.serve(waiting).await
            }
        };
        written.map_err(|error| self.failed(error, naked, decided.only_row))?;
        self.fence.applied_seq = fence.applied_seq + 1;
        self.state.committed();
        self.cursor = cursor;
        self.commits = self.commits.saturating_add(1);
        self.show(&decided.touched, decided.interest_changed);
        if self.state.drops_naked(self.now()) {
            self.show_today();
        }
        self.buried.extend(buried);
        Ok(())
    }

    fn failed(&self, error: CommitError, naked: i64, only_row: Option<i64>) -> Exit {
        match error {
            CommitError::Fenced => {
                self.slot.naked.give_back(naked);
                counter!(metric_name::FENCED_COMMITS_TOTAL).increment(1);
                Exit::Fenced
            }
            CommitError::Refused(error) => {
                self.slot.naked.give_back(naked);
                Exit::CommitRefused {
                    only_row,
                    reason: bounded(&error.to_string()),
                }
            }
            // It may have been written: counting the naked ones again would count them twice.
            CommitError::Unavailable => Exit::CommitFailed {
                reason: "the database did not take it, or did not say so".to_owned(),
            },
        }
    }

    /// Too wide is always safe, too narrow loses webhooks: so the old and the new set together hold while the commit
    /// is under way (D10).
    fn publish_wider_interest(&self) {
        let mut wider = self.state.interest();
        if let Some(current) = self.slot.interest() {
            wider.widen(&current);
        }
        self.slot.publish_interest(Arc::new(wider));
    }

    /// Shows readers and observers what is known now.
    pub(super) fn show(&mut self, touched: &BTreeSet<ItemId>, interest_changed: bool) {
        let now = self.now();
        if interest_changed {
            self.slot.publish_interest(Arc::new(self.state.interest()));
            self.board.renew_bundles(&self.state);
        }
        self.board
            .renew_items(&self.state, touched.iter().copied(), now);
        self.slot.publish_board(Arc::new(self.board.clone()));
        self.slot.publish_observation(self.state.observation(now));
    }

    /// Shows everything, for the first time.
    pub(super) fn publish_all(&self, now: Timestamp) {
        self.slot.publish_interest(Arc::new(self.state.interest()));
        self.slot.publish_board(Arc::new(self.board.clone()));
        self.slot.publish_observation(self.state.observation(now));
    }
}
