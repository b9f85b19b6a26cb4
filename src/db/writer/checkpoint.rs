//! Moves the write-ahead log into the database beside the writer (SQLite).
//!
//! Left to itself SQLite does so inside a commit, and whoever waits for that commit waits for some thousand pages more.
//! This task does it on a connection of its own, in nobody's way. What it does not keep up with, the writer's connection
//! moves itself, so that the log stays bounded.

use sea_orm::{ConnectionTrait, DatabaseConnection};
use tokio::sync::watch;

/// Rows written between two checkpoints: with their indexes some 4 MiB of log.
const ROWS_BETWEEN: u64 = 500;

/// How many rows have been written since the start.
pub(super) type RowsWritten = watch::Sender<u64>;

/// Checkpoints over and over, until the writer has ended.
pub(super) async fn keep_log_short(
    connection: DatabaseConnection,
    mut written: watch::Receiver<u64>,
) {
    let mut moved = 0;
    loop {
        let enough = written.wait_for(|rows| rows.saturating_sub(moved) >= ROWS_BETWEEN);
        let Ok(rows) = enough.await.map(|rows| *rows) else {
            return;
        };
        moved = rows;
        // Passive: it waits for nobody, and moves what it can.
        let checkpoint = connection.execute_unprepared("PRAGMA wal_checkpoint(PASSIVE)");
        if let Err(error) = checkpoint.await {
            // The writer meets the same trouble, and tells those who wait for it.
            tracing::debug!(%error, "write-ahead log not checkpointed");
        }
    }
}
