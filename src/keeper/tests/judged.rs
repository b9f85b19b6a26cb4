//! Rows that were judged naked, from where they are read to where they are given back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::bench::{STORE, SilentPlatform};
use crate::clock::Timestamp;
use crate::db::inbox::InboxRow;
use crate::domain::backlog::Manner;
use crate::domain::fact::Fact;
use crate::domain::interest::{Interest, Mentions};
use crate::ids::OrderId;
use crate::keeper::ahead::{Ahead, Front};
use crate::keeper::judge::Judged;
use crate::keeper::slot::Slot;

fn row(seq: i64) -> InboxRow {
    InboxRow {
        store: STORE,
        seq,
        topic: "weather/changed".to_owned(),
        delivery_id: String::new(),
        event_id: None,
        triggered_at: None,
        api_version: None,
        received_at: Timestamp::from_millis(0),
        body: "{}".into(),
    }
}

fn mentions(order: i64) -> Mentions {
    Mentions {
        orders: vec![OrderId(order)],
        ..Mentions::default()
    }
}

/// Three rows, of which the first two were judged naked by this set.
fn judged(interest: &Arc<Interest>) -> Ahead {
    let judged = Judged {
        interest: Arc::clone(interest),
        naked: HashMap::from([(1, mentions(11)), (2, mentions(12))]),
        took: Duration::ZERO,
    };
    Ahead::new(Manner::InOrder, vec![row(1), row(2), row(3)]).judged(judged)
}

#[test]
fn naked_rows_are_taken_unparsed_and_are_what_they_were_when_they_are_given_back() {
    let interest = Arc::new(Interest::default());
    let (platform, slot) = (SilentPlatform::default(), Slot::new(STORE));
    let mut ahead = judged(&interest);
    let taken: Vec<_> = std::iter::from_fn(|| ahead.pop_naked(|_| false)).collect();
    let told: Vec<_> = taken.iter().map(|row| (row.seq, &row.fact)).collect();
    assert_eq!(told, [(1, &Ok(Fact::Naked)), (2, &Ok(Fact::Naked))]);
    assert!(matches!(
        ahead.peek(&platform, &slot, |_| true),
        Front::Row(row) if row.seq == 3 && row.fact == Ok(Fact::Unneeded)
    ));
    let last = ahead.pop().unwrap();
    for row in taken.into_iter().chain([last]).rev() {
        ahead.put_back(row);
    }
    assert_eq!(
        (ahead.len(), ahead.next_seq(), ahead.last_seq()),
        (3, Some(1), Some(3))
    );
    // The next turn knows of the first one's order.
    ahead.begin_turn(Some(&interest));
    let is_first = |mentions: &Mentions| *mentions == self::mentions(11);
    assert_eq!(ahead.pop_naked(is_first), None);
    assert!(matches!(
        ahead.peek(&platform, &slot, |_| true),
        Front::Row(row) if row.seq == 1 && row.fact == Ok(Fact::Unneeded)
    ));
    ahead.pop().unwrap();
    assert_eq!(ahead.pop_naked(is_first).map(|row| row.seq), Some(2));
    assert_eq!(platform.parsed(), 2, "each of the others once");
}

#[test]
fn what_was_judged_by_a_set_that_holds_no_more_is_judged_no_more() {
    let interest = Arc::new(Interest::default());
    let other = Arc::new(Interest::default());
    for now in [Some(&other), None] {
        let mut ahead = judged(&interest);
        ahead.begin_turn(Some(&interest));
        assert!(ahead.is_judged());
        ahead.begin_turn(now);
        assert!(!ahead.is_judged());
        assert_eq!(ahead.pop_naked(|_| false), None);
        assert_eq!(ahead.len(), 3, "and stays where it is");
    }
}
