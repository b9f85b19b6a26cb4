//! What the log tells of dead letters: one line for each, once it is written.

use crate::db::dead_letters;
use crate::keeper::core::KeeperCore;
use crate::keeper::exit::bounded;

impl KeeperCore {
    /// Tells whoever reads the log what was given up. Nobody waits for that: it comes at the end of a step.
    pub(super) async fn tell_of_dead_letters(&mut self) {
        let buried = std::mem::take(&mut self.buried);
        if buried.is_empty() {
            return;
        }
        let store = self.slot.store;
        let ids: Vec<_> = buried.iter().map(|record| record.id).collect();
        // Only the database knows them all: a row that waited in a lane has left its topic there.
        let db = self.shared.deps.db.clone();
        let topics = async move { dead_letters::topics(&db, store, &ids).await };
        // Without them the lines say less.
        let topics = self.shared.home.serve(topics).await.unwrap_or_default();
        for record in buried {
            let what = if record.seq.is_some() {
                "webhook"
            } else {
                "write"
            };
            tracing::warn!(
                %store,
                topic = topics.get(&record.id).map(String::as_str),
                class = record.class.name(),
                reason = sayable(&record.reason),
                "a {what} became a dead letter"
            );
        }
    }
}

/// A reason as the log may say it: bounded, and without what it quotes, which may be of the body.
fn sayable(reason: &str) -> String {
    let quotes = |letter: char| matches!(letter, '"' | '`');
    let parts = reason.split(quotes).enumerate();
    let unquoted: String = parts
        .map(|(index, part)| if index % 2 == 0 { part } else { "…" })
        .collect();
    bounded(&unquoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_without_what_it_quotes() {
        let cases = [
            (
                "line_items[3].id: wanted a number",
                "line_items[3].id: wanted a number",
            ),
            (
                r#"invalid type: string "Anne", expected an object"#,
                "invalid type: string …, expected an object",
            ),
            ("inside 'é' of `Anne Smith", "inside 'é' of …"),
        ];
        for (reason, told) in cases {
            assert_eq!(sayable(reason), told);
        }
    }
}
