//! Writes a group of deliveries and answers each.

use super::{at_once, in_steps};
use crate::db::connect::Db;
use crate::db::error::DbError;
use crate::db::inbox::{Acceptance, Delivery};
use crate::db::writer::handle::{WaitingDelivery, WriteError};
use crate::db::writer::recent;

/// What became of each delivery of a group, in their order.
pub(super) type Outcomes = Vec<Result<Acceptance, WriteError>>;

/// Writes a group and answers each; a failed group is written one by one, so that a bad delivery fails alone.
pub(in crate::db::writer) async fn write_group(db: &Db, group: Vec<WaitingDelivery>) {
    let (deliveries, answers): (Vec<_>, Vec<_>) = group
        .into_iter()
        .map(|waiting| (waiting.delivery, (waiting.answer, waiting.room)))
        .unzip();
    let outcomes = match write(db, &deliveries).await {
        Ok(outcomes) => outcomes,
        // What is the matter with the database is the matter with every delivery.
        Err(error) if error.is_transient() => deliveries
            .iter()
            .map(|_| Err(error.clone().into()))
            .collect(),
        Err(_error) if deliveries.len() > 1 => one_by_one(db, &deliveries).await,
        Err(error) => vec![Err(refusal(error))],
    };
    for (outcome, (answer, _room)) in outcomes.into_iter().zip(answers) {
        // Whoever asked may have gone; the row is durable all the same.
        let _gone = answer.send(outcome).is_err();
    }
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

async fn one_by_one(db: &Db, deliveries: &[Delivery]) -> Outcomes {
    let mut outcomes = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let outcome = write(db, std::slice::from_ref(delivery)).await;
        outcomes.push(
            outcome
                .map_err(refusal)
                .and_then(|mut outcomes| outcomes.pop().unwrap_or(Err(WriteError::Ended))),
        );
    }
    outcomes
}

/// On a connection that is new, the index of recent ids comes first, in its own time.
async fn write(db: &Db, deliveries: &[Delivery]) -> Result<Outcomes, DbError> {
    if let Some(outcomes) = write_in_time(db, deliveries).await? {
        return Ok(outcomes);
    }
    recent::open(db).await?;
    let written = write_in_time(db, deliveries).await?;
    written.ok_or_else(|| DbError::Unavailable("the connection was lost again".to_owned()))
}

async fn write_in_time(db: &Db, deliveries: &[Delivery]) -> Result<Option<Outcomes>, DbError> {
    match tokio::time::timeout(db.options().writer.group_timeout, write_all(db, deliveries)).await {
        Ok(outcomes) => Ok(outcomes?),
        Err(_elapsed) => Err(DbError::Unavailable(
            "a transaction did not end in time".to_owned(),
        )),
    }
}

async fn write_all(db: &Db, deliveries: &[Delivery]) -> Result<Option<Outcomes>, sea_orm::DbErr> {
    if db.is_postgres() {
        at_once::write(db.accepts(), deliveries).await.map(Some)
    } else {
        in_steps::write(db.accepts(), deliveries).await
    }
}
