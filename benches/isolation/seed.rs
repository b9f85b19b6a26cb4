//! A backlog put into the database as if it had been accepted.

use sea_orm::ConnectionTrait;
use storekeeper::ids::StoreId;

use crate::noise;
use crate::rows;
use crate::stage::Stage;

/// Rows of one INSERT.
const ROWS_AT_ONCE: i64 = 20_000;
/// Stands in the one order of which all are made.
const PATTERN: i64 = 123_456_789_010;

/// Gives the noisy store so many rows, of the same mix as a flood.
pub(crate) async fn backlog(stage: &Stage, rows: i64) {
    let connection = sea_orm::Database::connect(&stage.url).await;
    let connection = connection.expect("a connection");
    let store = stage.case.noisy_inbox();
    let is_sqlite = stage.url.starts_with("sqlite");
    let now = stage.deps.clock.now();
    let (_, order) = rows::row(PATTERN, now);
    let (_, level) = rows::row(1, now);
    let as_bytes = |text: &str| match is_sqlite {
        true => format!("CAST({text} AS BLOB)"),
        false => format!("convert_to({text}, 'UTF8')"),
    };
    // An order's and its line's number hold the pattern's last digits; rows count on from there.
    let order = as_bytes(&format!(
        "replace(replace('{order}', '{}', CAST({} + i * 10 AS TEXT)), '{}', CAST({} + i * 10 AS TEXT))",
        5_000_000 + PATTERN,
        5_000_000 + PATTERN,
        7_000_000 + PATTERN,
        7_000_000 + PATTERN,
    ));
    let level = as_bytes(&format!("'{level}'"));
    let part = noise::ORDERS_ONE_IN;
    for first in (1..=rows).step_by(usize::try_from(ROWS_AT_ONCE).expect("positive")) {
        let last = (first + ROWS_AT_ONCE - 1).min(rows);
        let insert = format!(
            "INSERT INTO inbox (store, seq, topic, delivery_id, received_at, body) \
             WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last}) \
             SELECT {store}, i, CASE WHEN i % {part} = 0 THEN 'orders/create' ELSE 'inventory_levels/update' END, \
             'seed-' || CAST(i AS TEXT), {received}, CASE WHEN i % {part} = 0 THEN {order} ELSE {level} END FROM n",
            store = number(store),
            received = now.as_millis(),
        );
        connection.execute_unprepared(&insert).await.expect("rows");
    }
    let head = format!(
        "UPDATE inbox_head SET next_seq = {next}, received = {rows} WHERE store = {store}",
        next = rows + 1,
        store = number(store),
    );
    connection.execute_unprepared(&head).await.expect("a head");
    connection.close().await.expect("closed");
}

const fn number(store: StoreId) -> i64 {
    store.0
}
