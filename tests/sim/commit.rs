//! A share on its way into the database, what is checked of it there, and what is performed afterwards.

use storekeeper::domain::backlog::Span;
use storekeeper::domain::store::change::{Change, Changes, KeeperRecord};

use crate::host::{After, Decided, Definition, Host, Keeper, Phase, Stage};
use crate::planted::Plant;
use crate::rules::Rule;
use crate::run::Run;
use crate::tables::{NotWritten, Share};
use crate::turn::settle_crash;

/// The longest block that a refusal can impose, as thousandths of a unit leak in it: a memo shows blocks as levels.
const BLOCK_MS_MAX: i64 = 600_000;

/// How a commit ends that the database does not simply answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    /// Nothing was written.
    Before,
    /// All was written, and nobody is told.
    After,
}

impl Run {
    /// Commits what was decided. Whether the keeper goes on.
    pub(crate) fn commit(
        &mut self,
        index: usize,
        host: &mut Host,
        keeper: &mut Keeper,
        decided: Decided,
    ) -> bool {
        let now = self.now;
        let naked = std::mem::take(&mut host.slot.naked);
        keeper.state.count_naked(self.now, naked);
        let outage = self.outage();
        if outage == Some(Outage::Before) {
            self.say(|| "commit not written".to_owned());
            return false;
        }
        let share = Share {
            fence: keeper.fence,
            record: keeper.state.record(now),
            changes: decided.changes.clone(),
        };
        if self.is_torn() {
            let planted = self.planted;
            self.site(index).tables.advance(share.record, planted);
            return false;
        }
        match self.write(index, share, &decided, naked) {
            Ok(()) => {}
            Err(NotWritten::Fenced) => {
                self.say(|| "fenced".to_owned());
                self.site(index).ghost.fenced += 1;
                host.slot.naked += naked;
                return false;
            }
            Err(NotWritten::Refused(reason)) => {
                self.fail(Rule::CommitAccepted, || reason);
                return false;
            }
        }
        if outage == Some(Outage::After) {
            self.say(|| "commit written, not told".to_owned());
            return false;
        }
        self.committed(index, host, keeper, decided)
    }

    fn outage(&mut self) -> Option<Outage> {
        if !self.chance.hits(self.weather.commit_fails) {
            return None;
        }
        let outages = [Outage::Before, Outage::After];
        self.chance.pick(&outages)
    }

    fn is_torn(&mut self) -> bool {
        self.planted == Some(Plant::TornCommit) && !self.cleared && self.chance.hits(20)
    }

    /// What follows once the keeper knows that its share is written.
    fn committed(
        &mut self,
        index: usize,
        host: &mut Host,
        keeper: &mut Keeper,
        decided: Decided,
    ) -> bool {
        keeper.fence.applied_seq += 1;
        keeper.state.committed();
        if decided.interest_changed && self.planted != Some(Plant::InterestNotWidened) {
            host.slot.interest = Some(keeper.state.interest());
        }
        if decided.crashed_row.is_some() {
            settle_crash(&mut host.aftermath);
        }
        if self.chance.hits(200) {
            let planted = self.planted;
            self.site(index).tables.purge(planted);
        }
        if decided.leaves {
            self.say(|| "leaves".to_owned());
            return false;
        }
        keeper.phase = Phase::Committed(Box::new(decided.after));
        let after_ms = self.chance.between(0, 10);
        self.set_alarm(index, host, after_ms);
        true
    }

    /// Calls leave and requests are answered.
    pub(crate) fn perform(
        &mut self,
        index: usize,
        host: &mut Host,
        after: After,
        keeper: &mut Keeper,
    ) {
        if let Some(call) = after.call {
            self.send(index, host, call);
        }
        for ticket in after.answered {
            self.request_answered(index, ticket);
        }
        keeper.phase = Phase::Ready(after.next.unwrap_or(Stage::Commands));
        self.set_alarm(index, host, 0);
    }

