//! Delivery ids that came lately (SQLite): told apart in memory, and filed into the big table many to a page.
//!
//! The platform's ids come in no order, so a table keyed by them has a page to write for every single one. An accepted
//! id is therefore only added at the end of `recent_delivery`, and to an index in memory. That index is a temporary table
//! of the writing connection: it takes part in the connection's transactions, and so holds what is committed, neither more
//! nor less. When many ids have gathered they are filed into `delivery` in the order of its key
//! ([`Filing`](super::filing::Filing)).
//!
//! A connection that has no index yet is given one page by page, before anything is accepted on it: however long the
//! list is, no single transaction is.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, QueryResult, Value,
};

use crate::clock::Timestamp;
use crate::db::connect::{Db, statement};
use crate::db::error::DbError;
use crate::db::grid::Grid;
use crate::ids::StoreId;

const HOUR_MS: i64 = 60 * 60 * 1000;
/// Ids that are added to a new index at once: some 20 ms.
const FILL_ROWS_MAX: i64 = 5_000;

/// An id as it is told apart from others.
pub(super) type Key<'id> = (StoreId, &'id str);

/// Whether this connection has the index, with everything in it.
pub(super) async fn is_open(connection: &impl ConnectionTrait) -> Result<bool, DbErr> {
    const IS_THERE: &str = "SELECT 1 FROM temp.sqlite_master WHERE name = 'recent_id'";
    let is_there = statement(connection, IS_THERE, []);
    Ok(connection.query_one_raw(is_there).await?.is_some())
}

/// Makes sure that the writing connection has the index. Nobody else may write delivery ids meanwhile.
pub(super) async fn open(db: &Db) -> Result<(), DbError> {
    const BEGIN: &str = "DROP TABLE IF EXISTS temp.recent_id_filling; \
        CREATE TEMP TABLE recent_id_filling (store BIGINT, delivery_id TEXT, received_at BIGINT, \
        PRIMARY KEY (store, delivery_id)) WITHOUT ROWID";
    // Only now is it what others look for.
    const END: &str = "ALTER TABLE temp.recent_id_filling RENAME TO recent_id";
    let connection = db.accepts();
    if is_open(connection).await? {
        return Ok(());
    }
    connection.execute_unprepared(BEGIN).await?;
    let mut after = Some(i64::MIN);
    while let Some(number) = after {
        let page = tokio::time::timeout(
            db.options().writer.group_timeout,
            fill_page(connection, number),
        );
        after = page.await.map_err(|_elapsed| DbError::Busy)??;
    }
    connection.execute_unprepared(END).await?;
    Ok(())
}

/// Adds the next ids behind this number of the list; gives the last number added.
async fn fill_page(connection: &DatabaseConnection, after: i64) -> Result<Option<i64>, DbErr> {
    const LAST: &str = "SELECT MAX(number) FROM \
        (SELECT number FROM recent_delivery WHERE number > $1 ORDER BY number LIMIT $2)";
    // An id that outlived its place in `delivery` may have come again: the later counts.
    const FILL: &str = "INSERT OR REPLACE INTO temp.recent_id_filling SELECT store, delivery_id, received_at \
        FROM recent_delivery WHERE number > $1 AND number <= $2 ORDER BY number";
    let page = statement(connection, LAST, [after.into(), FILL_ROWS_MAX.into()]);
    let last: Option<i64> = match connection.query_one_raw(page).await? {
        Some(row) => row.try_get_by_index(0)?,
        None => None,
    };
    if let Some(last) = last {
        let fill = statement(connection, FILL, [after.into(), last.into()]);
        connection.execute_raw(fill).await?;
    }
    Ok(last)
}

/// Those of the ids that came before.
pub(super) async fn known(
    transaction: &DatabaseTransaction,
    ids: impl Iterator<Item = Key<'_>>,
) -> Result<Vec<(StoreId, String)>, DbErr> {
    const KNOWN: &str = "SELECT store, delivery_id FROM g WHERE EXISTS (SELECT 1 FROM temp.recent_id recent \
        WHERE recent.store = g.store AND recent.delivery_id = g.delivery_id) OR EXISTS (SELECT 1 FROM delivery filed \
        WHERE filed.store = g.store AND filed.delivery_id = g.delivery_id)";
    let mut grid = Grid::new(&["store", "delivery_id"]);
    for (store, delivery_id) in ids {
        grid.push(vec![store.0.into(), delivery_id.into()]);
    }
    let found = grid.query(transaction, KNOWN).await?;
    let key = |row: &QueryResult| Ok((StoreId(row.try_get_by_index(0)?), row.try_get_by_index(1)?));
    found.iter().map(key).collect()
}

