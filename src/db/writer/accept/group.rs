//! Writes a group of deliveries and answers each.

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{at_once, in_steps};
use crate::db::connect::Db;
use crate::db::error::DbError;
use crate::db::inbox::{Acceptance, Delivery};
use crate::db::writer::handle::{WaitingDelivery, WriteError};
use crate::db::writer::recent::RecentIds;
use crate::db::writer::within_time;

/// What became of each delivery of a group, in their order.
pub(in crate::db::writer) type Outcomes = Vec<Result<Acceptance, WriteError>>;

/// Who waits, and the body's part of what may wait.
type Answer = (
    oneshot::Sender<Result<Acceptance, WriteError>>,
    OwnedSemaphorePermit,
);

/// Deliveries that are written in one transaction, and who waits for each.
pub(in crate::db::writer) struct Group {
    pub(in crate::db::writer) deliveries: Vec<Delivery>,
    answers: Vec<Answer>,
}

impl Group {
    pub(in crate::db::writer) fn of(waiting: Vec<WaitingDelivery>) -> Self {
        let (deliveries, answers) = waiting
            .into_iter()
            .map(|waiting| (waiting.delivery, (waiting.answer, waiting.room)))
            .unzip();
        Self {
            deliveries,
            answers,
        }
    }

    /// They are committed, those that the outcomes say. They are kept for their keepers, whom the answers call.
    pub(in crate::db::writer) fn answer(self, db: &Db, outcomes: Outcomes) {
        let numbered = self.deliveries.into_iter().zip(&outcomes);
        db.fresh()
            .keep(numbered.filter_map(|(delivery, outcome)| match outcome {
                Ok(Acceptance::Accepted { seq }) => Some(delivery.into_row(*seq)),
                Ok(Acceptance::Duplicate | Acceptance::SharedBody) | Err(_) => None,
            }));
        tell(self.answers, outcomes);
    }

    /// What is the matter with the database is the matter with every delivery.
    pub(in crate::db::writer) fn fail(self, error: &DbError) {
        let outcome = |_: &Delivery| Err(error.clone().into());
        let outcomes = self.deliveries.iter().map(outcome).collect();
        tell(self.answers, outcomes);
    }
}

fn tell(answers: Vec<Answer>, outcomes: Outcomes) {
    for (outcome, (answer, _room)) in outcomes.into_iter().zip(answers) {
        // Whoever asked may have gone; the row is durable all the same.
        let _gone = answer.send(outcome).is_err();
    }
}

/// Writes a group and answers each; a failed group is written one by one, so that a bad delivery fails alone.
pub(in crate::db::writer) async fn write_group(db: &Db, recent: &mut RecentIds, group: Group) {
    let deliveries = &group.deliveries;
    let outcomes = match write(db, recent, deliveries).await {
        Ok(outcomes) => outcomes,
        Err(error) if error.is_transient() => return group.fail(&error),
        Err(_error) if deliveries.len() > 1 => one_by_one(db, recent, deliveries).await,
        Err(error) => vec![Err(refusal(error))],
    };
    group.answer(db, outcomes);
}

/// What one delivery alone failed with.
fn refusal(error: DbError) -> WriteError {
    match error {
        DbError::NotFound(_) => WriteError::UnknownStore,
        DbError::Conflict
        | DbError::Busy
        | DbError::Full
        | DbError::Unavailable(_)
        | DbError::Broken(_) => WriteError::Db(error),
    }
}

async fn one_by_one(db: &Db, recent: &mut RecentIds, deliveries: &[Delivery]) -> Outcomes {
    let mut outcomes = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let outcome = write(db, recent, std::slice::from_ref(delivery)).await;
        outcomes.push(
            outcome
                .map_err(refusal)
                .and_then(|mut outcomes| outcomes.pop().unwrap_or(Err(WriteError::Ended))),
        );
    }
    outcomes
}

async fn write(
    db: &Db,
    recent: &mut RecentIds,
    deliveries: &[Delivery],
) -> Result<Outcomes, DbError> {
    recent.catch_up(db).await?;
    within_time(db, async {
        if db.is_postgres() {
            at_once::write(db.accepts(), recent, deliveries).await
        } else {
            Ok(in_steps::write(db.accepts(), recent, deliveries).await?)
        }
    })
    .await
}
