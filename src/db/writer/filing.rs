//! Recent delivery ids are filed (SQLite): in rounds, a little after every few deliveries, never behind them.
//!
//! A round begins when many ids have gathered. It files them in the order of their key, and only then strikes them off the
//! list of recent ones, up to the last that stood there when the round began. At any instant an id is therefore filed or
//! on the list, or both; and a round that breaks off, at a crash say, is begun anew.

use sea_orm::DbErr;

use super::recent::{RecentIds, span, strike};
use super::within_time;
use crate::db::connect::{Db, begin_writing};
use crate::db::error::DbError;
use crate::ids::StoreId;

/// Rows struck off for one that could be filed in the same time: they stand together.
const STRUCK_FOR_FILED: u32 = 8;

/// How far the present round is.
#[derive(Debug)]
enum Round {
    /// Filed up to this key.
    Filing {
        up_to: i64,
        after: (StoreId, Box<str>),
    },
    /// All are filed; those up to this number are being struck off.
    Striking { up_to: i64 },
}

/// The round under way, and when it goes on.
#[derive(Debug)]
pub(super) struct Filing {
    ids_max: i64,
    rows_max: u32,
    round: Option<Round>,
    /// Deliveries accepted since it last went on.
    accepted: usize,
}

impl Filing {
    pub(super) fn new(db: &Db) -> Self {
        let options = db.options().writer;
        Self {
            ids_max: i64::from(options.recent_ids_max),
            rows_max: options.bulk_rows_max,
            round: None,
            accepted: 0,
        }
    }

    /// Ends what an earlier process left, before anything is accepted: else the list would grow with every crash.
    pub(super) async fn catch_up(&mut self, db: &Db, recent: &mut RecentIds) {
        loop {
            match self.step_in_time(db, recent).await {
                Ok(()) if self.round.is_some() => {}
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, "delivery ids that an earlier process left are not filed");
                    return;
                }
            }
        }
    }

    /// Goes on after these deliveries, by one transaction, once half as many came as it can file: so what gathers
    /// meanwhile is bounded. Returns how many rows were written, about.
    pub(super) async fn go_on(
        &mut self,
        db: &Db,
        recent: &mut RecentIds,
        accepted: usize,
    ) -> usize {
        let rows_max = usize::try_from(self.rows_max).unwrap_or(usize::MAX);
        self.accepted = self.accepted.saturating_add(accepted);
        if self.accepted < rows_max.div_ceil(2) {
            return 0;
        }
        self.accepted = 0;
        let was_at_work = self.round.is_some();
        let is_done = self.try_step(db, recent).await;
        if is_done && was_at_work { rows_max } else { 0 }
    }

    /// Whether the next step was done; one that fails ends its round.
    async fn try_step(&mut self, db: &Db, recent: &mut RecentIds) -> bool {
        // The next delivery meets the same trouble, and tells those who wait for it.
        self.step_in_time(db, recent)
            .await
            .inspect_err(|error| tracing::debug!(%error, "delivery ids not filed"))
            .is_ok()
    }

    async fn step_in_time(&mut self, db: &Db, recent: &mut RecentIds) -> Result<(), DbError> {
        recent.catch_up(db).await?;
        within_time(db, async { Ok(self.step(db, recent).await?) }).await
    }

    /// One transaction of the round; begins one when it is time.
    async fn step(&mut self, db: &Db, recent: &mut RecentIds) -> Result<(), DbErr> {
        let connection = db.accepts();
        self.round = match self.round.take() {
            None => span(connection).await?.and_then(|(first, last)| {
                let after = (StoreId(i64::MIN), "".into());
                (last - first >= self.ids_max).then_some(Round::Filing { up_to: last, after })
            }),
            Some(Round::Filing { up_to, after }) => {
                let transaction = begin_writing(connection).await?;
                recent.open();
                let last = recent.file(&transaction, &after, self.rows_max).await?;
                transaction.commit().await?;
                recent.settle();
                Some(match last {
                    Some(after) => Round::Filing { up_to, after },
                    None => Round::Striking { up_to },
                })
            }
            Some(Round::Striking { up_to }) => {
                let rows_max = self.rows_max.saturating_mul(STRUCK_FOR_FILED);
                let struck = strike(connection, up_to, rows_max).await?;
                (struck >= u64::from(rows_max)).then_some(Round::Striking { up_to })
            }
        };
        Ok(())
    }
}