/// Writes down ids that are not known; none may occur twice.
pub(super) async fn note(
    transaction: &DatabaseTransaction,
    ids: &[(Key<'_>, Timestamp)],
) -> Result<(), DbErr> {
    const COLUMNS: [&str; 3] = ["store", "delivery_id", "received_at"];
    for insert in [
        "INSERT INTO recent_delivery (store, delivery_id, received_at) SELECT store, delivery_id, received_at FROM g",
        "INSERT INTO temp.recent_id SELECT store, delivery_id, received_at FROM g",
    ] {
        let mut grid = Grid::new(&COLUMNS);
        for ((store, delivery_id), received_at) in ids {
            grid.push(vec![
                store.0.into(),
                (*delivery_id).into(),
                received_at.as_millis().into(),
            ]);
        }
        grid.execute(transaction, insert).await?;
    }
    Ok(())
}

/// Forgets the oldest ids that came before this moment, at most `rows_max`; returns how many went. A connection without
/// the index forgets none: it has it before the next id comes, and the next purge finds them.
pub(super) async fn forget(
    transaction: &DatabaseTransaction,
    before: Timestamp,
    rows_max: u32,
) -> Result<u64, DbErr> {
    const OLDEST: &str =
        "received_at < $1 AND number < (SELECT MIN(number) FROM recent_delivery) + $2";
    if !is_open(transaction).await? {
        return Ok(0);
    }
    let values = || [before.as_millis().into(), i64::from(rows_max).into()];
    let from_index = format!(
        "DELETE FROM temp.recent_id WHERE received_at < $1 AND (store, delivery_id) IN \
         (SELECT store, delivery_id FROM recent_delivery WHERE {OLDEST})"
    );
    transaction
        .execute_raw(statement(transaction, &from_index, values()))
        .await?;
    let from_list = format!("DELETE FROM recent_delivery WHERE {OLDEST}");
    let deleted = transaction.execute_raw(statement(transaction, &from_list, values()));
    Ok(deleted.await?.rows_affected())
}

/// Numbers of the first and the last id that was written down.
pub(super) async fn span(connection: &impl ConnectionTrait) -> Result<Option<(i64, i64)>, DbErr> {
    const SPAN: &str = "SELECT (SELECT MIN(number) FROM recent_delivery), (SELECT MAX(number) FROM recent_delivery)";
    let found = connection
        .query_one_raw(statement(connection, SPAN, []))
        .await?;
    let Some(row) = found else { return Ok(None) };
    let (first, last): (Option<i64>, Option<i64>) =
        (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    Ok(first.zip(last))
}

/// Files the next ids behind `after` in the order of their key, at most `rows_max`; returns the last of them, or nothing
/// when these were all that was left.
pub(super) async fn file(
    transaction: &DatabaseTransaction,
    after: &(i64, String),
    rows_max: u32,
) -> Result<Option<(i64, String)>, DbErr> {
    const LAST: &str = "SELECT store, delivery_id FROM temp.recent_id WHERE (store, delivery_id) > ($1, $2) \
        ORDER BY store, delivery_id LIMIT 1 OFFSET $3";
    // The end of the hour: none is forgotten early, and the index by moment grows in the order of the key.
    const FILE: &str = "INSERT OR IGNORE INTO delivery (store, delivery_id, received_at) \
        SELECT store, delivery_id, received_at - received_at % $5 + $5 - 1 FROM temp.recent_id \
        WHERE (store, delivery_id) > ($1, $2) AND (store, delivery_id) <= ($3, $4) ORDER BY store, delivery_id";
    const REMOVE: &str = "DELETE FROM temp.recent_id \
        WHERE (store, delivery_id) > ($1, $2) AND (store, delivery_id) <= ($3, $4)";
    let run =
        |sql, values: Vec<Value>| transaction.execute_raw(statement(transaction, sql, values));
    if !is_open(transaction).await? {
        return Err(DbErr::Custom(
            "the connection has no index of ids yet".to_owned(),
        ));
    }
    let (store, id) = after.clone();
    let behind: [Value; 2] = [store.into(), id.into()];
    let [store, id] = behind.clone();
    let values = [store, id, i64::from(rows_max).saturating_sub(1).into()];
    let last = transaction
        .query_one_raw(statement(transaction, LAST, values))
        .await?;
    let last: Option<(i64, String)> = match last {
        Some(row) => Some((row.try_get_by_index(0)?, row.try_get_by_index(1)?)),
        None => None,
    };
    let (store, id) = last.clone().unwrap_or((i64::MAX, String::new()));
    let range = [behind.to_vec(), vec![store.into(), id.into()]].concat();
    run(FILE, [range.clone(), vec![HOUR_MS.into()]].concat()).await?;
    run(REMOVE, range).await?;
    Ok(last)
}

/// Strikes the first ids up to this number off the list, at most `rows_max`; returns how many.
pub(super) async fn strike(
    connection: &impl ConnectionTrait,
    up_to: i64,
    rows_max: u32,
) -> Result<u64, DbErr> {
    const STRIKE: &str = "DELETE FROM recent_delivery WHERE number <= $1 \
        AND number < (SELECT MIN(number) FROM recent_delivery) + $2";
    let values = [up_to.into(), i64::from(rows_max).into()];
    let struck = connection.execute_raw(statement(connection, STRIKE, values));
    Ok(struck.await?.rows_affected())
}
