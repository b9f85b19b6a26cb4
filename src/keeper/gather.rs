//! What a turn takes: parked rows that are due first, then rows of the log, of one place of the backlog at a time.
//!
//! Of the log the longest prefix of a place is taken that stays within the bounds: distinct resources, rows, and time
//! spent parsing. What was read and not taken stays for the next turn.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::db::inbox::InboxRow;
use crate::db::{DbError, inbox, parking};
use crate::deps::Platform;
use crate::domain::backlog::{Manner, Place};
use crate::domain::fact::Fact;
use crate::domain::interest::Mentions;
use crate::domain::store::command::{Command, Row};
use crate::ids::{ItemId, OrderId, ProductId};
use crate::keeper::ahead::{self, Ahead, Front};
use crate::keeper::core::KeeperCore;
use crate::keeper::exit::{Deactivation, Exit};
use crate::keeper::judge::{Judge, Judged};
use crate::keeper::slot::Slot;

/// How often a turn looks for rows: when those of a place may not be taken, the next place has some.
const LOOKS_MAX: usize = 3;
/// A turn parses new rows for at most this part of its time, so that it decides what it has parsed.
const PARSING_PART: u64 = 2;

/// What a row is about; a turn is bounded by how many different ones it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Resource {
    Order(OrderId),
    Item(ItemId),
    Product(ProductId),
    Store,
}

/// A row of the parking lane that is due.
#[derive(Debug)]
enum Parked {
    Found(InboxRow),
    /// Its body is not there.
    Missing(i64),
}

impl Parked {
    fn parse(self, platform: &dyn Platform, slot: &Slot) -> Row {
        match self {
            Self::Found(row) => ahead::parse(platform, slot, row, true),
            Self::Missing(seq) => Row {
                seq,
                topic: String::new(),
                fact: Err("its body is gone from the parking lane".to_owned()),
                triggered_at: None,
                from_lane: true,
            },
        }
    }
}

impl KeeperCore {
    pub(super) fn may_have_rows(&self) -> bool {
        self.more_to_read
            || !self.ahead.is_empty()
            || !self.state.due_parked(self.now(), 1).is_empty()
    }

    /// Reads what this turn may take: parked rows first, then rows of the log, with the orders that they need. Rows
    /// of the log stay in `ahead` until they are decided. Tells also how long it took to parse them.
    pub(super) async fn gather(&mut self) -> Result<(Vec<Row>, Duration), Exit> {
        self.ahead.begin_turn(self.slot.interest().as_ref());
        let mut parked = self.due_parked_rows().await?;
        let (mut rows, mut parsing) = (Vec::new(), Duration::ZERO);
        for _look in 0..LOOKS_MAX {
            let last_seq = self.read_ahead().await?;
            let watch = Stopwatch::start();
            rows = self.select(std::mem::take(&mut parked), self.left(last_seq));
            parsing += watch.elapsed();
            let of_log = rows.iter().filter(|row| !row.from_lane).count();
            // What comes after this look rings anew.
            self.more_to_read = self.left(last_seq) > of_log.saturating_add(self.ahead.len());
            if !rows.is_empty() || !self.more_to_read {
                break;
            }
        }
        let commands: Vec<_> = rows.into_iter().map(Command::TakeRow).collect();
        self.load_orders(&commands).await?;
        let rows = commands.into_iter().filter_map(into_row).collect();
        Ok((rows, parsing))
    }

    /// How many rows of the log are left.
    fn left(&self, last_seq: i64) -> usize {
        usize::try_from(self.state.taken().left(last_seq)).unwrap_or(usize::MAX)
    }

    async fn due_parked_rows(&self) -> Result<Vec<Parked>, Exit> {
        let due = self
            .state
            .due_parked(self.now(), self.shared.settings.turn_parked_max);
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let (db, store, wanted) = (self.shared.deps.db.clone(), self.slot.store, due.clone());
        let mut found = self
            .shared
            .home
            .serve(async move { parking::load(&db, store, &wanted).await })
            .await
            .map_err(|error| Exit::load_failed("read parked rows", &error))?;
        // The order in which the rules want them, whatever the order in which the database gave them.
        let rows = due
            .iter()
            .map(|&seq| match found.iter().position(|row| row.seq == seq) {
                Some(index) => Parked::Found(found.swap_remove(index)),
                None => Parked::Missing(seq),
            });
        Ok(rows.collect())
    }

