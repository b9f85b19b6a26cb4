//! Orders with their ledgers as rows.

use std::collections::HashSet;

use entity::ledger_order;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
};

use super::connect::Db;
use super::document;
use super::error::DbError;
use crate::domain::order::OrderState;
use crate::ids::{OrderId, StoreId};

/// The most ids that one statement names.
const IDS_MAX: usize = 500;
/// Stands for an order whose place is not in doubt; readings are numbered from 1.
const NO_DOUBT: i64 = 0;

/// Those of the orders that the store's ledger knows.
pub async fn load(db: &Db, store: StoreId, ids: &[OrderId]) -> Result<Vec<OrderState>, DbError> {
    let mut orders = Vec::with_capacity(ids.len());
    for ids in ids.chunks(IDS_MAX) {
        let rows = ledger_order::Entity::find()
            .filter(ledger_order::Column::Store.eq(store.0))
            .filter(ledger_order::Column::OrderId.is_in(ids.iter().map(|order| order.0)))
            .all(db.readers());
        for row in db.reading(rows).await? {
            orders.push(document::read("order", &row.doc)?);
        }
    }
    Ok(orders)
}

/// Those of the orders that the store's ledger knows, by their ids alone.
pub async fn known(db: &Db, store: StoreId, ids: &[OrderId]) -> Result<HashSet<OrderId>, DbError> {
    let mut known = HashSet::new();
    for ids in ids.chunks(IDS_MAX) {
        let found = ledger_order::Entity::find()
            .select_only()
            .column(ledger_order::Column::OrderId)
            .filter(ledger_order::Column::Store.eq(store.0))
            .filter(ledger_order::Column::OrderId.is_in(ids.iter().map(|order| order.0)))
            .into_tuple::<i64>()
            .all(db.readers());
        known.extend(db.reading(found).await?.into_iter().map(OrderId));
    }
    Ok(known)
}

/// Orders that are unsettled, or whose place is in doubt until a later reading than `places_confirmed`.
pub(super) async fn list_pending(
    connection: &impl ConnectionTrait,
    store: StoreId,
    places_confirmed: i64,
) -> Result<Vec<OrderState>, DbError> {
    // The store stands in each part, so that each has an index of its own.
    let is_unsettled = Condition::all()
        .add(ledger_order::Column::Store.eq(store.0))
        .add(ledger_order::Column::Settled.eq(false));
    let is_doubted = Condition::all()
        .add(ledger_order::Column::Store.eq(store.0))
        .add(ledger_order::Column::DoubtedUntil.gt(NO_DOUBT))
        .add(ledger_order::Column::DoubtedUntil.gt(places_confirmed));
    let rows = ledger_order::Entity::find()
        .filter(Condition::any().add(is_unsettled).add(is_doubted))
        .all(connection)
        .await?;
    rows.into_iter()
        .map(|row| document::read("order", &row.doc))
        .collect()
}

pub(super) async fn list_ids(
    connection: &impl ConnectionTrait,
    store: StoreId,
) -> Result<Vec<OrderId>, DbErr> {
    let ids: Vec<i64> = ledger_order::Entity::find()
        .select_only()
        .column(ledger_order::Column::OrderId)
        .filter(ledger_order::Column::Store.eq(store.0))
        .into_tuple()
        .all(connection)
        .await?;
    Ok(ids.into_iter().map(OrderId).collect())
}

pub(super) fn model(store: StoreId, order: &OrderState) -> Result<ledger_order::Model, DbError> {
    Ok(ledger_order::Model {
        store: store.0,
        order_id: order.order.0,
        settled: !order.unsettled(),
        doubted_until: order.doubt.map_or(NO_DOUBT, |doubt| doubt.until_reading),
        updated_at: order.updated_at.as_millis(),
        doc: document::write("order", order)?,
    })
}