    /// Writes a share and checks what must hold of it.
    fn write(
        &mut self,
        index: usize,
        share: Share,
        decided: &Decided,
        naked: i64,
    ) -> Result<(), NotWritten> {
        let planted = self.planted;
        let site = self.site(index);
        let (cursor, head) = (site.tables.keeper.cursor, site.tables.head);
        let is_current = site.tables.grant == Some(share.fence.grant)
            && site.tables.applied_seq == share.fence.applied_seq;
        let record = share.record.clone();
        let discarded = discarded_rows(site.tables.dead.iter(), &share.changes);
        site.tables.commit(share, planted)?;
        site.ghost.naked_noted += naked;
        site.ghost.rows_discarded += discarded;
        note_calls(site, &decided.changes);
        if !is_current {
            self.fail(Rule::OneKeeperCommits, || {
                "a former keeper's share was written".to_owned()
            });
        }
        if record.cursor < cursor || record.cursor > head {
            let to = record.cursor;
            self.fail(Rule::CursorGrows, || {
                format!("from {cursor} to {to}, head {head}")
            });
        }
        self.note_rows(index, decided, (cursor, record.cursor));
        self.note_definitions(index, decided);
        self.check_calls(index, decided);
        self.check_buckets(&record);
        self.check_counts(index);
        self.check_order(index, decided);
        if let Some(id) = self.foreign_id(index, &decided.changes) {
            self.fail(Rule::NothingLeaks, || format!("id {id} of another store"));
        }
        Ok(())
    }

    /// A row that must keep its order comes after all before it.
    fn check_order(&mut self, index: usize, decided: &Decided) {
        let site = self.site(index);
        let is_taken = |seq: i64| site.ghost.taken.contains(&seq);
        let mut rows = decided.taken.iter();
        let early = rows.find(|seq| site.tables.keeps_order(**seq) && !(1..**seq).all(is_taken));
        if let Some(seq) = early.copied() {
            self.fail(Rule::RowsTaken, || format!("row {seq} came before others"));
        }
    }

    fn note_rows(&mut self, index: usize, decided: &Decided, (from, to): (i64, i64)) {
        let buried = decided.crashed_row.filter(|seq| from < *seq && *seq <= to);
        for seq in decided.taken.iter().copied().chain(buried) {
            let ghost = &mut self.site(index).ghost;
            if !ghost.taken.insert(seq) {
                self.fail(Rule::AppliedOnce, || format!("row {seq} is applied twice"));
            }
        }
        let of_spans = |span: &Span| span.from..span.to;
        let ahead = self.site(index).tables.keeper.ahead;
        let said = (from + 1..=to).chain(ahead.iter().flat_map(of_spans));
        let taken = &self.site(index).ghost.taken;
        let passed_over = said.into_iter().find(|seq| !taken.contains(seq));
        if let Some(seq) = passed_over {
            self.fail(Rule::AppliedOnce, || format!("row {seq} is passed over"));
        }
    }

    fn note_definitions(&mut self, index: usize, decided: &Decided) {
        let reference = &mut self.site(index).shop.reference;
        for definition in decided.defined.iter().cloned() {
            match definition {
                Definition::Saved(version) => reference.define(version),
                Definition::Deleted(bundle, at) => reference.end(bundle, at),
                Definition::KeptBack(kept_back) => reference.keep_back(kept_back),
            }
        }
    }

    fn check_calls(&mut self, index: usize, decided: &Decided) {
        if let Some(call) = &decided.after.call {
            self.site(index).ghost.calls_planned.insert(call.id);
        }
        for change in decided.changes.rows() {
            if let Change::PutCall(record) = change {
                let known = self.site(index).ghost.written_down.get(&record.id);
                if known.is_some_and(|write| *write != record.write) {
                    let id = record.id;
                    self.fail(Rule::OneKeyOneEffect, || {
                        format!("call {id} changed its content")
                    });
                }
            }
        }
    }

    fn check_buckets(&mut self, record: &KeeperRecord) {
        for (meter, memo) in &record.memo.buckets {
            let most = memo.size * 1_000 + BLOCK_MS_MAX * memo.restore_per_s;
            if memo.used_milli < 0 || memo.used_milli > most {
                self.fail(Rule::BucketInRange, || format!("{meter:?}: {memo:?}"));
            }
        }
    }