    /// Reads rows of the log unless some are left of the last time; gives the number of the last row that may be taken.
    async fn read_ahead(&mut self) -> Result<i64, Exit> {
        let judge = self.judge_of_rows().filter(|_| self.ahead.is_empty());
        let place = self.ahead.is_empty().then(|| match judge {
            Some(_) => self.place_of_sweep(),
            None => self.next_place(),
        });
        let (mut found, judged) = self.look(place, judge).await?;
        if self.state.installation() != found.installed_at {
            // Whoever installed the app anew may not have come to tell. The successor learns it as it loads.
            let reason = "the app was installed anew".to_owned();
            return Err(Exit::Deactivated(Deactivation::Restart { reason }));
        }
        let last_seq = self.hold_back(&mut found);
        self.state.saw_head(last_seq);
        if self.ahead.last_seq() > Some(last_seq) {
            // Held since it was read: it is read again.
            self.ahead = Ahead::default();
        }
        if let Some(place) = place {
            let ahead = self.without_gaps(place, found.rows);
            self.judging += judged.as_ref().map_or(Duration::ZERO, |judged| judged.took);
            self.ahead = match judged {
                Some(judged) => ahead.judged(judged),
                None => ahead,
            };
        }
        if !self.ahead.is_judged() && self.judge_of_rows().is_some() {
            // A sweep began since it was read, or what concerns the store is another since: it is read again.
            self.ahead = Ahead::default();
        }
        Ok(last_seq)
    }

    /// Looks where the log ends, and reads the rows of a place, judged if there is somebody to do so.
    async fn look(
        &self,
        place: Option<Place>,
        judge: Option<Judge>,
    ) -> Result<(inbox::Ahead, Option<Judged>), Exit> {
        let (db, store) = (self.shared.deps.db.clone(), self.slot.store);
        let after = place.map_or(self.cursor, |place| place.after);
        let rows_max = place.map_or(0, |place| u64::try_from(place.rows_max).unwrap_or(1));
        let settings = &self.shared.settings;
        let bytes_max = match judge {
            Some(_) => settings.naked_bytes_max,
            None => settings.turn_bytes_max,
        };
        let look = async move {
            let mut found = inbox::look_ahead(&db, store, after, rows_max, bytes_max).await?;
            let Some(judge) = judge else {
                return Ok((found, None));
            };
            let (rows, judged) = judge.judge(std::mem::take(&mut found.rows)).await;
            found.rows = rows;
            Ok::<_, DbError>((found, Some(judged)))
        };
        let looked = self.shared.home.serve(Box::pin(look)).await;
        looked.map_err(|error| Exit::load_failed("read the inbox", &error))
    }

    /// Nothing is overtaken while a row is sought that brought a keeper down.
    fn next_place(&mut self) -> Place {
        let in_order = self.in_order || self.one_by_one > 0 || self.seeks_suspect();
        let head = self.state.head();
        self.selector.next(self.state.taken(), head, in_order)
    }

    /// Whether a row that brought a keeper down is still to come; one that is parked has been passed.
    pub(super) fn seeks_suspect(&self) -> bool {
        let suspect = self.state.suspect();
        suspect.is_some_and(|suspect| !self.state.taken().contains(suspect.seq))
    }

    /// The rows of the place up to the first that is missing. The inbox gives numbers without gaps; where somebody has
    /// deleted rows, they are passed when their turn comes and there is a row behind them.
    fn without_gaps(&mut self, place: Place, mut rows: Vec<InboxRow>) -> Ahead {
        let next = place.after.saturating_add(1);
        let last = place.after.saturating_add(place.rows_max);
        let first = rows.first().map(|row| row.seq);
        if place.manner != Manner::InOrder && first != Some(next) {
            self.selector.ended(None);
            return Ahead::default();
        }
        let Some(first) = first else {
            return Ahead::default();
        };
        if first > next {
            let behind = first.min(last.saturating_add(1));
            let store = self.slot.store;
            tracing::warn!(%store, from = next, to = behind, "inbox rows are missing, and passed");
            self.state.pass_missing(behind);
        }
        let mut expected = first;
        rows.retain(|row| {
            let fits = row.seq == expected && row.seq <= last;
            expected = expected.saturating_add(i64::from(fits));
            fits
        });
        Ahead::new(place.manner, rows)
    }

