//! Keeps the inbox small: asks the writer, now and then, to delete rows behind a keeper's cursor.

use tokio::sync::mpsc;

use crate::db::writer::Writer;
use crate::ids::StoreId;

/// Rows of a store up to this number are done with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purge {
    pub(super) store: StoreId,
    pub(super) up_to_seq: i64,
}

/// Purges one store after the other, so that it never stands in the way of much. What does not fit into the queue is
/// asked for again with a later commit, or by the next keeper.
pub(super) async fn purge_behind_cursors(writer: Writer, mut asked: mpsc::Receiver<Purge>) {
    while let Some(Purge { store, up_to_seq }) = asked.recv().await {
        match writer.purge(store, up_to_seq).await {
            Ok(rows) => tracing::debug!(%store, rows, "inbox purged"),
            Err(error) => tracing::warn!(%store, %error, "inbox not purged"),
        }
    }
}