    /// Every row that the cursor has passed ended once, and is in exactly one of the counters.
    fn check_counts(&mut self, index: usize) {
        let site = self.site(index);
        let (tables, ghost) = (&site.tables, &site.ghost);
        let record = &tables.keeper;
        let letters = tables.dead.values();
        let dead_rows = count(letters.filter(|(letter, _)| letter.seq.is_some()).count());
        let ended = record.applied + record.naked - ghost.naked_noted
            + record.parked
            + dead_rows
            + ghost.rows_discarded;
        let taken = tables.taken();
        let wrong = if ended != taken.count() {
            format!("{ended} rows ended, {} taken: {taken:?}", taken.count())
        } else if record.parked != count(tables.parked.len()) {
            format!("{} parked, {} said", tables.parked.len(), record.parked)
        } else if record.dead != count(tables.dead.len()) {
            format!("{} dead, {} said", tables.dead.len(), record.dead)
        } else {
            return;
        };
        self.fail(Rule::CountsAddUp, || wrong);
    }

    fn foreign_id(&mut self, index: usize, changes: &Changes) -> Option<i64> {
        let shop = &self.site(index).shop;
        changes
            .rows()
            .filter_map(named_id)
            .find(|id| !shop.owns(*id) && *id != 0)
    }

    fn set_alarm(&mut self, index: usize, host: &mut Host, after_ms: i64) {
        let at = self.now.plus_millis(after_ms);
        self.alarm(index, host, at);
    }
}

fn count(things: usize) -> i64 {
    i64::try_from(things).unwrap_or(i64::MAX)
}

/// Dead rows that a person gives up with this commit.
fn discarded_rows<'letters>(
    letters: impl Iterator<
        Item = (
            &'letters storekeeper::ids::DeadLetterId,
            &'letters (
                storekeeper::domain::store::change::DeadLetterRecord,
                Option<crate::tables::InboxRow>,
            ),
        ),
    >,
    changes: &Changes,
) -> i64 {
    let discarded: Vec<_> = changes
        .rows()
        .filter_map(|change| match change {
            Change::DeleteDeadLetter(id) => Some(*id),
            Change::PutItem(_)
            | Change::PutLevel(_)
            | Change::DeleteLevel(..)
            | Change::PutBundle(_)
            | Change::PutPolicy(_)
            | Change::PutOrder(_)
            | Change::PutCall(_)
            | Change::DeleteCall(_)
            | Change::Park(_)
            | Change::Unpark(_)
            | Change::PutDeadLetter(_)
            | Change::ReviveDeadLetter { .. }
            | Change::PutIdempotentReply(_) => None,
        })
        .collect();
    let rows = letters.filter(|(id, (letter, _))| discarded.contains(id) && letter.seq.is_some());
    count(rows.count())
}

/// Writes that are durable now, and may be sent.
fn note_calls(site: &mut crate::run::Site, changes: &Changes) {
    for change in changes.rows() {
        if let Change::PutCall(record) = change {
            let written = &mut site.ghost.written_down;
            written
                .entry(record.id)
                .or_insert_with(|| record.write.clone());
        }
    }
}

/// The platform's id of what a change is about.
fn named_id(change: &Change) -> Option<i64> {
    match change {
        Change::PutItem(record) => Some(record.item.0),
        Change::PutLevel(record) => Some(record.item.0),
        Change::DeleteLevel(item, _) => Some(item.0),
        Change::PutBundle(bundle) => Some(bundle.item.0),
        Change::PutOrder(order) => Some(order.order.0),
        Change::Park(record) => Some(record.lane.0),
        Change::PutPolicy(_)
        | Change::PutCall(_)
        | Change::DeleteCall(_)
        | Change::Unpark(_)
        | Change::PutDeadLetter(_)
        | Change::DeleteDeadLetter(_)
        | Change::ReviveDeadLetter { .. }
        | Change::PutIdempotentReply(_) => None,
    }
}
