//! A backlog put into the database as if it had been accepted.

use sea_orm::ConnectionTrait;
use storekeeper::clock::Clock;

use crate::rows;

/// A row of the mix that is cold, and one that is naked.
const COLD: i64 = 1;
const NAKED: i64 = 9;

/// Gives each store so many rows, after those that it may have had.
pub(crate) async fn backlog(url: &str, rows_each: i64, stores: i64) {
    let connection = sea_orm::Database::connect(url).await.expect("a connection");
    let now = Clock::System.now();
    let ((cold_topic, cold), (naked_topic, naked)) = (rows::row(COLD, now), rows::row(NAKED, now));
    for store in 1..=stores {
        let insert = format!(
            "INSERT INTO inbox (store, seq, topic, delivery_id, received_at, body) \
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows_each}) \
             SELECT {store}, i, CASE WHEN i % 10 = 0 THEN '{naked_topic}' ELSE '{cold_topic}' END, 'seed-' || i, \
             {received}, CAST(CASE WHEN i % 10 = 0 THEN '{naked}' ELSE '{cold}' END AS BLOB) FROM n",
            received = now.as_millis(),
        );
        connection.execute_unprepared(&insert).await.expect("rows");
    }
    let heads = format!(
        "UPDATE inbox_head SET next_seq = {next}, received = {rows_each}",
        next = rows_each + 1
    );
    connection.execute_unprepared(&heads).await.expect("heads");
    connection.close().await.expect("closed");
}