    /// The rows of this turn, parsed. A row that brought the keeper down before is taken alone, so that it takes
    /// nothing with it when it does so again; after a refused commit, so is every row.
    fn select(&mut self, parked: Vec<Parked>, backlog: usize) -> Vec<Row> {
        let (watch, platform) = (Stopwatch::start(), &*self.shared.deps.platform);
        let (slot, now) = (&*self.slot, self.now());
        let settings = &self.shared.settings;
        let parsing_max = Duration::from_micros(settings.turn_decide_us_max / PARSING_PART);
        let alone = self.state.suspect().map(|suspect| suspect.seq);
        let resources_max = backlog
            .max(settings.turn_resources_min)
            .min(settings.turn_resources_max);
        let rows_max = if self.one_by_one > 0 {
            1
        } else {
            settings.turn_rows_max
        };
        let mut resources = BTreeSet::new();
        let (mut rows, mut naked) = (Vec::new(), 0);
        let parked = parked.into_iter().map(|row| row.parse(platform, slot));
        let mut parked = parked.peekable();
        // Once the parked rows have filled a turn, those of the log wait for the next.
        while rows.len() - naked < rows_max && (rows.is_empty() || watch.elapsed() < parsing_max) {
            // Naked rows are about nothing that a turn is bounded by.
            let concerns = |mentions: &Mentions| {
                let mut orders = mentions.orders.iter();
                orders.any(|order| resources.contains(&Resource::Order(*order)))
                    || self.state.knows_of(mentions)
            };
            if parked.peek().is_none()
                && let Some(row) = self.ahead.pop_naked(concerns)
            {
                rows.push(row);
                naked += 1;
                continue;
            }
            // It may bring the keeper down already as it is parsed: what stands before it is committed first.
            let is_next = alone.is_some() && alone == self.ahead.next_seq();
            if is_next && parked.peek().is_none() && !rows.is_empty() {
                break;
            }
            let may_overtake = |row: &Row| self.state.may_overtake(row, now);
            let next = match (parked.peek(), &mut self.ahead) {
                (Some(row), _) => row,
                (None, ahead) => match ahead.peek(platform, slot, may_overtake) {
                    Front::Row(row) => row,
                    Front::Nothing => break,
                    Front::Ended(stopped) => {
                        self.selector.ended(stopped);
                        break;
                    }
                },
            };
            let is_alone = alone == Some(next.seq);
            resources.extend(resource_of(next));
            if !rows.is_empty() && (is_alone || resources.len() > resources_max) {
                break;
            }
            rows.extend(parked.next().or_else(|| self.ahead.pop()));
            if is_alone {
                break;
            }
        }
        rows
    }
}

fn into_row(command: Command) -> Option<Row> {
    if let Command::TakeRow(row) = command {
        Some(row)
    } else {
        None
    }
}

fn resource_of(row: &Row) -> Option<Resource> {
    match row.fact.as_ref().ok()? {
        Fact::Order(order) => Some(Resource::Order(order.order)),
        Fact::Refund(refund) => Some(Resource::Order(refund.order)),
        Fact::OrderTouched(order) | Fact::OrderDeleted(order) => Some(Resource::Order(*order)),
        Fact::PartTouched(_) => Some(Resource::Store),
        Fact::Level(level) => Some(Resource::Item(level.item)),
        Fact::LevelGone { item, .. } | Fact::ItemGone(item) => Some(Resource::Item(*item)),
        Fact::Item(item) => Some(Resource::Item(item.item)),
        Fact::Product(product) => Some(Resource::Product(product.product)),
        Fact::ProductGone(product) => Some(Resource::Product(*product)),
        Fact::LocationsTouched | Fact::Uninstalled => Some(Resource::Store),
        Fact::Unneeded | Fact::Naked => None,
    }
}
